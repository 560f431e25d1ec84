/** Writing SQL text: literals of any value, quoted names; and SQLite's errors as ours. */
import BetterSqlite3 from 'better-sqlite3';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { GlyphError } from '../kernel/errors.ts';
import { didYouMean } from '../kernel/schema/validate.ts';
import { foldName, quoteName, quoteText, sameName } from '../kernel/sql/identifiers.ts';
import { sqlError } from '../kernel/sql/errors.ts';
import { literalise, nameOf, sqlLiteral, tokenize } from '../kernel/sql/index.ts';

const db = new BetterSqlite3(':memory:');
const value = (sql: string): unknown => db.prepare(sql).safeIntegers().pluck().get();

function thrown(fn: () => unknown): GlyphError {
  try {
    fn();
  } catch (error) {
    if (error instanceof GlyphError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('literals', () => {
  test('refuse wrong parameters', () => {
    expect(thrown(() => literalise('SELECT ?, ?', [1])).code).toBe('GC_BAD_ARGUMENT');
    expect(thrown(() => literalise('SELECT ?', [1, 2])).message).toContain('takes 1 parameters, but 2');
    expect(thrown(() => literalise('SELECT :a', { b: 1 })).message).toContain('names given are b');
    expect(thrown(() => literalise('SELECT ?', { b: 1 })).code).toBe('GC_BAD_ARGUMENT');
    expect(thrown(() => literalise('SELECT ?', [() => 1])).code).toBe('GC_BAD_VALUE');
    expect(thrown(() => literalise('SELECT :toString', {})).code).toBe('GC_BAD_ARGUMENT');
  });

  test('stand where parameters stood, and nowhere else', () => {
    expect(literalise('SELECT \'?\', "?" -- ?\n, ? /* :a */', [1])).toBe('SELECT \'?\', "?" -- ?\n, 1 /* :a */');
    expect(literalise('SELECT a=?AND b-?', [5, -5])).toBe('SELECT a= 5 AND b- (-5)');
    expect(literalise('SELECT ?2, ?, ?1', ['a', 'b', 'c'])).toBe("SELECT 'b', 'c', 'a'");
    expect(literalise('SELECT :a, @b, $a, :a', { a: 1, b: undefined })).toBe('SELECT 1, NULL, 1, 1');
    expect(literalise('SELECT :a, :b, :a', ['x', 'y'])).toBe("SELECT 'x', 'y', 'x'");
    expect(literalise('SELECT x FROM t ORDER BY ?, (SELECT ?) LIMIT ?', [1, 2, 3])).toBe(
      'SELECT x FROM t ORDER BY ifnull(1, NULL), (SELECT 2) LIMIT 3',
    );
  });

  test('do not become positions of columns in ORDER BY and GROUP BY', () => {
    for (const sql of [
      'SELECT a, b FROM t ORDER BY ?',
      'SELECT count(*) FROM t GROUP BY ?',
      'SELECT b FROM t ORDER BY a > 9, ? LIMIT ?',
    ]) {
      const own = new BetterSqlite3(':memory:');
      own.exec('CREATE TABLE t(a, b); INSERT INTO t VALUES (1, 9), (2, 8)');
      const params = sql.includes('LIMIT') ? [1, 5] : [2];
      expect(own.prepare(literalise(sql, params)).all()).toEqual(own.prepare(sql).all(...params));
    }
  });

  test('have no affinity of their own, as parameters have none', () => {
    const own = new BetterSqlite3(':memory:');
    own.exec('CREATE TABLE t(a, b TEXT, c INTEGER); INSERT INTO t VALUES (5, 5, 5)');
    for (const input of ['1\0', '5', 5n, 5.5, -5n, new Uint8Array([53])]) {
      const sql = 'SELECT a + 0 < ?1, a < ?1, b < ?1, c < ?1, a = ?1, b = ?1, c = ?1 FROM t';
      const literal = own
        .prepare(literalise(sql, [input]))
        .raw()
        .get();
      expect(literal, String(input)).toEqual(own.prepare(sql.replaceAll('?1', ':a')).raw().get({ a: input }));
    }
  });

  test('are the values that binding gives, of the same type', () => {
    const any = fc.oneof(
      fc.integer(),
      fc.maxSafeInteger(),
      fc.double(),
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      fc.string({ unit: 'binary' }),
      fc.constantFrom('\0', 'a\0b', "'", "'; DROP TABLE x; --", -0, 1e20, 2 ** 63, 5e-324, Infinity, -Infinity, NaN),
      fc.uint8Array(),
      fc.boolean(),
      fc.date({ noInvalidDate: true }),
      fc.constant(null),
      fc.dictionary(fc.string(), fc.integer()),
    );
    // What binding makes of each kind, written out again here.
    const bound = (input: unknown): unknown => {
      if (typeof input === 'boolean') return input ? 1n : 0n;
      if (typeof input === 'number')
        return Number.isSafeInteger(input) && !Object.is(input, -0) ? BigInt(input) : input;
      if (input instanceof Date) return input.toISOString();
      if (input === null || typeof input !== 'object' || input instanceof Uint8Array) return input;
      return JSON.stringify(input);
    };
    const compare = db.prepare('SELECT ? AS v').pluck().safeIntegers();
    fc.assert(
      fc.property(any, (input) => {
        const literal = sqlLiteral(input);
        expect(value(`SELECT ${literal}`)).toEqual(compare.get(bound(input)));
        expect(value(literalise('SELECT typeof(?)', [input]))).toBe(value(`SELECT typeof(${literal})`));
        expect(tokenize(`x=${literal}`).every(({ type }) => type !== 'illegal' && type !== 'semicolon')).toBe(true);
      }),
      { numRuns: 3000 },
    );
  });
});

describe('names', () => {
  test('refuse what no name can be', () => {
    for (const bad of ['', 'a\0b', 5 as never, undefined as never]) {
      expect(thrown(() => quoteName(bad)).code).toBe('GC_BAD_ARGUMENT');
    }
    expect(thrown(() => quoteText('\0')).code).toBe('GC_BAD_ARGUMENT');
  });

  test('and texts are one token and come back', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', minLength: 1 }).filter((text) => !text.includes('\0')),
        (text) => {
          expect(tokenize(quoteName(text)).map(nameOf)).toEqual([text]);
          expect(value(`SELECT ${quoteText(text)}`)).toBe(value(`SELECT ${sqlLiteral(text)}`));
        },
      ),
    );
  });

  test('are the same as SQLite takes them to be', () => {
    expect(sameName('Orders', 'oRDERS')).toBe(true);
    expect(sameName('Größe', 'gröSSe')).toBe(false);
    expect(sameName('É', 'é')).toBe(false);
    expect(foldName('ÄbC_1')).toBe('Äbc_1');
    // U+212A lowers to an ASCII k in JavaScript, not in SQLite.
    expect(sameName('\u212A', 'k')).toBe(false);
  });
});

describe("SQLite's errors", () => {
  const failure = (connection: BetterSqlite3.Database, sql: string): unknown => {
    try {
      connection.exec(sql);
    } catch (error) {
      return error;
    }
    throw new Error(`did not fail: ${sql}`);
  };
  const own = new BetterSqlite3(':memory:');
  own.exec('CREATE TABLE orders(id INTEGER PRIMARY KEY, status UNIQUE)');
  const mapped = (sql: string): GlyphError =>
    sqlError(
      failure(own, sql),
      sql,
      () => ['orders', 'items'],
      () => ['id', 'status'],
    );

  test('stay what they are when they are ours, and take anything', () => {
    const ours = new GlyphError('GC_BAD_FILTER', 'x');
    expect(sqlError(ours, '')).toBe(ours);
    expect(sqlError('text', 'SELECT 1')).toMatchObject({ code: 'GC_SQL', message: 'text in: SELECT 1', cause: 'text' });
  });

  test('name the likely meaning', () => {
    expect(mapped('SELECT * FROM ordrs')).toMatchObject({ code: 'GC_NO_SUCH_TABLE' });
    expect(mapped('SELECT * FROM ordrs').message).toContain('did you mean "orders"?');
    expect(mapped('SELECT * FROM main.ordrs').message).toContain('did you mean "orders"?');
    expect(mapped('SELECT statsu FROM orders')).toMatchObject({ code: 'GC_NO_SUCH_COLUMN' });
    expect(mapped('SELECT o.statsu FROM orders o').message).toContain('did you mean "status"?');
    expect(mapped('SELECT "statsu" FROM orders').message).toContain('did you mean "status"?');
    expect(mapped('INSERT INTO orders(statsu) VALUES(1)')).toMatchObject({ code: 'GC_NO_SUCH_COLUMN' });
    expect(mapped('SELECT * FROM entirely_else').message).not.toContain('did you mean');
    expect(sqlError(failure(own, 'SELECT * FROM ordrs'), '', () => own.prepare('bad').all() as never).code).toBe(
      'GC_NO_SUCH_TABLE',
    );
    expect(didYouMean('x', [])).toBeUndefined();
  });

  test('do not suggest the very name that is missing, though another table has such a column', () => {
    expect(mapped('SELECT status FROM (SELECT 1 AS x)').message).toBe(
      'no such column: status in: SELECT status FROM (SELECT 1 AS x)',
    );
    expect(mapped('SELECT o.STATUS FROM (SELECT 1 AS x) o').message).not.toContain('did you mean');
    expect(mapped('SELECT "Status" FROM (SELECT 1 AS x)').message).not.toContain('did you mean');
    const nearest = sqlError(failure(own, 'SELECT state FROM orders'), '', undefined, () => ['state', 'status']);
    expect(nearest.message).toContain('did you mean "status"?');
    // Where it is looked for is what is wrong here, not the name.
    expect(mapped('SELECT * FROM temp.orders').message).toContain('did you mean "orders"?');
  });

  test('have the code of their cause', () => {
    expect(mapped('SELEC 1').code).toBe('GC_SQL');
    expect(mapped("INSERT INTO orders VALUES (1, 'a'), (2, 'a')").code).toBe('GC_CONSTRAINT');
    const coded = (code: string): GlyphError => sqlError(new BetterSqlite3.SqliteError('it failed', code), 'SELECT 1');
    for (const [code, expected] of [
      ['SQLITE_BUSY', 'GC_LOCKED'],
      ['SQLITE_BUSY_SNAPSHOT', 'GC_LOCKED'],
      ['SQLITE_READONLY_DIRECTORY', 'GC_READ_ONLY'],
      ['SQLITE_FULL', 'GC_DISK_FULL'],
      ['SQLITE_NOTADB', 'GC_NOT_A_DATABASE'],
      ['SQLITE_CORRUPT_VTAB', 'GC_NOT_A_DATABASE'],
      ['SQLITE_CANTOPEN', 'GC_CANNOT_OPEN'],
      ['SQLITE_IOERR_READ', 'GC_SQL'],
    ] as const) {
      expect(coded(code).code, code).toBe(expected);
    }
    expect(coded('SQLITE_CORRUPT').message).toContain('damaged');
    expect(coded('SQLITE_CORRUPT').hint).toContain('backup');
    const closed = new BetterSqlite3(':memory:');
    closed.close();
    expect(sqlError(failure(closed, 'SELECT 1'), '').code).toBe('GC_CLOSED');
  });
});
