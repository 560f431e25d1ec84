/** `db.stats()`: what the services count, put together. Invariant: the figures of one call are of one moment. */
import type { CapsuleStats } from '../plugins/capsule/types.ts';
import type { LiveService } from '../plugins/live/types.ts';
import type { Stats } from './types.ts';

export interface StatsParts {
  readonly capsule: CapsuleStats;
  readonly live: ReturnType<LiveService['stats']>;
  /** Statements slower than the option `slowQueryMs`, so far. */
  readonly slowQueries: number;
}

/** The sums over tables, filters and live queries, with the memory of the process in bytes. */
export function statsOf({ capsule, live, slowQueries }: StatsParts): Stats {
  const { rss, heapUsed } = process.memoryUsage();
  return {
    ...capsule,
    watchers: capsule.watchers + live.watchers,
    subscriptions: [...capsule.subscriptions, ...live.subscriptions],
    slowQueries,
    memory: { rss, heapUsed },
  };
}
