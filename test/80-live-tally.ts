/** Counts how queries of the property are kept current, so that it is seen what is never reached. */
import type { Body } from '../plugins/live/incremental/bodies.ts';
import { Incremental } from '../plugins/live/incremental/incremental.ts';
import { Ordered } from '../plugins/live/incremental/ordered.ts';
import { Unordered } from '../plugins/live/incremental/unordered.ts';
import { Window } from '../plugins/live/incremental/window.ts';
import type { Explanation } from '../plugins/live/types.ts';

export class Tally {
  readonly #counts = new Map<string, number>();
  #incremental = 0;
  #all = 0;
  #refused = 0;

  count({ mode, why }: Explanation): void {
    this.#all += 1;
    if (mode === 'incremental') this.#incremental += 1;
    const because =
      /because (.*?)\.(?: |$)/.exec(why)?.[1] ??
      (why.includes('may reach any row') ? 'incremental, but for some tables' : mode);
    const rule = because.replaceAll(/"[^"]*"/g, '"…"');
    this.#counts.set(rule, (this.#counts.get(rule) ?? 0) + 1);
  }

  /** SQLite did not accept it. */
  refused(_sql: string): void {
    this.#refused += 1;
  }

  /** Of all queries, those that are incremental. */
  get share(): number {
    return this.#incremental / this.#all;
  }

  report(): string {
    const rows = [...this.#counts].sort(([, a], [, b]) => b - a);
    return [
      `${this.#all} queries, ${(this.share * 100).toFixed(1)} % incremental; ${this.#refused} were not accepted by SQLite`,
      ...rows.map(([rule, count]) => `${String(count).padStart(7)}  ${rule}`),
    ].join('\n');
  }
}

export interface Updates extends Disposable {
  /** Updates of incremental queries. */
  all: number;
  /** Those that worked out a part of the result only. */
  parts: number;
}

/** Counts the updates of incremental queries until it is disposed of. */
export function countUpdates(): Updates {
  const updates = { all: 0, parts: 0, [Symbol.dispose]: () => undo.forEach((one) => one()) };
  const undo = [
    counted(Incremental.prototype, 'update', () => (updates.all += 1)),
    ...[Unordered, Ordered, Window].map(({ prototype }) =>
      counted(prototype as Body, 'replace', (done) => (updates.parts += done === undefined ? 0 : 1)),
    ),
  ];
  return updates;
}

/** A mock would keep all arguments. */
function counted<T extends object>(prototype: T, method: keyof T, count: (result: unknown) => void): () => void {
  const original = prototype[method] as (this: T, ...all: unknown[]) => unknown;
  const wrapped = function (this: T, ...all: unknown[]): unknown {
    const result = original.apply(this, all);
    count(result);
    return result;
  };
  Object.assign(prototype, { [method]: wrapped });
  return () => void Object.assign(prototype, { [method]: original });
}
