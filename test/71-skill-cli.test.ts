/** `glyphcase skill new`, `check` and `test` as a person at a terminal meets them. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { TEMPLATES } from '../sdk/cli/skill-templates.ts';
import { cliHere, root, startCli, writeSkill } from './70-cli-support.ts';
import { sqlite3, tempDir } from './support.ts';

const MANIFEST = { version: '1.0.0', watches: ['orders'], permissions: { database: { read: ['orders'] } } };

describe('skill new', () => {
  test.each(Object.keys(TEMPLATES))(
    '--template %s makes a skill that its check and its test have nothing against',
    async (name) => {
      const folder = tempDir();
      const made = await cliHere(['skill', 'new', 'mine', '--template', name, '--table', 'my "own" table'], {
        cwd: folder,
      });
      expect(made).toMatchObject({ code: 0, stderr: '' });
      expect(await cliHere(['skill', 'check'], { cwd: folder })).toMatchObject({
        code: 0,
        stdout: 'ok    mine 0.1.0  2 Lua files\n',
      });
      const tested = await cliHere(['skill', 'test'], { cwd: folder });
      expect(tested).toMatchObject({ code: 0, stderr: '' });
      expect(tested.stdout).toMatch(/^skills\/mine\n( {2}✓ .+\n)+ {2}\d passed/);
    },
  );

  test('refuses a template and a table that cannot be', async () => {
    const folder = tempDir();
    const wrong = await cliHere(['skill', 'new', 'mine', '--template', 'x'], { cwd: folder });
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toContain('Allowed choices are reaction, hooks, schedule.');
    expect((await cliHere(['skill', 'new', 'mine', '--table', ' '], { cwd: folder })).code).toBe(2);
  });

  test('points editors to the definition files', async () => {
    const folder = tempDir();
    await cliHere(['skill', 'new', 'mine', '--skills', 'more'], { cwd: folder });
    const settings = JSON.parse(readFileSync(join(folder, 'more/mine/.luarc.json'), 'utf8')) as Record<
      string,
      string[]
    >;
    // Outside of a project that has the package, its own path.
    expect(settings['workspace.library']).toEqual([join(root, 'types')]);
  });
});

describe('skill test', () => {
  const failing = `setup(function() glyphcase.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)") end)
test("passes", function() end)
test("compares", function()
  expect({ a = 1, b = "a longer text than fits" }).to_equal({ a = 1, b = "another text than that" })
end)
test("the skill fails", function()
  print("here", 1)
  glyphcase.insert("orders", {})
  flush()
end)
`;
  const main = 'local function deeper()\n  error("too deep")\nend\nfunction on_data_changed()\n  deeper()\nend\n';

  test('refuses what holds no skill or no test', async () => {
    const folder = tempDir();
    expect(await cliHere(['skill', 'test'], { cwd: folder })).toMatchObject({ code: 1, stdout: '' });
    expect((await cliHere(['skill', 'test', 'nowhere'], { cwd: folder })).stderr).toContain(
      'There is no folder nowhere',
    );
    writeSkill(folder, 'bare', { 'manifest.json': { id: 'bare', ...MANIFEST }, 'main.lua': '' });
    const { code, stdout } = await cliHere(['skill', 'test', 'skills/bare'], { cwd: folder });
    expect([code, stdout]).toEqual([1, expect.stringContaining('bare has no test.lua')]);
  });

  test('shows of a failure where it is, what was expected, where the skill failed and what was printed', async () => {
    const folder = tempDir();
    writeSkill(folder, 'shop', { 'manifest.json': { id: 'shop', ...MANIFEST }, 'main.lua': main, 'test.lua': failing });
    const { code, stdout, stderr } = await cliHere(['skill', 'test', 'skills/shop'], { cwd: folder });
    expect([code, stderr]).toEqual([1, '']);
    expect(stdout.replaceAll(/ \d+(\.\d+)? m?s$/gm, '').replaceAll(/ +$/gm, '')).toBe(`skills/shop
  ✓ passes
  ✗ compares
      skills/shop/test.lua:4: expected and actual value differ at b
        expected { a = 1, b = "another text than that" }
        got      { a = 1, b = "a longer text than fits" }
           3 | test("compares", function()
      >    4 |   expect({ a = 1, b = "a longer text than fits" }).to_equal({ a = 1, b = "another text than that" })
           5 | end)

  ✗ the skill fails
      skills/shop/test.lua:9: skill shop, on_data_changed: main.lua:2: too deep [GC_LUA]
           8 |   glyphcase.insert("orders", {})
      >    9 |   flush()
          10 | end)
      in the skill:
        main.lua:2: in upvalue 'deeper'
        main.lua:5: in global 'on_data_changed'
           1 | local function deeper()
      >    2 |   error("too deep")
           3 | end
      logged:
        test.lua here 1

  2 failed, 1 passed

`);
  });

  test('prints its results as JSON, and those of grep only', async () => {
    const folder = tempDir();
    writeSkill(folder, 'shop', { 'manifest.json': { id: 'shop', ...MANIFEST }, 'main.lua': main, 'test.lua': failing });
    const { code, stdout } = await cliHere(['skill', 'test', '--json', '--grep', 'passes'], { cwd: folder });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject([
      {
        skill: 'shop',
        version: '1.0.0',
        ok: true,
        passed: 1,
        failed: 0,
        skipped: 2,
        tests: [{ name: 'passes', state: 'passed' }, {}, {}],
      },
    ]);
    const none = await cliHere(['skill', 'test', '--grep', 'nothing like it'], { cwd: folder });
    expect([none.code, none.stderr]).toEqual([1, 'No test is called like "nothing like it".\n']);
  });
});

test('start and logs show the skill’s own traceback', async () => {
  const folder = tempDir();
  const main = 'local function deeper()\n  error("too deep")\nend\nfunction on_data_changed()\n  deeper()\nend\n';
  writeSkill(folder, 'shop', { 'manifest.json': { id: 'shop', ...MANIFEST }, 'main.lua': main });
  const file = join(folder, 'glyphcase.db');
  const host = startCli(['start'], { cwd: folder });
  await host.shows('Ready');
  sqlite3(file, 'INSERT INTO orders (user_id) VALUES (7)');
  await host.shows(
    /on_data_changed: main\.lua:2: too deep.*\n +main\.lua:2: in upvalue 'deeper'\n +main\.lua:5: in global 'on_data_changed'/,
  );
  await expect.poll(() => sqlite3(file, 'SELECT count(*) FROM _skill_logs').trim(), { timeout: 30_000 }).not.toBe('0');
  const { stdout } = await cliHere(['skill', 'logs', 'shop'], { cwd: folder });
  expect(stdout).toMatch(/too deep.*\n +main\.lua:2: in upvalue 'deeper'\n/);
  // What it follows is what another process's skills say.
  const following = startCli(['skill', 'logs', 'shop', '-f', '--limit', '1'], { cwd: folder });
  writeFileSync(join(folder, 'skills/shop/main.lua'), 'function on_data_changed(_, op) log.info("well", op) end');
  await following.shows('shop well INSERT');
  expect(await following.stop()).toBe(0);
  await host.stop();
});
