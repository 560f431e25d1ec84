/** Schema changes under live queries: they are planned anew, or say what vanished and begin again when it returns. */
import { expect, test } from 'vitest';
import { openLiveHost } from './80-live-support.ts';
import { settle, sqlite3 } from './support.ts';

const SCHEMA = `
  CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT);
  CREATE VIEW names AS SELECT id, name FROM users;
  INSERT INTO users VALUES (1, 'Ann'), (2, 'Bob');`;

const change = (host: ReturnType<typeof openLiveHost>, sql: string): void => {
  host.kernel.hooks.beforeSchemaChange.call(sql);
  host.run(sql);
  host.kernel.hooks.afterSchemaChange.call(sql);
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
