/**
 * Watches the folders that hold skills.
 *
 * Invariant: a file event is only a hint. What is acted on is what two scans in a row have found alike, so a half-written
 * file or a folder that is still being copied starts nothing. A slow rescan finds what no event told of.
 */
import { basename, join, relative, resolve, sep } from 'node:path';
import { PathHints } from '../../sdk/path-hints.ts';
import { messageOf } from '../../sdk/plugin.ts';
import type { Clock, Logger, Timer } from '../../sdk/plugin.ts';
import { isLeftover, isSkillFolder, readFolder, skillFolders } from './folder.ts';

/** Quiet time after an event before a folder is looked at, and between two looks, in ms. */
const QUIET_MS = 100;
const LOOK_AGAIN_MS = 40;
const RESCAN_MS = 30_000;

export interface FolderWatcherOptions {
  readonly dirs: readonly string[];
  readonly clock: Clock;
  readonly log: Logger;
  /** The skill folders known now. */
  known(): readonly string[];
  /** The folder has come, changed or gone, and holds still. */
  changed(folder: string): void;
}

export class FolderWatcher {
  readonly #options: FolderWatcherOptions;
  readonly #dirs: readonly string[];
  readonly #pending = new Map<string, Timer>();
  readonly #hints: PathHints;
  #rescan: Timer | undefined;

  constructor(options: FolderWatcherOptions) {
    this.#options = options;
    this.#dirs = options.dirs.map((dir) => resolve(dir));
    this.#hints = new PathHints({
      clock: options.clock,
      ignored: (path) => isLeftover(basename(path)),
      hint: (path) => this.#hint(path),
      began: () => this.#lookAtAll(),
      failed: (error) =>
        options.log.warn(
          `Watching the skills' folders failed (${messageOf(error)}); they are looked at every ${RESCAN_MS / 1000} s`,
        ),
    });
  }

  /** Whether something is being looked at. */
  get busy(): boolean {
    return this.#pending.size > 0;
  }

  /** Listens from now on; what is there now is no news. */
  start(): void {
    this.#rescan = this.#options.clock.interval(() => this.#lookAtAll(), RESCAN_MS);
    this.#hints.follow(this.#dirs);
  }

  close(): void {
    this.#rescan?.cancel();
    for (const timer of this.#pending.values()) timer.cancel();
    this.#pending.clear();
    this.#hints.close();
  }

  #hint(full: string): void {
    // One that has gone takes its skills along.
    if (this.#dirs.includes(full)) this.#lookAtAll();
    for (const dir of this.#dirs) {
      const [name] = relative(dir, full).split(sep);
      if (name === undefined || name === '' || name === '..' || isLeftover(name)) continue;
      this.#lookSoon(join(dir, name), QUIET_MS, undefined);
    }
  }

  #lookAtAll(): void {
    const folders = new Set([...this.#dirs.flatMap((dir) => [...skillFolders(dir)]), ...this.#options.known()]);
    for (const folder of folders) if (!this.#pending.has(folder)) this.#lookSoon(folder, 0, undefined);
  }

  /** `before` is what the last look found. */
  #lookSoon(folder: string, wait: number, before: string | undefined): void {
    this.#pending.get(folder)?.cancel();
    const timer = this.#options.clock.timeout(() => {
      const now = contentOf(folder);
      if (now !== before) {
        this.#lookSoon(folder, LOOK_AGAIN_MS, now);
        return;
      }
      this.#pending.delete(folder);
      this.#options.changed(folder);
    }, wait);
    this.#pending.set(folder, timer);
  }
}

function contentOf(folder: string): string {
  try {
    return isSkillFolder(folder) ? readFolder(folder).hash : 'gone';
  } catch {
    // Files that vanish while they are read: look again.
    return 'unreadable';
  }
}
