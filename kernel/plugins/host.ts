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
import { didYouMean } from '../schema/validate.ts';
import { GlyphError, messageOf } from '../errors.ts';
import { Operations } from '../operations.ts';
import { AbandonedList } from './abandoned.ts';
import { admit, assertServicesFree, candidateFor, refusalOf } from './admission.ts';
import { followService } from './follow.ts';
import type { ServiceUser } from './follow.ts';
import { DEFAULT_LIMITS } from './host-types.ts';
import type { PluginEntry, PluginHost, PluginHostOptions } from './host-types.ts';
import type { InstanceHost } from './instance.ts';
import { reloadUnit } from './reload.ts';
import type { ReloadTools } from './reload.ts';
import { abortOf, explain, inspect, reportOf } from './report.ts';
import type { HostInspection } from './report.ts';
import { Routes } from './routes.ts';
import { PluginRunner } from './runner.ts';
import { createServices, inRange } from './services.ts';
import { promiseOf } from './steps.ts';
import { Supervisor } from './supervisor.ts';
import type { Disposer, LoadTimings, PluginDefinition, PluginReport } from './types.ts';
import { lackOf } from './unit.ts';
import type { Unit } from './unit.ts';

export type { HostLimits, PluginEntry, PluginHost, PluginHostOptions } from './host-types.ts';

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
  readonly #supervisor: Supervisor;
  readonly #operations = new Operations();
  #closing: Promise<readonly Error[]> | undefined;

  constructor(options: PluginHostOptions) {
    const { bus, hooks, db, clock, logger } = options;
    const limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#options = options;
    this.#instances = {
      bus,
      hooks,
      services: createServices(),
      abandoned: new AbandonedList(clock),
      routes: new Routes(logger),
      // Not the host itself: it could load, stop and close.
      plugins: { list: () => this.list(), get: (name) => this.get(name), why: (name) => this.why(name) },
      db,
      clock,
      logger,
      limits,
      providedLate: (service) => this.#runner.serviceCame(service),
      faulted: (owner, what, error) => this.faulted(owner, what, error),
    };
    this.#runner = new PluginRunner({
      host: this.#instances,
      retries: limits.retries,
      activationFailed: (unit) => this.#supervisor.activationFailed(unit),
    });
    this.#supervisor = new Supervisor({
      runner: this.#runner,
      clock,
      logger,
      limits,
      enqueue: (change) => void this.#enqueue(() => promiseOf(change())),
      restore: (unit, before, reason, withState) =>
        reloadUnit(unit, before, { ...this.#tools(before.definition), reason, withState }),
    });
  }

  load(definition: PluginDefinition, config?: unknown, measured: LoadTimings = {}): PluginReport {
    return this.loadAll([{ definition, config, measured }])[0] as PluginReport;
  }

  loadAll(entries: readonly (PluginDefinition | PluginEntry)[]): readonly PluginReport[] {
    this.#assertOpen();
    const { units } = this.#runner;
    const admitted: Unit[] = [];
    try {
      for (const entry of entries) {
        const unit = admit(entryOf(entry), this.#runner.units, this.#options);
        units.set(unit.name, unit);
        admitted.push(unit);
      }
    } catch (error) {
      for (const unit of admitted) units.delete(unit.name);
      throw error;
    }
    for (const unit of admitted) {
      const refusal = refusalOf(unit.definition, this.#options.version);
      if (refusal !== undefined) unit.lifecycle.refuse(refusal);
    }
    this.#runner.refresh();
    return admitted.map((unit) => this.#report(unit));
  }

  async unload(name: string): Promise<readonly Error[]> {
    const unit = this.#unit(name);
    unit.unloading ??= this.#enqueue(async () => {
      unit.leaving = true;
      const errors = [
        ...(await promiseOf(this.#runner.stopDependents(unit, 'unloaded'))),
        ...(await promiseOf(this.#runner.stop(unit, 'it was unloaded'))),
      ];
      this.#runner.units.delete(name);
      this.#runner.refresh();
      return errors;
    });
    return unit.unloading;
  }

  async reload(
    name: string,
    definition?: PluginDefinition,
    config?: unknown,
    measured?: LoadTimings,
  ): Promise<PluginReport> {
    this.#assertOpen();
    this.#unit(name);
    const given = { ...(definition && { definition }), config, ...(measured && { measured }) };
    return this.#enqueue(async () => {
      const unit = this.#unit(name);
      const candidate = candidateFor(unit, given, this.#options.version);
      const probation = (): ReturnType<ReloadTools['probation']> => this.#supervisor.probation(unit, candidate);
      await promiseOf(reloadUnit(unit, candidate, { ...this.#tools(candidate.definition), probation }));
      return this.#report(unit);
    });
  }

  list(): readonly PluginReport[] {
    return [...this.#runner.units.values()].map((unit) => this.#report(unit));
  }

  get(name: string): PluginReport | undefined {
    const unit = this.#runner.units.get(name);
    return unit && this.#report(unit);
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

  onService(service: string, fn: (service: never) => void | Disposer, range = '*'): Disposer {
    this.#assertOpen();
    if (typeof fn !== 'function') {
      throw new GlyphError('GC_BAD_ARGUMENT', `onService('${service}', fn): ${String(fn)} is not a function`);
    }
    const { logger } = this.#options;
    const fault = (error: unknown, what: string): void =>
      logger.error(`${what} of the host failed: ${messageOf(error)}`, { error });
    return followService({ services: this.#instances.services, fault }, service, range, fn as ServiceUser);
  }

  async handle(request: Request): Promise<Response> {
    this.#assertOpen();
    return await this.#instances.routes.handle(request);
  }

  faulted(owner: string, what: string, error: unknown): void {
    this.#supervisor.faulted(owner, what, error);
  }

  crashed(name: string, what: string, error: unknown): boolean {
    return this.#supervisor.crashed(name, what, error);
  }

  aborted(): GlyphError | undefined {
    return abortOf([...this.#runner.units.values()], this.#runner.world);
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
        errors.push(...(await promiseOf(this.#runner.stop(unit, 'the host is closing'))));
      }
      return errors;
    });
    return this.#closing;
  }

  inspect(): HostInspection {
    return inspect(this.#runner.world, this.#instances);
  }

  /** What a reload to this definition works with; one without probation. */
  #tools(definition: PluginDefinition): ReloadTools {
    return {
      runner: this.#runner,
      instances: this.#instances,
      assertFree: () => assertServicesFree(definition, this.#runner.units),
      probation: () => undefined,
    };
  }

  #unit(name: string): Unit {
    const unit = this.#runner.units.get(name);
    if (unit !== undefined) return unit;
    checkName(name);
    const near = didYouMean(name, this.#runner.units.keys());
    const suggestion = near === undefined ? '' : ` (did you mean '${near}'?)`;
    throw new GlyphError('GC_NO_SUCH_PLUGIN', `no plugin '${name}' is loaded${suggestion}`);
  }

  #report(unit: Unit): PluginReport {
    return reportOf(unit, this.#options.clock.now());
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw new GlyphError('GC_CLOSED', 'the plugin host was closed');
  }

  #enqueue<T>(operation: () => Promise<T>): Promise<T> {
    const run = this.#operations.add(operation);
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
