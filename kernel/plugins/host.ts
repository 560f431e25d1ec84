/**
 * The plugin host: loads, reloads and unloads plugins, and answers for what they are doing.
 *
 * Definitions come in as objects; where they come from (a file, a folder that is watched) is for whoever calls.
 * Invariants:
 * - A plugin is active only while everything it requires is there; whoever loses a requirement stops before the provider does.
 * - Structural changes (unload, reload, close) run one after the other. Activations may overlap.
 * - Whatever a plugin does, the host goes on: every phase ends, by itself or by its time limit.
 * - A reload that fails leaves the running version answering.
 */
import semver from 'semver';
import type { KernelBus } from '../bus.ts';
import type { Clock } from '../clock.ts';
import { didYouMean } from '../schema/validate.ts';
import type { Database } from '../database/types.ts';
import { GlyphError } from '../errors.ts';
import type { KernelHooks } from '../hooks.ts';
import type { Logger } from '../logger.ts';
import { checkConfig, checkDefinition } from './definition.ts';
import type { InstanceHost, PluginLimits } from './instance.ts';
import { reloadUnit } from './reload.ts';
import { explain, inspect, reportOf } from './report.ts';
import type { HostInspection } from './report.ts';
import { PluginRunner } from './runner.ts';
import { createLifecycle } from './state.ts';
import type { PluginDefinition, PluginReport } from './types.ts';
import { lackOf } from './unit.ts';
import type { Unit } from './unit.ts';
import { conflict, createServices, inRange } from './services.ts';

/** Limits of a host; what is left out has its default. */
export interface HostLimits extends PluginLimits {
  /** How often a failed activation is tried again before the plugin is quarantined; 5 by default. */
  readonly retries: number;
}

const DEFAULT_LIMITS: HostLimits = { activate: 10_000, deactivate: 5_000, dispose: 2_000, retries: 5 };

export interface PluginHostOptions {
  readonly bus: KernelBus;
  readonly hooks: KernelHooks;
  /** Handed to the plugins; the host itself does not touch it. */
  readonly db: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Version of GlyphCase, which `glyphcase` ranges are checked against. */
  readonly version: string;
  readonly limits?: Partial<HostLimits>;
}

/** A definition with its options. */
export interface PluginEntry {
  readonly definition: PluginDefinition;
  readonly config?: unknown;
}

export interface PluginHost {
  /**
   * Loads a plugin. It is active when the call returns if its `activate` is synchronous and what it requires is there;
   * otherwise the report says what it waits for, and it becomes active by itself.
   * @throws GC_BAD_PLUGIN for a wrong definition, wrong options, or a name or service that is taken. What `activate`
   * throws is not thrown here: the report has state `failed` and the error.
   */
  load(definition: PluginDefinition, config?: unknown): PluginReport;
  /** Loads several, providers first, whatever their order. Nothing is loaded when one of the definitions is wrong. @throws as {@link load} */
  loadAll(entries: readonly (PluginDefinition | PluginEntry)[]): readonly PluginReport[];
  /** Stops a plugin, after all that require it, and forgets it. Resolves to what failed on the way. @throws GC_NO_SUCH_PLUGIN */
  unload(name: string): Promise<readonly Error[]>;
  /**
   * Replaces a plugin by a new definition, or starts it anew. The running version answers until the new one is active,
   * and goes on if the new one fails; see `reload` in {@link PluginDefinition} for how. Options are kept unless given.
   * @throws GC_BAD_PLUGIN, GC_NO_SERVICE, GC_PLUGIN_FAILED, GC_PLUGIN_TIMEOUT; GC_NO_SUCH_PLUGIN
   */
  reload(name: string, definition?: PluginDefinition, config?: unknown): Promise<PluginReport>;
  list(): readonly PluginReport[];
  get(name: string): PluginReport | undefined;
  /** Why a plugin is in its state, in sentences. @throws GC_NO_SUCH_PLUGIN */
  why(name: string): readonly string[];
  /** A service, for the host API. @throws GC_NO_SERVICE saying why it is not there. */
  use<Service>(service: string, range?: string): Service;
  /** Resolves, when no activation or change is under way, to the state of all plugins. Waits for no retry. */
  ready(): Promise<readonly PluginReport[]>;
  /** Stops all plugins, users before providers. Resolves to what failed. Idempotent. */
  close(): Promise<readonly Error[]>;
  /** States, reasons, edges, timings and registrations as plain JSON. */
  inspect(): HostInspection;
}

/**
 * Makes a plugin host without plugins.
 *
 * @throws GC_BAD_OPTION
 * @example
 * ```ts
 * const host = createPluginHost({ bus, hooks, db, clock: systemClock, logger, version: '1.0.0' });
 * host.load(definePlugin({ name: 'hello', version: '1.0.0', activate: (ctx) => ctx.log.info('hello') }));
 * await host.close();
 * ```
 */
export function createPluginHost(options: PluginHostOptions): PluginHost {
  if (semver.valid(options.version) === null) {
    throw new GlyphError(
      'GC_BAD_OPTION',
      `version is ${JSON.stringify(options.version)}, which is not a semver version`,
    );
  }
  return new Host(options);
}

class Host implements PluginHost {
  readonly #options: PluginHostOptions;
  readonly #runner: PluginRunner;
  readonly #instances: InstanceHost;
  #queue: Promise<unknown> = Promise.resolve();
  #closing: Promise<readonly Error[]> | undefined;

  constructor(options: PluginHostOptions) {
    const { bus, hooks, db, clock, logger } = options;
    const limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#options = options;
    this.#instances = {
      bus,
      hooks,
      services: createServices(),
      db,
      clock,
      logger,
      limits,
      providedLate: (service) => this.#runner.serviceCame(service),
    };
    this.#runner = new PluginRunner({ host: this.#instances, retries: limits.retries });
  }

  load(definition: PluginDefinition, config?: unknown): PluginReport {
    return this.loadAll([{ definition, config }])[0] as PluginReport;
  }

  loadAll(entries: readonly (PluginDefinition | PluginEntry)[]): readonly PluginReport[] {
    this.#assertOpen();
    const { units } = this.#runner;
    const admitted: Unit[] = [];
    try {
      for (const entry of entries) {
        const { definition, config } = entryOf(entry);
        const unit = this.#admit(definition, config);
        units.set(unit.name, unit);
        admitted.push(unit);
      }
    } catch (error) {
      for (const unit of admitted) units.delete(unit.name);
      throw error;
    }
    for (const unit of admitted) {
      const refusal = this.#refusal(unit.definition);
      if (refusal !== undefined) unit.lifecycle.refuse(refusal);
    }
    this.#runner.refresh();
    return admitted.map(reportOf);
  }

  async unload(name: string): Promise<readonly Error[]> {
    const unit = this.#unit(name);
    unit.unloading ??= this.#enqueue(async () => {
      unit.leaving = true;
      const errors = [
        ...(await this.#runner.stopDependents(unit)),
        ...(await this.#runner.stop(unit, 'it was unloaded')),
      ];
      this.#runner.units.delete(name);
      this.#runner.refresh();
      return errors;
    });
    return unit.unloading;
  }

  async reload(name: string, definition?: PluginDefinition, config?: unknown): Promise<PluginReport> {
    this.#assertOpen();
    this.#unit(name);
    return this.#enqueue(async () => {
      const unit = this.#unit(name);
      const next = definition ?? unit.definition;
      const given = config ?? unit.givenConfig;
      checkDefinition(next);
      if (next.name !== name) {
        throw new GlyphError('GC_BAD_PLUGIN', `plugin '${name}' cannot be reloaded as '${next.name}'`, {
          hint: 'A plugin keeps its name; to rename it, unload the old one and load the new one.',
        });
      }
      const candidate = { definition: next, givenConfig: given, config: checkConfig(next, given) };
      const refusal = this.#refusal(next);
      if (refusal !== undefined)
        throw new GlyphError('GC_BAD_PLUGIN', `plugin '${name}': ${refusal}`, { plugin: name });
      await reloadUnit(unit, candidate, {
        runner: this.#runner,
        instances: this.#instances,
        assertFree: () => this.#assertServicesFree(next),
      });
      return reportOf(unit);
    });
  }

  list(): readonly PluginReport[] {
    return [...this.#runner.units.values()].map(reportOf);
  }

  get(name: string): PluginReport | undefined {
    const unit = this.#runner.units.get(name);
    return unit && reportOf(unit);
  }

  why(name: string): readonly string[] {
    return explain(this.#unit(name), this.#runner.world);
  }

  use<Service>(service: string, range = '*'): Service {
    const entry = this.#instances.services.get(service);
    if (entry !== undefined && inRange(entry.version, range)) return entry.service as Service;
    const lack = lackOf(service, range, this.#runner.world) ?? 'it is not there';
    throw new GlyphError(
      'GC_NO_SERVICE',
      `the service '${service}' ${range === '*' ? '' : `${range} `}is not available: ${lack}`,
    );
  }

  async ready(): Promise<readonly PluginReport[]> {
    await this.#runner.idle();
    return this.list();
  }

  close(): Promise<readonly Error[]> {
    this.#closing ??= this.#enqueue(async () => {
      this.#runner.stopped = true;
      const errors: Error[] = [];
      for (const unit of this.#runner.inOrder().reverse()) {
        errors.push(...(await this.#runner.stop(unit, 'the host is closing')));
      }
      return errors;
    });
    return this.#closing;
  }

  inspect(): HostInspection {
    return inspect(this.#runner.world, this.#options.bus, this.#options.hooks);
  }

  #admit(definition: PluginDefinition, givenConfig: unknown): Unit {
    checkDefinition(definition);
    const { name } = definition;
    const present = this.#runner.units.get(name);
    if (present !== undefined) {
      const hint = present.leaving ? 'Await unload() before loading it again.' : 'Use reload() to replace it.';
      throw new GlyphError('GC_BAD_PLUGIN', `plugin '${name}' is loaded already`, { plugin: name, hint });
    }
    const config = checkConfig(definition, givenConfig);
    this.#assertServicesFree(definition);
    const { bus, clock } = this.#options;
    return {
      name,
      lifecycle: createLifecycle(name, { bus, clock }),
      definition,
      givenConfig,
      config,
      instance: undefined,
      generation: 0,
      leaving: false,
      activation: undefined,
      closing: undefined,
      unloading: undefined,
      failures: 0,
      error: undefined,
      blamed: new Set(),
      retryAt: undefined,
      retry: undefined,
      activatedInMs: undefined,
      abandoned: new Set(),
    };
  }

  #assertServicesFree(definition: PluginDefinition): void {
    for (const unit of this.#runner.units.values()) {
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

  /** Why a plugin can never run on this version, if so. */
  #refusal({ glyphcase }: PluginDefinition): string | undefined {
    const { version } = this.#options;
    if (glyphcase === undefined || inRange(version, glyphcase)) return undefined;
    return `It needs GlyphCase ${glyphcase}, and this is ${version}.`;
  }

  #unit(name: string): Unit {
    const unit = this.#runner.units.get(name);
    if (unit !== undefined) return unit;
    checkName(name);
    const near = didYouMean(name, this.#runner.units.keys());
    const suggestion = near === undefined ? '' : ` (did you mean '${near}'?)`;
    throw new GlyphError('GC_NO_SUCH_PLUGIN', `no plugin '${name}' is loaded${suggestion}`);
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw new GlyphError('GC_CLOSED', 'the plugin host was closed');
  }

  #enqueue<T>(operation: () => Promise<T>): Promise<T> {
    const run = this.#queue.then(operation);
    this.#queue = run.catch(() => undefined);
    this.#runner.track(run);
    return run;
  }
}

function checkName(name: unknown): void {
  if (typeof name === 'string') return;
  throw new GlyphError('GC_BAD_ARGUMENT', `the name of a plugin is a string, not ${typeof name}`);
}

function entryOf(entry: PluginDefinition | PluginEntry): PluginEntry {
  const given: unknown = entry;
  const wrapped = given !== null && typeof given === 'object' && 'definition' in given;
  return wrapped ? (given as PluginEntry) : { definition: given as PluginDefinition };
}
