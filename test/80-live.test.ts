/** Query watchers: what can be watched, what they hold, and what they report. */
import { describe, expect, test } from 'vitest';
import { GlyphError } from '../kernel/errors.ts';
import type { ChangeEvent } from '../plugins/capsule/types.ts';
import { openLiveHost } from './80-live-support.ts';
import { shortly, sqlite3 } from './support.ts';

const SCHEMA = `
  CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT, v);
  CREATE TABLE tasks(id INTEGER PRIMARY KEY, user_id INTEGER REFERENCES users(id) ON DELETE CASCADE, k INTEGER, note JSON);
  CREATE VIEW busy AS SELECT u.id, count(t.id) AS n FROM users u LEFT JOIN tasks t ON t.user_id = u.id GROUP BY u.id;
  INSERT INTO users VALUES (1, 'Ann', 1), (2, 'Bob', 2);
  INSERT INTO tasks VALUES (10, 1, 1, '{"a":[1]}'), (11, 1, 2, NULL);`;

const codeOf = (call: () => unknown): string => {
  try {
    call();
    return 'nothing was thrown';
  } catch (error) {
    if (!(error instanceof GlyphError)) throw error;
    expect(error.hint).not.toBe('');
    return error.code;
  }
};

/** What an event says of the row. */
const bare = ({ operation, tableName, rowId, oldData, newData, changedColumns }: ChangeEvent): object => ({
  operation,
  tableName,
  rowId,
  ...(oldData === undefined ? {} : { oldData }),
  ...(newData === undefined ? {} : { newData }),
  ...(changedColumns === undefined ? {} : { changedColumns }),
});

describe('watching a query refuses', () => {
  test.each([
    ['', 'GC_BAD_ARGUMENT'],
    ['-- nothing', 'GC_BAD_ARGUMENT'],
    [5 as never, 'GC_BAD_ARGUMENT'],
    ['SELEC 1', 'GC_SQL'],
    ['SELECT * FROM nowhere', 'GC_NO_SUCH_TABLE'],
    ['SELECT nope FROM users', 'GC_NO_SUCH_COLUMN'],
    ['SELECT 1; SELECT 2', 'GC_SQL'],
    ['DELETE FROM users', 'GC_WRITE_IN_QUERY'],
    ['WITH x AS (SELECT 1) UPDATE users SET v = 1 RETURNING id', 'GC_WRITE_IN_QUERY'],
    ['CREATE TABLE x(a)', 'GC_WRITE_IN_QUERY'],
    ['PRAGMA user_version', 'GC_NOT_WATCHABLE'],
    ['BEGIN', 'GC_NOT_WATCHABLE'],
    ['VACUUM', 'GC_NOT_WATCHABLE'],
    ['EXPLAIN SELECT 1', 'GC_NOT_WATCHABLE'],
    ['SELECT * FROM sqlite_schema', 'GC_NOT_WATCHABLE'],
    ['SELECT * FROM _capsule_log', 'GC_NOT_WATCHABLE'],
    ['SELECT * FROM _capsule_events', 'GC_NOT_WATCHABLE'],
    ['SELECT * FROM users WHERE id = ?', 'GC_BAD_ARGUMENT'],
    ['SELECT * FROM users WHERE id = :id', 'GC_BAD_ARGUMENT'],
  ])('%s with %s', (sql, code) => {
    const host = openLiveHost({ schema: SCHEMA });
    expect(codeOf(() => host.live.watch(sql))).toBe(code);
    // What was refused leaves no triggers.
    expect(
      host.db.value("SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND tbl_name IN ('users', 'tasks')"),
    ).toBe(0);
  });

  test('virtual and temporary tables, and parameters that cannot be bound', () => {
    const host = openLiveHost({ schema: `${SCHEMA} CREATE VIRTUAL TABLE words USING fts5(word)` });
    host.db.sqlite.exec('CREATE TEMP TABLE mine(a)');
    expect(codeOf(() => host.live.watch("SELECT * FROM words('x')"))).toBe('GC_NOT_WATCHABLE');
    expect(codeOf(() => host.live.watch('SELECT * FROM mine'))).toMatch(/GC_NO_SUCH_TABLE|GC_NOT_WATCHABLE/);
    host.db.sqlite.function('twice', (value) => Number(value) * 2);
    expect(() => host.live.watch('SELECT twice(v) FROM users')).toThrow('no such function: twice');
    expect(codeOf(() => host.live.watch('SELECT ?', [() => 1]))).toBe('GC_BAD_VALUE');
    expect(codeOf(() => host.live.watch('SELECT ?', [1, 2]))).toBe('GC_BAD_ARGUMENT');
    expect(codeOf(() => host.live.watch('SELECT 1', 5 as never))).toBe('GC_BAD_ARGUMENT');
  });

  test('subscriptions that would be durable, and options that are none', () => {
    const { live } = openLiveHost({ schema: SCHEMA });
    const watcher = live.watch('SELECT * FROM users');
    const handler = (): void => undefined;
    expect(codeOf(() => live.subscribe('no-such-id', handler))).toBe('GC_NO_SUCH_WATCHER');
    expect(codeOf(() => live.subscribe(watcher, 5 as never))).toBe('GC_BAD_ARGUMENT');
    expect(codeOf(() => live.subscribe(watcher, handler, 5 as never))).toBe('GC_BAD_ARGUMENT');
    for (const options of [{ name: 'x' }, { from: 0 }, { debounce: -1 }, { filter: 5 }, { initial: 1 }])
      expect(codeOf(() => live.subscribe(watcher, handler, options as never))).toBe('GC_BAD_OPTION');
    expect(codeOf(() => live.subscribe(watcher, handler, { signal: AbortSignal.abort() }))).toBe('GC_BAD_ARGUMENT');
  });
});

describe('rows()', () => {
  test('is the result now when nobody subscribes, and the same array while nothing changes', () => {
    const host = openLiveHost({ schema: SCHEMA });
    const watcher = host.live.watch('SELECT id, name FROM users WHERE id < :max', { max: 9 });
    const rows = watcher.rows();
    expect(rows).toEqual([
      { id: 1, name: 'Ann' },
      { id: 2, name: 'Bob' },
    ]);
    expect(watcher.rows()).toBe(rows);
    host.run("UPDATE users SET name = 'Ben' WHERE id = 2");
    expect(watcher.rows()[1]).toEqual({ id: 2, name: 'Ben' });
    expect(watcher.rows()[0]).toBe(rows[0]);
    sqlite3(host.file, 'DELETE FROM users WHERE id = 1');
    expect(watcher.rows()).toEqual([{ id: 2, name: 'Ben' }]);
    expect(Object.isFrozen(watcher.rows())).toBe(true);
  });

  test('is what the subscribers were told last', async () => {
    const host = openLiveHost({ schema: SCHEMA, batching: { batchInterval: 100 } });
    const heard = host.heard('SELECT count(*) AS n FROM users');
    host.run("INSERT INTO users VALUES (3, 'Cid', 3)");
    expect(heard.watcher.rows()).toEqual([{ n: 2 }]);
    await host.flush();
    expect(heard.watcher.rows()).toEqual([{ n: 3 }]);
    expect(heard.short).toEqual(['UPDATE ']);
  });

  test('shows JSON parsed, as queries do, and names that are odd', () => {
    const host = openLiveHost({ schema: SCHEMA });
    const sql = 'SELECT note, id AS "__proto__", k, k + 1 AS k FROM tasks';
    const [first] = host.live.watch(sql).rows();
    expect(first?.['note']).toEqual({ a: [1] });
    expect(Object.keys(first ?? {})).toEqual(['note', '__proto__', 'k']);
    expect(host.live.watch(sql, [], { json: 'text' }).rows()[0]?.['note']).toBe('{"a":[1]}');
  });
});

describe('differences', () => {
  test('are told by key, with old and new row', async () => {
    const host = openLiveHost({ schema: SCHEMA });
    const heard = host.heard('SELECT u.name, t.id, t.k, u.id AS uid FROM tasks t JOIN users u ON u.id = t.user_id');
    expect(heard.watcher.explain().key).toEqual(['tasks.id', 'users.id']);
    host.run(
      'UPDATE tasks SET k = 5 WHERE id = 10; INSERT INTO tasks VALUES (12, 2, 1, NULL); DELETE FROM tasks WHERE id = 11',
    );
    await host.flush();
    expect(heard.batches).toHaveLength(1);
    expect(heard.events.map(bare)).toEqual([
      { operation: 'DELETE', tableName: '(query)', rowId: [11, 1], oldData: { name: 'Ann', id: 11, k: 2, uid: 1 } },
      {
        operation: 'UPDATE',
        tableName: '(query)',
        rowId: [10, 1],
        oldData: { name: 'Ann', id: 10, k: 1, uid: 1 },
        newData: { name: 'Ann', id: 10, k: 5, uid: 1 },
        changedColumns: ['k'],
      },
      { operation: 'INSERT', tableName: '(query)', rowId: [12, 2], newData: { name: 'Bob', id: 12, k: 1, uid: 2 } },
    ]);
    const [event] = heard.events;
    expect(event).toMatchObject({ seq: host.capsule.end, watcherId: heard.watcher.id, source: 'host' });
    expect(event?.timestamp).toBeInstanceOf(Date);
    expect(event?.transactionId).not.toBe('');
  });

  test('have positions where the query has an order, moves included', async () => {
    const host = openLiveHost({ schema: SCHEMA });
    host.run("INSERT INTO users VALUES (3, 'Cid', 3), (4, 'Dan', 4)");
    const heard = host.heard('SELECT id, name FROM users ORDER BY v');
    host.run('UPDATE users SET v = 0 WHERE id = 4');
    await host.flush();
    // The row itself is the same, it only stands elsewhere; the others are not mentioned.
    expect(heard.events.map((e) => [e.operation, e.rowId, e.oldIndex, e.index, e.changedColumns])).toEqual([
      ['UPDATE', 4, 3, 0, []],
    ]);
    heard.clear();
    host.run("DELETE FROM users WHERE id = 1; INSERT INTO users VALUES (5, 'Eve', 2.5)");
    await host.flush();
    expect(heard.events.map((e) => [e.operation, e.rowId, e.oldIndex, e.index])).toEqual([
      ['DELETE', 1, 1, undefined],
      ['INSERT', 5, undefined, 2],
    ]);
    expect(heard.watcher.rows().map((row) => row['id'])).toEqual([4, 2, 5, 3]);
  });

  test('of a LIMIT window tell what slid in and out', async () => {
    const host = openLiveHost({ schema: SCHEMA });
    const heard = host.heard('SELECT id FROM users ORDER BY v DESC LIMIT 2');
    host.run("INSERT INTO users VALUES (3, 'Cid', 9)");
    await host.flush();
    expect(heard.short).toEqual(['DELETE 1', 'INSERT 3']);
    host.run('DELETE FROM users WHERE id = 2');
    await host.flush();
    expect(heard.short.slice(2)).toEqual(['DELETE 2', 'INSERT 1']);
  });

  test('of rows without a key are told as wholes, as often as there are', async () => {
    const host = openLiveHost({ schema: `${SCHEMA} CREATE TABLE bag(a, b)` });
    host.run("INSERT INTO bag VALUES (1, 'x'), (1, 'x'), (NULL, x'00')");
    const heard = host.heard('SELECT a, b FROM bag');
    expect(heard.watcher.explain().key).toBeUndefined();
    host.run("INSERT INTO bag VALUES (1, 'x'); DELETE FROM bag WHERE a IS NULL");
    await host.flush();
    expect(heard.events.map(({ operation, rowId }) => [operation, rowId])).toEqual([
      ['DELETE', [null, Buffer.from([0])]],
      ['INSERT', [1, 'x']],
    ]);
  });

  test('tell values apart exactly: types, case, integers beyond 2^53, BLOBs, NULL', async () => {
    const host = openLiveHost({ schema: SCHEMA });
    const heard = host.heard('SELECT id, name COLLATE NOCASE AS name, v FROM users WHERE id = 1');
    for (const v of ['9007199254740993', '9007199254740992', "'1'", '1', "x'31'", 'NULL', "''", "'a'", "'A'"]) {
      heard.clear();
      host.run(`UPDATE users SET v = ${v} WHERE id = 1`);
      await host.flush();
      const expected = host.db.value('SELECT v FROM users WHERE id = 1');
      expect(
        heard.events.map((event) => event.newData?.['v']),
        v,
      ).toEqual(v === '9007199254740993' ? [9007199254740993n] : [expected].flat());
    }
    heard.clear();
    host.run("UPDATE users SET name = 'ANN' WHERE id = 1");
    await host.flush();
    expect(heard.events.at(-1)?.newData?.['name']).toBe('ANN');
  });

  test('of a key that repeats are told without it, from then on', async () => {
    const host = openLiveHost({ schema: SCHEMA });
    const heard = host.heard('SELECT u.id, t.k FROM users u LEFT JOIN tasks t ON t.user_id = u.id WHERE t.k IS NOT 2');
    expect(heard.watcher.explain().key).toEqual(['users.id']);
    host.run('UPDATE tasks SET k = 3 WHERE id = 11');
    await host.flush();
    expect(heard.short).toEqual(['INSERT 1/3']);
    expect(heard.watcher.explain().key).toBeUndefined();
  });

  test.each([
    ['a unique column that is never NULL', 'SELECT code, v FROM things', ['things.code']],
    ['a composite key, whole', 'SELECT * FROM pairs', ['pairs.a', 'pairs.b']],
    ['what it is grouped by', 'SELECT v, count(*) AS n FROM things GROUP BY v', ['things.v']],
    ['a rowid', 'SELECT rowid, v FROM things', ['things.rowid']],
    ['nothing, for one row of aggregates', 'SELECT count(*) AS n, max(v) FROM things', []],
    [
      'both sides of a self join',
      'SELECT a.id, b.id AS other FROM users a JOIN users b ON a.v < b.v',
      ['users.id', 'users.id'],
    ],
    ['only what is shown', 'SELECT * FROM tasks t JOIN users u ON u.id = t.user_id', ['users.id']],
    ['a view’s', 'SELECT * FROM busy', ['users.id']],
  ])('find as key %s', (_what, sql, key) => {
    const host = openLiveHost({
      schema: `${SCHEMA} CREATE TABLE things(code TEXT NOT NULL UNIQUE, v); CREATE TABLE pairs(a, b, c, PRIMARY KEY(a, b)) WITHOUT ROWID`,
    });
    expect(host.live.watch(sql).explain().key).toEqual(key);
  });
});

test('a column that another hides is no part of the result', async () => {
  const host = openLiveHost({ schema: SCHEMA });
  const heard = host.heard('SELECT t.id, t.k, u.id FROM tasks t JOIN users u ON u.id = t.user_id');
  const rows = heard.watcher.rows();
  expect(rows[0]).toEqual({ id: 1, k: 1 });
  host.run('UPDATE tasks SET id = 20 WHERE id = 11');
  await host.flush();
  expect(heard.batches).toEqual([]);
  expect(heard.watcher.rows()).toBe(rows);
});

describe('explain()', () => {
  test('names tables and columns, through views', () => {
    const { live } = openLiveHost({ schema: SCHEMA });
    expect(live.watch('SELECT * FROM busy').explain()).toEqual({
      mode: 'incremental',
      why: expect.stringContaining('the values of "busy"."id" are found that it reaches') as string,
      tables: ['users', 'tasks'],
      columns: { users: ['id'], tasks: ['id', 'user_id'] },
      key: ['users.id'],
      ordered: false,
    });
    expect(live.watch('SELECT id FROM users ORDER BY 1').explain().ordered).toBe(true);
  });

  test('says what changes without a commit', () => {
    const { live } = openLiveHost({ schema: SCHEMA });
    const { why } = live.watch("SELECT random(), datetime('now') FROM users").explain();
    expect(why).toContain('It calls random(), datetime(), which may give another value at any time');
  });
});

test('events and rows share the objects; the watcher has the spec’s fields', async () => {
  const host = openLiveHost({ schema: SCHEMA });
  const heard = host.heard('SELECT * FROM users', undefined, { initial: true, listenerId: 'mine' });
  await host.flush();
  expect(heard.events.map(shortly)).toEqual(['INSERT 1', 'INSERT 2']);
  expect(heard.events[0]?.newData).toBe(heard.watcher.rows()[0]);
  expect(heard.watcher).toMatchObject({
    tableOrQuery: 'SELECT * FROM users',
    description: 'query SELECT * FROM users',
  });
  expect(heard.watcher.createdAt).toBeInstanceOf(Date);
  expect([...heard.watcher.subscriptions]).toEqual([heard.subscription.id]);
  expect(heard.subscription).toMatchObject({ watcherId: heard.watcher.id, listenerId: 'mine' });
});
