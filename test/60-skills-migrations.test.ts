/** `migrations/*.sql`: run once, in order, in one transaction with on_install or on_upgrade, with the skill's own permissions. */
import { describe, expect, it } from 'vitest';
import { skillHost, writeSkill } from './60-skills-support.ts';
import type { SkillHost } from './60-skills-support.ts';

const NOTES = { 'migrations/001_notes.sql': 'CREATE TABLE notes(id INTEGER PRIMARY KEY, text TEXT);' };

async function load(
  host: SkillHost,
  files: Readonly<Record<string, string>>,
  { main = '', version = '1.0.0', ...manifest }: { main?: string; version?: string; [key: string]: unknown } = {},
): Promise<ReturnType<SkillHost['skills']['get']>> {
  await host.skills.load(writeSkill(host.dir, 'demo', main, { version, ...manifest }, files));
  return host.skills.get('demo');
}

const applied = (host: SkillHost): unknown[] =>
  host.db.all("SELECT number, path FROM _skill_migrations WHERE skill = 'demo' ORDER BY number");

describe('migrations', () => {
  it.each([
    [{ 'migrations/first.sql': 'SELECT 1' }, /demo\/migrations\/first\.sql: the name must begin with a number/],
    [
      { 'migrations/1.sql': 'SELECT 1', 'migrations/001_again.sql': 'SELECT 1' },
      /migrations\/001_again\.sql and migrations\/1\.sql have the same number/,
    ],
  ])('are refused when their order cannot be told', async (files, message) => {
    const host = await skillHost();
    const report = await load(host, files);
    expect(report).toMatchObject({ state: 'failed', error: { code: 'GC_BAD_MIGRATION' } });
    expect(report?.error?.message).toMatch(message);
  });

  it('run before on_install, by number and not by name', async () => {
    const host = await skillHost();
    const report = await load(
      host,
      {
        'migrations/10_more.sql': "INSERT INTO notes(text) VALUES ('ten');",
        'migrations/2_seed.sql': "INSERT INTO notes(text) VALUES ('two'); INSERT INTO notes(text) VALUES ('a;b');",
        ...NOTES,
      },
      { main: `function on_install() glyphcase.insert("notes", { text = "install" }) end` },
    );
    expect(report?.reasons).toEqual([]);
    expect(host.db.all('SELECT text FROM notes ORDER BY id').map((row) => row['text'])).toEqual([
      'two',
      'a;b',
      'ten',
      'install',
    ]);
    expect(applied(host)).toHaveLength(3);
  });

  it('run once: neither a reload nor an upgrade repeats them', async () => {
    const host = await skillHost();
    const seed = { ...NOTES, 'migrations/002.sql': "INSERT INTO notes(text) VALUES ('seed')" };
    await load(host, seed);
    await host.skills.reload('demo');
    const upgrade = `function on_upgrade(from) glyphcase.insert("notes", { text = from .. " with " ..
      glyphcase.queryScalar("SELECT count(*) FROM pragma_free") end`;
    expect((await load(host, seed, { main: upgrade, version: '1.1.0' }))?.error?.message).toMatch(/syntax|expected/);
    const main = `function on_upgrade(from) glyphcase.insert("notes", { text = "from " .. from, tag = "x" }) end`;
    const report = await load(
      host,
      { ...seed, 'migrations/003.sql': 'ALTER TABLE notes ADD COLUMN tag TEXT' },
      { main, version: '1.1.0' },
    );
    expect(report).toMatchObject({ state: 'active', version: '1.1.0', reasons: [] });
    expect(host.db.all('SELECT text, tag FROM notes')).toEqual([
      { text: 'seed', tag: null },
      { text: 'from 1.0.0', tag: 'x' },
    ]);
  });

  it('leave nothing when a later one, or on_upgrade, fails; the old version goes on', async () => {
    const host = await skillHost();
    await load(host, NOTES, { main: 'function version() return 1 end' });
    const more = { ...NOTES, 'migrations/002.sql': 'ALTER TABLE notes ADD COLUMN tag TEXT' };
    const broken = await load(
      host,
      { ...more, 'migrations/003.sql': 'INSERT INTO nowhere VALUES (1)' },
      { version: '1.1.0' },
    );
    expect(broken).toMatchObject({ state: 'active', version: '1.0.0', error: { phase: 'migrations/003.sql' } });
    expect(broken?.error?.message).toMatch(/skill demo, migrations\/003\.sql: .*nowhere/);
    const failing = await load(
      host,
      { ...more, 'migrations/003.sql': 'SELECT 1' },
      {
        main: 'function on_upgrade() error("no") end',
        version: '1.2.0',
      },
    );
    expect(failing).toMatchObject({ state: 'active', version: '1.0.0' });
    expect(await host.skills.call('demo', 'version')).toBe(1);
    expect(applied(host)).toEqual([{ number: 1, path: 'migrations/001_notes.sql' }]);
    expect(host.db.all("SELECT name FROM pragma_table_info('notes')").map((row) => row['name'])).toEqual([
      'id',
      'text',
    ]);
  });

  it('must not change once they have run, nor be put before one that has', async () => {
    const host = await skillHost();
    await load(host, { 'migrations/005_notes.sql': 'CREATE TABLE notes(id INTEGER PRIMARY KEY)' });
    const changed = await load(host, { 'migrations/005_notes.sql': 'CREATE TABLE other(id INTEGER PRIMARY KEY)' });
    expect(changed?.error?.message).toBe('demo/migrations/005_notes.sql has run already and was changed since');
    const before = await load(host, {
      'migrations/005_notes.sql': 'CREATE TABLE notes(id INTEGER PRIMARY KEY)',
      'migrations/004.sql': 'SELECT 1',
    });
    expect(before?.error?.message).toMatch(
      /migrations\/004\.sql comes before migrations\/005_notes\.sql, which has run/,
    );
    expect(before?.state).toBe('active');
  });

  it('have the permissions of the skill, no more', async () => {
    const host = await skillHost({ schema: 'CREATE TABLE orders(id INTEGER PRIMARY KEY)' });
    const report = await load(host, { 'migrations/001.sql': 'DELETE FROM orders' });
    expect(report).toMatchObject({ state: 'failed', error: { code: 'GC_PERMISSION' } });
    expect(report?.error?.message).toContain('"write": ["orders"]');
  });

  it('may make the tables that the manifest watches', async () => {
    const host = await skillHost();
    const report = await load(
      host,
      { ...NOTES, 'migrations/002.sql': 'CREATE TABLE seen(text TEXT)' },
      {
        main: 'function on_data_changed(t, o, row) glyphcase.insert("seen", { text = row.text }) end',
        watches: ['notes'],
      },
    );
    expect(report).toMatchObject({ state: 'active', reasons: [] });
    host.run("INSERT INTO notes(text) VALUES ('hello')");
    await host.rest();
    expect(host.db.all('SELECT text FROM seen')).toEqual([{ text: 'hello' }]);
  });
});

describe('versions', () => {
  it('never go back by accident, and do when forced', async () => {
    const host = await skillHost();
    await load(host, {}, { version: '2.0.0', main: 'function version() return 2 end' });
    const refused = await load(host, {}, { version: '1.9.0', main: 'function version() return 1 end' });
    expect(refused).toMatchObject({ state: 'active', version: '2.0.0', error: { code: 'GC_DOWNGRADE' } });
    expect(refused?.error?.message).toContain('Version 1.9.0 of the skill demo is older than 2.0.0');
    expect(await host.skills.call('demo', 'version')).toBe(2);
    expect(await host.skills.reload('demo', { force: true })).toMatchObject({ state: 'active', version: '1.9.0' });
    expect(await host.skills.call('demo', 'version')).toBe(1);
    expect(host.db.value("SELECT version FROM _skills WHERE id = 'demo'")).toBe('1.9.0');
  });
});

describe('a skill that only seems to make the table it watches', () => {
  it('waits for the table, and begins when it comes', async () => {
    const host = await skillHost();
    const main = `-- Once: CREATE TABLE later (x)
      function on_data_changed(t, o, row) print("saw " .. row.x) end`;
    const report = await load(host, {}, { main, watches: ['later'] });
    expect(report).toMatchObject({
      state: 'waiting',
      reasons: ['waiting (table later): it is watched and does not exist yet'],
    });
    host.run('CREATE TABLE later(x)');
    await host.clock.advance(200);
    await host.rest();
    host.run('INSERT INTO later VALUES (1)');
    await host.rest();
    expect(host.logged()).toContain('saw 1');
  });
});
