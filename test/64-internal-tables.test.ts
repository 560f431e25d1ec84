/** Internal tables, named in a manifest: read only, and only the rows that are about what the skill may read. */
import { describe, expect, it } from 'vitest';
import { isInternal } from '../plugins/skills/permissions.ts';
import { READABLE_INTERNALS } from '../plugins/skills/internal-tables.ts';
import { loadSkill, skillHost } from './60-skills-support.ts';
import type { SkillHost } from './60-skills-support.ts';
import { thrownBy } from './support.ts';

const SCHEMA = `
  CREATE TABLE orders(id INTEGER PRIMARY KEY, status TEXT);
  CREATE INDEX orders_status ON orders(status);
  CREATE TABLE secret(id INTEGER PRIMARY KEY, word TEXT);
  CREATE VIEW recent AS SELECT * FROM _capsule_events;
  CREATE VIEW indirect AS SELECT count(*) AS n FROM recent;
  CREATE VIEW schema_of AS SELECT name FROM sqlite_master;`;

const MAIN = `function query(text, ...) return glyphcase.query(text, ...) end
  function sql(text, ...) return glyphcase.execute(text, ...) end`;

async function runner(read: readonly string[], more: Record<string, unknown> = {}): Promise<SkillHost> {
  const host = await skillHost({ schema: SCHEMA });
  host.capsule.watch('orders');
  host.capsule.watch('secret');
  host.run("INSERT INTO orders(status) VALUES ('open'); INSERT INTO secret(word) VALUES ('swordfish')");
  await host.flush();
  const report = await loadSkill(host, 'demo', MAIN, { permissions: { database: { read, ...more } } });
  expect(report.state).toBe('active');
  return host;
}

const query = (host: SkillHost, text: string, ...args: readonly unknown[]) =>
  host.skills.call('demo', 'query', text, ...args);
const refusal = async (host: SkillHost, text: string, fn = 'query') => {
  const error = await thrownBy(() => host.skills.call('demo', fn, text));
  expect(error, text).toMatchObject({ code: 'GC_PERMISSION', skill: 'demo' });
  return error as Error & { readonly hint: string };
};

describe('_capsule_events', () => {
  it('shows the changes of the tables the skill may read', async () => {
    const host = await runner(['orders', '_capsule_events']);
    const events = [{ operation: 'INSERT', table_name: 'orders' }];
    expect(await query(host, 'SELECT operation, table_name FROM _capsule_events')).toEqual(events);
    expect(await query(host, 'SELECT operation, table_name FROM "_CAPSULE_EVENTS"')).toEqual(events);
    expect(await query(host, 'SELECT count(*) AS n FROM _capsule_events WHERE table_name = ?', 'secret')).toEqual([
      { n: 0 },
    ]);
    const everything = await runner(['*', '_capsule_events']);
    expect(await query(everything, 'SELECT table_name FROM _capsule_events ORDER BY id')).toHaveLength(2);
  });

  it.each([
    'SELECT (SELECT group_concat(table_name) FROM _capsule_events) AS t',
    'SELECT e.table_name AS t FROM orders JOIN _capsule_events AS e',
    'SELECT t FROM (SELECT DISTINCT table_name AS t FROM _capsule_events)',
    'WITH x AS (SELECT table_name AS t FROM _capsule_events) SELECT t FROM x',
    'WITH x(t) AS (VALUES (1)), y AS (SELECT group_concat(table_name) AS t FROM _capsule_events) SELECT t FROM y',
    'SELECT table_name AS t FROM _capsule_events ORDER BY (SELECT count(*) FROM _capsule_events)',
    'SELECT max(table_name) OVER (ORDER BY id) AS t FROM _capsule_events',
    'SELECT table_name AS t FROM _capsule_events UNION SELECT table_name FROM _capsule_events',
    '/* */ -- \n SELECT table_name AS t FROM _capsule_events;',
  ])('is filtered wherever it stands: %s', async (text) => {
    expect(await query(await runner(['orders', '_capsule_events']), text)).toEqual([{ t: 'orders' }]);
  });

  it('is filtered in statements that write', async () => {
    const host = await runner(['orders', 'copy', '_capsule_events'], { write: ['copy', 'orders'] });
    host.run('CREATE TABLE copy(id INTEGER PRIMARY KEY, t TEXT)');
    const sql = (text: string) => host.skills.call('demo', 'sql', text);
    await sql('INSERT INTO copy(t) SELECT table_name FROM _capsule_events');
    await sql('UPDATE copy SET t = t || (SELECT group_concat(table_name) FROM _capsule_events)');
    await sql(`INSERT INTO copy(id) VALUES (1) ON CONFLICT(id)
      DO UPDATE SET t = t || (SELECT count(*) FROM _capsule_events WHERE table_name <> 'orders')`);
    expect(host.db.all('SELECT t FROM copy')).toEqual([{ t: 'ordersorders0' }]);
    expect(
      await sql('DELETE FROM copy RETURNING (SELECT group_concat(table_name) FROM _capsule_events) AS t'),
    ).toMatchObject({ rows: [{ t: 'orders' }] });
  });

  it.each([
    'SELECT * FROM main._capsule_events',
    'SELECT * FROM "main" . [_capsule_events]',
    'SELECT * FROM recent',
    'SELECT * FROM indirect',
    'SELECT * FROM _capsule_events NATURAL JOIN recent',
    'SELECT n FROM _capsule_events, indirect',
    'SELECT * FROM _capsule_events WHERE 0 AND EXISTS (SELECT 1 FROM recent)',
    'SELECT * FROM _capsule_log',
    'SELECT * FROM _capsule_events JOIN _capsule_log ON seq = id',
    'SELECT * FROM _capsule_events JOIN _capsule_tables AS t ON t.name = table_name',
    'WITH main AS (SELECT 1) SELECT * FROM main._capsule_events',
  ])('cannot be reached past the filter: %s', async (text) => {
    const host = await runner([
      '*',
      'orders',
      '_capsule_events',
      '_capsule_log',
      '_capsule_tables',
      'recent',
      'indirect',
    ]);
    await refusal(host, text);
  });

  it('says in which way it can be read', async () => {
    const host = await runner(['orders', '_capsule_events', '_capsule_log']);
    expect((await refusal(host, 'SELECT * FROM main._capsule_events')).hint).toContain(
      'Name the internal table by itself',
    );
    const closed = await refusal(host, 'SELECT * FROM _capsule_log');
    expect(closed.message).toContain('may not read the internal table "_capsule_log"');
    expect(closed.hint).toContain('_capsule_events');
    expect((await refusal(await runner(['*']), 'SELECT * FROM _capsule_events')).message).toContain(
      '"database": { "read": ["_capsule_events"] }',
    );
  });

  it('shows nothing of a dropped table whose name the skill has taken', async () => {
    const host = await runner(['_capsule_events']);
    host.run('DROP TABLE secret');
    await host.rest();
    await host.skills.call('demo', 'sql', 'CREATE TABLE secret(id INTEGER PRIMARY KEY, word TEXT)');
    expect(await query(host, 'SELECT new_data FROM _capsule_events')).toEqual([]);
  });

  it('follows the tables as they come', async () => {
    const host = await runner(['*', '_capsule_events']);
    const count = () => query(host, "SELECT count(*) AS n FROM _capsule_events WHERE table_name = 'later'");
    expect(await count()).toEqual([{ n: 0 }]);
    host.run('CREATE TABLE later(id INTEGER PRIMARY KEY)');
    host.capsule.watch('later');
    host.run('INSERT INTO later VALUES (1)');
    expect(await count()).toEqual([{ n: 1 }]);
  });
});

describe('the others', () => {
  it('sqlite_schema shows what is about readable and own tables', async () => {
    const host = await runner(['orders', 'sqlite_master']);
    await host.skills.call('demo', 'sql', 'CREATE TABLE mine(x)');
    for (const name of ['sqlite_schema', 'sqlite_master']) {
      const rows = (await query(host, `SELECT DISTINCT tbl_name AS t FROM ${name} ORDER BY 1`)) as { t: string }[];
      expect(rows.map(({ t }) => t)).toEqual(['mine', 'orders']);
    }
    expect(await query(host, "SELECT count(*) > 3 AS triggers FROM sqlite_master WHERE type = 'trigger'")).toEqual([
      { triggers: 1 },
    ]);
    const tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name";
    expect(await query(host, tables)).toEqual([{ name: 'mine' }, { name: 'orders' }]);
    for (const text of [
      'SELECT * FROM main.sqlite_schema',
      'SELECT * FROM sqlite_temp_schema',
      'SELECT * FROM schema_of',
      'SELECT * FROM sqlite_schema, schema_of',
    ])
      await refusal(host, text);
  });

  it('_capsule_watchers, _capsule_subscriptions and _capsule_transactions are those of readable tables', async () => {
    const host = await runner(['orders', '_capsule_watchers', '_capsule_subscriptions', '_capsule_transactions']);
    host.capsule.subscribe(host.capsule.watch('orders'), () => undefined, { name: 'of-orders' });
    host.capsule.subscribe(host.capsule.watch('secret'), () => undefined, { name: 'of-secret' });
    host.run("INSERT INTO secret(word) VALUES ('another')");
    await host.flush();
    const tables = (await query(host, 'SELECT DISTINCT table_or_query AS t FROM _capsule_watchers')) as { t: string }[];
    expect(tables.map(({ t }) => t)).toEqual(['orders']);
    expect(await query(host, 'SELECT name FROM _capsule_subscriptions WHERE name IS NOT NULL')).toEqual([
      { name: 'of-orders' },
    ]);
    expect(host.db.value('SELECT count(*) FROM _capsule_transactions')).toBe(2);
    expect(await query(host, 'SELECT count(*) AS n FROM _capsule_transactions')).toEqual([{ n: 1 }]);
  });

  it('_skills, _skill_tables and _skill_logs are its own rows', async () => {
    const host = await runner(['_skills', '_skill_tables', '_skill_logs']);
    await loadSkill(
      host,
      'other',
      'function on_install() glyphcase.execute("CREATE TABLE theirs(x)") log.info("hi") end',
    );
    await host.skills.call('demo', 'sql', 'CREATE TABLE mine(x)');
    await host.rest();
    expect(host.db.value('SELECT count(*) FROM _skills')).toBe(2);
    expect(await query(host, 'SELECT id FROM _skills')).toEqual([{ id: 'demo' }]);
    expect(await query(host, 'SELECT name, skill FROM _skill_tables')).toEqual([{ name: 'mine', skill: 'demo' }]);
    expect(await query(host, "SELECT count(*) AS n FROM _skill_logs WHERE skill <> 'demo'")).toEqual([{ n: 0 }]);
  });

  it('are never written, whatever the manifest names', async () => {
    const host = await skillHost({ schema: SCHEMA });
    const all = ['*', ...READABLE_INTERNALS];
    await loadSkill(host, 'demo', MAIN, { permissions: { database: { read: all, write: all, schema: all } } });
    for (const text of [
      'DELETE FROM _capsule_events',
      "UPDATE _skills SET enabled = 1 WHERE id = 'demo'",
      "INSERT INTO _skill_tables VALUES ('secret', 'demo')",
      'DELETE FROM _capsule_watchers',
      'WITH _skills AS (SELECT 1) DELETE FROM _skills',
      'ALTER TABLE _skills ADD COLUMN x',
      'CREATE INDEX i ON _capsule_log(op)',
      'DROP VIEW _capsule_events',
    ])
      await refusal(host, text, 'sql');
  });

  it('are all internal, and stay closed when "*" alone is granted', async () => {
    expect(READABLE_INTERNALS.filter((name) => !isInternal(name))).toEqual([]);
    const host = await runner(['*']);
    const there = READABLE_INTERNALS.filter((name) => name !== '_scheduler_jobs');
    for (const name of there) {
      const wanted = name === 'sqlite_master' ? 'sqlite_schema' : name;
      expect((await refusal(host, `SELECT * FROM ${name}`)).message).toContain(`"read": ["${wanted}"]`);
    }
  });
});
