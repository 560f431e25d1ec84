/**
 * Replacing a plugin while it runs.
 *
 * Two instances coexist from the moment the new one's `activate` begins until the old one's scope has closed. In that time
 * only one of them is reachable: the new one's registrations are held back until, in one synchronous step, the old one's are
 * taken back and the new one's made. A plugin that cannot exist twice says `reload: 'restart'`: it is stopped first, and
 * its old definition is activated again when the new one fails.
 * Invariants:
 * - When a reload fails, the version that ran before runs again or still.
 * - Where activating and stopping are synchronous, all of it is one synchronous step: snapshot, stop and start, of the
 *   plugin and of its dependents, with nothing in between.
 */
import { GlyphError, messageOf } from '../errors.ts';
import { createInstance } from './instance.ts';
import type { InstanceHost } from './instance.ts';
import { failure } from './failure.ts';
import type { PluginRunner } from './runner.ts';
import { waitFor } from './steps.ts';
import type { Steps } from './steps.ts';
import { candidateOf, missingFor } from './unit.ts';
import type { Candidate, Probation, Unit } from './unit.ts';

export interface ReloadTools {
  readonly runner: PluginRunner;
  readonly instances: InstanceHost;
  /** @throws GC_BAD_PLUGIN when another plugin holds a service the candidate provides. */
  readonly assertFree: () => void;
  /** The probation that begins when the candidate takes over. */
  readonly probation: () => Probation | undefined;
  /** Said of the change instead of "it was reloaded". */
  readonly reason?: string;
  /** False when the candidate is to start from nothing. */
  readonly withState?: boolean;
}

/**
 * Replaces the definition of a unit and gets it running.
 *
 * @throws GC_NO_SERVICE, GC_BAD_PLUGIN, GC_PLUGIN_FAILED, GC_PLUGIN_TIMEOUT; a version that ran before is running then.
 */
export function* reloadUnit(unit: Unit, candidate: Candidate, tools: ReloadTools): Steps<void> {
  tools.assertFree();
  if (unit.lifecycle.state !== 'active') return yield* startInstead(unit, candidate, tools);
  const missing = missingFor(candidate.definition, tools.runner.world);
  if (missing.length > 0) {
    const why = missing.map(({ sentence }) => sentence).join(' ');
    throw new GlyphError('GC_NO_SERVICE', `${kept(unit, candidate)}: ${why}`, { plugin: unit.name, phase: 'reload' });
  }
  const exclusive = [unit.definition, candidate.definition].some(({ reload }) => reload === 'restart');
  try {
    return yield* (exclusive ? restart : swap)(unit, candidate, tools);
  } finally {
    unit.restarting = false;
    tools.runner.unpark();
  }
}

/** What a reload forgets of the one before. */
const settledAnew = { probation: undefined, rolledBack: undefined };

/** Nothing answers now, so there is nothing to keep: the new definition takes the place of the old. */
function* startInstead(unit: Unit, candidate: Candidate, { runner, withState }: ReloadTools): Steps<void> {
  yield* runner.stop(unit, 'it is being reloaded');
  if (withState === false) unit.handover = undefined;
  Object.assign(unit, candidate, { failures: 0, error: undefined, ...settledAnew });
  const { state } = unit.lifecycle;
  if (state === 'failed' || state === 'quarantined' || state === 'incompatible') runner.revive(unit, 'it was reloaded');
  yield* start(unit, runner);
  if (unit.error !== undefined) throw unit.error;
}

function* swap(unit: Unit, candidate: Candidate, tools: ReloadTools): Steps<void> {
  const { runner, instances, assertFree } = tools;
  const { name, definition: before } = unit;
  const old = unit.instance;
  const state = tools.withState === false ? undefined : old?.snapshot();
  const { definition, config } = candidate;
  const { parking } = unit;
  const generation = ++unit.generation;
  const next = createInstance(instances, { definition, config, state, parking, generation, held: true });
  const begun = instances.clock.now();
  try {
    yield* waitFor(next.activate());
    unit.leaving = true;
    yield* runner.stopDependents(unit, 'replaced');
    // Plugins may have been loaded while this one was activating.
    assertFree();
  } catch (cause) {
    yield* runner.retire(unit, next, false);
    unit.leaving = false;
    runner.refresh();
    throw keepingOld(unit, candidate, cause);
  }
  old?.mute();
  const activatedInMs = instances.clock.now() - begun;
  Object.assign(unit, settledAnew, { probation: tools.probation() });
  Object.assign(unit, candidate, { instance: next, leaving: false, activatedInMs });
  next.goLive();
  runner.recover(unit);
  const step = before.version === definition.version ? '' : `, ${before.version} → ${definition.version}`;
  unit.lifecycle.replaced(tools.reason ?? `it was reloaded${step}`);
  instances.hooks.pluginActivated.call(name);
  runner.announce(next);
  if (old !== undefined) yield* runner.retire(unit, old, true);
  yield* runner.settled(unit);
}

function* restart(unit: Unit, candidate: Candidate, tools: ReloadTools): Steps<void> {
  const { runner, reason = 'it is being reloaded', withState = true } = tools;
  const before = candidateOf(unit);
  const { probation } = unit;
  Object.assign(unit, { leaving: true, restarting: true });
  yield* runner.stopDependents(unit, 'replaced');
  yield* runner.stop(unit, reason, withState);
  Object.assign(unit, settledAnew, { probation: tools.probation() });
  Object.assign(unit, candidate, { leaving: false });
  yield* start(unit, runner);
  const { error } = unit;
  if (error === undefined) return;
  Object.assign(unit, { ...before, probation, failures: 0, error: undefined });
  runner.revive(unit, `version ${before.definition.version} is started again`);
  yield* start(unit, runner);
  throw keepingOld(unit, candidate, error);
}

function* start(unit: Unit, runner: PluginRunner): Steps<void> {
  runner.refresh();
  yield* runner.settled(unit);
}

function kept(unit: Unit, { definition }: Candidate): string {
  if (definition.version === unit.definition.version)
    return `the change to plugin '${unit.name}' was not taken, and what ran before goes on running`;
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
