/**
 * Watches the folders that hold skills.
 *
 * Invariant: a file event is only a hint. What is acted on is what two scans in a row have found alike, so a half-written
 * file or a folder that is still being copied starts nothing. A slow rescan finds what no event told of.
 */
import { existsSync } from 'node:fs';
import { basename, join, relative, resolve, sep } from 'node:path';
import { watch } from 'chokidar';
import type { FSWatcher } from 'chokidar';
import { messageOf } from '../../sdk/plugin.ts';
import type { Clock, Logger, Timer } from '../../sdk/plugin.ts';
import { isLeftover, isSkillFolder, readFolder, skillFolders } from './folder.ts';

/** Quiet time after an event before a folder is looked at, and between two looks, in ms. */
const QUIET_MS = 100;
const LOOK_AGAIN_MS = 40;
const RESCAN_MS = 30_000;
/** How often a folder that does not exist yet is looked for, in ms. */
const MISSING_MS = 500;
const DEPTH = 9;

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
  #events: FSWatcher | undefined;
  #rescan: Timer | undefined;
  #search: Timer | undefined;
  #missing: readonly string[];
  readonly #closed = Promise.withResolvers<void>();

  constructor(options: FolderWatcherOptions) {
    this.#options = options;
    this.#dirs = options.dirs.map((dir) => resolve(dir));
    this.#missing = this.#dirs.filter((dir) => !existsSync(dir));
  }

  /** Whether something is being looked at. */
  get busy(): boolean {
    return this.#pending.size > 0;
  }

  /** Resolves when file events are listened to, or no longer will be. */
  start(): Promise<void> {
    const { clock, log } = this.#options;
    this.#rescan = clock.interval(() => this.#lookAtAll(), RESCAN_MS);
    if (this.#missing.length > 0) this.#search = clock.interval(() => this.#lookForMissing(), MISSING_MS);
    const events = watch(
      this.#dirs.filter((dir) => existsSync(dir)),
      {
        ignoreInitial: true,
        persistent: false,
        depth: DEPTH,
        followSymlinks: false,
        ignored: (path) => !this.#dirs.includes(resolve(path)) && isLeftover(basename(path)),
      },
    );
    this.#events = events;
    events.on('all', (_event, path) => this.#hint(path));
    events.on('error', (error) =>
      log.warn(
        `Watching the skills' folders failed (${messageOf(error)}); they are looked at every ${RESCAN_MS / 1000} s`,
      ),
    );
    // With nothing to watch chokidar is never ready.
    if (this.#missing.length === this.#dirs.length) return Promise.resolve();
    const { promise, resolve: ready } = Promise.withResolvers<void>();
    events.once('ready', ready);
    // Closed before that, chokidar is never ready.
    return Promise.race([promise, this.#closed.promise]);
  }

  async close(): Promise<void> {
    this.#rescan?.cancel();
    this.#search?.cancel();
    for (const timer of this.#pending.values()) timer.cancel();
    this.#pending.clear();
    this.#closed.resolve();
    await this.#events?.close();
  }

  #hint(path: string): void {
    const full = resolve(path);
    for (const dir of this.#dirs) {
      const [name] = relative(dir, full).split(sep);
      if (name === undefined || name === '' || name === '..' || isLeftover(name)) continue;
      this.#lookSoon(join(dir, name), QUIET_MS, undefined);
    }
  }

  #lookForMissing(): void {
    const found = this.#missing.filter((dir) => existsSync(dir));
    if (found.length === 0) return;
    this.#missing = this.#missing.filter((dir) => !found.includes(dir));
    if (this.#missing.length === 0) this.#search?.cancel();
    this.#events?.add(found);
    this.#lookAtAll();
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
