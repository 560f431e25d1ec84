/** Where the hooks get their data from: a database in this process, shared and kept a moment. */
import { beforeEach, describe, expect, test } from 'vitest';
import { GlyphCase } from '../sdk/index.ts';
import type { ChangeEvent } from '../sdk/index.ts';
import { liveSource } from '../sdk/react/index.ts';
import type { LiveQuery, LiveSource, QueryState } from '../sdk/react/index.ts';
import { success } from '../sdk/react/live-source.ts';
import { Observations } from '../sdk/react/observations.ts';
import { afterTest, fakeClock, tempFile } from './support.ts';
import type { FakeClock } from './10-kernel-support.ts';

let db: GlyphCase;
let clock: FakeClock;
let source: LiveSource;

beforeEach(async () => {
  db = new GlyphCase(tempFile(), { capsule: { batchInterval: 0 } });
  afterTest(() => db.close());
  clock = fakeClock();
  source = liveSource(db, { timers: clock });
  await db.execute(`
    CREATE TABLE tasks(id INTEGER PRIMARY KEY, title TEXT, done INTEGER DEFAULT 0);
    INSERT INTO tasks(id, title) VALUES (1, 'one'), (2, 'two'), (3, 'three');`);
  await db.flush();
});

/** How many queries and watches are open. A query also has watchers of its own on tables. */
function open(): number {
  const { watchers, subscriptions } = db.stats();
  if (subscriptions.length === 0) expect(watchers).toBe(0);
  return subscriptions.length;
}

/** Subscribes and counts. */
function listened(query: LiveQuery): { readonly count: number; stop(): void } {
  let count = 0;
  const stop = query.subscribe(() => (count += 1));
  return {
    get count() {
      return count;
    },
    stop,
  };
}

const SELECT = { sql: 'SELECT id, title FROM tasks ORDER BY id' };

describe('what cannot be observed', () => {
  test.each([
    ['no SQL', 'SELEC 1', 'GC_NO_SUCH_TABLE'],
    ['wrong SQL', 'SELECT FROM', 'GC_SQL'],
    ['no such column', 'SELECT nope FROM tasks', 'GC_NO_SUCH_COLUMN'],
    ['a write', 'DELETE FROM tasks', 'GC_WRITE_IN_QUERY'],
    [
      'a write that returns rows',
      "WITH x AS (SELECT 1) INSERT INTO tasks(title) VALUES ('x') RETURNING id",
      'GC_WRITE_IN_QUERY',
    ],
    ['a table', 'tasks', 'GC_BAD_ARGUMENT'],
    ['what no trigger sees', 'SELECT name FROM sqlite_schema', 'GC_NOT_WATCHABLE'],
  ])('%s', (_, sql, code) => {
    const { status, rows, error } = source.observe({ sql }).getSnapshot();
    expect({ status, rows, code: error?.code }).toEqual({ status: 'error', rows: [], code });
    expect(open()).toBe(0);
  });

  test('parameters that cannot be bound', () => {
    const query = source.observe({ sql: 'SELECT ?', params: [Symbol('x')] as never });
    expect(query.getSnapshot().error?.code).toBe('GC_BAD_VALUE');
    expect(source.observe({ sql: 'SELECT id FROM tasks WHERE id = ?', params: [] }).getSnapshot().status).toBe('error');
  });

  test('a row by a key of another width', () => {
    const { error } = source.observe({ table: 'tasks', id: [1, 2] }).getSnapshot();
    expect(error?.code).toBe('GC_BAD_ARGUMENT');
    expect(error?.message).toContain('The primary key of tasks is id');
  });
});

describe('a query', () => {
  test('has its rows at once, and the same state until something changes', async () => {
    const query = source.observe(SELECT);
    const before = query.getSnapshot();
    expect(before.rows).toEqual([
      { id: 1, title: 'one' },
      { id: 2, title: 'two' },
      { id: 3, title: 'three' },
    ]);
    const heard = listened(query);
    await db.execute('UPDATE tasks SET done = 1');
    await db.flush();
    expect(query.getSnapshot()).toBe(before);
    await db.update('tasks', 2, { title: 'zwei' });
    await db.flush();
    const after = query.getSnapshot();
    expect(after).not.toBe(before);
    expect(after.rows.map((row, index) => row === before.rows[index])).toEqual([true, false, true]);
    expect(heard.count).toBe(1);
  });

  test('is one for all who want it, with parameters compared by value', () => {
    const sql = 'SELECT id FROM tasks WHERE id > $a AND id < $b';
    const one = source.observe({ sql, params: { a: 0, b: 9 } });
    const same = source.observe({ sql, params: { b: 9, a: 0 } });
    const other = source.observe({ sql, params: { a: 0, b: 2 } });
    expect(one.getSnapshot()).toBe(same.getSnapshot());
    expect(other.getSnapshot().rows).toEqual([{ id: 1 }]);
    expect(open()).toBe(2);
    const bytes = (...list: number[]) =>
      source.observe({ sql: 'SELECT id FROM tasks WHERE title = ?', params: [Uint8Array.from(list)] });
    expect(bytes(1, 2).getSnapshot()).toBe(bytes(1, 2).getSnapshot());
    expect(bytes(1, 2).getSnapshot()).not.toBe(bytes(1, 3).getSnapshot());
    const big = (value: bigint | number) => source.observe({ sql: 'SELECT ? AS v FROM tasks', params: [value] });
    expect(big(1n).getSnapshot()).not.toBe(big(1).getSnapshot());
  });

  test('that nobody subscribes to ends after a moment', async () => {
    source.observe(SELECT).getSnapshot();
    expect(open()).toBe(1);
    await clock.advance(999);
    expect(open()).toBe(1);
    await clock.advance(1);
    expect(open()).toBe(0);
    expect(clock.pending).toBe(0);
  });

  test('is not opened anew when its only subscriber comes back, and ends after the last one went', async () => {
    const query = source.observe(SELECT);
    const state = query.getSnapshot();
    listened(query).stop();
    await clock.advance(500);
    const [first, second] = [listened(query), listened(query)];
    await clock.advance(60_000);
    expect(query.getSnapshot()).toBe(state);
    first.stop();
    first.stop();
    await clock.advance(60_000);
    expect(open()).toBe(1);
    second.stop();
    await clock.advance(1000);
    expect([open(), clock.pending]).toEqual([0, 0]);
  });

  test('keeps ending on time while it changes', async () => {
    listened(source.observe(SELECT)).stop();
    for (const title of ['a', 'b', 'c']) {
      await clock.advance(400);
      await db.update('tasks', 1, { title });
      await db.flush();
    }
    expect(open()).toBe(0);
  });

  test('that was closed in between is current again for who still holds it', async () => {
    const query = source.observe(SELECT);
    query.getSnapshot();
    await clock.advance(1000);
    await db.delete('tasks', 1);
    const heard = listened(query);
    expect(query.getSnapshot().rows).toHaveLength(2);
    await db.delete('tasks', 2);
    await db.flush();
    expect([heard.count, query.getSnapshot().rows]).toEqual([1, [{ id: 3, title: 'three' }]]);
    heard.stop();
    await clock.advance(1000);
    expect(open()).toBe(0);
  });

  test('whose table is dropped is an error, and comes back with the table', async () => {
    const query = source.observe(SELECT);
    const heard = listened(query);
    await db.execute('DROP TABLE tasks');
    await db.flush();
    expect(query.getSnapshot()).toMatchObject({ status: 'error', rows: [], error: { code: 'GC_NO_SUCH_TABLE' } });
    await db.execute("CREATE TABLE tasks(id INTEGER PRIMARY KEY, title TEXT); INSERT INTO tasks VALUES (7, 'new')");
    await db.flush();
    expect(query.getSnapshot()).toMatchObject({ status: 'success', rows: [{ id: 7, title: 'new' }], error: undefined });
    expect(heard.count).toBe(2);
  });

  test('whose table is not there yet waits for it', async () => {
    const query = source.observe({ sql: 'SELECT * FROM later' });
    const heard = listened(query);
    const error = query.getSnapshot();
    expect(error.error?.code).toBe('GC_NO_SUCH_TABLE');
    await clock.advance(1000);
    expect([query.getSnapshot() === error, heard.count]).toEqual([true, 0]);
    await db.execute('CREATE TABLE later(id INTEGER PRIMARY KEY)');
    await clock.advance(1000);
    expect([query.getSnapshot().status, heard.count]).toEqual(['success', 1]);
    heard.stop();
    await clock.advance(1000);
    expect([open(), clock.pending]).toEqual([0, 0]);
  });

  test('can be tried again', async () => {
    const query = source.observe({ sql: 'SELECT * FROM later' });
    const heard = listened(query);
    await db.execute('CREATE TABLE later(id INTEGER PRIMARY KEY)');
    query.retry();
    expect(query.getSnapshot().status).toBe('success');
    expect(open()).toBe(1);
    heard.stop();
  });

  test('that is let go is gone at once, unless somebody subscribes', async () => {
    const query = source.observe(SELECT);
    query.getSnapshot();
    query.letGo();
    const heard = listened(query);
    query.letGo();
    await clock.advance(5000);
    expect(open()).toBe(1);
    heard.stop();
    query.letGo();
    await clock.advance(0);
    expect(open()).toBe(0);
  });
});

describe('what is not there yet', () => {
  /** A source that is answered by hand. */
  function slow() {
    const tells: ((state: QueryState) => void)[] = [];
    let closed = 0;
    const observations = new Observations({
      open: (_, tell) => {
        tells.push(tell);
        return () => (closed += 1);
      },
      timers: clock,
      keep: 1000,
    });
    return { query: observations.observe(SELECT), observations, tells, closed: () => closed };
  }

  test('is given up when nobody waits for it', async () => {
    const { query, observations, closed } = slow();
    expect(query.getSnapshot().status).toBe('pending');
    await clock.advance(1000);
    expect([observations.size, closed()]).toEqual([0, 1]);
  });

  test('is kept for who waits, and then as long as what else they wait for may take', async () => {
    const { query, observations, tells } = slow();
    const waiting = query.settled();
    expect(query.settled()).toBe(waiting);
    await clock.advance(120_000);
    expect([observations.size, query.getSnapshot().status]).toEqual([1, 'pending']);
    tells[0]?.(success([{ id: 1 }]));
    await waiting;
    await clock.advance(29_000);
    expect(query.getSnapshot().rows).toEqual([{ id: 1 }]);
    await clock.advance(1000);
    expect(observations.size).toBe(0);
  });

  test('is kept no longer than others once it was shown', async () => {
    const { query, observations, tells } = slow();
    void query.settled();
    tells[0]?.(success([]));
    query.subscribe(() => undefined)();
    await clock.advance(1000);
    expect(observations.size).toBe(0);
  });

  test('tells nobody of what comes after it was begun anew', () => {
    const { query, tells, closed } = slow();
    const heard = listened(query);
    query.retry();
    tells[0]?.(success([{ id: 0 }]));
    expect([heard.count, closed(), query.getSnapshot().status]).toEqual([0, 1, 'pending']);
    tells[1]?.(success([{ id: 1 }]));
    expect([heard.count, query.getSnapshot().rows]).toEqual([1, [{ id: 1 }]]);
  });
});

describe('a row by its key', () => {
  test.each([
    ['an integer', 'CREATE TABLE t(k INTEGER PRIMARY KEY, v)', "INSERT INTO t VALUES (5, 'x')", 5, { k: 5, v: 'x' }],
    [
      'a text in quotes',
      'CREATE TABLE t("my ""key" TEXT PRIMARY KEY)',
      "INSERT INTO t VALUES ('a')",
      'a',
      { 'my "key': 'a' },
    ],
    [
      'two columns in their own order',
      'CREATE TABLE t(v, b, a, PRIMARY KEY(a, b)) WITHOUT ROWID',
      'INSERT INTO t VALUES (0, 2, 1)',
      [1, 2],
      { v: 0, b: 2, a: 1 },
    ],
    [
      'none declared',
      'CREATE TABLE t(rowid TEXT, v)',
      "INSERT INTO t(_rowid_, rowid, v) VALUES (9, 'no', 1)",
      9,
      { rowid: 'no', v: 1 },
    ],
    [
      'a bigint',
      'CREATE TABLE t(k INTEGER PRIMARY KEY)',
      'INSERT INTO t VALUES (9007199254740993)',
      9007199254740993n,
      { k: 9007199254740993n },
    ],
  ])('%s', async (_, table, row, id, expected) => {
    await db.execute(`${table}; ${row}`);
    const query = source.observe({ table: 't', id });
    listened(query);
    expect(query.getSnapshot().rows).toEqual([expected]);
    await db.execute('DELETE FROM t');
    await db.flush();
    expect(query.getSnapshot()).toMatchObject({ status: 'success', rows: [] });
  });

  test('of a table that does not exist is an error', () => {
    expect(source.observe({ table: 'nope', id: 1 }).getSnapshot().error?.code).toBe('GC_NO_SUCH_TABLE');
  });
});

describe('watching', () => {
  const watched = (request: Parameters<LiveSource['watch']>[0]) => {
    const events: ChangeEvent[] = [];
    const errors: string[] = [];
    const stop = source.watch(request, {
      changed: (some) => events.push(...some),
      failed: ({ code }) => errors.push(code),
    });
    return { events, errors, stop };
  };

  test('a table, a filter, a query with its rows', async () => {
    const table = watched({ tableOrQuery: 'tasks' });
    const filter = watched({ tableOrQuery: 'tasks', filter: 'id > ?', params: [2] });
    const query = watched({ tableOrQuery: 'SELECT count(*) AS n FROM tasks WHERE id > ?', params: [1], initial: true });
    await db.flush();
    await db.execute('DELETE FROM tasks WHERE id IN (1, 3)');
    await db.flush();
    expect(table.events.map(({ operation, rowId }) => [operation, rowId])).toEqual([
      ['DELETE', 1],
      ['DELETE', 3],
    ]);
    expect(filter.events.map(({ rowId }) => rowId)).toEqual([3]);
    expect(query.events.map(({ newData }) => newData)).toEqual([{ n: 2 }, { n: 1 }]);
    for (const { stop, errors } of [table, filter, query]) {
      expect(errors).toEqual([]);
      stop();
    }
    expect(open()).toBe(0);
  });

  test('what cannot be watched says so', () => {
    expect(watched({ tableOrQuery: 'nope' }).errors).toEqual(['GC_NO_SUCH_TABLE']);
    expect(watched({ tableOrQuery: 'tasks', debounce: -1 }).errors).toEqual(['GC_BAD_OPTION']);
    expect(open()).toBe(0);
  });
});

test('the source of a database is one', () => {
  expect(liveSource(db)).toBe(liveSource(db));
  expect(liveSource(db, {})).not.toBe(liveSource(db));
});

test('components may go after the database was closed', async () => {
  const query = source.observe(SELECT);
  const heard = listened(query);
  const stop = source.watch({ tableOrQuery: 'tasks' }, { changed: () => undefined, failed: () => undefined });
  await db.close();
  heard.stop();
  stop();
  await clock.advance(1000);
  expect(clock.pending).toBe(0);
  expect(query.getSnapshot().error?.code).toBe('GC_CLOSED');
});
