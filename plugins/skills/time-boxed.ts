/**
 * Runs JavaScript that works on a stranger's input and cannot be metered, a regular expression of a manifest's schema for one,
 * under a time limit.
 *
 * Invariant: what takes longer is stopped by V8 wherever it is; `finally` blocks inside do not run then, so nothing that holds
 * something may be called here. It may run twice, so it must have no effects.
 */
import { createContext, Script } from 'node:vm';

/** A global object of its own, so that the process's stays as it is. Made when it is first needed. */
let box: { run: (() => unknown) | undefined } | undefined;
const script = new Script('run()', { filename: 'glyphcase:time-boxed' });

/** Thrown when the time is over. */
export class TimeIsOver extends Error {}

/** Where the machine had no time for it, `fn` is run once more with this many times as long. */
const PATIENCE = 8;

/**
 * Returns what `fn` returns, which may take `ms`. Costs about 50 µs. V8 can only limit the time that passes: whether this process
 * had it or waited for its turn meanwhile shows by what it used of the processor. @throws TimeIsOver, and what `fn` throws
 */
export function timeBoxed<T>(ms: number, fn: () => T): T {
  const before = process.cpuUsage();
  try {
    return once(ms, fn);
  } catch (error) {
    const { user, system } = process.cpuUsage(before);
    if (!(error instanceof TimeIsOver) || (user + system) / 1000 > ms / 2) throw error;
    return once(ms * PATIENCE, fn);
  }
}

function once<T>(ms: number, fn: () => T): T {
  const own = (box ??= createContext({ run: undefined }) as { run: undefined });
  const outer = own.run;
  own.run = fn;
  try {
    return script.runInContext(own, { timeout: ms }) as T;
  } catch (error) {
    // It comes from the other global object, so it is no Error of this one.
    const code: unknown = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
    throw code === 'ERR_SCRIPT_EXECUTION_TIMEOUT' ? new TimeIsOver() : error;
  } finally {
    own.run = outer;
  }
}
