/**
 * Which paths may concern a plugin, and that something has happened to one of them.
 *
 * Invariant: as of {@link PathHints}, an event is only a hint that it is time to look.
 */
import { dirname, relative, sep } from 'node:path';
import type { Clock } from '../../kernel/clock.ts';
import { messageOf } from '../../kernel/errors.ts';
import type { Logger } from '../../kernel/logger.ts';
import { isLeftover } from '../../plugins/skills/folder.ts';
import { PathHints } from '../path-hints.ts';
import { isInside } from './source.ts';

export interface FileHintsOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** Something has happened to this path. */
  readonly hint: (path: string) => void;
  /** A folder has come: what happened to it before was not hinted at. */
  readonly began: () => void;
}

export class FileHints {
  readonly #folders = new Set<string>();
  readonly #files = new Set<string>();
  readonly #hints: PathHints;

  constructor({ clock, log, hint, began }: FileHintsOptions) {
    this.#hints = new PathHints({
      clock,
      hint,
      began,
      ignored: (path) => !this.#concerns(path),
      failed: (error) =>
        log.warn(`Watching the plugins' files failed (${messageOf(error)}); they are looked at now and then`),
    });
  }

  /**
   * Listens to these, too: folders with all that is below them, which need not be there yet, and single files. Says whether
   * any of it is new, and was not listened to so far.
   */
  follow(folders: readonly string[], files: readonly string[]): boolean {
    folders.forEach((folder) => this.#folders.add(folder));
    const single = files.filter((file) => !this.#inFolder(file));
    single.forEach((file) => this.#files.add(file));
    // The folder of a file tells of what happens to it, and of one that is put in its place.
    return this.#hints.follow([...folders, ...single.map((file) => dirname(file))]);
  }

  close(): void {
    this.#hints.close();
  }

  #inFolder(path: string): boolean {
    return [...this.#folders].some((folder) => isInside(folder, path));
  }

  #concerns(path: string): boolean {
    if (this.#files.has(path)) return true;
    for (const folder of this.#folders) {
      if (isInside(folder, path)) return !relative(folder, path).split(sep).some(isLeftover);
    }
    return false;
  }
}
