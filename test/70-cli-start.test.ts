/** `glyphcase start`: from the first line to Ctrl-C, with other programs writing. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { cliHere, copySkills, jsonLines, startCli, writeSkill } from './70-cli-support.ts';
import { sqlite3, tempDir } from './support.ts';

const MANIFEST = {
  version: '1.0.0',
  watches: ['orders'],
  permissions: { database: { read: ['orders'], write: ['orders'] } },
};
const SAY = 'function on_data_changed(t, op, row, event) log.info("seen", op, event.row_id) end\n';

describe('start refuses', () => {
  test.each([
    [['--plugins', 'nowhere'], 'GC_BAD_OPTION', 'There is no folder nowhere'],
    [['--skills', 'nowhere'], 'GC_BAD_OPTION', 'There is no folder nowhere'],
    [['--config', 'nowhere.json'], 'GC_CANNOT_OPEN', 'There is no file nowhere.json'],
    [['--db', 'no/such/folder.db'], 'GC_CANNOT_OPEN', 'does not exist'],
    [['--db', '.'], 'GC_CANNOT_OPEN', 'is a folder'],
  ])('%j with %s and code 1', async (args, code, message) => {
    const folder = tempDir();
    const result = await cliHere(['start', ...args], { cwd: folder });
    expect(result.stderr).toContain(message);
    expect(result.stderr).toContain(`[${code}]`);
    expect(result.code).toBe(1);
    expect(existsSync(join(folder, 'glyphcase.db'))).toBe(false);
  });

  test.each([
    ['{ "capsul": {} }', "unknown key 'capsul' (did you mean 'capsule'?)"],
    ['{ "capsule": { "retentionDays": "7" } }', 'capsule.retentionDays'],
    ['{ "logger": {} }', 'logger is for programs that use the library'],
    ['[]', 'must be an object'],
    ['{ "capsule": ', 'is not valid JSON'],
  ])('the configuration %s', async (text, message) => {
    const folder = tempDir();
    writeFileSync(join(folder, 'c.json'), text);
    const { code, stderr } = await cliHere(['start', '--config', 'c.json'], { cwd: folder });
    expect(stderr).toContain('error: c.json');
    expect(stderr).toContain(message);
    expect(code).toBe(1);
  });
});

describe('start', () => {
  test('makes a shop, runs the skills, shows reactions, and stops on Ctrl-C', async () => {
    const folder = tempDir();
    copySkills(folder, 'order-totals');
    const host = startCli(['start'], { cwd: folder });
    await host.shows('Ctrl-C stops it.');
    expect(host.stdout).toContain(
      'glyphcase.db is new, with a small shop to play with: customers, orders, order_items',
    );
    expect(host.stdout).toMatch(/plugin +capsule +1\.0\.0 +active +[\d.]+ ms/);
    expect(host.stdout).toMatch(/skill +order-totals +1\.0\.0 +active +[\d.]+ ms/);
    const file = join(folder, 'glyphcase.db');
    sqlite3(
      file,
      'INSERT INTO orders (user_id) VALUES (7); INSERT INTO order_items (order_id, price, quantity) VALUES (1, 4.5, 2)',
    );
    // A tenth of a second, where the machine has nothing else to do.
    await host.shows(/\d\d:\d\d:\d\d order-totals INSERT order_items 1 [\d.]+ ms/, 8000);
    expect(sqlite3(file, 'SELECT total FROM orders').trim()).toBe('9.0');
    const before = performance.now();
    expect(await host.stop('SIGINT')).toBe(0);
    expect(performance.now() - before).toBeLessThan(8000);
    expect(host.stdout.trim().split('\n').at(-1)).toBe('Stopped.');
    expect(host.stderr).toBe('');
    expect(sqlite3(file, 'SELECT count(*) FROM _capsule_hosts').trim()).toBe('0');
  });

  test('SIGTERM stops it as well, and a second Ctrl-C from npm is not a second wish', async () => {
    const host = startCli(['start'], { cwd: tempDir() });
    await host.shows('Ready');
    host.child.kill('SIGINT');
    expect(await host.stop('SIGTERM')).toBe(0);
    expect(host.stdout).toContain('Stopped.');
  });

  test('leaves a database that was there, and --no-sample a new one, without a shop', async () => {
    const folder = tempDir();
    const file = join(folder, 'mine.db');
    sqlite3(file, 'CREATE TABLE mine (id INTEGER PRIMARY KEY)');
    const first = startCli(['start', '--db', 'mine.db'], { cwd: folder });
    await first.shows('Ready');
    expect(first.stdout.split('\n')[0]).toBe('mine.db');
    expect(first.stdout).toContain('There is no folder skills');
    await first.stop();
    const second = startCli(['start', '--no-sample'], { cwd: folder });
    await second.shows('Ready');
    await second.stop();
    for (const name of ['mine.db', 'glyphcase.db']) {
      expect(sqlite3(join(folder, name), "SELECT count(*) FROM sqlite_schema WHERE name = 'orders'").trim()).toBe('0');
    }
  });

  test('takes up a skill that is dropped in, its edits, its breaking and its going', async () => {
    const folder = tempDir();
    mkdirSync(join(folder, 'skills'));
    const host = startCli(['start'], { cwd: folder });
    await host.shows('No skills in skills yet.');
    const dir = writeSkill(folder, 'sayer', { 'main.lua': SAY, 'manifest.json': { id: 'sayer', ...MANIFEST } });
    await host.shows(/sayer is active, version 1\.0\.0/);
    sqlite3(join(folder, 'glyphcase.db'), 'INSERT INTO orders (user_id) VALUES (7)');
    await host.shows(/\d\d:\d\d:\d\d sayer seen INSERT 1/);
    writeFileSync(join(dir, 'main.lua'), SAY.replace('seen', 'noticed'));
    await host.shows(/sayer reloaded, version 1\.0\.0/);
    writeFileSync(join(dir, 'main.lua'), `${SAY}\nfunction (`);
    await host.shows(/sayer error .*main\.lua:3: .*near '\('/);
    await host.shows('sayer version 1.0.0 goes on as it was');
    sqlite3(join(folder, 'glyphcase.db'), 'INSERT INTO orders (user_id) VALUES (8)');
    await host.shows('sayer noticed INSERT 2');
    rmSync(dir, { recursive: true });
    await host.shows('sayer is gone; its data stays');
    expect(await host.stop()).toBe(0);
  }, 30_000);

  test('says in JSON what a program wants to know', async () => {
    const folder = tempDir();
    writeSkill(folder, 'sayer', { 'main.lua': SAY, 'manifest.json': { id: 'sayer', ...MANIFEST } });
    const host = startCli(['start', '--json'], { cwd: folder });
    await host.shows('"started"');
    sqlite3(join(folder, 'glyphcase.db'), 'INSERT INTO orders (user_id, total) VALUES (7, 1e999)');
    await host.shows('"reaction"');
    await host.stop();
    const lines = jsonLines(host.stdout);
    expect(lines.find((line) => line['type'] === 'started')).toMatchObject({
      file: 'glyphcase.db',
      isNew: true,
      skills: [{ id: 'sayer', state: 'active' }],
      runsSkills: true,
    });
    expect(lines.find((line) => line['type'] === 'reaction')).toMatchObject({
      skill: 'sayer',
      events: [
        { operation: 'INSERT', tableName: 'orders', rowId: 1, newData: { user_id: 7, total: { $real: 'Infinity' } } },
      ],
    });
    expect(lines.find((line) => line['type'] === 'log' && line['skill'] === 'sayer')).toMatchObject({ level: 'info' });
    expect(lines.at(-1)).toMatchObject({ type: 'stopped' });
  });

  test('--quiet leaves what skills say, and nothing else', async () => {
    const folder = tempDir();
    writeSkill(folder, 'sayer', { 'main.lua': SAY, 'manifest.json': { id: 'sayer', ...MANIFEST } });
    const host = startCli(['start', '--quiet'], { cwd: folder });
    const file = join(folder, 'glyphcase.db');
    await expect
      .poll(() => existsSync(file) && sqlite3(file, 'SELECT name FROM pragma_table_list').includes('_skills'), {
        timeout: 10_000,
      })
      .toBe(true);
    await expect.poll(() => sqlite3(file, 'SELECT state FROM _skills').trim(), { timeout: 30_000 }).toBe('active');
    sqlite3(file, 'INSERT INTO orders (user_id) VALUES (7)');
    await host.shows('sayer seen INSERT 1');
    await host.stop();
    expect(host.stdout.trim().split('\n')).toHaveLength(1);
  });

  test('counts a storm instead of listing it', async () => {
    const folder = tempDir();
    writeSkill(folder, 'quiet', {
      'main.lua': 'function on_data_changed() end',
      'manifest.json': { id: 'quiet', ...MANIFEST },
    });
    const host = startCli(['start'], { cwd: folder });
    await host.shows('Ready');
    sqlite3(join(folder, 'glyphcase.db'), 'INSERT INTO orders (user_id) SELECT value FROM generate_series(1, 500)');
    await host.shows(/… and [\d,]+ more reactions/);
    await host.stop();
    expect(host.stdout.split('\n').filter((line) => line.includes('quiet INSERT')).length).toBeLessThanOrEqual(60);
  });
});

describe('a configuration file', () => {
  test('in JSON sets options; its paths are relative to it, and flags win', async () => {
    const folder = tempDir();
    mkdirSync(join(folder, 'conf'));
    writeFileSync(join(folder, 'conf', 'c.json'), JSON.stringify({ filename: 'there.db', skills: false }));
    const host = startCli(['start', '--config', 'conf/c.json'], { cwd: folder });
    await host.shows('Ready');
    await host.stop();
    expect(existsSync(join(folder, 'conf', 'there.db'))).toBe(true);
    const flagged = startCli(['start', '--config', 'conf/c.json', '--db', 'here.db'], { cwd: folder });
    await flagged.shows('here.db is new');
    await flagged.stop();
    expect(existsSync(join(folder, 'here.db'))).toBe(true);
  });

  test('as a module may hold plugins', async () => {
    const folder = tempDir();
    writeFileSync(
      join(folder, 'c.mjs'),
      `export default { plugins: [{ name: 'greeter', version: '2.3.4', activate(ctx) { ctx.log.warn('hello from a plugin'); } }] };`,
    );
    const host = startCli(['start', '--config', 'c.mjs'], { cwd: folder });
    await host.shows(/plugin +greeter +2\.3\.4 +active/);
    expect(host.stdout).toContain('hello from a plugin');
    await host.stop();
  });
});

describe('permissions', () => {
  const wants = {
    id: 'wants',
    version: '1.0.0',
    watches: ['orders'],
    permissions: { database: { read: ['orders'] }, network: ['api.example.com'] },
  };

  test('beyond tables wait, and say for what', async () => {
    const folder = tempDir();
    writeSkill(folder, 'wants', { 'main.lua': SAY, 'manifest.json': wants });
    const host = startCli(['start'], { cwd: folder });
    await host.shows('Ready');
    expect(host.stdout).toMatch(/wants +1\.0\.0 +waiting/);
    expect(host.stdout).toContain(
      'permissions.network "api.example.com", which waits for approval: glyphcase skill enable wants',
    );
    await host.stop();
  });

  test.each([['all'], ['network=api.example.com'], ['network=*']])('are granted by --grant %s', async (grant) => {
    const folder = tempDir();
    writeSkill(folder, 'wants', { 'main.lua': SAY, 'manifest.json': wants });
    const host = startCli(['start', '--grant', grant], { cwd: folder });
    await host.shows(/wants( +1\.0\.0 +| is )active/);
    await host.stop();
  });

  test('are not granted by a --grant for something else', async () => {
    const folder = tempDir();
    writeSkill(folder, 'wants', { 'main.lua': SAY, 'manifest.json': wants });
    const host = startCli(['start', '--grant', 'network=other.example.com'], { cwd: folder });
    await host.shows('Ready');
    await new Promise((resolve) => setTimeout(resolve, 800));
    expect(host.stdout).not.toMatch(/wants is active/);
    await host.stop();
  });
});

test('two hosts on one file: the second says that it waits, and takes over', async () => {
  const folder = tempDir();
  writeSkill(folder, 'sayer', { 'main.lua': SAY, 'manifest.json': { id: 'sayer', ...MANIFEST } });
  const first = startCli(['start'], { cwd: folder });
  await first.shows('Ready');
  const second = startCli(['start'], { cwd: folder });
  await second.shows('Ready');
  expect(second.stdout).toContain('Another host on this file runs the skills');
  await first.stop();
  await second.shows('This host runs the skills');
  sqlite3(join(folder, 'glyphcase.db'), 'INSERT INTO orders (user_id) VALUES (7)');
  await second.shows('sayer seen INSERT 1');
  await second.stop();
  expect(readFileSync(join(folder, 'skills', 'sayer', 'main.lua'), 'utf8')).toBe(SAY);
});
