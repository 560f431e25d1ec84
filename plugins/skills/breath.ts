/**
 * Lets the event loop turn between pieces of work that follow on each other.
 *
 * Invariant: short pieces run on without a pause; no more than so many ms go by within one turn.
 */

/** Time that pieces of work may follow on each other within one turn of the event loop, in ms. */
const BREATHE_AFTER_MS = 10;

export class Breath {
  #since = 0;

  /** A first piece begins, in a turn of its own. */
  begin(): void {
    this.#since = performance.now();
  }

  /** Between two pieces: undefined when there is time left. */
  take(): Promise<void> | undefined {
    if (performance.now() - this.#since < BREATHE_AFTER_MS) return undefined;
    return new Promise((resolve) =>
      setImmediate(() => {
        this.begin();
        resolve();
      }),
    );
  }
}
