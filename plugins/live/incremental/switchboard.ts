/**
 * Queries that differ in their parameters only, by the value that one of their columns must have.
 *
 * Invariant: a query that is not found for a change cannot have another result by it.
 */
import type { LoggedChange } from '../../../sdk/capsule-types.ts';
import type { Maintained } from '../maintainer.ts';
import { Touched } from '../touched.ts';
import { keyOf } from './parameters.ts';
import { placeOf } from './reach.ts';
import { fits } from './switches.ts';
import type { Switch } from './switches.ts';

export class Switchboard {
  readonly #switch: Switch | undefined;
  readonly #byValue = new Map<unknown, Set<Maintained>>();
  /** Those whose value says nothing. */
  readonly #others = new Set<Maintained>();

  constructor(switches: readonly Switch[]) {
    this.#switch = switches[0];
  }

  join(query: Maintained): void {
    const key = this.#keyOf(query);
    if (key === undefined) {
      this.#others.add(query);
      return;
    }
    const same = this.#byValue.get(key);
    if (same === undefined) this.#byValue.set(key, new Set([query]));
    else same.add(query);
  }

  leave(query: Maintained): void {
    this.#others.delete(query);
    const key = this.#keyOf(query);
    const same = this.#byValue.get(key);
    same?.delete(query);
    if (same?.size === 0) this.#byValue.delete(key);
  }

  /** The queries that a change may concern, each with what concerns it; undefined when that may be any of them. */
  find(touched: Touched): ReadonlyMap<Maintained, Touched> | undefined {
    if (this.#switch === undefined) return undefined;
    const { columns, open } = this.#switch;
    if (open.some(({ name }) => touched.of(name).length > 0)) return undefined;
    const changes = new Map<unknown, LoggedChange[]>();
    for (const { table, column } of columns) {
      for (const change of touched.of(table.name)) {
        const at = placeOf(change.layout, column);
        if (at < 0) return undefined;
        for (const image of [change.old, change.now]) {
          const value = image?.[at];
          if (value !== undefined && value !== null) add(changes, keyOf(value), change);
        }
      }
    }
    const found = new Map<Maintained, Touched>();
    for (const [key, some] of changes) {
      const queries = this.#byValue.get(key);
      if (queries === undefined) continue;
      const part = some.length === touched.size ? touched : new Touched(some, touched.end);
      for (const query of queries) found.set(query, part);
    }
    for (const query of this.#others) found.set(query, touched);
    return found;
  }

  /** The key of a query's value; undefined where SQLite would turn the value into another before it compares. */
  #keyOf({ params }: Maintained): unknown {
    const value = this.#switch?.value(params);
    if (this.#switch === undefined || value === undefined || value === null) return undefined;
    return fits(this.#switch.kind, value) ? keyOf(value) : undefined;
  }
}

/** The images of one change come one after the other, and count once. */
function add(changes: Map<unknown, LoggedChange[]>, key: unknown, change: LoggedChange): void {
  const some = changes.get(key);
  if (some === undefined) changes.set(key, [change]);
  else if (some.at(-1) !== change) some.push(change);
}
