/** SELECTs of a few well-known forms, as people write them: also for the property of the reader of SELECTs. */
import fc from 'fast-check';

const sources = fc.constantFrom(
  'users u LEFT JOIN tasks t ON t.user_id = u.id',
  'users u JOIN tasks t ON t.user_id = u.id',
  'tasks t LEFT JOIN users u ON u.id = t.user_id',
  'tasks t JOIN tasks s ON s.k = t.k AND s.id <> t.id LEFT JOIN users u ON u.id = t.user_id',
  'users u LEFT JOIN tasks t ON t.user_id = u.id LEFT JOIN tags g ON g.task = t.id',
);
const wheres = fc.constantFrom(
  '',
  ' WHERE u.v > 1',
  ' WHERE t.k IN (1, 2)',
  ' WHERE t.v IS NULL',
  ' WHERE EXISTS (SELECT 1 FROM tags x WHERE x.task = t.id)',
  ' WHERE t.id NOT IN (SELECT task FROM tags WHERE task IS NOT NULL)',
  " WHERE u.name = 'A'",
  ' WHERE u.v = (SELECT max(v) FROM users)',
);
const limits = fc.constantFrom('', ' LIMIT 3', ' LIMIT 2 OFFSET 1');

const joined = fc
  .tuple(
    fc.constantFrom('*', 'u.id, u.name', 't.id, u.id AS uid, t.v', 'u.name, t.k', 'DISTINCT u.v', 'u.id, t.k + 1 AS n'),
    sources,
    wheres,
  )
  .map(([what, from, where]) => `SELECT ${what} FROM ${from}${where}`);
const grouped = fc
  .tuple(
    fc.constantFrom('u.id', 'u.id, u.name', 'u.name', 'u.v', 't.k'),
    fc.constantFrom(
      'count(t.id) AS n',
      'sum(t.k) AS n',
      'min(t.v) AS n, max(t.v)',
      'group_concat(t.k) AS n',
      'count(DISTINCT t.v) AS n',
    ),
    sources,
    wheres,
    fc.constantFrom('', ' HAVING n > 1', ' HAVING count(*) > 1'),
  )
  .map(([keys, what, from, where, having]) => {
    const aggregate = having.includes(' n ') && !what.includes(' AS n') ? 'count(*) AS n' : what;
    return `SELECT ${keys}, ${aggregate} FROM ${from}${where} GROUP BY ${keys}${having}`;
  });
const plain = fc.constantFrom(
  'SELECT * FROM users',
  'SELECT * FROM tasks WHERE k >= 1',
  'SELECT k, v FROM tasks',
  'SELECT rowid, tag FROM tags',
  'SELECT count(*) AS n, sum(k) AS s FROM tasks',
  'SELECT * FROM open',
  'SELECT name, count(*) AS n FROM open GROUP BY name',
  'SELECT DISTINCT k FROM tasks',
  'SELECT name FROM users UNION ALL SELECT tag FROM tags',
  'SELECT v FROM users UNION SELECT v FROM tasks',
  'SELECT id FROM users EXCEPT SELECT user_id FROM tasks',
  'WITH busy AS (SELECT user_id, count(*) AS n FROM tasks GROUP BY user_id) SELECT u.id, b.n FROM users u LEFT JOIN busy b ON b.user_id = u.id',
  'WITH RECURSIVE up(id, d) AS (SELECT id, 0 FROM users UNION ALL SELECT t.id, d + 1 FROM up JOIN tasks t ON t.user_id = up.id WHERE d < 3) SELECT * FROM up',
  'SELECT id, k, row_number() OVER (PARTITION BY user_id ORDER BY k, id) AS place FROM tasks',
  'SELECT id, sum(k) OVER (ORDER BY k) AS running FROM tasks',
  'SELECT u.id, (SELECT count(*) FROM tasks t WHERE t.user_id = u.id) AS n FROM users u',
  'SELECT * FROM (SELECT * FROM tasks ORDER BY k LIMIT 3)',
  'VALUES (1), (2)',
);
const ordered = fc.oneof(
  fc
    .tuple(sources, wheres, fc.constantFrom('t.k', 'u.name DESC', 't.k DESC, t.v', 'u.v, t.id', 't.id'), limits)
    .map(
      ([from, where, order, limit]) => `SELECT u.id, u.name, t.k, t.v FROM ${from}${where} ORDER BY ${order}${limit}`,
    ),
  fc
    .tuple(fc.constantFrom('k', 'v', 'id', 'k DESC, v'), limits)
    .map(([order, limit]) => `SELECT * FROM tasks ORDER BY ${order}${limit}`),
  fc
    .tuple(limits)
    .map(([limit]) => `SELECT user_id, count(*) AS n FROM tasks GROUP BY user_id ORDER BY n DESC${limit}`),
  fc
    .tuple(fc.constantFrom('v', 'v DESC', 'name', '-v, id'), limits)
    .map(([order, limit]) => `SELECT id, name FROM users ORDER BY ${order}${limit}`),
  fc
    .tuple(fc.constantFrom('k', 'k DESC', 'v, k'), limits)
    .map(([order, limit]) => `SELECT user_id FROM tasks ORDER BY ${order}${limit}`),
  fc.constant('SELECT tag FROM tags UNION ALL SELECT name FROM users ORDER BY 1'),
);

export const selects: fc.Arbitrary<string> = fc.oneof(joined, grouped, plain, ordered);
