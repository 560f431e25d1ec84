/** The body of a result with ORDER BY and without LIMIT. */
import { changesOf } from '../difference.ts';
import type { Place } from '../difference.ts';
import type { Result } from '../result.ts';
import type { ResultRow } from '../snapshot.ts';
import type { Values } from '../values.ts';
import { Parts } from './bodies.ts';
import type { Body, Fresh } from './bodies.ts';
import type { OrderTerm } from './compare.ts';
import { exchange } from './exchange.ts';
import { isPlaced, merged, positionOf } from './sorted.ts';
import { keepShown } from './twins.ts';

export class Ordered implements Body {
  readonly #result: Result;
  readonly #terms: readonly OrderTerm[];
  readonly #partOf: (values: Values) => unknown;
  #parts: Parts | undefined;

  /** @param result none of its rows is in the same place as another */
  constructor(result: Result, terms: readonly OrderTerm[], partOf: (values: Values) => unknown) {
    this.#result = result;
    this.#terms = terms;
    this.#partOf = partOf;
  }

  get size(): number {
    return this.#result.snapshot.rows.length;
  }

  replace(fresh: Fresh): boolean | undefined {
    const result = this.#result;
    const terms = this.#terms;
    const { rows } = result.snapshot;
    const parts = (this.#parts ??= new Parts(rows, this.#partOf));
    const { gone, came, moved, parts: next } = exchange(fresh, parts, result.columns, isPlaced(terms));
    if (gone.length + came.length === 0) return false;
    const old = placesOf(gone, rows, terms);
    for (const [row, values] of moved) row.reread(values);
    const now = merged(
      rows,
      old.map(({ at }) => at),
      came,
      terms,
    );
    if (now === undefined) return undefined;
    for (const [part, list] of next) parts.set(part, list);
    // The same rows, as far as they are shown.
    if (moved.length === gone.length && moved.length === came.length) {
      keepShown({ rows: now, parts, partOf: this.#partOf }, rows, 0);
      if (now.every((row, at) => row === rows[at])) return false;
    }
    const isDone = result.patch({
      gone,
      came,
      rows: now,
      // Of rows that look the same, only all rows together tell which have moved.
      ...(moved.length > 0 ? {} : { changes: (keys) => changesOf(old, placesOf(came, now, terms), keys, true) }),
    });
    return isDone ? true : undefined;
  }
}

const placesOf = (some: readonly ResultRow[], rows: readonly ResultRow[], terms: readonly OrderTerm[]): Place[] =>
  some.map((row) => ({ row, at: positionOf(rows, row.values, terms) })).sort((a, b) => a.at - b.at);
