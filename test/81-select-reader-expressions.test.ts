/** Questions about expressions: their conjuncts, columns, functions; what is an equality or a membership. */
import { describe, expect, test } from 'vitest';
import {
  columnReference,
  columnsOf,
  conjuncts,
  equality,
  functionsOf,
  membership,
} from '../plugins/live/select/expressions.ts';
import type { Span } from '../plugins/live/select/types.ts';
import { tokenize } from '../sdk/plugin.ts';

function written(sql: string) {
  const tokens = tokenize(sql);
  const text = ({ from, to }: Span): string => sql.slice(tokens[from]?.start, tokens[to - 1]?.end);
  return { tokens, whole: { from: 0, to: tokens.length }, text };
}

test('what is no expression, or more than one, has no answer', () => {
  for (const sql of [
    '',
    'a b',
    'a,b',
    'SELECT 1',
    '(',
    ')',
    'a =',
    '= a',
    '(a',
    'a)',
    'a.b.c',
    "'",
    'a AND',
    'CASE a END',
  ]) {
    const { tokens, whole } = written(sql);
    expect(conjuncts(tokens, whole)).toEqual([whole]);
    expect(columnReference(tokens, whole)).toBeUndefined();
    expect(equality(tokens, whole)).toBeUndefined();
    expect(membership(tokens, whole)).toBeUndefined();
    expect(columnsOf(tokens, whole, [])).toBeUndefined();
    expect(functionsOf(tokens, whole)).toBeUndefined();
  }
});

describe('conjuncts', () => {
  test.each([
    ['a', ['a']],
    ['a = 1 AND b', ['a = 1', 'b']],
    ['(a = 1) AND (b = 2 AND c)', ['a = 1', 'b = 2', 'c']],
    ['((a AND ((b))))', ['a', 'b']],
    ['(a OR b) AND c', ['a OR b', 'c']],
    ['a OR b AND c', ['a OR b AND c']],
    ['(a AND b) OR c', ['(a AND b) OR c']],
    ['a BETWEEN 1 AND 2', ['a BETWEEN 1 AND 2']],
    ['a BETWEEN 1 AND 2 AND b', ['a BETWEEN 1 AND 2', 'b']],
    ['a NOT BETWEEN 1 AND 2 AND b BETWEEN c AND d AND e', ['a NOT BETWEEN 1 AND 2', 'b BETWEEN c AND d', 'e']],
    ['a BETWEEN b BETWEEN 1 AND 2 AND 3 AND c', ['a BETWEEN b BETWEEN 1 AND 2 AND 3', 'c']],
    ['NOT a AND b', ['NOT a', 'b']],
    ['NOT (a AND b)', ['NOT (a AND b)']],
    ['(a) = (b) AND c', ['(a) = (b)', 'c']],
    ['CASE WHEN a AND b THEN c END AND d', ['CASE WHEN a AND b THEN c END', 'd']],
    ['f(a AND b) AND (SELECT c AND d)', ['f(a AND b)', '(SELECT c AND d)']],
    ['(a, b) AND c', ['(a, b)', 'c']],
    ['a IN (SELECT 1 WHERE b AND c) and "and"', ['a IN (SELECT 1 WHERE b AND c)', '"and"']],
  ])('%s', (sql, parts) => {
    const { tokens, whole, text } = written(sql);
    expect(conjuncts(tokens, whole).map(text)).toEqual(parts);
  });
});

describe('a column', () => {
  test.each([
    ['id', { column: 'id' }],
    ['t.id', { source: 't', column: 'id' }],
    ['((t . "i""d"))', { source: 't', column: 'i"d' }],
    ['[a b].`c`', { source: 'a b', column: 'c' }],
    ['key', { column: 'key' }],
    ['t.true', { source: 't', column: 'true' }],
    ['"true"', { column: 'true' }],
    ['over', { column: 'over' }],
  ])('%s', (sql, column) => {
    const { tokens, whole } = written(sql);
    expect(columnReference(tokens, whole)).toEqual(column);
  });

  test.each([
    'NULL',
    'TRUE',
    'false',
    'CURRENT_DATE',
    "'id'",
    '1',
    '?',
    '-id',
    'f(id)',
    'f()',
    'id COLLATE nocase',
    'id + 1',
  ])('not: %s', (sql) => {
    const { tokens, whole } = written(sql);
    expect(columnReference(tokens, whole)).toBeUndefined();
  });
});

describe('an equality', () => {
  test.each([
    ['a = b', 'a', 'b'],
    ['t.a == ?1', 't.a', '?1'],
    ['-1 = a', '-1', 'a'],
    ["a = 'x'", 'a', "'x'"],
    ["(a) = (x'00')", '(a)', "(x'00')"],
    ['a = NULL', 'a', 'NULL'],
    [':b = + 2.5', ':b', '+ 2.5'],
  ])('%s', (sql, left, right) => {
    const { tokens, whole, text } = written(sql);
    const found = equality(tokens, whole);
    expect(found && [text(found.left), text(found.right)]).toEqual([left, right]);
  });

  test.each([
    ...['a <> b', 'a IS b', 'a = b AND c', 'a = b = c', 'NOT a = b', 'a = b + 1', 'f(a) = 1', 'a = (SELECT 1)', 'a'],
    ...[
      'a = b COLLATE nocase',
      'a = b OR c',
      'a = b IS NULL',
      'a = b ISNULL',
      '(a, b) = (c, d)',
      'a = TRUE',
      'a IN (1)',
    ],
    ...['a = b LIKE c', 'a = NOT b', 'a = - -1', "a = -'1'", 'a = b BETWEEN c AND d', 'a = CURRENT_TIME', '(a = b)'],
  ])('not: %s', (sql) => {
    const { tokens, whole } = written(sql);
    expect(equality(tokens, whole)).toBeUndefined();
  });
});

describe('a membership', () => {
  test('has a column and a SELECT', () => {
    const { tokens, whole, text } = written('(t.a) IN (SELECT b FROM (SELECT 1 AS b))');
    const found = membership(tokens, whole);
    expect(found && [text(found.operand), text(found.subquery)]).toEqual(['(t.a)', '(SELECT b FROM (SELECT 1 AS b))']);
  });

  test.each([
    ...[
      'a NOT IN (SELECT 1)',
      'NOT a IN (SELECT 1)',
      'a IN (1)',
      'a IN ()',
      'a + 1 IN (SELECT 1)',
      'a IN (SELECT 1) AND b',
    ],
    ...['(a, b) IN (SELECT 1, 2)', 'a IN (SELECT 1) IN (SELECT 2)', 'a IN ((SELECT 1))', 'a = (SELECT 1)', 'a IN b'],
    ...['a IN (SELECT 1) + 1', 'a IN (SELECT 1) COLLATE nocase'],
  ])('not: %s', (sql) => {
    const { tokens, whole } = written(sql);
    expect(membership(tokens, whole)).toBeUndefined();
  });
});

describe('the columns of an expression', () => {
  test.each([
    ["a + t.b || 'c' || \"d\" || 1 || x'00' || ?1", ['a', 't.b', 'd']],
    ['count(t.id)', ['count(t.id)']],
    ['coalesce(Sum(a) FILTER (WHERE b), c) + count(*)', ['coalesce(sum(a))', 'coalesce(sum(b))', 'coalesce(c)']],
    ['group_concat(DISTINCT a ORDER BY b DESC NULLS LAST, c)', ['a', 'b', 'c'].map((name) => `group_concat(${name})`)],
    ['sum(a) OVER (w PARTITION BY b ORDER BY c ROWS 1 PRECEDING)', ['sum(a)', 'b', 'c']],
    ['CAST(a AS double precision) COLLATE nocase', ['a']],
    ['CASE a WHEN b THEN c ELSE d END', ['a', 'b', 'c', 'd']],
    ['a IS NOT DISTINCT FROM b AND c NOT BETWEEN d AND e', ['a', 'b', 'c', 'd', 'e']],
    ['a NOT IN (b, c) AND NOT d', ['a', 'b', 'c', 'd']],
    ['NULL IS CURRENT_TIMESTAMP', []],
    ['TRUE + t.true + "false"', ['TRUE?', 't.true', 'false']],
  ])('%s', (sql, expected) => {
    const { tokens, whole } = written(sql);
    const uses = columnsOf(tokens, whole, []);
    const shown = uses?.map(({ source, column, orLiteral, insideOf }) => {
      const name = `${source === undefined ? '' : `${source}.`}${column}${orLiteral ? '?' : ''}`;
      return insideOf.toReversed().reduce((inner, call) => `${call}(${inner})`, name);
    });
    expect(shown).toEqual(expected);
  });

  test('say where they stand', () => {
    const { tokens, whole, text } = written('f(a, t . b)');
    expect(columnsOf(tokens, whole, [])?.map(({ span }) => text(span))).toEqual(['a', 't . b']);
  });

  test('of SELECTs only what is to be skipped', () => {
    const { tokens, whole } = written('a = (SELECT b) AND EXISTS (SELECT c)');
    const [first, second] = [
      { from: 2, to: 6 },
      { from: 8, to: 12 },
    ];
    expect(columnsOf(tokens, whole, [first, second])?.map(({ column }) => column)).toEqual(['a']);
    expect(columnsOf(tokens, whole, [first])).toBeUndefined();
    // A span that is no SELECT must not lead out of the expression, or back.
    expect(columnsOf(tokens, whole, [first, { from: 8, to: 100 }])).toBeUndefined();
    expect(columnsOf(tokens, whole, [first, { from: 8, to: 0 }])).toBeUndefined();
  });
});

test('the functions of an expression', () => {
  const functions = (sql: string): string[] | undefined => functionsOf(written(sql).tokens, written(sql).whole);
  expect(functions('Count(*) + max(min(a), "Abs"(b)) + count(c)')).toEqual(['count', 'max', 'min', 'abs']);
  expect(functions('a + (SELECT max(b)) + CAST(c AS TEXT)')).toEqual([]);
  expect(functions('a NOT LIKE b OR c MATCH d')).toEqual(['like', 'match']);
  expect(functions('current_timestamp')).toEqual(['current_timestamp']);
  expect(functions('sum(a) FILTER (WHERE f(b)) OVER (ORDER BY g(c))')).toEqual(['sum', 'f', 'g']);
});
