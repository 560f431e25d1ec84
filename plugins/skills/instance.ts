/**
 * One Lua state with the API bound to it, and every way into it.
 *
 * Invariants: Lua runs only inside a transaction of source `lua` or of whoever's row a hook looks at, under one time limit;
 * what comes out of it names the skill and the phase. A killed instance is dead for good: its owner makes a new one.
 */
import type { Cause, ChangeEvent } from '../../sdk/capsule-types.ts';
import type { HostFunction, LuaFunction, LuaState, LuaValue } from '../../sdk/lua-types.ts';
import { GlyphError, messageOf } from '../../sdk/plugin.ts';
import { Background } from './background.ts';
import { BOOTSTRAP } from './api/bootstrap.ts';
import type { ApiContext } from './api/context.ts';
import { createApi } from './api/index.ts';
import type { OpenExtensions } from './extension-registry.ts';
import type { CallLua } from './extensions.ts';
import { explainMissing } from './functions.ts';
import type { Guard } from './guard.ts';
import { createHandle } from './handle.ts';
import { Listeners } from './listeners.ts';
import type { Heard, Hearing, ListenerPlace } from './listeners.ts';
import { notesOf } from './notes.ts';
import { complete } from './permissions.ts';
import type { GrantedPermissions } from './permissions.ts';
import type { Runtime } from './runtime.ts';
import { Subscriptions } from './subscriptions.ts';
import type { LogLevel } from './types.ts';
import { eventToLua } from './values.ts';
import type { WatchPlace } from './watch-places.ts';

/** Events passed to Lua in one call: enough to make the border cheap, few enough to stay small in its memory. */
const CHUNK = 128;
/** Changes that the plain time limit is for; each beyond has a time of its own, in ms. A transaction is delivered whole, however large. */
const INCLUDED = 1024;
const MS_PER_EVENT = 0.1;
/** Log lines within one entry; the rest is counted. */
const MAX_LINES = 1000;
/** The id of the host's own state, which no skill can have: ids of skills hold no underscore. */
export const HOST = 'host_state';

export interface InstanceOptions {
  readonly id: string;
  readonly runtime: Runtime;
  readonly guard: Guard;
  /** Absent for the host's own state, which needs none. */
  readonly granted?: GrantedPermissions;
  /** Skills it may call. */
  readonly dependencies?: readonly string[];
  readonly json: 'text' | 'table';
  readonly functions: readonly string[];
  readonly modules?: ReadonlyMap<string, string>;
  readonly values?: Readonly<Record<string, unknown>>;
  readonly timeMs?: number;
  readonly memoryBytes?: number;
  /** Its Lua state was killed by a limit, in whatever it did. Called once, outside of Lua. */
  readonly killed?: () => void;
  /** Something it does by itself (a watch, a job, an answer) has failed with this, or has succeeded. */
  readonly inBackground?: (error: unknown) => void;
  /** Shared with the states whose place it takes: what waits there comes first. */
  readonly background?: Background;
  /** Where the watches of the state stand that it takes the place of. */
  readonly places?: readonly WatchPlace[];
  /** The state that took this one's place, when nobody has stopped it. Inside a transaction. */
  readonly heir?: () => Hearing | undefined;
}

export class Instance {
  readonly #options: InstanceOptions;
  readonly #state: LuaState;
  readonly #api: Readonly<Record<string, HostFunction>>;
  readonly #subscriptions: Subscriptions;
  readonly #listeners: Listeners;
  readonly #extensions: OpenExtensions;
  #deliver: LuaFunction | undefined;
  #define: LuaFunction | undefined;
  #entered = false;
  #live = false;
  #begun = false;
  #closed = false;
  #lines = 0;

  /** @throws GC_LUA_MEMORY */
  constructor(options: InstanceOptions) {
    this.#options = options;
    const { id, runtime, guard, json, functions, modules, values, timeMs, memoryBytes, granted } = options;
    const background = options.background ?? new Background(runtime.ctx.db);
    this.#subscriptions = new Subscriptions({
      id,
      runtime,
      background,
      call: (fn, events) => {
        const seqs = events.map((event) => event.seq);
        const cause = runtime.capsule.causes.causeOf(seqs);
        const seen = events.map((event) => eventToLua(event, json));
        this.inBackground('glyphcase.watch', (call) => call(fn, seen), cause);
      },
      failed: (error, table) =>
        runtime.logs.add(id, 'error', `The watch on ${table} failed: ${messageOf(error)}`, error),
      usable: () => !this.dead,
      places: options.places ?? [],
    });
    this.#listeners = new Listeners({
      id,
      runtime,
      background,
      call: (fn, args, cause) => this.inBackground('glyphcase.on', (call) => call(fn, ...args), cause),
      usable: () => !this.dead,
      heir: () => options.heir?.(),
    });
    const isHost = id === HOST;
    const handle = createHandle({
      id,
      isHost,
      runtime,
      permissions: granted ?? complete({}),
      background,
      state: () => this,
    });
    this.#extensions = runtime.extensions.open(handle);
    const api: ApiContext = {
      id,
      runtime,
      guard,
      json,
      functions,
      subscriptions: this.#subscriptions,
      listeners: this.#listeners,
      dependencies: isHost ? undefined : (options.dependencies ?? []),
      log: (level, message) => this.#log(level, message),
      mayCall: (name) => isHost || functions.includes(name),
      checkTime: () => this.#state.checkTime(),
      bind: (deliver, define) => {
        this.#deliver = deliver;
        this.#define = define;
      },
    };
    this.#api = createApi(api);
    this.#state = runtime.lua.createState({
      name: id,
      functions: { ...this.#extensions.functions, ...this.#api },
      values: { ...values, ...(isHost ? {} : { 'glyphcase.skill': id }) },
      onPrint: (text) => this.#log('info', text),
      now: () => runtime.ctx.clock.now(),
      ...(modules === undefined ? {} : { modules }),
      ...(timeMs === undefined ? {} : { timeMs }),
      ...(memoryBytes === undefined ? {} : { memoryBytes }),
    });
    this.#state.load(BOOTSTRAP, 'glyphcase');
  }

  get dead(): boolean {
    return this.#state.dead !== undefined;
  }

  get memoryBytes(): number {
    return this.#state.memoryBytes;
  }

  /** Whether it takes part: its activation has committed, and it has been neither closed nor killed. */
  get live(): boolean {
    return this.#live && !this.dead;
  }

  /** Where its watches stand; undefined when it has not begun. */
  get places(): readonly WatchPlace[] | undefined {
    return this.#begun ? this.#subscriptions.places : undefined;
  }

  /** Another one is about to take its place. */
  leave(): void {
    this.#subscriptions.leave();
    this.#listeners.leave();
  }

  /** What waited for a listener of the state whose place it took. */
  hear(listener: ListenerPlace, heard: Heard): LuaValue {
    return this.#listeners.hear(listener, heard);
  }

  has(name: string): boolean {
    return !this.dead && this.#state.has(name);
  }

  load(source: string, chunkName: string): void {
    this.enter('load', (state) => state.load(source, chunkName));
  }

  run(source: string, chunkName: string): LuaValue {
    return this.enter('run', (state) => state.run(source, chunkName));
  }

  /** Calls a global function; all its results. @throws GC_NO_SUCH_FUNCTION, GC_LUA, GC_LUA_TIME, GC_LUA_MEMORY … */
  call(name: string, ...args: readonly unknown[]): readonly LuaValue[] {
    return this.enter(name, (state) => state.callAll(name, ...args));
  }

  /** Runs SQL as `glyphcase.execute` does. @throws what that throws, with the phase's name */
  execute(phase: string, sql: string): void {
    this.enter(phase, () => this.#api['glyphcase.execute']?.(sql));
  }

  /** Calls a global function if there is one. */
  callIfThere(name: string, ...args: readonly unknown[]): void {
    if (this.has(name)) this.call(name, ...args);
  }

  /** Calls `on_data_changed` for each event, under one time limit, which grows with a large transaction. */
  deliver(events: readonly ChangeEvent[]): void {
    const { json } = this.#options;
    this.enter('on_data_changed', (state) => {
      for (let at = 0; at < events.length; at += CHUNK) {
        if (at >= INCLUDED) state.addTime(CHUNK * MS_PER_EVENT);
        const part = events.slice(at, at + CHUNK).map((event) => eventToLua(event, json));
        state.callRef(this.#deliver as LuaFunction, part);
      }
    });
  }

  /** Takes part from now on. Idempotent. */
  goLive(): void {
    if (this.#live || this.#closed) return;
    this.#live = true;
    this.#begun = true;
    this.#subscriptions.begun();
    this.#extensions.live();
  }

  /** Runs what the skill does by itself, inside a transaction; its owner hears how it went. `cause` is what it does it for. */
  inBackground<T>(phase: string, work: (call: CallLua) => T, cause?: Cause): T {
    const { id, runtime, inBackground } = this.#options;
    const results: T[] = [];
    try {
      const run = (): void => {
        results.push(this.enter(phase, (state) => work((target, ...args) => state.callAll(target, ...args))));
      };
      const written = runtime.capsule.causes.watch(`skill:${id}`, cause, run, phase === 'glyphcase.watch');
      const { current } = runtime.ctx.db;
      if (current !== undefined && written.length > 0) {
        notesOf(current).add({ committed: () => runtime.capsule.causes.remember(written) });
      }
      inBackground?.(undefined);
      return results[0] as T;
    } catch (error) {
      inBackground?.(error);
      throw error;
    }
  }

  /** Makes a function of the host a global, after the script has begun. */
  define(name: string): void {
    this.enter('define', (state) => state.callRef(this.#define as LuaFunction, name));
  }

  /** Runs `fn` under one time limit; what it throws names skill and phase. */
  enter<T>(phase: string, fn: (state: LuaState) => T): T {
    const outermost = !this.#entered;
    if (outermost) this.#lines = 0;
    this.#entered = true;
    try {
      return outermost ? this.#state.guard(() => fn(this.#state)) : fn(this.#state);
    } catch (error) {
      throw this.#named(error, phase);
    } finally {
      if (outermost) {
        this.#entered = false;
        if (this.dead && !this.#closed) this.#options.killed?.();
      }
    }
  }

  /** Ends what it listens to and frees its memory. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#live = false;
    this.leave();
    this.#subscriptions.removeAll();
    this.#listeners.removeAll();
    this.#extensions.close();
    this.#state.close();
  }

  #named(thrown: unknown, phase: string): unknown {
    const { id, runtime, functions } = this.#options;
    const error =
      id === HOST ? thrown : explainMissing(thrown, (name) => !functions.includes(name) && runtime.functions.has(name));
    if (!(error instanceof GlyphError) || id === HOST || (error.skill !== undefined && error.phase !== undefined))
      return error;
    return new GlyphError(error.code, `skill ${id}, ${phase}: ${error.message}`, {
      hint: error.hint,
      skill: id,
      phase,
      cause: error.cause ?? error,
    });
  }

  #log(level: LogLevel, message: string): void {
    this.#lines += 1;
    if (this.#lines < MAX_LINES) this.#options.runtime.logs.add(this.#options.id, level, message);
    else if (this.#lines === MAX_LINES) {
      this.#options.runtime.logs.add(
        this.#options.id,
        'warn',
        `(more than ${MAX_LINES} log lines at once; the rest is left out)`,
      );
    }
  }
}
