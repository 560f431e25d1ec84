/** What `glyphcase plugin check` and `plugin list` say to a newcomer: the failure before all else, and where it is in the source. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { PluginCheckReport } from '../sdk/cli/plugin-check-report.ts';
import { cli, cliHere } from './70-cli-support.ts';
import type { CliResult } from './70-cli-support.ts';
import { folderWith, source } from './97-plugin-files-support.ts';
import { tempDir } from './support.ts';

const check = (files: Readonly<Record<string, string | object>>, path: string, ...args: string[]): Promise<CliResult> =>
  cli(['plugin', 'check', path, ...args], { cwd: folderWith(files).dir });

describe('what is no plugin is told what it is, and what to type', () => {
  const files = {
    'plugins/vat.ts': source('vat'),
    'plugins/till/index.ts': source('till'),
    'skills/receipts/manifest.json': { id: 'receipts', version: '1.0.0' },
    'skills/receipts/main.lua': '',
    'lone.lua': '',
    'data.json': {},
    'empty/notes.txt': '',
    'one/only.ts': source('only'),
    'none.ts': 'export const nothing = 1;',
  };

  test.each([
    ['', 2, 'The path of the plugin is empty', 'glyphcase plugin check plugins/slow-log'],
    ['nowhere', 1, 'nowhere: there is no such file or folder', 'Correct the path; relative ones begin at'],
    ['plugins/vta.ts', 1, 'there is no such file', 'Did you mean plugins/vat.ts?'],
    ['plugin/vat.ts', 1, 'there is no such file', 'Did you mean plugins/vat.ts?'],
    ['plugins/vat', 1, 'there is no such file', 'Did you mean plugins/vat.ts?'],
    ['vat', 1, 'there is no such file', 'Did you mean plugins/vat.ts?'],
    ['till', 1, 'there is no such file', 'Did you mean plugins/till?'],
    ['plugins', 1, 'the folder is no plugin; 2 are in it: till, vat.ts', 'glyphcase plugin check plugins/till'],
    ['one', 1, 'the folder is no plugin; one is in it: only.ts', 'hint: glyphcase plugin check one/only.ts'],
    ['skills/receipts', 1, 'this is a skill, not a plugin', 'glyphcase skill check skills/receipts'],
    [
      'skills/receipts/main.lua',
      1,
      'this belongs to a skill, skills/receipts',
      'glyphcase skill check skills/receipts',
    ],
    ['skills/receipts/manifest.json', 1, 'belongs to a skill', 'glyphcase skill check skills/receipts'],
    ['skills', 1, 'the folder holds skills, no plugin', 'glyphcase skill check skills'],
    ['lone.lua', 1, 'this is Lua, of which skills are made', 'glyphcase skill new'],
    ['data.json', 1, 'data.json: this is no plugin file', 'A plugin is a .ts'],
    ['empty', 1, 'empty: the folder holds no plugin', 'Give it one of index.ts'],
    ['none.ts', 1, 'none.ts: it has no default export', 'export default definePlugin'],
  ])('%j', async (path, code, what, todo) => {
    const result = await cliHere(['plugin', 'check', path], { cwd: folderWith(files).dir });
    expect(result.stderr).toContain(what);
    expect(result.stderr).toContain(todo);
    expect(result).toMatchObject({ code, stdout: '' });
  });
});

describe('a failure', () => {
  /** Each line of it where its number says. */
  const LEAKS = `import { createServer } from 'node:http';
import { begin } from './helper.ts';
interface Unused {
  readonly gone: true;
}
export default {
  name: 'mine', version: '1.0.0',
  activate(): void {
    console.info('line 9');
    process.on('SIGWINCH', () => undefined);
    createServer().listen(0);
    begin();
  },
};
`;
  const HELPER = `type Gone = string;

export const begin = (): unknown => setInterval(() => undefined, 1000);
`;

  test('is placed in the source as its author wrote it, and only what the plugin began is counted', async () => {
    const { stdout } = await check({ 'p/index.ts': LEAKS, 'p/helper.ts': HELPER }, 'p');
    expect(stdout).toMatch(/^ {9}it wrote "line 9" with console\.info at p\/index\.ts:9 \(\d+ times\)$/m);
    expect(stdout).toMatch(
      /^ {9}a listener on process 'SIGWINCH' added at p\/index\.ts:10 \(\d+ times\) is still there$/m,
    );
    expect(stdout).toMatch(
      /^ {9}a server that listens begun at p\/index\.ts:11 \(\d+ times\) is still running; a timer begun at p\/helper\.ts:3 \(\d+ times\) is still running$/m,
    );
  });

  test('that was thrown names the line, also when nobody hears it', async () => {
    const text = `interface Unused {
  readonly gone: true;
}
export default {
  name: 'mine', version: '1.0.0',
  activate(): void {
    setTimeout(() => {
      throw new Error('later');
    }, 0);
    throw new Error('now');
  },
};
`;
    const { stdout } = await check({ 'mine.ts': text }, 'mine.ts');
    expect(stdout).toContain("plugin 'mine' failed in activate: now (at mine.ts:10)\n");
    expect(stdout).toContain('\n         later (at mine.ts:8)\n');
  });

  test('comes last, after a line for all that could not be checked; as JSON nothing is left out', async () => {
    const files = { 'mine.ts': source('mine', '1.0.0', "throw new Error('no luck');") };
    const { code, stdout } = await check(files, 'mine.ts');
    expect(code).toBe(1);
    const lines = stdout.trim().split('\n');
    expect(lines.map((line) => line.slice(0, 9).trim())).toEqual([
      ...['mine 1.0.', 'ok', 'ok', 'ok', 'ok', 'skipped', 'skipped', 'skipped', '', 'failed', '', '', '1 failed,'],
    ]);
    expect(lines[5]).toBe('skipped  8 checks: It does not become active.');
    expect(lines[6]).toBe('skipped  bad-config: It has no config schema.');
    expect(lines[9]).toContain('activates: ');
    const { checks } = JSON.parse((await check(files, 'mine.ts', '--json')).stdout) as PluginCheckReport;
    expect(checks).toHaveLength(15);
    expect(checks.filter(({ skipped }) => skipped)).toHaveLength(10);
  });

  test('of a misspelt service asks what was meant before it speaks of stand-ins', async () => {
    const files = { 'mine.ts': source('mine', '1.0.0', '', "requires: { capsul: '^1.0.0' },") };
    const { stdout } = await check(files, 'mine.ts');
    expect(stdout).toMatch(
      /no loaded plugin provides it\. Did you mean 'capsule'\?\n {9}fix: Write 'capsule' for 'capsul'/,
    );
    expect(stdout.indexOf('capsule')).toBeLessThan(stdout.indexOf('runPluginContract'));
    const { missing } = JSON.parse((await check(files, 'mine.ts', '--json')).stdout) as PluginCheckReport;
    expect(missing).toEqual([{ service: 'capsul', range: '^1.0.0', meant: 'capsule' }]);
  });
});

describe('plugin list', () => {
  const command = "commands: { gross: { summary: 'with tax', run() {} }, net: { summary: 'without', run() {} } },";

  test('shows the commands of plugins, and why one cannot start in a sentence of its own', async () => {
    const { dir } = folderWith({
      'plugins/vat.ts': source('vat', '1.0.0', '', command),
      'plugins/till.ts': source('till', '1.0.0', '', "requires: { capsul: '^1.0.0' },"),
    });
    const { stdout } = await cli(['plugin', 'list'], { cwd: dir });
    expect(stdout).toMatch(/^name +version +state +provides +requires +commands +file$/m);
    expect(stdout).toMatch(/^vat +1\.0\.0 +ready +gross, net +plugins\/vat\.ts$/m);
    expect(stdout).toMatch(/\n\ntill: It waits for the service 'capsul' .+\(did you mean 'capsule'\?\)\.\n$/);
    const listed = JSON.parse((await cli(['plugin', 'list', '--json'], { cwd: dir })).stdout) as {
      commands: string[];
    }[];
    expect(listed.map(({ commands }) => commands)).toEqual([[], ['gross', 'net']]);
  });

  test('shows files elsewhere by the end of their paths', async () => {
    const { dir } = folderWith({ 'plugins/vat.ts': source('vat'), 'plugins/broken.ts': 'export default {' });
    const { stdout } = await cli(['plugin', 'list', '--plugins', join(dir, 'plugins')], { cwd: tempDir() });
    expect(stdout).toMatch(/^vat +1\.0\.0 +ready +…\/plugins\/vat\.ts$/m);
    expect(stdout).toMatch(/^– +failed +…\/plugins\/broken\.ts$/m);
    expect(stdout).toContain(`\n${dir}/plugins/broken.ts:1:17: `);
  });

  test('says how to name a folder when there is none, and when a file is named', async () => {
    const { dir } = folderWith({ 'mine.ts': source('mine') });
    mkdirSync(join(dir, 'plugins'));
    const none = await cliHere(['plugin', 'list'], { cwd: dir });
    expect(none).toMatchObject({ code: 0, stdout: 'No plugins in plugins.\n' });
    expect(none.stderr).toContain('glyphcase plugin list --plugins DIR\n');
    const file = await cliHere(['plugin', 'list', '--plugins', 'mine.ts'], { cwd: dir });
    expect(file.stderr).toContain('mine.ts is a file, not a folder with plugins');
    expect(file.stderr).toContain('--plugins .');
    expect(file.code).toBe(1);
  });
});
