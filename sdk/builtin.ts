/** The plugins that come with GlyphCase, with the options each gets from the host's. */
import type { PluginEntry } from '../kernel/plugin-host.ts';
import type { PluginDefinition } from '../kernel/plugin-types.ts';
import actions from '../plugins/actions/index.ts';
import batching from '../plugins/batching/index.ts';
import capsule from '../plugins/capsule/index.ts';
import lease from '../plugins/lease/index.ts';
import lua from '../plugins/lua/index.ts';
import skills from '../plugins/skills/index.ts';
import type { CheckedConfig } from './config.ts';

const entry = (definition: PluginDefinition<never>, config: unknown = {}): PluginEntry => ({
  definition: definition as PluginDefinition,
  config,
});

/** In the order in which they are loaded. With `capsule.enabled: false` only the action bus is left. */
export function builtinPlugins(config: CheckedConfig): readonly PluginEntry[] {
  const always = [entry(actions)];
  const { enabled, batchInterval, batchSize, ...retention } = config.capsule;
  if (!enabled) return always;
  const { skills: folder } = config;
  const dirs = folder === undefined || folder === false ? [] : [folder.dir].flat();
  const watch = folder === undefined || folder === false ? false : (folder.watch ?? true);
  const grants = folder === undefined || folder === false ? undefined : folder.grants;
  return [
    ...always,
    entry(capsule, { batchSize, ...retention }),
    entry(batching, { batchInterval, batchSize }),
    entry(lease),
    entry(lua, config.lua ?? {}),
    entry(skills, { dirs, watch, ...(grants === undefined ? {} : { grants }) }),
  ];
}
