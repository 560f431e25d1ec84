/**
 * `_capsule_events`: the log as every program can query it. What a query of the documentation says must hold, also for a log of
 * a million changes.
 */
import BetterSqlite3 from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { openHost, sqlite3, tempFile } from './support.ts';
import type { Event } from './35-events-view-support.ts';
import { USERS, COLUMNS, shell, both, logged } from './35-events-view-support.ts';

describe('what the documentation promises', () => {
  test('the columns and their order', async () => {
    const host = await logged(USERS, 'users', "INSERT INTO users(name) VALUES ('A')");
    expect(
      host.db
        .prepareRead('SELECT * FROM _capsule_events')
        .columns()
        .map((column) => column.name),
    ).toEqual(COLUMNS);
    expect(Object.keys(shell(host, 'SELECT * FROM _capsule_events')[0] as Event)).toEqual(COLUMNS);
  });

  test('one row per change, with its images, its transaction and its watcher', async () => {
    const host = openHost({ schema: USERS });
    const watcher = host.capsule.watch('users');
    host.capsule.watch('users');
    host.run("INSERT INTO users VALUES (1, 'Alice', 'active'); UPDATE users SET status = 'gone' WHERE id = 1");
    host.run('DELETE FROM users');
    await host.flush();
    const rows = both(host, 'SELECT * FROM _capsule_events ORDER BY id');
    const image = (status: string): string => `{"id":1,"name":"Alice","status":"${status}"}`;
    expect(rows.map(({ operation, row_id, old_data, new_data }) => [operation, row_id, old_data, new_data])).toEqual([
      ['INSERT', 1, null, image('active')],
      ['UPDATE', 1, image('active'), image('gone')],
      ['DELETE', 1, image('gone'), null],
    ]);
    expect(rows.map(({ watcher_id, table_name, source }) => [watcher_id, table_name, source])).toEqual(
      Array.from({ length: 3 }, () => [watcher.id, 'users', 'host']),
    );
    const [first, second, third] = rows.map((row) => row['transaction_id']);
    expect(first).toBe(second);
    expect(third).not.toBe(first);
    expect(rows[0]?.['timestamp']).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
    expect(shell(host, `SELECT id, status, source FROM _capsule_transactions WHERE id = '${String(first)}'`)).toEqual([
      { id: first, status: 'committed', source: 'host' },
    ]);
  });

  test('every query of the documentation works as it is written', async () => {
    const host = await logged(USERS, 'users', "INSERT INTO users VALUES (1, 'Alice', 'active')");
    host.collect(host.capsule.watch('users'));
    host.run('UPDATE users SET name = 2');
    expect(both(host, 'SELECT COUNT(*) FROM _capsule_events WHERE processed = 0')).toEqual([{ 'COUNT(*)': 1 }]);
    await host.flush();
    host.db.flushDeferred();
    expect(
      both(host, 'SELECT * FROM _capsule_watchers').map((row) => [row['table_or_query'], row['is_active']]),
    ).toEqual([
      ['users', 1],
      ['users', 1],
    ]);
    expect(both(host, "SELECT name FROM sqlite_master WHERE type='trigger'").length).toBeGreaterThan(3);
    expect(both(host, 'SELECT COUNT(*) FROM _capsule_events WHERE processed = 0')).toEqual([{ 'COUNT(*)': 0 }]);
    const recent = both(host, 'SELECT * FROM _capsule_events ORDER BY timestamp DESC LIMIT 10');
    expect(recent.map((row) => row['operation']).sort()).toEqual(['INSERT', 'UPDATE']);
    for (const script of [
      "DELETE FROM _capsule_events WHERE timestamp < datetime('now', '-7 days')",
      "DELETE FROM _capsule_events WHERE timestamp < datetime('now', '-7 days') AND source != 'sync'",
    ]) {
      expect(sqlite3(host.file, script)).toBe('');
      host.run(script);
    }
    expect(both(host, 'SELECT count(*) AS n FROM _capsule_events')).toEqual([{ n: 2 }]);
    sqlite3(host.file, 'VACUUM');
    expect(both(host, 'SELECT count(*) AS n FROM _capsule_events')).toEqual([{ n: 2 }]);
  });

  test('subscriptions and transactions have the documented columns', async () => {
    const host = await logged(USERS, 'users', "INSERT INTO users(name) VALUES ('A')");
    const columns = (table: string): string[] =>
      host.db
        .prepareRead(`SELECT * FROM ${table}`)
        .columns()
        .map((column) => column.name);
    expect(columns('_capsule_watchers')).toEqual(
      expect.arrayContaining([
        'id',
        'table_or_query',
        'filter_expression',
        'description',
        'created_at',
        'updated_at',
        'is_active',
        'subscription_count',
      ]),
    );
    expect(columns('_capsule_subscriptions')).toEqual(
      expect.arrayContaining([
        'id',
        'watcher_id',
        'listener_id',
        'listener_type',
        'filter_json',
        'created_at',
        'is_active',
      ]),
    );
    expect(columns('_capsule_transactions')).toEqual(
      expect.arrayContaining(['id', 'started_at', 'completed_at', 'status', 'event_count', 'source']),
    );
  });

  test("the table's own watcher keeps its id through a restart", async () => {
    const file = tempFile();
    const first = openHost({ file, schema: USERS });
    const { id } = first.capsule.watch('users');
    first.run("INSERT INTO users(name) VALUES ('A')");
    await first.close();
    const second = openHost({ file });
    expect(second.capsule.watch('users').id).toBe(id);
    expect(both(second, 'SELECT watcher_id FROM _capsule_events')).toEqual([{ watcher_id: id }]);
  });
});

describe('rows of other programs', () => {
  test('they show before any host has recorded them, and belong to a transaction once one has', async () => {
    const host = await logged(USERS, 'users', "INSERT INTO users(name) VALUES ('A')");
    host.capsule.keep('users');
    await host.close();
    sqlite3(host.file, "INSERT INTO users(name) VALUES ('B')");
    expect(
      shell(host, 'SELECT operation, source, transaction_id, row_id FROM _capsule_events ORDER BY id'),
    ).toMatchObject([
      { source: 'host', row_id: 1 },
      { source: 'external', row_id: 2, transaction_id: null },
    ]);
    expect(
      String(shell(host, 'SELECT timestamp FROM _capsule_events ORDER BY id DESC LIMIT 1')[0]?.['timestamp']),
    ).toMatch(/^\d{4}-/);
    const again = openHost({ file: host.file });
    again.capsule.watch('users');
    again.run("INSERT INTO users(name) VALUES ('C')");
    const rows = both(again, 'SELECT source, transaction_id, row_id FROM _capsule_events ORDER BY id');
    expect(rows.map((row) => row['source'])).toEqual(['host', 'external', 'host']);
    expect(new Set(rows.map((row) => row['transaction_id'])).size).toBe(3);
  });

  test('a file whose transactions nobody recorded yet shows everything', () => {
    const host = openHost({ schema: USERS });
    host.capsule.watch('users');
    sqlite3(host.file, "INSERT INTO users(name) VALUES ('A'), ('B')");
    expect(both(host, 'SELECT operation, row_id FROM _capsule_events ORDER BY id')).toEqual([
      { operation: 'INSERT', row_id: 1 },
      { operation: 'INSERT', row_id: 2 },
    ]);
  });

  test('the row that REPLACE removes shows as a DELETE once a host has seen it', async () => {
    const host = await logged(USERS, 'users', "INSERT INTO users VALUES (1, 'A', 'x')");
    host.collect(host.capsule.watch('users'));
    sqlite3(host.file, "REPLACE INTO users VALUES (1, 'B', 'y')");
    expect(both(host, 'SELECT operation FROM _capsule_events ORDER BY id').map((row) => row['operation'])).toEqual([
      'INSERT',
      'INSERT',
    ]);
    await host.flush();
    host.db.flushDeferred();
    expect(both(host, 'SELECT operation, row_id, old_data, new_data FROM _capsule_events ORDER BY id')).toEqual([
      { operation: 'INSERT', row_id: 1, old_data: null, new_data: '{"id":1,"name":"A","status":"x"}' },
      { operation: 'DELETE', row_id: 1, old_data: '{"id":1,"name":"A","status":"x"}', new_data: null },
      { operation: 'INSERT', row_id: 1, old_data: null, new_data: '{"id":1,"name":"B","status":"y"}' },
    ]);
  });
});

describe('processed', () => {
  test('it is 1 once every subscription of every host has passed the change', async () => {
    const host = openHost({ schema: USERS });
    let release = (): void => undefined;
    host.capsule.subscribe(host.capsule.watch('users'), () => new Promise<void>((resolve) => (release = resolve)));
    host.run("INSERT INTO users(name) VALUES ('A')");
    const processed = (): unknown => (
      host.db.flushDeferred(),
      both(host, 'SELECT processed FROM _capsule_events')[0]?.['processed']
    );
    const flushed = host.flush();
    await host.clock.advance(5000);
    expect(processed()).toBe(0);
    release();
    await flushed;
    expect(processed()).toBe(1);
  });

  test('a durable subscription that is not running keeps it at 0', async () => {
    const host = openHost({ schema: USERS });
    host.collect(host.capsule.watch('users'), { name: 'mailer' });
    host.run("INSERT INTO users(name) VALUES ('A')");
    await host.flush();
    await host.close();
    sqlite3(host.file, "INSERT INTO users(name) VALUES ('B')");
    expect(shell(host, 'SELECT processed FROM _capsule_events ORDER BY id')).toEqual([
      { processed: 1 },
      { processed: 0 },
    ]);
    const again = openHost({ file: host.file });
    again.capsule.watch('users');
    await again.flush();
    expect(both(again, 'SELECT processed FROM _capsule_events ORDER BY id')).toEqual([
      { processed: 1 },
      { processed: 0 },
    ]);
  });
});

describe('DELETE FROM _capsule_events', () => {
  test('it spares the newest change, so that no id is used twice', async () => {
    const host = await logged(USERS, 'users', "INSERT INTO users(name) VALUES ('A'), ('B'), ('C')");
    sqlite3(host.file, 'DELETE FROM _capsule_events');
    expect(both(host, 'SELECT id FROM _capsule_events')).toEqual([{ id: 3 }]);
    host.run('DELETE FROM users WHERE id = 1');
    expect(both(host, 'SELECT max(id) AS id FROM _capsule_events')).toEqual([{ id: 4 }]);
  });

  test('it spares what somebody has yet to get', async () => {
    const host = openHost({ schema: USERS });
    const watcher = host.capsule.watch('users');
    host.collect(watcher, { name: 'mailer' });
    await host.close();
    sqlite3(host.file, "INSERT INTO users(name) VALUES ('A'), ('B'), ('C')", 'DELETE FROM _capsule_events');
    const again = openHost({ file: host.file });
    const got = again.collect(again.capsule.watch('users'), { name: 'mailer' });
    await again.flush();
    expect(got.short).toEqual(['INSERT 1', 'INSERT 2', 'INSERT 3']);
  });

  test('a wide row goes with its continuations, and the newest one keeps its own', async () => {
    const names = Array.from({ length: 40 }, (_, index) => `c${index}`);
    const host = await logged(
      `CREATE TABLE t(${names.join(', ')})`,
      't',
      'INSERT INTO t(c0, c39) VALUES (1, 1), (2, 2), (3, 3)',
    );
    host.run('DELETE FROM _capsule_events');
    expect(both(host, "SELECT id, json_extract(new_data, '$.c39') AS c39 FROM _capsule_events")).toEqual([
      { id: 9, c39: 3 },
    ]);
    expect(both(host, 'SELECT seq FROM _capsule_log')).toEqual([{ seq: 7 }, { seq: 8 }, { seq: 9 }]);
  });

  test('only what the condition names goes', async () => {
    const host = await logged(
      `${USERS}; CREATE TABLE wide(${Array.from({ length: 20 }, (_, index) => `c${index}`).join(', ')})`,
      'users',
    );
    host.capsule.watch('wide');
    host.run(
      "INSERT INTO users(name) VALUES ('A'); INSERT INTO wide(c0) VALUES (1); INSERT INTO users(name) VALUES ('B'); INSERT INTO users(name) VALUES ('C')",
    );
    await host.flush();
    sqlite3(host.file, "DELETE FROM _capsule_events WHERE table_name = 'wide'");
    expect(both(host, 'SELECT row_id FROM _capsule_events ORDER BY id').map((row) => row['row_id'])).toEqual([1, 2, 3]);
    expect(both(host, 'SELECT count(*) AS n FROM _capsule_log')).toEqual([{ n: 3 }]);
  });
});

/** GLYPHCASE_LOG_ROWS=1000000 is the log that the times below are promised for. */
const LOG_ROWS = Number(process.env['GLYPHCASE_LOG_ROWS'] ?? 200_000);

test(`a log of ${LOG_ROWS} changes: the newest at once, the count within seconds`, { timeout: 100_000 }, async () => {
  const host = await logged(USERS, 'users', "INSERT INTO users VALUES (1, 'A', 'x')");
  await host.close();
  const filler = new BetterSqlite3(host.file);
  filler.exec(`
    UPDATE _capsule_transactions SET completed_at = datetime('now', '-7 days');
    WITH RECURSIVE c(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM c WHERE i < ${LOG_ROWS})
    INSERT INTO _capsule_log(seq, table_id, op, n0, n1, n2) SELECT i, (SELECT max(id) FROM _capsule_tables), 1, i, 'User ' || i, 'active' FROM c;
    WITH RECURSIVE c(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM c WHERE i < ${LOG_ROWS / 10 - 1})
    INSERT INTO _capsule_transactions(id, first_seq, last_seq, completed_at, status, event_count, source)
    SELECT 'tx-' || (i * 10 + 2), i * 10 + 2, min(i * 10 + 11, ${LOG_ROWS}), datetime('now', (-6.9 + 6.9 * i / ${LOG_ROWS / 10}) || ' days'), 'committed', 10, 'host' FROM c`);
  filler.close();
  const again = openHost({ file: host.file });
  const shellMs = (sql: string): number => {
    const text = sqlite3(host.file, sql, '.timer on\n', sql);
    const [, user, sys] = /Run Time: real [\d.]+ user ([\d.]+) sys ([\d.]+)/.exec(text) ?? [];
    return (Number(user) + Number(sys)) * 1000;
  };
  const readerMs = (sql: string): number => {
    again.db.all(sql);
    const since = process.cpuUsage();
    again.db.all(sql);
    const { user, system } = process.cpuUsage(since);
    return (user + system) / 1000;
  };
  const times: Record<string, number> = {};
  for (const [name, sql, limit] of [
    ['newest by timestamp', 'SELECT * FROM _capsule_events ORDER BY timestamp DESC LIMIT 10', 20],
    ['newest by id', 'SELECT * FROM _capsule_events ORDER BY id DESC LIMIT 10', 20],
    ['oldest by id', 'SELECT * FROM _capsule_events ORDER BY id LIMIT 10', 20],
    ['pending', 'SELECT count(*) FROM _capsule_events WHERE processed = 0', (4000 * LOG_ROWS) / 1_000_000],
    ['count', 'SELECT count(*) FROM _capsule_events', (4000 * LOG_ROWS) / 1_000_000],
  ] as const) {
    times[`${name}, shell`] = shellMs(sql);
    times[`${name}, host`] = readerMs(sql);
    // What a machine has else to do does not count; a slower one may take several times as long.
    expect(times, name).toSatisfy(
      () => Math.max(times[`${name}, shell`] as number, times[`${name}, host`] as number) < limit * 3,
    );
  }
  expect(again.db.value('SELECT count(*) FROM _capsule_events')).toBe(LOG_ROWS);
  expect(shell(again, 'SELECT id, row_id FROM _capsule_events ORDER BY timestamp DESC, id DESC LIMIT 1')).toEqual([
    { id: LOG_ROWS, row_id: LOG_ROWS },
  ]);
  if (process.env['GLYPHCASE_SHOW_TIMES'] !== undefined) console.log(times);
});
