/**
 * One trial of a plugin: a host of its own, what was registered before the plugin came, and waiting that always ends.
 *
 * Invariant: a trial ends in bounded real time, whatever the plugin waits for: a clock that nobody moves is moved on until
 * the kernel's time limits end the wait.
 */
import type { PluginDefinition, PluginReport } from '../../../kernel/plugins/types.ts';
import { GlyphError } from '../../../kernel/errors.ts';
import { createHostClock } from '../host-clock.ts';
import type { StandIns } from '../providers.ts';
import { providersFor } from '../providers.ts';
import { openTestHost, turns } from '../test-host.ts';
import type { KernelTestHost } from '../test-host.ts';
import { census, surplus } from './census.ts';
import type { Census } from './census.ts';
import type { PluginContractOptions } from './types.ts';

/** The plugin under test, and what it is run with. */
export interface Subject {
  readonly definition: PluginDefinition;
  readonly config: unknown;
  readonly services: StandIns;
  readonly rounds: number;
  readonly db: string;
  readonly schema: string | undefined;
  readonly exercise: PluginContractOptions['exercise'];
  /** What was found to hang: nobody waits for it in real time again. */
  readonly hangs: Set<string>;
}

/** Turns of the event loop that a phase may take before the clock is moved on. */
const PATIENCE = 20;
/** By which the clock is moved for each pause, in ms, and how long one is in real time. */
const STEP_MS = 25;
const PAUSE_MS = 2;
/** The same when something is known to hang: nobody has to be given time. */
const HURRIED_STEP_MS = 500;
/** More than any phase is given by the kernel, several in a row included. */
const MOST_STEPS = 2_000;

export class Trial {
  readonly subject: Subject;
  readonly host: KernelTestHost;
  /** Whether the clock need not wait for anybody: the plugin is made to hang, or was found to. */
  hurried = false;
  readonly #clock = createHostClock(Date.UTC(2026, 0, 1));
  /** For what it requires; the optional ones come when a check wants them. */
  readonly #standIns: StandIns;
  #before: Census = new Map();

  /** Opens a host for a plugin, runs `fn`, and closes the host. */
  static async run<T>(subject: Subject, fn: (trial: Trial) => Promise<T>): Promise<T> {
    const trial = new Trial(subject);
    try {
      await trial.#prepare();
      return await fn(trial);
    } finally {
      await trial.wait(trial.host.close(), 'closing the host').catch(() => undefined);
    }
  }

  private constructor(subject: Subject) {
    this.subject = subject;
    const { db, schema, services, definition } = subject;
    const required = Object.entries(services).filter(([name]) => definition.requires?.[name] !== undefined);
    this.#standIns = Object.fromEntries(required);
    this.host = openTestHost({
      db,
      clock: this.#clock,
      services: this.#standIns,
      ...(schema === undefined ? {} : { schema }),
    });
  }

  /** Loads the plugin, or a version of it, and waits until its activation has ended, well or not. */
  async load(definition: PluginDefinition = this.subject.definition): Promise<PluginReport> {
    this.host.begin(definition, this.subject.config);
    await this.wait(this.host.plugins.ready(), 'activate');
    return this.host.plugins.get(definition.name) as PluginReport;
  }

  /** Loads the plugin and puts it to use; what keeps it from being active is thrown. */
  async start(definition: PluginDefinition = this.subject.definition): Promise<PluginReport> {
    const report = await this.load(definition);
    const why = this.whyNot(report);
    if (why !== undefined) throw report.error ?? new GlyphError('GC_NO_SERVICE', why);
    await this.exercise();
    return report;
  }

  /** Why a loaded plugin is not active, in sentences; undefined when it is. */
  whyNot({ id, state, error }: PluginReport): string | undefined {
    if (state === 'active') return undefined;
    return error?.message ?? this.host.plugins.why(id).join(' ');
  }

  /** Has the plugin do what its author says it should be doing during the checks. */
  async exercise(): Promise<void> {
    const { exercise } = this.subject;
    if (exercise === undefined) return;
    await this.wait(Promise.resolve(exercise(this.host)), 'exercise');
    await this.wait(this.host.settled(), 'what follows from exercise');
  }

  /** Reloads the plugin, and puts it to use again. */
  async reload(): Promise<void> {
    await this.wait(this.host.plugins.reload(this.subject.definition.name), 'reload');
    await this.exercise();
  }

  async stop(): Promise<readonly Error[]> {
    return this.wait(this.host.unload(this.subject.definition.name), 'deactivate');
  }

  /** What is registered now beyond what was before the plugin came, in sentences. */
  async left(when: string): Promise<readonly string[]> {
    return surplus(this.#before, await census(this.host, this.subject.definition.name), when);
  }

  /** What was logged as an error so far, in sentences. */
  errors(): readonly string[] {
    return this.host.logs.filter(({ level }) => level === 'error').map(({ message }) => `it logged: ${message}`);
  }

  /** Awaits a promise; moves the clock on when it does not settle by itself. @throws what it rejects with, GC_PLUGIN_TIMEOUT */
  async wait<T>(promise: Promise<T>, what: string): Promise<T> {
    const over = new AbortController();
    const done = (): void => over.abort();
    promise.then(done, done);
    const { signal } = over;
    const { logs } = this.host;
    const logged = logs.length;
    for (let turn = 0; turn < PATIENCE && !signal.aborted; turn++) await turns();
    for (let step = 0; step < MOST_STEPS && !signal.aborted; step++) {
      const hurried = this.hurried || this.subject.hangs.has(what);
      if (!hurried) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      await this.#clock.advance(hurried ? HURRIED_STEP_MS : STEP_MS, turns);
    }
    const timedOut = logs.slice(logged).some(({ fields }) => isTimeout(fields['error']));
    if (timedOut && !this.hurried) this.subject.hangs.add(what);
    if (signal.aborted) return promise;
    throw new GlyphError('GC_PLUGIN_TIMEOUT', `${what} has not ended, and the kernel's time limits did not end it`);
  }

  async #prepare(): Promise<void> {
    const { plugins } = this.host;
    plugins.loadAll(providersFor(this.subject.definition, this.#standIns, () => false));
    await this.wait(plugins.ready(), 'loading what it requires');
    this.#before = await census(this.host, this.subject.definition.name);
  }
}

const isTimeout = (error: unknown): boolean => error instanceof GlyphError && error.code === 'GC_PLUGIN_TIMEOUT';

/** A copy of a definition in which some phases are others; `this` in the original's own stays the original. */
export function variant(
  definition: PluginDefinition,
  phases: Partial<Pick<PluginDefinition, 'activate' | 'deactivate'>>,
): PluginDefinition {
  const { activate, deactivate } = phases;
  return Object.create(definition, {
    activate: { value: activate ?? ((ctx: never) => definition.activate(ctx)) },
    deactivate: { value: deactivate ?? ((ctx: never) => definition.deactivate?.(ctx)) },
  }) as PluginDefinition;
}
