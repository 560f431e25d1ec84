/** Following the files of plugins: what is saved, dropped in, deleted, renamed or broken. */
import { renameSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { Timer } from '../kernel/clock.ts';
import { readPlugins } from '../sdk/plugin-files/options.ts';
import type { PluginOption } from '../sdk/plugin-files/options.ts';
import { PluginFiles } from '../sdk/plugin-files/plugin-files.ts';
import { testHost } from './10-kernel-support.ts';
import { folderWith, source } from './97-plugin-files-support.ts';
import { afterTest, until } from './support.ts';

/** A host on a clock that stands still, following files. */
async function following(...options: PluginOption[]) {
  const { host, clock, logger } = testHost();
  let hints = 0;
  let seen = 0;
  const timeout = (fn: () => void, ms: number): Timer => {
    hints += 1;
    return clock.timeout(fn, ms);
  };
  const files = new PluginFiles({ host, clock: { ...clock, timeout }, logger }, readPlugins(options));
  afterTest(() => files.close());
  afterTest(() => host.close());
  files.begin();
  await files.ready();
  /** Resolves when an event has come in, and the quiet time is running. */
  const hinted = (): Promise<void> => until(() => hints > seen);
  return {
    host,
    clock,
    files,
    hinted,
    get hints() {
      return hints;
    },
    /** Waits for an event, lets the quiet time pass, and what follows happen. */
    async rest(ms = 100) {
      await hinted();
      await clock.advance(ms);
      await files.ready();
      seen = hints;
    },
    list: () => files.reports(host.list()).map(({ id, version, state }) => `${id} ${version} ${state}`),
    reasons: () => files.reports(host.list()).flatMap(({ reasons }) => reasons),
    logs: (level: string) => logger.lines.filter((line) => line.level === level).map(({ message }) => message),
  };
}

const counting = (name: string, version: string, word = 'word'): string =>
  source(name, version, `ctx.log.info('${name} ${version} ' + ${word})`).replace(
    'import',
    "import { word } from './_word.ts';\nimport",
  );

describe('a folder of plugins', () => {
  test('what is dropped in is loaded after the quiet time, and no sooner', async () => {
    const folder = folderWith({ 'a.ts': source('a') });
    const host = await following({ dir: folder.dir, debounce: 250 });
    expect(host.list()).toEqual(['a 1.0.0 active']);
    folder.write({ 'b.ts': source('b'), 'c/index.ts': source('c'), 'readme.md': 'no plugin' });
    await host.hinted();
    await host.clock.advance(249);
    await host.files.ready();
    expect(host.list()).toHaveLength(1);
    await host.rest(250);
    expect(host.list()).toEqual(['a 1.0.0 active', 'b 1.0.0 active', 'c 1.0.0 active']);
  });

  test('a save of the file, or of one that it imports, reloads it and nothing else', async () => {
    const folder = folderWith({
      'a.ts': counting('a', '1.0.0'),
      '_word.ts': "export const word = 'one';",
      'b.ts': source('b', '1.0.0', "ctx.log.info('b starts')"),
    });
    const host = await following({ dir: folder.dir });
    folder.write({ '_word.ts': "export const word = 'two';" });
    await host.rest();
    folder.write({ 'a.ts': counting('a', '1.0.1') });
    await host.rest();
    expect(host.logs('info').filter((message) => /^\w [\w.]+/.test(message))).toEqual([
      'a 1.0.0 one',
      'b starts',
      'a 1.0.0 two',
      'a 1.0.1 two',
    ]);
  });

  test('a save that changes no code reloads nothing', async () => {
    const folder = folderWith({ 'a.ts': source('a', '1.0.0', "ctx.log.info('starts')") });
    const host = await following({ dir: folder.dir });
    folder.write({ 'a.ts': `// A comment.\n${source('a', '1.0.0', "ctx.log.info('starts')")}` });
    await host.rest();
    expect(host.logs('info').filter((message) => message === 'starts')).toHaveLength(1);
  });

  test('what is deleted is unloaded; what comes back is loaded', async () => {
    const folder = folderWith({ 'a.ts': source('a'), 'b/index.ts': source('b') });
    const host = await following({ dir: folder.dir });
    folder.remove('b');
    folder.remove('a.ts');
    await host.rest();
    expect(host.list()).toEqual([]);
    expect(host.host.list()).toEqual([]);
    folder.write({ 'a.ts': source('a', '1.0.1') });
    await host.rest();
    expect(host.list()).toEqual(['a 1.0.1 active']);
  });

  test('a broken edit leaves the running version, says file and line once, and is over when it is mended', async () => {
    const folder = folderWith({ 'a.ts': counting('a', '1.0.0'), '_word.ts': "export const word = 'one';" });
    const host = await following({ dir: folder.dir });
    folder.write({ '_word.ts': "export const word = 'one';\nexport const = 2;" });
    await host.rest();
    expect(host.list()).toEqual(['a 1.0.0 active']);
    expect(host.reasons()).toEqual([expect.stringContaining('_word.ts:2:14: Expected identifier but found "="')]);
    expect(host.files.why('a')).toEqual([
      expect.stringContaining('has been active'),
      expect.stringContaining('_word.ts:2:14'),
      'Correct the line: export const = 2;',
    ]);
    await host.clock.advance(60_000);
    await host.files.ready();
    expect(host.logs('error')).toHaveLength(1);
    folder.write({ '_word.ts': "export const word = 'one';" });
    await host.rest();
    expect(host.reasons()).toEqual([]);
    expect(host.logs('info').at(-1)).toContain('as it was again');
    folder.write({ '_word.ts': "export const word = 'two';" });
    await host.rest();
    expect(host.logs('info')).toContain('a 1.0.0 two');
  });

  test('an edit that fails in activate leaves the running version, with the place in the message', async () => {
    const folder = folderWith({ 'a.ts': source('a') });
    const host = await following({ dir: folder.dir });
    folder.write({ 'a.ts': source('a', '1.0.1', '\n throw new Error("not today");') });
    await host.rest();
    expect(host.list()).toEqual(['a 1.0.0 active']);
    expect(host.reasons()[0]).toMatch(/a\.ts: plugin 'a' was not reloaded as 1\.0\.1, .*not today \(at .*a\.ts:6:8\)$/);
    folder.write({ 'a.ts': source('a', '1.0.2') });
    await host.rest();
    expect(host.list()).toEqual(['a 1.0.2 active']);
    expect(host.reasons()).toEqual([]);
  });

  test('a plugin whose first version is broken starts when it is mended', async () => {
    const folder = folderWith({ 'a.ts': "import './_later.ts';\nexport default {};" });
    const host = await following({ dir: folder.dir });
    expect(host.reasons()[0]).toContain('a.ts:1:8: Could not resolve "./_later.ts"');
    folder.write({ '_later.ts': '' });
    await host.rest();
    expect(host.reasons()[0]).toContain('`name` is missing');
    folder.write({ 'a.ts': source('a') });
    await host.rest();
    expect(host.list()).toEqual(['a 1.0.0 active']);
  });

  test('two files with one name: the second is refused, naming both, until the first has gone', async () => {
    const folder = folderWith({ 'a.ts': source('same', '1.0.0'), 'b.ts': source('same', '2.0.0') });
    const host = await following({ dir: folder.dir });
    expect(host.list()).toEqual(['same 1.0.0 active', `${folder.at('b.ts')}  failed`]);
    expect(host.reasons()[0]).toBe(`${folder.at('b.ts')}: the plugin 'same' comes from ${folder.at('a.ts')} already`);
    folder.remove('a.ts');
    await host.rest();
    expect(host.list()).toEqual(['same 2.0.0 active']);
  });

  test('a plugin that renames itself is unloaded and loaded; not when the name is taken', async () => {
    const folder = folderWith({ 'a.ts': source('old'), 'b.ts': source('b') });
    const host = await following({ dir: folder.dir, configs: { fresh: { limit: 3 } } });
    folder.write({ 'a.ts': source('fresh', '1.0.0', 'ctx.log.info(JSON.stringify(ctx.config))') });
    await host.rest();
    expect(host.list()).toEqual(['b 1.0.0 active', 'fresh 1.0.0 active']);
    expect(host.logs('info')).toContain('{"limit":3}');
    folder.write({ 'a.ts': source('b') });
    await host.rest();
    expect(host.list()).toEqual(['b 1.0.0 active', 'fresh 1.0.0 active']);
    expect(host.reasons()[0]).toMatch(/a\.ts: the plugin 'b' comes from .*b\.ts already/);
  });

  test('a rename that the host refuses leaves the plugin as it was', async () => {
    const folder = folderWith({ 'a.ts': source('a') });
    const host = await following({ dir: folder.dir });
    const provides = { word: '1.0.0' };
    host.host.load({ name: 'other', version: '1.0.0', provides, activate: (ctx) => ctx.provide('word', '') });
    folder.write({ 'a.ts': source('fresh', '2.0.0', '', "provides: { word: '1.0.0' },") });
    await host.rest();
    expect(host.list()).toEqual(['other 1.0.0 active', 'a 1.0.0 active']);
    expect(host.reasons()[0]).toContain("'word'");
  });

  test('a folder that comes later is found', async () => {
    const folder = folderWith();
    const host = await following({ dir: folder.at('plugins') });
    folder.write({ 'plugins/a.ts': source('a') });
    await host.clock.advance(500);
    await host.files.ready();
    expect(host.list()).toEqual(['a 1.0.0 active']);
  });

  test('what no event tells of is found by the slow rescan', async () => {
    const deep = `${'inner/'.repeat(12)}word.ts`;
    const folder = folderWith({
      'a.ts': counting('a', '1.0.0').replace('./_word.ts', `./${deep}`),
      [deep]: "export const word = 'one';",
    });
    const host = await following({ dir: folder.dir });
    folder.write({ [deep]: "export const word = 'two';" });
    await host.clock.advance(29_999);
    await host.files.ready();
    expect(host.logs('info')).not.toContain('a 1.0.0 two');
    await host.clock.advance(1);
    await host.files.ready();
    expect(host.hints).toBe(0);
    expect(host.logs('info')).toContain('a 1.0.0 two');
  });
});

test('a save that comes right after another is taken over, too', async () => {
  const folder = folderWith({ 'a.ts': source('a') });
  const host = await following({ dir: folder.dir, debounce: 0 });
  for (const patch of [1, 2, 3, 4, 5]) {
    folder.write({ 'a.ts': source('a', `1.0.${patch}`) });
    // Well before the slow rescan, for which the clock would have to move.
    await until(() => host.list()[0] === `a 1.0.${patch} active`);
  }
});

describe('a plugin by its path', () => {
  test('is reloaded when an editor replaces its file, and unloaded while it is gone', async () => {
    const folder = folderWith({ 'app/a.ts': source('a'), 'app/server.log': '' });
    const host = await following(folder.at('app/a.ts'));
    folder.write({ 'app/a.ts.new': source('a', '1.0.1') });
    renameSync(folder.at('app/a.ts.new'), folder.at('app/a.ts'));
    await host.rest();
    expect(host.list()).toEqual(['a 1.0.1 active']);
    folder.remove('app/a.ts');
    await host.rest();
    expect(host.host.list()).toEqual([]);
    expect(host.reasons()).toEqual([`${folder.at('app/a.ts')}: the file is gone`]);
    folder.write({ 'app/a.ts': source('a', '1.0.2') });
    await host.rest();
    expect(host.list()).toEqual(['a 1.0.2 active']);
  });

  test('is not looked at again unless it is watched', async () => {
    const folder = folderWith({ 'a.ts': source('a'), 'b.ts': source('b') });
    const host = await following({ path: folder.at('a.ts'), watch: false }, folder.at('b.ts'));
    folder.write({ 'a.ts': source('a', '1.0.1'), 'b.ts': source('b', '1.0.1') });
    await host.rest();
    expect(host.list()).toEqual(['a 1.0.0 active', 'b 1.0.1 active']);
  });
});
