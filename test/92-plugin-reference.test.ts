/** docs/plugin-reference.md is true: the tables it is made from say what the code does. Its freshness is `npm run lint`'s. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createHooks } from '../kernel/hooks.ts';
import type { Hook } from '../kernel/hooks.ts';
import { GlyphCase } from '../sdk/index.ts';
import { definePlugin } from '../sdk/plugin.ts';
import { additionsTo, findInterface, interfaceOf, root } from '../scripts/declarations.ts';
import {
  emits,
  eventEntries,
  hookEntries,
  renderPluginReference,
  serviceEntries,
  typedServices,
} from '../scripts/plugin-reference.ts';
import { afterTest } from './support.ts';

const document = readFileSync(join(root, 'docs', 'plugin-reference.md'), 'utf8');

test('the document is the one the code makes', () => {
  expect(document).toBe(renderPluginReference());
});

describe('the reader of declarations', () => {
  test('refuses what is not there, and says where it looked', () => {
    expect(() => interfaceOf('sdk/events.ts', 'Nothing')).toThrow(
      'sdk/events.ts neither declares nor imports the interface Nothing',
    );
    expect(() => additionsTo('sdk/events.ts', 'Nothing')).toThrow('sdk/events.ts adds nothing to an interface Nothing');
    const liar = { name: 'actions', version: '1.0.0', provides: { phone: '1.0.0' }, activate: () => undefined };
    expect(() => serviceEntries([liar])).toThrow("plugins/actions nowhere calls ctx.provide<Interface>('phone', …)");
  });

  test('follows imports to the file that declares', () => {
    expect(findInterface('sdk/events.ts', 'Uninstalling')?.getSourceFile().fileName).toBe(
      'plugins/skills/uninstall.ts',
    );
  });
});

describe('hooks', () => {
  test('are all there', () => {
    expect(hookEntries().map(({ name }) => name)).toEqual(Object.keys(createHooks()));
  });

  test.each(hookEntries())('$name is a $kind', ({ name, kind, args }) => {
    const failures: unknown[] = [];
    const hooks = createHooks({ onError: (error) => failures.push(error) });
    const hook = hooks[name as keyof typeof hooks] as unknown as Hook<unknown[], unknown>;
    const given = args === '()' ? [] : args.split(/, (?=\w+:)/).map((_arg, index) => `argument ${index}`);
    const heard: unknown[][] = [];
    hook.tap('first', () => 'changed');
    hook.tap('second', (...all) => void heard.push(all));
    const answer = hook.call(...given);
    const [, ...rest] = given;
    expect({ answer, heard }).toEqual(
      {
        notification: { answer: undefined, heard: [given] },
        veto: { answer: undefined, heard: [given] },
        bail: { answer: 'changed', heard: [] },
        waterfall: { answer: 'changed', heard: [['changed', ...rest]] },
      }[kind],
    );
    const failing = (): never => {
      throw new Error('no');
    };
    hook.tap('failing', failing, { stage: -1 });
    if (kind === 'notification') {
      hook.call(...given);
      expect(failures).toHaveLength(1);
    } else expect(() => hook.call(...given)).toThrow('no');
  });
});

describe('events', () => {
  test('that are emitted are in the table, and no others', () => {
    const emitted = [...new Set(emits().map(({ channel }) => channel))].sort();
    expect(emitted.length).toBeGreaterThan(5);
    expect(
      eventEntries()
        .map(({ channel }) => channel)
        .sort(),
    ).toEqual(emitted);
  });

  test('that built-in plugins listen to are in the table', () => {
    const known = new Set(eventEntries().map(({ channel }) => channel));
    const files = globSync('{kernel,plugins,sdk}/**/*.ts', { cwd: root });
    const heard = files.flatMap((file) =>
      [...readFileSync(join(root, file), 'utf8').matchAll(/^(?! \*).*ctx\.on\('([^']+)'/gm)].map(
        ([, channel = '']) => channel,
      ),
    );
    expect(heard).toContain('capsule:end');
    expect(heard.filter((channel) => !known.has(channel))).toEqual([]);
  });

  test('reach a plugin that listens by the table', async () => {
    const ends: number[] = [];
    const states: string[] = [];
    const listener = definePlugin({
      name: 'listener',
      version: '1.0.0',
      activate(ctx) {
        ctx.on('capsule:end', (end) => ends.push(end));
        ctx.on('plugin:state', ({ id, to }) => states.push(`${id} ${to}`));
      },
    });
    const db = new GlyphCase(':memory:', { plugins: [listener] });
    afterTest(() => db.close());
    await db.execute('CREATE TABLE t (id INTEGER PRIMARY KEY)');
    db.watch('t');
    await db.insert('t', {});
    await db.flush();
    expect(ends.at(-1)).toBe(1);
    db.plugins.load(definePlugin({ name: 'late', version: '1.0.0', activate: () => undefined }));
    expect(states).toContain('late active');
  });
});

test('services are typed by the interfaces that they are provided as', () => {
  expect([...typedServices()].sort()).toEqual(
    serviceEntries()
      .map(({ service, typeName }) => [service, typeName])
      .sort(),
  );
});

test('services are those the host has, with their versions', () => {
  const db = new GlyphCase(':memory:');
  afterTest(() => db.close());
  const provided = db.plugins.list().flatMap(({ provides }) => Object.entries(provides));
  expect(serviceEntries().map(({ service, version }) => [service, version])).toEqual(provided);
  expect(provided.length).toBeGreaterThan(5);
});
