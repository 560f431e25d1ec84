/**
 * When the files of plugins are looked at: at once, or in a quiet moment after something has happened to them.
 *
 * Invariant: whatever happens to a file is followed by a look that begins later; looks are taken one after the other, and not
 * more of them than that needs.
 */
import type { Clock, Timer } from '../../kernel/clock.ts';
import { messageOf } from '../../kernel/errors.ts';
import type { Logger } from '../../kernel/logger.ts';
import type { Operations } from '../../kernel/operations.ts';

/** A folder that never rests is looked at after so many quiet times. */
const PATIENCE = 10;

export interface LooksOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** A look takes its turn among these. */
  readonly operations: Operations;
  readonly look: () => Promise<void>;
}

export class Looks {
  readonly #options: LooksOptions;
  #timer: Timer | undefined;
  #hintedAt: number | undefined;
  #isAsked = false;

  constructor(options: LooksOptions) {
    this.#options = options;
  }

  /** Asks for a look. One that has not begun sees what has happened since it was asked for, too. */
  now(): void {
    if (this.#isAsked) return;
    this.#isAsked = true;
    const { operations, look, logger } = this.#options;
    operations
      .add(() => {
        this.#isAsked = false;
        this.#hintedAt = undefined;
        return look();
      })
      .catch((error: unknown) => {
        logger.error(`Looking at the plugins' files failed: ${messageOf(error)}`, { error });
      });
  }

  /** Asks for a look when nothing has happened for `wait` ms. */
  whenQuiet(wait: number): void {
    const { clock } = this.#options;
    const now = clock.now();
    this.#hintedAt ??= now;
    this.#timer?.cancel();
    const left = Math.min(wait, Math.max(0, this.#hintedAt + wait * PATIENCE - now));
    // Even the shortest timer takes a millisecond.
    if (left === 0) this.now();
    else this.#timer = clock.timeout(() => this.now(), left);
  }

  /** Forgets what was to come. */
  close(): void {
    this.#timer?.cancel();
  }
}
