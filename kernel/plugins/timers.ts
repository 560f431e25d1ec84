/**
 * Timers for plugins.
 *
 * Invariants: what a timer's function throws, or its promise rejects with, is reported and never reaches the process;
 * delays longer than the machine's timers can count (about 24.8 days) are waited for in pieces.
 */
import type { Clock, Timer } from '../clock.ts';
import { isThenable } from '../time-limit.ts';

/** setTimeout counts milliseconds in 31 bits and fires at once when there are more. */
const LONGEST = 2 ** 31 - 1;

/** A clock whose timers report failures to `onFault` and take delays of any length. */
export function safeClock(clock: Clock, onFault: (error: unknown, what: string) => void): Clock {
  const guarded = (fn: () => unknown, what: string) => (): void => {
    try {
      const result = fn();
      if (isThenable(result)) result.then(undefined, (error: unknown) => onFault(error, what));
    } catch (error) {
      onFault(error, what);
    }
  };

  function after(fn: () => void, ms: number): Timer {
    let timer: Timer;
    const arm = (left: number): void => {
      timer = left <= LONGEST ? clock.timeout(fn, left) : clock.timeout(() => arm(left - LONGEST), LONGEST);
    };
    arm(ms);
    return { cancel: () => timer.cancel() };
  }

  function repeat(fn: () => void, ms: number): Timer {
    if (ms <= LONGEST) return clock.interval(fn, ms);
    let timer: Timer;
    const arm = (): void => {
      timer = after(() => {
        arm();
        fn();
      }, ms);
    };
    arm();
    return { cancel: () => timer.cancel() };
  }

  return {
    now: () => clock.now(),
    timeout: (fn, ms) => after(guarded(fn, 'timeout'), ms),
    interval: (fn, ms) => repeat(guarded(fn, 'interval'), ms),
  };
}
