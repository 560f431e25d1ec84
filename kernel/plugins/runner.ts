/**
 * Drives units through their states: starts what can run, stops what must not, tries again what failed.
 *
 * Invariants:
 * - `refresh()` starts every unit whose requirements are met, providers first, and says of every other what it lacks.
 * - A failed unit is not started by a change elsewhere, unless it failed for want of the very service that came.
 */
import type { Clock } from '../clock.ts';
import { isThenable } from '../time-limit.ts';
import { blamedServices, withSuspects } from './blame.ts';
import { failure } from './failure.ts';
import { dependentsOf, sortUnits } from './graph.ts';
import { createInstance } from './instance.ts';
import type { InstanceHost, PluginInstance } from './instance.ts';
import { runSteps, waitFor } from './steps.ts';
import type { Steps } from './steps.ts';
import { missingFor } from './unit.ts';
import type { Unit, World } from './unit.ts';

/** First pause before a failed activation is tried again, in ms; doubled with every failure, 16 times at most. */
const FIRST_RETRY = 5_000;
const DOUBLINGS = 4;

export interface RunnerOptions {
  readonly host: InstanceHost;
  /** Failed activations in a row after which a unit is quarantined, the first not counted. */
  readonly retries: number;
  /** Told of every activation that failed. */
  readonly activationFailed: (unit: Unit) => void;
}

export class PluginRunner {
  readonly units = new Map<string, Unit>();
  readonly world: World;
  /** Set when the host closes: nothing is started any more. */
  stopped = false;
  readonly #host: InstanceHost;
  readonly #clock: Clock;
  readonly #retries: number;
  readonly #activationFailed: (unit: Unit) => void;
  readonly #pending = new Set<Promise<void>>();
  #refreshing = false;
  #again = false;

  constructor({ host, retries, activationFailed }: RunnerOptions) {
    this.#host = host;
    this.#clock = host.clock;
    this.#retries = retries;
    this.#activationFailed = activationFailed;
    this.world = {
      units: this.units,
      services: host.services,
      now: () => host.clock.now(),
      cycles: () => sortUnits(this.#nodes()).cycles,
    };
  }

  /** Starts whatever can run now. */
  refresh(): void {
    this.#again = true;
    if (this.#refreshing) return;
    this.#refreshing = true;
    try {
      while (this.#again && !this.stopped) {
        this.#again = false;
        for (const unit of this.inOrder()) this.#consider(unit);
      }
    } finally {
      this.#refreshing = false;
    }
  }

  /** All units, providers first; those in or behind a cycle last. */
  inOrder(): Unit[] {
    const ordered = sortUnits(this.#nodes()).order.map(({ unit }) => unit);
    return [...new Set([...ordered, ...this.units.values()])];
  }

  /** Tries again, at once, what failed for want of this service; then starts whatever can run. */
  serviceCame(name: string): void {
    for (const unit of this.units.values()) {
      if (unit.lifecycle.state === 'failed' && unit.blamed.has(name)) this.revive(unit, `the service '${name}' came`);
    }
    this.refresh();
  }

  /** Makes a failed or quarantined unit startable again. */
  revive(unit: Unit, reason: string): void {
    this.#cancelRetry(unit);
    unit.lifecycle.resolve(reason);
  }

  /** Stops a unit, whatever it is doing; with `keep` its next instance is given its state. Comes to what failed; throws nothing. */
  *stop(unit: Unit, reason: string, keep = false): Steps<readonly Error[]> {
    this.#cancelRetry(unit);
    const { instance, lifecycle } = unit;
    if (instance === undefined) {
      yield* waitFor(unit.closing);
      return [];
    }
    const running = lifecycle.state === 'active';
    if (running) {
      unit.handover = keep ? instance.snapshot() : undefined;
      lifecycle.drain(reason);
      instance.mute();
    }
    // Nobody takes its watches up, so nobody is made to wait while it stops.
    if (!keep && !unit.restarting) unit.parking.clear();
    lifecycle.deactivate(reason);
    const errors = yield* this.retire(unit, instance, running);
    if (!keep && !unit.restarting) unit.parking.clear();
    unit.instance = undefined;
    lifecycle.deactivated(reason);
    if (running) this.#host.hooks.pluginDeactivated.call(unit.name);
    return errors;
  }

  /** Stops everything that cannot run without a unit, those that nobody depends on first. What comes back keeps its state. */
  *stopDependents(unit: Unit, why: 'unloaded' | 'replaced' | 'stopped'): Steps<readonly Error[]> {
    const reason = `plugin '${unit.name}', which it requires, is being ${why}`;
    const errors: Error[] = [];
    for (;;) {
      const nodes = this.#nodes();
      const node = nodes.find((each) => each.unit === unit);
      const next = node && dependentsOf(node, nodes).find((each) => each.unit.instance !== undefined);
      if (next === undefined) return errors;
      errors.push(...(yield* this.stop(next.unit, reason, why === 'replaced')));
    }
  }

  /** Ends an instance that nobody can reach any more: its deactivate if it was active, then its scope. */
  *retire(unit: Unit, instance: PluginInstance, deactivate: boolean): Steps<readonly Error[]> {
    const errors: Error[] = [];
    try {
      if (deactivate) yield* waitFor(instance.deactivate());
    } catch (cause) {
      errors.push(failure(unit.name, 'deactivate', cause));
    }
    const closing = instance.close();
    unit.closing = isThenable(closing) ? closing : undefined;
    errors.push(...(yield* waitFor(closing)));
    unit.closing = undefined;
    for (const error of errors) this.#host.logger.error(error.message, { plugin: unit.name, error });
    return errors;
  }

  /** Waits until the activation of a unit, if one is under way, has ended. */
  *settled(unit: Unit): Steps<void> {
    while (unit.activation !== undefined || unit.closing !== undefined) {
      yield* waitFor<unknown>(unit.activation ?? unit.closing);
    }
  }

  /** After a replacement: holds nothing back any more for those that do not come back now. */
  unpark(): void {
    for (const unit of this.units.values()) {
      const { state } = unit.lifecycle;
      if (state !== 'active' && state !== 'activating') unit.parking.release();
    }
  }

  /** Lets {@link idle} wait for a promise. */
  track(promise: Promise<unknown>): void {
    const done = (): void => void this.#pending.delete(quiet);
    const quiet: Promise<void> = promise.then(done, done);
    this.#pending.add(quiet);
  }

  /** Resolves when no activation, teardown or structural change is under way. */
  async idle(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all(this.#pending);
  }

  #nodes() {
    return [...this.units.values()].map((unit) => {
      const { requires = {}, optional = {}, provides = {} } = unit.definition;
      return { name: unit.name, requires, optional, provides, unit };
    });
  }

  #consider(unit: Unit): void {
    const { state } = unit.lifecycle;
    const idle = state === 'discovered' || state === 'resolved' || state === 'waiting';
    if (!idle || unit.leaving || unit.closing !== undefined || this.stopped) return;
    const missing = missingFor(unit.definition, this.world);
    if (missing.length > 0) unit.lifecycle.wait(missing.map(({ sentence }) => sentence));
    else this.#start(unit);
  }

  #start(unit: Unit): void {
    if (unit.lifecycle.state !== 'resolved') unit.lifecycle.resolve();
    unit.lifecycle.activate();
    const { definition, config, parking, handover: state } = unit;
    const instance = createInstance(this.#host, {
      definition,
      config,
      state,
      parking,
      generation: ++unit.generation,
      held: false,
    });
    unit.instance = instance;
    const begun = this.#clock.now();
    try {
      const pending = instance.activate();
      if (pending === undefined) {
        this.#activated(unit, instance, begun);
        return;
      }
      const ended = pending.then(
        () => this.#activated(unit, instance, begun),
        (error: unknown) => this.#failed(unit, instance, error),
      );
      // One that is stopped half way may never settle, and nobody should wait for it then.
      const { promise: givenUp, resolve: giveUp } = Promise.withResolvers<void>();
      const forget = instance.scope.defer(giveUp, 'activation');
      const activation = Promise.race([ended, givenUp]).finally(() => {
        forget();
        if (unit.activation === activation) unit.activation = undefined;
      });
      unit.activation = activation;
      this.track(activation);
    } catch (error) {
      this.#failed(unit, instance, error);
    }
  }

  #activated(unit: Unit, instance: PluginInstance, begun: number): void {
    // It was stopped while its activate was under way: nobody waits for it any more.
    if (unit.instance !== instance) return;
    try {
      instance.goLive();
    } catch (error) {
      this.#failed(unit, instance, error);
      return;
    }
    this.recover(unit);
    unit.activatedInMs = this.#clock.now() - begun;
    unit.lifecycle.activated();
    this.#host.hooks.pluginActivated.call(unit.name);
    this.announce(instance);
  }

  /** Forgets past failures of a unit that runs, and the state it has taken over. */
  recover(unit: Unit): void {
    unit.failures = 0;
    unit.error = undefined;
    unit.blamed = new Set();
    unit.handover = undefined;
    unit.faults = [];
    // Taken up by now, unless the new version does not watch the same any more.
    unit.parking.clear();
  }

  /** Lets others use what an instance, now live, provides. */
  announce(instance: PluginInstance): void {
    const { name, provides = {} } = instance.definition;
    for (const service of Object.keys(provides)) {
      if (instance.offered.has(service)) this.serviceCame(service);
      else
        this.#host.logger.warn(`plugin '${name}' declares the service '${service}' but has not provided it`, {
          plugin: name,
        });
    }
    this.refresh();
  }

  #failed(unit: Unit, instance: PluginInstance, cause: unknown): void {
    if (unit.instance !== instance) return;
    const { lifecycle } = unit;
    unit.instance = undefined;
    unit.error = withSuspects(instance, failure(unit.name, 'activate', cause), this.world);
    unit.blamed = blamedServices(instance, cause, this.world);
    unit.failures++;
    const pause = FIRST_RETRY * 2 ** Math.min(unit.failures - 1, DOUBLINGS);
    const again = unit.failures <= this.#retries;
    if (again) {
      unit.retryAt = this.#clock.now() + pause;
      unit.retry = this.#clock.timeout(() => {
        this.revive(unit, 'it is tried again');
        this.refresh();
      }, pause);
    }
    lifecycle.fail(unit.error.message);
    if (!again) lifecycle.quarantine(`it failed ${unit.failures} times in a row: ${unit.error.message}`);
    this.#host.logger.error(unit.error.message, { plugin: unit.name, error: unit.error });
    this.#activationFailed(unit);
    const retired = runSteps(this.retire(unit, instance, false));
    if (!unit.restarting) unit.parking.release();
    this.track(Promise.resolve(retired).then(() => this.refresh()));
  }

  #cancelRetry(unit: Unit): void {
    unit.retry?.cancel();
    unit.retry = undefined;
    unit.retryAt = undefined;
  }
}
