/** The body of a result without ORDER BY. */
import { changesOf } from '../difference.ts';
import type { Result } from '../result.ts';
import type { ResultRow } from '../snapshot.ts';
import type { Values } from '../values.ts';
import { Parts } from './bodies.ts';
import type { Body, Fresh } from './bodies.ts';
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

  replace(fresh: Fresh, held: boolean): boolean | undefined {
    const result = this.#result;
    const parts = (this.#parts ??= new Parts(result.snapshot.rows, this.#partOf));
    const { moved, parts: next, ...all } = exchange(fresh, parts, result.columns);
    const stays = new Set(moved.map(([row]) => row));
    const [gone, came] = [all.gone, all.came].map((rows) =>
      stays.size === 0 ? rows : rows.filter((row) => !stays.has(row)),
    ) as [readonly ResultRow[], readonly ResultRow[]];
    for (const [row, values] of moved) row.reread(values);
    if (gone.length + came.length === 0) {
      for (const [part, rows] of next) parts.set(part, rows);
      return false;
    }
    const before = result.snapshot;
    // Its rows are listed from what is about to change.
    if (held) before.list();
    const place = <T>(row: T, at: number): { readonly row: T; readonly at: number } => ({ row, at });
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
}
