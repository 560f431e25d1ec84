/** What a person sees under `glyphcase start` when a plugin misbehaves: who it was, which line, and what comes next. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { GlyphError } from '../kernel/errors.ts';
import { culprit } from '../sdk/cli/strays.ts';
import { loadPluginFile } from '../sdk/plugin-files/load.ts';
import { jsonLines, startCli } from './70-cli-support.ts';
import type { RunningCli } from './70-cli-support.ts';
import { folderWith } from './97-plugin-files-support.ts';
import type { Folder } from './97-plugin-files-support.ts';

/** A plugin whose `activate` begins on line 3 of its file. */
const plugin = (name: string, body: string, { version = '1.0.0', more = '' } = {}): string =>
  `import { definePlugin } from 'glyphcase/sdk';
export default definePlugin({ name: '${name}', version: '${version}', ${more} async activate(ctx) {
${body}
} });
`;
const sync = (name: string, body: string, more = ''): string =>
  plugin(name, body, { more }).replace('async activate', 'activate');

function start(folder: Folder, ...more: readonly string[]): RunningCli {
  return startCli(['start', '--db', ':memory:', '--plugins', 'plugins', ...more], { cwd: folder.dir });
}
const withPlugin = (text: string): Folder =>
  folderWith({ 'package.json': { type: 'module' }, 'plugins/x.ts': text, 'plugins/well.ts': sync('well', '') });

describe('code that never returns is named, and Ctrl-C ends the host', () => {
  test.each([
    ['in activate', sync('x', 'for (;;);'), "The plugin 'x' has been in activate for 3 s (at plugins/x.ts:3:1)."],
    [
      'at the top of its file',
      `let n = 0;\nfor (;;) n++;\nexport default n;`,
      'plugins/x.ts:2:1 has not returned for 3 s.',
    ],
    [
      'in a timer',
      sync('x', "ctx.timeout('1s', () => {\n  for (;;);\n});"),
      "The plugin 'x' has not returned for 3 s (at plugins/x.ts:4:3).",
    ],
  ])('%s', async (_where, text, sentence) => {
    const host = start(withPlugin(text));
    await host.shows('Ctrl-C ends it.');
    expect(host.stderr).toContain(`warning: ${sentence} Nothing else of this host runs until then. Ctrl-C ends it.`);
    host.child.kill('SIGINT');
    await host.ended;
    expect(host.child.signalCode).toBe('SIGINT');
  });

  test('code that returns after all is told to have, and Ctrl-C closes the host as ever', async () => {
    const busy = "ctx.timeout('1s', () => {\n  const end = Date.now() + 4500;\n  while (Date.now() < end);\n});";
    const host = start(withPlugin(sync('x', busy)));
    await host.shows(/The host goes on; it stood still for 4\.\d s\./);
    expect(await host.stop()).toBe(0);
    expect(host.stdout).toContain('Stopped.');
  });
});

describe('an error that nobody caught', () => {
  test.each([
    [
      'of a plain timer',
      "setTimeout(() => {\n  throw new Error('boom');\n}, 300);",
      'timer or event handler of its own',
      '4:9',
    ],
    [
      'of a promise',
      "setTimeout(() => {\n  void Promise.reject(new Error('boom'));\n}, 300);",
      'promise that nobody waited for',
      '4:23',
    ],
  ])('%s stops its plugin, and the host goes on', async (_what, body, what, at) => {
    const folder = withPlugin(sync('x', body));
    const host = start(folder);
    await host.shows(
      `x error was stopped: a ${what} failed: boom (at plugins/x.ts:${at}); it is not tried again until`,
    );
    folder.write({ 'plugins/x.ts': sync('x', "ctx.log.info('mended');") });
    await host.shows('x mended');
    expect(await host.stop()).toBe(0);
    expect(host.stderr).toBe('');
  });

  test('is said once of a plugin whose own timer goes on', async () => {
    const host = start(withPlugin(sync('x', "setInterval(() => { throw new Error('boom'); }, 100);")));
    await host.shows('x error does not run, but a timer or event handler of its own goes on until the host ends: boom');
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(await host.stop()).toBe(0);
    expect(host.stdout.match(/does not run/g)).toHaveLength(1);
    expect(host.stderr).toBe('');
  });

  test('of nobody ends the host in words, after the database was closed', async () => {
    const body =
      "ctx.defer(() => ctx.log.warn('closed'));\nsetTimeout(() => process.emit('uncaughtException', 'gone'), 1500);";
    const host = start(withPlugin(sync('x', body)));
    expect(await host.ended).toBe(1);
    expect(host.stderr).toContain('error: an error that nobody caught ends the host: gone\n  hint: ');
    expect(host.stdout).toContain('x warn closed');
    expect(host.stdout).not.toContain('Stopped.');
  });
});

describe('the log', () => {
  const folder = (): Folder => {
    const made = withPlugin(sync('x', "ctx.log.info('hello');\nctx.log.warn('careful');"));
    made.write({
      'plugins/fails.ts': plugin('fails', "await null;\nthrow new Error('not today');"),
      'plugins/timer.ts': sync('timer', "ctx.every(200, () => {\n  throw new Error('late');\n});"),
      'plugins/ear.ts': sync(
        'ear',
        "ctx.on('tick', () => {\n  throw new Error('deaf');\n});\nctx.timeout(300, () => ctx.emit('tick', 1));",
      ),
    });
    return made;
  };

  test('has what plugins say from their first activate on, names them and the lines that failed, and says what comes next', async () => {
    const host = start(folder());
    await host.shows('Ctrl-C stops it.');
    const before = host.stdout.slice(0, host.stdout.indexOf(':memory:')).trim().split('\n');
    const failed = 'failed in activate: not today (at plugins/fails.ts:4:7); it is tried again in 5 s';
    expect(before.map((line) => line.slice('12:34:56 '.length)).sort()).toEqual(
      [`fails error ${failed}`, 'x hello', 'x warn careful'].sort(),
    );
    expect(host.stdout).toContain(`          plugin 'fails' ${failed}\n`);
    await host.shows('timer error interval failed: late (at plugins/timer.ts:4:9)');
    await host.shows('ear error A listener on tick failed: deaf (at plugins/ear.ts:4:9)');
    await host.shows(
      /timer error was stopped: it failed 5 times .*late \(at plugins\/timer\.ts:4:9\); it is not tried again until/,
    );
    await host.shows(/not today \(at plugins\/fails\.ts:4:7\); it is tried again in 10 s/);
    await host.stop();
  });

  test('as JSON has the plugin, the code and the place', async () => {
    const host = start(folder(), '--json');
    await host.shows(/timer.*GC_PLUGIN_FAILED/);
    await host.shows(/"type":"plugin".*"id":"timer"/);
    await host.stop();
    const lines = jsonLines(host.stdout);
    const logs = lines.filter(({ type }) => type === 'log');
    const has = (expected: object): void => expect(logs).toContainEqual(expect.objectContaining(expected));
    has({ level: 'info', plugin: 'x', message: 'hello' });
    has({
      level: 'error',
      plugin: 'timer',
      place: 'plugins/timer.ts:4:9',
      message: "plugin 'timer': interval failed: late",
    });
    has({ level: 'error', plugin: 'ear', place: 'plugins/ear.ts:4:9' });
    has({ level: 'error', plugin: 'fails', place: 'plugins/fails.ts:4:7', code: 'GC_PLUGIN_FAILED' });
    expect(lines.filter(({ type }) => type === 'plugin')).toEqual([
      expect.objectContaining({ id: 'timer', from: 'active', to: 'quarantined' }),
    ]);
  });

  test('is with --quiet what plugins say, and what goes wrong', async () => {
    const host = start(folder(), '--quiet');
    await host.shows('x hello');
    await host.shows('timer error interval failed');
    await host.stop();
    expect(host.stdout).not.toMatch(/loaded|Ready|Stopped/);
  });

  test('says while it waits for a plugin, at a start and at a reload, and whose change was not taken', async () => {
    const folder = withPlugin(sync('x', ''));
    const host = start(folder);
    await host.shows('Ctrl-C stops it.');
    folder.write({ 'plugins/x.ts': plugin('x', 'await new Promise(() => {});') });
    await host.shows('x still waiting for activate, which is given up after 10 s');
    await host.shows("plugins/x.ts: the change to plugin 'x' was not taken, and what ran before goes on running: ");
    await host.stop();
  }, 30_000);

  test('tells what becomes of those that require one', async () => {
    const folder = withPlugin(sync('x', "ctx.provide('word', {});", "provides: { word: '1.0.0' },"));
    folder.write({ 'plugins/y.ts': sync('y', '', "requires: { word: '^1.0.0' },") });
    const host = start(folder);
    await host.shows('Ctrl-C stops it.');
    folder.remove('plugins/x.ts');
    await host.shows(/y is waiting\n.*y It waits for the service 'word' \^1\.0\.0: no loaded plugin provides it\./);
    folder.write({ 'plugins/x.ts': sync('x', "ctx.provide('word', {});", "provides: { word: '1.0.0' },") });
    await host.shows('y is active, version 1.0.0');
    await host.stop();
  });
});

describe('Ctrl-C', () => {
  test('does not wait for an activate that hangs', async () => {
    const host = start(withPlugin(plugin('x', 'await new Promise(() => {});')));
    await host.shows('x still waiting for activate');
    expect(await host.stop()).toBe(0);
    expect(host.stdout).not.toContain('Ready in');
    expect(host.stdout).toContain('Stopped.');
  });

  test('waits for a deactivate as long as its limit is, and says so', async () => {
    const host = start(withPlugin(sync('x', '', 'deactivate: () => new Promise<void>(() => {}),')));
    await host.shows('Ctrl-C stops it.');
    expect(await host.stop()).toBe(0);
    expect(host.stderr).toBe('Still stopping; Ctrl-C again ends it at once.\n');
    expect(host.stdout).toMatch(
      /x still waiting for deactivate.*\n.*x error deactivate did not finish within 5 s \(in plugins\/x\.ts\)\nStopped\.\n$/,
    );
  });
});

describe('the hint', () => {
  test('for a file that Node takes for CommonJS, and for an import without its ending, is what to do without esbuild', async () => {
    const folder = folderWith({
      'package.json': { type: 'commonjs' },
      'x.ts': sync('x', ''),
      'm.mts': "import './part';\nexport default {};",
    });
    const hintOf = async (file: string): Promise<unknown> =>
      await loadPluginFile(folder.at(file), { bundler: 'node' }).catch((error: unknown) => (error as GlyphError).hint);
    expect(await hintOf('x.ts')).toContain('Write "type": "module" into the package.json');
    expect(await hintOf('m.mts')).toContain('names the whole file (./parts.ts)');
  });
});

describe('whose an error is', () => {
  const at = (...places: readonly string[]): Error =>
    Object.assign(new Error('boom'), {
      stack: ['Error: boom', ...places.map((place) => `    at run (${place})`)].join('\n'),
    });

  test('is the plugin with the innermost file; a shared file counts where only one plugin lies beside it', () => {
    const { dir } = folderWith({ 'one/a.ts': '', 'two/b.ts': '', 'two/c.ts': '', 'two/d/index.ts': '' });
    const plugins = ['one/a.ts', 'two/b.ts', 'two/c.ts', 'two/d'].map((path) => ({
      name: path,
      path: join(dir, path),
    }));
    const of = (...files: readonly string[]): string | undefined =>
      culprit(at(...files.map((file) => `${join(dir, file)}:1:2`)), plugins);
    expect(of('two/c.ts')).toBe('two/c.ts');
    expect(of('two/d/parts/x.ts', 'two/c.ts')).toBe('two/d');
    expect(of('one/_shared.ts')).toBe('one/a.ts');
    expect(of('one/_shared.ts', 'two/b.ts')).toBe('two/b.ts');
    expect(of('two/_shared.ts')).toBeUndefined();
    expect(of('one/node_modules/x/i.js')).toBeUndefined();
    expect(of('else.ts')).toBeUndefined();
    expect(culprit('no error', plugins)).toBeUndefined();
  });
});
