/** How differences reach subscribers: whole transactions, each at its own pace, shared work, nothing left behind. */
import { describe, expect, test } from 'vitest';
import type { ChangeEvent } from '../plugins/capsule/types.ts';
import { openLiveHost } from './80-live-support.ts';
import type { LiveHost } from './80-live-support.ts';
import { collector, settle, shortly, sqlite3, systemClock, until } from './support.ts';

const SCHEMA = `
  CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT, v);
  CREATE TABLE tasks(id INTEGER PRIMARY KEY, user_id INTEGER REFERENCES users(id) ON DELETE CASCADE, k INTEGER);
  INSERT INTO users VALUES (1, 'Ann', 1), (2, 'Bob', 2);`;
const COUNTS = 'SELECT u.id, count(t.id) AS n FROM users u LEFT JOIN tasks t ON t.user_id = u.id GROUP BY u.id';

const runsOf = (host: LiveHost): number => host.live.stats().runs;
const triggersOf = (host: LiveHost, table: string): unknown =>
  host.db.value("SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?", [table]);

describe('transactions', () => {
  test('come whole: no subscriber of any query sees half of one', async () => {
    const host = openLiveHost({ schema: SCHEMA });
    const seen: string[] = [];
    const users = host.live.watch('SELECT count(*) AS n FROM users');
    const tasks = host.live.watch('SELECT count(*) AS n FROM tasks');
    const look = (): void => void seen.push(`${String(users.rows()[0]?.['n'])} ${String(tasks.rows()[0]?.['n'])}`);
    host.live.subscribe(users, look);
    host.live.subscribe(tasks, look);
    await host.db.transaction(async () => {
      host.db.run("INSERT INTO users VALUES (3, 'Cid', 3)");
      await settle();
      host.db.run('INSERT INTO tasks VALUES (1, 3, 1)');
    });
    await host.flush();
    expect(seen).toEqual(['3 1', '3 1']);
  });

  test('that are rolled back say nothing, and neither do those that change nothing', async () => {
    const host = openLiveHost({ schema: SCHEMA });
    const heard = host.heard('SELECT * FROM users');
    await host.db
      .transaction(() => {
        host.db.run('DELETE FROM users');
        throw new Error('undone');
      })
      .catch(() => undefined);
    host.run('UPDATE users SET v = v; DELETE FROM users WHERE id = 9');
    host.run("INSERT INTO users VALUES (3, 'Cid', 3); DELETE FROM users WHERE id = 3");
    await host.flush();
    expect(heard.batches).toEqual([]);
  });

  test('of other programs, cascades and REPLACE are seen', async () => {
    const host = openLiveHost({ schema: SCHEMA });
    const heard = host.heard(COUNTS);
    sqlite3(host.file, 'INSERT INTO tasks VALUES (1, 1, 1), (2, 1, 1), (3, 2, 1)');
    await host.flush();
    expect(heard.events.map((e) => [e.rowId, e.newData?.['n'], e.source])).toEqual([
      [1, 2, 'external'],
      [2, 1, 'external'],
    ]);
    heard.clear();
    host.run('REPLACE INTO tasks VALUES (2, 2, 1)');
    await host.flush();
    expect(heard.events.map((e) => [e.rowId, e.newData?.['n']])).toEqual([
      [1, 1],
      [2, 2],
    ]);
    heard.clear();
    host.run('DELETE FROM users WHERE id = 2');
    await host.flush();
    expect(heard.short).toEqual(['DELETE 2']);
  });

  test('of other programs arrive by themselves', async () => {
    const host = openLiveHost({ schema: SCHEMA, clock: systemClock });
    const heard = host.heard(COUNTS);
    sqlite3(host.file, 'INSERT INTO tasks VALUES (1, 1, 1)');
    await until(() => heard.events.length > 0);
    expect(heard.short).toEqual(['UPDATE 1']);
  });
});

describe('what cannot matter costs nothing', () => {
  test('other tables, other columns, and queries nobody subscribes to', async () => {
    const host = openLiveHost({ schema: SCHEMA });
    const heard = host.heard(COUNTS);
    const idle = host.live.watch('SELECT * FROM users');
    const before = runsOf(host);
    host.run('CREATE TABLE other(a); INSERT INTO other VALUES (1)');
    host.run("UPDATE users SET name = 'x', v = 5");
    host.run('UPDATE tasks SET k = 7');
    await host.flush();
    expect(runsOf(host) - before).toBe(1); // The new table is a new schema, for which queries are planned anew.
    host.run("UPDATE users SET name = 'y', v = 6");
    await host.flush();
    expect(runsOf(host) - before).toBe(1);
    host.run("INSERT INTO users VALUES (3, 'Cid', 3)");
    await host.flush();
    expect(runsOf(host) - before).toBe(2);
    expect(heard.short).toEqual(['INSERT 3']);
    expect(idle.rows()).toHaveLength(3);
  });

  test('the same query with the same parameters runs once for all', async () => {
    const host = openLiveHost({ schema: SCHEMA });
    const sql = 'SELECT * FROM users WHERE v < ?';
    const all = Array.from({ length: 5 }, () => host.heard(sql, [9]));
    const other = host.heard(sql, [1]);
    expect(host.live.stats()).toMatchObject({ watchers: 6, queries: 2 });
    const before = runsOf(host);
    host.run("UPDATE users SET name = 'x'");
    await host.flush();
    expect(runsOf(host) - before).toBe(2);
    expect(all.map((heard) => heard.events.length)).toEqual([2, 2, 2, 2, 2]);
    expect(other.events).toEqual([]);
    expect(new Set(all.map((heard) => heard.events[0]?.watcherId)).size).toBe(5);
    expect(all[0]?.events[0]?.newData).toBe(all[4]?.events[0]?.newData);
  });

  test('parameters are told apart by type, and owned', async () => {
    const host = openLiveHost({ schema: SCHEMA });
    const blob = new Uint8Array([1]);
    for (const value of [1, 1.5, '1', true, null, blob, 9007199254740993n, new Uint8Array([2])])
      host.live.watch('SELECT ? AS v', [value]);
    host.live.watch('SELECT ? AS v', [1n]);
    // true is 1, and so is 1n.
    expect(host.live.stats().queries).toBe(7);
    const watcher = host.live.watch('SELECT ? AS v', [blob]);
    blob[0] = 9;
    expect(watcher.rows()).toEqual([{ v: Buffer.from([1]) }]);
    await host.close();
  });
});

describe('a backlog', () => {
  test('of many transactions is looked at once, however small the batches', async () => {
    const host = openLiveHost({ schema: SCHEMA, batching: { batchSize: 10, batchInterval: 1000 } });
    const heard = host.heard(COUNTS);
    const sql = Array.from({ length: 1000 }, (_, id) => `INSERT INTO tasks VALUES (${id}, ${(id % 2) + 1}, 0);`);
    sqlite3(host.file, sql.join('\n'));
    const before = runsOf(host);
    await host.flush();
    expect(heard.watcher.rows()).toEqual([
      { id: 1, n: 500 },
      { id: 2, n: 500 },
    ]);
    expect(heard.batches).toHaveLength(1);
    expect(runsOf(host) - before).toBe(1);
  });

  test('that is too long to be looked at has the query run once', async () => {
    const host = openLiveHost({ schema: SCHEMA, batching: { batchSize: 1000, batchInterval: 1000 } });
    const heard = host.heard(COUNTS);
    const other = host.heard('SELECT id, v FROM users');
    const insert = (from: number): string =>
      `WITH RECURSIVE c(i) AS (SELECT ${from} UNION ALL SELECT i + 1 FROM c WHERE i < ${from + 11_999})
       INSERT INTO tasks SELECT i, 1, 0 FROM c;`;
    sqlite3(host.file, insert(1), insert(20_001), 'UPDATE users SET v = 7 WHERE id = 2;');
    const before = runsOf(host);
    await host.flush();
    expect(heard.watcher.rows()[0]).toEqual({ id: 1, n: 24_000 });
    expect(other.short).toEqual(['UPDATE 2']);
    expect(runsOf(host) - before).toBe(1);
  });
});

describe('subscribers', () => {
  test('with initial get the rows first, even when there are none', async () => {
    const host = openLiveHost({ schema: SCHEMA });
    const some = host.heard('SELECT id FROM users', [], { initial: true });
    const none = host.heard('SELECT id FROM tasks', [], { initial: true });
    expect(some.batches).toEqual([]);
    await host.flush();
    expect(some.short).toEqual(['INSERT 1', 'INSERT 2']);
    expect(none.batches.map(({ events }) => events)).toEqual([[]]);
    host.run('INSERT INTO tasks VALUES (1, 1, 1)');
    await host.flush();
    expect(none.short).toEqual(['INSERT 1']);
  });

  test('who come later start from what is there then', async () => {
    const host = openLiveHost({ schema: SCHEMA, batching: { batchInterval: 100 } });
    const first = host.heard('SELECT id FROM users');
    host.run("INSERT INTO users VALUES (3, 'Cid', 3)");
    const second = collector();
    host.live.subscribe(first.watcher, second.handler);
    host.run("INSERT INTO users VALUES (4, 'Dan', 4)");
    await host.flush();
    expect(first.short).toEqual(['INSERT 3', 'INSERT 4']);
    expect(second.short).toEqual(['INSERT 4']);
  });

  test('who are slow get one difference for all they missed, and hold up nobody', async () => {
    const host = openLiveHost({ schema: SCHEMA });
    const quick = host.heard('SELECT id, v FROM users');
    const slow: string[][] = [];
    let go: () => void = () => undefined;
    host.live.subscribe(quick.watcher, async (events) => {
      slow.push(events.map(shortly));
      await new Promise<void>((resolve) => (go = resolve));
    });
    for (const v of [10, 11, 12]) {
      host.run(`UPDATE users SET v = ${v} WHERE id = 1; INSERT INTO users VALUES (${v}, 'x', 0)`);
      await until(() => quick.events.at(-1)?.rowId === v);
    }
    expect(quick.batches).toHaveLength(3);
    expect(slow).toEqual([['UPDATE 1', 'INSERT 10']]);
    const flushed = host.flush();
    go();
    await settle();
    expect(slow[1]).toEqual(['UPDATE 1', 'INSERT 11', 'INSERT 12']);
    go();
    await flushed;
    expect(slow).toHaveLength(2);
  });

  test('who throw are logged and counted, and go on with the next difference', async () => {
    const host = openLiveHost({ schema: SCHEMA });
    const watcher = host.live.watch('SELECT id FROM users');
    const got: string[] = [];
    host.live.subscribe(watcher, (events) => {
      got.push(...events.map(shortly));
      throw new Error('no');
    });
    host.live.subscribe(watcher, () => Promise.reject(new Error('neither')));
    const sound = collector();
    host.live.subscribe(watcher, sound.handler);
    for (const id of [3, 4]) {
      host.run(`INSERT INTO users(id) VALUES (${id})`);
      await host.flush();
    }
    expect(got).toEqual(['INSERT 3', 'INSERT 4']);
    expect(sound.short).toEqual(got);
    expect(host.live.stats().subscriptions.map(({ failures, lastError }) => [failures, lastError])).toEqual([
      [2, 'no'],
      [2, 'neither'],
      [0, undefined],
    ]);
    expect(host.logger.lines.filter((line) => line.level === 'error')).toHaveLength(4);
  });

  test('filter, debounce, and leave by signal, `using`, unsubscribe and unwatch', async () => {
    const host = openLiveHost({ schema: SCHEMA });
    const watcher = host.live.watch('SELECT id FROM users');
    const abort = new AbortController();
    const filtered = collector();
    const debounced = collector();
    const aborted = collector();
    host.live.subscribe(watcher, filtered.handler, { filter: (event: ChangeEvent) => event.rowId === 4 });
    host.live.subscribe(watcher, debounced.handler, { debounce: 50 });
    host.live.subscribe(watcher, aborted.handler, { signal: abort.signal });
    {
      using _gone = host.live.subscribe(watcher, () => expect.unreachable());
    }
    abort.abort();
    host.run('INSERT INTO users(id) VALUES (3)');
    await settle();
    host.run('INSERT INTO users(id) VALUES (4)');
    await settle();
    expect(filtered.short).toEqual(['INSERT 4']);
    expect(debounced.batches).toEqual([]);
    await host.clock.advance(50);
    expect(debounced.batches).toHaveLength(1);
    expect(debounced.short).toEqual(['INSERT 3', 'INSERT 4']);
    expect(aborted.batches).toEqual([]);
    expect(watcher.subscriptions.size).toBe(2);
    host.live.unwatch(watcher);
    host.live.unwatch(watcher);
    host.run('INSERT INTO users(id) VALUES (5)');
    await host.flush();
    expect(filtered.events).toHaveLength(1);
    expect(() => watcher.rows()).toThrow('has ended');
  });

  test('may write, watch and unsubscribe in their handlers', async () => {
    const host = openLiveHost({ schema: SCHEMA });
    const inner = collector();
    const heard = host.live.watch('SELECT id FROM users');
    const subscription = host.live.subscribe(heard, async () => {
      host.live.unsubscribe(subscription);
      host.live.subscribe(host.live.watch('SELECT count(*) AS n FROM tasks'), inner.handler);
      await host.db.exclusive(() => host.db.run('INSERT INTO tasks VALUES (1, 1, 1)'));
    });
    host.run('INSERT INTO users(id) VALUES (3)');
    await until(() => inner.events.length > 0);
    expect(inner.events.map((event) => event.newData)).toEqual([{ n: 1 }]);
  });

  test('in a transaction that made the table hear of it once it has committed', async () => {
    const host = openLiveHost({ schema: SCHEMA });
    const got = collector();
    await host.db.transaction(() => {
      host.db.exec('CREATE TABLE fresh(id INTEGER PRIMARY KEY, a)');
      const watcher = host.live.watch('SELECT * FROM fresh WHERE a = ?', [1]);
      host.live.subscribe(watcher, got.handler);
      host.db.run('INSERT INTO fresh VALUES (1, 1), (2, 2)');
    });
    await host.flush();
    expect(got.short).toEqual(['INSERT 1']);
    host.run('INSERT INTO fresh VALUES (3, 1)');
    await host.flush();
    expect(got.short).toEqual(['INSERT 1', 'INSERT 3']);
  });

  test('of an in-memory database never see what is not committed', async () => {
    const host = openLiveHost({ schema: SCHEMA, file: ':memory:' });
    const got = collector();
    await host.db
      .transaction(async () => {
        host.db.run('DELETE FROM users');
        host.db.outside(() =>
          host.live.subscribe(host.live.watch('SELECT id FROM users'), got.handler, { initial: true }),
        );
        await settle();
        throw new Error('undone');
      })
      .catch(() => undefined);
    await settle();
    await host.flush();
    expect(got.short).toEqual(['INSERT 1', 'INSERT 2']);
    host.run('INSERT INTO users(id) VALUES (3)');
    await host.flush();
    expect(got.short).toEqual(['INSERT 1', 'INSERT 2', 'INSERT 3']);
  });
});

test('what a query needed leaves with its last watcher, not before', async () => {
  const host = openLiveHost({ schema: SCHEMA });
  const [first, second] = [host.live.watch(COUNTS), host.live.watch('SELECT id FROM users')];
  await host.flush();
  expect([triggersOf(host, 'users'), triggersOf(host, 'tasks')].every((count) => Number(count) > 0)).toBe(true);
  host.live.unwatch(first);
  await host.flush();
  expect(triggersOf(host, 'tasks')).toBe(0);
  expect(triggersOf(host, 'users')).not.toBe(0);
  host.live.unwatch(second.id);
  await host.flush();
  expect(triggersOf(host, 'users')).toBe(0);
  expect(host.live.stats()).toMatchObject({ watchers: 0, queries: 0, subscriptions: [] });
  expect(host.db.value('SELECT count(*) FROM _capsule_watchers')).toBe(0);
});
