/**
 * Running a step with a time limit, and naming the step that is really to blame when it runs out.
 *
 * Invariants:
 * - A step inside another never outlives it: it gets what is left of the outer limit, less a few milliseconds, so that
 *   the inner step is the one that reports first.
 * - When the outer limit ends first all the same, its error names the innermost step under way.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Clock } from './clock.ts';
import { formatDuration } from './durations.ts';
import { GlyphError } from './errors.ts';
import type { ErrorDetails } from './errors.ts';

/** A limit for one step. `what` names it in the error, such as `plugin 'metrics': activate`. */
export interface TimeLimit {
  /** Milliseconds. */
  readonly ms: number;
  readonly clock: Clock;
  readonly what: string;
  readonly details?: ErrorDetails;
}

interface Step {
  readonly what: string;
  /** Clock time at which it runs out. */
  readonly deadline: number;
  readonly inner: Set<Step>;
  over: boolean;
}

/** How much earlier than its outer step an inner one reports, in ms. */
const HEAD_START = 3;
const steps = new AsyncLocalStorage<Step>();

/** True for promises and whatever else can be awaited. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return value !== null && typeof value === 'object' && typeof (value as { then?: unknown }).then === 'function';
}

/**
 * Calls `fn`. A synchronous result or error comes back at once; a promise is given `limit.ms` to settle.
 * What a promise does after its time is ignored: nobody is left to hear it.
 *
 * @throws GC_PLUGIN_TIMEOUT (as a rejection) naming the step, and the innermost step under way.
 */
export function withTimeLimit<T>(fn: () => T | Promise<T>, limit: TimeLimit): T | Promise<T> {
  const { clock } = limit;
  const store = steps.getStore();
  // A timer or listener made inside a step remembers it long after it ended; a step that is over limits nobody.
  const outer = store?.over === false ? store : undefined;
  const left = outer === undefined ? Infinity : Math.max(0, outer.deadline - clock.now() - HEAD_START);
  const ms = Math.min(limit.ms, left);
  const step: Step = { what: limit.what, deadline: clock.now() + ms, inner: new Set(), over: false };
  outer?.inner.add(step);
  const finish = (): void => {
    step.over = true;
    outer?.inner.delete(step);
  };
  let result: T | Promise<T>;
  try {
    result = steps.run(step, fn);
  } catch (error) {
    finish();
    throw error;
  }
  if (!isThenable(result)) {
    finish();
    return result;
  }
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const timer = clock.timeout(() => {
    const error = timeoutError(limit, ms, step);
    finish();
    reject(error);
  }, ms);
  const settle =
    <V>(done: (value: V) => void) =>
    (value: V): void => {
      timer.cancel();
      finish();
      done(value);
    };
  result.then(settle(resolve), settle(reject));
  return promise;
}

/** Whether it is the error of a time limit that ran out. */
export function isTimeout(thrown: unknown): thrown is GlyphError {
  return thrown instanceof GlyphError && thrown.code === 'GC_PLUGIN_TIMEOUT';
}

function timeoutError(limit: TimeLimit, ms: number, step: Step): GlyphError {
  const inner = innermost(step);
  const waiting = inner === undefined ? '' : `; it was waiting for ${inner.what}`;
  const message = `${limit.what} did not finish within ${formatDuration(ms)}${waiting}`;
  return new GlyphError('GC_PLUGIN_TIMEOUT', message, limit.details ?? {});
}

function innermost(step: Step): Step | undefined {
  let found: Step | undefined;
  for (let next = lastOf(step.inner); next !== undefined; next = lastOf(next.inner)) found = next;
  return found;
}

function lastOf(set: ReadonlySet<Step>): Step | undefined {
  return [...set].at(-1);
}
