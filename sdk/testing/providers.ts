/**
 * Who provides the services that a tested plugin asks for: stand-ins that the test brings, then the built-in plugins.
 *
 * Invariant: a stand-in has the lowest version of the range it is asked for in, so that it always fits.
 */
import semver from 'semver';
import type { PluginDefinition } from '../../kernel/plugins/types.ts';
import { didYouMean } from '../../kernel/schema/validate.ts';
import actions from '../../plugins/actions/index.ts';
import batching from '../../plugins/batching/index.ts';
import cache from '../../plugins/cache/index.ts';
import capsule from '../../plugins/capsule/index.ts';
import crypto from '../../plugins/crypto/index.ts';
import http from '../../plugins/http/index.ts';
import lease from '../../plugins/lease/index.ts';
import live from '../../plugins/live/index.ts';
import lua from '../../plugins/lua/index.ts';
import scheduler from '../../plugins/scheduler/index.ts';
import skills from '../../plugins/skills/index.ts';

/** Name of a plugin that comes with GlyphCase. */
export type BuiltinName =
  'actions' | 'batching' | 'cache' | 'capsule' | 'crypto' | 'http' | 'lease' | 'live' | 'lua' | 'scheduler' | 'skills';

/** The built-in plugins by name. */
export const BUILTINS: Readonly<Record<BuiltinName, PluginDefinition>> = {
  actions,
  batching: batching,
  cache,
  capsule: capsule,
  crypto,
  http,
  lease,
  live,
  lua: lua,
  scheduler: scheduler,
  skills: skills,
};

/** Objects to stand in for services, by the services' names. */
export type StandIns = Readonly<Record<string, unknown>>;

/** The built-in plugin, or a plugin around the stand-in, that provides a service; undefined when there is neither. */
export function providerOf(service: string, range: string, standIns: StandIns): PluginDefinition | undefined {
  if (Object.hasOwn(standIns, service)) return standIn(service, range, standIns[service]);
  return Object.values(BUILTINS).find(({ provides = {} }) => Object.hasOwn(provides, service));
}

/** The service of a built-in plugin that was probably meant by a name that none of them has. */
export function likelyService(service: string): string | undefined {
  const names = Object.values(BUILTINS).flatMap(({ provides = {} }) => Object.keys(provides));
  return names.includes(service) ? undefined : didYouMean(service, names);
}

/** Who has to be loaded before a plugin so that it finds what it requires, and the stand-ins it can use besides. */
export function providersFor(
  definition: PluginDefinition,
  standIns: StandIns,
  isThere: (service: string) => boolean,
): readonly PluginDefinition[] {
  const found = new Map<string, PluginDefinition>();
  const visit = ({ requires = {}, optional = {} }: PluginDefinition): void => {
    const usable = Object.entries(optional).filter(([service]) => Object.hasOwn(standIns, service));
    for (const [service, range] of [...Object.entries(requires), ...usable]) {
      if (isThere(service) || found.has(service)) continue;
      const provider = providerOf(service, range, standIns);
      if (provider === undefined || provider.name === definition.name) continue;
      for (const offered of Object.keys(provider.provides ?? {})) found.set(offered, provider);
      visit(provider);
    }
  };
  visit(definition);
  return [...new Set(found.values())];
}

function standIn(service: string, range: string, object: unknown): PluginDefinition {
  const version = semver.minVersion(range)?.version ?? '1.0.0';
  return {
    name: `stand-in:${service.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')}`,
    version,
    provides: { [service]: version },
    activate: (ctx) => ctx.provide(service, object),
  };
}
