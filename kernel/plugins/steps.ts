/**
 * Sequences of steps that wait only where there is something to wait for.
 *
 * Invariant: as long as no step yields a promise, the whole sequence has run when the call returns, so that nothing of the
 * host, no write and no event, can come between two steps. An `async` function gives up the thread at every `await`.
 */
import { isThenable } from '../time-limit.ts';

/** A sequence: a generator that yields the promises it waits for, through {@link waitFor}. */
export type Steps<T> = Generator<PromiseLike<unknown>, T, unknown>;

/** Inside a sequence: the value of a promise, or what is no promise at once. */
export function* waitFor<T>(value: T | PromiseLike<T>): Steps<T> {
  return isThenable(value) ? ((yield value) as T) : value;
}

/**
 * Runs a sequence. The result, or what it throws, comes at once when nothing had to be waited for, else as a promise.
 *
 * @example
 * ```ts
 * const result = runSteps(stop(unit));
 * ```
 */
export function runSteps<T>(steps: Steps<T>): T | Promise<T> {
  return proceed(steps, () => steps.next());
}

/** The same as a promise, whatever the sequence did. */
export async function promiseOf<T>(steps: Steps<T>): Promise<T> {
  return await runSteps(steps);
}

function proceed<T>(steps: Steps<T>, resume: () => IteratorResult<PromiseLike<unknown>, T>): T | Promise<T> {
  const next = resume();
  if (next.done === true) return next.value;
  return Promise.resolve(next.value).then(
    (value) => proceed(steps, () => steps.next(value)),
    (error: unknown) => proceed(steps, () => steps.throw(error)),
  );
}
