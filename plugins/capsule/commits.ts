/**
 * Notices commits, whoever makes them.
 *
 * In-process commits are told by the kernel's hooks. Other programs' commits are hinted at by the -wal file, whose watch
 * fires before the commit is visible to readers (so it looks again shortly after), and found for certain by polling
 * `data_version` on the reader, which costs about a microsecond and moves for everybody's commits, our own too.
 * Invariant: nothing here opens the file or the -wal; watching is not opening.
 */
import { existsSync, watch } from 'node:fs';
import type { FSWatcher } from 'node:fs';
import type { Clock, Database, Disposer, Timer } from '../../sdk/plugin.ts';

/** The net under every hint, in ms. */
const POLL_MS = 50;
/** After a hint the commit may not be visible yet: look at every turn of the event loop for so long, in ms … */
const LOOK_AT_EVERY_TURN_MS = 1;
/** … and then after so many ms. */
const LOOK_AGAIN_MS = [1, 1, 1, 1, 1, 2, 2, 4, 8, 16];

export interface CommitWatchOptions {
  readonly db: Database;
  readonly clock: Clock;
  /** Something was committed by somebody: look. */
  readonly onCommit: () => void;
}

export class CommitWatch {
  readonly #options: CommitWatchOptions;
  readonly #version: ReturnType<Database['prepare']>;
  #seen: number;
  #files: FSWatcher | undefined;
  #poll: Timer | undefined;
  #again: NodeJS.Timeout | undefined;
  #holds = 0;
  #turning = false;
  #turnsUntil = 0;

  constructor(options: CommitWatchOptions) {
    this.#options = options;
    this.#version = options.db.prepareRead('PRAGMA main.data_version').pluck();
    this.#seen = this.#version.get() as number;
  }

  start(): void {
    const { db, clock } = this.#options;
    if (db.inMemory) return;
    this.#poll = clock.interval(() => {
      if (this.#files === undefined) this.#watchFile();
      this.look();
    }, POLL_MS);
    this.#watchFile();
  }

  /** Asks whether anything was committed since the last look; calls `onCommit` if so. */
  look(): void {
    const { db } = this.#options;
    if (!db.reader.open || (db.inMemory && db.busy)) return;
    const version = this.#version.get() as number;
    if (version === this.#seen) return;
    this.#seen = version;
    this.#options.onCommit();
  }

  /** Notes that everything up to now has been looked at. */
  seen(): void {
    this.#seen = this.#version.get() as number;
  }

  /** Keeps the process alive while somebody waits for changes. */
  hold(): Disposer {
    this.#holds += 1;
    this.#files?.ref();
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#holds -= 1;
      if (this.#holds === 0) this.#files?.unref();
    };
  }

  stop(): void {
    this.#poll?.cancel();
    this.#files?.close();
    this.#files = undefined;
    clearTimeout(this.#again);
  }

  #watchFile(): void {
    const wal = `${this.#options.db.filename}-wal`;
    if (!existsSync(wal)) return;
    try {
      this.#files = watch(wal, () => this.#hint());
    } catch {
      // No watch to be had (too many, or a file system without): the poll remains.
      return;
    }
    this.#files.on('error', () => {
      this.#files?.close();
      this.#files = undefined;
    });
    if (this.#holds === 0) this.#files.unref();
  }

  #hint(): void {
    // What it sees may be an earlier commit than the one hinted at, so it goes on looking in any case.
    this.look();
    this.#turnsUntil = performance.now() + LOOK_AT_EVERY_TURN_MS;
    if (!this.#turning) this.#lookAtEveryTurn();
    clearTimeout(this.#again);
    this.#lookAgain(0);
  }

  #lookAtEveryTurn(): void {
    this.#turning = true;
    setImmediate(() => {
      this.#turning = false;
      this.look();
      if (performance.now() < this.#turnsUntil) this.#lookAtEveryTurn();
    });
  }

  #lookAgain(step: number): void {
    const delay = LOOK_AGAIN_MS[step];
    if (delay === undefined) return;
    // eslint-disable-next-line no-restricted-globals -- real time: another process does not follow the injected clock
    this.#again = setTimeout(() => {
      this.look();
      this.#lookAgain(step + 1);
    }, delay);
    this.#again.unref();
  }
}
