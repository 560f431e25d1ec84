/** The plugins that come with GlyphCase, with the options each gets from the host's; then those the host brings. */
import { GlyphError } from '../kernel/errors.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { PluginEntry, PluginHost } from '../kernel/plugins/host.ts';
import type { PluginDefinition } from '../kernel/plugins/types.ts';
import actions from '../plugins/actions/index.ts';
import batching from '../plugins/batching/index.ts';
import cache from '../plugins/cache/index.ts';
import capsule from '../plugins/capsule/index.ts';
import crypto from '../plugins/crypto/index.ts';
import http from '../plugins/http/index.ts';
import lease from '../plugins/lease/index.ts';
import live from '../plugins/live/index.ts';
import lua from '../plugins/lua/index.ts';
import scheduler from '../plugins/scheduler/index.ts';
import skills from '../plugins/skills/index.ts';
import type { SkillsConfig } from '../plugins/skills/runtime.ts';
import { readConfig } from './config.ts';
import type { CheckedConfig } from './config.ts';
import { PluginFiles } from './plugin-files/plugin-files.ts';

const entry = (definition: PluginDefinition<never>, config: unknown = {}): PluginEntry => ({
  definition: definition,
  config,
});

/** Definitions of all built-in plugins. */
export const builtinDefinitions = (): readonly PluginDefinition[] =>
  builtinPlugins(readConfig(':memory:', undefined)).map(({ definition }) => definition);

/** In the order in which they are loaded. With `capsule.enabled: false` only the action bus is left. */
function builtinPlugins(config: CheckedConfig): readonly PluginEntry[] {
  const always = [entry(actions)];
  const { enabled, batchInterval, batchSize, ...retention } = config.capsule;
  if (!enabled) return always;
  return [
    ...always,
    entry(capsule, { batchSize, ...retention }),
    entry(batching, { batchInterval, batchSize }),
    entry(live),
    entry(lease),
    entry(lua, config.lua ?? {}),
    entry(skills, skillsConfig(config.skills)),
    entry(scheduler, config.scheduler ?? {}),
    entry(crypto),
    entry(cache),
    entry(http),
  ];
}

function skillsConfig(options: CheckedConfig['skills']): Partial<SkillsConfig> {
  if (options === undefined || options === false) return {};
  const { dir, watch = true, grants, confirm, configs } = options;
  return {
    dirs: [dir].flat(),
    watch,
    ...(grants === undefined ? {} : { grants }),
    ...(confirm === undefined ? {} : { confirm }),
    ...(configs === undefined ? {} : { configs }),
  };
}

/** Loads the built-in plugins, then those the host brings as objects. @throws what a built-in plugin failed with; GC_BAD_PLUGIN */
export function loadPlugins(host: PluginHost, config: CheckedConfig): void {
  const failed = host.loadAll(builtinPlugins(config)).find((report) => report.state === 'failed');
  // The built-in ones are the database's engine: without them there is nothing to go on with.
  if (failed?.error !== undefined) throw rootCause(failed.error);
  for (const { definition, config: given } of config.plugins.definitions) host.load(definition, given);
}

/** The plugins a host takes from files. They are loaded when it has booted, and forgotten by `close()`. */
export function createPluginFiles(kernel: Kernel, config: Pick<CheckedConfig, 'plugins'>): PluginFiles {
  const { plugins: host, clock, logger, hooks } = kernel;
  const files = new PluginFiles({ host, clock, logger }, config.plugins);
  hooks.boot.tap('plugin files', () => files.begin());
  return files;
}

/** A failed plugin's report wraps what it threw; who opens a database wants to read that. */
function rootCause(error: Error): Error {
  return error instanceof GlyphError && error.code === 'GC_PLUGIN_FAILED' && error.cause instanceof GlyphError
    ? error.cause
    : error;
}
