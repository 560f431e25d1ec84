/**
 * What a plugin host is told and what it offers: its options, limits and members.
 *
 * Invariant: types and defaults only; nothing here runs.
 */
import type { KernelBus } from '../bus.ts';
import type { Clock } from '../clock.ts';
import type { Database } from '../database/types.ts';
import type { GlyphError } from '../errors.ts';
import type { KernelHooks } from '../hooks.ts';
import type { Logger } from '../logger.ts';
import type { PluginLimits } from './instance.ts';
import type { HostInspection } from './report.ts';
import type { FaultLimits } from './supervisor.ts';
import type { Services } from './catalogue.ts';
import type { Disposer, LoadTimings, PluginDefinition, PluginReport } from './types.ts';

/** Limits of a host; what is left out has its default. */
export interface HostLimits extends PluginLimits, FaultLimits {
  /** How often a failed activation is tried again before the plugin is quarantined; 5 by default. */
  readonly retries: number;
}

/** What a host allows unless told otherwise. */
export const DEFAULT_LIMITS: HostLimits = {
  activate: 10_000,
  deactivate: 5_000,
  dispose: 2_000,
  retries: 5,
  probation: 10_000,
  probationErrors: 3,
  errors: 5,
  errorWindow: 60_000,
};

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
  readonly measured?: LoadTimings;
}

export interface PluginHost {
  /**
   * Loads a plugin. It is active when the call returns if its `activate` is synchronous and what it requires is there;
   * otherwise the report says what it waits for, and it becomes active by itself.
   * @throws GC_BAD_PLUGIN for a wrong definition, wrong options, or a name or service that is taken. What `activate`
   * throws is not thrown here: the report has state `failed` and the error.
   */
  load(definition: PluginDefinition, config?: unknown, measured?: LoadTimings): PluginReport;
  /** Loads several, providers first, whatever their order. Nothing is loaded when one of the definitions is wrong. @throws as {@link load} */
  loadAll(entries: readonly (PluginDefinition | PluginEntry)[]): readonly PluginReport[];
  /** Stops a plugin, after all that require it, and forgets it. Resolves to what failed on the way. @throws GC_NO_SUCH_PLUGIN */
  unload(name: string): Promise<readonly Error[]>;
  /**
   * Replaces a plugin by a new definition, or starts it anew. The running version answers until the new one is active,
   * and goes on if the new one fails; see `reload` in {@link PluginDefinition} for how. Options are kept unless given.
   * @throws GC_BAD_PLUGIN, GC_NO_SERVICE, GC_PLUGIN_FAILED, GC_PLUGIN_TIMEOUT; GC_NO_SUCH_PLUGIN
   */
  reload(name: string, definition?: PluginDefinition, config?: unknown, measured?: LoadTimings): Promise<PluginReport>;
  list(): readonly PluginReport[];
  get(name: string): PluginReport | undefined;
  /** Why a plugin is in its state, in sentences. @throws GC_NO_SUCH_PLUGIN */
  why(name: string): readonly string[];
  /** A service, for the host API. @throws GC_NO_SERVICE saying why it is not there. */
  use<Name extends keyof Services>(service: Name, range?: string): Services[Name];
  use<Service>(service: string, range?: string): Service;
  /**
   * For the host API: calls `fn` now if the service is there, and whenever it comes; the disposer it returns runs when the
   * service goes. What `fn` throws is logged. @throws GC_BAD_ARGUMENT, GC_CLOSED
   */
  onService(service: string, fn: (service: never) => void | Disposer, range?: string): Disposer;
  /** Answers an HTTP request from the plugins' routes: 404 when no path fits, 405 when the method does not. @throws GC_CLOSED */
  handle(request: Request): Promise<Response>;
  /**
   * For whoever isolates what plugins registered: tells the host that something of the instance `owner`, such as
   * `metrics#2`, has thrown. What belongs to no plugin is passed over.
   */
  faulted(owner: string, what: string, error: unknown): void;
  /**
   * For whoever runs the process: something of the plugin that nothing guards, such as a timer of its own, has thrown. It is
   * stopped, or taken back when it is on probation. False when it was not running, or is not to blame.
   */
  crashed(name: string, what: string, error: unknown): boolean;
  /** Why the host cannot go on: the plugins with `onFailure: 'abort'` that are not active. To be asked after {@link ready}. */
  aborted(): GlyphError | undefined;
  /** Resolves, when no activation or change is under way, to the state of all plugins. Waits for no retry. */
  ready(): Promise<readonly PluginReport[]>;
  /** Stops all plugins, users before providers. Resolves to what failed. Idempotent. */
  close(): Promise<readonly Error[]>;
  /** States, reasons, edges, timings and registrations as plain JSON. */
  inspect(): HostInspection;
}
