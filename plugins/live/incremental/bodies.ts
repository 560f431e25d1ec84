/**
 * The rows of one result, divided so that a part of them can be replaced.
 *
 * Invariant: what a body shows as the result is what running the query would give, or the body says that it cannot tell.
 */
import type { ResultRow } from '../snapshot.ts';
import type { Values } from '../values.ts';

/** Rows of the parts that a change reached, as they are now. A part without rows has an empty list. */
export type Fresh = ReadonlyMap<unknown, readonly Values[]>;

/** What became of the rows of those parts. */
export interface Exchange {
  readonly gone: readonly ResultRow[];
  readonly came: readonly ResultRow[];
  /** Rows that look the same and stand elsewhere; they are among those that went and those that came. */
  readonly moved: readonly (readonly [ResultRow, Values])[];
  /** Parts with the rows they have from now on. */
  readonly parts: readonly (readonly [unknown, readonly ResultRow[]])[];
}

export interface Body {
  /**
   * Replaces the rows of some parts. True when the result is another now; undefined when that cannot be told without
   * running the query again, and then nothing was replaced.
   * @param held the rows of the present snapshot have to be there afterwards too
   */
  replace(fresh: Fresh, held: boolean): boolean | undefined;
  /** How many rows the result has. */
  readonly size: number;
}

/** Rows by the part of the result they belong to. */
export class Parts {
  readonly #rows = new Map<unknown, ResultRow | readonly ResultRow[]>();
  size = 0;

  constructor(rows: Iterable<ResultRow>, partOf: (values: Values) => unknown) {
    const several = new Map<unknown, ResultRow[]>();
    for (const row of rows) {
      const part = partOf(row.values);
      const known = this.#rows.get(part);
      const list = several.get(part);
      this.size += 1;
      if (known === undefined) this.#rows.set(part, row);
      else if (list !== undefined) list.push(row);
      else {
        const both = [known as ResultRow, row];
        several.set(part, both);
        this.#rows.set(part, both);
      }
    }
  }

  of(part: unknown): readonly ResultRow[] {
    const rows = this.#rows.get(part);
    return rows === undefined ? [] : Array.isArray(rows) ? (rows as readonly ResultRow[]) : [rows as ResultRow];
  }

  set(part: unknown, rows: readonly ResultRow[]): void {
    this.size += rows.length - this.of(part).length;
    const [only] = rows;
    if (only === undefined) this.#rows.delete(part);
    else this.#rows.set(part, rows.length === 1 ? only : rows);
  }

  all(): ResultRow[] {
    const all: ResultRow[] = [];
    for (const rows of this.#rows.values()) {
      // One by one: as arguments of one call, many rows would not fit on the stack.
      if (Array.isArray(rows)) for (const row of rows as readonly ResultRow[]) all.push(row);
      else all.push(rows as ResultRow);
    }
    return all;
  }
}
