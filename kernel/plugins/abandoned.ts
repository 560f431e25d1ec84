/**
 * Work of plugins that was given up because it did not end: what nobody waits for any more, until it settles after all.
 *
 * Invariant: an entry is there exactly from the moment its work was given up until its promise settles.
 */
import type { Clock } from '../clock.ts';

export interface AbandonedWork {
  readonly plugin: string;
  /** The instance, such as `metrics#2`. */
  readonly instance: string;
  /** `activate`, `deactivate`, or what was being disposed: `dispose 'socket'`. */
  readonly phase: string;
  /** When it was given up, Unix epoch in ms. */
  readonly since: number;
}

export class AbandonedList {
  readonly #clock: Clock;
  readonly #entries = new Set<AbandonedWork>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(plugin: string, instance: string, phase: string, work: PromiseLike<unknown>): void {
    const entry: AbandonedWork = { plugin, instance, phase, since: this.#clock.now() };
    const settled = (): void => void this.#entries.delete(entry);
    this.#entries.add(entry);
    work.then(settled, settled);
  }

  list(): readonly AbandonedWork[] {
    return [...this.#entries];
  }
}
