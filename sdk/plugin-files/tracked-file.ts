/**
 * One plugin's file or folder as a host follows it: what runs of it, what was wrong with it last, and whether it has changed.
 *
 * Invariant: `changed()` is true until what is on disk now has been prepared, and compares times and sizes, not events.
 */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { GlyphError } from '../../kernel/errors.ts';
import type { LoadTimings, PluginDefinition } from '../../kernel/plugins/types.ts';
import { KeptBundle } from './bundle.ts';
import { inFile } from './errors.ts';
import { preparePluginFile } from './load.ts';
import type { LoadFileOptions, PreparedPlugin } from './load.ts';
import { findSource, isInside, labelOf } from './source.ts';
import type { PluginSource } from './source.ts';
import { placeIn } from './stack.ts';

/** What of a file the plugin host was last given. */
export interface LoadedVersion {
  readonly definition: PluginDefinition;
  readonly hash: string;
  readonly measured: LoadTimings;
}

export interface TrackedOptions {
  readonly path: string;
  readonly label: string;
  /** Options of the plugin of this name. */
  readonly configOf: (name: string) => unknown;
  readonly watch: boolean;
  readonly debounce: number;
  /** Whether the file belongs to a folder of plugins, and so is forgotten when it is gone. */
  readonly inFolder: boolean;
}

export class TrackedFile {
  readonly options: TrackedOptions;
  loaded: LoadedVersion | undefined;
  /** Why what is on disk does not run. */
  error: GlyphError | undefined;
  inputs: readonly string[];
  /** Set when only a look at the file tells whether its fault is mended: an import that was missing may be there now. */
  #retry = false;
  readonly #kept: KeptBundle | undefined;
  #seen: string | undefined;

  constructor(options: TrackedOptions) {
    this.options = options;
    this.inputs = [options.path];
    this.#kept = options.watch ? new KeptBundle() : undefined;
  }

  get name(): string | undefined {
    return this.loaded?.definition.name;
  }

  /** Whether it is a folder, of which everything concerns it. */
  get isFolder(): boolean {
    return statSync(this.options.path, { throwIfNoEntry: false })?.isDirectory() === true;
  }

  get gone(): boolean {
    return !existsSync(this.options.path);
  }

  /** Whether it has been looked at before. */
  get tried(): boolean {
    return this.#seen !== undefined;
  }

  changed(): boolean {
    return this.#retry || !this.tried || this.#seen !== this.#look();
  }

  /** Whether a path is one of the files it is made of, or lies in its folder. */
  covers(path: string): boolean {
    return this.inputs.includes(path) || isInside(this.options.path, path);
  }

  /** Compiles what is on disk. Undefined when that failed, and `error` says why. */
  async prepare(options: LoadFileOptions): Promise<PreparedPlugin | undefined> {
    const began = Date.now();
    try {
      const { path, label } = this.options;
      const prepared = await preparePluginFile(path, { ...options, label, kept: this.#kept });
      this.inputs = prepared.inputs;
      this.#retry = false;
      this.#seen = this.#look(began);
      return prepared;
    } catch (error) {
      this.fail(error, { retry: true });
      this.#seen = this.#look(began);
      return undefined;
    }
  }

  /** Nothing is prepared any more. */
  close(): void {
    this.#kept?.dispose();
  }

  /** Remembers what is wrong. */
  fail(thrown: unknown, { retry = false } = {}): void {
    this.error = inFile(this.options.label, thrown, { at: this.#placeOf(thrown) });
    this.#retry = retry;
  }

  #placeOf(thrown: unknown): string | undefined {
    let source: PluginSource;
    try {
      source = findSource(this.options.path, this.options.label);
    } catch {
      return undefined;
    }
    const place = placeIn(source.root, thrown);
    return place && `${labelOf(source, place.file)}:${place.at}`;
  }

  /** Times and sizes of its files. What was written while it was being read may have been read half, and is never alike. */
  #look(readSince = Infinity): string {
    const { path } = this.options;
    const files = new Set([path, join(path, 'package.json'), ...this.inputs]);
    return [...files]
      .map((file) => {
        const stat = statSync(file, { throwIfNoEntry: false });
        if (stat === undefined) return '-';
        const { mtimeMs, ctimeMs, size, ino } = stat;
        // The folder itself changes with every file that comes; only a new index file matters, and is an input then.
        if (stat.isDirectory()) return `${ino}`;
        return mtimeMs > readSince - CLOCK_TICK_MS ? 'written meanwhile' : `${mtimeMs} ${ctimeMs} ${size} ${ino}`;
      })
      .join('\n');
  }
}

/** File times are taken from a clock that ticks this seldom on some systems, in ms. */
const CLOCK_TICK_MS = 20;
