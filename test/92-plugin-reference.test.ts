/** docs/plugin-reference.md is true: the tables it is made from say what the code does. Its freshness is `npm run lint`'s. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';
import { createHooks } from '../kernel/hooks.ts';
import type { Hook } from '../kernel/hooks.ts';
import type { Events } from '../sdk/events.ts';
import { GlyphCase } from '../sdk/index.ts';
import { definePlugin } from '../sdk/plugin.ts';
import { findInterface, interfaceOf, root } from '../scripts/declarations.ts';
import {
  emits,
  eventEntries,
  hookEntries,
  renderPluginReference,
  serviceEntries,
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
      [...readFileSync(join(root, file), 'utf8').matchAll(/ctx\.on\('([^']+)'/g)].map(([, channel = '']) => channel),
    );
    expect(heard).toContain('capsule:end');
    expect(heard.filter((channel) => !known.has(channel))).toEqual([]);
  });

  test('carry the payloads that the table says', () => {
    expect(wrongPayloads()).toEqual([]);
  }, 60_000);

  test('reach a plugin that listens by the table', async () => {
    const ends: number[] = [];
    const states: string[] = [];
    const listener = definePlugin({
      name: 'listener',
      version: '1.0.0',
      activate(ctx) {
        ctx.on('capsule:end', (end: Events['capsule:end']) => ends.push(end));
        ctx.on('plugin:state', ({ id, to }: Events['plugin:state']) => states.push(`${id} ${to}`));
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

test('services are those the host has, with their versions', () => {
  const db = new GlyphCase(':memory:');
  afterTest(() => db.close());
  const provided = db.plugins.list().flatMap(({ provides }) => Object.entries(provides));
  expect(serviceEntries().map(({ service, version }) => [service, version])).toEqual(provided);
  expect(provided.length).toBeGreaterThan(5);
});

/** Every emit of a channel of the table whose payload is not of the table's type, as TypeScript sees it. */
function wrongPayloads(): readonly string[] {
  const files = [...new Set(emits().map(({ file }) => file))].map((file) => join(root, file));
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), (path) => ts.sys.readFile(path)) as {
    config: object;
  };
  const { options } = ts.parseJsonConfigFileContent({ ...config, files, include: [] }, ts.sys, root);
  const program = ts.createProgram([...files, join(root, 'sdk/events.ts')], options);
  const checker = program.getTypeChecker();
  const table = program
    .getSourceFile(join(root, 'sdk/events.ts'))
    ?.statements.find((node) => ts.isInterfaceDeclaration(node) && node.name.text === 'Events');
  if (table === undefined) throw new Error('sdk/events.ts has no interface Events');
  const wrong: string[] = [];
  let seen = 0;
  const look = (node: ts.Node, source: ts.SourceFile): void => {
    ts.forEachChild(node, (child) => look(child, source));
    if (!ts.isCallExpression(node) || !/\bemit$/.test(node.expression.getText(source))) return;
    const [channel, payload] = node.arguments;
    const name = channel && checker.getTypeAtLocation(channel);
    if (payload === undefined || name?.isStringLiteral() !== true) return;
    const symbol = checker.getPropertyOfType(checker.getTypeAtLocation(table), name.value);
    seen += 1;
    if (
      symbol === undefined ||
      !checker.isTypeAssignableTo(checker.getTypeAtLocation(payload), checker.getTypeOfSymbol(symbol))
    )
      wrong.push(`${source.fileName}: ${node.getText(source)}`);
  };
  for (const file of files) {
    const source = program.getSourceFile(file);
    if (source !== undefined) look(source, source);
  }
  expect(seen).toBe(emits().length);
  return wrong;
}
