/**
 * Rows that look the same, and differ only in what is read beside the result.
 *
 * Invariant: which object stands for which of them is chosen so that what is shown keeps as many objects as it can.
 */
import type { ResultRow } from '../snapshot.ts';
import { codeOf, sameValues } from '../values.ts';
import type { Values } from '../values.ts';
import type { Parts } from './bodies.ts';

export interface Sorted {
  /** All rows, as they stand now. */
  readonly rows: ResultRow[];
  readonly parts: Parts;
  readonly partOf: (values: Values) => unknown;
}

/** Has rows change places with their twins. @param shown the rows that were shown; the first of them stood at `from` */
export function keepShown(sorted: Sorted, shown: readonly ResultRow[], from: number): void {
  const { rows } = sorted;
  shown.forEach((row, index) => {
    const now = rows[from + index];
    if (now !== undefined && areTwins(row, now)) change(sorted, row, now);
  });
  const before = new Set(shown);
  const came = rows.slice(from, from + shown.length).filter((row) => !before.has(row));
  if (came.length === 0) return;
  const still = new Set(rows.slice(from, from + shown.length));
  const gone = new Map<unknown, ResultRow[]>();
  for (const row of shown) if (!still.has(row)) gone.set(lookOf(row), [row, ...(gone.get(lookOf(row)) ?? [])]);
  for (const now of came) {
    const row = gone.get(lookOf(now))?.pop();
    if (row !== undefined) change(sorted, row, now);
  }
}

const areTwins = (a: ResultRow, b: ResultRow): boolean => a !== b && sameValues(a.values, b.values, a.columns.shown);

const lookOf = ({ values, columns }: ResultRow): unknown => codeOf(values, columns.shown);

/** `row` stands for what `now` stood for, and the other way round if it is still there. */
function change({ rows, parts, partOf }: Sorted, row: ResultRow, now: ResultRow): void {
  const [old, values] = [row.values, now.values];
  const [was, is] = [rows.indexOf(row), rows.indexOf(now)];
  rows[is] = row;
  if (was >= 0) rows[was] = now;
  for (const part of new Set([partOf(values), ...(was < 0 ? [] : [partOf(old)])])) {
    const changed = parts.of(part).map((one) => (one === now ? row : one === row ? now : one));
    parts.set(part, changed);
  }
  row.reread(values);
  now.reread(old);
}
