/**
 * Time as the kernel sees it, so that tests can hold it still.
 *
 * Invariant: nothing in kernel/ or plugins/ calls Date.now or setTimeout directly; it asks its clock.
 */

/** A cancellable timer. `cancel` is idempotent. */
export interface Timer {
  cancel(): void;
}

/** Source of time. All durations are milliseconds; `now` is the Unix epoch in milliseconds. */
export interface Clock {
  now(): number;
  /** Runs `fn` once after `ms`. Never keeps the process alive by itself. */
  timeout(fn: () => void, ms: number): Timer;
  /** Runs `fn` every `ms`. Never keeps the process alive by itself. */
  interval(fn: () => void, ms: number): Timer;
}

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  timeout(fn, ms) {
    const handle = setTimeout(fn, ms);
    handle.unref();
    return { cancel: () => clearTimeout(handle) };
  },
  interval(fn, ms) {
    const handle = setInterval(fn, ms);
    handle.unref();
    return { cancel: () => clearInterval(handle) };
  },
};
