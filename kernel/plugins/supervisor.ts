/**
 * Watches running plugins: takes back a version that fails soon after a reload, and stops a plugin that keeps failing.
 *
 * Invariants:
 * - Only what the running instance itself did wrong counts: its listeners, taps of notifications, timers and callbacks. A
 *   locked or full database is nobody's fault.
 * - It decides at once and acts in turn: in the queue of structural changes, and only if the instance still runs then.
 */
import type { Clock } from '../clock.ts';
import { formatDuration } from '../durations.ts';
import { GlyphError, isOutside, messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { PluginInstance } from './instance.ts';
import type { PluginRunner } from './runner.ts';
import type { Steps } from './steps.ts';
import { candidateOf, declarerOf, onProbation } from './unit.ts';
import type { Candidate, Probation, Unit } from './unit.ts';

/** How much failing is borne. Times in ms. */
export interface FaultLimits {
  /** For how long after a reload a version can be taken back. */
  readonly probation: number;
  /** Failures within its probation after which it is. */
  readonly probationErrors: number;
  /** Failures within `errorWindow` after which a plugin is quarantined. */
  readonly errors: number;
  readonly errorWindow: number;
}

export interface SupervisorOptions {
  readonly runner: PluginRunner;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: FaultLimits;
  /** Runs a structural change when those before it are done. */
  readonly enqueue: (change: () => Steps<void>) => void;
  /** Puts an earlier version back. @throws when that fails too */
  restore(unit: Unit, before: Candidate, reason: string, withState: boolean): Steps<void>;
}

export class Supervisor {
  readonly #options: SupervisorOptions;
  /** Instances whose end is decided. */
  readonly #sentenced = new WeakSet<PluginInstance>();

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  /** A probation that begins now, unless going back would change nothing. */
  probation(unit: Unit, next: Candidate): Probation | undefined {
    const { clock, limits } = this.#options;
    // Of versions that follow each other quickly, only the one before them all has proved itself.
    const before: Candidate = onProbation(unit, clock.now())?.before ?? candidateOf(unit);
    const same = before.definition === next.definition && before.givenConfig === next.givenConfig;
    return same || limits.probation <= 0 ? undefined : { before, until: clock.now() + limits.probation };
  }

  /** Something that the instance `owner` registered has thrown. */
  faulted(owner: string, what: string, error: unknown): void {
    const { runner, clock, limits } = this.#options;
    const unit = runner.units.get(owner.slice(0, Math.max(0, owner.lastIndexOf('#'))));
    const instance = unit?.instance;
    if (unit?.lifecycle.state !== 'active' || instance?.owner !== owner || isOutside(error)) return;
    const now = clock.now();
    unit.faults = [...unit.faults.filter(({ at }) => at > now - limits.errorWindow), { at: now, what, error }];
    if (this.#sentenced.has(instance)) return;
    const count = unit.faults.length;
    const last = `last in ${what}: ${messageOf(error)}`;
    if (onProbation(unit, now) !== undefined) {
      if (count < limits.probationErrors) return;
      this.#sentenced.add(instance);
      this.#rollBack(
        unit,
        `it failed ${count} times within ${formatDuration(limits.probation)} of its start, ${last}`,
        error,
      );
    } else if (count >= limits.errors) {
      this.#sentenced.add(instance);
      this.#quarantine(unit, `it failed ${count} times within ${formatDuration(limits.errorWindow)}, ${last}`, error);
    }
  }

  /** Something of a plugin that nobody can keep apart from it has thrown: it does not go on. False when it was not running. */
  crashed(name: string, what: string, error: unknown): boolean {
    const { runner, clock } = this.#options;
    const unit = runner.units.get(name);
    const instance = unit?.instance;
    if (unit?.lifecycle.state !== 'active' || instance === undefined || isOutside(error)) return false;
    const now = clock.now();
    unit.faults = [...unit.faults, { at: now, what, error }];
    if (this.#sentenced.has(instance)) return true;
    this.#sentenced.add(instance);
    const reason = `${what} failed: ${messageOf(error)}`;
    if (onProbation(unit, now) === undefined) this.#quarantine(unit, reason, error);
    else this.#rollBack(unit, reason, error);
    return true;
  }

  /** A unit could not be activated: perhaps the fault of a version, its own or a provider's, that is on probation. */
  activationFailed(unit: Unit): void {
    const { runner, clock } = this.#options;
    const because = unit.error?.message ?? 'it failed';
    if (onProbation(unit, clock.now()) !== undefined) this.#rollBack(unit, because, unit.error);
    for (const service of unit.blamed) {
      const provider = declarerOf(service, runner.world);
      if (provider !== undefined && onProbation(provider, clock.now()) !== undefined)
        this.#rollBack(provider, because, unit.error);
    }
  }

  #rollBack(unit: Unit, reason: string, error: unknown): void {
    const { enqueue } = this.#options;
    const { probation } = unit;
    enqueue(() => this.#restore(unit, probation, reason, error));
  }

  *#restore(unit: Unit, probation: Probation | undefined, reason: string, cause: unknown): Steps<void> {
    const { clock, logger, runner } = this.#options;
    const { units } = runner;
    // The reload that was under way, or one that came first, may have dealt with it.
    if (probation === undefined || unit.probation !== probation || units.get(unit.name) !== unit || runner.stopped)
      return;
    const { before } = probation;
    const { version } = unit.definition;
    const isOther = version !== before.definition.version;
    const what = isOther
      ? `version ${version} was taken back for ${before.definition.version}`
      : 'the change was taken back';
    const sentence = `${what}: ${reason}`;
    logger.error(`plugin '${unit.name}': ${sentence}`, { plugin: unit.name, phase: 'probation', error: cause });
    for (const withState of [true, false]) {
      try {
        yield* this.#options.restore(unit, before, sentence, withState);
        unit.rolledBack = { version, reason, at: clock.now() };
        return;
      } catch (error) {
        logger.error(messageOf(error), { plugin: unit.name, phase: 'probation', error });
      }
    }
    unit.probation = undefined;
    if (unit.lifecycle.state === 'active')
      yield* this.#stop(unit, `${reason}; and the version before does not start`, cause);
  }

  #quarantine(unit: Unit, reason: string, error: unknown): void {
    const { instance } = unit;
    this.#options.enqueue(() => (unit.instance === instance ? this.#stop(unit, reason, error) : nothing()));
  }

  /** Stops a unit until somebody reloads it. It starts anew then: its state may be what made it fail. */
  *#stop(unit: Unit, reason: string, cause: unknown): Steps<void> {
    const { runner, logger } = this.#options;
    unit.leaving = true;
    yield* runner.stopDependents(unit, 'stopped');
    yield* runner.stop(unit, reason);
    unit.error = new GlyphError('GC_PLUGIN_FAILED', `plugin '${unit.name}' was stopped: ${reason}`, {
      plugin: unit.name,
      phase: 'run',
      cause,
    });
    unit.lifecycle.quarantine(reason);
    unit.leaving = false;
    logger.error(unit.error.message, { plugin: unit.name, error: unit.error });
    runner.refresh();
  }
}

function* nothing(): Steps<void> {}
