/** `db.plugins` and `db.skills`: what a host may do with them. */
import type BetterSqlite3 from 'better-sqlite3';
import { GlyphError } from '../kernel/errors.ts';
import type { PluginHost } from '../kernel/plugins/host.ts';
import type { Disposer } from '../kernel/plugins/types.ts';
import type { SkillsService } from '../plugins/skills/types.ts';
import type { GlyphCaseOptions } from './config.ts';
import type { HostServices } from './host-services.ts';
import type { InstallOptions } from './install/types.ts';
import type { AnyDefinition, FilePluginReport, PluginsManager, SkillsManager } from './manager-types.ts';
import { isPath, readPath } from './plugin-files/options.ts';
import type { PluginPath } from './plugin-files/options.ts';
import type { PluginFiles } from './plugin-files/plugin-files.ts';

/** Where a host installs to. */
export interface InstallPlace {
  readonly dir: string | undefined;
  readonly trustedKeys: readonly string[] | undefined;
  readonly connection: () => BetterSqlite3.Database;
}

export function pluginsOf(host: PluginHost, files: PluginFiles, services: HostServices): PluginsManager {
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
    use: <Service>(name: string, range?: string) => services.get<Service>(name, range),
    onService: (name: string, fn: (service: never) => void | Disposer) => host.onService(name, fn),
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
