/**
 * The body of a result with ORDER BY and LIMIT: the rows that are shown, and some more behind them, so that what leaves is
 * followed by what comes next.
 *
 * Invariant: it has exactly the rows that come before its bound, and no two in the same place.
 */
import type { Result } from '../result.ts';
import { ResultRow } from '../snapshot.ts';
import type { Values } from '../values.ts';
import { Parts } from './bodies.ts';
import type { Body, Fresh } from './bodies.ts';
import { compareRows, isComparableRow } from './compare.ts';
import type { OrderTerm } from './compare.ts';
import { exchange } from './exchange.ts';
import { isPlaced, merged, positionOf } from './sorted.ts';
import { keepShown } from './twins.ts';

/** Which rows are shown, counted from the first. */
export interface Extent {
  readonly from: number;
  readonly to: number;
}

/** More rows than this many margins are not kept. */
const MOST_MARGINS = 4;

/** How many rows beyond those that are shown are kept. */
export const marginOf = ({ to }: Extent): number => Math.max(16, Math.min(to, 1000));

export class Window implements Body {
  readonly #result: Result;
  readonly #terms: readonly OrderTerm[];
  readonly #extent: Extent;
  #rows: readonly ResultRow[];
  readonly #parts: Parts;
  readonly #partOf: (values: Values) => unknown;
  /** Undefined when there are no other rows. */
  readonly #bound: Values | undefined;

  /**
   * @param result shows the rows of the extent
   * @param read the rows up to the end of the margin and one more, if there are so many; none in the same place as another
   * @param bound a row of the query's that comes behind them, if there may be any
   */
  constructor(
    result: Result,
    terms: readonly OrderTerm[],
    partOf: (values: Values) => unknown,
    extent: Extent,
    read: readonly Values[],
    bound: Values | undefined,
  ) {
    this.#result = result;
    this.#terms = terms;
    this.#extent = extent;
    const shown = result.snapshot.rows;
    this.#rows = read.map((values, at) => shown[at - extent.from] ?? new ResultRow(result.columns, values));
    this.#bound = bound;
    this.#partOf = partOf;
    this.#parts = new Parts(this.#rows, partOf);
  }

  get size(): number {
    return this.#result.snapshot.rows.length;
  }

  replace(fresh: Fresh): boolean | undefined {
    const terms = this.#terms;
    const bound = this.#bound;
    for (const rows of fresh.values()) if (!rows.every((values) => isComparableRow(values, terms))) return undefined;
    const near = bound === undefined ? fresh : this.#before(bound, fresh);
    const { gone, came, moved, parts } = exchange(near, this.#parts, this.#result.columns, isPlaced(terms));
    if (gone.length + came.length === 0) return false;
    const places = gone.map((row) => positionOf(this.#rows, row.values, terms));
    for (const [row, values] of moved) row.reread(values);
    const rows = merged(this.#rows, places, came, terms);
    if (rows === undefined) return undefined;
    const { from, to } = this.#extent;
    if (rows.length > to + MOST_MARGINS * marginOf(this.#extent)) return undefined;
    if (bound !== undefined && rows.length < to) return undefined;
    for (const [part, list] of parts) this.#parts.set(part, list);
    keepShown({ rows, parts: this.#parts, partOf: this.#partOf }, this.#result.snapshot.rows, from);
    this.#rows = rows;
    return this.#show(rows.slice(from, to));
  }

  /** The rows that come before the bound. */
  #before(bound: Values, fresh: Fresh): Fresh {
    return new Map(
      [...fresh].map(([part, rows]) => [part, rows.filter((values) => compareRows(values, bound, this.#terms) < 0)]),
    );
  }

  #show(rows: readonly ResultRow[]): boolean | undefined {
    const { snapshot } = this.#result;
    const isSame = rows.length === snapshot.rows.length && rows.every((row, at) => row === snapshot.rows[at]);
    if (isSame) return false;
    const [before, now] = [new Set(snapshot.rows), new Set(rows)];
    const isDone = this.#result.patch({
      gone: snapshot.rows.filter((row) => !now.has(row)),
      came: rows.filter((row) => !before.has(row)),
      rows,
    });
    return isDone ? true : undefined;
  }
}
