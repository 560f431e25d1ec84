/**
 * Tells reactions that trigger each other without end from those that settle.
 *
 * Every range of the log that a reaction wrote is remembered with its *depth*: one more than that of the change it was
 * written for. Invariant: what is written for a change nobody reacted to into being has depth 1, however busy the host is;
 * only a true chain of causes grows deep. Who is stopped is one of the loop, never one that only hears of it.
 */
import { GlyphError } from '../../sdk/plugin.ts';
import type { Database } from '../../sdk/plugin.ts';
import type { Cause, Causes, WrittenRange } from './types.ts';

/** Reaction upon reaction upon reaction: so many are a loop. */
const MAX_DEPTH = 64;
/** What multiplies at every step never gets so deep: from this depth on, one beginning may make so much work in all, and some for each of its own changes and each step. */
const MOST_WORK: readonly (readonly [depth: number, work: number])[] = [
  [9, 20_000],
  [3, 50_000],
];
const PER_SEED = 20;
const KEPT = 4096;

export type Origin = WrittenRange;

export class Cascade implements Causes {
  readonly #end: ReturnType<Database['prepare']>;
  /** In the order of `seq`. */
  #origins: Origin[] = [];
  #current: Cause | undefined;

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

  /** What the code that runs now is done for; undefined outside of {@link watch}. */
  get current(): Cause | undefined {
    return this.#current;
  }

  /** The deepest cause of several changes. */
  causeOf(seqs: readonly number[]): Cause | undefined {
    let deepest: Origin | undefined;
    for (const seq of seqs) {
      const origin = this.originOf(seq);
      if (origin !== undefined && origin.depth > (deepest?.depth ?? 0)) deepest = origin;
    }
    return deepest;
  }

  /**
   * Runs `handle` for one cause, inside a transaction, and returns what it wrote; to be remembered if that commits.
   * @throws GC_CASCADE naming the reactions in the loop.
   */
  watch(name: string, cause: Cause | undefined, handle: () => void, inSteps = false): Origin[] {
    const depth = (cause?.depth ?? 0) + 1;
    const root = cause?.root ?? { seeds: 0, work: 0 };
    if (cause?.chain.includes(name) === true) {
      if (depth > MAX_DEPTH && !inSteps) throw endless(`${MAX_DEPTH} deep`, name, cause);
      const tooMuch = MOST_WORK.some(
        ([from, work]) => depth >= from && root.work >= work + PER_SEED * (root.seeds + depth),
      );
      if (tooMuch) throw endless(`${root.work} changes and actions`, name, cause);
    }
    const before = this.#end.get() as number;
    const own: Cause = { depth, root, chain: [...(cause?.chain.slice(1 - MAX_DEPTH) ?? []), name] };
    const outer = this.#current;
    this.#current = own;
    try {
      handle();
    } finally {
      this.#current = outer;
    }
    const last = this.#end.get() as number;
    if (depth === 1) root.seeds += last - before;
    else root.work += last - before;
    return last <= before ? [] : [{ ...own, first: before + 1, last }];
  }

  remember(origins: readonly Origin[]): void {
    this.#origins.push(...origins);
    if (this.#origins.length > KEPT) this.#origins = this.#origins.slice(KEPT / 2);
  }
}

function endless(how: string, name: string, cause: Cause | undefined): GlyphError {
  const loop = [...new Set(cause?.chain.slice(-8) ?? [])].join(' → ');
  return new GlyphError('GC_CASCADE', `Reactions trigger each other without end (${how}): ${loop} → ${name}`);
}
