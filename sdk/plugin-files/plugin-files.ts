/**
 * The plugins that a host takes from files: loads them, follows their edits, and says what is wrong with them.
 *
 * Invariants:
 * - A file event is only a hint. After a quiet moment everything is looked at again, and what differs is compiled; what
 *   compiles to the same text is not reloaded. A slow rescan finds what no event told of.
 * - A broken edit changes nothing: the version that ran goes on, and the file, the line and the remedy are logged once.
 * - After `close()` nothing is left: no watcher, no timer, no child process.
 */
import { resolve } from 'node:path';
import type { Clock, Timer } from '../../kernel/clock.ts';
import { GlyphError } from '../../kernel/errors.ts';
import type { Logger } from '../../kernel/logger.ts';
import { Operations } from '../../kernel/operations.ts';
import type { PluginHost } from '../../kernel/plugins/host.ts';
import type { PluginReport } from '../../kernel/plugins/types.ts';
import type { FilePluginReport } from '../manager-types.ts';
import { bringIn, reloadFrom } from './bring-in.ts';
import type { BroughtIn } from './bring-in.ts';
import { badFile } from './errors.ts';
import { holdEsbuild } from './esbuild.ts';
import { FileHints } from './file-hints.ts';
import type { Bundler, PreparedPlugin } from './load.ts';
import { Looks } from './looks.ts';
import { folderPath } from './options.ts';
import type { CheckedPlugins, FolderSource, PathSource } from './options.ts';
import { pluginPackages, pluginsIn } from './folders.ts';
import { reportOfFile, withFile } from './report.ts';
import { isInside } from './source.ts';
import { TrackedFile } from './tracked-file.ts';

/** How often everything is looked at without a hint, in ms. */
const RESCAN_MS = 30_000;
/** Where nothing is watched, esbuild's process waits so long for another reload, in ms: to start it takes longer than to build. */
const ESBUILD_IDLE_MS = 5_000;

export interface PluginFilesOptions {
  readonly host: PluginHost;
  readonly clock: Clock;
  readonly logger: Logger;
  /** @defaultValue `esbuild` when it is installed */
  readonly bundler?: Bundler;
}

export class PluginFiles {
  readonly #options: PluginFilesOptions;
  readonly #folders: FolderSource[];
  /** By absolute path, in the order in which they came. */
  readonly #files = new Map<string, TrackedFile>();
  readonly #hints: FileHints;
  #esbuild: ReturnType<typeof holdEsbuild>;
  readonly #operations = new Operations();
  readonly #looks: Looks;
  #idle: Timer | undefined;
  #rescan: Timer | undefined;
  #closed = false;

  constructor(options: PluginFilesOptions, { paths, folders }: Pick<CheckedPlugins, 'paths' | 'folders'>) {
    this.#options = options;
    this.#folders = [...folders];
    const { clock, logger } = options;
    this.#looks = new Looks({ clock, logger, operations: this.#operations, look: () => this.#scan() });
    this.#hints = new FileHints({
      clock,
      log: logger,
      hint: (path) => this.#hinted(path),
      began: () => this.#looks.now(),
    });
    for (const path of paths) this.#track(path);
  }

  /** Begins to load, and to watch; {@link ready} tells when all has been tried. Does nothing when there is nothing to load. */
  begin(): void {
    if (this.#folders.length === 0 && this.#files.size === 0) return;
    this.#looks.now();
    this.#watch();
  }

  /** Resolves when what has been asked for so far has been tried. */
  async ready(): Promise<void> {
    await this.#operations.add(() => Promise.resolve());
  }

  /** Loads one more. @throws GC_BAD_PLUGIN; what `activate` throws is in the report instead */
  load(source: PathSource): Promise<FilePluginReport> {
    return this.#operations.add(async () => {
      this.#assertOpen();
      const path = resolve(source.path);
      const present = this.#files.get(path);
      if (present?.name !== undefined && this.#options.host.get(present.name) !== undefined) {
        throw badFile(source.path, `it is loaded already, as plugin '${present.name}'`, {
          hint: 'Use reload() to load it anew.',
        });
      }
      const file = this.#track(source);
      await this.#take([file]);
      if (file.error !== undefined) {
        this.#forget(file);
        throw file.error;
      }
      this.#watch();
      return withFile(this.#options.host.get(file.name ?? '') as PluginReport, file);
    });
  }

  /** The file a plugin was loaded from; undefined when it was given as an object. */
  fileOf(name: string): TrackedFile | undefined {
    return [...this.#files.values()].find((file) => file.name === name);
  }

  /** Loads a plugin's file anew, changed or not. @throws GC_BAD_PLUGIN, GC_PLUGIN_FAILED …; the running version goes on then */
  reload(file: TrackedFile, config?: unknown): Promise<void> {
    return this.#operations.add(async () => {
      this.#assertOpen();
      this.#keepEsbuild();
      const prepared = await file.prepare(this.#bundler);
      if (prepared !== undefined) await reloadFrom(file, prepared, this.#options.host, config);
      if (file.error !== undefined) throw file.error;
    });
  }

  /** The host's reports with the plugins' files, then those of files from which nothing has been loaded. */
  reports(loaded: readonly PluginReport[]): readonly FilePluginReport[] {
    return [...loaded.map((report) => withFile(report, this.fileOf(report.id))), ...this.#broken().map(reportOfFile)];
  }

  /** Why the plugin of this name, or path, is not what its file says; undefined when only the host knows. */
  why(name: string): readonly string[] | undefined {
    const { error, loaded } = this.fileOf(name) ?? this.#broken().find(({ options }) => options.label === name) ?? {};
    if (error === undefined) return undefined;
    const running = loaded === undefined ? [] : this.#options.host.why(name);
    return [...running, error.message, error.hint];
  }

  #broken(): readonly TrackedFile[] {
    return [...this.#files.values()].filter(({ name, error }) => name === undefined && error !== undefined);
  }

  /** Stops watching and loading. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#looks.close();
    this.#rescan?.cancel();
    for (const file of this.#files.values()) file.close();
    this.#releaseEsbuild();
    this.#hints.close();
  }

  get #bundler(): { readonly bundler?: Bundler } {
    const { bundler } = this.#options;
    return bundler === undefined ? {} : { bundler };
  }

  /** While something is watched, or was reloaded just now, esbuild is there at once. */
  #keepEsbuild(): void {
    this.#idle?.cancel();
    this.#idle = undefined;
    if (this.#options.bundler === 'node') return;
    this.#esbuild ??= holdEsbuild();
    if (this.#rescan !== undefined) return;
    this.#idle = this.#options.clock.timeout(() => this.#releaseEsbuild(), ESBUILD_IDLE_MS);
  }

  #releaseEsbuild(): void {
    this.#idle?.cancel();
    this.#esbuild?.release();
    this.#esbuild = undefined;
  }

  #forget(file: TrackedFile): void {
    file.close();
    this.#files.delete(file.options.path);
  }

  #track(source: PathSource): TrackedFile {
    const { path, config, watch, debounce } = source;
    const file = new TrackedFile({
      path: resolve(path),
      label: path,
      configOf: () => config,
      watch,
      debounce,
      inFolder: false,
    });
    this.#files.set(file.options.path, file);
    return file;
  }

  /** Looks at everything: what has gone is unloaded, what has changed reloaded, what is new loaded. */
  async #scan(): Promise<void> {
    if (this.#closed) return;
    this.#discover();
    const followed = [...this.#files.values()].filter(({ tried, options }) => options.watch || !tried);
    const changed = followed.filter((file) => file.changed());
    for (const file of changed.filter(({ gone }) => gone)) await this.#remove(file);
    await this.#take(changed.filter(({ gone }) => !gone));
  }

  #discover(): void {
    for (const folder of this.#folders) {
      const { dir, configs, watch, debounce } = folder;
      for (const label of folder.packages ? pluginPackages(dir) : pluginsIn(dir)) {
        const path = resolve(label);
        if (this.#files.has(path)) continue;
        const configOf = (name: string): unknown => configs[name];
        this.#files.set(path, new TrackedFile({ path, label, configOf, watch, debounce, inFolder: true }));
      }
    }
  }

  /** Compiles files side by side, and loads or reloads them one after the other. */
  async #take(files: readonly TrackedFile[]): Promise<void> {
    const { host } = this.#options;
    const prepared = await Promise.all(
      files.map(async (file): Promise<[TrackedFile, GlyphError | undefined, PreparedPlugin | undefined]> => {
        const { error } = file;
        return [file, error, await file.prepare(this.#bundler)];
      }),
    );
    for (const [file, before, plugin] of prepared) {
      if (this.#closed) return;
      const done = plugin && (await bringIn(file, plugin, host, this.#nameTaken(file)));
      if (this.#isClosed()) return;
      this.#say(file, before, done);
    }
    this.#followAll();
  }

  #say(file: TrackedFile, before: GlyphError | undefined, done: BroughtIn | undefined): void {
    const { logger } = this.#options;
    const { error, loaded, options } = file;
    const plugin = loaded?.definition.name;
    const fields = plugin === undefined ? {} : { plugin, phase: 'load' };
    if (error !== undefined) {
      if (error.message !== before?.message) logger.error(error.message, { ...fields, error });
    } else if (done !== undefined && loaded !== undefined) {
      if (done !== 'kept')
        logger.info(`${options.label}: plugin '${plugin}' was ${done}, version ${loaded.definition.version}`, fields);
      else if (before !== undefined) logger.info(`${options.label}: the file is as it was again`, fields);
    }
  }

  /** Says which other file has a name already. */
  #nameTaken(file: TrackedFile): (name: string) => string | undefined {
    return (name) => {
      const other = [...this.#files.values()].find((each) => each !== file && each.name === name);
      return other?.options.label;
    };
  }

  async #remove(file: TrackedFile): Promise<void> {
    const { host, logger } = this.#options;
    const { label, inFolder } = file.options;
    const { name } = file;
    file.loaded = undefined;
    if (inFolder) this.#forget(file);
    else
      file.fail(badFile(label, 'the file is gone', { hint: 'Put it back, and it is loaded again.' }), { retry: true });
    if (name === undefined || host.get(name) === undefined) return;
    logger.info(`${label} is gone; plugin '${name}' is unloaded`, { plugin: name, phase: 'load' });
    await host.unload(name);
  }

  /** Something happened to a path: look at everything when it has been quiet for a moment. */
  #hinted(path: string): void {
    const wait = this.#debounceOf(path);
    if (wait !== undefined && !this.#closed) this.#looks.whenQuiet(wait);
  }

  #debounceOf(path: string): number | undefined {
    const file = [...this.#files.values()].find((each) => each.options.watch && each.covers(path));
    const folder = this.#folders.find((each) => each.watch && isInside(folderPath(each), path));
    return file?.options.debounce ?? folder?.debounce;
  }

  #watch(): void {
    const { clock } = this.#options;
    const folders = this.#folders.filter(({ watch }) => watch);
    if (folders.length === 0 && ![...this.#files.values()].some(({ options }) => options.watch)) return;
    this.#rescan ??= clock.interval(() => this.#looks.now(), RESCAN_MS);
    this.#keepEsbuild();
    this.#followAll();
  }

  /** Listens to all there is; what is new of it may have changed before it was listened to. */
  #followAll(): void {
    if (this.#closed) return;
    const folders = this.#folders.filter(({ watch }) => watch).map(folderPath);
    const files = [...this.#files.values()].filter(({ options }) => options.watch);
    const own = files.filter(({ isFolder }) => isFolder).map(({ options }) => options.path);
    const isNew = this.#hints.follow(
      [...folders, ...own],
      files.filter(({ isFolder }) => !isFolder).flatMap(({ inputs }) => inputs),
    );
    if (isNew) this.#looks.now();
  }

  #assertOpen(): void {
    if (this.#closed) throw new GlyphError('GC_CLOSED', 'The host is closed');
  }

  #isClosed(): boolean {
    return this.#closed;
  }
}
