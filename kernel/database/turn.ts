/**
 * A first-come, first-served lock for one thread: who holds it, and who waits.
 *
 * Invariants: when it is free, `take` succeeds at once and synchronously, so that uncontended work needs no await; a queue of
 * holders that never await lets the event loop turn between them.
 */
import { performance } from 'node:perf_hooks';

/** Time that holders may follow on each other within one turn of the event loop, in ms. */
const BREATHE_AFTER_MS = 20;

export class Turn {
  #taken = false;
  #waiting: (() => void)[] = [];
  #next = 0;
  /** When a holder last began in a fresh turn of the event loop. */
  #since = 0;

  get taken(): boolean {
    return this.#taken;
  }

  /** Takes the lock if it is free. */
  tryTake(): boolean {
    if (this.#taken) return false;
    this.#taken = true;
    this.#since = performance.now();
    return true;
  }

  /** Resolves once the caller holds the lock. */
  take(): Promise<void> {
    if (this.tryTake()) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Hands the lock to the next in line. */
  give(): void {
    const next = this.#shift();
    if (next === undefined) {
      this.#taken = false;
    } else if (performance.now() - this.#since < BREATHE_AFTER_MS) {
      next();
    } else {
      setImmediate(() => {
        this.#since = performance.now();
        next();
      });
    }
  }

  /** Resolves when the lock has been free for a moment, without taking it. */
  async idle(): Promise<void> {
    await this.take();
    this.give();
  }

  /** First in, first out, without moving the rest each time. */
  #shift(): (() => void) | undefined {
    const next = this.#waiting[this.#next];
    this.#next += 1;
    if (this.#next >= this.#waiting.length) {
      this.#waiting = [];
      this.#next = 0;
    }
    return next;
  }
}
