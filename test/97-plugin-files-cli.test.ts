/** `glyphcase start --plugins` and `glyphcase plugin list`, as a person types them. */
import { describe, expect, test } from 'vitest';
import { cli, jsonLines, startCli } from './70-cli-support.ts';
import { folderWith, source } from './97-plugin-files-support.ts';

describe('start --plugins', () => {
  test('refuses a folder that is not there', async () => {
    const { code, stderr } = await cli(['start', '--plugins', 'nowhere'], { cwd: folderWith().dir });
    expect(stderr).toContain('There is no folder nowhere to take plugins from');
    expect(stderr).toContain('[GC_BAD_OPTION]');
    expect(code).toBe(1);
  });

  test('runs the plugins of folders, takes edits over, and says what is wrong with which line', async () => {
    const folder = folderWith({
      'plugins/a.ts': source('a', '1.0.0', "ctx.log.warn('a starts')"),
      'plugins/broken.ts': 'export default {\n  name: ,\n};',
      'more/b/index.ts': source('b', '2.0.0'),
    });
    const host = startCli(['start', '--db', ':memory:', '--plugins', 'plugins', '--plugins', 'more'], {
      cwd: folder.dir,
    });
    await host.shows('Ctrl-C stops it.');
    expect(host.stdout).toMatch(/plugin +a +1\.0\.0 +active/);
    expect(host.stdout).toMatch(/plugin +b +2\.0\.0 +active/);
    expect(host.stdout).toMatch(/plugin +plugins\/broken\.ts +failed/);
    expect(host.stdout).toContain('plugins/broken.ts:2:9: Unexpected ","');
    folder.write({ 'plugins/a.ts': source('a', '1.0.1', "\n\n throw new Error('not today');") });
    await host.shows(/plugins\/a\.ts: plugin 'a' was not reloaded as 1\.0\.1, .*not today \(at plugins\/a\.ts:7:8\)/);
    folder.write({ 'plugins/a.ts': source('a', '1.0.2') });
    await host.shows("plugins/a.ts: plugin 'a' was reloaded, version 1.0.2");
    folder.remove('more/b');
    await host.shows("more/b is gone; plugin 'b' is unloaded");
    expect(await host.stop()).toBe(0);
  });

  test('as JSON, with the files; a configuration file names them from where it lies', async () => {
    const folder = folderWith({
      'conf/c.json': { plugins: ['./own.ts', { dir: 'folder' }], skills: false },
      'conf/own.ts': source('own'),
      'conf/folder/in.ts': source('in'),
      'plugins/a.ts': source('a'),
    });
    const args = ['start', '--json', '--db', ':memory:', '--config', 'conf/c.json', '--plugins', 'plugins'];
    const host = startCli(args, { cwd: folder.dir });
    await host.shows('"started"');
    await host.stop();
    const started = jsonLines(host.stdout).find(({ type }) => type === 'started');
    const plugins = started?.['plugins'] as readonly { id: string; file?: string }[];
    expect(plugins.filter(({ file }) => file !== undefined).map(({ id, file }) => [id, file])).toEqual([
      ['own', folder.at('conf/own.ts')],
      ['in', folder.at('conf/folder/in.ts')],
      ['a', 'plugins/a.ts'],
    ]);
  });
});

describe('plugin list', () => {
  test('refuses a folder that is not there, and says when there is nothing', async () => {
    const { dir } = folderWith();
    const named = await cli(['plugin', 'list', '--plugins', 'nowhere'], { cwd: dir });
    expect(named.stderr).toContain('There is no folder nowhere');
    expect(named.code).toBe(1);
    const none = await cli(['plugin', 'list'], { cwd: dir });
    expect([none.stdout, none.code]).toEqual(['No plugins in plugins.\n', 0]);
  });

  test('says what the plugins are and whether a host could start them, and starts none', async () => {
    const folder = folderWith({
      'plugins/fits.ts': source(
        'fits',
        '1.2.3',
        "throw new Error('started')",
        "requires: { capsule: '^1.0.0' }, provides: { word: '1.0.0' },",
      ),
      'plugins/lacks.ts': source('lacks', '1.0.0', '', "requires: { word: '^2.0.0', mailer: '^1.0.0' },"),
      'plugins/needs-more.ts': source('needs-more', '1.0.0', '', "glyphcase: '^9.0.0',"),
      'plugins/twin.ts': source('fits', '2.0.0'),
      'plugins/broken.ts': 'export default {',
      'node_modules/pack/package.json': { main: 'i.cjs', keywords: ['glyphcase-plugin'] },
      'node_modules/pack/i.cjs': "module.exports = { name: 'pack', version: '3.0.0', activate() {} };",
    });
    const args = ['plugin', 'list', '--packages', 'node_modules', '--json'];
    const { stdout, stderr, code } = await cli(args, { cwd: folder.dir });
    expect([stderr, code]).toEqual(['', 0]);
    const listed = JSON.parse(stdout) as readonly {
      name?: string;
      file: string;
      state: string;
      reasons: readonly string[];
    }[];
    expect(listed.map(({ name, file, state }) => [name, file, state])).toEqual([
      [undefined, 'plugins/broken.ts', 'failed'],
      ['fits', 'plugins/fits.ts', 'ready'],
      ['lacks', 'plugins/lacks.ts', 'waiting'],
      ['needs-more', 'plugins/needs-more.ts', 'incompatible'],
      ['fits', 'plugins/twin.ts', 'failed'],
      ['pack', 'node_modules/pack', 'ready'],
    ]);
    const why = Object.fromEntries(listed.map(({ file, reasons }) => [file, reasons.join(' ')]));
    expect(why['plugins/broken.ts']).toContain('plugins/broken.ts:1:17: ');
    expect(why['plugins/lacks.ts']).toMatch(/'word' \^2\.0\.0.*'mailer' \^1\.0\.0/);
    expect(why['plugins/needs-more.ts']).toContain('^9.0.0');
    expect(why['plugins/twin.ts']).toContain("the plugin 'fits' comes from plugins/fits.ts already");
    const table = await cli(['plugin', 'list'], { cwd: folder.dir });
    expect(table.stdout).toMatch(/^fits +1\.2\.3 +ready +word 1\.0\.0 +capsule \^1\.0\.0 +plugins\/fits\.ts$/m);
    expect(table.stdout).not.toContain('pack');
  });
});
