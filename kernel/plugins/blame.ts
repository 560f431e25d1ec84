/**
 * Whom a failed activation is due to, beside the plugin itself.
 *
 * Invariant: only services are named that the plugin declares, and that it asked for, followed, or met an error of.
 */
import { GlyphError } from '../errors.ts';
import { isTimeout } from '../time-limit.ts';
import type { PluginInstance } from './instance.ts';
import { lackOf } from './unit.ts';
import type { World } from './unit.ts';

/** The services a failure is due to: those asked for in vain, and those of plugins named by the errors behind it. */
export function blamedServices(instance: PluginInstance, thrown: unknown, world: World): ReadonlySet<string> {
  const blamed = new Set(instance.missed);
  if (isTimeout(thrown)) for (const { service } of awaited(instance, world)) blamed.add(service);
  const { requires = {}, optional = {} } = instance.definition;
  const used = Object.keys({ ...requires, ...optional });
  for (let error = thrown; error instanceof Error; error = error.cause) {
    if (!(error instanceof GlyphError) || error.plugin === undefined) continue;
    const provided = Object.keys(world.units.get(error.plugin)?.definition.provides ?? {});
    if (error.plugin !== instance.definition.name)
      used.filter((name) => provided.includes(name)).forEach((name) => blamed.add(name));
  }
  return blamed;
}

/** A time limit that ran out, with the services named that the plugin may have been waiting for. */
export function withSuspects(instance: PluginInstance, error: GlyphError, world: World): GlyphError {
  const suspects = isTimeout(error) ? awaited(instance, world) : [];
  if (suspects.length === 0) return error;
  const named = suspects.map(({ service, lack }) => `the service '${service}' was not there: ${lack}`);
  const { plugin = instance.definition.name, phase = 'activate' } = error;
  return new GlyphError(error.code, `${error.message}; ${named.join('; ')}`, { plugin, phase, cause: error });
}

/** What it asked for or follows and is not to be had. */
function awaited(instance: PluginInstance, world: World): { readonly service: string; readonly lack: string }[] {
  const { requires, optional } = instance.definition;
  const ranges = { ...requires, ...optional };
  return [...new Set([...instance.missed, ...instance.followed])].flatMap((service) => {
    const lack = lackOf(service, ranges[service] ?? '*', world);
    return lack === undefined ? [] : [{ service, lack }];
  });
}
