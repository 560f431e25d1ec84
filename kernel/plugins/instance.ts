/**
 * One life of a plugin: its scope, its context, and what it has registered and offered.
 *
 * Invariants:
 * - `mute()` is synchronous: when it returns, no event, tap, tick or service call can find the instance any more.
 * - After `close()` nothing is registered under the instance's name; `close()` checks that and reports what is.
 */
import type { KernelBus } from '../bus.ts';
import type { Clock } from '../clock.ts';
import type { Database } from '../database/types.ts';
import { formatDuration } from '../durations.ts';
import { GlyphError, messageOf } from '../errors.ts';
import { tapsOf } from '../hooks.ts';
import type { KernelHooks } from '../hooks.ts';
import type { Logger } from '../logger.ts';
import type { AbandonedList } from './abandoned.ts';
import { createContext } from './context.ts';
import { safeClock } from './timers.ts';
import type { Disposer, PluginDefinition, PluginsView, Scope } from './types.ts';
import { failure } from './failure.ts';
import { createScope } from './scope.ts';
import { Span } from './timings.ts';
import type { TimingNode } from './timings.ts';
import type { Parking } from './parking.ts';
import { sayIfSlow } from './patience.ts';
import type { Routes } from './routes.ts';
import type { Services } from './services.ts';
import { runSteps, waitFor } from './steps.ts';
import type { Steps } from './steps.ts';
import { isThenable, withTimeLimit } from '../time-limit.ts';

/** Time limits in ms. */
export interface PluginLimits {
  readonly activate: number;
  readonly deactivate: number;
  readonly dispose: number;
}

/** What every instance of a host shares. */
export interface InstanceHost {
  readonly bus: KernelBus;
  readonly hooks: KernelHooks;
  readonly services: Services;
  readonly abandoned: AbandonedList;
  readonly routes: Routes;
  readonly plugins: PluginsView;
  readonly db: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: PluginLimits;
  /** Called when a plugin that is active already provides a service. */
  providedLate(service: string): void;
  /** Told of everything that an instance registered and that has thrown. */
  faulted(owner: string, what: string, error: unknown): void;
}

export interface PluginInstance {
  readonly definition: PluginDefinition;
  /** `name#generation`, unique among all instances of the host. */
  readonly owner: string;
  readonly scope: Scope;
  /** Services it asked for in vain. */
  readonly missed: ReadonlySet<string>;
  /** Services it follows by `onService`. */
  readonly followed: ReadonlySet<string>;
  /** Services it is ready to offer: name → object. */
  readonly offered: ReadonlyMap<string, unknown>;
  /** How long the scopes took that its `activate` opened; empty until it is live. */
  readonly timings: readonly TimingNode[];
  /** Runs the plugin's `activate`; returns undefined when it was synchronous. */
  activate(): Promise<void> | undefined;
  /** Makes the registrations that were held back, and publishes what it offers. */
  goLive(): void;
  /** Takes back everything others could reach it by. */
  mute(): void;
  /** Runs the plugin's `deactivate`. */
  deactivate(): void | Promise<void>;
  /** What its successor is to be given. What it throws is logged, and there is no state then. */
  snapshot(): unknown;
  /** Closes the scope; afterwards the context is dead. Comes to what failed, at once when nothing takes time. */
  close(): readonly Error[] | Promise<readonly Error[]>;
}

/** What one instance is made of. */
export interface InstanceParts {
  readonly definition: PluginDefinition;
  readonly config: unknown;
  readonly generation: number;
  /** Its registrations wait for {@link PluginInstance.goLive}. */
  readonly held: boolean;
  /** What the instance before it left behind. */
  readonly state: unknown;
  /** What the instance before it has watched. */
  readonly parking: Parking;
}

/** Makes an instance that is not active yet. */
export function createInstance(host: InstanceHost, parts: InstanceParts): PluginInstance {
  const { definition, config, generation, held } = parts;
  const { name } = definition;
  const { bus, hooks, services, clock, limits } = host;
  const owner = `${name}#${generation}`;
  const log = withFields(host.logger, { plugin: name });
  const giveUp = (work: string, promise: PromiseLike<unknown>): void => host.abandoned.add(name, owner, work, promise);
  const scope = createScope(name, {
    clock,
    logger: log,
    disposeLimit: limits.dispose,
    plugin: name,
    abandoned: (label, promise) => giveUp(`dispose '${label}'`, promise),
  });
  // A child, so that it closes first: nothing may call a plugin whose resources are being released.
  const registrations = scope.child('registrations');
  const offered = new Map<string, unknown>();
  const missed = new Set<string>();
  const followed = new Set<string>();
  let waiting: (() => void)[] | undefined = held ? [] : undefined;
  let { state } = parts;
  let timings: readonly TimingNode[] = [];
  let span: Span | undefined;
  let live = false;
  let dead = false;
  /** Phases whose promise has not settled. */
  const unsettled = new Map<string, PromiseLike<unknown>>();
  let notice: Disposer | undefined;

  function closedError(call: string): GlyphError {
    return new GlyphError('GC_SCOPE_CLOSED', `plugin '${name}' was unloaded; its ${call} is no longer possible`, {
      plugin: name,
    });
  }

  function fault(error: unknown, what: string): void {
    log.error(`plugin '${name}': ${what} failed: ${messageOf(error)}`, { error });
    host.faulted(owner, what, error);
  }

  function register(label: string, make: () => Disposer, when: 'now' | 'live' = 'live'): Disposer {
    if (registrations.closed) throw closedError(label);
    let undo: Disposer | undefined;
    let gone = false;
    const off = registrations.defer(() => {
      gone = true;
      undo?.();
    }, label);
    const run = (): void => {
      if (!gone) undo = make();
    };
    try {
      if (when === 'now' || waiting === undefined) run();
      else waiting.push(run);
    } catch (error) {
      off();
      throw error;
    }
    return off;
  }

  function publish(service: string, object: unknown): void {
    const version = definition.provides?.[service] as string;
    const entry = { name: service, version, provider: name, service: object };
    register(`service ${service}`, () => services.publish(entry), 'now');
  }

  function offer(service: string, object: unknown): void {
    const declared = Object.keys(definition.provides ?? {});
    if (!declared.includes(service)) {
      throw new GlyphError('GC_BAD_PLUGIN', `plugin '${name}' provides '${service}' without declaring it`, {
        plugin: name,
        hint: `Add provides: { '${service}': '1.0.0' } to the definition.`,
      });
    }
    if (object === undefined || object === null || offered.has(service)) {
      const what = offered.has(service) ? 'twice' : `as ${String(object)}`;
      throw new GlyphError('GC_BAD_PLUGIN', `plugin '${name}' provides '${service}' ${what}`, { plugin: name });
    }
    if (live) publish(service, object);
    offered.set(service, object);
    if (live) host.providedLate(service);
  }

  const context = createContext({
    definition,
    config,
    state: () => state,
    owner,
    scope,
    registrations,
    bus,
    hooks,
    services,
    db: host.db,
    log,
    clock: safeClock(clock, fault),
    register,
    assertAlive(call) {
      if (dead) throw closedError(call);
    },
    offer(service, object) {
      if (registrations.closed) throw closedError('provide');
      offer(service, object);
    },
    missed: (service) => void missed.add(service),
    followed: (service) => void followed.add(service),
    fault,
    faulted: (what, error) => host.faulted(owner, what, error),
    routes: host.routes,
    plugins: host.plugins,
    parking: parts.parking,
  });

  function phase(which: 'activate' | 'deactivate'): void | Promise<void> {
    const limit = {
      ms: limits[which],
      clock,
      what: `plugin '${name}': ${which}`,
      details: { plugin: name, phase: which },
    };
    return withTimeLimit(() => {
      const result = definition[which]?.(context);
      if (!isThenable(result)) return undefined;
      const settled = (): void => void unsettled.delete(which);
      unsettled.set(which, result);
      const waiting = `plugin '${name}': still waiting for ${which}, which is given up after ${formatDuration(limit.ms)}`;
      notice = sayIfSlow(result, limit.ms, clock, () => log.info(waiting, { phase: which }));
      result.then(settled, settled);
      return result;
    }, limit);
  }

  /** A reload goes on without a state that cannot be had: else the version that mends `snapshot` could never be loaded. */
  function snapshot(): unknown {
    try {
      const taken: unknown = definition.snapshot?.(context);
      if (!isThenable(taken)) return taken;
      taken.then(undefined, () => undefined);
      throw new GlyphError('GC_BAD_PLUGIN', 'it returned a promise; a snapshot is taken at once or not at all');
    } catch (cause) {
      const error = failure(name, 'snapshot', cause);
      log.warn(`${error.message}; its successor starts without state`, { phase: 'snapshot', error });
      return undefined;
    }
  }

  function* close(): Steps<readonly Error[]> {
    for (const [which, work] of unsettled) giveUp(which, work);
    notice?.();
    const errors = yield* waitFor(scope.closeNow());
    dead = true;
    return [...errors, ...leaks(host, owner)];
  }

  return {
    definition,
    owner,
    scope,
    missed,
    followed,
    offered,
    get timings() {
      return timings;
    },
    activate() {
      span = new Span('activate', clock);
      scope.measure(span);
      return phase('activate') as Promise<void> | undefined;
    },
    goLive() {
      timings = span?.end().children ?? [];
      for (const [service, object] of offered) publish(service, object);
      live = true;
      state = undefined;
      const due = waiting ?? [];
      waiting = undefined;
      for (const run of due) {
        try {
          run();
        } catch (error) {
          fault(error, 'a registration');
        }
      }
    },
    mute() {
      void registrations
        .close()
        .then((errors) => errors.forEach((error) => fault(error, 'taking back a registration')));
    },
    deactivate: () => phase('deactivate'),
    snapshot,
    close: () => runSteps(close()),
  };
}

/** What is still registered under an owner whose scope has closed. Always empty, unless the kernel has a defect. */
function leaks({ bus, hooks }: InstanceHost, owner: string): Error[] {
  const taps = tapsOf(hooks, owner);
  const listeners = bus.countOf(owner);
  if (taps + listeners === 0) return [];
  const message = `${owner} was closed but still has ${listeners} listeners and ${taps} taps`;
  return [new GlyphError('GC_INTERNAL', message)];
}

function withFields(logger: Logger, fields: Readonly<Record<string, unknown>>): Logger {
  return {
    debug: (message, more) => logger.debug(message, { ...fields, ...more }),
    info: (message, more) => logger.info(message, { ...fields, ...more }),
    warn: (message, more) => logger.warn(message, { ...fields, ...more }),
    error: (message, more) => logger.error(message, { ...fields, ...more }),
  };
}
