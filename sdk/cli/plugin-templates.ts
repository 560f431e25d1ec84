/**
 * The files of a new plugin.
 *
 * Invariant: what is written passes `plugin check`, its own tests and strict type checks as it stands, on every Node.js that
 * GlyphCase runs on.
 */
import { VERSION } from '../version.ts';
import { indexInJavaScript, testInJavaScript } from './plugin-templates-js.ts';

/** What a new plugin is written in. */
export type Language = 'ts' | 'js';

/** Path → content, in the order in which they are worth reading. */
export function pluginFilesOf(name: string, language: Language): Readonly<Record<string, string>> {
  const shared = { 'package.json': json(packageOf(name, language)), 'README.md': readme(name) };
  if (language === 'js') {
    return {
      'index.js': indexInJavaScript(name, WHERE_TO_GO_ON),
      'index.test.js': testInJavaScript(name),
      ...shared,
    };
  }
  return { 'index.ts': index(name), 'index.test.ts': test(name), 'tsconfig.json': json(COMPILER_SETTINGS), ...shared };
}

/** Folder of a plugin: its name without what folders cannot be called everywhere. */
export const folderOf = (name: string): string => name.replace(/^@/, '').replaceAll(/[/:]+/g, '-');

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

const packageOf = (name: string, language: Language): object => ({
  name: name.startsWith('@') ? name : `glyphcase-plugin-${folderOf(name)}`,
  version: '0.1.0',
  description: 'Remembers the slowest statements of a GlyphCase host.',
  keywords: ['glyphcase-plugin'],
  type: 'module',
  exports: `./index.${language}`,
  files: [`*.${language}`, `!*.test.${language}`],
  scripts: { test: 'node --test' },
  engines: { node: '>=22.18' },
  peerDependencies: { glyphcase: `^${VERSION}` },
});

/** For editors, and for `tsc -p .`: what Node.js itself demands of TypeScript, and strictness. */
const COMPILER_SETTINGS = {
  compilerOptions: {
    target: 'es2023',
    lib: ['es2023', 'esnext.disposable', 'dom'],
    module: 'nodenext',
    types: ['node'],
    strict: true,
    noUncheckedIndexedAccess: true,
    erasableSyntaxOnly: true,
    verbatimModuleSyntax: true,
    allowImportingTsExtensions: true,
    skipLibCheck: true,
    noEmit: true,
  },
};

const WHERE_TO_GO_ON = `    // Where to go on:
    // - changes of a table: ctx.watch('orders', (events) => { … }), with \`requires: { capsule: '^1.0.0' }\` above;
    // - something at times: ctx.every('10m', () => { … }); over HTTP: ctx.route('GET', '/slowest', () => Response.json(kept));
    // - a command of \`glyphcase\`: \`commands: { … }\` above, each made by defineCommand;
    // - what a reload is to hand on: \`snapshot\` above, and ctx.state here;
    // - a socket, a watcher, anything not from ctx: ctx.defer(() => giveItBack()).
    // All of it is in docs/plugins.md of GlyphCase.`;

const index = (name: string): string => `/** The plugin \`${name}\`: remembers the slowest statements of the host. */
import { definePlugin } from 'glyphcase/sdk';

/** The options as \`activate\` finds them: with the defaults of the schema below. */
export interface Config {
  /** How many statements are remembered. */
  readonly keep: number;
}

/** What the event \`statement:slow\` tells. */
export interface SlowStatement {
  readonly sql: string;
  readonly ms: number;
}

/** The service \`${name}\`, which other plugins get by \`ctx.use('${name}')\`. */
export interface Service {
  /** The slowest first. */
  slowest(): readonly SlowStatement[];
}

export default definePlugin<Config>({
  name: '${name}',
  version: '0.1.0',
  glyphcase: '^${VERSION}',
  provides: { '${name}': '1.0.0' },
  config: {
    type: 'object',
    properties: { keep: { type: 'integer', minimum: 1, default: 10 } },
  },
  activate(ctx) {
    let kept: readonly SlowStatement[] = [];

    // Gone by itself when the plugin stops, as all is that goes through ctx.
    ctx.on('statement:slow', (statement: SlowStatement) => {
      kept = [...kept, statement].sort((a, b) => b.ms - a.ms).slice(0, ctx.config.keep);
      ctx.log.debug(\`\${statement.ms} ms: \${statement.sql}\`);
    });

    ctx.provide<Service>('${name}', { slowest: () => kept });

${WHERE_TO_GO_ON}
  },
});
`;

const test = (name: string): string => `/** What the plugin must do: \`npm test\`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTestHost, runPluginContract } from 'glyphcase/testing';
import plugin from './index.ts';
import type { Service, SlowStatement } from './index.ts';

const slow = (ms: number): SlowStatement => ({ sql: \`SELECT \${ms}\`, ms });

test('keeps the contract of plugins', async () => {
  await runPluginContract(plugin, { exercise: (host) => void host.emit('statement:slow', slow(200)) });
});

test('remembers the slowest statements', async (t) => {
  const host = await createTestHost();
  t.after(() => host.close());
  await host.load(plugin, { keep: 2 });
  for (const ms of [150, 900, 300]) host.emit('statement:slow', slow(ms));
  assert.deepEqual(host.use<Service>('${name}').slowest(), [slow(900), slow(300)]);
});

test('refuses to remember nothing', async (t) => {
  const host = await createTestHost();
  t.after(() => host.close());
  await assert.rejects(() => host.load(plugin, { keep: 0 }), /keep/);
});
`;

const readme = (name: string): string => `# ${name}

A plugin for GlyphCase that remembers the slowest statements of the host.

| option | |
|---|---|
| \`keep\` | how many statements are remembered; 10 by default |

It provides the service \`${name}\` 1.0.0: \`slowest()\` gives the statements, the slowest first.

\`npm test\` runs its tests; \`glyphcase plugin check .\` runs the contract that every plugin has to keep.
`;
