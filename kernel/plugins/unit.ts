/**
 * What the host remembers of a loaded plugin, and what a plugin still lacks.
 *
 * Invariant: `instance` is set exactly while the plugin is activating, active, draining or deactivating.
 */
import { didYouMean } from '../schema/validate.ts';
import type { Timer } from '../clock.ts';
import { formatDuration } from '../durations.ts';
import type { PluginInstance } from './instance.ts';
import type { Parking } from './parking.ts';
import type { Lifecycle } from './state.ts';
import type { LoadTimings, PluginDefinition, Rollback } from './types.ts';
import { inRange } from './services.ts';
import type { Services } from './services.ts';

/** A definition that has been checked, with its options. */
export interface Candidate {
  readonly definition: PluginDefinition;
  /** As it was passed to load(), without the schema's defaults. */
  readonly givenConfig: unknown;
  readonly config: unknown;
  readonly measured: LoadTimings;
}

/** The time in which a new version can still be taken back. */
export interface Probation {
  /** The version to go back to. */
  readonly before: Candidate;
  /** Unix epoch in ms. */
  readonly until: number;
}

/** Something a running plugin registered has thrown. */
export interface Fault {
  readonly at: number;
  /** Such as `a listener on orders:new`. */
  readonly what: string;
  readonly error: unknown;
}

export interface Unit {
  readonly name: string;
  readonly lifecycle: Lifecycle;
  definition: PluginDefinition;
  /** As it was passed to load(), without the schema's defaults: a new version may have others. */
  givenConfig: unknown;
  config: unknown;
  measured: LoadTimings;
  instance: PluginInstance | undefined;
  /** Set by a reload; over when its time is, see {@link onProbation}. */
  probation: Probation | undefined;
  /** The latest version that was taken back, until the next reload. */
  rolledBack: Rollback | undefined;
  /** The latest failures of the running instance. */
  faults: readonly Fault[];
  /** What the last instance left for the next; kept until one is active. */
  handover: unknown;
  /** What its last instance watched, until the next takes it up. */
  readonly parking: Parking;
  /** Instances made so far. */
  generation: number;
  /** It is on its way out: nobody new may depend on it, though it still answers. */
  leaving: boolean;
  /** It is being restarted: its next instance comes at once, whatever becomes of this one. */
  restarting: boolean;
  /** Settles when an asynchronous activation under way has ended, well or not. */
  activation: Promise<void> | undefined;
  /** Settles when the last instance has been torn down. */
  closing: Promise<unknown> | undefined;
  /** Set while unload() is under way. */
  unloading: Promise<readonly Error[]> | undefined;
  /** Failed activations in a row. */
  failures: number;
  error: Error | undefined;
  /** Services whose absence made it fail: when one of them comes, it is tried again at once. */
  blamed: ReadonlySet<string>;
  retryAt: number | undefined;
  retry: Timer | undefined;
  /** How long the last activation took, in ms. */
  activatedInMs: number | undefined;
}

/** What a unit runs now, to go back to. */
export const candidateOf = ({ definition, givenConfig, config, measured }: Unit): Candidate => ({
  definition,
  givenConfig,
  config,
  measured,
});

/** The probation of a unit, while it lasts. */
export function onProbation({ probation }: Unit, now: number): Probation | undefined {
  return probation !== undefined && now < probation.until ? probation : undefined;
}

/** The plugins and services a question is about. */
export interface World {
  readonly units: ReadonlyMap<string, Unit>;
  readonly services: Services;
  /** Cycles of requirements, each as the names along it. */
  cycles(): readonly (readonly string[])[];
  now(): number;
}

/** A required service that is not there. */
export interface Missing {
  readonly service: string;
  /** Why, in a sentence. */
  readonly sentence: string;
}

/** What keeps a plugin with this definition from running now. */
export function missingFor(definition: PluginDefinition, world: World): Missing[] {
  return Object.entries(definition.requires ?? {}).flatMap(([service, range]) => {
    const lack = lackOf(service, range, world);
    if (lack === undefined) return [];
    const cycle = world
      .cycles()
      .find((names) => names.includes(definition.name) && closesVia(names, definition, service, world));
    const circle = cycle === undefined ? '' : ` They wait for each other: ${cycle.join(' → ')}.`;
    return [{ service, sentence: `It waits for the service '${service}' ${range}: ${lack}.${circle}` }];
  });
}

/** The loaded plugin that declares a service, running or not. */
export function declarerOf(service: string, world: Pick<World, 'units'>): Unit | undefined {
  return [...world.units.values()].find((unit) => unit.definition.provides?.[service] !== undefined);
}

/** When it is tried again, as the end of a sentence. */
export function retryText(unit: Unit, now: number): string {
  return unit.retryAt === undefined ? '' : `; it is tried again in ${formatDuration(Math.max(0, unit.retryAt - now))}`;
}

function closesVia(cycle: readonly string[], definition: PluginDefinition, service: string, world: World): boolean {
  const next = cycle[cycle.indexOf(definition.name) + 1];
  return next !== undefined && declarerOf(service, world)?.name === next;
}

/** Why a service is not to be had now, as the end of a sentence; undefined when it is. */
export function lackOf(service: string, range: string, world: World): string | undefined {
  const entry = world.services.get(service);
  const declarer = world.units.get(entry?.provider ?? '') ?? declarerOf(service, world);
  if (declarer === undefined) {
    const known = [...world.units.values()].flatMap((unit) => Object.keys(unit.definition.provides ?? {}));
    const near = didYouMean(service, known);
    return `no loaded plugin provides it${near === undefined ? '' : ` (did you mean '${near}'?)`}`;
  }
  const version = entry?.version ?? declarer.definition.provides?.[service] ?? '';
  if (!inRange(version, range)) return `plugin '${declarer.name}' provides ${version}, which is outside the range`;
  if (declarer.leaving) return `plugin '${declarer.name}' provides it and is being stopped`;
  if (entry !== undefined) return undefined;
  const { state } = declarer.lifecycle;
  if (state === 'active') return `plugin '${declarer.name}' is active but has not called ctx.provide('${service}')`;
  const failure = state === 'failed' || state === 'quarantined' ? ` (${declarer.error?.message})` : '';
  return `plugin '${declarer.name}' would provide it and is ${state}${failure}${retryText(declarer, world.now())}`;
}
