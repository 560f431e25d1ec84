/** `db.plugins` and `db.skills`: what a host may do with them. */
import type { PluginHost } from '../kernel/plugins/host.ts';
import type { PluginDefinition, PluginReport } from '../kernel/plugins/types.ts';
import type { SkillReport, SkillsService } from '../plugins/skills/types.ts';

export interface PluginsManager {
  list(): readonly PluginReport[];
  get(name: string): PluginReport | undefined;
  /** Why a plugin is in its state, in sentences. @throws GC_NO_SUCH_PLUGIN */
  why(name: string): readonly string[];
  /** @throws GC_BAD_PLUGIN */
  load(definition: PluginDefinition<never> | PluginDefinition, config?: unknown): PluginReport;
  unload(name: string): Promise<readonly Error[]>;
  /** The running version answers until the new one is active, and goes on if that fails. */
  reload(name: string, definition?: PluginDefinition<never> | PluginDefinition): Promise<PluginReport>;
}

export interface SkillsManager {
  list(): readonly SkillReport[];
  get(id: string): SkillReport | undefined;
  /** @throws GC_NO_SUCH_SKILL */
  why(id: string): readonly string[];
  /** Loads the skill in a folder. */
  load(folder: string): Promise<SkillReport>;
  /** Deactivates a skill; its data stays. */
  unload(id: string): Promise<void>;
  reload(id: string): Promise<SkillReport>;
  enable(id: string): Promise<SkillReport>;
  disable(id: string): Promise<SkillReport>;
  /** Calls a global function of a skill. @throws GC_NO_SUCH_SKILL, GC_NO_SUCH_FUNCTION, GC_LUA */
  call<T = unknown>(id: string, fn: string, ...args: readonly unknown[]): Promise<T>;
}

export function pluginsOf(host: PluginHost): PluginsManager {
  return {
    list: () => host.list(),
    get: (name) => host.get(name),
    why: (name) => host.why(name),
    load: (definition, config) => host.load(definition, config),
    unload: (name) => host.unload(name),
    reload: (name, definition) => host.reload(name, definition),
  };
}

export function skillsOf(service: () => SkillsService): SkillsManager {
  return {
    list: () => service().list(),
    get: (id) => service().get(id),
    why: (id) => service().why(id),
    load: (folder) => service().load(folder),
    unload: (id) => service().unload(id),
    reload: (id) => service().reload(id),
    enable: (id) => service().enable(id),
    disable: (id) => service().disable(id),
    call: <T>(id: string, fn: string, ...args: readonly unknown[]) => service().call(id, fn, ...args) as Promise<T>,
  };
}
