/** What users of other reactive databases complain of, each as a test. */
import { describe, expect, test } from 'vitest';
import { openLiveHost } from './80-live-support.ts';
import { collector, sqlite3 } from './support.ts';

const SCHEMA = `
  CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT, status TEXT DEFAULT 'on');
  CREATE TABLE tasks(id INTEGER PRIMARY KEY, user_id INTEGER, title TEXT, done INTEGER DEFAULT 0);
  INSERT INTO users(id, name) VALUES (1, 'Ann'), (2, 'Bob');
  INSERT INTO tasks(id, user_id, title) VALUES (1, 1, 'a'), (2, 1, 'b');`;

describe('nothing is told too often', () => {
  test('an UPDATE that sets what is there already (Room, SQLDelight)', async () => {
    const host = openLiveHost({ schema: SCHEMA });
    const heard = host.heard('SELECT * FROM users');
    host.run('UPDATE users SET name = name');
    await host.flush();
    expect(heard.batches).toEqual([]);
  });

  test('a row outside of the filter (Turso), and a column outside of the query (Dexie)', async () => {
    const host = openLiveHost({ schema: SCHEMA });
    const heard = host.heard("SELECT id, name FROM users WHERE status = 'off'");
    const before = host.live.stats().runs;
    host.run("UPDATE users SET name = 'x'");
    await host.flush();
    expect(heard.batches).toEqual([]);
    const names = host.heard('SELECT id FROM users');
    const runs = host.live.stats().runs;
    host.run("UPDATE users SET name = 'y'");
    await host.flush();
    expect(names.batches).toEqual([]);
    expect(host.live.stats().runs - runs).toBeLessThanOrEqual(1);
    expect(before).toBeGreaterThan(0);
  });

  test('one call for a transaction, however many rows it has (Expo, PouchDB, PowerSync)', async () => {
    const host = openLiveHost({ schema: SCHEMA });
    const heard = host.heard('SELECT user_id, count(*) AS n FROM tasks GROUP BY user_id');
    host.run(
      `WITH RECURSIVE n(i) AS (VALUES (10) UNION ALL SELECT i + 1 FROM n WHERE i < 10009) INSERT INTO tasks(id, user_id) SELECT i, 1 FROM n`,
    );
    await host.flush();
    expect(heard.batches).toHaveLength(1);
    expect(heard.events.map((e) => [e.operation, e.rowId, e.newData?.['n']])).toEqual([['UPDATE', 1, 10_002]]);
  });
});

describe('nothing is done too often', () => {
  const shapes = (count: number): readonly string[] =>
    Array.from({ length: count }, (_, n) => `SELECT id, title, ${n} AS n FROM tasks WHERE user_id = 1`);

  test('a write runs only queries over its table, each once, however many watch it (SignalDB, Dexie)', async () => {
    const host = openLiveHost({ schema: SCHEMA });
    const users = Array.from({ length: 100 }, () => host.heard('SELECT id, name FROM users'));
    for (const sql of shapes(20)) host.heard(sql);
    const { runs } = host.live.stats();
    host.run("UPDATE users SET name = 'Anna' WHERE id = 1");
    await host.flush();
    expect(host.live.stats().runs - runs).toBeLessThanOrEqual(1);
    expect(users.map(({ short }) => short.join())).toEqual(users.map(() => 'UPDATE 1'));
  });

  test('ten thousand statements in one transaction lead to one run (PowerSync)', async () => {
    const host = openLiveHost({ schema: SCHEMA });
    const heard = host.heard('SELECT count(*) AS n FROM tasks');
    const { runs } = host.live.stats();
    host.db.write(() => {
      const insert = host.db.prepare('INSERT INTO tasks(user_id) VALUES (?)');
      for (let user = 0; user < 10_000; user += 1) insert.run(user);
    });
    await host.flush();
    expect(host.live.stats().runs - runs).toBeLessThanOrEqual(1);
    expect(heard.events.map(({ newData }) => newData)).toEqual([{ n: 10_002 }]);
  });

  test('a row that is as it was is the same object, so nothing renders it again (PowerSync)', async () => {
    const host = openLiveHost({ schema: SCHEMA });
    const { watcher } = host.heard('SELECT id, name FROM users ORDER BY id');
    const before = watcher.rows();
    host.run("UPDATE users SET name = 'Bobby' WHERE id = 2; UPDATE users SET status = 'off'");
    await host.flush();
    const after = watcher.rows();
    expect(after).not.toBe(before);
    expect(after[0]).toBe(before[0]);
    expect(after[1]).toEqual({ id: 2, name: 'Bobby' });
  });

  test('a page of 500 live queries comes and goes, and leaves nothing (TanStack, pg-live-query)', async () => {
    const host = openLiveHost({ schema: SCHEMA });
    const triggers = (): readonly unknown[] =>
      host.db.all("SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'tasks' ORDER BY name");
    const one = host.heard('SELECT id FROM tasks');
    const ofOne = triggers();
    expect(ofOne).not.toEqual([]);
    for (let visit = 0; visit < 3; visit += 1) {
      const page = shapes(500).map((sql) => host.heard(sql));
      // One set of triggers for a table, whoever watches it: no write becomes dearer.
      expect(triggers()).toEqual(ofOne);
      for (const { subscription } of page.slice(0, 250)) host.live.unsubscribe(subscription);
      for (const { watcher } of page) host.live.unwatch(watcher);
      expect(host.live.stats()).toMatchObject({ watchers: 1, queries: 1, subscriptions: [{}] });
    }
    host.live.unwatch(one.watcher);
    await host.flush();
    expect(host.live.stats()).toMatchObject({ watchers: 0, queries: 0, subscriptions: [] });
    expect(triggers()).toEqual([]);
  });

  test('a schema change takes no longer for the rows a watched table has (cr-sqlite), and is not refused', async () => {
    const host = openLiveHost({ schema: SCHEMA });
    const heard = host.heard('SELECT id, title FROM tasks WHERE id < 3');
    const changes = host.db.all('SELECT count(*) AS n FROM _capsule_events')[0];
    for (const sql of ['ALTER TABLE tasks ADD COLUMN note', 'ALTER TABLE tasks DROP COLUMN note']) {
      host.db.write(() => {
        host.kernel.hooks.beforeSchemaChange.call(sql);
        host.db.exec(sql);
        host.kernel.hooks.afterSchemaChange.call(sql);
      });
    }
    await host.flush();
    expect(heard.batches).toEqual([]);
    // No row was written to the log for it.
    expect(host.db.all('SELECT count(*) AS n FROM _capsule_events')[0]).toEqual(changes);
  });
});

describe('nothing is missed', () => {
  test('what REPLACE, UPSERT and foreign keys do beside what the statement says (GRDB, PowerSync)', async () => {
    const host = openLiveHost({
      schema: `${SCHEMA}
        CREATE TABLE tags(id INTEGER PRIMARY KEY, name TEXT UNIQUE, task INTEGER REFERENCES tasks ON DELETE CASCADE);
        INSERT INTO tags VALUES (1, 'red', 1), (2, 'blue', 2);`,
    });
    host.db.exec('PRAGMA foreign_keys = ON');
    const heard = host.heard('SELECT id, name, task FROM tags');
    host.run("REPLACE INTO tags VALUES (3, 'red', 1)");
    await host.flush();
    expect(heard.short).toEqual(['DELETE 1', 'INSERT 3']);
    heard.clear();
    host.run("INSERT INTO tags VALUES (4, 'red', 2) ON CONFLICT(name) DO UPDATE SET task = excluded.task");
    await host.flush();
    expect(heard.events.map((e) => [e.operation, e.rowId, e.changedColumns])).toEqual([['UPDATE', 3, ['task']]]);
    heard.clear();
    host.run('DELETE FROM tasks WHERE id = 2');
    await host.flush();
    expect(heard.short).toEqual(['DELETE 2', 'DELETE 3']);
  });

  test('the joined table, not only the first one (Drizzle, WatermelonDB)', async () => {
    const host = openLiveHost({ schema: SCHEMA });
    const heard = host.heard('SELECT t.id, u.name FROM tasks t JOIN users u ON u.id = t.user_id');
    host.run("UPDATE users SET name = 'Anna' WHERE id = 1");
    await host.flush();
    expect(heard.events.map((e) => e.newData?.['name'])).toEqual(['Anna', 'Anna']);
  });

  test('a result that becomes empty (Drizzle)', async () => {
    const host = openLiveHost({ schema: SCHEMA });
    const heard = host.heard('SELECT id FROM tasks');
    host.run('DELETE FROM tasks');
    await host.flush();
    expect(heard.short).toEqual(['DELETE 1', 'DELETE 2']);
    expect(heard.watcher.rows()).toEqual([]);
  });

  test('the empty side of a LEFT JOIN, both ways (Corrosion)', async () => {
    const host = openLiveHost({ schema: SCHEMA });
    const heard = host.heard('SELECT u.id, t.id AS task FROM users u LEFT JOIN tasks t ON t.user_id = u.id');
    host.run('INSERT INTO tasks(id, user_id) VALUES (3, 2)');
    await host.flush();
    expect(heard.events.map((e) => [e.operation, (e.newData ?? e.oldData)?.['task']])).toEqual([
      ['DELETE', null],
      ['INSERT', 3],
    ]);
    heard.clear();
    host.run('UPDATE tasks SET user_id = 1 WHERE id = 3');
    await host.flush();
    expect(heard.watcher.rows()).toContainEqual({ id: 2, task: null });
    expect(heard.watcher.rows()).toContainEqual({ id: 1, task: 3 });
  });

  test('aggregates, over all rows and not only over what changed (Corrosion, Dexie)', async () => {
    const host = openLiveHost({ schema: SCHEMA });
    const heard = host.heard(
      'SELECT user_id, count(*) AS n, max(title) AS last FROM tasks GROUP BY user_id HAVING n > 1',
    );
    host.run("INSERT INTO tasks(id, user_id, title) VALUES (3, 1, 'A')");
    await host.flush();
    expect(heard.events[0]?.newData).toEqual({ user_id: 1, n: 3, last: 'b' });
    host.run('DELETE FROM tasks WHERE id > 1');
    await host.flush();
    expect(heard.events.at(-1)).toMatchObject({ operation: 'DELETE', oldData: { n: 3 } });
  });

  test('self joins and correlated subqueries (Corrosion)', async () => {
    const host = openLiveHost({ schema: SCHEMA });
    const pairs = host.heard(
      'SELECT a.id, b.id AS other FROM tasks a JOIN tasks b ON a.user_id = b.user_id AND a.id < b.id',
    );
    const open = host.heard(
      'SELECT id, (SELECT count(*) FROM tasks t WHERE t.user_id = users.id AND NOT done) AS n FROM users',
    );
    host.run('UPDATE tasks SET user_id = 2, done = 1 WHERE id = 2');
    await host.flush();
    expect(pairs.events.map((e) => [e.operation, e.rowId])).toEqual([['DELETE', [1, 2]]]);
    expect(open.events.map((e) => [e.rowId, e.newData?.['n']])).toEqual([[1, 1]]);
  });

  test('ORDER BY and LIMIT (WatermelonDB, TanStack, PGlite), also by a column that is not selected', async () => {
    const host = openLiveHost({ schema: SCHEMA });
    const heard = host.heard('SELECT id FROM tasks ORDER BY title DESC LIMIT 1');
    host.run("UPDATE tasks SET title = 'z' WHERE id = 1");
    await host.flush();
    expect(heard.watcher.rows()).toEqual([{ id: 1 }]);
  });

  test('pages: what leaves one makes room for another, with places (WatermelonDB, TanStack, PGlite)', async () => {
    const host = openLiveHost({
      schema: `${SCHEMA} DELETE FROM tasks; INSERT INTO tasks(id, title) VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd'), (5, 'e')`,
    });
    const pages = [0, 2, 4].map((offset) =>
      host.heard('SELECT id FROM tasks ORDER BY title LIMIT 2 OFFSET ?', [offset]),
    );
    host.run('DELETE FROM tasks WHERE id = 1');
    await host.flush();
    const told = pages.map(({ events }) => events.map((e) => [e.operation, e.rowId, e.oldIndex ?? e.index]));
    expect(told).toEqual([
      [
        ['DELETE', 1, 0],
        ['INSERT', 3, 1],
      ],
      [
        ['DELETE', 3, 0],
        ['INSERT', 5, 1],
      ],
      [['DELETE', 5, 0]],
    ]);
    expect(pages.map(({ watcher }) => watcher.rows().map(({ id }) => id))).toEqual([[2, 3], [4, 5], []]);
  });

  test('another connection, another program, raw SQL, WITHOUT ROWID, truncation (GRDB, Turso, better-sqlite3)', async () => {
    const host = openLiveHost({ schema: `${SCHEMA} CREATE TABLE codes(code TEXT PRIMARY KEY) WITHOUT ROWID` });
    const heard = host.heard('SELECT code FROM codes');
    sqlite3(host.file, "INSERT INTO codes VALUES ('a'), ('b')");
    await host.flush();
    host.db.sqlite.exec("UPDATE codes SET code = 'c' WHERE code = 'a'");
    await host.flush();
    host.db.sqlite.exec('DELETE FROM codes');
    await host.flush();
    expect(heard.short).toEqual(['INSERT a', 'INSERT b', 'DELETE a', 'INSERT c', 'DELETE b', 'DELETE c']);
  });

  test('after VACUUM, which renumbers rowids (Turso)', async () => {
    const host = openLiveHost({
      schema: `${SCHEMA} CREATE TABLE bag(a); INSERT INTO bag VALUES (1), (2), (3); DELETE FROM bag WHERE a = 1`,
    });
    const heard = host.heard('SELECT a FROM bag');
    await host.db.alone(() => host.db.exec('VACUUM'));
    await host.flush();
    expect(heard.batches).toEqual([]);
    host.run('INSERT INTO bag VALUES (4)');
    await host.flush();
    expect(heard.short).toEqual(['INSERT 4']);
  });
});

describe('it says what changed, and for whom', () => {
  test('old and new values of each row (PowerSync, rqlite, SQLDelight)', async () => {
    const host = openLiveHost({ schema: SCHEMA });
    const heard = host.heard('SELECT id, name FROM users');
    host.run("UPDATE users SET name = 'Anna' WHERE id = 1");
    await host.flush();
    expect(heard.events[0]).toMatchObject({
      rowId: 1,
      oldData: { name: 'Ann' },
      newData: { name: 'Anna' },
      changedColumns: ['name'],
    });
  });

  test('the primary key and not the rowid, in a transaction or not (Drizzle)', async () => {
    const host = openLiveHost({
      schema: `CREATE TABLE notes(code TEXT PRIMARY KEY, body TEXT); INSERT INTO notes VALUES ('n1', 'x')`,
    });
    const heard = host.heard('SELECT code, body FROM notes');
    host.db.sqlite.exec("UPDATE notes SET body = 'y'");
    await host.flush();
    host.run("INSERT INTO notes VALUES ('n2', 'z')");
    await host.flush();
    expect(heard.short).toEqual(['UPDATE n1', 'INSERT n2']);
  });

  test('unsubscribing one handler leaves the others (PGlite)', async () => {
    const host = openLiveHost({ schema: SCHEMA });
    const heard = host.heard('SELECT id FROM users');
    const other = collector();
    host.live.subscribe(heard.watcher, other.handler);
    host.live.unsubscribe(heard.subscription);
    host.live.unsubscribe(heard.subscription);
    host.run('INSERT INTO users(id) VALUES (3)');
    await host.flush();
    expect(heard.events).toEqual([]);
    expect(other.short).toEqual(['INSERT 3']);
  });

  test('between the first rows and the first difference nothing is lost (RxDB, PGlite)', async () => {
    const host = openLiveHost({ schema: SCHEMA });
    const heard = host.heard('SELECT id FROM users', [], { initial: true });
    host.run('INSERT INTO users(id) VALUES (3)');
    host.run('DELETE FROM users WHERE id = 1');
    await host.flush();
    const ids = new Set<unknown>();
    for (const { operation, rowId } of heard.events) {
      if (operation === 'DELETE') ids.delete(rowId);
      else ids.add(rowId);
    }
    expect([...ids]).toEqual([2, 3]);
  });
});
