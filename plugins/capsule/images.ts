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

/** Compares images; at `wild` the earlier one may hold −1 or NULL, which SQLite shows for a rowid it has yet to choose. */
export function sameImage(earlier: readonly SqlValue[], later: readonly SqlValue[], wild: number): boolean {
  return earlier.every(
    (value, index) => sameValue(value, later[index]) || (index === wild && (value === -1 || value === null)),
  );
}

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

