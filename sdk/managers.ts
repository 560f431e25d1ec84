/** `db.plugins` and `db.skills`: what a host may do with them. */
import type BetterSqlite3 from 'better-sqlite3';
import { GlyphError } from '../kernel/errors.ts';
import type { PluginHost } from '../kernel/plugins/host.ts';
import type { PluginDefinition, PluginReport } from '../kernel/plugins/types.ts';
import type { SkillsService } from '../plugins/skills/types.ts';
import type { GlyphCaseOptions } from './config.ts';
import { isPath, readPath } from './plugin-files/options.ts';
import type { PluginPath } from './plugin-files/options.ts';
import type { PluginFiles } from './plugin-files/plugin-files.ts';
import type { FilePluginReport } from './plugin-files/report.ts';
import type { InstallOptions, InstallResult, RemoveOptions, RemovePlan } from './install/types.ts';

type AnyDefinition = PluginDefinition<never> | PluginDefinition;

export interface PluginsManager {
  list(): readonly FilePluginReport[];
  get(name: string): FilePluginReport | undefined;
  /** Why a plugin is in its state, in sentences. @throws GC_NO_SUCH_PLUGIN */
  why(name: string): readonly string[];
  /** @throws GC_BAD_PLUGIN */
  load(definition: AnyDefinition, config?: unknown): PluginReport;
  /** Loads the plugin in a file or folder, and takes its edits over as they are saved. @throws GC_BAD_PLUGIN with file and line */
  load(path: string | PluginPath, config?: unknown): Promise<FilePluginReport>;
  unload(name: string): Promise<readonly Error[]>;
  /**
   * The running version answers until the new one is active, and goes on if that fails. Without a definition a plugin that
   * came from a file is read from there again, anything else is started anew.
   */
  reload(name: string, definition?: AnyDefinition, config?: unknown): Promise<FilePluginReport>;
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

type InstallHere = Partial<Omit<InstallOptions, 'source' | 'filename'>>;
type RemoveHere = Partial<Omit<RemoveOptions, 'id' | 'filename'>>;

/** Where a host installs to. */
export interface InstallPlace {
  readonly dir: string | undefined;
  readonly trustedKeys: readonly string[] | undefined;
  readonly connection: () => BetterSqlite3.Database;
}

export function pluginsOf(host: PluginHost, files: PluginFiles): PluginsManager {
  const list = (): readonly FilePluginReport[] => files.reports(host.list());
  const get = (name: string): FilePluginReport | undefined => list().find(({ id }) => id === name);
  return {
    list,
    get,
    why: (name) => files.why(name) ?? host.why(name),
    load: ((given: AnyDefinition | string | PluginPath, config?: unknown) =>
      isPath(given) ? loadPath(files, given, config) : host.load(given, config)) as PluginsManager['load'],
    unload: (name) => host.unload(name),
    async reload(name, definition, config) {
      const file = definition === undefined ? files.fileOf(name) : undefined;
      if (file === undefined) await host.reload(name, definition, config);
      else await files.reload(file, config);
      return get(name) as FilePluginReport;
    },
  };
}

async function loadPath(files: PluginFiles, given: string | PluginPath, config: unknown): Promise<FilePluginReport> {
  const source = readPath(given, 'plugins.load()');
  return await files.load(config === undefined ? source : { ...source, config });
}

export function skillsOf(service: () => SkillsService, place: InstallPlace): SkillsManager {
  return {
    list: () => service().list(),
    get: (id) => service().get(id),
    why: (id) => service().why(id),
    load: (folder, options) => service().load(folder, options),
    unload: (id) => service().unload(id),
    reload: (id, options) => service().reload(id, options),
    uninstall: (id, options) => service().uninstall(id, options),
    enable: (id) => service().enable(id),
    disable: (id) => service().disable(id),
    logs: (id) => service().logs(id),
    call: <T>(id: string, fn: string, ...args: readonly unknown[]) => service().call(id, fn, ...args) as Promise<T>,
    install: async (source, options = {}) => {
      const skills = service();
      const { installInHost } = await import('./install/in-host.ts');
      return await installInHost(skills, { ...here(place, options), ...trusted(place), ...options, source });
    },
    remove: async (id, options = {}) => {
      const skills = service();
      const { removeInHost } = await import('./install/in-host.ts');
      return await removeInHost(skills, place.connection, { ...here(place, options), ...options, id });
    },
  };
}

/** The first skills folder of a host, and whom it trusts. */
export function installPlaceOf({ skills }: Pick<GlyphCaseOptions, 'skills'>): Omit<InstallPlace, 'connection'> {
  const { dir, trustedKeys } = skills === undefined || skills === false ? {} : skills;
  return { dir: dir === undefined ? undefined : [dir].flat()[0], trustedKeys };
}

function here(place: InstallPlace, options: { readonly dir?: string }): { readonly dir: string } {
  const dir = options.dir ?? place.dir;
  if (dir !== undefined) return { dir };
  throw new GlyphError('GC_BAD_ARGUMENT', 'This host has no skills folder to install into', {
    hint: "Name one: new GlyphCase(file, { skills: { dir: 'skills' } }), or { dir: 'skills' } in the call.",
  });
}

const trusted = ({ trustedKeys }: InstallPlace): Pick<InstallOptions, 'trustedKeys'> =>
  trustedKeys === undefined ? {} : { trustedKeys };
