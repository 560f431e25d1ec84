/** Those who wait until everything up to some `seq` has been handled. */
export class Waiters {
  #waiting: { readonly seq: number; readonly done: () => void }[] = [];

  /** Resolves once {@link wake} finds nothing unhandled up to `seq`. */
  wait(seq: number): Promise<void> {
    return new Promise((resolve) => this.#waiting.push({ seq, done: resolve }));
  }

  wake(isHandled: (seq: number) => boolean): void {
    if (this.#waiting.length === 0) return;
    const ready = this.#waiting.filter(({ seq }) => isHandled(seq));
    this.#waiting = this.#waiting.filter((waiter) => !ready.includes(waiter));
    for (const { done } of ready) done();
  }
}
