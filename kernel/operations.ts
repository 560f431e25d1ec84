/**
 * Operations that run one after the other, in the order they were asked for.
 *
 * Invariants: one that fails keeps none of the next from running; what an operation results in, its errors included, is not
 * kept in memory by the queue.
 */
export class Operations {
  #last: Promise<void> = Promise.resolve();

  /** Resolves to what the operation results in. @throws what it throws */
  add<T>(operation: () => Promise<T>): Promise<T> {
    const run = this.#last.then(operation);
    const done = (): void => undefined;
    this.#last = run.then(done, done);
    return run;
  }

  /** Resolves when none is under way or waits, also of those added meanwhile. */
  async settled(): Promise<void> {
    for (let last: Promise<void> | undefined; last !== this.#last;) {
      last = this.#last;
      await last;
    }
  }
}
