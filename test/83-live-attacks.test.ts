/** Queries that were once taken for something else than SQL takes them for, and moments at which a difference was once lost. */
import BetterSqlite3 from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import type { Params } from '../kernel/database/types.ts';
import { isOrdered } from '../plugins/live/keys.ts';
import { exactly, openLiveHost, Replica } from './80-live-support.ts';
import type { LiveHost } from './80-live-support.ts';
import { tempFile } from './support.ts';

const SCHEMA = `
  CREATE TABLE t(id INTEGER PRIMARY KEY, x INTEGER NOT NULL, y INTEGER NOT NULL, s TEXT NOT NULL);
  INSERT INTO t VALUES (1, 1, 5, 'a'), (2, 1, 3, 'b'), (3, 2, 9, 'c');`;

/** Follows a query through writes, and holds what it was told and what it shows against a run of it. */
async function follow(host: LiveHost, sql: string, writes: readonly string[], params?: Params): Promise<void> {
  const ordered = isOrdered(sql);
  const sorted = (rows: readonly string[]): readonly string[] => (ordered ? rows : rows.toSorted());
  const watcher = host.live.watch(sql, params);
  const replica = new Replica(ordered);
  host.live.subscribe(watcher, replica.handler, { initial: true });
  await host.flush();
  for (const write of ['SELECT 1', ...writes]) {
    if (write !== 'SELECT 1') host.run(write);
    await host.flush();
    const run = sorted(host.db.all(sql, params).map(exactly));
    expect(sorted(watcher.rows().map(exactly)), write).toEqual(run);
    expect(sorted(replica.rows), write).toEqual(run);
    expect(replica.faults).toEqual([]);
  }
}

describe('what SQL means', () => {
  test.each([
    ['DISTINCT over groups', 'SELECT DISTINCT count(*) AS n FROM t GROUP BY x', undefined],
    ['DISTINCT over part of a group', 'SELECT DISTINCT x, count(*) AS n FROM t GROUP BY s, x', undefined],
    [
      'a numbered parameter in HAVING',
      'SELECT x, count(*) AS n FROM t WHERE y >= ?1 GROUP BY x HAVING count(*) > ?2',
      [0, 1],
    ],
    ['a numbered LIMIT', 'SELECT id FROM t WHERE y >= ?1 ORDER BY id LIMIT ?2', [0, 2]],
    ['an aggregate of the outer SELECT', 'SELECT a.id, (SELECT sum(a.x)) AS n FROM t a', undefined],
    ['a count of the outer SELECT', 'SELECT (SELECT count(a.x)) AS n FROM t a', undefined],
    ['ORDER BY a number that is no place', 'SELECT id, y FROM t ORDER BY 2.0, id', undefined],
    ['ORDER BY a place in brackets', 'SELECT (2), id, y FROM t ORDER BY (2), y', undefined],
    ['GROUP BY a number that is no place', 'SELECT count(*) AS n, x FROM t GROUP BY 2.0', undefined],
    ['the greater of two', 'SELECT id, (SELECT max(b.x, b.y) FROM t b WHERE b.x = t.x) AS n FROM t', undefined],
  ])('%s', async (_, sql, params) => {
    const host = openLiveHost({ schema: SCHEMA });
    await follow(
      host,
      sql,
      [
        "INSERT INTO t VALUES (4, 3, 1, 'd'), (5, 3, 2, 'd')",
        'UPDATE t SET y = 12 - y, x = 3 - x',
        'DELETE FROM t WHERE id = 2',
      ],
      params,
    );
  });

  // By an index SQLite forgets rows without a partner there, and whether it takes the index depends on the rest of the query.
  test.each([
    [
      'LIKE in the ON of a LEFT JOIN',
      "SELECT n.task, t.id FROM n LEFT JOIN u ON u.name = n.body AND u.id LIKE 'a%' JOIN t ON t.id = n.task",
    ],
    [
      'LIKE within what is joined',
      "SELECT n.task, t.id FROM n LEFT JOIN (SELECT name FROM u WHERE id LIKE 'a%') u ON u.name = n.body JOIN t ON t.id = n.task",
    ],
    [
      'LIKE in a view that is joined',
      'SELECT n.task, t.id FROM n LEFT JOIN liked u ON u.name = n.body JOIN t ON t.id = n.task',
    ],
  ])('%s', async (_, sql) => {
    const host = openLiveHost({
      schema: `${SCHEMA}
        CREATE TABLE u(id TEXT COLLATE NOCASE PRIMARY KEY, name TEXT);
        CREATE VIEW liked AS SELECT name FROM u WHERE id LIKE 'a%';
        CREATE TABLE n(task INTEGER, body TEXT, PRIMARY KEY(task, body));
        INSERT INTO u VALUES ('1', 'A'), ('2', 'b');
        INSERT INTO n VALUES (1, 'A'), (1, 'b'), (2, 'c');`,
    });
    await follow(host, sql, ["INSERT OR REPLACE INTO t VALUES (1, 1, 5, 'a')", 'DELETE FROM t WHERE id = 2']);
  });

  test('twins that change places again', async () => {
    const host = openLiveHost({
      schema:
        'CREATE TABLE t(id INTEGER PRIMARY KEY, x, k); INSERT INTO t VALUES (1, 1, 0), (2, 1, 1), (3, 2, 1), (4, 3, 9)',
    });
    await follow(host, 'SELECT x FROM t ORDER BY k DESC, id', [
      'UPDATE t SET k = 1 WHERE id = 1',
      'UPDATE t SET k = 0 WHERE id = 1',
      'UPDATE t SET k = 0 WHERE id = 2',
      'UPDATE t SET k = 10 - k',
    ]);
  });

  test('LIKE beside a LEFT JOIN keeps its difference small', () => {
    const host = openLiveHost({ schema: SCHEMA });
    const sql = "SELECT a.id, b.s FROM t a LEFT JOIN t b ON b.id = a.x WHERE a.s LIKE 'a%'";
    expect(host.live.watch(sql).explain().mode).toBe('incremental');
  });

  test('texts are sorted as the file holds them', async () => {
    const file = tempFile();
    const other = new BetterSqlite3(file);
    other.pragma("encoding = 'UTF-16le'");
    other.exec(SCHEMA);
    other.close();
    const host = openLiveHost({ file });
    await follow(host, 'SELECT id, s FROM t ORDER BY s LIMIT 3', [
      "INSERT INTO t VALUES (4, 0, 0, 'ā')",
      'DELETE FROM t WHERE id = 1',
    ]);
  });

  test('a LIMIT spares rows that cannot be worked out', async () => {
    const host = openLiveHost({ schema: `${SCHEMA} UPDATE t SET s = '{}'; UPDATE t SET s = '{' WHERE id = 3` });
    const sql = "SELECT id, json_extract(s, '$.a') AS a FROM t ORDER BY id LIMIT 2";
    await follow(host, sql, [`UPDATE t SET s = '{"a":1}' WHERE id = 2`, "INSERT INTO t VALUES (4, 0, 0, '{')"]);
  });

  test('a text that is not UTF-8 is another one', async () => {
    const host = openLiveHost({ schema: `${SCHEMA} UPDATE t SET s = CAST(X'FF' AS TEXT)` });
    const writes = ["UPDATE t SET s = CAST(X'FE' AS TEXT) WHERE id = 1", 'UPDATE t SET s = char(65533) WHERE id = 2'];
    await follow(host, 'SELECT id, hex(s) AS h FROM t', writes);
    await follow(host, "SELECT id FROM t WHERE hex(s) = 'FE'", ["UPDATE t SET s = CAST(X'FE' AS TEXT) WHERE id = 3"]);
  });
});

test('a handler that watches what another is about to be told of takes nothing from it', async () => {
  const host = openLiveHost({ schema: SCHEMA, batching: { batchInterval: 0 } });
  const sql = 'SELECT id, y FROM t';
  const watched = host.live.watch(sql);
  const first = new Replica(false);
  let outside: BetterSqlite3.Database | undefined;
  host.live.subscribe(host.live.watch('SELECT count(*) AS n, sum(y) AS y FROM t'), () => {
    outside?.exec('UPDATE t SET y = y + 100 WHERE id = 2');
    if (outside !== undefined) host.live.subscribe(host.live.watch(sql), () => undefined);
    outside = undefined;
  });
  host.live.subscribe(watched, first.handler, { initial: true });
  await host.flush();
  for (const y of [50, 60]) {
    host.run(`UPDATE t SET y = ${y} WHERE id = 1`);
    await host.flush();
  }
  const other = new BetterSqlite3(host.file);
  outside = other;
  host.run('UPDATE t SET y = 70 WHERE id = 1');
  await host.flush();
  await host.flush();
  expect(first.faults).toEqual([]);
  expect(first.rows.toSorted()).toEqual(host.db.all(sql).map(exactly).toSorted());
  other.close();
});
