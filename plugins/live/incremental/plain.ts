/**
 * Rows that the log shows as they are: of a SELECT that takes columns of one table, from the rows in which some columns are
 * equal to given values. What a change made of a row then need not be read again.
 *
 * Invariant: it is found only where a row of the result is a row of the table, and JavaScript's equality of the values is SQL's.
 */
import type { LoggedChange } from '../../../sdk/capsule-types.ts';
import type { SqlValue } from '../../../sdk/plugin.ts';
import { conjuncts } from '../select/expressions.ts';
import type { Select } from '../select/types.ts';
import type { Touched } from '../touched.ts';
import type { Values } from '../values.ts';
import type { Column, Table } from './catalog.ts';
import { isReadable } from './compare.ts';
import { isRef } from './names.ts';
import { keyOf } from './parameters.ts';
import { placeOf } from './reach.ts';
import type { CoreReading } from './reading.ts';
import type { Root } from './root.ts';
import { fits } from './switches.ts';
import type { Switch } from './switches.ts';

export interface Plain {
  readonly table: Table;
  /** What a row of the result consists of: its columns, and behind them the key. */
  readonly columns: readonly Column[];
  readonly key: Column;
  readonly equal: readonly Switch[];
}

export function plainOf(
  select: Select,
  { core, tokens, scope, outputs, nested, aggregated, groups }: CoreReading,
  { ref }: Root,
  switches: readonly Switch[],
): Plain | undefined {
  if (select.arms.length > 1 || select.orderBy.length > 0 || select.limit !== undefined) return undefined;
  if (core.distinct || aggregated !== false || groups.length > 0 || nested.length > 0) return undefined;
  const [source, ...more] = scope.sources;
  const occurrence = source?.occurrence;
  if (occurrence === undefined || more.length > 0 || core.having !== undefined) return undefined;
  const { table } = occurrence;
  const columns = outputs.flatMap(({ named }) =>
    isRef(named) && named.occurrence === occurrence ? [named.column] : [],
  );
  if (columns.length < outputs.length) return undefined;
  // Each condition is one of the equalities.
  const conditions = core.where === undefined ? 0 : conjuncts(tokens, core.where).length;
  if (conditions !== switches.length) return undefined;
  // A key of several columns has one of them here, and several rows to each value.
  if (!table.unique.some(([only, ...others]) => only === ref.column && others.length === 0)) return undefined;
  return { table, columns: [...columns, ref.column], key: ref.column, equal: switches };
}

/** The rows of the keys that a change touched; undefined where the log alone does not tell them. */
export function plainRows(
  { table, columns, key, equal }: Plain,
  params: readonly unknown[],
  touched: Touched,
): Map<unknown, Values[]> | undefined {
  const wanted = equal.map(({ value, kind }) => {
    const given = value(params);
    return given !== undefined && given !== null && fits(kind, given) ? keyOf(given) : undefined;
  });
  if (wanted.includes(undefined)) return undefined;
  const rows = new Map<unknown, Values[]>();
  let places: Places | undefined;
  for (const { layout, old, now, hidden } of touched.of(table.name)) {
    if (places?.layout !== layout) places = placesOf(layout);
    const { at, tests, shown } = places;
    // What REPLACE removed was found by a guess, if a good one.
    if (hidden || at < 0 || tests.includes(-1) || shown.includes(-1)) return undefined;
    const before = old === undefined ? undefined : keyOf(old[at] as SqlValue);
    const after = now === undefined ? undefined : keyOf(now[at] as SqlValue);
    if (!isReadable(old?.[at])) return undefined;
    // Of several changes of one row, it is the row itself that says what came of them.
    if ((before !== undefined && rows.has(before)) || (after !== undefined && rows.has(after))) return undefined;
    if (before !== undefined) rows.set(before, []);
    if (now === undefined || after === undefined) continue;
    if (![at, ...tests].every((place) => isReadable(now[place]))) return undefined;
    const isIn = tests.every((place, index) => isSame(now[place] as SqlValue, wanted[index]));
    rows.set(after, isIn ? [shown.map((place) => now[place] as SqlValue)] : []);
  }
  return rows;

  function placesOf(layout: LoggedChange['layout']): Places {
    const place = (column: Column): number => placeOf(layout, column);
    const tests = equal.map(({ columns: [first] }) => (first === undefined ? -1 : place(first.column)));
    return { layout, at: place(key), tests, shown: columns.map(place) };
  }
}

/** Where the values stand in the images of a layout. */
interface Places {
  readonly layout: LoggedChange['layout'];
  readonly at: number;
  readonly tests: readonly number[];
  readonly shown: readonly number[];
}

/** NULL is equal to nothing. */
const isSame = (value: SqlValue, key: unknown): boolean => value !== null && keyOf(value) === key;
