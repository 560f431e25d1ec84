/** The access check beyond single statements: functions, columns, temp and virtual tables, and answers that follow the schema. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type BetterSqlite3 from 'better-sqlite3';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { createAccess } from '../kernel/access/access.ts';
import type { AccessCheck } from '../kernel/access/access.ts';
import { open, SCHEMA, sorted, thrown, writesOf } from './12-kernel-access-support.ts';

const folder = mkdtempSync(join(tmpdir(), 'glyphcase-access-'));
afterAll(() => rmSync(folder, { recursive: true }));

const UNKNOWN = /not known to be harmless/;
let db: BetterSqlite3.Database;
let access: AccessCheck;
beforeEach(() => {
  db = open();
  db.exec(SCHEMA);
  access = createAccess(db);
});

describe('beyond tables', () => {
  test('functions, those of views, defaults and triggers too', () => {
    db.exec(`CREATE VIEW greeting AS SELECT hello() AS h; CREATE TABLE d(a, b DEFAULT (hello()), CHECK (abs(a) < 5));
      CREATE TRIGGER dt AFTER INSERT ON d BEGIN UPDATE d SET a = upper(new.a); END`);
    expect([...access.check('SELECT lower(h), count(*) FROM greeting').functions].sort()).toEqual([
      'count',
      'hello',
      'lower',
    ]);
    expect([...access.check('INSERT INTO d(a) VALUES (1)').functions].sort()).toEqual(['abs', 'hello', 'upper']);
    expect([...access.check("SELECT datetime('now'), current_timestamp").functions]).toEqual([
      'datetime',
      'current_timestamp',
    ]);
  });

  test('schema changes carry what they say', () => {
    expect(access.check('CREATE TRIGGER t AFTER INSERT ON own BEGIN DELETE FROM secret; END').schemaChange).toEqual({
      ...{ verb: 'create', object: 'trigger', name: 't', temp: false, on: 'own' },
    });
    expect(access.check('SELECT 1').schemaChange).toBeUndefined();
  });

  test('a name that means a temp table, and a temp trigger on a main table', () => {
    db.exec(
      'CREATE TEMP TABLE secret(s); CREATE TEMP TRIGGER tt AFTER INSERT ON plain BEGIN DELETE FROM main.secret; END',
    );
    expect(sorted(access.check('SELECT * FROM secret').reads)).toBe('');
    expect(sorted(access.check('SELECT * FROM secret').temp.reads)).toBe('secret');
    expect(writesOf(access.check('INSERT INTO plain(x) VALUES (1)').writes)).toBe('plain:i/ secret:/d');
  });

  test('attached databases, temporary and unknown virtual tables are opaque', () => {
    db.exec(
      "ATTACH ':memory:' AS other; CREATE TABLE other.t(a); CREATE VIRTUAL TABLE temp.tf USING fts5(a, content='secret')",
    );
    db.table('custom', { columns: ['a'], *rows() {} });
    expect(access.check('SELECT * FROM other.t').opaque.join()).toContain('attached');
    expect(access.check('INSERT INTO t VALUES (1)').opaque.join()).toContain('attached');
    expect(access.check('SELECT * FROM tf').opaque.join()).toContain('temporary virtual table');
    expect(access.check('SELECT * FROM custom').opaque.join()).toMatch(UNKNOWN);
  });

  test('a virtual table that takes the name of a harmless function is not harmless', () => {
    db.exec("CREATE VIRTUAL TABLE json_each USING fts5(s, content='secret')");
    expect(sorted(access.check('SELECT * FROM json_each').reads)).toBe('json_each secret');
  });

  test('a trigger that counts with sqlite_sequence shows it', () => {
    db.exec('CREATE TRIGGER ct AFTER INSERT ON own BEGIN UPDATE "sqlite_sequence" SET seq = 1; END');
    expect(access.check('INSERT INTO own(x) VALUES (1)').writes.has('sqlite_sequence')).toBe(true);
  });
});

describe('columns of a SELECT', () => {
  const columnsOf = (sql: string): Record<string, string> =>
    Object.fromEntries(
      [...(access.check(sql).columns ?? [])].map(([table, names]) => [table, names === 'all' ? '*' : sorted(names)]),
    );

  test('are those it reads, searches by or joins by, and the keys', () => {
    expect(columnsOf('SELECT name FROM users')).toEqual({ users: 'id name' });
    expect(columnsOf('SELECT name FROM users WHERE age = 3')).toEqual({ users: 'age id name' });
    expect(columnsOf('SELECT c FROM logged')).toEqual({ logged: 'a c' });
    expect(columnsOf('SELECT b FROM keyed')).toEqual({ keyed: 'b k' });
    expect(columnsOf('SELECT b FROM gap')).toEqual({ gap: 'b' });
    expect(columnsOf('SELECT z FROM plain')).toEqual({ plain: 'x' });
    expect(columnsOf('SELECT * FROM busier')).toEqual({ tasks: 'id user_id', users: 'id name' });
    expect(columnsOf('SELECT * FROM ft')).toEqual({ ft: '*' });
    expect(access.check('DELETE FROM own').columns).toBeUndefined();
  });

  test('are all where a partial index or an index over an expression answers', () => {
    expect(columnsOf("SELECT title FROM tasks INDEXED BY open_tasks WHERE done = 0 AND title > 'a'")).toEqual({
      tasks: '*',
    });
    db.exec('CREATE INDEX by_sum ON own(x + y)');
    expect(columnsOf('SELECT 1 FROM own WHERE x + y = 3')).toEqual({ own: '*' });
  });
});

describe('answers follow the schema', () => {
  test('also when a rollback brings the counter back', () => {
    db.exec('BEGIN; CREATE TABLE v1(a); CREATE VIEW shape AS SELECT a FROM v1');
    expect(sorted(access.check('SELECT * FROM shape').reads)).toBe('v1');
    db.exec('ROLLBACK; BEGIN; CREATE TABLE v1(a); CREATE VIEW shape AS SELECT s AS a FROM secret');
    expect(sorted(access.check('SELECT * FROM shape').reads)).toBe('secret');
    db.exec('COMMIT');
    expect(sorted(access.check('SELECT * FROM shape').reads)).toBe('secret');
  });

  test('also inside savepoints, after settle()', () => {
    db.exec('BEGIN');
    access.settle();
    db.exec('SAVEPOINT a; CREATE VIEW shape AS SELECT x FROM own');
    expect(sorted(access.check('SELECT * FROM shape').reads)).toBe('own');
    db.exec('ROLLBACK TO a; CREATE VIEW shape AS SELECT s FROM secret');
    expect(sorted(access.check('SELECT * FROM shape').reads)).toBe('secret');
    db.exec('ROLLBACK TO a');
    expect(thrown(() => access.check('SELECT * FROM shape')).code).toBe('GC_NO_SUCH_TABLE');
  });

  test('of temp tables, and of another program', () => {
    const file = join(folder, 'shared.db');
    const mine = open(file);
    mine.exec('CREATE TABLE a(x); CREATE TABLE b(x); CREATE VIEW v AS SELECT x FROM a');
    const own = createAccess(mine);
    expect(sorted(own.check('SELECT * FROM v').reads)).toBe('a');
    const other = open(file);
    other.exec('DROP VIEW v; CREATE VIEW v AS SELECT x FROM b');
    expect(sorted(own.check('SELECT * FROM v').reads)).toBe('b');
    mine.exec('CREATE TEMP VIEW v AS SELECT x FROM main.a');
    expect(sorted(own.check('SELECT * FROM v').reads)).toBe('a');
    mine.exec('DROP VIEW temp.v');
    expect(sorted(own.check('SELECT * FROM v').reads)).toBe('b');
    // Root pages change owners.
    other.exec('DROP VIEW v; DROP TABLE a; DROP TABLE b; CREATE TABLE c(x); CREATE VIEW v AS SELECT x FROM c');
    expect(sorted(own.check('SELECT * FROM v').reads)).toBe('c');
    other.exec('VACUUM');
    expect(sorted(own.check('SELECT * FROM v').reads)).toBe('c');
    other.close();
    mine.close();
  });

  test('of virtual tables that take over an address', () => {
    for (let round = 0; round < 5; round += 1) {
      const [now, gone] = round % 2 === 0 ? ['secret', 'own'] : ['own', 'secret'];
      db.exec(`DROP TABLE IF EXISTS f_${gone}; CREATE VIRTUAL TABLE f_${now} USING fts5(x, content='${now}')`);
      expect(sorted(access.check(`SELECT * FROM f_${now}`).reads)).toBe(`f_${now} ${now}`);
    }
  });

  test('and the memory for them is bounded', () => {
    const first = access.check('SELECT 0 FROM own');
    expect(access.check('SELECT 0 FROM own')).toBe(first);
    for (let i = 0; i < 1200; i += 1) access.check(`SELECT ${i} FROM own`);
    expect(access.check('SELECT 0 FROM own')).not.toBe(first);
    expect(access.check('SELECT 0 FROM own')).toEqual(first);
    expect(access.check('SELECT 1199 FROM own')).toBe(access.check('SELECT 1199 FROM own'));
  });
});
