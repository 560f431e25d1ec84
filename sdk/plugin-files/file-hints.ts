/**
 * Listens to the file system for anything that may concern a plugin.
 *
 * Invariant: an event is only a hint that it is time to look; which file it names, and whether it comes at all, decides nothing.
 */
import { basename, dirname, relative, resolve, sep } from 'node:path';
import { watch } from 'chokidar';
import type { FSWatcher } from 'chokidar';
import { messageOf } from '../../kernel/errors.ts';
import type { Logger } from '../../kernel/logger.ts';
import { isLeftover } from '../../plugins/skills/folder.ts';
import { isInside } from './source.ts';

/** How deep below a folder is looked. */
const DEPTH = 9;

export interface FileHintsOptions {
  readonly log: Logger;
  /** Something has happened to this path. */
  hint(path: string): void;
}

export class FileHints {
  readonly #options: FileHintsOptions;
  readonly #folders = new Set<string>();
  readonly #files = new Set<string>();
  #events: FSWatcher | undefined;

  constructor(options: FileHintsOptions) {
    this.#options = options;
  }

  /** Listens to these, too: folders with all that is below them, and single files. Resolves when it does. */
  async follow(folders: Iterable<string>, files: Iterable<string>): Promise<void> {
    const newFolders = [...folders].filter((folder) => !this.#folders.has(folder));
    newFolders.forEach((folder) => this.#folders.add(folder));
    const newFiles = [...files].filter((file) => !this.#files.has(file) && !this.#inFolder(file));
    newFiles.forEach((file) => this.#files.add(file));
    // The folder of a file tells of one that is replaced or comes back.
    const paths = [...newFolders, ...newFiles.map((file) => dirname(file)), ...newFiles];
    if (paths.length === 0) return;
    if (this.#events !== undefined) {
      this.#events.add(paths);
      return;
    }
    const events = watch(paths, {
      ignoreInitial: true,
      persistent: false,
      depth: DEPTH,
      followSymlinks: false,
      ignored: (path) => !this.#concerns(resolve(path)),
    });
    this.#events = events;
    events.on('all', (_event, path) => this.#options.hint(resolve(path)));
    events.on('error', (error) =>
      this.#options.log.warn(
        `Watching the plugins' files failed (${messageOf(error)}); they are looked at now and then`,
      ),
    );
    await new Promise<void>((ready) => events.once('ready', () => ready()));
  }

  async close(): Promise<void> {
    await this.#events?.close();
  }

  #inFolder(path: string): boolean {
    return [...this.#folders].some((folder) => isInside(folder, path));
  }

  #concerns(path: string): boolean {
    if (this.#files.has(path)) return true;
    for (const folder of this.#folders) {
      if (isInside(folder, path)) return !relative(folder, path).split(sep).some(isLeftover);
    }
    return [...this.#files].some((file) => dirname(file) === path) && !isLeftover(basename(path));
  }
}
