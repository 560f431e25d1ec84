/**
 * Rows in the order of a query.
 *
 * Invariant: no two rows are in the same place. SQL leaves the order of such rows open, so where they exist only the query
 * itself can tell it.
 */
import type { ResultRow } from '../snapshot.ts';
import { sameValue } from '../values.ts';
import type { Values } from '../values.ts';
import { compareRows, isComparableRow } from './compare.ts';
import type { OrderTerm } from './compare.ts';

/** More rows than this are put in by one pass over all. */
const FEW = 32;

/** How many rows, from the first on, come each before the next. */
export function risingFrom(rows: readonly Values[], terms: readonly OrderTerm[]): number {
  for (let at = 0; at < rows.length; at += 1) {
    const values = rows[at] as Values;
    if (!isComparableRow(values, terms)) return at;
    if (at > 0 && compareRows(rows[at - 1] as Values, values, terms) >= 0) return at;
  }
  return rows.length;
}

/** The position of the first row that does not come before the values. */
export function positionOf(rows: readonly ResultRow[], values: Values, terms: readonly OrderTerm[]): number {
  let [low, high] = [0, rows.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareRows((rows[middle] as ResultRow).values, values, terms) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Without the rows at some positions, and with others; undefined when two would be in the same place. */
export function merged(
  rows: readonly ResultRow[],
  gone: readonly number[],
  came: readonly ResultRow[],
  terms: readonly OrderTerm[],
): ResultRow[] | undefined {
  if (!came.every(({ values }) => isComparableRow(values, terms))) return undefined;
  if (gone.length + came.length > FEW) return mergedAtOnce(rows, gone, came, terms);
  const next = rows.slice();
  for (const at of gone.toSorted((a, b) => b - a)) next.splice(at, 1);
  for (const row of came) {
    const at = positionOf(next, row.values, terms);
    const there = next[at];
    if (there !== undefined && compareRows(there.values, row.values, terms) === 0) return undefined;
    next.splice(at, 0, row);
  }
  return next;
}

function mergedAtOnce(
  rows: readonly ResultRow[],
  gone: readonly number[],
  came: readonly ResultRow[],
  terms: readonly OrderTerm[],
): ResultRow[] | undefined {
  const left = new Set(gone);
  const waiting = came.toSorted((a, b) => compareRows(a.values, b.values, terms));
  const next: ResultRow[] = [];
  let taken = 0;
  rows.forEach((row, at) => {
    if (left.has(at)) return;
    for (let first = waiting[taken]; first !== undefined; first = waiting[taken]) {
      if (compareRows(first.values, row.values, terms) > 0) break;
      next.push(first);
      taken += 1;
    }
    next.push(row);
  });
  for (; taken < waiting.length; taken += 1) next.push(waiting[taken] as ResultRow);
  const values = next.map((row) => row.values);
  return risingFrom(values, terms) === values.length ? next : undefined;
}

/** Whether a row that is read again stands where it stood. */
export const isPlaced =
  (terms: readonly OrderTerm[]) =>
  (row: ResultRow, values: Values): boolean =>
    terms.every(({ at }) => sameValue(row.values[at], values[at]));
