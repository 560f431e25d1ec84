/** Says that a phase of a plugin takes long, while there is still something to wait for. Invariant: once, and not after it has ended. */
import type { Clock } from '../clock.ts';
import type { Disposer } from './types.ts';

/** After this time it is said, in ms; of a phase whose limit is not much longer the limit itself tells. */
const PATIENCE = 2_000;

/** Calls `say` when the work has not settled for a while. Returns what keeps it from that. */
export function sayIfSlow(work: PromiseLike<unknown>, limit: number, clock: Clock, say: () => void): Disposer {
  if (limit < 2 * PATIENCE) return () => undefined;
  const timer = clock.timeout(say, PATIENCE);
  const cancel = (): void => timer.cancel();
  work.then(cancel, cancel);
  return cancel;
}
