/**
 * Runs JavaScript that works on a stranger's input and cannot be metered, a regular expression of a manifest's schema for one,
 * under a time limit.
 *
 * Invariant: what takes longer is stopped by V8 wherever it is; `finally` blocks inside do not run then, so nothing that holds
 * something may be called here.
 */
import { Script } from 'node:vm';

const ENTRY = Symbol.for('glyphcase.time-boxed');
const script = new Script(`globalThis[Symbol.for('glyphcase.time-boxed')]()`, { filename: 'glyphcase:time-boxed' });

/** Thrown when the time is over. */
export class TimeIsOver extends Error {}

/** Returns what `fn` returns, which may take `ms`. Costs about 50 µs. @throws TimeIsOver, and what `fn` throws */
export function timeBoxed<T>(ms: number, fn: () => T): T {
  const holder = globalThis as { [ENTRY]?: (() => unknown) | undefined };
  const outer = holder[ENTRY];
  holder[ENTRY] = fn;
  try {
    return script.runInThisContext({ timeout: ms }) as T;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT')
      throw new TimeIsOver();
    throw error;
  } finally {
    holder[ENTRY] = outer;
  }
}
