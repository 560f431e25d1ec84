/**
 * What a plugin is and what it is given: the contract between the kernel and every plugin, built-in or not.
 *
 * Invariant: everything a plugin registers through its context belongs to the context's scope and is gone when the
 * scope closes.
 */
import type { Clock } from '../clock.ts';
import type { Database } from '../database/types.ts';
import type { KernelHooks } from '../hooks.ts';
import type { Logger } from '../logger.ts';
import type { PluginCommands } from './commands.ts';
import type { EventName, EventPayload, Services, Undeclared } from './catalogue.ts';
import type { RowBatch, RowChange, WatchOptions } from './row-changes.ts';

export type { Reset, RowBatch, RowChange, WatchOptions } from './row-changes.ts';

/** A JSON Schema, as ajv takes it. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** Service name → semver version (in `provides`) or semver range (in `requires` and `optional`). */
export type Versions = Readonly<Record<string, string>>;

/** `PluginDefinition<never>` stands for a plugin with any options: it must take any state as well. */
type AnyState<Config> = [Config] extends [never] ? never : unknown;

/**
 * A plugin. Write one with `definePlugin` from `glyphcase/sdk`, which infers the config type.
 *
 * `activate` may be synchronous; a plugin whose `activate` returns nothing is active as soon as the call returns.
 */
export interface PluginDefinition<Config = unknown, State = AnyState<Config>> {
  readonly name: string;
  /** Semver version of the plugin. */
  readonly version: string;
  /** Semver range of the GlyphCase versions it runs on. */
  readonly glyphcase?: string;
  /** Services it cannot run without: name → semver range. */
  readonly requires?: Versions;
  /** Services it uses when they are there: name → semver range. */
  readonly optional?: Versions;
  /** Services it offers: name → semver version. */
  readonly provides?: Versions;
  /** JSON Schema of its options; defaults are applied before `activate`. */
  readonly config?: JsonSchema;
  /** Commands it adds to `glyphcase`, by their names. */
  readonly commands?: PluginCommands<Config>;
  /**
   * How a running instance is replaced. `swap`, the default: the new one is activated beside the old one, and takes over
   * without a gap when it is ready. `restart`, for what cannot exist twice (a port, a lock, a cursor): the old one stops
   * first, and is started again if the new one fails.
   */
  readonly reload?: 'swap' | 'restart';
  /**
   * What becomes of the host when the plugin is not active once everything has started: `continue`, the default, or `abort`,
   * then `db.ready` rejects and the host closes.
   */
  readonly onFailure?: 'continue' | 'abort';
  activate(ctx: PluginContext<Config, State>): void | Promise<void>;
  /** Only for what the scope cannot undo; everything registered through `ctx` is undone without it. */
  deactivate?(ctx: PluginContext<Config, State>): void | Promise<void>;
  /**
   * What the successor of this instance finds in `ctx.state`, live objects included: it never leaves the process. Called on
   * an active instance that is about to be replaced, or stopped because what it requires is being replaced. It must be
   * synchronous and change nothing: when the new instance fails, this one goes on.
   */
  snapshot?(ctx: PluginContext<Config, State>): unknown;
}

/** Takes back a registration; idempotent. */
export type Disposer = () => void;

/** A duration in milliseconds, or as text: `500ms`, `10s`, `5m`, `1h`, `7d`. */
export type Duration = number | string;

/** Owner of registrations. Closing goes children first, then disposers in reverse order; a closed scope owns nothing. */
export interface Scope {
  readonly label: string;
  readonly closed: boolean;
  /** Aborted when the scope begins to close. */
  readonly signal: AbortSignal;
  /**
   * Runs `fn` when the scope closes. Returns a disposer that runs it now, and reports what fails to the log.
   * On a closed scope `fn` runs at once, with a warning.
   */
  defer(fn: () => void | Promise<void>, label?: string): Disposer;
  /** A scope that closes with this one, or earlier. */
  child(label: string): Scope;
  /**
   * Closes children, then disposers, each last registered first and within its time limit. Never rejects; resolves to
   * what failed. What can be undone synchronously is undone before it returns, up to the first disposer that takes time.
   */
  close(): Promise<readonly Error[]>;
  /** Labels of what it owns now, children nested. */
  inspect(): ScopeReport;
}

export interface ScopeReport {
  readonly label: string;
  readonly owned: readonly string[];
  readonly children: readonly ScopeReport[];
}

/** The event bus: named channels, synchronous listeners, each isolated from the others' errors. */
export interface Bus {
  /** Registers a listener; the same function may be registered more than once. */
  on<Name extends EventName, Payload = unknown>(
    channel: Name,
    listener: (payload: EventPayload<Name, Payload>) => unknown,
  ): Disposer;
  /** Calls every listener that was registered when the call began; a throwing one is reported and skipped. Returns how many were called. */
  emit<Name extends EventName>(channel: Name, payload: EventPayload<Name>): number;
  /** Number of listeners on a channel. */
  count(channel: string): number;
}

/**
 * What a plugin is given in `activate`.
 *
 * Dead once the plugin is unloaded. From the moment its scope begins to close, calls that register something throw
 * `GC_SCOPE_CLOSED`; once it has closed, so do `emit` and `use`. Two calls always work, because code that is being torn
 * down needs them: `defer`, which then runs its function at once, and `log`.
 *
 * During a reload by `swap` the new instance's listeners, taps, intervals, `onService` callbacks and services are held
 * back and go live in one step with the old one's going, so that no event reaches both. One-shot timeouts run.
 */
export interface PluginContext<Config = unknown, State = AnyState<Config>> {
  readonly name: string;
  readonly config: Config;
  /**
   * What the `snapshot` of the instance before this one returned; undefined when there was none. Read it in `activate`: it
   * is let go as soon as the plugin is active, so that what an instance left behind can be freed.
   */
  readonly state: State | undefined;
  readonly scope: Scope;
  /** Aborted when the plugin begins to stop, before its `deactivate`, which can so wait for what watches the signal. */
  readonly signal: AbortSignal;
  /** The host's logger; every entry carries the field `plugin`. */
  readonly log: Logger;
  /** The host's clock; timers made on it belong to this plugin. What a timer throws is logged, not fatal. */
  readonly clock: Clock;
  readonly db: Database;
  /** The kernel's hooks; taps belong to this plugin. */
  readonly hooks: KernelHooks;
  /**
   * Listens to an event. What the payload is, {@link Events} says; of an event that is not in it, the listener says it
   * itself, and it is `unknown` otherwise.
   * @throws GC_BAD_ARGUMENT
   */
  on<Name extends EventName, Payload = unknown>(
    channel: Name,
    listener: (payload: EventPayload<Name, Payload>) => unknown,
  ): Disposer;
  /** Tells all who listen to an event, at once. Returns how many they were. */
  emit<Name extends EventName>(channel: Name, payload: EventPayload<Name>): number;
  /**
   * A service named in `requires` or `optional`. Valid until the plugin unloads; of an optional one, which may go
   * earlier, prefer {@link onService}. Services in {@link Services} are typed by it; of any other say the type yourself.
   * @throws GC_NO_SERVICE when it is absent, GC_BAD_PLUGIN when it is not declared.
   */
  use<Name extends keyof Services>(name: Name): Services[Name];
  use<Service>(name: string): Service;
  /** Calls `fn` now if the service is there, and whenever it comes; the disposer it returns runs when the service goes. */
  onService<Name extends keyof Services>(name: Name, fn: (service: Services[Name]) => void | Disposer): Disposer;
  onService<Service, Name extends string = string>(
    name: Name & Undeclared<Name>,
    fn: (service: Service) => void | Disposer,
  ): Disposer;
  /** Offers a service named in `provides`; others get it as soon as this plugin is active. */
  provide<Name extends keyof Services>(name: Name, service: Services[Name]): void;
  provide<Service, Name extends string = string>(name: Name & Undeclared<Name>, service: Service): void;
  /** The plugins of the host, this one included, as they are now; the event `plugin:state` tells what becomes of them. */
  readonly plugins: PluginsView;
  /** Runs `fn` again and again. What it throws is logged, and it runs again. */
  every(interval: Duration, fn: () => void): Disposer;
  /** Runs `fn` once. */
  timeout(delay: Duration, fn: () => void): Disposer;
  /**
   * Calls `handler` with the changes of a table, or of the result of a SELECT, a transaction's at a time. On a table it goes
   * on where it stopped when the plugin or the capsule is reloaded; with a `name` also when the host is started again.
   * Needs the service `capsule` in `requires` or `optional`, for a query the service `live`.
   * @throws GC_BAD_PLUGIN, GC_BAD_ARGUMENT, GC_BAD_OPTION, GC_NO_SUCH_TABLE, GC_BAD_FILTER, GC_SQL and their kin
   */
  watch<Row = Record<string, unknown>>(
    tableOrQuery: string,
    handler: (events: RowChange<Row>[], batch: RowBatch) => unknown,
    options?: WatchOptions,
  ): Disposer;
  /**
   * Answers HTTP requests that the host passes to `db.handle()`. Paths: `/metrics`, `/orders/:id`, `/files/*`; the most
   * particular that fits answers.
   * @throws GC_BAD_ARGUMENT, GC_BAD_PLUGIN when another plugin has the route
   */
  route(method: string, path: string, handler: RouteHandler): Disposer;
  defer(fn: () => void | Promise<void>, label?: string): Disposer;
  child(label: string): Scope;
}

/** What a plugin sees of the others: it can look, and change nothing. */
export interface PluginsView {
  /** State, reasons and timings of every plugin, in the order in which they were loaded. */
  list(): readonly PluginReport[];
  /** The same of one; undefined when none of this name is loaded. */
  get(name: string): PluginReport | undefined;
  /** Why it is in its state, in sentences. @throws GC_NO_SUCH_PLUGIN */
  why(name: string): readonly string[];
}

/** Values of a route's parameters, by their names; what `*` stands for under `*`. */
export type RouteParams = Readonly<Record<string, string>>;

/** What it throws is logged; the client sees no more than the status 500. */
export type RouteHandler = (request: Request, params: RouteParams) => Response | Promise<Response>;

/** Where a plugin or a skill stands. `waiting` … `disabled` are side states, the others follow each other. */
export type UnitState =
  | 'discovered'
  | 'resolved'
  | 'activating'
  | 'active'
  | 'draining'
  | 'deactivating'
  | 'waiting'
  | 'incompatible'
  | 'failed'
  | 'quarantined'
  | 'disabled';

/** A version that was taken back because it failed soon after a reload. */
export interface Rollback {
  /** The version that failed. */
  readonly version: string;
  /** Why, in a sentence. */
  readonly reason: string;
  /** Unix epoch in ms. */
  readonly at: number;
}

/** What whoever loads plugins from files has measured, in ms. */
export interface LoadTimings {
  readonly loadedInMs?: number;
  readonly evaluatedInMs?: number;
}

/** One line of `plugins.list()`. Timings are milliseconds. */
export interface PluginReport {
  readonly id: string;
  readonly version: string;
  readonly state: UnitState;
  /** Why it is not active, in sentences; empty when it is. */
  readonly reasons: readonly string[];
  readonly error?: Error;
  /** When a failed one is tried again, Unix epoch in ms. */
  readonly retryAt?: number;
  /** Until when the version that runs can still be taken back, Unix epoch in ms. */
  readonly probationUntil?: number;
  /** The version that was taken back, until the next reload. */
  readonly rolledBack?: Rollback;
  readonly provides: Versions;
  readonly requires: Versions;
  /** How long reading it (and compiling it, where that was needed) took, for one that comes from a file. */
  readonly loadedInMs?: number;
  /** How long its module took to evaluate, for one that comes from a file. */
  readonly evaluatedInMs?: number;
  readonly activatedInMs?: number;
  readonly owns: ScopeReport;
}
