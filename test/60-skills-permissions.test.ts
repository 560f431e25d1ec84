/** What a skill may do is what its manifest says, up to the host's grants. */
import { describe, expect, it } from 'vitest';
import { notGranted } from '../plugins/skills/permissions.ts';
import { loadSkill, ORDERS, skillHost } from './60-skills-support.ts';
import type { SkillHost } from './60-skills-support.ts';
import { thrownBy } from './support.ts';

const SCHEMA = `${ORDERS}; CREATE TABLE secret(id INTEGER PRIMARY KEY, word TEXT); INSERT INTO secret VALUES (1, 'swordfish');
  CREATE TABLE items(id INTEGER PRIMARY KEY, order_id REFERENCES orders(id) ON DELETE CASCADE, n INTEGER);
  CREATE VIEW peek AS SELECT word FROM secret; CREATE VIEW through AS SELECT id FROM orders;
  CREATE TABLE audit(what TEXT);
  CREATE TRIGGER orders_audit AFTER INSERT ON orders BEGIN INSERT INTO audit SELECT word FROM secret; END;`;

/** A skill that runs what it is given. */
async function runner(database: Record<string, unknown>, more: Record<string, unknown> = {}): Promise<SkillHost> {
  const host = await skillHost({ schema: SCHEMA });
  const main = `function sql(text, ...) return glyphcase.execute(text, ...) end
    function query(text, ...) return glyphcase.query(text, ...) end
    function lua(text) return load(text)() end`;
  const report = await loadSkill(host, 'demo', main, { permissions: { database, ...more } });
  expect(report.state).toBe('active');
  return host;
}

const call = (host: SkillHost, fn: string, ...args: readonly unknown[]) => host.skills.call('demo', fn, ...args);
const refused = async (host: SkillHost, fn: string, ...args: readonly unknown[]) => {
  const error = await thrownBy(() => call(host, fn, ...args));
  expect(error).toMatchObject({ code: 'GC_PERMISSION', skill: 'demo' });
  return error.message;
};

describe('reading', () => {
  it('is refused by table, with the line to add to the manifest', async () => {
    const host = await runner({ read: ['orders'] });
    expect(await call(host, 'query', 'SELECT * FROM orders')).toEqual([]);
    expect(await refused(host, 'query', 'SELECT word FROM secret')).toContain(
      '"permissions": { "database": { "read": ["secret"] } }',
    );
  });

  it.each([
    'SELECT * FROM peek',
    'SELECT (SELECT word FROM secret) FROM orders',
    "SELECT 1 FROM orders WHERE EXISTS (SELECT 1 FROM secret WHERE word LIKE 's%')",
    'WITH s AS (SELECT * FROM secret) SELECT * FROM s',
    'SELECT * FROM orders UNION ALL SELECT id, word, 1, 1, 1, 1 FROM secret',
    'SELECT * FROM "SECRET"',
    'EXPLAIN QUERY PLAN SELECT * FROM secret',
    'SELECT * FROM sqlite_schema',
    'SELECT * FROM _capsule_log',
    'SELECT * FROM _skills',
    "SELECT * FROM pragma_table_info('secret')",
    'WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n LIMIT 3',
  ])('finds every way: %s', async (sql) => {
    await refused(await runner({ read: ['orders', '*'].slice(0, 1) }), 'query', sql);
  });

  it('covers all tables by "*", but internal ones only by name', async () => {
    const host = await runner({ read: ['*'] });
    expect(await call(host, 'query', 'SELECT word FROM peek')).toEqual([{ word: 'swordfish' }]);
    await refused(host, 'query', 'SELECT * FROM _capsule_events');
    await refused(host, 'query', 'SELECT * FROM sqlite_schema');
    const trusted = await runner({ read: ['_capsule_events', 'sqlite_schema'], recursive: true });
    expect(await call(trusted, 'query', 'SELECT * FROM _capsule_events')).toEqual([]);
    await refused(trusted, 'query', 'SELECT * FROM _skills');
    expect(
      await call(
        trusted,
        'query',
        'WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 2) SELECT x FROM n',
      ),
    ).toHaveLength(2);
  });
});

describe('writing', () => {
  it('is refused by table, in SQL and in row functions', async () => {
    const host = await runner({ read: ['orders'], write: ['orders'] });
    await call(host, 'sql', "INSERT INTO orders(status) VALUES ('x')");
    expect(await refused(host, 'sql', "UPDATE secret SET word = ''")).toContain('"write": ["secret"]');
    expect(await refused(host, 'lua', 'glyphcase.insert("secret", { word = "x" })')).toContain('"write": ["secret"]');
    await refused(host, 'lua', 'glyphcase.delete("secret", 1)');
    await refused(host, 'lua', 'glyphcase.updateWhere("secret", "1", {}, { word = "" })');
    await refused(host, 'sql', 'INSERT INTO orders(status) SELECT word FROM secret');
    await refused(host, 'lua', 'glyphcase.deleteWhere("orders", "status IN (SELECT word FROM secret)")');
    await refused(host, 'lua', 'glyphcase.updateWhere("orders", "id = (SELECT id FROM secret)", {}, { note = "" })');
    await refused(host, 'sql', 'UPDATE orders SET note = (SELECT word FROM secret)');
    await refused(host, 'sql', 'WITH x AS (SELECT word FROM secret) INSERT INTO orders(note) SELECT word FROM x');
  });

  it('reaches through the operator’s own triggers and foreign keys', async () => {
    const host = await runner({ write: ['orders', 'items'] });
    await call(host, 'sql', 'INSERT INTO orders(id) VALUES (1), (2)');
    expect(host.db.value('SELECT count(*) FROM audit')).toBe(2);
    await call(host, 'sql', 'INSERT INTO items(order_id) VALUES (1)');
    await call(host, 'lua', 'glyphcase.insert("items", { order_id = 2 })');
    await call(host, 'sql', 'DELETE FROM orders WHERE id = 1');
    expect(host.db.all('SELECT order_id FROM items')).toEqual([{ order_id: 2 }]);
  });

  it('does not take a foreign key for an excuse to read', async () => {
    const host = await runner({ write: ['items'] });
    await refused(host, 'sql', 'INSERT INTO items(n) SELECT id FROM orders');
    await refused(host, 'sql', "INSERT INTO items(n) SELECT id FROM 'orders'");
    await refused(host, 'sql', 'INSERT INTO items(n) SELECT id FROM through');
    const parent = await runner({ write: ['orders'] });
    await refused(parent, 'sql', 'DELETE FROM orders WHERE id IN (SELECT id FROM orders WHERE total > 5)');
    await refused(parent, 'sql', 'DELETE FROM orders RETURNING note');
  });

  it.each([
    'BEGIN',
    'COMMIT',
    'ROLLBACK',
    'SAVEPOINT x',
    'RELEASE x',
    'PRAGMA foreign_keys = OFF',
    'EXPLAIN PRAGMA user_version',
    "ATTACH ':memory:' AS x",
    'DETACH main',
    'VACUUM',
    "VACUUM INTO '/tmp/x'",
    'ANALYZE',
    'CREATE TEMP TABLE t(a)',
    'CREATE TABLE temp.t(a)',
    'INSERT OR ROLLBACK INTO orders(id) VALUES (1)',
    'DELETE FROM _capsule_log',
    'DELETE FROM _capsule_events',
    'UPDATE _skills SET enabled = 0',
    'DROP TABLE _capsule_log',
    'CREATE TABLE _capsule_x(a)',
    'CREATE TABLE _skills_x(a)',
    'ALTER TABLE orders RENAME TO _capsule_y',
    'REINDEX',
    "SELECT load_extension('x')",
    'CREATE VIRTUAL TABLE d USING dbstat(main)',
  ])('never allows %s', async (sql) => {
    const everything = { read: ['*'], write: ['*'], schema: ['secret'], recursive: true };
    await refused(await runner(everything), 'sql', sql);
  });
});

describe('schema changes', () => {
  it('make a table the skill’s own, free to use, and only that', async () => {
    const host = await runner({});
    await call(host, 'sql', 'CREATE TABLE mine(id INTEGER PRIMARY KEY, x); CREATE INDEX mine_x ON mine(x)');
    await call(host, 'lua', 'glyphcase.insert("mine", { x = 1 }) glyphcase.query("SELECT * FROM mine")');
    await call(
      host,
      'sql',
      'ALTER TABLE mine ADD COLUMN y; ALTER TABLE mine RENAME TO ours; INSERT INTO ours(y) VALUES (2)',
    );
    expect(host.db.all('SELECT * FROM _skill_tables')).toEqual([{ name: 'ours', skill: 'demo' }]);
    await refused(host, 'sql', 'CREATE INDEX i ON orders(total)');
    await refused(host, 'sql', 'ALTER TABLE orders ADD COLUMN z');
    await refused(host, 'sql', 'DROP TABLE orders');
    await refused(host, 'sql', 'CREATE VIEW w AS SELECT 1');
    await refused(host, 'sql', 'CREATE TRIGGER t AFTER INSERT ON ours BEGIN DELETE FROM secret; END');
    await refused(host, 'sql', 'CREATE TABLE copy AS SELECT * FROM secret');
    await call(host, 'sql', 'DROP INDEX mine_x; DROP TABLE ours; DROP TABLE IF EXISTS ours');
    expect(host.db.all('SELECT * FROM _skill_tables')).toEqual([]);
  });

  it('never claim a table that exists', async () => {
    const host = await runner({});
    await call(host, 'sql', 'CREATE TABLE IF NOT EXISTS secret(id)');
    await refused(host, 'query', 'SELECT * FROM secret');
    expect(host.db.all('SELECT * FROM _skill_tables')).toEqual([]);
  });

  it('do not leave a name behind for somebody else’s table', async () => {
    const host = await runner({});
    await call(host, 'sql', 'CREATE TABLE mine(x)');
    host.run('DROP TABLE mine');
    await host.rest();
    host.run("CREATE TABLE mine(x); INSERT INTO mine VALUES ('theirs')");
    await host.rest();
    await refused(host, 'query', 'SELECT * FROM mine');
  });

  it('do not let one skill use the table of another', async () => {
    const host = await runner({});
    await call(host, 'sql', 'CREATE TABLE mine(x)');
    await loadSkill(host, 'other', 'function f() return glyphcase.query("SELECT * FROM mine") end');
    expect(await thrownBy(() => host.skills.call('other', 'f'))).toMatchObject({
      code: 'GC_PERMISSION',
      skill: 'other',
    });
  });

  it('cannot look into other tables by a foreign key or by full-text content', async () => {
    const host = await runner({ read: ['orders'], schema: ['search'] });
    expect(await refused(host, 'sql', 'CREATE TABLE probe(id REFERENCES secret(id))')).toContain('secret');
    expect(host.db.get("SELECT 1 FROM sqlite_schema WHERE name = 'probe'")).toBeUndefined();
    await call(host, 'sql', 'CREATE TABLE probe(id REFERENCES orders(id))');
    await refused(host, 'sql', 'ALTER TABLE probe ADD COLUMN s REFERENCES secret(id)');
    await refused(host, 'sql', 'CREATE VIRTUAL TABLE search USING fts5(word, content=secret)');
    await refused(host, 'sql', "CREATE VIRTUAL TABLE search USING fts5(word, content = 'secret')");
  });

  it('may go beyond own tables by name: a full-text index', async () => {
    const host = await runner({ schema: ['search'] });
    await call(host, 'sql', 'CREATE VIRTUAL TABLE IF NOT EXISTS search USING fts5(body)');
    await call(host, 'sql', 'CREATE VIRTUAL TABLE IF NOT EXISTS search USING fts5(body)');
    await call(host, 'sql', "INSERT INTO search(body) VALUES ('hello world')");
    expect(await call(host, 'query', "SELECT body FROM search WHERE search MATCH 'world'")).toEqual([
      { body: 'hello world' },
    ]);
    await call(host, 'sql', 'DROP TABLE search');
    await refused(host, 'sql', 'CREATE VIRTUAL TABLE other USING fts5(body)');
  });
});

describe('what the manifest does not declare', () => {
  it('is named when a host function is called all the same, and may be asked for', async () => {
    const host = await skillHost();
    host.skills.registerFunction('double', (n) => Number(n) * 2);
    await loadSkill(host, 'demo', 'function f() return double(21) end function has() return double ~= nil end');
    await expect(host.skills.call('demo', 'f')).rejects.toMatchObject({ code: 'GC_PERMISSION' });
    await expect(host.skills.call('demo', 'f')).rejects.toThrow(
      /main\.lua:1: .*The host has this function.*"permissions": \{ "functions": \["double"\] \}/,
    );
    expect(await host.skills.call('demo', 'has')).toBe(false);
  });

  it('is said in the log when hooks are written and no table is listed for them', async () => {
    const host = await skillHost({ schema: ORDERS });
    const report = await loadSkill(
      host,
      'demo',
      'function before_insert(table_name, data) data.total = 1 return data end',
    );
    expect(report.state).toBe('active');
    expect(host.logged()[0]).toMatch(/before_insert\(\) is never called\. .*"permissions": \{ "hooks": \["…"\] \}/);
  });
});

describe('a grant of hosts', () => {
  it.each([
    ['*.example.com', 'api.example.com', true],
    ['*.example.com', 'API.Example.com:8443', true],
    ['*.example.com', 'example.com', false],
    ['*.example.com', 'badexample.com', false],
    ['*.example.com', '*.example.com', true],
    ['api.example.com', 'api.example.com:8443', true],
    ['api.example.com:443', 'api.example.com:8443', false],
    ['*', 'api.example.com', true],
    ['*', '127.0.0.1', false],
    ['*', '[::1]:80', false],
    ['*', 'localhost:8080', false],
    ['localhost', 'localhost:8080', true],
    ['10.0.0.5', '10.0.0.5', true],
  ])('%s covers %s: %s', (granted, asked, covered) => {
    expect(notGranted({ network: [asked] }, { network: [granted] })).toHaveLength(covered ? 0 : 1);
  });
});

describe('actions and functions', () => {
  it('are refused when not listed', async () => {
    const host = await runner({}, { actions: { dispatch: ['order:*'] }, functions: [] });
    host.skills.registerFunction('send_email', () => 'sent');
    await call(host, 'lua', 'glyphcase.dispatch("order:made")');
    expect(await refused(host, 'lua', 'glyphcase.dispatch("user:made")')).toContain(
      '"actions": { "dispatch": ["user:made"] }',
    );
    expect(await call(host, 'lua', 'return send_email == nil')).toBe(true);
  });

  it('are there when listed, and looked up at each call', async () => {
    const host = await skillHost();
    const dispose = host.skills.registerFunction('double', (n) => Number(n) * 2);
    await loadSkill(host, 'demo', 'function f() return double(21) end', { permissions: { functions: ['double'] } });
    expect(await call(host, 'f')).toBe(42);
    host.skills.registerFunction('double', () => 'another');
    expect(await call(host, 'f')).toBe('another');
    dispose();
    expect(await call(host, 'f')).toBe('another');
  });
});

describe('grants', () => {
  it('cap every list', () => {
    const asked = {
      database: { read: ['a', '*'], write: ['A'], schema: ['s'], recursive: true },
      actions: { dispatch: ['order:*', 'x'], listen: ['y'] },
      functions: ['f'],
      network: ['h'],
      schedule: true,
      hooks: ['a'],
    };
    expect(notGranted(asked, undefined)).toEqual([]);
    expect(notGranted(asked, asked)).toEqual([]);
    expect(notGranted(asked, {})).toHaveLength(12);
    expect(notGranted({ database: { read: ['*'] } }, { database: { read: ['a'] } })).toHaveLength(1);
    expect(notGranted({ database: { read: ['_capsule_log'] } }, { database: { read: ['*'] } })).toHaveLength(1);
    expect(notGranted({ actions: { dispatch: ['order:*'] } }, { actions: { dispatch: ['order:made'] } })).toHaveLength(
      1,
    );
  });

  it('leave a skill that asks for more waiting, with the reason', async () => {
    const host = await skillHost({ schema: SCHEMA, skills: { grants: { database: { read: ['orders'] } } } });
    const report = await loadSkill(host, 'demo', '', {
      permissions: { database: { read: ['orders', 'secret'] }, schedule: true },
    });
    expect(report.state).toBe('waiting');
    expect(report.reasons).toEqual([
      'It asks for permissions.database.read "secret", which this host does not grant.',
      'It asks for permissions.schedule, which this host does not grant.',
    ]);
  });

  it('can wait for a person’s approval, which holds until more is asked for', async () => {
    const host = await skillHost({ schema: SCHEMA, skills: { confirm: true } });
    const ask = (read: readonly string[], network: readonly string[]) => ({
      permissions: { database: { read }, network },
    });
    expect((await loadSkill(host, 'demo', '', ask(['orders'], []))).state).toBe('active');
    const waiting = await loadSkill(host, 'net', '', ask(['*'], ['api.example.com']));
    expect(waiting).toMatchObject({ state: 'waiting' });
    expect(waiting.reasons.join()).toContain(
      'permissions.network "api.example.com", which waits for approval: glyphcase skill enable net',
    );
    expect(await host.skills.enable('net')).toMatchObject({ state: 'active' });
    expect(await loadSkill(host, 'net', '-- edited', ask(['*'], ['api.example.com']))).toMatchObject({
      state: 'active',
      reasons: [],
    });
    const more = await loadSkill(host, 'net', '', ask(['*'], ['api.example.com', 'evil.example.com']));
    expect(more).toMatchObject({ state: 'active', reasons: [expect.stringContaining('evil.example.com')] });
  });
});
