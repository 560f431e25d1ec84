/** One attempt that is to be made again later. */
import type { Clock, Timer } from '../../sdk/plugin.ts';

export class Retry {
  readonly #clock: Clock;
  readonly #attempt: () => void;
  #timer: Timer | undefined;
  #at: number | undefined;

  constructor(clock: Clock, attempt: () => void) {
    this.#clock = clock;
    this.#attempt = attempt;
  }

  /** When the attempt will be made, Unix epoch in ms; undefined when none is planned. */
  get at(): number | undefined {
    return this.#at;
  }

  /** Makes the attempt in so many ms, instead of any that was planned. */
  in(ms: number): void {
    this.cancel();
    this.#at = this.#clock.now() + ms;
    this.#timer = this.#clock.timeout(() => {
      this.cancel();
      this.#attempt();
    }, ms);
  }

  /** Idempotent. */
  cancel(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#at = undefined;
  }
}
