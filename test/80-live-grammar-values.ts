/** Random values, expressions, aggregates and parameters for the SELECTs of the property of live queries. */
import type { Choices } from './80-live-grammar-choices.ts';
import type { Sort } from './80-live-grammar-schema.ts';

export interface Parameter {
  readonly sort: Sort | 'count';
  /** Another value each time. */
  readonly draw: (choices: Choices) => unknown;
}

interface Operand {
  readonly sql: string;
  readonly sort: Sort;
}

const NAMES = ["'A'", "'a'", "'b'", "'x'", "''", "'ä'"] as const;
const ANY = ['1', '2', "'a'", '2.5', "'2'", "x'32'", '1.0'] as const;

export function literalOf(choices: Choices, sort: Sort): string {
  switch (sort) {
    case 'num':
      return String(choices.next(4));
    case 'name':
      return choices.pick(NAMES);
    case 'any':
      return choices.pick(ANY);
    default:
      return choices.chance(15) ? `'${1 + choices.next(5)}'` : String(1 + choices.next(5));
  }
}

const ODD: readonly unknown[] = [
  null,
  '1',
  'a',
  true,
  false,
  2.5,
  9007199254740993n,
  1n,
  Buffer.from('2'),
  '',
  ' 1',
  '1.0',
  -0,
];

export function parameterOf(sort: Parameter['sort']): Parameter {
  const draw = (choices: Choices): unknown => {
    if (sort === 'count') return choices.pick([2, 1, 3, 0, 4, 2n, -1, '2']);
    if (choices.chance(20)) return choices.pick(ODD);
    if (sort === 'name') return choices.pick(['A', 'a', 'b', 'x', 'ä']);
    if (sort === 'any') return choices.pick<unknown>([1, 2, 'a', 2.5, '2']);
    if (sort === 'num') return choices.next(4);
    return choices.chance(30) ? String(1 + choices.next(5)) : 1 + choices.next(5);
  };
  return { sort, draw };
}

export function expressionOf(choices: Choices, { sql, sort }: Operand): string {
  return choices.weigh([
    [3, () => (sort === 'num' ? `${sql} + 1` : `coalesce(${sql}, 0)`)],
    [1, () => `typeof(${sql})`],
    [2, () => `${sql} || 'x'`],
    [1, () => `CASE WHEN ${sql} > 1 THEN 'more' ELSE ${sql} END`],
    [1, () => `upper(${sql})`],
    [1, () => `-${sql}`],
    [1, () => `${sql} IS NULL`],
    [1, () => `CAST(${sql} AS TEXT)`],
    [1, () => `${sql} COLLATE NOCASE`],
    [1, () => `(${sql})`],
    [1, () => `replace(${sql}, ${choices.pick(["'a'", "'A'"])}, 'z')`],
  ]);
}

/** Sums are taken of what adds exactly: in another order others may differ in the last digit. */
export function aggregateOf(choices: Choices, { sql, sort }: Operand): string {
  const number = sort === 'num' ? sql : `length(${sql})`;
  return choices.weigh([
    [3, () => 'count(*)'],
    [2, () => `count(${sql})`],
    [2, () => `sum(${number})`],
    [1, () => `total(${number})`],
    [1, () => `avg(${number})`],
    [2, () => `min(${sql})`],
    [2, () => `max(${sql})`],
    [1, () => `count(DISTINCT ${sql})`],
    [1, () => `sum(DISTINCT ${number})`],
    [1, () => `sum(${number}) FILTER (WHERE ${sql} IS NOT NULL)`],
    [1, () => (choices.chance(30) ? `group_concat(${sql})` : `count(${sql}) * 2`)],
    [1, () => (sort === 'any' ? `max(${sql})` : `coalesce(max(${sql}), 0) || 'x'`)],
    [1, () => `sum(DISTINCT ${number}) || ''`],
  ]);
}
