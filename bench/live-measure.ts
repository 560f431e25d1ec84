/**
 * How latency of live queries is sampled: a database with the workload in it, and the wait for the callback that has a change.
 *
 * Invariant: time ends when the callback begins, before anything looks at what it was given.
 */
import { join } from 'node:path';
import { GlyphCase } from '../sdk/index.ts';
import { fill, Naive, TASKS, USERS } from './live-workload.ts';
import { withFolder } from './measure.ts';

const SAMPLES = 750;
/** So many, because it takes thousands of writes until V8 has compiled what they run. */
const WARM_UP = 2500;
/** A case that is slow is judged by fewer samples rather than waited for: ms in all. */
const PATIENCE = 4000;

/** Opens a database with the workload in it. */
export async function withDatabase<T>(fn: (db: GlyphCase) => Promise<T>, tasks = TASKS, users = USERS): Promise<T> {
  return await withFolder(async (folder) => {
    const db = new GlyphCase(join(folder, 'a.db'), { capsule: { batchInterval: 0 } });
    await db.ready;
    fill(db.sqlite, tasks, users);
    try {
      return await fn(db);
    } finally {
      await db.close();
    }
  });
}

export async function withNaive<T>(fn: (naive: Naive) => Promise<T>): Promise<T> {
  return await withFolder(async (folder) => {
    const naive = new Naive(join(folder, 'a.db'));
    try {
      return await fn(naive);
    } finally {
      naive.db.close();
    }
  });
}

/** Waits for the callback that shows what was written. */
export class Arrival {
  #isIt: (found: unknown) => boolean = () => false;
  #arrived: (time: number) => void = () => undefined;

  /** Called first of all in a callback, with the values that may be the one that is waited for. */
  readonly see = (found: Iterable<unknown>): void => {
    const now = performance.now();
    for (const one of found) if (this.#isIt(one)) this.#arrived(now);
  };

  /** Milliseconds from before `write` to the callback that sees `value`. */
  async after(write: () => unknown, value: unknown): Promise<number> {
    const seen = new Promise<number>((resolve) => {
      this.#arrived = resolve;
      this.#isIt = (found) => found === value;
    });
    const started = performance.now();
    const written = write();
    const ended = await seen;
    await written;
    return ended - started;
  }
}

/** The samples after the warm-up; when patience ends first, the second half of those there are. */
export async function sample(once: (step: number) => Promise<number>): Promise<number[]> {
  const times: number[] = [];
  const started = performance.now();
  for (let step = 0; step < SAMPLES + WARM_UP; step += 1) {
    times.push(await once(step));
    if (performance.now() - started > PATIENCE && times.length >= 3) break;
  }
  return times.slice(Math.min(WARM_UP, times.length >> 1));
}

/** The time that 95 of 100 samples do not exceed. */
export const p95 = (times: readonly number[]): number =>
  [...times].sort((a, b) => a - b)[Math.floor(times.length * 0.95)] ?? Number.NaN;

/** 1 to `count` in no order that puts the one that matters first; the same in each run. */
export function shuffled(count: number): number[] {
  const numbers = Array.from({ length: count }, (_, index) => index + 1);
  let seed = 12_345;
  for (let index = count - 1; index > 0; index -= 1) {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    const other = seed % (index + 1);
    [numbers[index], numbers[other]] = [numbers[other] ?? 0, numbers[index] ?? 0];
  }
  return numbers;
}
