/**
 * Schema changes of watched tables: through the host, by another program while a host runs, and while none runs.
 * Watchers follow, the triggers are right again, old changes stay readable, durable subscribers learn of what they may have missed.
 */
import { describe, expect, test } from 'vitest';
import { detach } from '../sdk/maintenance/detach.ts';
import { Statements } from '../sdk/statements.ts';
import type { Batch, ChangeEvent } from '../plugins/capsule/types.ts';
import { collector, openHost, settle, sqlite3, tempFile, thrownBy } from './support.ts';
import type { Collected, Host } from './support.ts';

const USERS = 'CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT, age INTEGER)';

/** Runs a script as `GlyphCase.execute` does. */
async function execute(host: Host, sql: string): Promise<void> {
  await new Statements({ db: host.db, hooks: host.kernel.hooks, logger: host.logger, slowMs: 10_000 }).execute(sql);
}

const triggers = (host: Host | string, table: string): string[] =>
  sqlite3(typeof host === 'string' ? host : host.file, `SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = '${table}' ORDER BY rowid`)
    .split('\n')
    .filter((name) => name !== '');

const resets = (collected: Collected): string[] =>
  collected.batches.filter(({ batch }) => batch.reset !== undefined).map(({ batch, events }) => `${batch.reset?.reason ?? ''} ${events.length}`);

/** What a handler got, in short: `UPDATE users {"id":1,…}`. */
const lines = (collected: Collected): string[] =>
  collected.events.map((event) => `${event.operation} ${event.tableName} ${JSON.stringify(event.newData ?? event.oldData)}`);

interface Running {
  readonly host: Host;
  readonly live: Collected;
  readonly durable: Collected;
}

/** A host that watches `users`, with a subscriber that goes with it and one that lasts. */
function watching(file: string = tempFile(), schema = USERS): Running {
  const host = openHost({ file, schema });
  const watcher = host.capsule.watch('users');
  return { host, live: host.collect(watcher), durable: host.collect(watcher, { name: 'mailer' }) };
}

/** Stops the host, changes the file as `scripts` say, starts another host; returns what the durable subscriber hears. */
async function whileStopped({ host }: Running, ...scripts: readonly string[]): Promise<Running> {
  await host.flush();
  await host.close();
  sqlite3(host.file, ...scripts);
  const again = openHost({ file: host.file });
  const [watched] = again.db.all("SELECT table_or_query AS name FROM _capsule_watchers WHERE host_id IS NULL") as { name: string }[];
  const watcher = again.capsule.watch(watched?.name ?? 'users');
  const running = { host: again, live: again.collect(watcher), durable: again.collect(watcher, { name: 'mailer' }) };
  await again.flush();
  await settle();
  return running;
}

/** A rebuild as https://sqlite.org/lang_altertable.html §7 describes it. */
const REBUILD = `PRAGMA foreign_keys = OFF; BEGIN;
  CREATE TABLE new_users(id INTEGER PRIMARY KEY, name TEXT NOT NULL, age REAL);
  INSERT INTO new_users SELECT id, name, age FROM users; DROP TABLE users; ALTER TABLE new_users RENAME TO users; COMMIT`;

const OTHER_ORDER = `PRAGMA foreign_keys = OFF; PRAGMA legacy_alter_table = ON; BEGIN;
  ALTER TABLE users RENAME TO old_users; CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT NOT NULL, age REAL);
  INSERT INTO users SELECT id, name, age FROM old_users; DROP TABLE old_users; COMMIT`;

describe('through the host', () => {
  test('what SQLite refuses leaves everything as it was', async () => {
    const { host, live } = watching();
    const before = triggers(host, 'users');
    for (const refused of ['ALTER TABLE users DROP COLUMN nothing', 'ALTER TABLE users DROP COLUMN id', 'ALTER TABLE users DROP COLUMN age; SELECT nonsense']) {
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
    expect(lines(live)).toEqual(['INSERT users {"id":1,"name":"A","age":30}', 'UPDATE users {"id":1,"name":"A","age":30,"city":"Oslo"}']);
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
    await execute(host, "INSERT INTO users VALUES (1, 'A', 30); ALTER TABLE users DROP COLUMN age; INSERT INTO users VALUES (2, 'B')");
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
    expect(first.live.events.map((event) => [event.tableName, event.rowId])).toEqual([['users', 1], ['people', 2]]);
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

  test.each([['new table first', REBUILD], ['old table away first', OTHER_ORDER]])('a rebuild in one script (%s)', async (_, script) => {
    const { host, live } = watching();
    host.run("INSERT INTO users VALUES (1, 'A', 30)");
    host.db.sqlite.pragma('foreign_keys = OFF');
    await execute(host, script.replace(/PRAGMA [^;]*;/g, '').replace('BEGIN;', '').replace('; COMMIT', ''));
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
    await execute(host, 'CREATE TRIGGER touch AFTER INSERT ON users BEGIN UPDATE users SET age = 99 WHERE id = NEW.id; END');
    expect(triggers(host, 'users').indexOf('touch')).toBe(0);
    host.run("INSERT INTO users VALUES (1, 'A', 30)");
    await host.flush();
    expect(live.short).toEqual(['INSERT 1', 'UPDATE 1']);
    expect(resets(durable)).toEqual([]);
  });

  test('a schema change that is rolled back changes nothing', async () => {
    for (const change of ['ALTER TABLE users ADD COLUMN city', 'ALTER TABLE users RENAME TO people', 'DROP TABLE users', 'ALTER TABLE users DROP COLUMN age']) {
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
    expect([live.short, other.short]).toEqual([['INSERT 1', 'INSERT 2'], ['INSERT 1 enter', 'INSERT 2 enter']]);
    expect(host.logger.lines.filter(({ level, message }) => level === 'error' && message.includes('age > 18'))).toHaveLength(1);
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

describe('by another program, while a host runs', () => {
  test('ADD COLUMN: changes of the new column alone are logged once it is noticed', async () => {
    const { host, live, durable } = watching();
    sqlite3(host.file, 'ALTER TABLE users ADD COLUMN city', "INSERT INTO users VALUES (1, 'A', 30, 'Rome')");
    await host.flush();
    sqlite3(host.file, "UPDATE users SET city = 'Oslo'");
    await host.flush();
    expect(live.short).toEqual(['INSERT 1', 'UPDATE 1']);
    expect(live.events[1]?.newData).toEqual({ id: 1, name: 'A', age: 30, city: 'Oslo' });
    expect(resets(durable)).toEqual(['schema 0']);
  });

  test('it is noticed without a flush, by the poll', async () => {
    const { host, durable } = watching();
    sqlite3(host.file, 'ALTER TABLE users ADD COLUMN city');
    await host.clock.advance(1000);
    await settle();
    expect(resets(durable)).toEqual(['schema 0']);
  });

  test("the host's next write logs what it does to the new column", async () => {
    const { host, live } = watching();
    host.run("INSERT INTO users VALUES (1, 'A', 30)");
    sqlite3(host.file, 'ALTER TABLE users ADD COLUMN city');
    host.run("UPDATE users SET city = 'Oslo'");
    await host.flush();
    expect(live.short).toEqual(['INSERT 1', 'UPDATE 1']);
  });

  test('a change that is noticed while another table is being watched is not forgotten', async () => {
    const { host, live } = watching(undefined, `${USERS}; CREATE TABLE orders(id)`);
    host.run("INSERT INTO users VALUES (1, 'A', 30)");
    sqlite3(host.file, 'ALTER TABLE users ADD COLUMN city');
    host.capsule.watch('orders');
    await host.flush();
    sqlite3(host.file, "UPDATE users SET city = 'Oslo'");
    await host.flush();
    expect(live.short).toEqual(['INSERT 1', 'UPDATE 1']);
  });

  test('RENAME COLUMN', async () => {
    const { host, live } = watching();
    sqlite3(host.file, 'ALTER TABLE users RENAME COLUMN name TO title');
    await host.flush();
    sqlite3(host.file, "INSERT INTO users VALUES (1, 'A', 30)");
    await host.flush();
    expect(lines(live)).toEqual(['INSERT users {"id":1,"title":"A","age":30}']);
  });

  test('RENAME TABLE: nothing is missed, nobody is told otherwise', async () => {
    const { host, live, durable } = watching();
    sqlite3(host.file, 'ALTER TABLE users RENAME TO people', "INSERT INTO people VALUES (1, 'A', 30)");
    await host.flush();
    sqlite3(host.file, "INSERT INTO people VALUES (2, 'B', 31)");
    await host.flush();
    expect(live.events.map((event) => [event.tableName, event.rowId])).toEqual([['people', 1], ['people', 2]]);
    expect(resets(durable)).toEqual([]);
  });

  test.each([['new table first', REBUILD], ['old table away first', OTHER_ORDER]])('a rebuild (%s): repaired, and told', async (_, script) => {
    const { host, live, durable } = watching();
    host.run("INSERT INTO users VALUES (1, 'A', 30)");
    await host.flush();
    sqlite3(host.file, script);
    expect(triggers(host, 'users')).toEqual([]);
    await host.flush();
    sqlite3(host.file, "UPDATE users SET name = 'B'");
    await host.flush();
    expect(live.short).toEqual(['INSERT 1', 'UPDATE 1']);
    expect(resets(durable)).toEqual(['schema 0']);
    expect(durable.batches.map(({ batch }) => batch.reset !== undefined)).toEqual([false, true, false]);
    await host.flush();
    expect(resets(durable)).toEqual(['schema 0']);
  });

  test('the old table is kept beside the new one', async () => {
    const { host, live } = watching();
    sqlite3(host.file, `ALTER TABLE users RENAME TO old_users; ${USERS}; INSERT INTO users SELECT * FROM old_users`);
    await host.flush();
    sqlite3(host.file, "INSERT INTO users(name) VALUES ('A')", "INSERT INTO old_users(name) VALUES ('B')");
    await host.flush();
    expect(lines(live)).toEqual(['INSERT users {"id":1,"name":"A","age":null}']);
  });

  test('DROP TABLE, then CREATE TABLE: told of both, and the watcher works again', async () => {
    const { host, live, durable } = watching();
    sqlite3(host.file, 'DROP TABLE users');
    await host.flush();
    expect(resets(durable)).toEqual(['schema 0']);
    sqlite3(host.file, USERS);
    await host.flush();
    expect(resets(durable)).toEqual(['schema 0', 'schema 0']);
    sqlite3(host.file, "INSERT INTO users VALUES (1, 'A', 30)");
    await host.flush();
    expect(live.short).toEqual(['INSERT 1']);
  });

  test('CREATE TRIGGER: ours become the newest again, and nobody is told that something is missing', async () => {
    const { host, live, durable } = watching();
    sqlite3(host.file, 'CREATE TRIGGER touch AFTER INSERT ON users BEGIN UPDATE users SET age = 99 WHERE id = NEW.id; END');
    sqlite3(host.file, "INSERT INTO users VALUES (1, 'A', 30)");
    await host.flush();
    expect(triggers(host, 'users')[0]).toBe('touch');
    sqlite3(host.file, "INSERT INTO users VALUES (2, 'B', 30)");
    await host.flush();
    expect(live.short).toEqual(['INSERT 1', 'UPDATE 1', 'INSERT 2', 'UPDATE 2']);
    expect(live.events.map((event) => event.newData?.['age'])).toEqual([30, 99, 30, 99]);
    expect(resets(durable)).toEqual([]);
  });

  test('an index, a view or a table of no concern: nobody is told', async () => {
    const { host, durable } = watching();
    const before = triggers(host, 'users');
    sqlite3(host.file, 'CREATE INDEX by_age ON users(age)', 'CREATE VIEW v AS SELECT * FROM users', 'CREATE TABLE other(id)', 'DROP TABLE other');
    await host.flush();
    expect(triggers(host, 'users')).toEqual(before);
    expect(resets(durable)).toEqual([]);
  });

  test('DROP COLUMN is refused by SQLite, and works after detach', async () => {
    const first = watching();
    first.host.run("INSERT INTO users VALUES (1, 'A', 30)");
    await first.host.flush();
    const drop = 'ALTER TABLE users DROP COLUMN age';
    expect((await thrownBy(() => sqlite3(first.host.file, drop))).message).toMatch(/error in trigger/);
    expect((await thrownBy(() => detach(first.host.file))).code).toBe('GC_HOST_RUNNING');
    await first.host.close();
    expect(detach(first.host.file).triggers).toBeGreaterThan(0);
    expect(sqlite3(first.host.file, 'SELECT name FROM sqlite_schema WHERE name NOT LIKE \'sqlite_%\'').trim()).toBe('users');
    sqlite3(first.host.file, drop);
    const { host, live, durable } = watching(first.host.file, '');
    sqlite3(host.file, "INSERT INTO users VALUES (2, 'B')");
    await host.flush();
    expect(lines(live)).toEqual(['INSERT users {"id":2,"name":"B"}']);
    expect(resets(durable)).toEqual([]);
  });

  test("another host's own schema change: nothing was missed, so nobody is told", async () => {
    const { host, live, durable } = watching();
    const other = openHost({ file: host.file });
    other.capsule.watch('users');
    await execute(other, 'ALTER TABLE users ADD COLUMN city');
    other.run("INSERT INTO users VALUES (1, 'A', 30, 'Oslo')");
    await host.flush();
    expect(lines(live)).toEqual(['INSERT users {"id":1,"name":"A","age":30,"city":"Oslo"}']);
    await execute(other, 'ALTER TABLE users DROP COLUMN city');
    other.run("INSERT INTO users VALUES (2, 'B', 30)");
    await host.flush();
    expect(lines(live).at(-1)).toBe('INSERT users {"id":2,"name":"B","age":30}');
    expect(resets(durable)).toEqual([]);
  });

  test('another host repairs first: the durable subscriber of this one is told all the same', async () => {
    const { host, durable } = watching();
    const other = openHost({ file: host.file });
    other.capsule.watch('users');
    sqlite3(host.file, REBUILD);
    await other.flush();
    await host.flush();
    await settle();
    expect(resets(durable)).toEqual(['schema 0']);
  });

  test('the write lock is held by somebody else when it is noticed: repaired as soon as it is free', async () => {
    const { host, live } = watching();
    sqlite3(host.file, REBUILD);
    const { default: BetterSqlite3 } = await import('better-sqlite3');
    const other = new BetterSqlite3(host.file);
    other.exec('BEGIN IMMEDIATE');
    const since = performance.now();
    expect(() => host.capsule.look()).not.toThrow();
    expect(performance.now() - since).toBeLessThan(1000);
    other.exec('COMMIT');
    other.close();
    await host.flush();
    sqlite3(host.file, "INSERT INTO users VALUES (1, 'A', 30)");
    await host.flush();
    expect(live.short).toEqual(['INSERT 1']);
  });
});

describe('by another program, while no host runs', () => {
  test('ADD COLUMN, and changes before and after it', async () => {
    const { host, live, durable } = await whileStopped(
      watching(),
      "INSERT INTO users VALUES (1, 'A', 30)",
      'ALTER TABLE users ADD COLUMN city',
      "INSERT INTO users VALUES (2, 'B', 30, 'Oslo')",
    );
    expect(durable.short).toEqual(['INSERT 1', 'INSERT 2']);
    expect(resets(durable)).toEqual(['schema 0']);
    sqlite3(host.file, "UPDATE users SET city = 'Rome' WHERE id = 2");
    await host.flush();
    expect(lines(live)).toEqual(['UPDATE users {"id":2,"name":"B","age":30,"city":"Rome"}']);
  });

  test('a rebuild is repaired and told', async () => {
    const { host, durable } = await whileStopped(watching(), REBUILD, "INSERT INTO users VALUES (1, 'unseen', 1)");
    expect(resets(durable)).toEqual(['schema 0']);
    sqlite3(host.file, "INSERT INTO users VALUES (2, 'B', 2)");
    await host.flush();
    expect(durable.short).toEqual(['INSERT 2']);
  });

  test('RENAME TABLE: the watcher follows, nothing is missed', async () => {
    const { durable } = await whileStopped(watching(), "INSERT INTO users VALUES (1, 'A', 30)", 'ALTER TABLE users RENAME TO people', "INSERT INTO people VALUES (2, 'B', 31)");
    expect(lines(durable)).toEqual(['INSERT people {"id":1,"name":"A","age":30}', 'INSERT people {"id":2,"name":"B","age":31}']);
    expect(resets(durable)).toEqual([]);
  });

  test('DROP TABLE and CREATE TABLE', async () => {
    const { host, durable } = await whileStopped(watching(), "INSERT INTO users VALUES (1, 'A', 30)", 'DROP TABLE users', USERS);
    expect(durable.short).toEqual(['INSERT 1']);
    expect(resets(durable)).toEqual(['schema 0']);
    sqlite3(host.file, "INSERT INTO users VALUES (1, 'A', 30)");
    await host.flush();
    expect(durable.short).toEqual(['INSERT 1', 'INSERT 1']);
  });

  test('DROP TABLE: told once when it is gone, once when it is back', async () => {
    const first = watching();
    await first.host.close();
    sqlite3(first.host.file, 'DROP TABLE users');
    for (let starts = 0; starts < 2; starts += 1) {
      const host = openHost({ file: first.host.file });
      const marks = host.db.all('SELECT reset FROM _capsule_subscriptions WHERE reset IS NOT NULL');
      expect(marks).toHaveLength(1);
      sqlite3(first.host.file, ...(starts === 0 ? ['UPDATE _capsule_subscriptions SET reset = NULL', USERS] : ['SELECT 1']));
      await host.flush();
      await host.close();
    }
    const host = openHost({ file: first.host.file });
    const durable = host.collect(host.capsule.watch('users'), { name: 'mailer' });
    sqlite3(first.host.file, "INSERT INTO users VALUES (1, 'A', 30)");
    await host.flush();
    expect([durable.short, resets(durable)]).toEqual([['INSERT 1'], ['schema 0']]);
  });

  test('a table that stays away is told of once, however often a host starts', async () => {
    const first = watching();
    await first.host.close();
    sqlite3(first.host.file, 'DROP TABLE users');
    await openHost({ file: first.host.file }).close();
    sqlite3(first.host.file, 'UPDATE _capsule_subscriptions SET reset = NULL');
    const again = openHost({ file: first.host.file });
    expect(again.db.all('SELECT reset FROM _capsule_subscriptions')).toEqual([{ reset: null }]);
  });

  test('nothing changed: nobody is told', async () => {
    const { durable } = await whileStopped(watching(), "INSERT INTO users VALUES (1, 'A', 30)");
    expect([durable.short, resets(durable)]).toEqual([['INSERT 1'], []]);
  });

  test('CREATE TRIGGER: ours are the newest again from the start, nobody is told', async () => {
    const { host, durable } = await whileStopped(watching(), 'CREATE TRIGGER touch AFTER INSERT ON users BEGIN UPDATE users SET age = 99 WHERE id = NEW.id; END');
    expect(triggers(host, 'users')[0]).toBe('touch');
    expect(resets(durable)).toEqual([]);
  });
});

describe('reset', () => {
  /** A host on `file` whose durable subscriber does `handle` with every batch. */
  function durably(file: string, handle: (events: ChangeEvent[], batch: Batch) => unknown): Host {
    const host = openHost({ file });
    host.capsule.subscribe(host.capsule.watch('users'), handle, { name: 'mailer' });
    return host;
  }

  test('a handler that fails hears of it again until it succeeds', async () => {
    const { host } = watching();
    await host.close();
    const heard: string[] = [];
    let failing = true;
    const again = durably(host.file, (_, batch) => {
      heard.push(batch.reset?.reason ?? 'events');
      if (failing) throw new Error('not now');
    });
    sqlite3(again.file, REBUILD);
    await again.flush();
    failing = false;
    await again.clock.advance(1000);
    await again.flush();
    expect(heard).toEqual(['schema', 'schema']);
  });

  test('it survives a crash before it was handled, and is told once after it was', async () => {
    const { host } = watching();
    await host.close();
    const never = durably(host.file, () => new Promise(() => undefined));
    sqlite3(host.file, REBUILD);
    never.capsule.look();
    await settle();
    // The process dies here: nothing of its close() runs.
    sqlite3(host.file, 'UPDATE _capsule_hosts SET pid = 2147483646');
    const first = collector();
    const next = durably(host.file, first.handler);
    await next.flush();
    expect(resets(first)).toEqual(['schema 0']);
    await next.close();
    const second = collector();
    const last = durably(host.file, second.handler);
    await last.flush();
    expect(resets(second)).toEqual([]);
  });

  test('a change in the middle of a slow delivery is told after it', async () => {
    const { host } = watching();
    await host.close();
    const heard: string[] = [];
    let finish = (): void => undefined;
    const again = durably(host.file, (events, batch) => {
      heard.push(batch.reset?.reason ?? events.map((event) => event.operation).join());
      return heard.length === 1 ? new Promise<void>((resolve) => (finish = resolve)) : undefined;
    });
    again.run("INSERT INTO users VALUES (1, 'A', 30)");
    await settle();
    sqlite3(host.file, REBUILD);
    again.capsule.look();
    await settle();
    expect(heard).toEqual(['INSERT']);
    finish();
    await again.flush();
    await settle();
    expect(heard).toEqual(['INSERT', 'schema']);
    expect(again.db.all('SELECT reset FROM _capsule_subscriptions')).toEqual([{ reset: null }]);
  });

  test('a reaction on several tables is told whichever of them changed, once, running or not', async () => {
    const heard: string[] = [];
    const react = (host: Host): unknown =>
      host.capsule.react({
        name: 'skill:totals',
        watches: [{ table: 'orders' }, { table: 'users' }],
        listenerType: 'lua',
        handle: () => undefined,
        failed: () => 'stop',
        mayRun: () => true,
        reset: ({ reason }) => void heard.push(reason),
      });
    const file = tempFile();
    const first = openHost({ file, schema: `${USERS}; CREATE TABLE orders(id INTEGER PRIMARY KEY)` });
    react(first);
    await first.flush();
    sqlite3(file, REBUILD);
    await first.flush();
    expect(heard).toEqual(['schema']);
    await first.close();
    const second = openHost({ file });
    react(second);
    await second.flush();
    expect(heard).toEqual(['schema']);
    await second.close();
    sqlite3(file, 'ALTER TABLE users ADD COLUMN city');
    const third = openHost({ file });
    react(third);
    await third.flush();
    expect(heard).toEqual(['schema', 'schema']);
  });
});
