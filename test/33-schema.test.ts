/**
 * Schema changes of watched tables through the host: watchers follow, the triggers are right again, and what was logged before
 * stays readable.
 */
import { describe, expect, test } from 'vitest';
import { openHost, sqlite3, thrownBy } from './support.ts';
import { USERS, REBUILD, OTHER_ORDER, execute, triggers, resets, lines, watching } from './33-schema-support.ts';

describe('through the host', () => {
  test('what SQLite refuses leaves everything as it was', async () => {
    const { host, live } = watching();
    const before = triggers(host, 'users');
    for (const refused of [
      'ALTER TABLE users DROP COLUMN nothing',
      'ALTER TABLE users DROP COLUMN id',
      'ALTER TABLE users DROP COLUMN age; SELECT nonsense',
    ]) {
      expect((await thrownBy(() => execute(host, refused))).code).toMatch(/^GC_(SQL|NO_SUCH_COLUMN)$/);
    }
    expect(triggers(host, 'users')).toEqual(before);
    host.run("INSERT INTO users VALUES (1, 'A', 30)");
    await host.flush();
    expect(lines(live)).toEqual(['INSERT users {"id":1,"name":"A","age":30}']);
  });

  test('ADD COLUMN: changes of the new column alone are logged', async () => {
    const { host, live, durable } = watching();
    host.run("INSERT INTO users VALUES (1, 'A', 30)");
    await execute(host, "ALTER TABLE users ADD COLUMN city TEXT DEFAULT 'Rome'");
    host.run("UPDATE users SET city = 'Oslo'");
    await host.flush();
    expect(lines(live)).toEqual([
      'INSERT users {"id":1,"name":"A","age":30}',
      'UPDATE users {"id":1,"name":"A","age":30,"city":"Oslo"}',
    ]);
    expect(live.events[1]?.oldData).toEqual({ id: 1, name: 'A', age: 30, city: 'Rome' });
    expect(live.events[1]?.changedColumns).toEqual(['city']);
    expect(resets(durable)).toEqual([]);
  });

  test('DROP COLUMN', async () => {
    const { host, live, durable } = watching();
    host.run("INSERT INTO users VALUES (1, 'A', 30)");
    await execute(host, 'ALTER TABLE users DROP COLUMN name');
    host.run('UPDATE users SET age = 31');
    await host.flush();
    expect(lines(live)).toEqual(['INSERT users {"id":1,"name":"A","age":30}', 'UPDATE users {"id":1,"age":31}']);
    expect(resets(durable)).toEqual([]);
  });

  test('what a script writes before and after a DROP COLUMN is logged', async () => {
    const { host, live } = watching();
    await execute(
      host,
      "INSERT INTO users VALUES (1, 'A', 30); ALTER TABLE users DROP COLUMN age; INSERT INTO users VALUES (2, 'B')",
    );
    await host.flush();
    expect(lines(live)).toEqual(['INSERT users {"id":1,"name":"A","age":30}', 'INSERT users {"id":2,"name":"B"}']);
  });

  test('RENAME COLUMN, of a unique one too', async () => {
    const { host, live, durable } = watching(undefined, `${USERS}; CREATE UNIQUE INDEX by_name ON users(name)`);
    host.run("INSERT INTO users VALUES (1, 'A', 30)");
    await execute(host, 'ALTER TABLE users RENAME COLUMN name TO title');
    host.run("UPDATE users SET title = 'B'; REPLACE INTO users VALUES (2, 'B', 1)");
    await host.flush();
    expect(lines(live)).toEqual([
      'INSERT users {"id":1,"name":"A","age":30}',
      'UPDATE users {"id":1,"title":"B","age":30}',
      'DELETE users {"id":1,"title":"B","age":30}',
      'INSERT users {"id":2,"title":"B","age":1}',
    ]);
    expect(resets(durable)).toEqual([]);
  });

  test('RENAME TABLE: watchers follow it, events have its new name, durable cursors go on', async () => {
    const first = watching();
    first.host.run("INSERT INTO users VALUES (1, 'A', 30)");
    await first.host.flush();
    await execute(first.host, 'ALTER TABLE users RENAME TO people');
    first.host.run("INSERT INTO people VALUES (2, 'B', 31)");
    await first.host.flush();
    expect(first.live.events.map((event) => [event.tableName, event.rowId])).toEqual([
      ['users', 1],
      ['people', 2],
    ]);
    expect(resets(first.durable)).toEqual([]);
    expect(first.host.capsule.stats().watchedTables).toEqual(['people']);
    await first.host.close();
    sqlite3(first.host.file, "INSERT INTO people VALUES (3, 'C', 32)");
    const host = openHost({ file: first.host.file });
    const durable = host.collect(host.capsule.watch('people'), { name: 'mailer' });
    await host.flush();
    expect(lines(durable)).toEqual(['INSERT people {"id":3,"name":"C","age":32}']);
    expect(resets(durable)).toEqual([]);
  });

  test('a new table takes the name that a renamed one left', async () => {
    const { host, live } = watching();
    await execute(host, 'ALTER TABLE users RENAME TO people');
    await execute(host, USERS);
    const newer = host.capsule.watch('users');
    const second = host.collect(newer);
    host.run("INSERT INTO people(name) VALUES ('old'); INSERT INTO users(name) VALUES ('new')");
    await host.flush();
    expect(live.events.map((event) => event.tableName)).toEqual(['people']);
    expect(second.events.map((event) => event.tableName)).toEqual(['users']);
    expect(host.db.all('SELECT table_name, watcher_id FROM _capsule_events ORDER BY id')).toEqual([
      { table_name: 'people', watcher_id: live.events[0]?.watcherId },
      { table_name: 'users', watcher_id: newer.id },
    ]);
  });

  test('DROP TABLE and CREATE TABLE: the watcher works again', async () => {
    const { host, live } = watching();
    host.run("INSERT INTO users VALUES (1, 'A', 30)");
    await execute(host, 'DROP TABLE users');
    await host.flush();
    expect(lines(live)).toEqual(['INSERT users {"id":1,"name":"A","age":30}']);
    await execute(host, 'CREATE TABLE users(id INTEGER PRIMARY KEY, mail TEXT)');
    host.run("INSERT INTO users VALUES (1, 'a@b')");
    await host.flush();
    expect(lines(live)).toEqual(['INSERT users {"id":1,"name":"A","age":30}', 'INSERT users {"id":1,"mail":"a@b"}']);
  });

  test.each([
    ['new table first', REBUILD],
    ['old table away first', OTHER_ORDER],
  ])('a rebuild in one script (%s)', async (_, script) => {
    const { host, live } = watching();
    host.run("INSERT INTO users VALUES (1, 'A', 30)");
    host.db.sqlite.pragma('foreign_keys = OFF');
    await execute(
      host,
      script
        .replace(/PRAGMA [^;]*;/g, '')
        .replace('BEGIN;', '')
        .replace('; COMMIT', ''),
    );
    host.run("UPDATE users SET name = 'B'");
    await host.flush();
    expect(lines(live).at(-1)).toBe('UPDATE users {"id":1,"name":"B","age":30}');
    expect(host.capsule.stats().watchedTables).toEqual(['users']);
  });

  test('a new unique index: rows that REPLACE removes by it are found', async () => {
    const { host, live } = watching();
    host.run("INSERT INTO users VALUES (1, 'A', 30)");
    await execute(host, 'CREATE UNIQUE INDEX by_age ON users(age)');
    host.run("REPLACE INTO users VALUES (2, 'B', 30)");
    await host.flush();
    expect(live.short).toEqual(['INSERT 1', 'DELETE 1', 'INSERT 2']);
  });

  test("a user's trigger created later: ours are the newest again", async () => {
    const { host, live, durable } = watching();
    await execute(
      host,
      'CREATE TRIGGER touch AFTER INSERT ON users BEGIN UPDATE users SET age = 99 WHERE id = NEW.id; END',
    );
    expect(triggers(host, 'users').indexOf('touch')).toBe(0);
    host.run("INSERT INTO users VALUES (1, 'A', 30)");
    await host.flush();
    expect(live.short).toEqual(['INSERT 1', 'UPDATE 1']);
    expect(resets(durable)).toEqual([]);
  });

  test('a schema change that is rolled back changes nothing', async () => {
    for (const change of [
      'ALTER TABLE users ADD COLUMN city',
      'ALTER TABLE users RENAME TO people',
      'DROP TABLE users',
      'ALTER TABLE users DROP COLUMN age',
    ]) {
      const { host, live, durable } = watching();
      const before = triggers(host, 'users');
      await host.db
        .transaction(async () => {
          await execute(host, change);
          await Promise.resolve();
          throw new Error('undone');
        })
        .catch(() => undefined);
      await host.flush();
      host.run("INSERT INTO users VALUES (1, 'A', 30)");
      await host.flush();
      expect([change, triggers(host, 'users')]).toEqual([change, before]);
      expect([change, ...lines(live)]).toEqual([change, 'INSERT users {"id":1,"name":"A","age":30}']);
      expect([change, ...resets(durable)]).toEqual([change]);
    }
  });

  test('in the middle of an asynchronous transaction: what it writes afterwards is logged', async () => {
    const { host, live } = watching();
    await host.db.transaction(async () => {
      await execute(host, 'ALTER TABLE users ADD COLUMN city');
      await execute(host, "INSERT INTO users VALUES (1, 'A', 30, 'Oslo')");
    });
    await host.flush();
    expect(lines(live)).toEqual(['INSERT users {"id":1,"name":"A","age":30,"city":"Oslo"}']);
  });
});

describe('changes from before', () => {
  test('a durable subscriber gets its backlog across several schema changes, each change as it was', async () => {
    const { host } = watching();
    await host.close();
    const scripts = ["INSERT INTO users VALUES (1, 'A', 30)", 'UPDATE users SET age = 31'];
    sqlite3(host.file, ...scripts);
    const migrator = openHost({ file: host.file });
    await execute(migrator, 'ALTER TABLE users ADD COLUMN city; ALTER TABLE users RENAME COLUMN name TO title');
    migrator.run("UPDATE users SET city = 'Oslo'");
    await execute(migrator, 'ALTER TABLE users DROP COLUMN age; ALTER TABLE users RENAME TO people');
    migrator.run('DELETE FROM people');
    const durable = migrator.collect(migrator.capsule.watch('people'), { name: 'mailer' });
    await migrator.flush();
    expect(lines(durable).map((line) => line.replace('users', 'people'))).toEqual([
      'INSERT people {"id":1,"name":"A","age":30}',
      'UPDATE people {"id":1,"name":"A","age":31}',
      'UPDATE people {"id":1,"title":"A","age":31,"city":"Oslo"}',
      'DELETE people {"id":1,"title":"A","city":"Oslo"}',
    ]);
    expect(resets(durable)).toEqual([]);
    expect(migrator.db.all('SELECT DISTINCT table_name FROM _capsule_events')).toEqual([{ table_name: 'people' }]);
  });

  test('a filter on a column that did not exist yet sees NULL there', async () => {
    const { host } = watching();
    host.run("INSERT INTO users VALUES (1, 'A', 30)");
    await execute(host, "ALTER TABLE users ADD COLUMN city TEXT DEFAULT 'Rome'");
    const rome = host.collect(host.capsule.watch('users', "city = 'Rome'"), { from: 0 });
    const none = host.collect(host.capsule.watch('users', 'city IS NULL'), { from: 0 });
    host.run('UPDATE users SET age = 31');
    await host.flush();
    expect(rome.short).toEqual(['UPDATE 1 stay']);
    expect(none.short).toEqual(['INSERT 1 enter']);
  });

  test('a filter whose column is gone hears nothing more and says so; others go on', async () => {
    const { host, live } = watching();
    const filtered = host.collect(host.capsule.watch('users', 'age > 18'));
    const other = host.collect(host.capsule.watch('users', "name = 'A'"));
    host.run("INSERT INTO users VALUES (1, 'A', 30)");
    await host.flush();
    await execute(host, 'ALTER TABLE users DROP COLUMN age');
    host.run("INSERT INTO users VALUES (2, 'A')");
    await host.flush();
    expect(filtered.short).toEqual(['INSERT 1 enter']);
    expect([live.short, other.short]).toEqual([
      ['INSERT 1', 'INSERT 2'],
      ['INSERT 1 enter', 'INSERT 2 enter'],
    ]);
    expect(
      host.logger.lines.filter(({ level, message }) => level === 'error' && message.includes('age > 18')),
    ).toHaveLength(1);
    await execute(host, 'ALTER TABLE users ADD COLUMN age INTEGER');
    host.run("INSERT INTO users VALUES (3, 'C', 40)");
    await host.flush();
    expect(filtered.short).toEqual(['INSERT 1 enter', 'INSERT 3 enter']);
  });

  test('a filter follows the type that its column has now', async () => {
    const { host } = watching();
    const filtered = host.collect(host.capsule.watch('users', "age = '7'"));
    await execute(host, 'DROP TABLE users; CREATE TABLE users(id INTEGER PRIMARY KEY, age TEXT COLLATE NOCASE)');
    host.run("INSERT INTO users VALUES (1, '7'), (2, '7.0')");
    await host.flush();
    expect(filtered.short).toEqual(['INSERT 1 enter']);
    const name = host.collect(host.capsule.watch('users', "age = 'abc'"));
    host.run("INSERT INTO users VALUES (3, 'ABC')");
    await host.flush();
    expect(name.short).toEqual(['INSERT 3 enter']);
  });

  test('changes of a table that was dropped meanwhile still arrive, filtered ones too', async () => {
    const { host } = watching();
    const watcher = host.capsule.watch('users', 'age > 18');
    host.collect(watcher, { name: 'filtered' });
    await host.flush();
    await host.close();
    sqlite3(host.file, "INSERT INTO users VALUES (1, 'A', 30), (2, 'B', 3)");
    const again = openHost({ file: host.file });
    const all = again.collect(again.capsule.watch('users'), { name: 'mailer' });
    const some = again.collect(again.capsule.watch('users', 'age > 18'), { name: 'filtered' });
    sqlite3(host.file, 'DROP TABLE users');
    await again.flush();
    expect([all.short, some.short]).toEqual([['INSERT 1', 'INSERT 2'], ['INSERT 1 enter']]);
  });
});
