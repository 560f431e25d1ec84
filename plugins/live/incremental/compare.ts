/**
 * The order that SQLite gives values: NULL, numbers, text, BLOBs.
 *
 * Invariant: for the collation BINARY it is SQLite's own, also for integers beyond 2^53 and characters beyond U+FFFF.
 */
import type { SqlValue } from '../../../sdk/plugin.ts';
import type { Values } from '../values.ts';

/** A term of ORDER BY. */
export interface OrderTerm {
  /** Where its value stands in a row. */
  readonly at: number;
  readonly descending: boolean;
  readonly nullsFirst: boolean;
}

export function compareRows(a: Values, b: Values, terms: readonly OrderTerm[]): number {
  for (const { at, descending, nullsFirst } of terms) {
    const [left, right] = [a[at] as SqlValue, b[at] as SqlValue];
    if (left === null || right === null) {
      if (left === right) continue;
      return (left === null) === nullsFirst ? -1 : 1;
    }
    const order = compareValues(left, right);
    if (order !== 0) return descending ? -order : order;
  }
  return 0;
}

/** Bytes that are no text are read as this character, and different ones look the same. */
const UNREADABLE = '\ufffd';

export const isReadable = (value: SqlValue | undefined): boolean =>
  typeof value !== 'string' || !value.includes(UNREADABLE);

/** Whether the place of a row among others can be told. */
export const isComparableRow = (values: Values, terms: readonly OrderTerm[]): boolean =>
  terms.every(({ at }) => isReadable(values[at]));

function compareValues(a: NonNullable<SqlValue>, b: NonNullable<SqlValue>): number {
  if (typeof a === 'string') return typeof b === 'string' ? compareTexts(a, b) : b instanceof Uint8Array ? -1 : 1;
  if (a instanceof Uint8Array) return b instanceof Uint8Array ? Buffer.compare(a, b) : 1;
  if (typeof b === 'string' || b instanceof Uint8Array) return -1;
  return a < b ? -1 : a > b ? 1 : 0;
}

/** By the bytes of UTF-8, in which a pair of surrogates comes after every other unit. */
function compareTexts(a: string, b: string): number {
  if (a === b) return 0;
  const most = Math.min(a.length, b.length);
  for (let at = 0; at < most; at += 1) {
    const [left, right] = [a.charCodeAt(at), b.charCodeAt(at)];
    if (left === right) continue;
    if (isSurrogate(left) === isSurrogate(right)) return left - right;
    return isSurrogate(left) ? 1 : -1;
  }
  return a.length - b.length;
}

const isSurrogate = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdfff;
