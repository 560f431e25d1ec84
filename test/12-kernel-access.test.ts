/** The access check: exactly what each kind of statement reads and writes, and that finding it out executes nothing. */
import type BetterSqlite3 from 'better-sqlite3';
import { beforeEach, describe, expect, test } from 'vitest';
import { createAccess } from '../kernel/access/access.ts';
import type { Access, AccessCheck } from '../kernel/access/access.ts';
import { open, SCHEMA, sorted, thrown, writesOf } from './12-kernel-access-support.ts';

let db: BetterSqlite3.Database;
let access: AccessCheck;
beforeEach(() => {
  db = open();
  db.exec(SCHEMA);
  access = createAccess(db);
});

interface Expected {
  /** Default: as `direct` says. */
  readonly reads?: string;
  readonly direct?: string;
  readonly writes?: string;
  readonly kind?: Access['kind'];
  readonly opaque?: RegExp;
  readonly virtual?: string;
  readonly temp?: string;
  readonly recursive?: boolean;
  readonly schema?: boolean;
}

const UNKNOWN = /not known to be harmless/;
const ROLLS_BACK = /roll back/;
const WRITE = { kind: 'write' } as const;
const SCHEMA_KIND = { kind: 'schema' } as const;

/** Every statement with exactly what it reads and writes. */
const CASES: readonly (readonly [string, Expected])[] = [
  // Reading
  ['SELECT 1', {}],
  ['VALUES (1), (2)', {}],
  ['SELECT * FROM users', { direct: 'users' }],
  ['SELECT * FROM USERS AS u', { direct: 'users' }],
  ['SELECT "a b" FROM "odd ""name;"', { direct: 'odd "name;' }],
  ['SELECT count(*) FROM users', { direct: 'users' }],
  ['SELECT id FROM users INDEXED BY users_age WHERE age > 1', { direct: 'users' }],
  ['SELECT max(age) FROM users', { direct: 'users' }],
  ['SELECT * FROM logged WHERE b = 1', { direct: 'logged' }],
  ['SELECT * FROM busier', { direct: 'tasks users' }],
  [
    'SELECT * FROM users WHERE id IN (SELECT user_id FROM tasks) UNION SELECT 1, 2, 3, s FROM secret',
    { direct: 'secret tasks users' },
  ],
  ['SELECT (SELECT s FROM secret LIMIT 0)', { direct: 'secret' }],
  ['WITH s AS MATERIALIZED (SELECT * FROM secret) SELECT * FROM s, s AS t', { direct: 'secret' }],
  ['SELECT x FROM own ORDER BY (SELECT count(*) FROM secret)', { direct: 'own secret' }],
  ['SELECT sum(x) OVER (ORDER BY y ROWS BETWEEN 3 PRECEDING AND CURRENT ROW) FROM own', { direct: 'own' }],
  ['SELECT row_number() OVER (), x FROM own WHERE y = ? OR y = :b', { direct: 'own' }],
  ['SELECT a.x FROM own a FULL JOIN plain b ON a.x = b.x', { direct: 'own plain' }],
  // What is not opened cannot leak
  ['SELECT 1 WHERE 0 AND EXISTS (SELECT * FROM secret)', {}],
  ['WITH s AS (SELECT * FROM secret) SELECT 1', {}],
  ['SELECT tasks.* FROM tasks LEFT JOIN users ON users.id = tasks.user_id', { direct: 'tasks' }],
  // The schema itself
  ['SELECT name FROM sqlite_schema', { schema: true }],
  ['SELECT name FROM sqlite_master', { schema: true }],
  ['SELECT * FROM temp.sqlite_master', { schema: true }],
  ["SELECT * FROM pragma_table_info('users')", { opaque: UNKNOWN, virtual: '(unknown)' }],
  ['SELECT 1 FROM pragma_journal_mode', { opaque: UNKNOWN, virtual: '(unknown)' }],
  ['SELECT * FROM dbstat', { opaque: UNKNOWN, virtual: '(unknown)' }],
  // Temp tables
  ['SELECT name FROM users NATURAL JOIN scratch', { direct: 'users', temp: 'scratch' }],
  ['INSERT INTO scratch SELECT s FROM secret', { ...WRITE, direct: 'secret', temp: ' scratch:i/' }],
  // Recursive queries, with the keyword and without it, and inside a view
  ['WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT * FROM c LIMIT 3', { recursive: true }],
  ['WITH c(n) AS (SELECT 1 UNION SELECT n + 1 FROM c) SELECT * FROM c LIMIT 3', { recursive: true }],
  ['WITH c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c ORDER BY 1) SELECT * FROM c LIMIT 3', { recursive: true }],
  ['SELECT * FROM endless', { recursive: true }],
  ['INSERT INTO plain(x) SELECT n FROM endless', { ...WRITE, writes: 'plain:i/', recursive: true }],
  // Functions
  ["SELECT load_extension('x')", { opaque: /load_extension/ }],
  ['SELECT fts3_tokenizer(?)', { opaque: /fts3_tokenizer/ }],
  // Virtual tables
  ['SELECT * FROM ft', { direct: 'ft', virtual: 'ft' }],
  [
    "SELECT highlight(ft_other, 0, 'a', 'b') FROM ft_other WHERE ft_other MATCH 'a'",
    { direct: 'ft_other', virtual: 'ft_other' },
  ],
  ['SELECT * FROM spy', { direct: 'secret spy', virtual: 'spy' }],
  ['SELECT * FROM spy4', { direct: 'secret spy4', virtual: 'spy4' }],
  ['SELECT * FROM spy_view', { direct: 'spy_view tasks users', virtual: 'spy_view' }],
  ['SELECT * FROM words', { direct: 'secret spy words', virtual: 'spy words' }],
  ['SELECT id FROM boxes WHERE a > 1', { direct: 'boxes', virtual: 'boxes' }],
  ['SELECT value FROM own, json_each(own.x)', { direct: 'own', virtual: 'json_each' }],
  ["INSERT INTO ft VALUES ('q')", { ...WRITE, writes: 'ft:diu/', virtual: 'ft' }],
  ["INSERT INTO spy(spy) VALUES ('rebuild')", { ...WRITE, direct: 'secret', writes: 'spy:diu/', virtual: 'spy' }],
  ["INSERT OR ROLLBACK INTO ft VALUES ('q')", { ...WRITE, writes: 'ft:diu/', virtual: 'ft', opaque: ROLLS_BACK }],
  // Writing
  ['INSERT INTO plain(x) VALUES (1)', { ...WRITE, writes: 'plain:i/' }],
  ['INSERT INTO own(x) VALUES (1)', { ...WRITE, writes: '_capsule_log:/i own:i/' }],
  ['INSERT INTO _capsule_log(op) VALUES (1)', { ...WRITE, writes: '_capsule_log:i/' }],
  ['INSERT INTO plain SELECT s, 1 FROM secret', { ...WRITE, direct: 'secret', writes: 'plain:i/' }],
  [
    'WITH s AS (SELECT s FROM secret) INSERT INTO plain(x) SELECT s FROM s',
    { ...WRITE, direct: 'secret', writes: 'plain:i/' },
  ],
  ['UPDATE own SET x = 1 WHERE id = 2', { ...WRITE, writes: 'own:u/' }],
  ['UPDATE plain SET x = s FROM secret', { ...WRITE, direct: 'plain secret', writes: 'plain:u/' }],
  ['DELETE FROM secret', { ...WRITE, writes: 'secret:d/' }],
  ['DELETE FROM secret WHERE s = 1', { ...WRITE, writes: 'secret:d/' }],
  ['INSERT INTO logged VALUES (1, 2, 3)', { ...WRITE, writes: 'logged:iu/' }],
  ['DELETE FROM logged', { ...WRITE, writes: 'logged:d/' }],
  ['INSERT INTO counted(x) VALUES (1)', { ...WRITE, writes: 'counted:i/' }],
  ['DELETE FROM counted WHERE id = 1', { ...WRITE, writes: '_capsule_log:/i counted:d/' }],
  ['UPDATE sqlite_sequence SET seq = 99', { ...WRITE, writes: 'sqlite_sequence:u/' }],
  ['DELETE FROM [sqlite_Sequence]', { ...WRITE, writes: 'sqlite_sequence:d/' }],
  ['SELECT seq FROM sqlite_sequence', { direct: 'sqlite_sequence' }],
  [
    'INSERT INTO own(x, y) VALUES (1, ?) ON CONFLICT(y) DO UPDATE SET x = (SELECT s FROM secret)',
    { ...WRITE, direct: 'secret', writes: '_capsule_log:/i own:iu/' },
  ],
  ['UPDATE own SET x = 1 WHERE id = 2 RETURNING y', { ...WRITE, direct: 'own', writes: 'own:u/' }],
  ['INSERT INTO plain(x) VALUES (1) RETURNING *', { ...WRITE, writes: 'plain:i/' }],
  ['UPDATE secret SET s = s RETURNING s', { ...WRITE, direct: 'secret', writes: 'secret:u/' }],
  ['DELETE FROM plain RETURNING (SELECT s FROM secret)', { ...WRITE, direct: 'plain secret', writes: 'plain:d/' }],
  ['REPLACE INTO own VALUES (1, 2, 3)', { ...WRITE, writes: '_capsule_log:/i own:di/' }],
  // Triggers and foreign keys
  [
    'INSERT INTO tasks(title) VALUES (1)',
    { ...WRITE, direct: 'users', reads: 'plain users', writes: 'logged:/diu tasks:i/' },
  ],
  ['DELETE FROM door', { ...WRITE, direct: 'plain', writes: 'secret:/d' }],
  ['DELETE FROM users WHERE id = 1', { ...WRITE, direct: 'tasks', reads: 'tasks users', writes: 'tasks:/d users:d/' }],
  ['UPDATE plain SET y = 1', { ...WRITE, direct: 'plain', writes: 'plain:u/' }],
  // Transactions in disguise
  ['INSERT OR ROLLBACK INTO own VALUES (1, 2, 3)', { ...WRITE, writes: '_capsule_log:/i own:i/', opaque: ROLLS_BACK }],
  ['INSERT INTO strict_one VALUES (1)', { ...WRITE, writes: 'strict_one:i/', opaque: ROLLS_BACK }],
  ...['BEGIN', 'begin immediate', 'COMMIT', 'END', 'ROLLBACK', 'SAVEPOINT a', 'RELEASE a', 'ROLLBACK TO a'].map(
    (sql) => [sql, { kind: 'transaction', opaque: /transaction/ }] as const,
  ),
  // The schema
  ['CREATE TABLE new_one(a)', SCHEMA_KIND],
  ['CREATE TABLE new_one(a INTEGER PRIMARY KEY AUTOINCREMENT, b AS (a + 1))', SCHEMA_KIND],
  ['CREATE TABLE copy AS SELECT * FROM secret', { ...SCHEMA_KIND, direct: 'secret' }],
  ['CREATE TEMP TABLE copy AS SELECT * FROM secret', { ...SCHEMA_KIND, direct: 'secret' }],
  ['CREATE INDEX i ON own(x)', { ...SCHEMA_KIND, direct: 'own' }],
  ['CREATE VIEW v AS SELECT * FROM secret', SCHEMA_KIND],
  ['CREATE TRIGGER t AFTER INSERT ON own BEGIN DELETE FROM secret; END', SCHEMA_KIND],
  ["CREATE VIRTUAL TABLE f USING fts5(s, content='secret')", { ...SCHEMA_KIND, direct: 'secret' }],
  ['CREATE VIRTUAL TABLE f USING fts5(a, b)', SCHEMA_KIND],
  ['CREATE VIRTUAL TABLE f USING dbstat', { ...SCHEMA_KIND, opaque: /module "dbstat"/ }],
  [
    'CREATE VIRTUAL TABLE f USING fts4(s, compress=hello, uncompress=hello)',
    { ...SCHEMA_KIND, opaque: /option "compress"/ },
  ],
  ["CREATE VIRTUAL TABLE f USING fts5(s, content='no_such')", { ...SCHEMA_KIND, opaque: /cannot be read/ }],
  ['ALTER TABLE plain ADD COLUMN w', { ...SCHEMA_KIND, schema: true }],
  ['ALTER TABLE plain ADD COLUMN w CHECK (w > 0)', { ...SCHEMA_KIND, direct: 'plain', schema: true }],
  ['ALTER TABLE own RENAME TO owner', { ...SCHEMA_KIND, schema: true }],
  ['ALTER TABLE secret RENAME s TO t', { ...SCHEMA_KIND, schema: true }],
  ['ALTER TABLE logged DROP COLUMN c', { ...SCHEMA_KIND, writes: 'logged:iu/', schema: true }],
  ['DROP TABLE secret', { ...SCHEMA_KIND, writes: 'secret:d/', schema: true }],
  ['DROP TABLE users', { ...SCHEMA_KIND, direct: 'tasks users', writes: 'tasks:/d users:d/', schema: true }],
  ['DROP INDEX users_age', { ...SCHEMA_KIND, writes: 'users:/', schema: true }],
  ['DROP VIEW door', SCHEMA_KIND],
  ['DROP TRIGGER own_log', SCHEMA_KIND],
  ['REINDEX users_age', { ...SCHEMA_KIND, direct: 'users', writes: 'users:/' }],
  ['ANALYZE own', { kind: 'analyze', direct: 'own' }],
  // Never asked of SQLite
  ['PRAGMA user_version', { kind: 'pragma', opaque: /PRAGMA/ }],
  ['/* x */ EXPLAIN -- y\n PRAGMA foreign_keys = OFF', { kind: 'pragma', opaque: /PRAGMA/ }],
  ["ATTACH ':memory:' AS other", { kind: 'attach', opaque: /attaches/ }],
  ['DETACH other', { kind: 'attach', opaque: /attaches/ }],
  ['VACUUM', { kind: 'vacuum', opaque: /VACUUM/ }],
  ["VACUUM INTO '/tmp/x'", { kind: 'vacuum', opaque: /VACUUM/ }],
  ['', { kind: 'empty' }],
  [' -- nothing\n;', { kind: 'empty' }],
  // EXPLAIN
  ['EXPLAIN SELECT * FROM secret', { kind: 'explain', direct: 'secret' }],
  ['EXPLAIN QUERY PLAN DELETE FROM secret', { kind: 'explain' }],
];

describe('bad arguments', () => {
  test('are refused with a GlyphError', () => {
    expect(thrown(() => access.check(undefined as never)).code).toBe('GC_BAD_ARGUMENT');
    expect(thrown(() => access.check('SELECT 1; SELECT 2')).message).toContain('One statement is expected');
    expect(thrown(() => access.check('SELECT 1 \0')).code).toBe('GC_SQL');
    expect(thrown(() => access.check('SELEC 1')).code).toBe('GC_SQL');
    expect(thrown(() => access.check('SELECT (')).code).toBe('GC_SQL');
    expect(thrown(() => access.check('EXPLAIN EXPLAIN SELECT 1 FROM')).code).toBe('GC_SQL');
    expect(thrown(() => access.check('QUERY PLAN SELECT 1')).code).toBe('GC_SQL');
    expect(thrown(() => access.check('SELECT * FROM user')).message).toContain('did you mean "users"?');
    expect(thrown(() => access.check('SELECT agee FROM users'))).toMatchObject({ code: 'GC_NO_SUCH_COLUMN' });
    expect(thrown(() => access.check('SELECT agee FROM users')).message).toContain('did you mean "age"?');
    expect(thrown(() => access.check('DELETE FROM ft_data')).code).toBe('GC_SQL');
    expect(thrown(() => access.check('INSERT INTO sqlite_schema VALUES (1,1,1,1,1)')).code).toBe('GC_SQL');
    db.close();
    expect(thrown(() => access.check('SELECT 1')).code).toBe('GC_CLOSED');
    expect(thrown(() => access.settle()).code).toBe('GC_CLOSED');
  });
});

describe('what a statement reads and writes', () => {
  test.each(CASES)('%s', (sql, expected) => {
    const {
      kind = 'select',
      direct = '',
      reads = direct,
      writes = '',
      temp = '',
      recursive = false,
      opaque,
    } = expected;
    const found = access.check(sql);
    expect({
      kind: found.kind,
      reads: sorted(found.reads),
      direct: sorted(found.directReads),
      writes: writesOf(found.writes),
      temp: `${sorted(found.temp.reads)} ${writesOf(found.temp.writes)}`.trimEnd(),
      recursive: found.recursive,
      schemaReads: found.schemaReads,
      virtual: sorted(found.virtualTables),
    }).toEqual({
      kind,
      reads,
      direct,
      writes,
      temp,
      recursive,
      schemaReads: expected.schema ?? false,
      virtual: expected.virtual ?? '',
    });
    if (opaque === undefined) expect(found.opaque).toEqual([]);
    else expect(found.opaque.join()).toMatch(opaque);
    expect(found.readonly).toBe(['select', 'explain', 'empty'].includes(kind));
    // Again, from memory.
    expect(access.check(sql)).toEqual(found);
  });
});

describe('nothing is executed', () => {
  test('no pragma, whatever it stands behind', () => {
    for (const sql of [
      'PRAGMA foreign_keys = OFF',
      'EXPLAIN PRAGMA foreign_keys = OFF',
      'EXPLAIN QUERY PLAN PRAGMA foreign_keys = OFF',
    ]) {
      access.check(sql);
      expect(thrown(() => access.check(`SELECT 1; ${sql}`)).code).toBe('GC_SQL');
      expect(access.check(`PLAN ${sql.replace('EXPLAIN ', '')}`).kind).toBe('pragma');
    }
    expect(db.pragma('foreign_keys', { simple: true })).toBe(1);
  });

  test('no statement of the whole list', () => {
    db.exec(
      "INSERT INTO secret VALUES ('s'); INSERT INTO users(id) VALUES (1); INSERT INTO tasks(user_id, title) VALUES (1, 'a')",
    );
    const before = [db.serialize(), db.inTransaction, db.pragma('database_list')];
    for (const [sql] of CASES) access.check(sql);
    expect([db.serialize(), db.inTransaction, db.pragma('database_list')]).toEqual(before);
  });
});
