/** Watchers with filters: a filter means to a row what WHERE means on the table, and says whether the row enters, leaves or stays. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openHost, thrownBy } from './support.ts';

const TASKS = 'CREATE TABLE tasks(id INTEGER PRIMARY KEY, user_id INTEGER, status TEXT, v)';

describe('bad arguments', () => {
  test.each<[string, unknown, unknown, string, string]>([
    ['empty', '', undefined, 'empty', ''],
    ['only WHERE', 'WHERE', undefined, 'empty', ''],
    ['no such column', 'colour = 1', undefined, 'colour', 'Columns of tasks: id'],
    ['a text in double quotes', 'status = "active"', undefined, 'active', "'active'"],
    ['broken SQL', 'status =', undefined, '', ''],
    ['two statements', 'id = 1; DROP TABLE tasks', undefined, 'more than one statement', ''],
    ['a bracket that closes ours', '1) OR (1', undefined, 'brackets', ''],
    ['a subquery', 'id IN (SELECT 1)', undefined, 'subquery', 'Watch a query'],
    ['the time', "status > datetime('now')", undefined, 'time', 'Watch a query'],
    ['the time by default', 'status > unixepoch()', undefined, 'time', 'Watch a query'],
    ['CURRENT_TIMESTAMP', 'status > CURRENT_TIMESTAMP', undefined, 'time', 'Watch a query'],
    ['random()', 'id = random()', undefined, 'different', 'Watch a query'],
    ['a comment at the end', 'id = 1 -- x', undefined, '', ''],
    ['a parameter too few', 'id = ?', [], '', ''],
    ['a parameter too many', 'id = ?', [1, 2], '', ''],
  ])('%s', async (name, filter, params, message, hint) => {
    const host = openHost({ schema: TASKS });
    if (name === 'a comment at the end') {
      expect(host.capsule.watch('tasks', filter as string).filterExpression).toContain('id = 1');
      return;
    }
    const error = await thrownBy(() => host.capsule.watch('tasks', filter as string, params as never));
    expect(error.code).toMatch(/^GC_BAD_(FILTER|ARGUMENT)$/);
    expect(error.message).toContain(message);
    expect(error.hint).toContain(hint);
  });

  test('a table that is not there, a watcher that is not there', async () => {
    const host = openHost({ schema: TASKS });
    expect((await thrownBy(() => host.capsule.watch('task', 'id = 1'))).code).toBe('GC_NO_SUCH_TABLE');
    expect((await thrownBy(() => host.capsule.subscribe('nobody', () => undefined))).code).toBe('GC_NO_SUCH_WATCHER');
  });
});

describe('enter, leave, stay', () => {
  test('inserts enter, deletes leave, updates do either or stay; what touches no row of it is silent', async () => {
    const host = openHost({ schema: TASKS });
    const got = host.collect(host.capsule.watch('tasks', 'WHERE user_id = ?', [7]));
    host.run('INSERT INTO tasks(id, user_id) VALUES (1, 7), (2, 8)');
    host.run("UPDATE tasks SET status = 'x'");
    host.run('UPDATE tasks SET user_id = 8 WHERE id = 1');
    host.run('UPDATE tasks SET user_id = 7');
    host.run('DELETE FROM tasks WHERE id = 1');
    await host.flush();
    expect(got.short).toEqual([
      'INSERT 1 enter',
      'UPDATE 1 stay',
      'UPDATE 1 leave',
      'UPDATE 1 enter',
      'UPDATE 2 enter',
      'DELETE 1 leave',
    ]);
  });

  test('a watcher of the whole table has no `change`', async () => {
    const host = openHost({ schema: TASKS });
    const got = host.collect(host.capsule.watch('tasks'));
    host.run('INSERT INTO tasks(id) VALUES (1)');
    await host.flush();
    expect(got.events[0]).not.toHaveProperty('change');
    expect(got.events[0]?.watcherId).toBe(
      host.db.value("SELECT id FROM _capsule_watchers WHERE table_or_query = 'tasks'"),
    );
  });

  test('a row that REPLACE removed leaves', async () => {
    const host = openHost({ schema: TASKS });
    const got = host.collect(host.capsule.watch('tasks', 'user_id = 7'));
    host.run('INSERT INTO tasks(id, user_id) VALUES (1, 7)');
    host.run('REPLACE INTO tasks(id, user_id) VALUES (1, 8)');
    await host.flush();
    expect(got.short).toEqual(['INSERT 1 enter', 'DELETE 1 leave']);
  });

  test('order is kept among the events of several filters of one shape and another', async () => {
    const host = openHost({ schema: TASKS });
    const watchers = [1, 2, 3].map((user) => host.collect(host.capsule.watch('tasks', 'user_id = ?', [user])));
    const range = host.collect(host.capsule.watch('tasks', 'user_id >= 2'));
    host.run('INSERT INTO tasks(id, user_id) VALUES (1, 1), (2, 2), (3, 3), (4, 2)');
    await host.flush();
    expect(watchers.map((got) => got.short)).toEqual([
      ['INSERT 1 enter'],
      ['INSERT 2 enter', 'INSERT 4 enter'],
      ['INSERT 3 enter'],
    ]);
    expect(range.short).toEqual(['INSERT 2 enter', 'INSERT 3 enter', 'INSERT 4 enter']);
  });
});

describe('a filter means what WHERE means on the table', () => {
  const schema = `CREATE TABLE t(id INTEGER PRIMARY KEY, i INTEGER, x TEXT, n TEXT COLLATE NOCASE, r REAL, u, m NUMERIC, b BLOB, j JSON,
    k TEXT COLLATE RTRIM, "order" INTEGER, g AS (i * 2))`;
  const values = [
    '1',
    '2',
    "'1'",
    "'a'",
    "'A'",
    "'a '",
    '1.0',
    '1.5',
    'NULL',
    "x'31'",
    "'1.0'",
    "''",
    '9223372036854775807',
    '-1',
    `'{"a":1}'`,
    '0',
  ];
  const columns = ['i', 'x', 'n', 'r', 'u', 'm', 'b', 'j', 'k', '"order"', 'g', 'id', 'rowid', 't.u', 't."n"', 'oid'];
  const operators = ['=', '==', '<>', '<', '>=', 'IS', 'IS NOT', 'LIKE', 'GLOB'];

  const simple = fc
    .tuple(fc.constantFrom(...columns), fc.constantFrom(...operators), fc.constantFrom(...values))
    .map((parts) => parts.join(' '));
  const other = fc.constantFrom(
    'i IN (1, 2)',
    "n IN ('A', 'b')",
    'i BETWEEN 1 AND 2',
    "x BETWEEN '0' AND 'b'",
    'u IS NULL',
    'NOT i',
    "typeof(u) = 'integer'",
    'i / 2 = 0',
    'u = i',
    'n = x',
    'x = n',
    "CASE WHEN typeof(j) = 'text' AND json_valid(j) THEN json_extract(j, '$.a') = 1 END",
    "CAST(u AS TEXT) = '1'",
    "CASE WHEN i = 1 THEN u = 1 ELSE n = 'a' END",
    'length(x) = 1',
    "n = 'A' COLLATE BINARY",
    '1 = i',
    "('a') = n",
    'i = +1',
    'u = -1',
    "x || 'z' = 'az'",
  );
  const filter = fc.oneof(
    { weight: 4, arbitrary: simple },
    { weight: 2, arbitrary: other },
    { weight: 2, arbitrary: fc.tuple(simple, simple).map(([a, b]) => `${a} AND ${b}`) },
    fc.tuple(simple, other).map(([a, b]) => `(${a}) OR NOT (${b})`),
    fc.tuple(simple, simple, other).map(([a, b, c]) => `${a} AND ${b} AND (${c})`),
  );
  const row = fc.tuple(...Array.from({ length: 10 }, () => fc.constantFrom(...values)));

  test('random filters over random rows, affinities, collations and NULLs included', { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(filter, { minLength: 20, maxLength: 40 }),
        fc.array(row, { minLength: 6, maxLength: 12 }),
        async (filters, rows) => {
          const host = openHost({ schema });
          const watching = filters.map((text) => ({ text, got: host.collect(host.capsule.watch('t', text)) }));
          rows.forEach((cells, index) =>
            host.run(
              `INSERT INTO t(id, i, x, n, r, u, m, b, j, k, "order") VALUES (${index + 1}, ${cells.join(', ')})`,
            ),
          );
          const matched = new Map(
            filters.map((text) => [text, host.db.all(`SELECT id FROM t WHERE ${text}`).map(({ id }) => id)]),
          );
          host.run('UPDATE t SET u = id % 3, i = 2 - id % 3, n = upper(n)');
          const after = new Map(
            filters.map((text) => [text, host.db.all(`SELECT id FROM t WHERE ${text}`).map(({ id }) => id)]),
          );
          await host.flush();
          for (const { text, got } of watching) {
            const expected = [
              ...(matched.get(text) ?? []).map((id) => `INSERT ${String(id)} enter`),
              ...rows.flatMap((_, index) => {
                const [was, is] = [matched.get(text)?.includes(index + 1), after.get(text)?.includes(index + 1)];
                const logged = host.db.value(
                  "SELECT count(*) FROM _capsule_events WHERE operation = 'UPDATE' AND row_id = ?",
                  [index + 1],
                );
                return (was === true || is === true) && logged === 1
                  ? [`UPDATE ${index + 1} ${was && is ? 'stay' : is ? 'enter' : 'leave'}`]
                  : [];
              }),
            ];
            expect([text, got.short]).toEqual([text, expected]);
          }
          await host.close();
        },
      ),
      { numRuns: Number(process.env['GLYPHCASE_FILTER_RUNS'] ?? 8) },
    );
  });

  test.each<[string, readonly unknown[] | Record<string, unknown>, boolean]>([
    ['user_id = ?', [7], true],
    ['user_id = ?1 AND status = ?2', [7, 'open'], true],
    ['user_id = :user AND status = @status', { user: 7, status: 'open' }, true],
    ['status = ?', ["it's"], false],
    ['v IS ?', [null], true],
    ['status IN (?, ?)', ['open', 'done'], true],
    ['user_id / 2 = ?', [3], true],
    ['v IS ? OR v = ?', [undefined, 5n], true],
    ['? AND user_id', [true], true],
  ])('parameters: %s', async (text, params, matches) => {
    const host = openHost({ schema: TASKS });
    const got = host.collect(host.capsule.watch('tasks', text, params));
    host.run("INSERT INTO tasks VALUES (1, 7, 'open', NULL)");
    await host.flush();
    expect(got.short).toEqual(matches ? ['INSERT 1 enter'] : []);
  });

  test('LIKE ignores case as SQLite does, and the columns of a rowid table answer to the rowid’s names', async () => {
    const host = openHost({ schema: 'CREATE TABLE t(v TEXT)' });
    const like = host.collect(host.capsule.watch('t', "v LIKE 'A%'"));
    const rowid = host.collect(host.capsule.watch('t', 'rowid = 5 OR _rowid_ = 6'));
    host.run("INSERT INTO t(rowid, v) VALUES (4, 'apple'), (5, 'x'), (6, 'AXE')");
    await host.flush();
    expect([like.short, rowid.short]).toEqual([
      ['INSERT 4 enter', 'INSERT 6 enter'],
      ['INSERT 5 enter', 'INSERT 6 enter'],
    ]);
  });

  test('columns beyond the first sixteen, and a table called select * from', async () => {
    const host = openHost({
      schema: `CREATE TABLE "select * from"(id INTEGER PRIMARY KEY, ${Array.from({ length: 40 }, (_, i) => `c${i} TEXT`).join(', ')})`,
    });
    const got = host.collect(host.capsule.watch('select * from', "c39 = 'x' AND c20 IS NULL"));
    const wide = host.collect(host.capsule.watch('select * from', `"select * from".c17 > 'a'`));
    host.run(`INSERT INTO "select * from"(id, c39, c17) VALUES (1, 'x', 'b'); UPDATE "select * from" SET c20 = 'y'`);
    await host.flush();
    expect([got.short, wide.short]).toEqual([
      ['INSERT 1 enter', 'UPDATE 1 leave'],
      ['INSERT 1 enter', 'UPDATE 1 stay'],
    ]);
  });
});
