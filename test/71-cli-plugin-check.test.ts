/** `glyphcase plugin check` of plugins that never return, or end the process: it names the code, and ends with 1. */
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { BrokenOffReport, PluginCheckReport } from '../sdk/cli/plugin-check-report.ts';
import { cli, startCli } from './70-cli-support.ts';
import type { CliResult } from './70-cli-support.ts';
import { folderWith, source } from './97-plugin-files-support.ts';
import type { Folder } from './97-plugin-files-support.ts';
import { until } from './support.ts';

/** Says which process it is, and does not return; without taking the machine's time, which others need. */
const HANG = `require('node:fs').writeFileSync('pid', String(process.pid));
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);`;

const check = (folder: Folder, ...args: readonly string[]): Promise<CliResult> =>
  cli(['plugin', 'check', 'mine.ts', ...args], { cwd: folder.dir });

function isRunning(folder: Folder): boolean {
  try {
    process.kill(Number(readFileSync(folder.at('pid'), 'utf8')), 0);
    return true;
  } catch {
    return false;
  }
}

test.each([
  ['soon', 'is "soon", which is not a duration'],
  ['', 'which is not a duration'],
  ['20ms', 'It must be 500ms or more.'],
])('--timeout %j is refused, with code 2', async (text, message) => {
  const { code, stdout, stderr } = await check(folderWith(), '--timeout', text);
  expect(stderr).toContain(message);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
});

describe('a plugin that never returns', () => {
  test('is named with the code that hangs, and its process is ended', async () => {
    const cases = {
      file: [`${HANG}\n${source('mine')}`, 'mine.ts', 'The code of its file, outside of all functions,'],
      activate: [source('mine', '1.0.0', HANG), 'mine 1.0.0  mine.ts', 'Its activate'],
      deactivate: [
        source('mine', '1.0.0', '', `async deactivate() { await null; ${HANG} },`),
        'mine 1.0.0  mine.ts',
        'Its deactivate',
      ],
      snapshot: [source('mine', '1.0.0', '', `snapshot() { ${HANG} },`), 'mine 1.0.0  mine.ts', 'Its snapshot'],
      later: [
        source('mine', '1.0.0', `setTimeout(() => { ${HANG} }, 1);`),
        'mine 1.0.0  mine.ts',
        'A function of its that is called later (a listener, a timer, a service)',
      ],
    } as const;
    const results = await Promise.all(
      Object.values(cases).map(async ([text, title, what]) => {
        const folder = folderWith({ 'mine.ts': text });
        const { code, stdout, stderr } = await check(folder, '--timeout', '2s');
        expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
        expect(stdout.split('\n')).toEqual([
          title,
          'failed   hangs: Its code does not return.',
          `         ${what} had not returned after 2 s, and nothing else could run meanwhile.`,
          expect.stringMatching(/^ {9}fix: .*loop without an end/),
          '1 failed, the checks were broken off',
          '',
        ]);
        return { hung: existsSync(folder.at('pid')), running: isRunning(folder) };
      }),
    );
    expect(results).toEqual(Object.keys(cases).map(() => ({ hung: true, running: false })));
  }, 60_000);

  test('is told as JSON; a loop is no other than a wait', async () => {
    const folder = folderWith({ 'mine.ts': source('mine', '1.0.0', 'for (;;);') });
    const { code, stdout } = await check(folder, '--timeout', '1s', '--json');
    expect(code).toBe(1);
    const report = JSON.parse(stdout) as BrokenOffReport;
    expect(report).toEqual({
      file: 'mine.ts',
      plugin: 'mine',
      version: '1.0.0',
      ok: false,
      brokenOff: { why: 'hangs', code: 'activate', message: expect.stringContaining('after 1 s') },
    });
  });

  test.each(['SIGTERM', 'SIGKILL'] as const)('goes with the check when that is ended by %s', async (signal) => {
    const folder = folderWith({ 'mine.ts': source('mine', '1.0.0', HANG) });
    const checking = startCli(['plugin', 'check', 'mine.ts'], { cwd: folder.dir });
    await until(() => isRunning(folder), 15_000);
    await checking.stop(signal);
    expect(checking.child.signalCode).toBe(signal);
    await until(() => !isRunning(folder));
  });
});

test('a plugin that takes its time is no plugin that hangs', async () => {
  const busy = 'const end = performance.now() + 40; while (performance.now() < end);';
  const folder = folderWith({ 'mine.ts': source('mine', '1.0.0', busy) });
  const { code, stdout } = await check(folder, '--json', '--timeout', '1s');
  const report = JSON.parse(stdout) as PluginCheckReport;
  // More in all than it may take at a time.
  expect(report.ms).toBeGreaterThan(1000);
  expect([report.ok, code]).toEqual([true, 0]);
});

test.each([
  ['process.exit(0)', 'with exit code 0'],
  ['process.exit(7)', 'with exit code 7'],
  ["process.kill(process.pid, 'SIGKILL')", 'by SIGKILL'],
])('a plugin that ends the process (%s) fails', async (body, how) => {
  const folder = folderWith({ 'mine.ts': source('mine', '1.0.0', body) });
  const { code, stdout } = await check(folder);
  expect(code).toBe(1);
  expect(stdout).toMatch(/^failed {3}exits: It ends the process it runs in\.$/m);
  expect(stdout).toContain(`Its activate ran when the process ended, ${how}.`);
  expect(stdout).toContain('fix: Throw an error');
});
