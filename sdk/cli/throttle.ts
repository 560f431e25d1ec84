/** Keeps a storm of lines from the terminal. Invariant: what was kept back is counted, and the count is told. */

/** Lines in one second, before the rest is counted. */
const LINES_PER_SECOND = 20;

/** Lets so many lines through in a second, and says how many it kept back. */
export class Throttle {
  readonly #told: (skipped: number) => void;
  #second = 0;
  #lines = 0;
  #skipped = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(told: (skipped: number) => void) {
    this.#told = told;
  }

  line(write: () => void): void {
    const second = Math.floor(performance.now() / 1000);
    if (second !== this.#second) {
      this.flush();
      this.#second = second;
      this.#lines = 0;
    }
    this.#lines += 1;
    if (this.#lines <= LINES_PER_SECOND) {
      write();
      return;
    }
    this.#skipped += 1;
    this.#timer ??= setTimeout(() => this.flush(), 1000).unref();
  }

  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#skipped > 0) this.#told(this.#skipped);
    this.#skipped = 0;
  }
}
