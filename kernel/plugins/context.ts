/**
 * The context a plugin is given: every registration made through it is entered in the plugin's scope.
 *
 * Invariant: nothing registered through a context outlives its scope, and a dead context registers nothing.
 */
import { checkListener } from '../bus.ts';
import type { KernelBus } from '../bus.ts';
import type { Clock } from '../clock.ts';
import type { Database } from '../database/types.ts';
import { formatDuration, parseDuration } from '../durations.ts';
import { GlyphError } from '../errors.ts';
import type { Hook, KernelHooks } from '../hooks.ts';
import type { Logger } from '../logger.ts';
import type { Disposer, PluginContext, PluginDefinition, PluginsView, Scope } from './types.ts';
import type { Parking } from './parking.ts';
import type { Routes } from './routes.ts';
import { followService } from './follow.ts';
import type { ServiceUser } from './follow.ts';
import { inRange } from './services.ts';
import type { ServiceEntry, Services } from './services.ts';
import { watchRows } from './watch.ts';
import type { WatchParts } from './watch.ts';

/** What a context stands on. */
export interface ContextParts {
  readonly definition: PluginDefinition;
  readonly config: unknown;
  /** What the instance before left behind, until this one is active. */
  readonly state: () => unknown;
  /** Name of this instance in the counts of owners: `metrics#2`. */
  readonly owner: string;
  readonly scope: Scope;
  /** Holds what others can reach the plugin by; closes before its `deactivate`. */
  readonly registrations: Scope;
  readonly bus: KernelBus;
  readonly hooks: KernelHooks;
  readonly services: Services;
  readonly db: Database;
  readonly log: Logger;
  /** Reports the faults of timers' functions itself. */
  readonly clock: Clock;
  /** Makes a registration that belongs to the plugin, now or when the instance goes live. @throws GC_SCOPE_CLOSED */
  readonly register: (label: string, make: () => Disposer, when?: 'now' | 'live') => Disposer;
  /** @throws GC_SCOPE_CLOSED when the plugin has been unloaded. */
  assertAlive(call: string): void;
  offer(name: string, service: unknown): void;
  /** Told of a service that was asked for in vain. */
  missed(service: string): void;
  /** Told of a service that is followed. */
  followed(service: string): void;
  fault(error: unknown, what: string): void;
  /** Counts a failure that somebody else reports. */
  readonly faulted: (what: string, error: unknown) => void;
  readonly routes: Routes;
  readonly plugins: PluginsView;
  /** What the instance before has watched. */
  readonly parking: Parking;
}

/** Makes the context of one plugin instance. */
export function createContext(parts: ContextParts): PluginContext {
  const { definition, scope, bus, owner, register } = parts;
  const clock = ownedClock(parts);
  let hooks: KernelHooks | undefined;
  const watchParts: WatchParts = {
    follow(name, fn) {
      const range = rangeOf(definition, name);
      return register(`follow ${name}`, () => followService(parts, name, range, fn), 'now');
    },
    register,
    parking: parts.parking,
    made: new Map(),
    faulted: parts.faulted,
  };

  return {
    name: definition.name,
    config: parts.config,
    get state() {
      return parts.state();
    },
    scope,
    log: parts.log,
    clock,
    db: parts.db,
    get signal() {
      return parts.registrations.signal;
    },
    get hooks() {
      hooks ??= ownedHooks(parts);
      return hooks;
    },
    on(channel, listener) {
      checkListener(channel, listener);
      return register(`on ${channel}`, () => bus.on(channel, listener, owner));
    },
    emit(channel, payload) {
      parts.assertAlive('emit');
      return bus.emit(channel, payload);
    },
    use<Service>(name: string): Service {
      parts.assertAlive('use');
      return find(parts, name).service as Service;
    },
    onService(name: string, fn: (service: never) => void | Disposer) {
      const range = rangeOf(definition, name);
      checkFunction('onService', fn);
      parts.followed(name);
      return register(`onService ${name}`, () => followService(parts, name, range, fn as ServiceUser));
    },
    provide(name: string, service: unknown) {
      parts.assertAlive('provide');
      parts.offer(name, service);
    },
    plugins: parts.plugins,
    every(interval, fn) {
      const ms = parseDuration(interval, 'the interval of every()');
      if (ms < 1) throw new GlyphError('GC_BAD_ARGUMENT', 'the interval of every() is shorter than 1 ms');
      checkFunction('every', fn);
      return register(`every ${formatDuration(ms)}`, () => timerOff(parts.clock.interval(fn, ms)));
    },
    timeout(delay, fn) {
      const ms = parseDuration(delay, 'the delay of timeout()');
      checkFunction('timeout', fn);
      return timerOff(clock.timeout(fn, ms));
    },
    watch(tableOrQuery, handler, options = {}) {
      return watchRows(watchParts, tableOrQuery, handler, options);
    },
    route(method, path, handler) {
      const route = { method, path, handler, plugin: definition.name };
      // Now, though an instance that takes over has to wait for its routes: it is not activated with one it cannot have.
      parts.routes.check(route);
      return register(`route ${method} ${path}`, () => parts.routes.add(route));
    },
    defer: (fn, label) => scope.defer(fn, label),
    child(label) {
      parts.assertAlive('child');
      return scope.child(label);
    },
  };
}

const timerOff =
  (timer: { cancel(): void }): Disposer =>
  () =>
    timer.cancel();

function checkFunction(call: string, fn: unknown): void {
  if (typeof fn !== 'function') throw new GlyphError('GC_BAD_ARGUMENT', `${call}(): ${String(fn)} is not a function`);
}

/** The range a plugin declared for a service it may use. */
function rangeOf(definition: PluginDefinition, name: string): string {
  const range = definition.requires?.[name] ?? definition.optional?.[name];
  if (range !== undefined) return range;
  throw new GlyphError('GC_BAD_PLUGIN', `plugin '${definition.name}' uses the service '${name}' without declaring it`, {
    plugin: definition.name,
    hint: `Add ${name}: '^1.0.0' to \`requires\`, or to \`optional\` if it can do without.`,
  });
}

function find(parts: ContextParts, name: string): ServiceEntry {
  const { definition } = parts;
  const range = rangeOf(definition, name);
  const entry = parts.services.get(name);
  if (entry !== undefined && inRange(entry.version, range)) return entry;
  parts.missed(name);
  const found = entry === undefined ? 'nobody provides it now' : `plugin '${entry.provider}' provides ${entry.version}`;
  throw new GlyphError('GC_NO_SERVICE', `plugin '${definition.name}' needs the service '${name}' ${range}: ${found}`, {
    plugin: definition.name,
  });
}

/** The clock with timers that belong to the plugin; one that has fired is no longer owned. */
function ownedClock(parts: ContextParts): Clock {
  const { clock, register } = parts;
  return {
    now: () => clock.now(),
    timeout(fn, ms) {
      const off = register(
        'timeout',
        () => {
          const timer = clock.timeout(() => {
            off();
            fn();
          }, ms);
          return timerOff(timer);
        },
        'now',
      );
      return { cancel: off };
    },
    interval: (fn, ms) => ({ cancel: register('interval', () => timerOff(clock.interval(fn, ms))) }),
  };
}

/** The kernel's hooks, with taps that carry the plugin's name and belong to it. */
function ownedHooks(parts: ContextParts): KernelHooks {
  const own = <Args extends unknown[], Result>(name: string, hook: Hook<Args, Result>): Hook<Args, Result> => ({
    tap(_name, fn, options) {
      checkFunction(`hooks.${name}.tap`, fn);
      return parts.register(`tap ${name}`, () => hook.tap(parts.owner, fn, options));
    },
    call: (...args) => hook.call(...args),
    get used() {
      return hook.used;
    },
    count: (tap) => hook.count(tap),
  });
  const entries = Object.entries(parts.hooks) as [string, Hook<unknown[], unknown>][];
  return Object.fromEntries(entries.map(([name, hook]) => [name, own(name, hook)])) as unknown as KernelHooks;
}
