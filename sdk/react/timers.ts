/** The clock of hooks and sources: the machine's own, in a browser as well as in Node.js, where it keeps no process alive. */
import type { Clock, Timer } from '../../kernel/clock.ts';

export type Timers = Pick<Clock, 'timeout'>;

export const ownTimers: Timers = {
  timeout(fn, ms): Timer {
    const handle: unknown = setTimeout(fn, ms);
    if (typeof handle === 'object') (handle as { unref?(): void } | null)?.unref?.();
    return { cancel: () => clearTimeout(handle as number) };
  },
};
