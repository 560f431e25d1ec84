/**
 * One trial of a plugin: a host of its own, what was registered before the plugin came, and waiting that always ends.
 *
 * Invariant: a trial ends in bounded real time, whatever the plugin waits for: a clock that nobody moves is moved on until
 * the kernel's time limits end the wait.
 */
import type { PluginDefinition, PluginReport, Versions } from '../../../kernel/plugins/types.ts';
import { GlyphError } from '../../../kernel/errors.ts';
import { isTimeout } from '../../../kernel/time-limit.ts';
import { createHostClock } from '../host-clock.ts';
import type { StandIns } from '../providers.ts';
import { likelyService, providersFor } from '../providers.ts';
import { openTestHost, turns } from '../test-host.ts';
import type { KernelTestHost } from '../test-host.ts';
import { thrownAt } from './call-site.ts';
import { census, surplus, surplusText } from './census.ts';
import type { Census, Surplus } from './census.ts';
import { ofError, textOf } from './findings.ts';
import type { Finding } from './findings.ts';
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
  /** What the checks made so far have found out that matters to the next ones. */
  readonly known: Known;
}

interface Known {
  /** Why nothing that needs the plugin active can be checked. */
  idle?: string;
  /** It becomes active with its optional services only. */
  needsOptional?: true;
  /** Why it did not start again after its first time. */
  again?: Finding;
}

/** A plugin that has been active before and is not now. */
export class NotStarted extends Error {
  readonly finding: Finding;

  constructor(finding: Finding) {
    super(textOf(finding));
    this.finding = finding;
  }
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
  /** The services that are there when the plugin comes. */
  readonly #wanted: Versions;
  readonly #standIns: StandIns;
  #before: Census = new Map();

  /** Opens a host for a plugin, with its optional services if they are wanted, runs `fn`, and closes the host. */
  static async run<T>(
    subject: Subject,
    fn: (trial: Trial) => Promise<T>,
    wants: 'required' | 'optional too' = 'required',
  ): Promise<T> {
    const { requires, optional } = subject.definition;
    const trial = new Trial(subject, { ...(wants === 'required' ? {} : optional), ...requires });
    try {
      await trial.#prepare();
      return await fn(trial);
    } finally {
      await trial.wait(trial.host.close(), 'closing the host').catch(() => undefined);
    }
  }

  private constructor(subject: Subject, wanted: Versions) {
    this.subject = subject;
    this.#wanted = wanted;
    const { db, schema, services } = subject;
    this.#standIns = Object.fromEntries(Object.entries(services).filter(([name]) => name in wanted));
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

  /** Loads the plugin and puts it to use. @throws NotStarted with what keeps it from being active */
  async start(definition: PluginDefinition = this.subject.definition): Promise<PluginReport> {
    const report = await this.load(definition);
    const why = this.whyNot(report);
    if (why !== undefined) throw new NotStarted(why);
    await this.exercise();
    return report;
  }

  /** Why a loaded plugin is not active; undefined when it is. */
  whyNot({ id, state, error }: PluginReport): Finding | undefined {
    if (state === 'active') return undefined;
    if (error !== undefined) return ofError(error);
    const why = this.host.plugins.why(id).join(' ');
    const meant = why.includes('did you mean') ? '' : misspelt(this.subject.definition.requires);
    return { text: `${why}${meant}`, cause: why };
  }

  /** The service that a plugin which is not active has asked for in vain, where its error tells. */
  lackedService({ error }: PluginReport): string | undefined {
    const { cause } = error ?? {};
    if (!(cause instanceof GlyphError) || cause.code !== 'GC_NO_SERVICE') return undefined;
    return Object.keys(this.subject.definition.optional ?? {}).find((name) => cause.message.includes(`'${name}'`));
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

  /** What is registered now beyond what was before the plugin came. */
  async extra(): Promise<readonly Surplus[]> {
    return surplus(this.#before, await census(this.host, this.subject.definition.name));
  }

  /** The same as findings; `when` ends their sentences: `after it had stopped`. */
  async left(when: string): Promise<readonly Finding[]> {
    return (await this.extra()).map((one) => ({
      text: `${surplusText(one)} ${one.more === 1 ? 'is' : 'are'} left ${when}`,
      cause: leftCause(one),
    }));
  }

  /** What was logged as an error so far. */
  errors(): readonly Finding[] {
    const errors = this.host.logs.filter(({ level }) => level === 'error');
    return errors.map(({ message, fields }) => ({
      text: `it logged: ${message}${thrownAt(fields['error'])}`,
      cause: message,
    }));
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
    const asking = { ...this.subject.definition, requires: this.#wanted, optional: {} };
    plugins.loadAll(providersFor(asking, this.#standIns, () => false));
    await this.wait(plugins.ready(), 'loading what it requires');
    this.#before = await census(this.host, this.subject.definition.name);
  }
}

/** What is left over has one cause, whenever that is seen. */
export const leftCause = ({ what }: Surplus): string => `left: ${what}`;

/** ` Did you mean 'capsule'?` of a required service that a built-in plugin has under a name much like it. */
function misspelt(requires: Versions = {}): string {
  const meant = Object.keys(requires).flatMap((service) => likelyService(service) ?? []);
  return meant.length === 0 ? '' : ` Did you mean ${meant.map((name) => `'${name}'`).join(', ')}?`;
}

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
