/**
 * Hints that something has happened below folders, which need not be there yet, and may go and come again.
 *
 * A folder's own watch tells of whatever comes, goes or is written in it, so each folder below has one, and no file.
 * Invariants:
 * - An event is only a hint that it is time to look; which path it names, and how often it comes, decides nothing.
 * - What happens in a folder after it is followed is hinted at. Listening comes before looking for the folders in it, so
 *   nothing slips in between; of what was there before, whoever follows it is told to look at by `began`.
 */
import { readdirSync, lstatSync, statSync, watch } from 'node:fs';
import type { FSWatcher } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Clock, Timer } from '../kernel/clock.ts';

/** How often a folder that is not there is looked for, in ms. */
const MISSING_MS = 500;
/** How deep below a folder is looked. */
const DEPTH = 9;

export interface PathHintsOptions {
  readonly clock: Clock;
  /** Whether what lies at an absolute path below a folder concerns nobody. */
  readonly ignored: (path: string) => boolean;
  /** Something has happened to this absolute path, or below it. */
  readonly hint: (path: string) => void;
  /** A folder that was not there before is listened to from now on: what is in it was not hinted at. */
  readonly began: (folder: string) => void;
  /** The system refuses to watch. Whoever follows has to look from time to time. */
  readonly failed: (error: unknown) => void;
}

/** A folder that is listened to; another one may have its name by now. */
interface Watched {
  readonly identity: string;
  readonly events: FSWatcher;
}

export class PathHints {
  readonly #options: PathHintsOptions;
  /** What is followed, with what tells that the folder itself is made, moved or deleted. */
  readonly #followed = new Map<string, FSWatcher | undefined>();
  readonly #watched = new Map<string, Watched>();
  #search: Timer | undefined;
  #hasFailed = false;
  #closed = false;

  constructor(options: PathHintsOptions) {
    this.#options = options;
  }

  /** Follows these folders, too, given by absolute path. Says whether any of them is new, and was not listened to so far. */
  follow(folders: Iterable<string>): boolean {
    const added = [...new Set(folders)].filter((folder) => !this.#followed.has(folder) && !this.#closed);
    for (const folder of added) {
      this.#followed.set(folder, undefined);
      this.#find(folder);
    }
    return added.length > 0;
  }

  /** Idempotent. */
  close(): void {
    this.#closed = true;
    this.#search?.cancel();
    for (const { events } of this.#watched.values()) events.close();
    for (const names of this.#followed.values()) names?.close();
    this.#watched.clear();
    this.#followed.clear();
  }

  /** Listens to the folder that has the name now; to none if there is none, but looks for it. */
  #find(folder: string): boolean {
    const identity = identityOf(folder, statSync);
    if (identity !== undefined && this.#watched.get(folder)?.identity === identity) return false;
    this.#leave(folder);
    this.#enter(folder, identity, 0);
    this.#followed.get(folder)?.close();
    const names = this.#listen(dirname(folder), (_event, name) => {
      if (name === null || name === basename(folder)) this.#findAgain(folder);
    });
    this.#followed.set(folder, names);
    if (identity === undefined) this.#search ??= this.#options.clock.interval(() => this.#lookForMissing(), MISSING_MS);
    return true;
  }

  #findAgain(folder: string): void {
    if (this.#closed || !this.#find(folder)) return;
    this.#options.hint(folder);
    if (this.#watched.has(folder)) this.#options.began(folder);
  }

  #lookForMissing(): void {
    const isMissing = (folder: string): boolean => !this.#watched.has(folder);
    const missing = [...this.#followed.keys()].filter(isMissing);
    for (const folder of missing) if (identityOf(folder, statSync) !== undefined) this.#findAgain(folder);
    if (missing.some(isMissing)) return;
    this.#search?.cancel();
    this.#search = undefined;
  }

  #enter(folder: string, identity: string | undefined, depth: number): void {
    if (identity === undefined) return;
    const events = this.#listen(folder, (event, name) => this.#happened(folder, depth, event, name));
    if (events === undefined) return;
    this.#watched.set(folder, { identity, events });
    if (depth === DEPTH) return;
    for (const path of foldersIn(folder)) {
      if (!this.#options.ignored(path)) this.#enter(path, identityOf(path, lstatSync), depth + 1);
    }
  }

  /** No longer listens to a folder, and those below it. */
  #leave(folder: string): void {
    for (const [path, { events }] of this.#watched) {
      if (path !== folder && !path.startsWith(join(folder, '/'))) continue;
      events.close();
      this.#watched.delete(path);
    }
  }

  #happened(folder: string, depth: number, event: string, name: string | null): void {
    if (this.#followed.has(folder) && event === 'rename') this.#findAgain(folder);
    if (this.#closed) return;
    const path = name === null ? folder : join(folder, name);
    if (path !== folder && this.#options.ignored(path)) return;
    if (event === 'rename' && depth < DEPTH && path !== folder) {
      const identity = identityOf(path, lstatSync);
      if (this.#watched.get(path)?.identity !== identity) {
        this.#leave(path);
        this.#enter(path, identity, depth + 1);
      }
    }
    this.#options.hint(path);
  }

  #listen(folder: string, happened: (event: string, name: string | null) => void): FSWatcher | undefined {
    try {
      const events = watch(folder, { persistent: false }, happened);
      // The folder has gone, and that is told.
      events.on('error', () => events.close());
      return events;
    } catch (error) {
      // One that has just gone needs no watching; of what the system refuses, once is enough to hear.
      if (!isGone(error) && !this.#hasFailed) this.#options.failed(error);
      this.#hasFailed ||= !isGone(error);
      return undefined;
    }
  }
}

/** Which folder has this name now; undefined when there is none, or none that may be looked at. */
function identityOf(path: string, stat: typeof lstatSync): string | undefined {
  try {
    const found = stat(path, { bigint: true, throwIfNoEntry: false });
    // The number of a folder that was deleted is soon given to another one.
    return found?.isDirectory() === true ? `${found.ino} ${found.birthtimeNs}` : undefined;
  } catch {
    return undefined;
  }
}

function foldersIn(folder: string): readonly string[] {
  try {
    const entries = readdirSync(folder, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(folder, name));
  } catch {
    // It has just gone, or may not be read; whoever looks at it finds out which.
    return [];
  }
}

const isGone = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
