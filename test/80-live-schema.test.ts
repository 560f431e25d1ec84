/** Schema changes under live queries: they are planned anew, or say what vanished and begin again when it returns. */
import { describe, expect, test } from 'vitest';
import { openLiveHost } from './80-live-support.ts';
import { settle, sqlite3 } from './support.ts';

const SCHEMA = `
  CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT, age INTEGER);
  CREATE VIEW names AS SELECT id, name FROM users;
  INSERT INTO users VALUES (1, 'Ann', 30), (2, 'Bob', 40);`;

const change = (host: ReturnType<typeof openLiveHost>, sql: string): void => {
  const { db, kernel } = host;
  db.write(() => {
    kernel.hooks.beforeSchemaChange.call(sql);
    db.exec(sql);
    kernel.hooks.afterSchemaChange.call(sql);
  });
};

test('a new column of SELECT * is in every row', async () => {
  const host = openLiveHost({ schema: SCHEMA });
  const heard = host.heard('SELECT * FROM users');
  change(host, "ALTER TABLE users ADD COLUMN role TEXT DEFAULT 'user'");
  await host.flush();
  expect(heard.events.map((e) => [e.operation, e.rowId, e.changedColumns])).toEqual([
    ['UPDATE', 1, ['role']],
    ['UPDATE', 2, ['role']],
  ]);
  heard.clear();
  host.run("UPDATE users SET role = 'admin' WHERE id = 1");
  await host.flush();
  expect(heard.events.map((e) => e.changedColumns)).toEqual([['role']]);
});

test('a table that is dropped ends the result with a reset; when it returns, the rows come again', async () => {
  const host = openLiveHost({ schema: SCHEMA });
  const heard = host.heard('SELECT id FROM names');
  change(host, 'DROP TABLE users');
  await host.flush();
  expect(heard.batches.map(({ events, batch }) => [events, batch.reset?.reason])).toEqual([[[], 'query']]);
  expect(heard.batches[0]?.batch.reset?.message).toContain('no such table: main.users');
  expect(() => heard.watcher.rows()).toThrow('no such table');
  expect(heard.watcher.explain().why).toContain('At present it cannot be run');
  heard.clear();
  change(host, "CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT); INSERT INTO users VALUES (7, 'Eve')");
  await host.flush();
  expect(heard.short).toEqual(['INSERT 7']);
  host.run('DELETE FROM users');
  await host.flush();
  expect(heard.short).toEqual(['INSERT 7', 'DELETE 7']);
});

describe('says what vanished, and is back when it returns:', () => {
  const ORDERED = 'SELECT u.id, n.name FROM users u JOIN names n USING (id) ORDER BY n.name';
  test.each([
    [
      'a column',
      'SELECT id, name AS n FROM users',
      'no such column: name',
      'ALTER TABLE users RENAME COLUMN name TO title',
    ],
    [
      'a column that is dropped',
      'SELECT id, age FROM users',
      'no such column: age',
      'ALTER TABLE users DROP COLUMN age',
    ],
    [
      'a column of a view',
      'SELECT name FROM names',
      'no such column: name',
      'DROP VIEW names; CREATE VIEW names AS SELECT id FROM users',
    ],
    ['a view', ORDERED, 'no such table: names', 'DROP VIEW names'],
    ['a table under another name', ORDERED, 'no such table: users', 'ALTER TABLE users RENAME TO people'],
    ['a table', 'SELECT count(*) AS n FROM users', 'no such table: users', 'DROP TABLE users'],
  ])('%s', async (_, sql, message, statement) => {
    const host = openLiveHost({ schema: SCHEMA });
    const heard = host.heard(sql, [], { initial: true });
    await host.flush();
    const before = heard.events.map(({ newData }) => newData);
    change(host, statement);
    await host.flush();
    const { events, batch } = heard.batches.at(-1) ?? {};
    expect(events).toEqual([]);
    expect(batch?.reset).toMatchObject({ reason: 'query', message: expect.stringContaining(message) as string });
    expect(batch?.reset?.message).toContain(sql);
    // It goes on saying so to whoever asks, and tells nobody twice.
    expect(() => heard.watcher.rows()).toThrow(message);
    expect(() => host.live.subscribe(heard.watcher, () => undefined)).toThrow(message);
    const calls = heard.batches.length;
    host.run('CREATE TABLE other(x)');
    await host.flush();
    expect(heard.batches).toHaveLength(calls);
    heard.clear();
    change(host, `DROP VIEW IF EXISTS names; DROP TABLE IF EXISTS people; DROP TABLE IF EXISTS users; ${SCHEMA}`);
    await host.flush();
    expect(heard.events.map(({ operation, newData }) => [operation, newData])).toEqual(
      before.map((row) => ['INSERT', row]),
    );
    expect(heard.watcher.rows()).toEqual(before);
    expect(heard.watcher.explain().why).not.toContain('cannot be run');
  });
});

test('being back with no rows is told too, once', async () => {
  const host = openLiveHost({ schema: SCHEMA });
  const heard = host.heard('SELECT id FROM users');
  change(host, 'DROP TABLE users');
  await host.flush();
  heard.clear();
  change(host, 'CREATE TABLE users(id INTEGER PRIMARY KEY)');
  await host.flush();
  expect(heard.batches.map(({ events, batch }) => [events, batch.reset])).toEqual([[[], undefined]]);
  host.run('CREATE TABLE other(x)');
  await host.flush();
  expect(heard.batches).toHaveLength(1);
});

test('another thing that vanishes while it is away is said as well', async () => {
  const host = openLiveHost({ schema: SCHEMA });
  const heard = host.heard('SELECT id, name FROM users');
  for (const sql of [
    'DROP TABLE users',
    'CREATE TABLE users(id INTEGER PRIMARY KEY)',
    "DROP TABLE users; CREATE VIEW users AS SELECT 1 AS id, 'Ann' AS name",
    'DROP VIEW users; CREATE VIRTUAL TABLE users USING fts5(id, name)',
  ]) {
    change(host, sql);
    await host.flush();
  }
  expect(heard.batches.map(({ events, batch }) => batch.reset?.message ?? events[0]?.newData)).toEqual([
    expect.stringContaining('no such table: users'),
    expect.stringContaining('no such column: name'),
    { id: 1, name: 'Ann' },
    expect.stringContaining('"users" is a virtual table'),
  ]);
});

test('a slow handler that missed the fault altogether gets the difference', async () => {
  const host = openLiveHost({ schema: SCHEMA });
  const { promise, resolve } = Promise.withResolvers<void>();
  const watcher = host.live.watch('SELECT id FROM users');
  const calls: unknown[] = [];
  host.live.subscribe(watcher, async (events, { reset }) => {
    calls.push(reset?.reason ?? events.map(({ operation, rowId }) => `${operation} ${String(rowId)}`));
    await promise;
  });
  host.run('DELETE FROM users WHERE id = 1');
  const flushed = host.flush();
  await settle();
  change(host, 'DROP TABLE users');
  await settle();
  change(host, 'CREATE TABLE users(id INTEGER PRIMARY KEY); INSERT INTO users VALUES (3)');
  await settle();
  resolve();
  await flushed;
  await host.flush();
  expect(calls).toEqual([['DELETE 1'], ['DELETE 2', 'INSERT 3']]);
});

test('a table that is dropped and made again at once is empty', async () => {
  const host = openLiveHost({ schema: SCHEMA });
  const heard = host.heard('SELECT id FROM users');
  change(host, 'DROP TABLE users; CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT)');
  await host.flush();
  expect(heard.short).toEqual(['DELETE 1', 'DELETE 2']);
  host.run('INSERT INTO users(id) VALUES (3)');
  await host.flush();
  expect(heard.short.at(-1)).toBe('INSERT 3');
});

test('another program changes a view, and nothing else', async () => {
  const host = openLiveHost({
    schema: `${SCHEMA} CREATE TABLE more(id INTEGER PRIMARY KEY, name TEXT); INSERT INTO more VALUES (2, 'Bob')`,
  });
  const heard = host.heard('SELECT * FROM names');
  sqlite3(host.file, 'DROP VIEW names', 'CREATE VIEW names AS SELECT id, name FROM more');
  host.capsule.look();
  await settle();
  expect(heard.short).toEqual(['DELETE 1']);
  expect(heard.watcher.explain().tables).toEqual(['more']);
  heard.clear();
  sqlite3(host.file, "INSERT INTO more VALUES (5, 'Eve')");
  await host.flush();
  expect(heard.short).toEqual(['INSERT 5']);
});

test('another program takes the triggers away, and writes', async () => {
  const host = openLiveHost({ schema: SCHEMA });
  const heard = host.heard('SELECT id FROM users');
  await host.flush();
  const triggers = host.db.all("SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'users'");
  sqlite3(host.file, ...triggers.map(({ name }) => `DROP TRIGGER "${String(name)}"`), 'DELETE FROM users WHERE id = 1');
  await host.flush();
  await settle();
  expect(heard.short).toEqual(['DELETE 1']);
});

test('an index that comes or goes changes nothing but the plan', async () => {
  const host = openLiveHost({ schema: SCHEMA });
  const heard = host.heard("SELECT id, name FROM users WHERE name >= 'A'");
  change(host, 'CREATE UNIQUE INDEX un ON users(name)');
  host.run("UPDATE users SET name = 'Zoe' WHERE id = 1");
  await host.flush();
  expect(heard.short).toEqual(['UPDATE 1']);
});

test('a query that fails on some row says so, and recovers', async () => {
  const host = openLiveHost({ schema: `${SCHEMA} CREATE TABLE docs(id INTEGER PRIMARY KEY, body)` });
  const heard = host.heard("SELECT id, json_extract(body, '$.a') AS a FROM docs");
  host.run("INSERT INTO docs VALUES (1, '{\"a\":1}'), (2, 'no json')");
  await host.flush();
  expect(heard.batches.at(-1)?.batch.reset).toMatchObject({
    reason: 'query',
    message: expect.stringContaining('malformed JSON') as string,
  });
  host.run('DELETE FROM docs WHERE id = 2');
  await host.flush();
  expect(heard.short).toEqual(['INSERT 1']);
});

test('a schema change that is rolled back is none', async () => {
  const host = openLiveHost({ schema: SCHEMA });
  const heard = host.heard('SELECT * FROM users');
  await host.db
    .transaction(() => {
      change(host, 'ALTER TABLE users ADD COLUMN x');
      throw new Error('undone');
    })
    .catch(() => undefined);
  host.run('DELETE FROM users WHERE id = 1');
  await host.flush();
  expect(heard.short).toEqual(['DELETE 1']);
});
