/**
 * A clock that stands still until a test moves it.
 *
 * Invariants: timers fire in the order in which they fall due, each at its own time, and what one starts has come to rest
 * before the next fires. Intervals are how GlyphCase looks after itself, not events: each fires at most once between two
 * events, as after a sleep of the machine, or a week would take minutes.
 */
import type { Clock, Timer } from '../../kernel/clock.ts';

export interface TestClock extends Clock {
  /** Moves time on by so many ms. `rest` is awaited after each step. */
  advance(ms: number, rest: () => Promise<void>): Promise<void>;
  /** Moves time to a moment, Unix epoch in ms: forward as `advance` does, back as somebody who sets a clock. */
  set(to: number, rest: () => Promise<void>): Promise<void>;
}

interface Waiting {
  at: number;
  readonly every: number | undefined;
  readonly fn: () => void;
}

export function createTestClock(start: number): TestClock {
  let now = start;
  const timers = new Set<Waiting>();
  const add = (fn: () => void, ms: number, every?: number): Timer => {
    const timer: Waiting = { at: now + ms, every, fn };
    timers.add(timer);
    return { cancel: () => void timers.delete(timer) };
  };
  const isPoll = ({ every }: Waiting): boolean => every !== undefined;
  const fire = (timer: Waiting): void => {
    if (!timers.has(timer)) return;
    if (timer.every === undefined) timers.delete(timer);
    else timer.at = now + timer.every;
    timer.fn();
  };
  const moveTo = async (end: number, rest: () => Promise<void>): Promise<void> => {
    await rest();
    for (;;) {
      const due = [...timers].filter((timer) => timer.at <= end && !isPoll(timer));
      const next = due.length === 0 ? end : Math.max(now, Math.min(...due.map(({ at }) => at)));
      now = next;
      for (const poll of [...timers].filter((timer) => isPoll(timer) && timer.at <= next)) fire(poll);
      for (const timer of due.filter(({ at }) => at <= next).sort((a, b) => a.at - b.at)) fire(timer);
      await rest();
      if (due.length === 0) return;
    }
  };
  return {
    now: () => now,
    timeout: (fn, ms) => add(fn, ms),
    interval: (fn, ms) => add(fn, ms, ms),
    advance: (ms, rest) => moveTo(now + ms, rest),
    async set(to, rest) {
      if (to >= now) await moveTo(to, rest);
      else now = to;
    },
  };
}
