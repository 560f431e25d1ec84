/**
 * Schema changes that another program makes, while a host runs and while none does: noticed, repaired, and durable subscribers
 * told of what they may have missed.
 */
import { describe, expect, test } from 'vitest';
import { detach } from '../sdk/maintenance/detach.ts';
import { openHost, settle, sqlite3, thrownBy } from './support.ts';
import {
  USERS,
  REBUILD,
  OTHER_ORDER,
  execute,
  triggers,
  resets,
  lines,
  watching,
  whileStopped,
} from './33-schema-support.ts';

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
    expect(live.events.map((event) => [event.tableName, event.rowId])).toEqual([
      ['people', 1],
      ['people', 2],
    ]);
    expect(resets(durable)).toEqual([]);
  });

  test.each([
    ['new table first', REBUILD],
    ['old table away first', OTHER_ORDER],
  ])('a rebuild (%s): repaired, and told', async (_, script) => {
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
    sqlite3(
      host.file,
      'CREATE TRIGGER touch AFTER INSERT ON users BEGIN UPDATE users SET age = 99 WHERE id = NEW.id; END',
    );
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
    sqlite3(
      host.file,
      'CREATE INDEX by_age ON users(age)',
      'CREATE VIEW v AS SELECT * FROM users',
      'CREATE TABLE other(id)',
      'DROP TABLE other',
    );
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
    expect(sqlite3(first.host.file, "SELECT name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'").trim()).toBe(
      'users',
    );
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
    // Who waits for a lock waits five seconds.
    expect(performance.now() - since).toBeLessThan(3000);
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
    const { durable } = await whileStopped(
      watching(),
      "INSERT INTO users VALUES (1, 'A', 30)",
      'ALTER TABLE users RENAME TO people',
      "INSERT INTO people VALUES (2, 'B', 31)",
    );
    expect(lines(durable)).toEqual([
      'INSERT people {"id":1,"name":"A","age":30}',
      'INSERT people {"id":2,"name":"B","age":31}',
    ]);
    expect(resets(durable)).toEqual([]);
  });

  test('DROP TABLE and CREATE TABLE', async () => {
    const { host, durable } = await whileStopped(
      watching(),
      "INSERT INTO users VALUES (1, 'A', 30)",
      'DROP TABLE users',
      USERS,
    );
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
      sqlite3(
        first.host.file,
        ...(starts === 0 ? ['UPDATE _capsule_subscriptions SET reset = NULL', USERS] : ['SELECT 1']),
      );
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
    const { host, durable } = await whileStopped(
      watching(),
      'CREATE TRIGGER touch AFTER INSERT ON users BEGIN UPDATE users SET age = 99 WHERE id = NEW.id; END',
    );
    expect(triggers(host, 'users')[0]).toBe('touch');
    expect(resets(durable)).toEqual([]);
  });
});
