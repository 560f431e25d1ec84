/**
 * Who may be loaded: everything of a definition that is checked before anything of it runs.
 *
 * Invariant: what passes has a right definition, right options, a name and services that nobody else has.
 */
import type { KernelBus } from '../bus.ts';
import type { Clock } from '../clock.ts';
import { GlyphError } from '../errors.ts';
import { checkConfig, checkDefinition } from './definition.ts';
import type { PluginEntry } from './host-types.ts';
import { Parking } from './parking.ts';
import { conflict, inRange } from './services.ts';
import { createLifecycle } from './state.ts';
import type { PluginDefinition } from './types.ts';
import type { Candidate, Unit } from './unit.ts';

type Units = ReadonlyMap<string, Unit>;

/** A unit for a definition that is loaded for the first time. @throws GC_BAD_PLUGIN */
export function admit(
  { definition, config: givenConfig, measured = {} }: PluginEntry,
  units: Units,
  { bus, clock }: { readonly bus: KernelBus; readonly clock: Clock },
): Unit {
  checkDefinition(definition);
  const { name } = definition;
  const present = units.get(name);
  if (present !== undefined) {
    const hint = present.leaving ? 'Await unload() before loading it again.' : 'Use reload() to replace it.';
    throw new GlyphError('GC_BAD_PLUGIN', `plugin '${name}' is loaded already`, { plugin: name, hint });
  }
  const config = checkConfig(definition, givenConfig);
  assertServicesFree(definition, units);
  return {
    name,
    lifecycle: createLifecycle(name, { bus, clock }),
    definition,
    givenConfig,
    config,
    measured,
    instance: undefined,
    probation: undefined,
    rolledBack: undefined,
    faults: [],
    handover: undefined,
    parking: new Parking(),
    generation: 0,
    leaving: false,
    restarting: false,
    activation: undefined,
    closing: undefined,
    unloading: undefined,
    failures: 0,
    error: undefined,
    blamed: new Set(),
    retryAt: undefined,
    retry: undefined,
    activatedInMs: undefined,
  };
}

/** What a unit is to be replaced by; what is not given stays as it is. @throws GC_BAD_PLUGIN */
export function candidateFor(unit: Unit, given: Partial<PluginEntry>, version: string): Candidate {
  const { name } = unit;
  const next: unknown = given.definition ?? unit.definition;
  const givenConfig = given.config ?? unit.givenConfig;
  const measured = given.measured ?? (next === unit.definition ? unit.measured : {});
  checkDefinition(next);
  if (next.name !== name) {
    throw new GlyphError('GC_BAD_PLUGIN', `plugin '${name}' cannot be reloaded as '${next.name}'`, {
      hint: 'A plugin keeps its name; to rename it, unload the old one and load the new one.',
    });
  }
  const candidate = { definition: next, givenConfig, config: checkConfig(next, givenConfig), measured };
  const refusal = refusalOf(next, version);
  if (refusal === undefined) return candidate;
  throw new GlyphError('GC_BAD_PLUGIN', `plugin '${name}': ${refusal}`, { plugin: name });
}

/** @throws GC_BAD_PLUGIN when another plugin holds a service that the definition provides; the message names both. */
export function assertServicesFree(definition: PluginDefinition, units: Units): void {
  for (const unit of units.values()) {
    if (unit.name === definition.name || unit.lifecycle.state === 'incompatible') continue;
    const taken = Object.keys(definition.provides ?? {}).find(
      (service) => unit.definition.provides?.[service] !== undefined,
    );
    if (taken === undefined) continue;
    throw new GlyphError('GC_BAD_PLUGIN', conflict(taken, definition.name, unit.name), {
      plugin: definition.name,
      hint: `Unload '${unit.name}' first, or give one of the two services another name.`,
    });
  }
}

/** Why a plugin can never run on this version of GlyphCase, if so. */
export function refusalOf({ glyphcase }: PluginDefinition, version: string): string | undefined {
  if (glyphcase === undefined || inRange(version, glyphcase)) return undefined;
  return `It needs GlyphCase ${glyphcase}, and this is ${version}.`;
}
