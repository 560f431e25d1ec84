/**
 * Which queries are kept current by what changes, one test per form; and of those that are not, the sentence that says why.
 * Each named mistake that the property has found is a test here too.
 */
import { describe, expect, test } from 'vitest';
import type { Params } from '../kernel/database/types.ts';
import { openLiveHost } from './80-live-support.ts';
import { SCHEMA, watched } from './83-live-watched.ts';

/** A form, and one change per table of it. */
const FORMS: readonly (readonly [form: string, sql: string, changes: readonly string[], params?: Params])[] = [
  [
    'a table',
    'SELECT * FROM tasks WHERE k > 3',
    ['UPDATE tasks SET k = 9 WHERE id = 1', 'DELETE FROM tasks WHERE id = 5'],
  ],
  [
    'a table without a key',
    'SELECT tag, task FROM tags',
    ["INSERT INTO tags VALUES ('x', 1), ('x', 1)", 'DELETE FROM tags WHERE rowid = 3'],
  ],
  [
    'a key that may be NULL',
    'SELECT key, v FROM loose',
    [
      'UPDATE loose SET v = 7 WHERE key IS NULL',
      "UPDATE loose SET key = 'c' WHERE key IS NULL",
      "UPDATE loose SET key = NULL WHERE key = 'a'",
    ],
  ],
  [
    'WITHOUT ROWID and a key of two columns',
    'SELECT * FROM notes WHERE n > 0',
    ['UPDATE notes SET n = 2 WHERE task_id = 6'],
  ],
  [
    'a join',
    'SELECT t.title, u.name FROM tasks t JOIN users u ON u.id = t.user_id',
    ["UPDATE users SET name = 'x' WHERE id = 3", 'UPDATE tasks SET user_id = 3 WHERE id = 9'],
  ],
  [
    'a LEFT JOIN, to a row, to none and back',
    'SELECT u.id, u.name, t.title FROM users u LEFT JOIN tasks t ON t.user_id = u.id',
    [
      'DELETE FROM tasks WHERE user_id = 4',
      "INSERT INTO tasks(id, user_id, title) VALUES (900, 4, 'new')",
      'UPDATE tasks SET user_id = 5 WHERE id = 900',
    ],
  ],
  [
    'a LEFT JOIN of what has no match',
    'SELECT u.id FROM users u LEFT JOIN tasks t ON t.user_id = u.id WHERE t.id IS NULL',
    ['DELETE FROM tasks WHERE user_id = 4', 'INSERT INTO tasks(id, user_id) VALUES (900, 4)'],
  ],
  [
    'a chain of four tables',
    'SELECT g.tag, t.title, u.name, m.label FROM tags g JOIN tasks t ON t.id = g.task JOIN users u ON u.id = t.user_id LEFT JOIN teams m ON m.id = u.team_id',
    [
      "UPDATE teams SET label = 'x' WHERE id = 2",
      'UPDATE users SET team_id = 2 WHERE id = 1',
      'UPDATE tasks SET user_id = 1 WHERE id = 3',
      "UPDATE tags SET tag = 'y' WHERE task = 7",
    ],
  ],
  [
    'a self join on what is not unique',
    'SELECT a.id, b.id AS other FROM tasks a JOIN tasks b ON b.user_id = a.user_id AND b.id > a.id',
    ['UPDATE tasks SET user_id = 2 WHERE id = 9'],
  ],
  [
    'a join by a comma and WHERE',
    'SELECT t.id, u.name FROM tasks t, users u WHERE u.id = t.user_id AND t.k = 1',
    ['UPDATE tasks SET k = 1 WHERE id = 9'],
  ],
  [
    'a join by USING',
    'SELECT id, title, name FROM tasks JOIN users USING (id)',
    ["UPDATE users SET name = 'x' WHERE id = 3"],
  ],
  [
    'a view over a join',
    'SELECT * FROM crew WHERE uid > 2',
    ["UPDATE teams SET label = 'x' WHERE id = 2", 'UPDATE users SET team_id = 2 WHERE id = 9'],
  ],
  [
    'a grouped view',
    'SELECT u.name, b.n FROM users u LEFT JOIN busy b ON b.person = u.id',
    ['DELETE FROM tasks WHERE id = 3', "UPDATE users SET name = 'x' WHERE id = 3"],
  ],
  [
    'a CTE that is used twice',
    'WITH c AS (SELECT user_id, count(*) AS n FROM tasks GROUP BY user_id) SELECT u.id, a.n, b.n AS m FROM users u JOIN c a ON a.user_id = u.id JOIN c b ON b.user_id = u.id',
    ['DELETE FROM tasks WHERE id = 3'],
  ],
  [
    'CTEs in CTEs',
    'WITH a AS (SELECT id, user_id AS person FROM tasks WHERE k > 1), b(person, task) AS (SELECT person, id FROM a) SELECT u.name, b.task FROM users u JOIN b ON b.person = u.id',
    ['UPDATE tasks SET k = 0 WHERE k = 2 AND id < 20'],
  ],
  [
    'a derived table with DISTINCT',
    'SELECT u.name, d.k FROM users u JOIN (SELECT DISTINCT user_id, k FROM tasks) d ON d.user_id = u.id',
    ['UPDATE tasks SET k = 100 WHERE id = 3'],
  ],
  [
    'GROUP BY',
    'SELECT user_id, count(*) AS n, sum(k), total(k), avg(k), min(title), max(k) FROM tasks GROUP BY user_id',
    ['UPDATE tasks SET user_id = 3 WHERE id = 9', 'DELETE FROM tasks WHERE user_id = 8'],
  ],
  [
    'GROUP BY and HAVING',
    'SELECT user_id, count(*) AS n FROM tasks GROUP BY user_id HAVING count(*) > 5',
    ['UPDATE tasks SET user_id = 3 WHERE id = 9'],
  ],
  [
    'GROUP BY over a LEFT JOIN',
    'SELECT u.id, u.name, count(t.id) AS n, max(t.k) FROM users u LEFT JOIN tasks t ON t.user_id = u.id GROUP BY u.id',
    [
      'DELETE FROM tasks WHERE user_id = 4',
      'INSERT INTO tasks(id, user_id) VALUES (900, 4)',
      'UPDATE users SET name = upper(name) WHERE id = 4',
    ],
  ],
  [
    'DISTINCT',
    'SELECT DISTINCT user_id, k FROM tasks',
    ['UPDATE tasks SET k = 50 WHERE id = 3', 'UPDATE tasks SET k = 50 WHERE id = 43'],
  ],
  [
    'UNION ALL',
    'SELECT id, name FROM users UNION ALL SELECT id, title FROM tasks WHERE k = 1',
    ["UPDATE users SET name = 'x' WHERE id = 3", 'UPDATE tasks SET k = 1 WHERE id = 3'],
  ],
  [
    'UNION ALL of joins',
    'SELECT u.name FROM users u JOIN tasks t ON t.user_id = u.id UNION ALL SELECT g.tag FROM tags g JOIN tasks t ON t.id = g.task UNION ALL SELECT label FROM teams',
    ["UPDATE tags SET tag = 'y' WHERE task = 7", 'UPDATE tasks SET user_id = 2 WHERE id = 7'],
  ],
  [
    'EXISTS',
    'SELECT u.id FROM users u WHERE EXISTS (SELECT 1 FROM tasks t WHERE t.user_id = u.id AND t.k = 3)',
    ['UPDATE tasks SET k = 3 WHERE id = 1'],
  ],
  [
    'NOT EXISTS',
    'SELECT t.id FROM tasks t WHERE NOT EXISTS (SELECT 1 FROM tags g WHERE g.task = t.id)',
    ['DELETE FROM tags WHERE task = 7', "INSERT INTO tags VALUES ('x', 8)"],
  ],
  [
    'IN',
    'SELECT u.id FROM users u WHERE u.id IN (SELECT user_id FROM tasks WHERE k = 3)',
    ['UPDATE tasks SET k = 3 WHERE id = 1'],
  ],
  [
    'a scalar subquery',
    'SELECT u.id, (SELECT count(*) FROM tasks t WHERE t.user_id = u.id) AS n FROM users u',
    ['DELETE FROM tasks WHERE id = 3'],
  ],
  [
    'a subquery in ON',
    'SELECT u.id, t.id AS task FROM users u LEFT JOIN tasks t ON t.user_id = u.id AND EXISTS (SELECT 1 FROM tags g WHERE g.task = t.id)',
    ['DELETE FROM tags WHERE task = 7'],
  ],
  [
    'a subquery in HAVING',
    'SELECT user_id, count(*) AS n FROM tasks GROUP BY user_id HAVING EXISTS (SELECT 1 FROM users u WHERE u.id = tasks.user_id AND u.v = 1)',
    ['UPDATE users SET v = 1 WHERE id = 3'],
  ],
  [
    'ORDER BY',
    'SELECT id, title FROM tasks ORDER BY k DESC, id',
    ['UPDATE tasks SET k = 3 WHERE id = 1', 'DELETE FROM tasks WHERE id = 9'],
  ],
  [
    'ORDER BY what is not shown',
    'SELECT title FROM tasks ORDER BY k + 1 DESC NULLS LAST, id',
    ['UPDATE tasks SET k = NULL WHERE id = 1'],
  ],
  [
    'ORDER BY a place and an alias',
    'SELECT k AS kind, id FROM tasks ORDER BY kind, 2 DESC',
    ['UPDATE tasks SET k = 3 WHERE id = 1'],
  ],
  [
    'LIMIT',
    'SELECT id, k FROM tasks ORDER BY k, id LIMIT 5',
    ['UPDATE tasks SET k = -1 WHERE id = 90', 'DELETE FROM tasks WHERE id IN (90, 7)'],
  ],
  [
    'LIMIT and OFFSET as parameters',
    'SELECT id, k FROM tasks ORDER BY k, id LIMIT ? OFFSET ?',
    ['UPDATE tasks SET k = -1 WHERE id = 90'],
    [5, 2],
  ],
  [
    'LIMIT over groups',
    'SELECT user_id, count(*) AS n FROM tasks GROUP BY user_id ORDER BY max(id) DESC LIMIT 3',
    ['INSERT INTO tasks(id, user_id) VALUES (900, 4)'],
  ],
  [
    'a parameter by its place',
    'SELECT * FROM tasks WHERE user_id = ?',
    ['UPDATE tasks SET k = 7 WHERE user_id = 3'],
    [3],
  ],
  [
    'a parameter by its number',
    'SELECT * FROM tasks WHERE k < ?2 AND user_id = ?1',
    ['UPDATE tasks SET k = 7 WHERE user_id = 3'],
    [3, 100],
  ],
  [
    'a parameter by its name',
    'SELECT * FROM tasks WHERE user_id = :user',
    ['UPDATE tasks SET k = 7 WHERE user_id = 3'],
    { user: 3 },
  ],
];

describe('of a change only a part is worked out in', () => {
  const forms = FORMS.map(([form, sql, changes, params]) => ({ form, sql, changes, params }));
  test.each(forms)('$form', async ({ sql, changes, params }) => {
    const query = watched(sql, params);
    expect(query.mode).toBe('incremental');
    for (const change of changes) await query.partly(change);
    await query.rightly('DELETE FROM tasks WHERE id % 2', 'UPDATE users SET id = id + 100');
  });
});

const REFUSALS: readonly (readonly [why: string, sql: string])[] = [
  ['it has window functions', 'SELECT id, sum(k) OVER (ORDER BY id) FROM tasks'],
  ['random() may give another value for the same rows', 'SELECT random() FROM tasks'],
  ['datetime() may give another value for the same rows', "SELECT datetime('now'), id FROM tasks"],
  [
    'group_concat() may give another value for the same rows',
    'SELECT user_id, group_concat(k) FROM tasks GROUP BY user_id',
  ],
  [
    'it is recursive',
    'WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r JOIN tasks ON tasks.id = r.i) SELECT i FROM r',
  ],
  ['it has UNION', 'SELECT id FROM tasks UNION SELECT id FROM users'],
  ['it has EXCEPT', 'SELECT id FROM tasks EXCEPT SELECT id FROM users'],
  ['it has a RIGHT JOIN', 'SELECT t.id FROM tasks t RIGHT JOIN users u ON u.id = t.user_id'],
  ['it has a NATURAL JOIN', 'SELECT id FROM tasks NATURAL JOIN users'],
  ['it has a LIMIT without ORDER BY', 'SELECT id FROM tasks LIMIT 3'],
  ['it has a LIMIT within', 'SELECT * FROM (SELECT * FROM tasks ORDER BY k LIMIT 3)'],
  ['its LIMIT is worked out', 'SELECT id FROM tasks ORDER BY id LIMIT 1 + 1'],
  ['its OFFSET is worked out', 'SELECT id FROM tasks ORDER BY id LIMIT 1 OFFSET 1 + 1'],
  ['it makes one row of all', 'SELECT count(*) FROM tasks'],
  ['it sorts what UNION ALL joins', 'SELECT id FROM tasks UNION ALL SELECT id FROM users ORDER BY 1'],
  [
    'it is sorted by a subquery',
    'SELECT id FROM tasks t ORDER BY (SELECT name FROM users u WHERE u.id = t.user_id), id',
  ],
  ['it is sorted by a collation', 'SELECT id FROM tasks ORDER BY title COLLATE NOCASE, id'],
  ['it is sorted by "nick", which may have a collation', 'SELECT id FROM tasks ORDER BY nick, id'],
  ['it is sorted by what names no column', 'SELECT id, k FROM tasks ORDER BY (2), id'],
  // SQLite takes that for a value, but there is nothing to gain from a constant that might one day be a place.
  ['it is sorted by what names no column', 'SELECT id, k FROM tasks ORDER BY likely(2), id'],
  [
    'it is DISTINCT and sorted by what is not in the result',
    'SELECT DISTINCT k, user_id FROM tasks ORDER BY k + 1, user_id',
  ],
  ['it is DISTINCT over values of which SQL counts different ones as one', 'SELECT DISTINCT nick FROM tasks'],
  [
    'it is DISTINCT over values of which SQL counts different ones as one',
    'SELECT DISTINCT k, title COLLATE NOCASE FROM tasks',
  ],
  [
    'it is DISTINCT over values of which SQL counts different ones as one',
    'SELECT d.k, typeof(d.v) FROM (SELECT DISTINCT k, v FROM tasks) d',
  ],
  [
    'it is grouped by values of which SQL counts different ones as one',
    'SELECT nick, count(*) FROM tasks GROUP BY nick',
  ],
  ['it is grouped by values of which SQL counts different ones as one', 'SELECT v, count(*) FROM tasks GROUP BY v'],
  [
    'it is grouped by values of which SQL counts different ones as one',
    'SELECT k, count(*) FROM tasks GROUP BY k, title COLLATE NOCASE',
  ],
  ['it takes "title" of any row of its groups', 'SELECT k, title FROM tasks GROUP BY k'],
  [
    'it takes "title" of any row of its groups',
    "SELECT replace(title, 'A', 'z') FROM tasks GROUP BY k, replace(title, 'a', 'z')",
  ],
  [
    'it takes "v" of any row of its groups',
    'SELECT u.id, typeof(t.v) FROM users u JOIN tasks t ON t.v = u.v GROUP BY u.id',
  ],
  ['it takes columns that it is not grouped by', 'SELECT * FROM tasks GROUP BY k'],
  [
    'it takes the least or greatest "nick", of which SQL counts different values as one',
    'SELECT k, min(nick) FROM tasks GROUP BY k',
  ],
  [
    'it takes the least or greatest "title", of which SQL counts different values as one',
    'SELECT k, min(title COLLATE NOCASE) FROM tasks GROUP BY k',
  ],
  [
    'it takes the least or greatest "v", of which SQL counts different values as one',
    "SELECT k, max(v) || '' FROM tasks GROUP BY k",
  ],
  [
    'a subquery of it may have several rows, of which it takes the first',
    'SELECT id, (SELECT tag FROM tags g WHERE g.task = t.id) FROM tasks t',
  ],
  ['a subquery of it may have several rows', 'SELECT id, (SELECT 1 UNION ALL SELECT 2) FROM tasks t'],
  [
    'a subquery of it names a column that it is not grouped by',
    'SELECT k, (SELECT count(*) FROM tags g WHERE g.task = t.id) FROM tasks t GROUP BY k',
  ],
  [
    'a parameter without a name stands in what UNION ALL joins',
    'SELECT id FROM tasks WHERE k = ? UNION ALL SELECT id FROM users',
  ],
  [
    'a parameter without a name stands in what UNION ALL joins',
    'SELECT id FROM tasks WHERE k = ?1 UNION ALL SELECT id FROM users WHERE id = ?2',
  ],
  ['it has a LIMIT within', 'SELECT id, (SELECT count(*) FROM tags g WHERE g.task = t.id LIMIT 1) FROM tasks t'],
  ['it takes "v" of any row of its groups', 'SELECT key, v FROM loose GROUP BY key'],
  [
    'it takes "title" of any row of its groups',
    "SELECT u.id, t.title FROM users u JOIN tags g ON g.task = u.id LEFT JOIN tasks t ON t.id = u.id AND g.tag = 'x' GROUP BY u.id",
  ],
  ['nothing in it tells which of its rows a change can reach', 'SELECT * FROM (SELECT nick FROM tasks) d'],
  ['it reads no table', 'SELECT 1'],
  ['it has VALUES', 'VALUES (1)'],
];

describe('why a query is run again is said:', () => {
  test.each(REFUSALS)('%s', (why, sql) => {
    const host = openLiveHost({ schema: SCHEMA });
    const explained = host.live
      .watch(sql, sql.includes('?') ? (sql.includes('?2') ? [1, 2] : [1]) : undefined)
      .explain();
    expect(explained.mode).toBe('re-run');
    expect(explained.why).toContain(`because ${why}.`);
  });
});

test('of a table that stands where nothing leads to the result, a change has the query run again, which is said', async () => {
  const query = watched('SELECT t.id, u.name FROM tasks t JOIN users u ON u.id = t.user_id, teams m WHERE m.id > t.k');
  const watcher = query.host.live.watch(
    'SELECT t.id, u.name FROM tasks t JOIN users u ON u.id = t.user_id, teams m WHERE m.id > t.k',
  );
  expect(watcher.explain().mode).toBe('incremental');
  expect(watcher.explain().why).toContain('What changes in teams may reach any row, so then the query is run again.');
  await query.rightly('UPDATE teams SET id = 9 WHERE id = 1');
});

describe('what the property has found stays right:', () => {
  const cases: readonly (readonly [what: string, sql: string, change: string, params?: Params])[] = [
    ['1 that becomes 1.0', "SELECT id, v || 'x' AS x FROM tasks", 'UPDATE tasks SET v = 1.0 WHERE id = 1'],
    ['keys that are no UTF-8', 'SELECT key, v FROM coded', "UPDATE coded SET v = 9 WHERE key = CAST(x'ff' AS TEXT)"],
    [
      'an order of texts that are no UTF-8',
      'SELECT key FROM loose ORDER BY key',
      "UPDATE loose SET key = '\u{10000}' WHERE key = 'a'",
    ],
    [
      'a NULL behind a lookup',
      'SELECT l.key, count(*) FROM loose l JOIN tasks t ON t.k = l.n GROUP BY l.key',
      'UPDATE tasks SET k = 60 WHERE id = 3',
    ],
    [
      'twins that change places',
      'SELECT k FROM tasks WHERE k = 1 ORDER BY k, title',
      "UPDATE tasks SET title = 'zzz' || id WHERE id < 20",
    ],
  ];
  test.each(cases.map(([what, sql, change, params]) => ({ what, sql, change, params })))(
    '$what',
    async ({ sql, change, params }) => {
      const host = openLiveHost({ schema: SCHEMA });
      host.db.sqlite.exec(`ALTER TABLE loose ADD COLUMN n INTEGER;
      UPDATE loose SET n = 50 + v;
      UPDATE tasks SET k = 51 WHERE id < 4;
      INSERT INTO loose VALUES (CAST(x'ff' AS TEXT), 3, 53), (CAST(x'fe' AS TEXT), 4, 54)`);
      const query = watched(sql, params, host);
      await query.rightly(change);
      await query.rightly('UPDATE tasks SET k = k + 1', 'DELETE FROM loose WHERE v = 2');
    },
  );

  test('a query of one parameter is found by a text that is no UTF-16', async () => {
    const query = watched('SELECT id, title FROM tasks WHERE title = ?', ['\ud800']);
    await query.rightly("UPDATE tasks SET title = '\ufffd' WHERE id = 5");
  });

  test('rows of an ordered result that look the same are no news when they change places', async () => {
    const host = openLiveHost({ schema: SCHEMA });
    const heard = host.heard('SELECT k FROM tasks WHERE k = 1 ORDER BY k, title');
    const before = heard.watcher.rows();
    await host.flush();
    host.run("UPDATE tasks SET title = 'zzz' WHERE id = 1");
    await host.flush();
    expect(heard.watcher.rows()).toBe(before);
    expect(heard.batches).toEqual([]);
  });
});

/** Where a rule that is left out gives a wrong result: what to watch, and what to change. */
const RULES: readonly (readonly [rule: string, sql: string, changes: readonly string[], params?: Params])[] = [
  [
    'a collation of one side of a join',
    'SELECT u.id, t.id AS task FROM users u JOIN tasks t ON t.nick = u.name',
    ["UPDATE users SET name = 'N1' WHERE id = 3", 'DELETE FROM tasks WHERE id = 1'],
  ],
  [
    'a join of texts and numbers',
    'SELECT l.key, g.tag FROM loose l JOIN tags g ON g.task = l.key',
    ["INSERT INTO loose VALUES ('07', 1)", "UPDATE tags SET tag = 'x' WHERE task = 7"],
  ],
  [
    'IN of texts and numbers',
    'SELECT id FROM users WHERE id IN (SELECT key FROM loose)',
    ["INSERT INTO loose VALUES ('07', 1)"],
  ],
  [
    'the ON of a LEFT JOIN does not link what stands before it',
    'SELECT u.id, m.label, t.id AS task FROM users u, teams m LEFT JOIN tasks t ON t.user_id = u.id AND t.k = m.id',
    ["UPDATE teams SET label = 'x' WHERE id = 5"],
  ],
  [
    'a parameter in the ON of a LEFT JOIN',
    'SELECT u.id, u.name, t.id AS task FROM users u LEFT JOIN tasks t ON t.user_id = u.id AND u.team_id = ?',
    ["UPDATE users SET name = 'x' WHERE id = 3", 'UPDATE users SET team_id = 1 WHERE id = 3'],
    [1],
  ],
  [
    'a parameter and a collation',
    'SELECT id, title FROM tasks WHERE nick = ?',
    ["UPDATE tasks SET title = 'x' WHERE nick = 'n1'"],
    ['N1'],
  ],
  [
    'groups by what a LEFT JOIN may have no row of',
    'SELECT t.k, count(*) AS n FROM users u LEFT JOIN tasks t ON t.user_id = u.id GROUP BY t.k',
    ['DELETE FROM tasks WHERE user_id = 4', 'DELETE FROM users WHERE id = 4'],
  ],
  [
    'a row made of all, of which a column is settled',
    'SELECT d.id, d.n FROM (SELECT id, count(*) AS n FROM tasks WHERE id = 3) d',
    ['DELETE FROM tasks WHERE id = 3', 'INSERT INTO tasks(id) VALUES (3)'],
  ],
  [
    'a table that the parameter does not reach',
    'SELECT t.id, m.label FROM tasks t, teams m WHERE t.user_id = ? AND m.id > t.k',
    ["UPDATE teams SET label = 'x' WHERE id = 5"],
    [3],
  ],
  [
    'a table on the way from the parameter',
    'SELECT t.id, u.name FROM tasks t JOIN users u ON u.id = t.user_id WHERE t.k = ?',
    ["UPDATE users SET name = 'x'"],
    [1],
  ],
  [
    'a row that leaves the parameter',
    'SELECT * FROM tasks WHERE user_id = ?',
    ['UPDATE tasks SET user_id = 9 WHERE user_id = 3'],
    [3],
  ],
  [
    'a parameter of another type',
    'SELECT * FROM tasks WHERE user_id = ?',
    ['UPDATE tasks SET user_id = 9 WHERE user_id = 3'],
    ['3'],
  ],
  [
    'a value in the text',
    "SELECT * FROM tasks WHERE title = 'it''s'",
    ["UPDATE tasks SET title = 'it''s' WHERE k = 3", "UPDATE tasks SET title = 'its' WHERE id < 50"],
  ],
  [
    'a number in the text',
    'SELECT id, title FROM tasks WHERE user_id = 3',
    ["UPDATE tasks SET title = 'x' WHERE user_id = 3", 'UPDATE tasks SET user_id = 3 WHERE user_id = 4'],
  ],
  [
    'a value of another type in the text',
    "SELECT id, title FROM tasks WHERE user_id = '3'",
    ["UPDATE tasks SET title = 'x' WHERE user_id = 3", 'UPDATE tasks SET user_id = 9 WHERE user_id = 3'],
  ],
  [
    'the group of NULL',
    'SELECT user_id, count(*) AS n FROM tasks GROUP BY user_id',
    ['UPDATE tasks SET user_id = NULL WHERE id < 5', 'DELETE FROM tasks WHERE id < 3'],
  ],
  [
    'a window that runs empty',
    'SELECT id, k FROM tasks ORDER BY k, id LIMIT 5',
    ['DELETE FROM tasks WHERE k < 3', 'UPDATE tasks SET k = -id WHERE id > 190'],
  ],
  [
    'rows behind the end of a window',
    'SELECT id, k FROM tasks ORDER BY k, id LIMIT 5',
    [
      'UPDATE tasks SET k = 90 WHERE id = 7',
      'UPDATE tasks SET k = k + 50 WHERE id = 7',
      'DELETE FROM tasks WHERE k = 0',
      'UPDATE tasks SET k = 91 WHERE k = 1',
    ],
  ],
  [
    'NULLs in an order',
    'SELECT id, k FROM tasks ORDER BY k DESC, id',
    ['UPDATE tasks SET k = NULL WHERE id = 5', 'UPDATE tasks SET k = 100 WHERE id = 9'],
  ],
  [
    'rows in the same place',
    'SELECT id, title FROM tasks ORDER BY k',
    ['UPDATE tasks SET k = 3 WHERE id = 1', "UPDATE tasks SET title = 'x' WHERE id = 9"],
  ],
  [
    'a row that comes into the place of another',
    'SELECT id, k FROM tasks WHERE k > 90 ORDER BY k',
    [
      'UPDATE tasks SET k = 91 WHERE id = 9',
      'UPDATE tasks SET k = 91 WHERE id = 3',
      'UPDATE tasks SET k = 91 WHERE id = 12',
    ],
  ],
  [
    'DISTINCT over two places',
    'SELECT DISTINCT k FROM tasks',
    ['UPDATE tasks SET k = 50 WHERE id = 3', 'UPDATE tasks SET k = 50 WHERE id = 4', 'DELETE FROM tasks WHERE id = 3'],
  ],
];

describe('no rule is left out:', () => {
  const rules = RULES.map(([rule, sql, changes, params]) => ({ rule, sql, changes, params }));
  test.each(rules)('$rule', async ({ sql, changes, params }) => {
    const query = watched(sql, params);
    for (const change of changes) await query.rightly(change);
  });

  test('a VACUUM renumbers rows without a key', async () => {
    const query = watched('SELECT line FROM lines');
    // What comes after a second VACUUM stands where it stood, so that nothing but its rows has moved.
    query.host.db.sqlite.exec('VACUUM');
    await query.rightly('DELETE FROM lines WHERE rowid < 5');
    query.host.db.sqlite.exec('VACUUM');
    await query.rightly("UPDATE lines SET line = 'x' WHERE line = 'line 11'");
    await query.rightly("DELETE FROM lines WHERE line = 'line 13'");
  });
});
