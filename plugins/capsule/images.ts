/** Row images as the log holds them, and how they compare: byte for byte, as SQLite stores them. */
import type { SqlValue } from '../../sdk/plugin.ts';
import type { TableLayout } from './layout.ts';

/** One change of one row. Images hold the values in the order of the layout's columns (and the rowid where it is logged). */
export interface LoggedChange {
  /** Place in the order of causes: what subscribers see. */
  readonly seq: number;
  /** Row of the log it was read from; differs from `seq` where the order was repaired. */
  readonly logSeq: number;
  readonly layout: TableLayout;
  readonly op: 1 | 2 | 3;
  readonly old: readonly SqlValue[] | undefined;
  readonly now: readonly SqlValue[] | undefined;
  /** True for a delete that no trigger saw (REPLACE). */
  readonly hidden: boolean;
}

/** True when the row that a trigger saw before an insert or update can be the row that was stored. */
export function becomes(layout: TableLayout, before: readonly SqlValue[], stored: readonly SqlValue[]): boolean {
  const rowidAt = rowidIndex(layout);
  const different = before.map((_, index) => index).filter((index) => !sameValue(before[index], stored[index]));
  // A default takes a NULL's place; what is generated from it was NULL before too, or anything.
  const byDefault = (index: number): boolean =>
    before[index] === null && layout.columns[index]?.insteadOfNull !== undefined;
  const mayDiffer = different.some(byDefault);
  return different.every((index) => {
    // SQLite shows -1 or NULL for a rowid that it has yet to choose.
    if (index === rowidAt) return before[index] === -1 || before[index] === null;
    return byDefault(index) || (mayDiffer && layout.columns[index]?.generated === true);
  });
}

/** Where the rowid stands in an image; -1 when it is not in it. */
export function rowidIndex(layout: TableLayout): number {
  if (layout.rowidColumn >= 0) return layout.rowidColumn;
  return layout.logsRowid ? layout.columns.length : -1;
}

/** True when two images are the same, byte for byte. */
export const sameImage = (a: readonly SqlValue[], b: readonly SqlValue[]): boolean =>
  a.length === b.length && a.every((value, index) => sameValue(value, b[index]));

export function sameKey(
  layout: TableLayout,
  a: readonly SqlValue[] | undefined,
  b: readonly SqlValue[] | undefined,
): boolean {
  if (a === undefined || b === undefined) return false;
  return identity(layout).every((index) => sameValue(a[index], b[index]));
}

/** Indexes of the values that identify a row for certain. */
export function identity(layout: TableLayout): readonly number[] {
  if (layout.logsRowid) return [layout.columns.length];
  return layout.key.length > 0 ? layout.key : layout.columns.map((_, index) => index);
}

export function sameValue(a: SqlValue | undefined, b: SqlValue | undefined): boolean {
  if (a === b) return true;
  return a instanceof Uint8Array && b instanceof Uint8Array && Buffer.compare(a, b) === 0;
}
