/** `glyphcase plugin new` and `plugin check` as a plugin's author meets them. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { PluginCheckReport } from '../sdk/cli/plugin-check-report.ts';
import { cli, cliHere, root } from './70-cli-support.ts';
import type { CliResult } from './70-cli-support.ts';
import { typeErrors } from './92-docs-support.ts';
import { folderWith, source } from './97-plugin-files-support.ts';
import { tempDir } from './support.ts';

/** A folder in which `glyphcase` is installed: its package leads to the sources, because dist/ is not built here. */
function project(): string {
  const dir = tempDir();
  const linked = join(dir, 'glyphcase');
  mkdirSync(linked);
  const exports = {
    './sdk': './sdk/plugin.ts',
    './testing': './sdk/testing/index.ts',
    './package.json': './package.json',
  };
  writeFileSync(join(linked, 'package.json'), JSON.stringify({ name: 'glyphcase', type: 'module', exports }));
  symlinkSync(join(root, 'sdk'), join(linked, 'sdk'));
  mkdirSync(join(dir, 'node_modules'));
  symlinkSync(linked, join(dir, 'node_modules/glyphcase'));
  return dir;
}

function node(cwd: string, ...args: readonly string[]): { readonly code: number | null; readonly output: string } {
  // What vitest sets would make the test runner below it speak to vitest.
  const env = { ...process.env, NODE_OPTIONS: '', NODE_TEST_CONTEXT: undefined };
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd, env, encoding: 'utf8', timeout: 60_000 });
  return { code: status, output: stdout + stderr };
}

// Whoever runs the tests may do so by npx.
beforeEach(() => void vi.stubEnv('npm_command', ''));
afterEach(() => void vi.unstubAllEnvs());

describe('plugin new', () => {
  test.each([
    ['My Plugin', 'glyphcase plugin new my-plugin'],
    ['9lives', 'glyphcase plugin new lives'],
    ['../up', 'glyphcase plugin new up'],
    ['@acme/', 'glyphcase plugin new acme'],
    ['', 'use small letters'],
    ['capsule', '"capsule" is a plugin that comes with GlyphCase'],
  ])('refuses the name %j, with code 2, and makes nothing', async (name, hint) => {
    const cwd = tempDir();
    const { code, stdout, stderr } = await cliHere(['plugin', 'new', name], { cwd });
    expect(stderr).toContain(hint);
    expect({ code, stdout, files: readdirSync(cwd) }).toEqual({ code: 2, stdout: '', files: [] });
  });

  test('never writes over what is there', async () => {
    const cwd = tempDir();
    mkdirSync(join(cwd, 'plugins/mine'), { recursive: true });
    const { code, stdout, stderr } = await cliHere(['plugin', 'new', 'mine'], { cwd });
    expect(stderr).toContain('plugins/mine exists already');
    expect({ code, stdout, files: readdirSync(join(cwd, 'plugins/mine')) }).toEqual({ code: 1, stdout: '', files: [] });
  });

  test.each([
    ['ts', []],
    ['js', ['--js']],
  ])(
    'makes a package (%s) whose own tests pass as they stand, and says what to do with it',
    async (language, args) => {
      const cwd = project();
      const { code, stdout, stderr } = await cliHere(['plugin', 'new', 'slow-log', ...args], { cwd });
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      // Where it was typed, whichever of them comes first.
      expect(stdout).toContain('Test it:  npm test --prefix plugins/slow-log\n');
      expect(stdout).toContain(
        `Edit plugins/slow-log/index.${language}, then: glyphcase plugin check plugins/slow-log\n`,
      );
      expect(stdout).toContain('Run it:   glyphcase start --plugins plugins\n');
      const dir = join(cwd, 'plugins/slow-log');
      const manifest = JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8')) as Record<string, unknown>;
      expect(manifest).toMatchObject({
        keywords: ['glyphcase-plugin'],
        type: 'module',
        exports: `./index.${language}`,
        scripts: { test: 'node --test' },
        peerDependencies: { glyphcase: '^1.0.0' },
      });

      const tested = node(dir, '--test', '--test-reporter=tap');
      expect(tested.output).toMatch(/^# pass 3$/m);
      expect(tested.code, tested.output).toBe(0);

      // And they are tests: a plugin that forgets fails them.
      const index = readFileSync(join(dir, `index.${language}`), 'utf8');
      writeFileSync(join(dir, `index.${language}`), index.replace('() => kept }', '() => [] }'));
      expect(node(dir, '--test', '--test-reporter=tap').output).toMatch(
        /^not ok 2 - remembers the slowest statements$/m,
      );
    },
    60_000,
  );

  test('says to install glyphcase where it is not, and how it is called where npx has called it', async () => {
    const bare = await cli(['plugin', 'new', 'slow-log', '--dir', '.'], { cwd: tempDir() });
    expect(bare.stdout).toContain('npm install --prefix slow-log && npm test --prefix slow-log\n');
    expect(bare.stdout).toContain('then: glyphcase plugin check slow-log\n');
    const byNpx = await cli(['plugin', 'new', 'slow-log'], { cwd: tempDir(), env: { npm_command: 'exec' } });
    expect(byNpx.stdout).toContain('then: npx glyphcase plugin check plugins/slow-log\n');
    expect(byNpx.stdout).toContain('npx glyphcase start --plugins plugins\n');
  });

  test.each([
    ['slow-log', 'slow-log', 'glyphcase-plugin-slow-log'],
    ['@acme/slow-log', 'acme-slow-log', '@acme/slow-log'],
    ['shop.orders:slow', 'shop.orders-slow', 'glyphcase-plugin-shop.orders-slow'],
  ])(
    '%s has its check and its list passed',
    async (name, folder, packageName) => {
      const cwd = tempDir();
      expect((await cliHere(['plugin', 'new', name], { cwd })).code).toBe(0);
      const dir = join('plugins', folder);
      const manifest = JSON.parse(readFileSync(join(cwd, dir, 'package.json'), 'utf8')) as Record<string, unknown>;
      expect(manifest['name']).toBe(packageName);
      const { code, stdout } = await cli(['plugin', 'check', dir], { cwd });
      expect(stdout.trim().split('\n')[0]).toBe(`${name} 0.1.0  ${dir}`);
      expect(stdout).not.toMatch(/^failed /m);
      expect(stdout).toMatch(/\n13 ok, 2 skipped .+\n$/);
      expect(code).toBe(0);
      expect((await cli(['plugin', 'list'], { cwd })).stdout).toMatch(new RegExp(`^${name} +0\\.1\\.0 +ready`, 'm'));
    },
    60_000,
  );

  test('is typed as strictly as GlyphCase itself', async () => {
    const cwd = tempDir();
    await cliHere(['plugin', 'new', 'slow-log', '--dir', '.'], { cwd });
    const dir = join(cwd, 'slow-log');
    const files = readdirSync(dir).filter((name) => name.endsWith('.ts'));
    expect(files).toEqual(['index.test.ts', 'index.ts']);
    expect(typeErrors(files.map((name) => join(dir, name)))).toEqual([]);
    // And it would be said if it were not.
    writeFileSync(
      join(dir, 'index.ts'),
      `${readFileSync(join(dir, 'index.ts'), 'utf8')}\nexport const wrong: string = 1;`,
    );
    expect(typeErrors([join(dir, 'index.ts')])).toEqual([expect.stringContaining("'number' is not assignable")]);
  }, 120_000);
});

describe('plugin check', () => {
  const checked = (body: string, more = '', ...args: readonly string[]): Promise<CliResult> => {
    const { dir } = folderWith({ 'mine.ts': source('mine', '1.0.0', body, more), 'tables.sql': TABLES });
    return cli(['plugin', 'check', 'mine.ts', ...args], { cwd: dir });
  };
  const TABLES = 'CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY);';
  /** The lines of the checks that failed, each with what is said of it. */
  const failures = (stdout: string): readonly string[] => stdout.match(/^failed .+(\n {9}.+)*/gm) ?? [];

  test('refuses what is no plugin and what it cannot read', async () => {
    const { dir } = folderWith({ 'no.ts': 'export const nothing = 1;', 'yes.ts': source('yes') });
    expect((await cli(['plugin', 'check'], { cwd: dir })).code).toBe(2);
    const badJson = await cli(['plugin', 'check', 'yes.ts', '--config', '{port}'], { cwd: dir });
    expect(badJson).toMatchObject({ code: 2, stdout: '' });
    expect(badJson.stderr).toContain('--config is not JSON');
    const absent = await cli(['plugin', 'check', 'nowhere'], { cwd: dir });
    expect(absent).toMatchObject({ code: 1, stdout: '' });
    expect(absent.stderr).toContain('nowhere: there is no such file or folder');
    const wrong = await cli(['plugin', 'check', 'no.ts', '--json'], { cwd: dir });
    expect(wrong).toMatchObject({ code: 1, stdout: '' });
    expect(wrong.stderr).toContain('no.ts: it has no default export');
    expect((await cli(['plugin', 'check', 'yes.ts', '--schema', 'no.sql'], { cwd: dir })).code).toBe(1);
  });

  test('names a plugin that throws', async () => {
    const { code, stdout } = await checked("throw new Error('no luck')");
    expect(code).toBe(1);
    const [activates] = failures(stdout);
    expect(activates).toMatch(/^failed {3}activates: It becomes active/);
    expect(activates).toContain("plugin 'mine'");
    expect(activates).toContain('no luck');
    expect(activates).toContain('fix: Correct activate(ctx).');
    expect(stdout).toContain('skipped  8 checks: It does not become active.\n');
  });

  test('names one that leaks, with what and from where', async () => {
    const watching = await checked(
      "(ctx.use('capsule') as { watch(table: string): unknown }).watch('orders');",
      "requires: { capsule: '^1.0.0' },",
      '--schema',
      'tables.sql',
    );
    expect(watching.code).toBe(1);
    expect(failures(watching.stdout)[0]).toMatch(/^failed {3}cleans-up: .+\n {9}.*watcher.*\n {9}fix: .+ctx\.defer/);
    const timer = await checked('setInterval(() => undefined, 1000);');
    expect(timer.code).toBe(1);
    expect(failures(timer.stdout).at(-1)).toMatch(
      /^failed {3}no-handles: .+\n {9}a timer begun.+\n {9}fix: Use ctx\.timeout/,
    );
  });

  test.each([
    ['activate', 'return new Promise<void>(() => undefined);', '', 'activates'],
    ['deactivate', '', 'deactivate: () => new Promise<void>(() => undefined),', 'deactivates'],
  ])('names one whose %s hangs', async (phase, body, more, name) => {
    const { code, stdout } = await checked(body, more);
    expect(code).toBe(1);
    expect(failures(stdout)[0]).toMatch(new RegExp(`^failed   ${name}: `));
    expect(failures(stdout)[0]).toContain(`plugin 'mine': ${phase} did not finish within`);
  });

  test('names one that lets errors go unheard, and goes on', async () => {
    const { code, stdout, stderr } = await checked("void Promise.reject(new Error('lost'));");
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
    expect(failures(stdout)).toEqual([
      expect.stringMatching(/^failed {3}unheard: .+\n {9}lost \(at mine\.ts:5\)\n {9}fix: Await/),
    ]);
  });

  test('says which services are missing, and how it can be checked all the same', async () => {
    const { code, stdout } = await checked('', "requires: { mailer: '^2.0.0', capsule: '^9.0.0', live: '^1.0.0' },");
    expect(code).toBe(1);
    expect(stdout).toContain("It waits for the service 'mailer' ^2.0.0: no loaded plugin provides it.");
    expect(stdout).toContain(
      "fix: This GlyphCase has 'capsule' 1.0.0: take a range in `requires` that holds it, not ^9.0.0.\n",
    );
    expect(stdout).toContain("If another plugin of yours provides 'mailer', check this one in a test");
    expect(stdout).toContain('runPluginContract(plugin, { services: { mailer: … } }).');
    expect(stdout).not.toContain("'live'");
  });

  test('gives it the options of --config', async () => {
    const needs = "config: { type: 'object', properties: { limit: { type: 'integer' } }, required: ['limit'] },";
    expect(failures((await checked('', needs)).stdout)[0]).toMatch(/activates:.+\n.*limit/);
    expect((await checked('', needs, '--config', '{"limit":3}')).code).toBe(0);
  });

  test('--json prints the report alone, whatever the plugin writes', async () => {
    const { code, stdout, stderr } = await checked("console.log('chatter');", '', '--json');
    expect(code).toBe(1);
    const report = JSON.parse(stdout) as PluginCheckReport;
    expect(report).toMatchObject({
      plugin: 'mine',
      version: '1.0.0',
      file: 'mine.ts',
      ok: false,
      missing: [],
      strays: [],
    });
    expect(report.checks.filter(({ ok }) => !ok).map(({ name }) => name)).toEqual(['silent']);
    expect(stderr).toContain('chatter\n');
  });
});
