/** Operations that run one after the other, in the order they were asked for. */
export class Operations {
  #last: Promise<void> = Promise.resolve();

  /** Resolves when the operation is done, which must not fail: nobody would hear of it. */
  add(operation: () => Promise<void>): Promise<void> {
    this.#last = this.#last.then(operation);
    return this.#last;
  }

  /** Resolves when none is under way or waits, also of those added meanwhile. */
  async settled(): Promise<void> {
    for (let last: Promise<void> | undefined; last !== this.#last;) {
      last = this.#last;
      await last;
    }
  }
}
