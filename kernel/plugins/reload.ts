/**
 * Replacing a plugin while it runs.
 *
 * Two instances coexist from the moment the new one's `activate` begins until the old one's scope has closed. In that time
 * only one of them is reachable: the new one's registrations are held back until, in one synchronous step, the old one's are
 * taken back and the new one's made. A plugin that cannot exist twice says `reload: 'restart'`: it is stopped first, and
 * its old definition is activated again when the new one fails.
 * Invariant: when a reload rejects, the version that ran before runs again or still.
 */
import { GlyphError, messageOf } from '../errors.ts';
import { createInstance } from './instance.ts';
import type { InstanceHost } from './instance.ts';
import { failure } from './runner.ts';
import type { PluginRunner } from './runner.ts';
import type { PluginDefinition } from './types.ts';
import { missingFor } from './unit.ts';
import type { Unit } from './unit.ts';

/** A definition that has been checked, with its options. */
export interface Candidate {
  readonly definition: PluginDefinition;
  readonly givenConfig: unknown;
  readonly config: unknown;
}

export interface ReloadTools {
  readonly runner: PluginRunner;
  readonly instances: InstanceHost;
  /** @throws GC_BAD_PLUGIN when another plugin holds a service the candidate provides. */
  readonly assertFree: () => void;
}

/**
 * Replaces the definition of a unit and gets it running.
 *
 * @throws GC_NO_SERVICE, GC_BAD_PLUGIN, GC_PLUGIN_FAILED, GC_PLUGIN_TIMEOUT; a version that ran before is running then.
 */
export async function reloadUnit(unit: Unit, candidate: Candidate, tools: ReloadTools): Promise<void> {
  tools.assertFree();
  if (unit.lifecycle.state !== 'active') return startInstead(unit, candidate, tools);
  const missing = missingFor(candidate.definition, tools.runner.world);
  if (missing.length > 0) {
    const why = missing.map(({ sentence }) => sentence).join(' ');
    throw new GlyphError('GC_NO_SERVICE', `${kept(unit, candidate)}: ${why}`, { plugin: unit.name, phase: 'reload' });
  }
  const exclusive = [unit.definition, candidate.definition].some(({ reload }) => reload === 'restart');
  return exclusive ? restart(unit, candidate, tools) : swap(unit, candidate, tools);
}

/** Nothing answers now, so there is nothing to keep: the new definition takes the place of the old. */
async function startInstead(unit: Unit, candidate: Candidate, { runner }: ReloadTools): Promise<void> {
  await runner.stop(unit, 'it is being reloaded');
  Object.assign(unit, candidate, { failures: 0, error: undefined });
  const { state } = unit.lifecycle;
  if (state === 'failed' || state === 'quarantined' || state === 'incompatible') runner.revive(unit, 'it was reloaded');
  await start(unit, runner);
  if (unit.error !== undefined) throw unit.error;
}

async function swap(unit: Unit, candidate: Candidate, { runner, instances, assertFree }: ReloadTools): Promise<void> {
  const { name, definition: before } = unit;
  const next = createInstance(instances, candidate.definition, candidate.config, ++unit.generation, true);
  const begun = instances.clock.now();
  try {
    await next.activate();
    unit.leaving = true;
    await runner.stopDependents(unit);
    // Plugins may have been loaded while this one was activating.
    assertFree();
  } catch (cause) {
    await runner.retire(unit, next, false);
    unit.leaving = false;
    runner.refresh();
    throw keepingOld(unit, candidate, cause);
  }
  const old = unit.instance;
  old?.mute();
  Object.assign(unit, candidate, { instance: next, leaving: false, activatedInMs: instances.clock.now() - begun });
  next.goLive();
  runner.recover(unit);
  unit.lifecycle.replaced(`it was reloaded, ${before.version} → ${candidate.definition.version}`);
  instances.hooks.pluginActivated.call(name);
  runner.announce(next);
  if (old !== undefined) await runner.retire(unit, old, true);
  await runner.settled(unit);
}

async function restart(unit: Unit, candidate: Candidate, { runner }: ReloadTools): Promise<void> {
  const before: Candidate = { definition: unit.definition, givenConfig: unit.givenConfig, config: unit.config };
  unit.leaving = true;
  await runner.stopDependents(unit);
  await runner.stop(unit, 'it is being reloaded');
  Object.assign(unit, candidate, { leaving: false });
  await start(unit, runner);
  const { error } = unit;
  if (error === undefined) return;
  Object.assign(unit, before, { failures: 0, error: undefined });
  runner.revive(unit, `version ${before.definition.version} is started again`);
  await start(unit, runner);
  throw keepingOld(unit, candidate, error);
}

async function start(unit: Unit, runner: PluginRunner): Promise<void> {
  runner.refresh();
  await runner.settled(unit);
}

function kept(unit: Unit, { definition }: Candidate): string {
  return `plugin '${unit.name}' was not reloaded as ${definition.version}, and ${unit.definition.version} goes on running`;
}

function keepingOld(unit: Unit, candidate: Candidate, thrown: unknown): GlyphError {
  const ours =
    thrown instanceof GlyphError && ['GC_PLUGIN_TIMEOUT', 'GC_PLUGIN_FAILED', 'GC_BAD_PLUGIN'].includes(thrown.code);
  const cause = ours ? thrown : failure(unit.name, 'activate', thrown);
  const phase = cause.phase ?? 'reload';
  return new GlyphError(cause.code, `${kept(unit, candidate)}: ${messageOf(cause)}`, {
    plugin: unit.name,
    phase,
    cause,
  });
}
