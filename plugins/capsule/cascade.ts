/**
 * Tells reactions that trigger each other without end from those that settle.
 *
 * Every range of the log that a reaction wrote is remembered with its *depth*: one more than that of the change it was
 * written for. Invariant: what is written for a change nobody reacted to into being has depth 1, however busy the host is;
 * only a true chain of causes grows deep.
 */
import { GlyphError } from '../../sdk/plugin.ts';
import type { Database } from '../../sdk/plugin.ts';

/** Reaction upon reaction upon reaction: so many are a loop. */
const MAX_DEPTH = 64;
const KEPT = 4096;

/** A range of `seq`, both ends included, that a reaction wrote. */
export interface Origin {
  readonly first: number;
  readonly last: number;
  readonly depth: number;
  /** Names of the latest reactions in the chain, oldest first. */
  readonly chain: readonly string[];
}

export class Cascade {
  readonly #end: ReturnType<Database['prepare']>;
  /** In the order of `seq`. */
  #origins: Origin[] = [];

  constructor(db: Database) {
    this.#end = db.prepare('SELECT ifnull(max(seq), 0) FROM _capsule_log').pluck();
  }

  /** Which reaction's writing a change is; undefined for everybody else's. */
  originOf(seq: number): Origin | undefined {
    let low = 0;
    let high = this.#origins.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const origin = this.#origins[middle] as Origin;
      if (seq < origin.first) high = middle - 1;
      else if (seq > origin.last) low = middle + 1;
      else return origin;
    }
    return undefined;
  }

  /**
   * Runs `handle` for changes of one origin, inside a transaction, and returns what it wrote; to be remembered if that commits.
   * @throws GC_CASCADE naming the reactions in the loop.
   */
  watch(name: string, cause: Origin | undefined, handle: () => void): Origin[] {
    const depth = (cause?.depth ?? 0) + 1;
    if (depth > MAX_DEPTH) {
      const loop = [...new Set(cause?.chain ?? [])].join(' → ');
      throw new GlyphError(
        'GC_CASCADE',
        `Reactions trigger each other without end (${MAX_DEPTH} deep): ${loop} → ${name}`,
      );
    }
    const before = this.#end.get() as number;
    handle();
    const last = this.#end.get() as number;
    if (last <= before) return [];
    return [{ first: before + 1, last, depth, chain: [...(cause?.chain.slice(-7) ?? []), name] }];
  }

  remember(origins: readonly Origin[]): void {
    this.#origins.push(...origins);
    if (this.#origins.length > KEPT) this.#origins = this.#origins.slice(KEPT / 2);
  }
}
