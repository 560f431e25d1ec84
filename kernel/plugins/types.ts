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

/** A JSON Schema, as ajv takes it. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** Service name → semver version (in `provides`) or semver range (in `requires` and `optional`). */
export type Versions = Readonly<Record<string, string>>;

/**
 * A plugin. Write one with `definePlugin` from `glyphcase/sdk`, which infers the config type.
 *
 * `activate` may be synchronous; a plugin whose `activate` returns nothing is active as soon as the call returns.
 */
export interface PluginDefinition<Config = unknown> {
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
  /**
   * How a running instance is replaced. `swap`, the default: the new one is activated beside the old one, and takes over
   * without a gap when it is ready. `restart`, for what cannot exist twice (a port, a lock, a cursor): the old one stops
   * first, and is started again if the new one fails.
   */
  readonly reload?: 'swap' | 'restart';
  activate(ctx: PluginContext<Config>): void | Promise<void>;
  /** Only for what the scope cannot undo; everything registered through `ctx` is undone without it. */
  deactivate?(ctx: PluginContext<Config>): void | Promise<void>;
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
  on(channel: string, listener: (payload: never) => unknown): Disposer;
  /** Calls every listener that was registered when the call began; a throwing one is reported and skipped. Returns how many were called. */
  emit(channel: string, payload: unknown): number;
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
export interface PluginContext<Config = unknown> {
  readonly name: string;
  readonly config: Config;
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
  on(channel: string, listener: (payload: never) => unknown): Disposer;
  emit(channel: string, payload: unknown): number;
  /**
   * A service named in `requires` or `optional`. Valid until the plugin unloads; of an optional one, which may go
   * earlier, prefer {@link onService}.
   * @throws GC_NO_SERVICE when it is absent, GC_BAD_PLUGIN when it is not declared.
   */
  use<Service>(name: string): Service;
  /** Calls `fn` now if the service is there, and whenever it comes; the disposer it returns runs when the service goes. */
  onService<Service>(name: string, fn: (service: Service) => void | Disposer): Disposer;
  /** Offers a service named in `provides`; others get it as soon as this plugin is active. */
  provide<Service>(name: string, service: Service): void;
  /** Runs `fn` again and again. What it throws is logged, and it runs again. */
  every(interval: Duration, fn: () => void): Disposer;
  /** Runs `fn` once. */
  timeout(delay: Duration, fn: () => void): Disposer;
  defer(fn: () => void | Promise<void>, label?: string): Disposer;
  child(label: string): Scope;
}

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
  readonly provides: Versions;
  readonly requires: Versions;
  readonly activatedInMs?: number;
  readonly owns: ScopeReport;
}
