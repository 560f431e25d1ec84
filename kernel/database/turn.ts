/**
 * A first-come, first-served lock for one thread: who holds it, and who waits.
 *
 * Invariant: when it is free, `take` succeeds at once and synchronously, so that uncontended work needs no await.
 */
export class Turn {
  #taken = false;
  readonly #waiting: (() => void)[] = [];

  get taken(): boolean {
    return this.#taken;
  }

  /** Takes the lock if it is free. */
  tryTake(): boolean {
    if (this.#taken) return false;
    this.#taken = true;
    return true;
  }

  /** Resolves once the caller holds the lock. */
  take(): Promise<void> {
    if (this.tryTake()) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Hands the lock to the next in line. */
  give(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#taken = false;
    else next();
  }

  /** Resolves when the lock has been free for a moment, without taking it. */
  async idle(): Promise<void> {
    await this.take();
    this.give();
  }
}
