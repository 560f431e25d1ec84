/**
 * Results that are kept current from the log alone: rows that it shows whole, and counts that go up or down. That nothing is
 * read for it is seen by what an update runs; that it is right, by what the query gives.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Params } from '../kernel/database/types.ts';
import { exactly, openLiveHost } from './80-live-support.ts';
import { sqlite3 } from './support.ts';
import { SCHEMA, watched } from './83-live-watched.ts';

const COUNTS = 'SELECT u.id, u.name, count(t.id) AS n FROM users u LEFT JOIN tasks t ON t.user_id = u.id GROUP BY u.id';

const FORMS: readonly (readonly [form: string, sql: string, params?: Params])[] = [
  ['columns of a table', 'SELECT id, title, v FROM tasks'],
  ['columns twice, and by other names', 'SELECT title AS a, title AS b, id FROM tasks AS t'],
  ['rows with a number', 'SELECT * FROM tasks WHERE user_id = 3'],
  ['rows with a text', "SELECT * FROM tasks WHERE title = 'task 2'"],
  ['rows with two values', "SELECT id FROM tasks WHERE (user_id = 3) AND 'task 2' = title"],
  ['a parameter', 'SELECT * FROM tasks WHERE user_id = ?', [3]],
  ['a parameter that is a bigint', 'SELECT * FROM tasks WHERE user_id = ?', [3n]],
  ['a parameter by name, of a column without a type', 'SELECT id, v FROM tasks WHERE v = :v', { v: 2 }],
  ['a table without a key', 'SELECT tag, task FROM tags'],
  ['WITHOUT ROWID', 'SELECT * FROM coded WHERE v = 3'],
  ['a count', COUNTS],
  [
    'counts, the other way round',
    'SELECT COUNT(t.k), u.* , CoUnT ( t.title ) FROM users u LEFT JOIN tasks t ON (u.id = t.user_id) GROUP BY u.id, u.team_id',
  ],
  [
    'counts of some',
    'SELECT u.id, upper(u.name), count(k) FROM users u LEFT JOIN tasks ON user_id = u.id WHERE u.v > 0 GROUP BY u.id',
  ],
  [
    'the count of one',
    'SELECT u.id, count(t.id) FROM users u LEFT JOIN tasks t ON t.user_id = u.id WHERE u.id = ? GROUP BY u.id',
    [3],
  ],
];

describe('the log alone tells what became of', () => {
  test.each(FORMS.map(([form, sql, params]) => ({ form, sql, params })))('$form', async ({ sql, params }) => {
    const query = watched(sql, params);
    expect(query.mode).toBe('incremental');
    const { db } = query.host;
    db.run('CREATE INDEX IF NOT EXISTS tasks_by_title ON tasks(title)');
    // The first change finds what the log held when the rows were read.
    await query.partly(
      "INSERT INTO tasks(id, user_id, k, title, v) VALUES (900, 3, 1, 'task 2', 2)",
      "INSERT INTO tags VALUES ('x', 3)",
      "INSERT INTO coded VALUES ('z', 3)",
    );
    await query.fromLog(
      "INSERT INTO tasks(id, user_id, k, title, v) VALUES (901, 3, NULL, 'task 2', 2)",
      "INSERT INTO tags VALUES ('x', 3)",
      "INSERT INTO coded VALUES ('y', 3)",
    );
    await query.fromLog(
      "UPDATE tasks SET user_id = 4, title = 'other', k = 5, v = 3 WHERE id = 901",
      'UPDATE tags SET task = 9 WHERE task = 3',
      "UPDATE coded SET v = 4 WHERE key = 'z'",
    );
    await query.fromLog(
      "UPDATE tasks SET user_id = 3, title = 'task 2', k = NULL, v = 2 WHERE id = 901",
      "UPDATE tags SET tag = 'y' WHERE tag = 'x'",
      "UPDATE coded SET v = 3 WHERE key = 'z'",
    );
    await query.fromLog(
      'DELETE FROM tasks WHERE id = 901',
      "DELETE FROM tags WHERE tag = 'y'",
      "DELETE FROM coded WHERE key = 'z'",
    );
    await query.rightly(
      'UPDATE OR REPLACE tasks SET id = 7 WHERE id = 9',
      'UPDATE users SET id = id + 100 WHERE id > 30',
    );
    await query.rightly('DELETE FROM users WHERE id % 2', 'UPDATE tasks SET user_id = 2 WHERE id > 9');
  });

  test('ten thousand rows in one transaction', async () => {
    const query = watched('SELECT id, title FROM tasks WHERE user_id = 3');
    const many = (from: number): string =>
      `WITH RECURSIVE i(i) AS (SELECT ${from} UNION ALL SELECT i + 1 FROM i WHERE i < ${from + 9999})
       INSERT INTO tasks(id, user_id, title) SELECT i, i % 40 + 1, 'many' FROM i`;
    await query.fromLog(many(1001));
    await query.fromLog(many(11_001));
  });
});

const READ: readonly (readonly [why: string, sql: string, changes: readonly string[]])[] = [
  [
    'a row that changes twice',
    'SELECT id, title FROM tasks',
    ["UPDATE tasks SET title = 'a' WHERE id = 1", "UPDATE tasks SET title = 'b' WHERE id = 1"],
  ],
  ['a row that is replaced', 'SELECT id, title FROM tasks', ["REPLACE INTO tasks(id, title) VALUES (1, 'a')"]],
  [
    'a row whose users change',
    COUNTS,
    ["INSERT INTO users(id, name) VALUES (900, 'new')", 'INSERT INTO tasks(id, user_id) VALUES (900, 900)'],
  ],
  ['values that are worked out', 'SELECT id, upper(title) FROM tasks', ["UPDATE tasks SET title = 'a' WHERE id = 1"]],
  [
    'conditions of other kinds',
    'SELECT id FROM tasks WHERE user_id = 3 AND k > 1',
    ['UPDATE tasks SET k = 9 WHERE user_id = 3'],
  ],
  ['a condition with a sign', 'SELECT id FROM tasks WHERE k = -1', ['UPDATE tasks SET k = -1 WHERE id = 3']],
  [
    'a number as text',
    "SELECT id FROM tasks WHERE user_id = '3'",
    ['UPDATE tasks SET k = 9 WHERE user_id = 3', 'UPDATE tasks SET user_id = 3 WHERE id = 5'],
  ],
  [
    'a column that has a collation',
    "SELECT id FROM tasks WHERE nick = 'N1'",
    ["UPDATE tasks SET nick = 'n1' WHERE id < 3"],
  ],
  ['DISTINCT', 'SELECT DISTINCT user_id FROM tasks', ['UPDATE tasks SET user_id = 40 WHERE id = 3']],
  ['a key of two columns', 'SELECT task_id, n FROM notes', ["INSERT INTO notes VALUES (3, 3, 'x')"]],
  ['an order', 'SELECT id, title FROM tasks ORDER BY title, id', ["UPDATE tasks SET title = 'a' WHERE id = 3"]],
  ['a view', 'SELECT uid, label FROM crew', ["UPDATE teams SET label = 'a' WHERE id = 3"]],
  [
    'count(*)',
    COUNTS.replace('t.id)', '*)'),
    ['INSERT INTO tasks(id, user_id) VALUES (900, 3)', 'DELETE FROM tasks WHERE user_id = 4'],
  ],
  ['count(DISTINCT …)', COUNTS.replace('t.id)', 'DISTINCT t.k)'), ['UPDATE tasks SET k = 9 WHERE user_id = 3']],
  [
    'count(…) of some',
    COUNTS.replace('t.id)', 't.id) FILTER (WHERE t.k > 1)'),
    ['UPDATE tasks SET k = 9 WHERE user_id = 3'],
  ],
  ['a sum', COUNTS.replace('count(t.id)', 'sum(t.k)'), ['UPDATE tasks SET k = 9 WHERE user_id = 3']],
  [
    'a count that is reckoned with',
    COUNTS.replace('count(t.id)', 'count(t.id) + 1'),
    ['DELETE FROM tasks WHERE user_id = 3'],
  ],
  [
    'a count of those that count',
    COUNTS.replace('t.id)', 'u.id)'),
    ['DELETE FROM tasks WHERE user_id = 3', 'INSERT INTO tasks(id, user_id) VALUES (900, 4)'],
  ],
  ['HAVING', `${COUNTS} HAVING count(t.id) > 4`, ['DELETE FROM tasks WHERE user_id = 3']],
  ['a count in the order', `${COUNTS} ORDER BY n, u.id`, ['DELETE FROM tasks WHERE user_id = 3']],
  [
    'another condition of the join',
    COUNTS.replace('u.id G', 'u.id AND t.k > 2 G'),
    ['UPDATE tasks SET k = 9 WHERE user_id = 3'],
  ],
  [
    'a condition on what is counted',
    COUNTS.replace('GROUP', 'WHERE t.k > 2 GROUP'),
    ['UPDATE tasks SET k = 9 WHERE user_id = 3'],
  ],
  [
    'a key that many share',
    'SELECT u.team_id, count(t.id) FROM users u LEFT JOIN tasks t ON t.user_id = u.team_id GROUP BY u.team_id',
    ['INSERT INTO tasks(id, user_id) VALUES (900, 3)'],
  ],
  [
    'a sum of those that count',
    COUNTS.replace('count', 'sum(u.v), count'),
    ['INSERT INTO tasks(id, user_id) VALUES (900, 2)'],
  ],
  [
    'a column of what is counted',
    COUNTS.replace('count', 'max(t.k), count'),
    ['UPDATE tasks SET k = 9 WHERE user_id = 3'],
  ],
  ['groups of what is counted', `${COUNTS}, t.k`, ['UPDATE tasks SET k = 9 WHERE user_id = 3']],
  [
    'an inner join',
    COUNTS.replace('LEFT ', ''),
    ['DELETE FROM tasks WHERE user_id = 3', 'INSERT INTO tasks(id, user_id) VALUES (900, 3)'],
  ],
  [
    'two joins',
    COUNTS.replace('GROUP', 'LEFT JOIN tags g ON g.task = u.id GROUP'),
    ["INSERT INTO tags VALUES ('a', 3), ('b', 3)", 'INSERT INTO tasks(id, user_id) VALUES (900, 3)'],
  ],
  [
    'a join with itself',
    'SELECT a.id, count(b.id) FROM tasks a LEFT JOIN tasks b ON b.k = a.id GROUP BY a.id',
    ['UPDATE tasks SET k = 5 WHERE id = 3'],
  ],
  [
    'what has no key of its own',
    'SELECT g.tag, count(t.id) FROM tags g LEFT JOIN tasks t ON t.id = g.task GROUP BY g.tag',
    ['DELETE FROM tasks WHERE id < 4'],
  ],
  [
    'a subquery',
    'SELECT u.id, (SELECT count(t.id) FROM tasks t WHERE t.user_id = u.id) FROM users u',
    ['DELETE FROM tasks WHERE user_id = 3'],
  ],
];

describe('read again, and right, is', () => {
  test.each(READ)('%s', async (_why, sql, changes) => {
    const query = watched(sql);
    // From then on it is known how much of the log the rows show.
    await query.rightly(
      "UPDATE tasks SET user_id = 9, k = 5, v = 8, title = 'x', nick = 'x' WHERE id = 1",
      "UPDATE teams SET label = 'x' WHERE id = 1",
      "INSERT INTO tags VALUES ('x', 8)",
    );
    const { live } = query.host;
    const { runs } = live.stats();
    await query.rightly(...changes);
    expect(live.stats().runs).toBeGreaterThan(runs);
  });

  test('a group of what is counted that had one row', async () => {
    const query = watched(`${COUNTS}, t.k`);
    await query.rightly('UPDATE tasks SET k = 1 WHERE user_id = 3');
    await query.rightly('INSERT INTO tasks(id, user_id, k) VALUES (900, 3, 2)');
  });

  test('DISTINCT, of a key that is NULL twice', async () => {
    const query = watched('SELECT DISTINCT key FROM loose');
    await query.rightly('INSERT INTO loose VALUES (NULL, 5)');
    await query.rightly('DELETE FROM loose WHERE v = 5');
    await query.rightly("UPDATE loose SET key = NULL WHERE key = 'a'");
  });

  test('a count, every so often', async () => {
    const query = watched(COUNTS);
    await query.rightly('INSERT INTO tasks(id, user_id) VALUES (900, 1)');
    const { live } = query.host;
    const { runs } = live.stats();
    for (let id = 901; id < 941; id += 1) await query.rightly(`INSERT INTO tasks(id, user_id) VALUES (${id}, 1)`);
    expect(live.stats().runs - runs).toBeGreaterThanOrEqual(2);
    expect(live.stats().runs - runs).toBeLessThan(5);
  });
});

test('what others commit between a commit and its delivery is counted once', async () => {
  const host = openLiveHost({ schema: SCHEMA });
  const watcher = host.live.watch(COUNTS);
  host.live.subscribe(watcher, () => undefined);
  // A handler that is called before the queries are looked at has another program write.
  let id = 900;
  host.capsule.subscribe(host.capsule.watch('tasks'), () => {
    if (id < 910) sqlite3(host.file, `INSERT INTO tasks(id, user_id) VALUES (${(id += 1)}, 1)`);
  });
  for (let own = 920; own < 925; own += 1) {
    host.run(`INSERT INTO tasks(id, user_id) VALUES (${own}, 1)`);
    await host.flush();
  }
  while (host.capsule.look() > host.capsule.position) await host.flush();
  expect(id).toBe(910);
  expect(watcher.rows().map(exactly)).toEqual(host.db.all(COUNTS).map(exactly));
});

/** Numbers make a statement; small ones, so that rows meet. */
const statementOf = ([kind, id, user, k]: readonly [number, number, number, number]): string => {
  const value = ['NULL', '1', '2', "'3'", "'x'"][k] as string;
  return [
    `INSERT OR IGNORE INTO tasks(id, user_id, k, title, v) VALUES (${id}, ${user}, ${value}, 'task ${k}', ${value})`,
    `REPLACE INTO tasks(id, user_id, k, title, v) VALUES (${id}, nullif(${user}, 2), ${value}, 'task ${k}', ${value})`,
    `UPDATE tasks SET user_id = nullif(${user}, 2), v = ${value} WHERE id = ${id}`,
    `UPDATE OR REPLACE tasks SET id = ${id} WHERE user_id = ${user}`,
    `UPDATE tasks SET title = 'task ${k}', k = ${value} WHERE user_id = ${user}`,
    `DELETE FROM tasks WHERE id = ${id}`,
    `DELETE FROM tasks WHERE user_id = ${user}`,
    `UPDATE users SET v = ${k}, team_id = NULL WHERE id = ${user}`,
    `UPDATE OR IGNORE users SET id = ${id} WHERE id = ${user}`,
    `INSERT OR REPLACE INTO users(id, name, v) VALUES (${user}, 'again', ${k})`,
  ][kind] as string;
};

test('whatever is written, by whomever, what it keeps from the log is what the query gives', async () => {
  const write = fc.tuple(fc.nat(9), fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 5 }), fc.nat(4));
  const commit = fc.record({ writes: fc.array(write, { minLength: 1, maxLength: 4 }), who: fc.nat(5) });
  await fc.assert(
    fc.asyncProperty(fc.array(commit, { minLength: 1, maxLength: 25, size: 'max' }), async (commits) => {
      const host = openLiveHost({
        schema: `${SCHEMA} DELETE FROM tasks WHERE id > 6; DELETE FROM users WHERE id > 4;`,
      });
      const queries = FORMS.map(([, sql, params]) => ({ sql, params, watcher: host.live.watch(sql, params) }));
      for (const { watcher } of queries) host.live.subscribe(watcher, () => undefined);
      for (const { writes, who } of commits) {
        const statements = writes.map(statementOf);
        if (who === 0) sqlite3(host.file, 'BEGIN', ...statements, 'COMMIT');
        else
          await host.db
            .transaction(() => {
              for (const one of statements) host.db.run(one);
              if (who === 1) throw new Error('undone');
            })
            .catch(() => undefined);
        // Half of the commits are delivered together with the next.
        if (who % 2 === 0) continue;
        await host.flush();
        for (const { sql, params, watcher } of queries)
          expect(watcher.rows().map(exactly).toSorted(), sql).toEqual(host.db.all(sql, params).map(exactly).toSorted());
      }
      await host.close();
    }),
    { numRuns: Number(process.env['GLYPHCASE_FROM_LOG_RUNS'] ?? 25), interruptAfterTimeLimit: 600_000 },
  );
}, 900_000);
