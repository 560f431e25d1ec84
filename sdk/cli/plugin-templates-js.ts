/**
 * The two files of a new plugin that are different in JavaScript: its entry and its tests.
 *
 * Invariant: they do what those in TypeScript do, and editors that check JavaScript find nothing wrong with them.
 */
import { VERSION } from '../version.ts';

export const indexInJavaScript = (
  name: string,
  whereToGoOn: string,
): string => `/** The plugin \`${name}\`: remembers the slowest statements of the host. */
import { definePlugin } from 'glyphcase/sdk';

/**
 * What the event \`statement:slow\` tells.
 * @typedef {{ readonly sql: string, readonly ms: number }} SlowStatement
 */

/**
 * The service \`${name}\`, which other plugins get by \`ctx.use('${name}')\`. The slowest statement comes first.
 * @typedef {{ slowest(): readonly SlowStatement[] }} Service
 */

export default definePlugin({
  name: '${name}',
  version: '0.1.0',
  glyphcase: '^${VERSION}',
  provides: { '${name}': '1.0.0' },
  config: {
    type: 'object',
    // How many statements are remembered.
    properties: { keep: { type: 'integer', minimum: 1, default: 10 } },
  },
  activate(ctx) {
    /** @type {readonly SlowStatement[]} */
    let kept = [];

    // Gone by itself when the plugin stops, as all is that goes through ctx.
    ctx.on('statement:slow', (/** @type {SlowStatement} */ statement) => {
      kept = [...kept, statement].sort((a, b) => b.ms - a.ms).slice(0, ctx.config.keep);
      ctx.log.debug(\`\${statement.ms} ms: \${statement.sql}\`);
    });

    ctx.provide('${name}', { slowest: () => kept });

${whereToGoOn}
  },
});
`;

export const testInJavaScript = (name: string): string => `/** What the plugin must do: \`npm test\`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTestHost, runPluginContract } from 'glyphcase/testing';
import plugin from './index.js';

const slow = (/** @type {number} */ ms) => ({ sql: \`SELECT \${ms}\`, ms });

test('keeps the contract of plugins', async () => {
  await runPluginContract(plugin, { exercise: (host) => void host.emit('statement:slow', slow(200)) });
});

test('remembers the slowest statements', async (t) => {
  const host = await createTestHost();
  t.after(() => host.close());
  await host.load(plugin, { keep: 2 });
  for (const ms of [150, 900, 300]) host.emit('statement:slow', slow(ms));
  /** @type {import('./index.js').Service} */
  const service = host.use('${name}');
  assert.deepEqual(service.slowest(), [slow(900), slow(300)]);
});

test('refuses to remember nothing', async (t) => {
  const host = await createTestHost();
  t.after(() => host.close());
  await assert.rejects(() => host.load(plugin, { keep: 0 }), /keep/);
});
`;
