/** The body of a result without ORDER BY. */
import { changesOf } from '../difference.ts';
import type { Place } from '../difference.ts';
import type { Result } from '../result.ts';
import type { ResultRow } from '../snapshot.ts';
import type { Values } from '../values.ts';
import { Parts } from './bodies.ts';
import type { Body, Exchange, Fresh } from './bodies.ts';
import { exchange } from './exchange.ts';

export class Unordered implements Body {
  readonly #result: Result;
  readonly #partOf: (values: Values) => unknown;
  /** Made when it is first needed: most queries of many never change. */
  #parts: Parts | undefined;

  constructor(result: Result, partOf: (values: Values) => unknown) {
    this.#result = result;
    this.#partOf = partOf;
  }

  get size(): number {
    return this.#parts?.size ?? this.#result.snapshot.rows.length;
  }

  /** The rows of a part. */
  of(part: unknown): readonly ResultRow[] {
    return this.#divided().of(part);
  }

  replace(fresh: Fresh, held: boolean): boolean | undefined {
    const result = this.#result;
    const parts = this.#divided();
    const { moved, parts: next, ...all } = exchange(fresh, parts, result.columns);
    // Where nothing has a place, a row that looks the same and belongs to another part has neither gone nor come.
    const [gone, came] = [without(all.gone, moved), without(all.came, moved)];
    for (const [row, values] of moved) row.reread(values);
    if (gone.length + came.length === 0) {
      for (const [part, rows] of next) parts.set(part, rows);
      return false;
    }
    const before = result.snapshot;
    // Its rows are listed from what is about to change.
    if (held) before.list();
    const isDone = result.patch({
      gone,
      came,
      rows: () => parts.all(),
      changes: (keys) => changesOf(gone.map(place), came.map(place), keys, false),
    });
    if (!isDone) return undefined;
    before.expire();
    for (const [part, rows] of next) parts.set(part, rows);
    return true;
  }

  #divided(): Parts {
    return (this.#parts ??= new Parts(this.#result.snapshot.rows, this.#partOf));
  }
}

const place = (row: ResultRow, at: number): Place => ({ row, at });

function without(rows: readonly ResultRow[], moved: Exchange['moved']): readonly ResultRow[] {
  if (moved.length === 0) return rows;
  const stays = new Set(moved.map(([row]) => row));
  return rows.filter((row) => !stays.has(row));
}
