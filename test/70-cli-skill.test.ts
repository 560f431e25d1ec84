/** `glyphcase skill`: made, checked, listed, followed, switched off and on. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { cliHere, copySkills, jsonLines, root, startCli, writeSkill } from './70-cli-support.ts';
import { sqlite3, tempDir } from './support.ts';

const MANIFEST = { version: '1.0.0', watches: ['orders'], permissions: { database: { read: ['orders'] } } };
const SAY = 'function on_data_changed(t, op, row, event) log.info("seen", op, event.row_id) end\n';

describe('skill new', () => {
  test.each([['Orders'], ['order mail'], ['-x'], ['x--y'], ['../x'], ['x'.repeat(65)]])(
    'refuses the id %j',
    async (id) => {
      const folder = tempDir();
      const { code, stderr } = await cliHere(['skill', 'new', '--', id], { cwd: folder });
      expect(stderr).toContain('is no id for a skill');
      expect(code).toBe(2);
      expect(existsSync(join(folder, 'skills'))).toBe(false);
    },
  );

  test('makes a skill that passes its check and works in a running host', async () => {
    const folder = tempDir();
    const { code, stdout } = await cliHere(['skill', 'new', 'order-mail'], { cwd: folder });
    expect(code).toBe(0);
    expect(stdout).toContain(join('skills', 'order-mail', 'main.lua'));
    expect(await cliHere(['skill', 'check', 'skills/order-mail'], { cwd: folder })).toMatchObject({ code: 0 });
    const host = startCli(['start'], { cwd: folder });
    await host.shows(/order-mail +0\.1\.0 +active/);
    sqlite3(join(folder, 'glyphcase.db'), 'INSERT INTO orders (user_id) VALUES (7)');
    await host.shows('order-mail INSERT orders 1');
    await host.stop();
  });

  test('never touches a folder that exists', async () => {
    const folder = tempDir();
    const dir = writeSkill(folder, 'mine', { 'main.lua': 'mine' });
    const { code, stderr } = await cliHere(['skill', 'new', 'mine'], { cwd: folder });
    expect(stderr).toContain('skills/mine exists already');
    expect(code).toBe(1);
    expect(readFileSync(join(dir, 'main.lua'), 'utf8')).toBe('mine');
  });
});

/** Checks a skill made of these files; returns its lines without the path of the folder. */
async function check(
  files: Readonly<Record<string, string | object>>,
): Promise<{ readonly code: number | null; readonly lines: readonly string[] }> {
  const folder = tempDir();
  writeSkill(folder, 'x', files);
  const { code, stdout, stderr } = await cliHere(['skill', 'check', 'skills/x'], { cwd: folder });
  expect(stderr).toBe('');
  return {
    code,
    lines: stdout
      .trim()
      .split('\n')
      .map((line) => line.replace('skills/x/', '')),
  };
}

describe('skill check', () => {
  test('refuses what is no folder, and a folder without skills', async () => {
    const folder = tempDir();
    expect((await cliHere(['skill', 'check', 'nowhere'], { cwd: folder })).stderr).toContain(
      'There is no folder nowhere',
    );
    expect((await cliHere(['skill', 'check', '.'], { cwd: folder })).stderr).toContain('holds no manifest.json');
  });

  test('finds nothing wrong with the skills that come with GlyphCase', async () => {
    const { code, stdout } = await cliHere(['skill', 'check', 'skills'], { cwd: root });
    expect(
      stdout
        .trim()
        .split('\n')
        .map((line) => line.split(/\s+/)[0]),
    ).toEqual(expect.arrayContaining(['ok']));
    expect(stdout).not.toContain('warning');
    expect(code).toBe(0);
  });

  test('names file, line and key of what is wrong with a manifest', async () => {
    const manifest = `{
  "id": "x",
  "version": "1.0.0",
  "wacthes": ["orders"],
  "permissions": {
    "database": { "raed": ["orders"] }
  }
}`;
    expect(await check({ 'manifest.json': manifest, 'main.lua': '' })).toEqual({
      code: 1,
      lines: [
        "manifest.json:4: error: wacthes: unknown key 'wacthes' (did you mean 'watches'?)",
        "manifest.json:6: error: permissions.database.raed: unknown key 'raed' (did you mean 'read'?)",
        'fail  x  1 Lua file, 2 errors',
      ],
    });
    expect((await check({ 'manifest.json': '{ "id": "x",\n "version": }', 'main.lua': '' })).lines[0]).toMatch(
      /^manifest\.json:2: error: not valid JSON/,
    );
    expect((await check({ 'manifest.json': { id: 'y', version: '1.0.0' }, 'main.lua': '' })).lines[0]).toMatch(
      /^manifest\.json:2: error: id: must be the folder's name/,
    );
    expect((await check({ 'manifest.json': { id: 'x', version: '1.0.0' } })).lines[0]).toMatch(
      /error: main: there is no file "main.lua"/,
    );
  });

  test('compiles every Lua file and runs none', async () => {
    const { code, lines } = await check({
      'manifest.json': { id: 'x', ...MANIFEST },
      'main.lua': `${SAY}while true do end`,
      'broken.lua': 'local a = 1\nlocal b = = 2\n',
    });
    expect(lines[0]).toMatch(/^broken\.lua:2: error: unexpected symbol near '='/);
    expect(code).toBe(1);
  });

  test('knows the hooks, and what they need', async () => {
    const misspelt = await check({
      'manifest.json': { id: 'x', ...MANIFEST },
      'main.lua': `${SAY}\nfunction on_instal() end\nfunction on_tick() end\non_tick()`,
    });
    expect(misspelt).toMatchObject({
      code: 1,
      lines: [
        "main.lua:3: error: nothing calls on_instal() (did you mean 'on_install'?)",
        expect.any(String) as string,
      ],
    });
    const hook = await check({
      'manifest.json': { id: 'x', ...MANIFEST },
      'main.lua': `${SAY}function before_insert(t, d) return d end`,
    });
    expect(hook.lines[0]).toBe(
      'main.lua:2: error: before_insert() is never called: manifest.json names no tables in permissions.hooks',
    );
    const unread = await check({
      'manifest.json': { id: 'x', version: '1.0.0', watches: ['orders'] },
      'main.lua': SAY,
    });
    expect(unread.lines[0]).toMatch(/^manifest\.json:5: error: watches\[0\]: it watches "orders" but may not read it/);
    const idle = await check({ 'manifest.json': { id: 'x', version: '1.0.0' }, 'main.lua': SAY });
    expect(idle).toMatchObject({
      code: 0,
      lines: [
        expect.stringMatching(/^main\.lua:1: warning: on_data_changed\(\) is never called/) as string,
        expect.any(String) as string,
      ],
    });
  });
});

describe('skill list, logs, enable and disable', () => {
  test('refuse an id that nobody knows', async () => {
    const folder = tempDir();
    copySkills(folder, 'order-totals');
    sqlite3(join(folder, 'glyphcase.db'), 'CREATE TABLE t (id)');
    for (const command of ['enable', 'disable']) {
      const { code, stderr } = await cliHere(['skill', command, 'order-total'], { cwd: folder });
      expect(stderr).toContain('There is no skill "order-total" (did you mean "order-totals"?) [GC_NO_SUCH_SKILL]');
      expect(code).toBe(1);
    }
    expect((await cliHere(['skill', 'logs', 'x'], { cwd: folder })).stderr).toContain('[GC_NO_SUCH_SKILL]');
  });

  test('list what lies there before anything has run', async () => {
    const folder = tempDir();
    copySkills(folder, 'order-totals');
    const { code, stdout, stderr } = await cliHere(['skill', 'list'], { cwd: folder });
    expect(stdout).toMatch(/order-totals +1\.\d\.\d +not loaded/);
    expect(stderr).toContain('No host is running');
    expect(code).toBe(0);
    expect(existsSync(join(folder, 'glyphcase.db'))).toBe(false);
    expect((await cliHere(['skill', 'list'], { cwd: tempDir() })).stdout).toContain('glyphcase skill new ID');
  });

  test('a running host follows disable and enable', async () => {
    const folder = tempDir();
    writeSkill(folder, 'sayer', { 'main.lua': SAY, 'manifest.json': { id: 'sayer', ...MANIFEST } });
    const file = join(folder, 'glyphcase.db');
    const host = startCli(['start'], { cwd: folder });
    await host.shows('Ready');
    expect(await cliHere(['skill', 'disable', 'sayer'], { cwd: folder })).toMatchObject({
      code: 0,
      stdout: 'sayer is disabled\n',
    });
    sqlite3(file, 'INSERT INTO orders (user_id) VALUES (7)');
    expect((await cliHere(['skill', 'list', '--json'], { cwd: folder })).stdout).toContain('"now": "disabled"');
    expect(host.stdout).not.toContain('seen');
    expect(await cliHere(['skill', 'enable', 'sayer'], { cwd: folder })).toMatchObject({
      code: 0,
      stdout: 'sayer is active\n',
    });
    // What happened meanwhile was kept for it.
    await host.shows('sayer seen INSERT 1');
    await host.stop();
    await cliHere(['skill', 'disable', 'sayer'], { cwd: folder });
    const second = startCli(['start'], { cwd: folder });
    await second.shows('Ready');
    expect(second.stdout).toMatch(/skill +sayer +disabled/);
    await second.stop();
  });

  test('enable shows what it approves, and that waits again when more is asked for', async () => {
    const folder = tempDir();
    const manifest = {
      id: 'wants',
      ...MANIFEST,
      permissions: { database: { read: ['orders'] }, network: ['api.example.com'] },
    };
    const dir = writeSkill(folder, 'wants', { 'main.lua': SAY, 'manifest.json': manifest });
    const host = startCli(['start'], { cwd: folder });
    await host.shows(/wants +1\.0\.0 +waiting/);
    const { stdout } = await cliHere(['skill', 'enable', 'wants'], { cwd: folder });
    expect(stdout).toBe('approved  permissions.network "api.example.com"\nwants is active\n');
    await host.shows('wants is active');
    const more = {
      ...manifest,
      permissions: { ...manifest.permissions, network: ['api.example.com', 'evil.example.com'] },
    };
    writeFileSync(join(dir, 'manifest.json'), JSON.stringify(more));
    await host.shows('permissions.network "evil.example.com", which waits for approval');
    await host.stop();
  });

  test('a skill that was quarantined is tried again', async () => {
    const folder = tempDir();
    writeSkill(folder, 'sayer', { 'main.lua': SAY, 'manifest.json': { id: 'sayer', ...MANIFEST } });
    const host = startCli(['start'], { cwd: folder });
    await host.shows('Ready');
    await host.stop();
    sqlite3(join(folder, 'glyphcase.db'), "UPDATE _skills SET state = 'quarantined', error = 'it failed'");
    const second = startCli(['start'], { cwd: folder });
    await second.shows(/sayer +1\.0\.0 +quarantined/);
    expect(await cliHere(['skill', 'enable', 'sayer'], { cwd: folder })).toMatchObject({
      code: 0,
      stdout: 'sayer is active\n',
    });
    await second.stop();
  });

  test('logs shows what was logged, and with -f what is logged from now on', async () => {
    const folder = tempDir();
    writeSkill(folder, 'sayer', { 'main.lua': SAY, 'manifest.json': { id: 'sayer', ...MANIFEST } });
    const file = join(folder, 'glyphcase.db');
    const host = startCli(['start'], { cwd: folder });
    await host.shows('Ready');
    sqlite3(file, 'INSERT INTO orders (user_id) VALUES (7)');
    await expect.poll(() => sqlite3(file, 'SELECT count(*) FROM _skill_logs').trim(), { timeout: 30_000 }).toBe('1');
    const following = startCli(['skill', 'logs', 'sayer', '-f'], { cwd: folder });
    await following.shows('sayer seen INSERT 1');
    sqlite3(file, 'INSERT INTO orders (user_id) VALUES (8)');
    await following.shows('sayer seen INSERT 2');
    expect(await following.stop()).toBe(0);
    const { stdout } = await cliHere(['skill', 'logs', '--json', '--limit', '1'], { cwd: folder });
    expect(jsonLines(stdout)).toMatchObject([{ skill: 'sayer', level: 'info', message: 'seen\tINSERT\t2' }]);
    await host.stop();
  });
});
