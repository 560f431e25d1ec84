/**
 * `Lasting`: what objects hold in place of a plugin's context when they outlive the instance that made them, because a
 * reload hands them on.
 *
 * Invariants: it speaks for the instance that was bound last; timers made on its clock go over to that instance with the
 * time they have left; when an instance goes and no other takes over in the same turn, the plugin's end runs after all.
 */
import type { Clock, Timer } from '../kernel/clock.ts';
import { GlyphError, messageOf } from '../kernel/errors.ts';
import type { EventName, EventPayload } from '../kernel/plugins/catalogue.ts';
import type { PluginContext } from '../kernel/plugins/types.ts';

type Bound<Config> = PluginContext<Config>;

export class Lasting<Config = unknown> {
  /** A service, as the instance bound last would ask for it. */
  readonly use: Bound<Config>['use'] = <Service>(name: string) => this.#ctx.use<Service>(name);
  readonly #clock: MovingClock;
  #ctx: Bound<Config>;
  #kept = false;
  /** Undefined when it has run. */
  #end: (() => void | Promise<void>) | undefined;

  constructor(ctx: Bound<Config>) {
    this.#ctx = ctx;
    this.#clock = new MovingClock(ctx.clock);
  }

  /**
   * From now on everything goes through `ctx`. When its scope closes, `end` runs: at once, or, if a successor is awaited
   * (see {@link keep}), in the next turn, unless that one has been bound by then.
   */
  bind(ctx: Bound<Config>, label: string, end: () => void | Promise<void>): void {
    this.#ctx = ctx;
    this.#kept = false;
    this.#end = end;
    this.#clock.moveTo(ctx.clock);
    ctx.defer(() => {
      if (!this.#kept) return this.endNow();
      ctx.db.outside(() => setImmediate(() => void this.#endUnlessTaken(ctx, label)));
      return undefined;
    }, label);
  }

  /** Whether its end has run: there is nothing left to take over. */
  get ended(): boolean {
    return this.#end === undefined;
  }

  /** Ends what outlives the instances, if that is still to be done: nobody takes it over. */
  endNow(): void | Promise<void> {
    const end = this.#end;
    this.#end = undefined;
    return end?.();
  }

  /** For `snapshot`: the instance bound now is about to go, and another to take over. */
  keep(): void {
    this.#kept = true;
  }

  /** Whether a successor is awaited: nothing is to be given back then. */
  get kept(): boolean {
    return this.#kept;
  }

  /** Its timers stay through a reload. */
  get clock(): Clock {
    return this.#clock;
  }

  get config(): Config {
    return this.#ctx.config;
  }

  get db(): Bound<Config>['db'] {
    return this.#ctx.db;
  }

  get hooks(): Bound<Config>['hooks'] {
    return this.#ctx.hooks;
  }

  get log(): Bound<Config>['log'] {
    return this.#ctx.log;
  }

  get signal(): AbortSignal {
    return this.#ctx.signal;
  }

  /** True when the instance bound last has gone, and none has taken over. */
  get closed(): boolean {
    return this.#ctx.scope.closed;
  }

  /** Tells nobody when it is {@link closed}. */
  emit<Name extends EventName>(channel: Name, payload: EventPayload<Name>): number {
    return this.closed ? 0 : this.#ctx.emit(channel, payload);
  }

  async #endUnlessTaken(ctx: Bound<Config>, label: string): Promise<void> {
    if (this.#ctx !== ctx) return;
    try {
      await this.endNow();
    } catch (error) {
      ctx.log.error(`Ending '${label}', which nobody took over, failed: ${messageOf(error)}`, { error });
    }
  }
}

/** How a plugin's working object is made, taken over and ended. */
export interface HandOver<Config, T> {
  /** Named in the plugin's scope. */
  readonly label: string;
  readonly begin: (lasting: Lasting<Config>) => T;
  /** Whether what the instance before left suits this one; it is ended if not. Everything does, if this is absent. */
  readonly fits?: (left: T, ctx: PluginContext<Config>) => boolean;
  readonly end: (thing: T) => void | Promise<void>;
}

/** What one instance leaves to the next. */
export interface Left<Config, T> {
  readonly by: unknown;
  readonly lasting: Lasting<Config>;
  readonly thing: T;
}

/** The working object of a plugin, handed from instance to instance. */
export interface Handed<Config, T> {
  /** In `activate`: what the instance before left, or a new one; it belongs to this instance from now on. */
  take(ctx: PluginContext<Config>): T;
  /** Ends what was left and does not suit, before a new one is made. Undefined when there is nothing to wait for. */
  clear(ctx: PluginContext<Config>): Promise<void> | undefined;
  /** The plugin's `snapshot`. */
  readonly snapshot: (ctx: PluginContext<Config>) => Left<Config, T> | undefined;
}

/**
 * For plugins that say `reload: 'restart'` and whose activate and end are synchronous: stop and start are then one step.
 *
 * What another copy of the plugin's code has left is not taken over: the new code would run on objects of the old.
 * @example
 * ```ts
 * const counting = handedOn<Config, Counter>({
 *   label: 'counter',
 *   begin: (lasting) => new Counter(lasting),
 *   end: (counter) => counter.close(),
 * });
 * export default definePlugin<Config>({
 *   name: 'counter', version: '1.0.0', reload: 'restart', provides: { counter: '1.0.0' },
 *   activate: (ctx) => ctx.provide('counter', counting.take(ctx)),
 *   snapshot: counting.snapshot,
 * });
 * ```
 */
export function handedOn<Config, T>({ label, begin, fits, end }: HandOver<Config, T>): Handed<Config, T> {
  const running = new WeakMap<object, Left<Config, T>>();
  const by = {};
  const leftFor = (ctx: PluginContext<Config>): Left<Config, T> | undefined =>
    (ctx as { readonly state: unknown }).state as Left<Config, T> | undefined;
  const isOurs = (left: Left<Config, T>, ctx: PluginContext<Config>): boolean =>
    left.by === by && !left.lasting.ended && fits?.(left.thing, ctx) !== false;
  return {
    clear(ctx) {
      const left = leftFor(ctx);
      return left === undefined || isOurs(left, ctx) ? undefined : Promise.resolve(left.lasting.endNow());
    },
    take(ctx) {
      const before = leftFor(ctx);
      const ours = before !== undefined && isOurs(before, ctx) ? before : undefined;
      if (ours === undefined) void before?.lasting.endNow();
      const left = ours ?? start(ctx);
      left.lasting.bind(ctx, label, () => end(left.thing));
      running.set(ctx, left);
      return left.thing;
    },
    snapshot(ctx) {
      const left = running.get(ctx);
      left?.lasting.keep();
      return left;
    },
  };

  function start(ctx: PluginContext<Config>): Left<Config, T> {
    const lasting = new Lasting(ctx);
    return { by, lasting, thing: begin(lasting) };
  }
}

interface Moving {
  readonly fn: () => void;
  /** Undefined for one that fires once. */
  readonly every: number | undefined;
  /** When it is due, by the clock. */
  at: number;
  timer: Timer | undefined;
}

class MovingClock implements Clock {
  readonly #timers = new Set<Moving>();
  #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): number {
    return this.#clock.now();
  }

  timeout(fn: () => void, ms: number): Timer {
    return this.#add(fn, ms, undefined, (fire) => this.#clock.timeout(fire, ms));
  }

  interval(fn: () => void, ms: number): Timer {
    return this.#add(fn, ms, ms, (fire) => this.#clock.interval(fire, ms));
  }

  /** The timers of the clock before are gone, or go now. */
  moveTo(clock: Clock): void {
    if (clock === this.#clock) return;
    this.#clock = clock;
    for (const moving of this.#timers) {
      moving.timer?.cancel();
      moving.timer = clock.timeout(() => this.#fire(moving, true), Math.max(0, moving.at - clock.now()));
    }
  }

  #add(fn: () => void, ms: number, every: number | undefined, begin: (fire: () => void) => Timer): Timer {
    const moving: Moving = { fn, every, at: this.#clock.now() + ms, timer: undefined };
    this.#timers.add(moving);
    try {
      moving.timer = begin(() => this.#fire(moving, false));
    } catch (error) {
      // Between two instances; the next one sets it.
      if (!(error instanceof GlyphError) || error.code !== 'GC_SCOPE_CLOSED') throw error;
    }
    return {
      cancel: () => {
        this.#timers.delete(moving);
        moving.timer?.cancel();
      },
    };
  }

  #fire(moving: Moving, moved: boolean): void {
    const { every, fn } = moving;
    if (every === undefined) this.#timers.delete(moving);
    else {
      moving.at = this.#clock.now() + every;
      if (moved) moving.timer = this.#clock.interval(() => this.#fire(moving, false), every);
    }
    fn();
  }
}
