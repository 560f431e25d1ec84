/**
 * The clock of a test host: the test clock, which also counts the timers that wait.
 *
 * Invariant: a timer counts from when it is set until it has fired for the last time or is cancelled.
 */
import type { Clock, Timer } from '../../kernel/clock.ts';
import { createTestClock } from './test-clock.ts';
import type { TestClock } from './test-clock.ts';

export interface HostClock extends TestClock {
  /** Timers that have neither fired for the last time nor been cancelled. */
  readonly pending: number;
}

/** A clock that stands still at `start`, Unix epoch in ms. */
export function createHostClock(start: number): HostClock {
  const clock = createTestClock(start);
  const waiting = new Set<object>();
  const counted = (make: (over: () => void) => Timer): Timer => {
    const mark = {};
    waiting.add(mark);
    const over = (): void => void waiting.delete(mark);
    const timer = make(over);
    return {
      cancel() {
        over();
        timer.cancel();
      },
    };
  };
  return {
    now: () => clock.now(),
    timeout: (fn, ms) =>
      counted((over) =>
        clock.timeout(() => {
          over();
          fn();
        }, ms),
      ),
    interval: (fn, ms) => counted(() => clock.interval(fn, ms)),
    advance: (ms, rest) => clock.advance(ms, rest),
    set: (to, rest) => clock.set(to, rest),
    get pending() {
      return waiting.size;
    },
  };
}

/** Whether a test can move a clock by hand. */
export const isMovable = (clock: Clock): clock is TestClock =>
  'advance' in clock && typeof clock.advance === 'function' && 'set' in clock && typeof clock.set === 'function';
