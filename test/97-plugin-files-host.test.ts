/** The option `plugins` and `db.plugins` with files, folders and packages. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { GlyphCase } from '../sdk/index.ts';
import type { GlyphCaseOptions } from '../sdk/index.ts';
import type { PluginContext } from '../sdk/plugin.ts';
import { folderWith, source } from './97-plugin-files-support.ts';
import { afterTest, memoryLogger, thrownBy, until } from './support.ts';

const root = join(import.meta.dirname, '..');

function open(options: GlyphCaseOptions): GlyphCase & { readonly logs: () => readonly string[] } {
  const logger = memoryLogger();
  const db = new GlyphCase(':memory:', { logger, ...options });
  afterTest(() => db.close());
  const logs = (): readonly string[] =>
    logger.lines.filter(({ level }) => level !== 'debug').map(({ message }) => message);
  return Object.assign(db, { logs });
}

/** The plugins that came from files: `id version state`. */
const listed = (db: GlyphCase): readonly string[] =>
  db.plugins
    .list()
    .filter(({ file }) => file !== undefined)
    .map(({ id, version, state }) => `${id} ${version} ${state}`);

describe('the option plugins', () => {
  test.each([
    ['./nowhere.ts', 'GC_BAD_PLUGIN', 'nowhere.ts: there is no such file'],
    [7, 'GC_BAD_OPTION', 'plugins[1] cannot be a number'],
    [{ path: '' }, 'GC_BAD_OPTION', 'path'],
    [{ dir: 'x', debonce: 5 }, 'GC_BAD_OPTION', "'debounce'"],
    [{ dir: 'x', watch: 'yes' }, 'GC_BAD_OPTION', 'watch'],
    [{ dir: 'x', debounce: -1 }, 'GC_BAD_OPTION', 'debounce'],
    [{ packages: 5 }, 'GC_BAD_OPTION', 'packages'],
    [{}, 'GC_BAD_PLUGIN', 'name'],
  ])('refuses %j at once', async (entry, code, message) => {
    const good = { name: 'good', version: '1.0.0', activate() {} };
    const error = await thrownBy(() => new GlyphCase(':memory:', { plugins: [good, entry as never] }));
    expect(error).toMatchObject({ code });
    expect(error.message).toContain(message);
  });

  test('refuses what is no list', async () => {
    const error = await thrownBy(() => new GlyphCase(':memory:', { plugins: './a.ts' as never }));
    expect(error).toMatchObject({ code: 'GC_BAD_OPTION' });
  });

  test('takes files, folders that are plugins, folders of plugins, and packages, with their options', async () => {
    const say = "ctx.log.info(ctx.name + ' ' + JSON.stringify(ctx.config));";
    const folder = folderWith({
      'one.ts': source('one', '1.0.0', say),
      'two/index.ts': source('two', '1.0.0', say),
      'more/three.ts': source('three', '1.0.0', say),
      'more/four/package.json': { main: 'it.mjs' },
      'more/four/it.mjs': source('four', '1.0.0', say).replace(/<Options>|interface.*/g, ''),
      'more/_shared.ts': 'throw new Error("no plugin");',
      'more/three.test.ts': 'throw new Error("no plugin");',
      'more/notes.md': 'no plugin',
      'more/helpers/text.ts': 'throw new Error("no plugin");',
      'node_modules/plain/package.json': { main: 'i.js' },
      'node_modules/plain/i.js': 'throw new Error("no plugin");',
      'node_modules/@me/five/package.json': { main: 'i.cjs', keywords: ['glyphcase-plugin'] },
      'node_modules/@me/five/i.cjs': `module.exports = { name: 'five', version: '1.0.0', activate: (ctx) => { ${say} } };`,
    });
    const db = open({
      plugins: [
        folder.at('one.ts'),
        { path: folder.at('two'), config: { limit: 2 } },
        { dir: folder.at('more'), configs: { three: { limit: 3 } } },
        { packages: folder.at('node_modules'), configs: { five: { limit: 5 } } },
        {
          definition: {
            name: 'six',
            version: '1.0.0',
            activate: (ctx: PluginContext) => ctx.log.info(`six ${JSON.stringify(ctx.config)}`),
          },
          config: { limit: 6 },
        },
      ],
    });
    const report = await db.ready;
    expect(listed(db)).toEqual(['one', 'two', 'four', 'three', 'five'].map((name) => `${name} 1.0.0 active`));
    expect(report.plugins.filter(({ file }) => file !== undefined)).toHaveLength(5);
    expect(db.plugins.get('three')).toMatchObject({ file: folder.at('more/three.ts'), state: 'active' });
    expect(db.logs()).toEqual(
      expect.arrayContaining([
        'one {}',
        'two {"limit":2}',
        'three {"limit":3}',
        'four {}',
        'five {"limit":5}',
        'six {"limit":6}',
      ]),
    );
  });

  test('loads nothing from node_modules unless it is asked for', async () => {
    const folder = folderWith({
      'plugins/a.ts': source('a'),
      'plugins/node_modules/b/package.json': { main: 'i.js', keywords: ['glyphcase-plugin'] },
      'plugins/node_modules/b/i.js': "module.exports = { name: 'b', version: '1.0.0', activate() {} };",
    });
    const db = open({ plugins: [{ dir: folder.at('plugins') }] });
    await db.ready;
    expect(listed(db)).toEqual(['a 1.0.0 active']);
  });

  test('starts without a plugin whose file is broken, and says so wherever one looks', async () => {
    const folder = folderWith({ 'a.ts': 'export default {', 'b.ts': source('b') });
    const db = open({ plugins: [folder.at('a.ts'), folder.at('b.ts')] });
    const { plugins } = await db.ready;
    expect(listed(db)).toEqual(['b 1.0.0 active', `${folder.at('a.ts')}  failed`]);
    expect(plugins.find(({ state }) => state === 'failed')?.reasons).toEqual([expect.stringContaining('a.ts:1:17: ')]);
    expect(db.plugins.why(folder.at('a.ts'))).toEqual([
      expect.stringContaining('a.ts:1:17'),
      expect.stringContaining('Correct'),
    ]);
    expect(db.logs()).toEqual(expect.arrayContaining([expect.stringContaining('a.ts:1:17: ')]));
  });

  test('plugins of files find each other, whatever their order', async () => {
    const folder = folderWith({
      'a.ts': source('a', '1.0.0', "ctx.log.info('a has ' + ctx.use<string>('word'))", "requires: { word: '^1.0.0' },"),
      'b.ts': source('b', '1.0.0', "ctx.provide('word', 'bee')", "provides: { word: '1.0.0' },"),
    });
    const db = open({ plugins: [{ dir: folder.dir }] });
    await db.ready;
    expect(db.logs()).toContain('a has bee');
  });
});

describe('db.plugins', () => {
  test('load() takes a path with options; refuses one that is loaded, broken or not there', async () => {
    const folder = folderWith({
      'a.ts': source('a', '1.0.0', 'ctx.log.info(JSON.stringify(ctx.config))'),
      'bad.ts': 'export default {',
    });
    const db = open({});
    const report = await db.plugins.load(folder.at('a.ts'), { limit: 1 });
    expect(report).toMatchObject({ id: 'a', state: 'active', file: folder.at('a.ts') });
    expect(db.logs()).toContain('{"limit":1}');
    for (const [path, message] of [
      ['a.ts', "it is loaded already, as plugin 'a'"],
      ['bad.ts', 'bad.ts:1:17: '],
      ['none.ts', 'there is no such file'],
    ] as const) {
      const error = await thrownBy(() => db.plugins.load(folder.at(path)));
      expect(error).toMatchObject({ code: 'GC_BAD_PLUGIN' });
      expect(error.message).toContain(message);
    }
    expect(listed(db)).toEqual(['a 1.0.0 active']);
  });

  test('reload() reads the file again, with the same options or new ones', async () => {
    const say = 'ctx.log.info(JSON.stringify(ctx.config))';
    const folder = folderWith({ 'a.ts': source('a', '1.0.0', say) });
    const db = open({});
    await db.plugins.load({ path: folder.at('a.ts'), watch: false }, { limit: 1 });
    folder.write({ 'a.ts': source('a', '1.1.0', say) });
    expect(await db.plugins.reload('a')).toMatchObject({ version: '1.1.0', state: 'active' });
    await db.plugins.reload('a', undefined, { limit: 2 });
    expect(db.logs().filter((message) => message.startsWith('{'))).toEqual([
      '{"limit":1}',
      '{"limit":1}',
      '{"limit":2}',
    ]);
    folder.write({ 'a.ts': 'export default' });
    const error = await thrownBy(() => db.plugins.reload('a'));
    expect(error.message).toContain('a.ts:1:15: ');
    expect(db.plugins.get('a')).toMatchObject({ version: '1.1.0', state: 'active', reasons: [error.message] });
  });

  test('unload() lets go of the file until it is loaded or saved again', async () => {
    const folder = folderWith({ 'a.ts': source('a') });
    const db = open({});
    await db.plugins.load(folder.at('a.ts'));
    await db.plugins.unload('a');
    expect(listed(db)).toEqual([]);
    await db.plugins.load(folder.at('a.ts'));
    expect(listed(db)).toEqual(['a 1.0.0 active']);
  });

  test('an edit is taken over by itself, in each host that has the file', async () => {
    const folder = folderWith({ 'a.ts': source('a') });
    const [one, two] = [open({}), open({ plugins: [{ path: folder.at('a.ts'), debounce: 20 }] })];
    await one.plugins.load({ path: folder.at('a.ts'), debounce: 20 });
    await two.ready;
    folder.write({ 'a.ts': source('a', '1.0.1') });
    // A busy machine may pass over an event; then the rescan after half a minute finds it.
    await until(() => [one, two].every((db) => listed(db)[0] === 'a 1.0.1 active'), 40_000);
    await one.close();
    folder.write({ 'a.ts': source('a', '1.0.2') });
    await until(() => listed(two)[0] === 'a 1.0.2 active', 40_000);
  }, 90_000);
});

describe('close()', () => {
  test('leaves no watcher, no timer and no child process: the program ends by itself', () => {
    const folder = folderWith({ 'plugins/a.ts': source('a'), 'b.ts': source('b') });
    const program = `
      import { readdirSync, readFileSync } from 'node:fs';
      import { GlyphCase } from ${JSON.stringify(join(root, 'sdk/index.ts'))};
      const children = () => readFileSync('/proc/self/task/' + process.pid + '/children', 'utf8').split(' ').filter(Boolean).length;
      const open = () => new GlyphCase(':memory:', { plugins: [{ dir: 'plugins' }, 'b.ts'] });
      const [one, two] = [open(), open()];
      await Promise.all([one.ready, two.ready]);
      const seen = [children()];
      await one.close();
      seen.push(children());
      await two.close();
      for (let tries = 0; children() > 0 && tries < 200; tries++) await new Promise((resolve) => setTimeout(resolve, 10));
      seen.push(children());
      console.log(seen.join(), process.getActiveResourcesInfo().filter((name) => !/Immediate|Pipe|TTY/.test(name)).join());`;
    const output = execFileSync(process.execPath, ['--input-type=module', '-e', program], {
      cwd: folder.dir,
      encoding: 'utf8',
      timeout: 20_000,
    });
    expect(output.trim()).toBe('1,1,0');
  });

  test('while plugins are being loaded ends that, too', async () => {
    const folder = folderWith({ 'a.ts': source('a'), 'b.ts': source('b') });
    const db = open({ plugins: [{ dir: folder.dir }] });
    await db.close();
    expect(db.logs().filter((message) => message.includes('.ts'))).toEqual([]);
    expect(await thrownBy(() => db.plugins.load(folder.at('a.ts')))).toMatchObject({ code: 'GC_CLOSED' });
  });
});
