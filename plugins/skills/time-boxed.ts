/**
 * Runs JavaScript that works on a stranger's input and cannot be metered, a regular expression of a manifest's schema for one,
 * under a time limit.
 *
 * Invariants: what takes longer is stopped by V8 wherever it is; `finally` blocks inside do not run then, so nothing that holds
 * something may be called here. It may run several times, so it must have no effects; all of them together get no more of the
 * processor than the limit.
 */
import { createContext, Script } from 'node:vm';

/** A global object of its own, so that the process's stays as it is. Made when it is first needed. */
let box: { run: (() => unknown) | undefined } | undefined;
const script = new Script('run()', { filename: 'glyphcase:time-boxed' });

/** Thrown when the time is over. */
export class TimeIsOver extends Error {}

/** How often it is run at most where the machine has no time for it. */
const MOST_RUNS = 8;

export interface Machine {
  /** What this process has had of the processor, in ms. */
  used(): number;
  /** Runs `fn` for so many ms of time that passes. @throws TimeIsOver, and what `fn` throws */
  run<T>(ms: number, fn: () => T): T;
}

/**
 * Returns what `fn` returns, which may take `ms`. Costs about 50 µs. V8 can only limit the time that passes; whether this process
 * had it or waited for its turn meanwhile shows by what it used of the processor. If it was less than half, `fn` is run again
 * for what is left of its time. @throws TimeIsOver, and what `fn` throws
 */
export function timeBoxed<T>(ms: number, fn: () => T, machine: Machine = own): T {
  const before = machine.used();
  let left = ms;
  for (let runs = 1; ; runs += 1) {
    try {
      return machine.run(left, fn);
    } catch (error) {
      // V8 takes whole milliseconds.
      left = Math.floor(ms - (machine.used() - before));
      if (!(error instanceof TimeIsOver) || left <= ms / 2 || runs === MOST_RUNS) throw error;
    }
  }
}

const own: Machine = {
  used() {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  },
  run: once,
};

function once<T>(ms: number, fn: () => T): T {
  const place = (box ??= createContext({ run: undefined }) as { run: undefined });
  const outer = place.run;
  place.run = fn;
  try {
    return script.runInContext(place, { timeout: ms }) as T;
  } catch (error) {
    // It comes from the other global object, so it is no Error of this one.
    const code: unknown = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
    throw code === 'ERR_SCRIPT_EXECUTION_TIMEOUT' ? new TimeIsOver() : error;
  } finally {
    place.run = outer;
  }
}
