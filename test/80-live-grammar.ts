/** Random schemas, SELECTs and transactions for the property of live queries. */
import fc from 'fast-check';

export interface Schema {
  readonly sql: string;
}

/** `users` ← `tasks` ← `notes`: keys of every kind, cascades, unique columns for REPLACE to meet. */
export const schemas: fc.Arbitrary<Schema> = fc
  .record({
    users: fc.constantFrom(
      'id INTEGER PRIMARY KEY, name TEXT COLLATE NOCASE, v, UNIQUE(name)',
      'id TEXT PRIMARY KEY COLLATE NOCASE, name TEXT UNIQUE, v ANY',
      'id INT NOT NULL, name TEXT, v REAL, UNIQUE(id)',
      'id PRIMARY KEY, name, v BLOB',
    ),
    onDelete: fc.constantFrom('CASCADE', 'SET NULL', 'NO ACTION'),
    tasks: fc.constantFrom('id INTEGER PRIMARY KEY', 'id INT, PRIMARY KEY(id, k)', 'id INTEGER UNIQUE', 'id ANY'),
    withoutRowid: fc.boolean(),
    index: fc.constantFrom('', 'CREATE INDEX tu ON tasks(user_id);', 'CREATE INDEX tk ON tasks(k, user_id);'),
    trigger: fc.constantFrom(
      '',
      'CREATE TRIGGER tr AFTER UPDATE OF v ON users BEGIN UPDATE tasks SET k = k + 1 WHERE user_id = NEW.id; END;',
    ),
  })
  .map(({ users, onDelete, tasks, withoutRowid, index, trigger }) => {
    const [head = '', tail] = tasks.split(', PRIMARY');
    const key = tail === undefined ? '' : `, PRIMARY${tail}`;
    const suffix = withoutRowid && tail !== undefined ? ' WITHOUT ROWID' : '';
    const refers = users.includes('PRIMARY KEY') || users.includes('UNIQUE(id)');
    const reference = refers ? ` REFERENCES users(id) ON DELETE ${onDelete} ON UPDATE CASCADE` : '';
    return {
      sql: `CREATE TABLE users(${users});
        CREATE TABLE tasks(${head}, user_id${reference}, k INTEGER, v${key})${suffix};
        CREATE TABLE tags(tag TEXT, task);
        CREATE VIEW open AS SELECT t.id, t.k, u.name FROM tasks t LEFT JOIN users u ON u.id = t.user_id WHERE t.k < 3;
        ${index} ${trigger}
        INSERT OR IGNORE INTO users(id, name, v) VALUES (1, 'A', 3), (2, 'b', 1), (3, 'C', 2), (4, 'd', 2.5), (5, NULL, NULL);
        INSERT OR IGNORE INTO tasks(id, user_id, k, v) VALUES
          (1, 1, 0, 1), (2, 1, 1, 2), (3, 2, 1, 'a'), (4, 3, 2, NULL), (5, 3, 3, 2.0), (6, NULL, 2, 1), (7, 2, 2, 1);
        INSERT INTO tags VALUES ('x', 1), ('x', 1), ('y', 2);`,
    };
  });

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

const ids = fc.constantFrom('1', '2', '3', '4', '5', "'1'", "'a'", "'A'", 'NULL');
const values = fc.constantFrom(
  '1',
  '2',
  '2.0',
  '2.5',
  "'2'",
  "''",
  'NULL',
  "x'00ff'",
  "x'32'",
  '9007199254740993',
  '-9223372036854775808',
  "'a'",
  "'A'",
);
const names = fc.constantFrom("'A'", "'a'", "'b'", "'ä'", 'NULL', "'__proto__'");
const small = fc.integer({ min: 0, max: 4 }).map(String);
const verbs = fc.constantFrom('INSERT OR IGNORE', 'INSERT OR REPLACE', 'REPLACE', 'INSERT OR IGNORE');

export const statements: fc.Arbitrary<string> = fc.oneof(
  fc
    .tuple(verbs, ids, names, values)
    .map(([verb, id, name, v]) => `${verb} INTO users(id, name, v) VALUES (${id}, ${name}, ${v})`),
  fc
    .tuple(verbs, ids, ids, small, values)
    .map(([verb, id, user, k, v]) => `${verb} INTO tasks(id, user_id, k, v) VALUES (${id}, ${user}, ${k}, ${v})`),
  fc.tuple(names, ids).map(([tag, task]) => `INSERT INTO tags VALUES (${tag}, ${task})`),
  fc.tuple(values, ids).map(([v, id]) => `UPDATE users SET v = ${v} WHERE id = ${id}`),
  fc.tuple(ids, ids).map(([to, id]) => `UPDATE OR IGNORE users SET id = ${to} WHERE id = ${id}`),
  fc.tuple(names, ids).map(([name, id]) => `UPDATE OR REPLACE users SET name = ${name} WHERE id = ${id}`),
  fc.tuple(small, values, ids).map(([k, v, id]) => `UPDATE tasks SET k = ${k}, v = ${v} WHERE id = ${id}`),
  fc.tuple(ids, small).map(([user, k]) => `UPDATE OR IGNORE tasks SET user_id = ${user} WHERE k = ${k}`),
  fc.tuple(ids, ids).map(([to, id]) => `UPDATE OR REPLACE tasks SET id = ${to} WHERE id = ${id}`),
  fc
    .constantFrom(
      'users SET v = -v',
      'tasks SET k = 4 - k',
      "tasks SET k = k + 1, v = v || 'x'",
      'users SET v = 5 WHERE v < 2',
    )
    .map((what) => `UPDATE OR IGNORE ${what}`),
  ids.map((id) => `DELETE FROM users WHERE id = ${id}`),
  small.map((k) => `DELETE FROM tasks WHERE k = ${k}`),
  fc.constantFrom('DELETE FROM tags', 'DELETE FROM tasks', 'UPDATE tasks SET k = k', 'UPDATE tags SET task = rowid'),
  fc
    .tuple(values, ids)
    .map(([v, id]) => `INSERT INTO users(id, v) VALUES (${id}, ${v}) ON CONFLICT DO UPDATE SET v = excluded.v`),
);

export interface Work {
  /** Whose transaction it is, and how it ends. */
  readonly by: 'host' | 'undone' | 'outside' | 'raw' | 'savepoint';
  readonly statements: readonly string[];
}

export const works: fc.Arbitrary<Work> = fc.record({
  by: fc.constantFrom('host', 'host', 'undone', 'outside', 'raw', 'savepoint'),
  statements: fc.array(statements, { minLength: 1, maxLength: 5 }),
});
