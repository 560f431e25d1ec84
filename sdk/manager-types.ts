/**
 * `db.plugins` and `db.skills` as a host sees them.
 *
 * Invariant: types only, and none of what stands behind them: the package's declarations reach no optional dependency.
 */
import type { Undeclared } from '../kernel/plugins/catalogue.ts';
import type { Disposer, PluginDefinition, PluginReport } from '../kernel/plugins/types.ts';
import type { SkillsService } from '../plugins/skills/types.ts';
import type { InstallOptions, InstallResult, RemoveOptions, RemovePlan } from './install/types.ts';
import type { PluginPath } from './plugin-files/options.ts';
import type { Services } from './services.ts';

/** A plugin's report; with the file or folder it was loaded from, as it was given. */
export interface FilePluginReport extends PluginReport {
  readonly file?: string;
}

/** A definition, whatever its options. */
export type AnyDefinition = PluginDefinition<never> | PluginDefinition;

export interface PluginsManager {
  /** State, reasons and timings of every plugin. */
  list(): readonly FilePluginReport[];
  /** The same of one; undefined when none of this name is loaded. */
  get(name: string): FilePluginReport | undefined;
  /** Why a plugin is in its state, in sentences. @throws GC_NO_SUCH_PLUGIN */
  why(name: string): readonly string[];
  /** Loads a plugin; what its `activate` throws is in the report. @throws GC_BAD_PLUGIN for a wrong definition or wrong options */
  load(definition: AnyDefinition, config?: unknown): PluginReport;
  /** Loads the plugin in a file or folder, and takes its edits over as they are saved. @throws GC_BAD_PLUGIN with file and line */
  load(path: string | PluginPath, config?: unknown): Promise<FilePluginReport>;
  /** Stops a plugin, after those that require it. Resolves to what failed on the way. @throws GC_NO_SUCH_PLUGIN */
  unload(name: string): Promise<readonly Error[]>;
  /**
   * The running version answers until the new one is active, and goes on if that fails. Without a definition a plugin that
   * came from a file is read from there again, anything else is started anew.
   */
  reload(name: string, definition?: AnyDefinition, config?: unknown): Promise<FilePluginReport>;
  /**
   * A plugin's service, for the host's own use; `range` is a semver range that its version must be in. Ask for it anew for each
   * use, or follow it with {@link onService}: a reload puts another object in its place. Services in `Services` of
   * `glyphcase/sdk` are typed by it; of any other say the type yourself.
   * @throws GC_NO_SERVICE saying why it is not there, GC_CLOSED
   * @example
   * ```ts
   * const kysely = db.plugins.use<KyselyService<Tables>>('kysely').db;
   * ```
   */
  use<Name extends keyof Services>(name: Name, range?: string): Services[Name];
  use<Service>(name: string, range?: string): Service;
  /**
   * Calls `fn` now if the service is there, and whenever it comes, from a reloaded plugin too; what `fn` returns is called when it
   * goes. What it throws later than at the call goes to the logger. Call what this returns to stop. @throws GC_BAD_ARGUMENT, GC_CLOSED
   */
  onService<Name extends keyof Services>(name: Name, fn: (service: Services[Name]) => void | Disposer): Disposer;
  onService<Service, Name extends string = string>(
    name: Name & Undeclared<Name>,
    fn: (service: Service) => void | Disposer,
  ): Disposer;
}

/** What a host does with its skills: the service `skills`, of which the rest has a member of `GlyphCase` of its own. */
export interface SkillsManager extends Omit<
  SkillsService,
  'call' | 'execute' | 'callFunction' | 'registerFunction' | 'extend' | 'ready' | 'settled'
> {
  /** Calls a global function of an active skill, in a transaction. @throws GC_NO_SUCH_SKILL, GC_NO_SUCH_FUNCTION, GC_LUA … */
  call<T = unknown>(id: string, fn: string, ...args: readonly unknown[]): Promise<T>;
  /**
   * Installs a skill from a folder, an archive, npm or git, and starts it; if it does not start, folder, lock and database
   * are as they were. `dir` is the first of the skills folders unless told.
   * @throws GC_BAD_ARGUMENT, GC_BAD_PACKAGE, GC_BAD_MANIFEST, GC_FETCH_FAILED, GC_NOT_TRUSTED, GC_DOWNGRADE, GC_INSTALL_REFUSED …
   */
  install(source: string, options?: InstallHere): Promise<InstallResult>;
  /** Removes a skill: its data unless `keepData`, its folder, its entry in the lock. @throws GC_NO_SUCH_SKILL, GC_INSTALL_REFUSED */
  remove(id: string, options?: RemoveHere): Promise<RemovePlan>;
}

export type InstallHere = Partial<Omit<InstallOptions, 'source' | 'filename'>>;
export type RemoveHere = Partial<Omit<RemoveOptions, 'id' | 'filename'>>;
