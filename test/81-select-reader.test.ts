/** Reading SELECTs: what stands where, and what is refused by which name. */
import { describe, expect, test } from 'vitest';
import { columnsOf } from '../plugins/live/select/expressions.ts';
import { readSelect } from '../plugins/live/select/reader.ts';
import type { Core, SelectText, Span } from '../plugins/live/select/types.ts';
import { isRead, openTables, textOf } from './81-select-reader-support.ts';

const db = openTables();

function read(sql: string): SelectText {
  const found = readSelect(sql);
  if (!isRead(found)) throw new Error(`${sql}: ${found.refused}`);
  return found;
}

const refusal = (sql: string): string | undefined => {
  const found = readSelect(sql);
  return isRead(found) ? undefined : found.refused;
};

/** The only arm of a SELECT, and its spans as texts. */
function core(sql: string): { core: Core; text: (span: Span | undefined) => string | undefined; all: SelectText } {
  const all = read(sql);
  const [only] = all.select.arms as [Core];
  return { core: only, all, text: (span) => (span === undefined ? undefined : textOf(all, span)) };
}

const columnsIn = (sql: string): unknown[] => {
  const { core: only, text } = core(sql);
  return only.columns.map((column) => {
    if (column.kind === 'all') return '*';
    if (column.kind === 'allOf') return { allOf: column.source };
    return column.alias === undefined ? text(column.expression) : [text(column.expression), column.alias];
  });
};

const sourcesIn = (sql: string): unknown[] => {
  const { core: only, text } = core(sql);
  return only.from.map(({ join, name, schema, select, alias, on, using }) => ({
    join,
    ...(name === undefined ? {} : { name }),
    ...(schema === undefined ? {} : { schema }),
    ...(select === undefined ? {} : { select: text(select.span) }),
    ...(alias === undefined ? {} : { alias }),
    ...(on === undefined ? {} : { on: text(on) }),
    ...(using === undefined ? {} : { using }),
  }));
};

describe('what is no SELECT', () => {
  test.each([
    ['', 'it is empty'],
    [' ;-- nothing\n;', 'it is empty'],
    ['SELECT 1; SELECT 2', 'it has more than one statement'],
    [';SELECT 1', 'it has more than one statement'],
    ["SELECT 'open", 'it has something in it that is no SQL'],
    ['SELECT 1\0', 'it has something in it that is no SQL'],
    ['DELETE FROM users', 'it is not understood from “DELETE” on'],
    ['EXPLAIN SELECT 1', 'it is not understood from “EXPLAIN” on'],
    ['SELECT', 'it ends too early'],
    ['SELECT 1 FROM', 'it ends too early'],
    ['SELECT 1 +', 'it ends too early'],
    ['SELECT (1', 'it ends too early'],
    ['SELECT 1)', 'it is not understood from “)” on'],
    [`SELECT 1 ${'x'.repeat(100)} y`, 'it is not understood from “y” on'],
    [`SELECT 1 x ${'y'.repeat(100)}`, `it is not understood from “${'y'.repeat(40)}…” on`],
  ])('%j', (sql, why) => {
    expect(readSelect(sql)).toEqual({ refused: why });
  });
});

describe('what is refused by its name', () => {
  test.each([
    ['SELECT 1 UNION SELECT 2', 'it has UNION'],
    ['SELECT 1 EXCEPT SELECT 2', 'it has EXCEPT'],
    ['SELECT 1 INTERSECT SELECT 2', 'it has INTERSECT'],
    ['VALUES (1)', 'it has VALUES'],
    ['SELECT 1 UNION ALL VALUES (2)', 'it has VALUES'],
    ['SELECT * FROM (VALUES (1))', 'it has VALUES'],
    ['SELECT 1 IN (VALUES (1))', 'it has VALUES'],
    ['SELECT * FROM a RIGHT JOIN b ON 1', 'it has a RIGHT JOIN'],
    ['SELECT * FROM a FULL OUTER JOIN b ON 1', 'it has a FULL JOIN'],
    ['SELECT * FROM a NATURAL LEFT JOIN b', 'it has a NATURAL JOIN'],
    ['SELECT * FROM (a JOIN b)', 'it has brackets around the sources of FROM'],
    ['SELECT * FROM a JOIN (b)', 'it has brackets around the sources of FROM'],
    ["SELECT * FROM json_each('[1]')", 'it has the table-valued function json_each'],
    ['SELECT * FROM main.json_each(1)', 'it has the table-valued function json_each'],
    ['SELECT * FROM temp.a', 'it reads the schema temp'],
    ['SELECT main.a.b FROM a', 'it names a column together with its schema'],
    ["SELECT 'a'.b FROM a", "it uses the string 'a' as a name"],
    ['SELECT * FROM a WHERE b IN c', 'it has IN with the name of a table'],
    ['SELECT * FROM a LIMIT (SELECT 1)', 'it has a SELECT in its LIMIT'],
    ['SELECT * FROM a LIMIT 1 OFFSET (SELECT 1)', 'it has a SELECT in its OFFSET'],
    ['SELECT 1 UNION ALL SELECT 2 ORDER BY (SELECT 1)', 'it has a SELECT in the ORDER BY of a UNION ALL'],
    ['SELECT 1 WINDOW w AS (ORDER BY (SELECT 1))', 'it has a SELECT in its WINDOW clause'],
    ['WITH RECURSIVE a AS (SELECT 1) SELECT * FROM a', 'it is recursive'],
    ['WITH a(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM A) SELECT * FROM a', 'it is recursive'],
    ['WITH a AS (SELECT (SELECT 1 FROM (SELECT * FROM a))) SELECT * FROM a', 'it is recursive'],
    ['WITH a AS (SELECT * FROM B), b AS (SELECT 1) SELECT 1', 'a in its WITH uses one that is written after it'],
    ['SELECT DISTINCT ON (a) b FROM c', 'it is not understood from “ON” on'],
    ['SELECT raise(ABORT, 1)', 'it is not understood from “raise” on'],
    ['SELECT a b c FROM d', 'it is not understood from “c” on'],
    ['SELECT a key FROM d', 'it is not understood from “key” on'],
    ['SELECT count(*) over FROM d', 'it is not understood from “over” on'],
    ['SELECT * FROM a ORDER BY b UNION ALL SELECT 1', 'it is not understood from “UNION” on'],
    ['SELECT percentile(a) WITHIN GROUP (ORDER BY 5) FROM b', 'it is not understood from “WITHIN” on'],
  ])('%s', (sql, why) => {
    expect(refusal(sql)).toBe(why);
  });

  test('at any depth', () => {
    expect(refusal('SELECT coalesce((SELECT 1 FROM (SELECT 1 UNION SELECT 2)), 0)')).toBe('it has UNION');
    expect(refusal('WITH a AS (SELECT 1 WHERE EXISTS (SELECT * FROM b RIGHT JOIN c)) SELECT 1')).toBe(
      'it has a RIGHT JOIN',
    );
  });

  test.each([
    ['(', '1', ')'],
    ['CASE WHEN ', '1', ' THEN 1 END'],
    ['f(', '1', ')'],
    ['(SELECT ', '1', ')'],
    ['* FROM (SELECT ', '1', ')'],
    ['1 IN (', '1', ')'],
    ['count(*) FILTER (WHERE ', '1', ')'],
  ])('10,000 times “%s”', (open, middle, close) => {
    const why = 'it is nested more than 50 levels deep';
    expect(refusal(`SELECT ${open.repeat(10_000)}${middle}${close.repeat(10_000)}`)).toBe(why);
    expect(refusal(`SELECT ${open.repeat(10_000)}`)).toBe(why);
    expect(refusal(`SELECT ${open.repeat(15)}${middle}${close.repeat(15)}`)).toBeUndefined();
  });
});

describe('result columns', () => {
  test.each([
    ['SELECT *, t.*, "t".*, [t].* FROM t', ['*', { allOf: 't' }, { allOf: 't' }, { allOf: 't' }]],
    ['SELECT a * b, a*b c FROM t', ['a * b', ['a*b', 'c']]],
    [
      "SELECT 'a' b, 'a' 'b', 'a' AS 'it''s'",
      [
        ["'a'", 'b'],
        ["'a'", 'b'],
        ["'a'", "it's"],
      ],
    ],
    [
      'SELECT a "from", b [order], c `select`',
      [
        ['a', 'from'],
        ['b', 'order'],
        ['c', 'select'],
      ],
    ],
    [
      'SELECT a AS key, b AS left, c AS over',
      [
        ['a', 'key'],
        ['b', 'left'],
        ['c', 'over'],
      ],
    ],
    ['SELECT a IS NOT DISTINCT FROM b, c FROM d', ['a IS NOT DISTINCT FROM b', 'c']],
    ['SELECT CAST(a AS DECIMAL(10, -2)) b', [['CAST(a AS DECIMAL(10, -2))', 'b']]],
    [
      'SELECT CASE a WHEN 1 THEN b ELSE CASE WHEN c THEN d END END e',
      [['CASE a WHEN 1 THEN b ELSE CASE WHEN c THEN d END END', 'e']],
    ],
    ['SELECT count(*), count(DISTINCT a) n, f()', ['count(*)', ['count(DISTINCT a)', 'n'], 'f()']],
    [
      "SELECT trim(a, ','), group_concat(a, b ORDER BY c DESC, d) e",
      ["trim(a, ',')", ['group_concat(a, b ORDER BY c DESC, d)', 'e']],
    ],
    [
      'SELECT a IN (1, 2) b, a NOT IN () c',
      [
        ['a IN (1, 2)', 'b'],
        ['a NOT IN ()', 'c'],
      ],
    ],
    ['SELECT a BETWEEN 1 AND 2 AND b c', [['a BETWEEN 1 AND 2 AND b', 'c']]],
    [
      'SELECT a NOT NULL b, a NOTNULL c, a ISNULL d',
      [
        ['a NOT NULL', 'b'],
        ['a NOTNULL', 'c'],
        ['a ISNULL', 'd'],
      ],
    ],
    [
      "SELECT a NOT LIKE b ESCAPE '!' c, a COLLATE nocase d",
      [
        ["a NOT LIKE b ESCAPE '!'", 'c'],
        ['a COLLATE nocase', 'd'],
      ],
    ],
    ["SELECT a -> '$.b' c, a ->> 0, x'00' d", [["a -> '$.b'", 'c'], 'a ->> 0', ["x'00'", 'd']]],
    ['SELECT ?, ?1, :a b, @b, $c, - -1, ~a', ['?', '?1', [':a', 'b'], '@b', '$c', '- -1', '~a']],
    ['SELECT a /* b, */ c -- d\n, e', [['a', 'c'], 'e']],
    ['SELECT filter, over, range FROM t', ['filter', 'over', 'range']],
    ['SELECT t.order, t.left FROM t', []],
  ])('%s', (sql, columns) => {
    if (columns.length === 0) expect(refusal(sql)).toBe('it is not understood from “order” on');
    else expect(columnsIn(sql)).toEqual(columns);
  });

  test('another can be written after the last', () => {
    const { core: only, all } = core('SELECT a, b AS c /* x */ FROM t');
    expect(all.tokens[only.columnsEnd - 1]?.text).toBe('c');
    expect(all.tokens[only.columnsEnd]?.text).toBe('FROM');
    expect(core('SELECT a').core.columnsEnd).toBe(2);
  });

  test('DISTINCT and ALL', () => {
    expect(core('SELECT DISTINCT a FROM t').core.distinct).toBe(true);
    expect(core('SELECT ALL a FROM t').core.distinct).toBe(false);
    expect(core('SELECT count(DISTINCT a) FROM t').core.distinct).toBe(false);
  });

  test('windows', () => {
    expect(core('SELECT count(*) FROM t').core.windowed).toBe(false);
    expect(core('SELECT (SELECT count(*) OVER ()) FROM t').core.windowed).toBe(false);
    for (const over of [
      '()',
      'w',
      '(w)',
      '(PARTITION BY a, b ORDER BY c DESC NULLS LAST)',
      '(ROWS UNBOUNDED PRECEDING)',
    ]) {
      expect(columnsIn(`SELECT a, sum(b) FILTER (WHERE c) OVER ${over} AS d FROM t`)).toHaveLength(2);
      expect(core(`SELECT a, 1 + sum(b) OVER ${over} c FROM t`).core.windowed).toBe(true);
    }
    expect(core('SELECT a FROM t ORDER BY count(*) OVER ()').core.windowed).toBe(true);
    const { core: only, text } = core('SELECT a FROM t HAVING b WINDOW w AS (ORDER BY c), x AS (w) LIMIT 1');
    expect([only.windowed, text(only.having)]).toEqual([true, 'b']);
    expect(text(only.span)).toBe('SELECT a FROM t HAVING b WINDOW w AS (ORDER BY c), x AS (w)');
  });
});

describe('sources', () => {
  test.each([
    ['SELECT 1', []],
    ['SELECT * FROM tasks', [{ join: 'inner', name: 'tasks', alias: 'tasks' }]],
    ['SELECT * FROM Main.tasks t', [{ join: 'inner', name: 'tasks', schema: 'Main', alias: 't' }]],
    [
      `SELECT * FROM "a" AS [b], 'c' 'd'`,
      [
        { join: 'inner', name: 'a', alias: 'b' },
        { join: 'inner', name: 'c', alias: 'd' },
      ],
    ],
    [
      'SELECT * FROM a INDEXED BY i JOIN b c NOT INDEXED ON c.x = a.x AND y CROSS JOIN d',
      [
        { join: 'inner', name: 'a', alias: 'a' },
        { join: 'inner', name: 'b', alias: 'c', on: 'c.x = a.x AND y' },
        { join: 'inner', name: 'd', alias: 'd' },
      ],
    ],
    [
      'SELECT * FROM a LEFT JOIN b USING (x, "y") LEFT OUTER JOIN c ON a.x IS c.x INNER JOIN d ON 1 WHERE 1',
      [
        { join: 'inner', name: 'a', alias: 'a' },
        { join: 'left', name: 'b', alias: 'b', using: ['x', 'y'] },
        { join: 'left', name: 'c', alias: 'c', on: 'a.x IS c.x' },
        { join: 'inner', name: 'd', alias: 'd', on: '1' },
      ],
    ],
    [
      'SELECT * FROM (SELECT 1 ORDER BY 1 LIMIT 2) x, (WITH a AS (SELECT 1) SELECT * FROM a)',
      [
        { join: 'inner', select: 'SELECT 1 ORDER BY 1 LIMIT 2', alias: 'x' },
        { join: 'inner', select: 'WITH a AS (SELECT 1) SELECT * FROM a' },
      ],
    ],
  ])('%s', (sql, sources) => {
    expect(sourcesIn(sql)).toEqual(sources);
  });

  test('a source reaches from its name to its alias or index', () => {
    const { core: only, text } = core('SELECT * FROM a AS b JOIN main.c d INDEXED BY i ON 1, (SELECT 1) e');
    expect(only.from.map(({ span }) => text(span))).toEqual(['a AS b', 'main.c d INDEXED BY i', '(SELECT 1) e']);
  });

  test('a WHERE can be written after them', () => {
    const { core: only, all } = core('SELECT a FROM t JOIN u ON a = b /* x */ ORDER BY 1');
    expect(all.tokens[only.fromEnd]?.text).toBe('ORDER');
    const none = core('SELECT a ORDER BY 1').core;
    expect(none.fromEnd).toBe(none.columnsEnd);
  });
});

describe('clauses', () => {
  test('WHERE, GROUP BY, HAVING', () => {
    const { core: only, text } = core(
      'SELECT a FROM t WHERE a IS DISTINCT FROM b AND c GROUP BY a, CASE WHEN b THEN 1 END HAVING count(*) > 1 LIMIT 1',
    );
    expect(text(only.where)).toBe('a IS DISTINCT FROM b AND c');
    expect(only.groupBy.map(text)).toEqual(['a', 'CASE WHEN b THEN 1 END']);
    expect(text(only.having)).toBe('count(*) > 1');
    expect(text(only.span)).toMatch(/^SELECT a .* > 1$/);
  });

  test('ORDER BY', () => {
    const { all } = core(
      'SELECT * FROM t ORDER BY a COLLATE nocase DESC NULLS LAST, b ASC, c NULLS FIRST, d IS NULL, 2 desc',
    );
    expect(all.select.orderBy.map((term) => ({ ...term, expression: textOf(all, term.expression) }))).toEqual([
      { expression: 'a COLLATE nocase', descending: true, nulls: 'last' },
      { expression: 'b', descending: false },
      { expression: 'c', descending: false, nulls: 'first' },
      { expression: 'd IS NULL', descending: false },
      { expression: '2', descending: true },
    ]);
  });

  test.each([
    ['LIMIT 5', '5', undefined],
    ['LIMIT :n + 1 OFFSET ?', ':n + 1', '?'],
    ['LIMIT 5, 10', '10', '5'],
    ['', undefined, undefined],
  ])('%s', (clause, limit, offset) => {
    const { all, text } = core(`SELECT * FROM t ${clause}`);
    expect([text(all.select.limit), text(all.select.offset)]).toEqual([limit, offset]);
  });

  test('UNION ALL', () => {
    const all = read('SELECT a FROM t UNION ALL SELECT b FROM u WHERE c union all select 1 ORDER BY 1 LIMIT 2');
    expect(all.select.arms.map(({ span }) => textOf(all, span))).toEqual([
      'SELECT a FROM t',
      'SELECT b FROM u WHERE c',
      'select 1',
    ]);
    expect(all.select.orderBy).toHaveLength(1);
  });

  test('WITH', () => {
    const all = read(
      'WITH a AS (SELECT 1), "b"(x, [y]) AS NOT MATERIALIZED (SELECT *, 2 FROM a), c AS MATERIALIZED (SELECT 3 FROM main.c) SELECT * FROM b;',
    );
    expect(all.select.ctes.map(({ name, columns, select }) => [name, columns, textOf(all, select.span)])).toEqual([
      ['a', undefined, 'SELECT 1'],
      ['b', ['x', 'y'], 'SELECT *, 2 FROM a'],
      ['c', undefined, 'SELECT 3 FROM main.c'],
    ]);
    expect(all.tokens.at(-1)?.text).toBe('b');
  });
});

test('SELECTs in expressions are told with their places, the outermost only', () => {
  const { core: only, text } = core(`
    SELECT coalesce((SELECT a FROM x WHERE EXISTS (SELECT 2)), 0), CASE WHEN 1 IN (SELECT 3) THEN 4 END
    FROM t JOIN u ON t.id = (SELECT 5), (SELECT 6 WHERE (SELECT 7)) v
    WHERE NOT EXISTS (SELECT 8) AND (a, b) NOT IN (WITH c AS (SELECT 9) SELECT * FROM c)
    GROUP BY (SELECT 10) HAVING ((SELECT 11)) > 0 ORDER BY (SELECT 12) DESC`);
  expect(only.subqueries.map(({ place, span }) => [place, text(span)])).toEqual([
    ['columns', '(SELECT a FROM x WHERE EXISTS (SELECT 2))'],
    ['columns', '(SELECT 3)'],
    ['on', '(SELECT 5)'],
    ['where', '(SELECT 8)'],
    ['where', '(WITH c AS (SELECT 9) SELECT * FROM c)'],
    ['groupBy', '(SELECT 10)'],
    ['having', '(SELECT 11)'],
    ['orderBy', '(SELECT 12)'],
  ]);
  const [first] = only.subqueries;
  expect(first?.select.arms[0]?.subqueries.map(({ span }) => text(span))).toEqual(['(SELECT 2)']);
  expect(text(first?.select.span)).toBe('SELECT a FROM x WHERE EXISTS (SELECT 2)');
});

describe('the words of SQLite', () => {
  const keywords =
    `ABORT ACTION ADD AFTER ALL ALTER ALWAYS ANALYZE AND AS ASC ATTACH AUTOINCREMENT BEFORE BEGIN BETWEEN BY
    CASCADE CASE CAST CHECK COLLATE COLUMN COMMIT CONFLICT CONSTRAINT CREATE CROSS CURRENT CURRENT_DATE CURRENT_TIME
    CURRENT_TIMESTAMP DATABASE DEFAULT DEFERRABLE DEFERRED DELETE DESC DETACH DISTINCT DO DROP EACH ELSE END ESCAPE EXCEPT
    EXCLUDE EXCLUSIVE EXISTS EXPLAIN FAIL FILTER FIRST FOLLOWING FOR FOREIGN FROM FULL GENERATED GLOB GROUP GROUPS HAVING IF
    IGNORE IMMEDIATE IN INDEX INDEXED INITIALLY INNER INSERT INSTEAD INTERSECT INTO IS ISNULL JOIN KEY LAST LEFT LIKE LIMIT
    MATCH MATERIALIZED NATURAL NO NOT NOTHING NOTNULL NULL NULLS OF OFFSET ON OR ORDER OTHERS OUTER OVER PARTITION PLAN
    PRAGMA PRECEDING PRIMARY QUERY RAISE RANGE RECURSIVE REFERENCES REGEXP REINDEX RELEASE RENAME REPLACE RESTRICT RETURNING
    RIGHT ROLLBACK ROW ROWS SAVEPOINT SELECT SET TABLE TEMP TEMPORARY THEN TIES TO TRANSACTION TRIGGER UNBOUNDED UNION UNIQUE
    UPDATE USING VACUUM VALUES VIEW VIRTUAL WHEN WHERE WINDOW WITH WITHIN WITHOUT TRUE FALSE`
      .split(/\s+/)
      .map((word) => word.toLowerCase());
  db.exec(`CREATE TABLE words(${keywords.map((word) => `"${word}"`).join(', ')})`);

  test.each([
    ['a column', (word: string) => `SELECT ${word} FROM words`],
    ['a qualified column', (word: string) => `SELECT w.${word} FROM words w`],
    [
      'the first operand',
      (word: string) => `SELECT ${word} IS NOT NULL AND w.id FROM (SELECT 1 AS id, * FROM words) w`,
    ],
    ['an alias', (word: string) => `SELECT 1 AS ${word}`],
    ['an alias without AS', (word: string) => `SELECT 1 ${word} FROM words`],
    ['an alias of a table', (word: string) => `SELECT * FROM words ${word}`],
    ['a table', (word: string) => `WITH "${word}"(a) AS (SELECT 1) SELECT a FROM ${word} WHERE a`],
    ['an ordering term', (word: string) => `SELECT 1 FROM words ORDER BY ${word} DESC`],
  ])('are taken for names as %s only where SQLite does', (_, sqlOf) => {
    const taken = keywords.filter((word) => {
      const found = readSelect(sqlOf(word));
      if (!isRead(found)) return false;
      const statement = db.prepare(sqlOf(word));
      const [column] = found.select.arms[0]?.columns ?? [];
      if (column?.kind === 'expression' && column.alias !== undefined) expect(statement.columns()[0]?.name).toBe(word);
      if (column?.kind === 'expression' && textOf(found, column.expression).endsWith(word)) {
        const [use] = columnsOf(found.tokens, column.expression, []) ?? [];
        expect(statement.columns()[0]?.column).toBe(use?.column ?? null);
      }
      return true;
    });
    expect(taken).toContain('true');
    expect(taken.length).toBeGreaterThan(1);
  });
});
