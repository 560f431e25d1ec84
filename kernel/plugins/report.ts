/**
 * What people and tools are told about plugins: reports, reasons, the whole picture as JSON.
 *
 * Invariant: reads only; nothing here changes a state.
 */
import { formatDuration } from '../durations.ts';
import type { KernelBus } from '../bus.ts';
import { tapsOf } from '../hooks.ts';
import type { KernelHooks } from '../hooks.ts';
import type { AbandonedList, AbandonedWork } from './abandoned.ts';
import { GlyphError, messageOf } from '../errors.ts';
import { declarerOf, missingFor, onProbation, retryText } from './unit.ts';
import type { Unit, World } from './unit.ts';
import type { StateChange } from './state.ts';
import type { TimingNode } from './timings.ts';
import type { PluginReport, ScopeReport, UnitState, Versions } from './types.ts';
import { inRange } from './services.ts';

/** Who uses which service of whom. */
export interface ServiceEdge {
  readonly from: string;
  readonly service: string;
  readonly range: string;
  readonly optional: boolean;
  /** The plugin that declares it and the version it offers, if one is loaded. */
  readonly to?: string;
  readonly version?: string;
  /** Whether `from` can use it now. */
  readonly satisfied: boolean;
}

/** What one plugin instance has registered with the kernel. */
export interface Registrations {
  readonly listeners: number;
  readonly taps: number;
  readonly services: readonly string[];
  readonly owns: ScopeReport;
}

/** The plugin host as plain JSON. Times are Unix epoch in ms, durations ms. */
export interface HostInspection {
  readonly units: readonly {
    readonly id: string;
    readonly version: string;
    readonly state: UnitState;
    readonly reasons: readonly string[];
    readonly since: number;
    readonly activatedInMs?: number;
    readonly retryAt?: number;
    readonly failures: number;
    /** Instances made so far. */
    readonly generation: number;
    readonly error?: string;
    readonly history: readonly StateChange[];
  }[];
  readonly services: readonly { readonly name: string; readonly version: string; readonly provider: string }[];
  readonly edges: readonly ServiceEdge[];
  readonly cycles: readonly (readonly string[])[];
  /** Work that was given up and has not settled since: cut off, but still in memory. */
  readonly abandoned: readonly AbandonedWork[];
  /** How long each plugin took to come up: its phases, and in `activate` the scopes that it opened by `ctx.child`. */
  readonly timings: readonly TimingNode[];
  /** Instance, such as `metrics#2` → what it has registered. */
  readonly registrations: Readonly<Record<string, Registrations>>;
}

const NOTHING: ScopeReport = { label: '', owned: [], children: [] };

/** One line of `plugins.list()`. */
export function reportOf(unit: Unit, now: number): PluginReport {
  const { definition, lifecycle, rolledBack } = unit;
  const probation = onProbation(unit, now);
  return {
    id: unit.name,
    version: definition.version,
    state: lifecycle.state,
    reasons: lifecycle.reasons,
    ...(unit.error === undefined ? {} : { error: unit.error }),
    ...(unit.retryAt === undefined ? {} : { retryAt: unit.retryAt }),
    ...(probation === undefined ? {} : { probationUntil: probation.until }),
    ...(rolledBack === undefined ? {} : { rolledBack }),
    provides: definition.provides ?? {},
    requires: definition.requires ?? {},
    ...unit.measured,
    ...(unit.activatedInMs === undefined ? {} : { activatedInMs: unit.activatedInMs }),
    owns: unit.instance?.scope.inspect() ?? { ...NOTHING, label: unit.name },
  };
}

/** Why a plugin is in the state it is in: sentences, the most important first, with the reasons behind its reasons. */
export function explain(unit: Unit, world: World, seen: ReadonlySet<Unit> = new Set()): string[] {
  const now = world.now();
  const title = `plugin '${unit.name}' ${unit.definition.version}`;
  const since = formatDuration(Math.max(0, now - unit.lifecycle.since));
  switch (unit.lifecycle.state) {
    case 'active':
      return [`${title} has been active for ${since}.`, ...troubles(unit, now), ...optionalGaps(unit, world)];
    case 'waiting': {
      const behind = Object.keys(unit.definition.requires ?? {}).flatMap((service) => {
        const provider = world.services.get(service) === undefined ? declarerOf(service, world) : undefined;
        if (provider === undefined || seen.has(provider) || provider === unit) return [];
        return explain(provider, world, new Set([...seen, unit]));
      });
      const missing = missingFor(unit.definition, world).map(({ sentence }) => sentence);
      return [`${title} is waiting.`, ...(missing.length > 0 ? missing : unit.lifecycle.reasons), ...new Set(behind)];
    }
    case 'failed': {
      const blamed = unit.blamed.size > 0 ? ` It is tried again at once when ${quoted(unit.blamed)} comes.` : '';
      return [`${title} has failed ${times(unit.failures)}: ${unit.error?.message}${retryText(unit, now)}.${blamed}`];
    }
    case 'quarantined':
      return [
        `${title} is quarantined: ${unit.lifecycle.reasons.join(' ')}; it is not tried again until it is reloaded.`,
      ];
    case 'activating':
    case 'deactivating':
      return [`${title} has been ${unit.lifecycle.state} for ${since}.`];
    default:
      return [`${title} is ${unit.lifecycle.state}.`, ...unit.lifecycle.reasons];
  }
}

/** What {@link inspect} counts, beside the units. */
export interface Inspected {
  readonly bus: KernelBus;
  readonly hooks: KernelHooks;
  readonly abandoned: AbandonedList;
}

/** What is said to a host that cannot go on without some of its plugins. */
export function abortOf(units: readonly Unit[], world: World): GlyphError | undefined {
  const down = units.filter(
    ({ definition, lifecycle }) => definition.onFailure === 'abort' && lifecycle.state !== 'active',
  );
  const first = down[0];
  if (first === undefined) return undefined;
  const names = down.map(({ name }) => `'${name}'`).join(', ');
  const why = explain(first, world).join(' ');
  return new GlyphError('GC_PLUGIN_FAILED', `The host cannot run without the plugin ${names}: ${why}`, {
    plugin: first.name,
    phase: 'boot',
    ...(first.error === undefined ? {} : { cause: first.error }),
    hint: "Put right what it lacks. With `onFailure: 'continue'` in its definition the host would go on without it.",
  });
}

/** Everything, for tools. */
export function inspect(world: World, { bus, hooks, abandoned }: Inspected): HostInspection {
  const units = [...world.units.values()];
  const instances = units.flatMap((unit) => (unit.instance === undefined ? [] : [{ unit, instance: unit.instance }]));
  return {
    units: units.map((unit) => ({
      id: unit.name,
      version: unit.definition.version,
      state: unit.lifecycle.state,
      reasons: unit.lifecycle.reasons,
      since: unit.lifecycle.since,
      ...(unit.activatedInMs === undefined ? {} : { activatedInMs: unit.activatedInMs }),
      ...(unit.retryAt === undefined ? {} : { retryAt: unit.retryAt }),
      failures: unit.failures,
      generation: unit.generation,
      ...(unit.error === undefined ? {} : { error: unit.error.message }),
      history: unit.lifecycle.history,
    })),
    services: world.services.list().map(({ name, version, provider }) => ({ name, version, provider })),
    edges: units.flatMap((unit) => [
      ...edgesOf(unit, unit.definition.requires, false, world),
      ...edgesOf(unit, unit.definition.optional, true, world),
    ]),
    cycles: world.cycles(),
    abandoned: abandoned.list(),
    timings: units.map(timingsOf),
    registrations: Object.fromEntries(
      instances.map(({ unit, instance }) => [
        instance.owner,
        {
          listeners: bus.countOf(instance.owner),
          taps: tapsOf(hooks, instance.owner),
          services: world.services
            .list()
            .filter(({ provider }) => provider === unit.name)
            .map(({ name }) => name),
          owns: instance.scope.inspect(),
        },
      ]),
    ),
  };
}

function timingsOf({ name, measured, activatedInMs, instance }: Unit): TimingNode {
  const spans: readonly (readonly [string, number | undefined, readonly TimingNode[]])[] = [
    ['load', measured.loadedInMs, []],
    ['evaluate', measured.evaluatedInMs, []],
    ['activate', activatedInMs, instance?.timings ?? []],
  ];
  const children = spans.flatMap(([label, ms, inside]) => (ms === undefined ? [] : [{ label, ms, children: inside }]));
  return { label: name, ms: children.reduce((sum, { ms }) => sum + ms, 0), children };
}

function edgesOf(unit: Unit, needs: Versions | undefined, optional: boolean, world: World): ServiceEdge[] {
  return Object.entries(needs ?? {}).map(([service, range]) => {
    const entry = world.services.get(service);
    const to = entry?.provider ?? declarerOf(service, world)?.name;
    const version = entry?.version ?? declarerOf(service, world)?.definition.provides?.[service];
    return {
      from: unit.name,
      service,
      range,
      optional,
      ...(to === undefined ? {} : { to }),
      ...(version === undefined ? {} : { version }),
      satisfied: entry !== undefined && inRange(entry.version, range),
    };
  });
}

/** What an active plugin has done wrong lately. */
function troubles(unit: Unit, now: number): string[] {
  const { rolledBack, faults } = unit;
  const sentences: string[] = [];
  const probation = onProbation(unit, now);
  if (probation !== undefined) {
    const { version } = probation.before.definition;
    const left = formatDuration(probation.until - now);
    sentences.push(`It is on probation for another ${left}: version ${version} comes back if it fails.`);
  }
  if (rolledBack !== undefined) {
    const ago = formatDuration(Math.max(0, now - rolledBack.at));
    sentences.push(`Version ${rolledBack.version} was taken back ${ago} ago: ${rolledBack.reason}.`);
  }
  const last = faults.at(-1);
  if (last !== undefined) {
    const ago = formatDuration(Math.max(0, now - last.at));
    const what = `last ${ago} ago in ${last.what}: ${messageOf(last.error)}`;
    sentences.push(`It has failed ${times(faults.length)} lately, ${what}.`);
  }
  return sentences;
}

function optionalGaps(unit: Unit, world: World): string[] {
  return edgesOf(unit, unit.definition.optional, true, world)
    .filter(({ satisfied }) => !satisfied)
    .map(({ service, range, to, version }) => {
      const found = to === undefined ? 'no loaded plugin provides it' : `plugin '${to}' would provide ${version}`;
      return `It does without the optional service '${service}' ${range}: ${found}.`;
    });
}

function quoted(names: Iterable<string>): string {
  return [...names].map((name) => `'${name}'`).join(' or ');
}

function times(count: number): string {
  return count === 1 ? 'once' : `${count} times`;
}
