/**
 * Calls between the host and one Lua instance, in both directions, nested as deep as {@link MAX_NESTING}.
 *
 * Invariant: every operation runs inside `lua_pcallk`; an exception that is neither Lua's own nor a host function's leaves the instance
 * dead. A host function's exception never unwinds Lua frames: it becomes a Lua error at the border.
 */
import { GlyphError, messageOf } from '../../sdk/plugin.ts';
import { Calls, Unpositioned } from './calls.ts';
import { HostErrors, hostMessage, luaError } from './errors.ts';
import type { Failure } from './errors.ts';
import { FunctionRefs } from './function-refs.ts';
import { Instance, LONG_JUMP } from './instance.ts';
import { LUA } from './module.ts';
import type { Pointer } from './module.ts';
import type { HostFunction } from './types.ts';
import { ValuesIn } from './values-in.ts';
import type { Markers } from './values-in.ts';
import { ValuesOut } from './values-out.ts';

/** Deepest nesting of host → Lua → host → Lua calls. Far below what would exhaust the native stack. */
export const MAX_NESTING = 32;

/** A host function under way; at depth 0 the host itself. */
interface Frame {
  /** The Lua thread that called it: a coroutine has its own. */
  readonly L: Pointer;
  readonly depth: number;
  /** The last error that came out of Lua within it, and where the value lies on the stack of `L`. */
  error: GlyphError | undefined;
  errorAt: number;
}

export interface MachineOptions {
  readonly name: string;
  readonly memoryBytes: number;
  readonly now: () => number;
  readonly onTimeout: () => GlyphError;
}

/** One interpreter with its calls and values. */
export class Machine {
  readonly name: string;
  readonly instance: Instance;
  readonly in: ValuesIn;
  readonly out: ValuesOut;
  readonly calls: Calls;
  readonly functions: FunctionRefs;
  readonly markers: Markers;
  #host: HostFunction[] = [];
  #hostErrors = new HostErrors();
  #operation: ((L: Pointer) => void) | undefined;
  #failure: Failure | undefined;
  #frame: Frame;

  constructor(options: MachineOptions) {
    this.name = options.name;
    this.instance = new Instance({
      ...options,
      trampolines: {
        dispatch: (L) => this.#dispatch(L),
        enter: (L) => this.#enter(L),
        describe: (L) => this.#describe(L),
      },
    });
    this.#frame = { L: this.instance.L, depth: 0, error: undefined, errorAt: 0 };
    this.markers = { nullAt: this.instance.lengthAt, blob: 0n, arrays: 0n };
    this.functions = new FunctionRefs(this.instance, options.name);
    this.in = new ValuesIn(this.instance, this.functions, this.markers);
    this.out = new ValuesOut(this.instance, this.functions, this.markers);
    this.calls = new Calls(this.instance, this.in, this.out);
  }

  /** The Lua thread that runs now. */
  get L(): Pointer {
    return this.#frame.L;
  }

  /** Pushes a C function that calls `fn`. */
  pushHostFunction(L: Pointer, fn: HostFunction): void {
    const { api, slots } = this.instance;
    api.lua_pushnumber(L, this.#host.push(fn) - 1);
    api.lua_pushcclosure(L, slots.dispatch, 1);
  }

  /** Runs `operation` under `lua_pcallk`. What fails in it is thrown as a `GlyphError`. */
  protect(operation: (L: Pointer) => void): void {
    const { api, slots } = this.instance;
    this.instance.throwIfDead();
    const { L, depth } = this.#frame;
    if (depth >= MAX_NESTING) {
      throw new GlyphError(
        'GC_LUA',
        `${this.name}: calls between Lua and the host are nested deeper than ${MAX_NESTING} levels`,
      );
    }
    if (depth === 0) {
      this.#hostErrors.clear();
      this.functions.sweep();
    }
    const top = api.lua_gettop(L);
    this.#operation = operation;
    this.#failure = undefined;
    let status: number;
    try {
      api.lua_pushcclosure(L, slots.describe, 0);
      api.lua_pushcclosure(L, slots.enter, 0);
      status = api.lua_pcallk(L, 0, 0, top + 1, 0, 0);
    } catch (thrown) {
      throw this.#fault(thrown);
    }
    if (status === 0) api.lua_settop(L, top);
    else throw this.#failed(L, top, status);
  }

  /** A Lua function has called a host function. */
  #dispatch(L: Pointer): number {
    const { instance } = this;
    instance.throwIfDead();
    const fn = this.#host[instance.api.lua_tonumberx(L, LUA.upvalue1, 0)];
    if (fn === undefined) throw this.#fault(new Error('the number of a host function is wrong'));
    const outer = this.#frame;
    const frame: Frame = { L, depth: outer.depth + 1, error: undefined, errorAt: 0 };
    this.#frame = frame;
    let thrown: unknown;
    try {
      const result = this.calls.callHost(L, fn);
      instance.throwIfDead(); // the host function may have swallowed a kill
      instance.checkTime();
      return this.calls.pushResult(L, result);
    } catch (error) {
      if (error === LONG_JUMP) throw error;
      thrown = error;
    } finally {
      this.#frame = outer;
    }
    instance.throwIfDead();
    if (isFault(thrown)) throw this.#fault(thrown);
    instance.checkTime();
    if (frame.error === undefined || thrown !== frame.error) return this.#raise(L, thrown);
    instance.api.lua_pushvalue(L, frame.errorAt); // the very value the script raised
    return instance.api.lua_error(L);
  }

  /** Raises a host function's error in Lua: the caller's position, then the message. */
  #raise(L: Pointer, thrown: unknown): number {
    const { api } = this.instance;
    const plain = thrown instanceof Unpositioned;
    const error = plain ? thrown.error : thrown;
    const text = hostMessage(error);
    this.#hostErrors.remember(text, error);
    if (api.lua_checkstack(L, 8) === 0) throw this.#fault(new Error('the Lua stack is full'));
    if (plain) {
      this.in.pushString(L, text);
    } else {
      api.luaL_where(L, 1);
      this.in.pushString(L, text);
      api.lua_concat(L, 2);
    }
    return api.lua_error(L);
  }

  #enter(L: Pointer): number {
    const operation = this.#operation;
    this.#operation = undefined;
    let thrown: unknown;
    try {
      operation?.(L);
      return 0;
    } catch (error) {
      if (error === LONG_JUMP || isFault(error) || this.instance.dead !== undefined) throw error;
      thrown = error;
    }
    return this.#raise(L, thrown);
  }

  /** Lua's message handler: runs where the error was raised, so it can see the stack. */
  #describe(L: Pointer): number {
    const { api } = this.instance;
    const value = this.out.readError(L, 1);
    api.luaL_traceback(L, L, 0, 1);
    const traceback = this.out.readError(L, -1);
    api.lua_settop(L, 1);
    this.#failure = { value, traceback: typeof traceback === 'string' ? tidy(traceback) : '' };
    return 1;
  }

  #failed(L: Pointer, top: number, status: number): GlyphError {
    const { api } = this.instance;
    // Lua calls no handler when memory or the C stack is exhausted; the value is then a plain string.
    const value = api.lua_type(L, -1) === LUA.string ? this.out.readError(L, -1) : undefined;
    const error = luaError(this.name, status, this.#failure ?? { value, traceback: '' }, this.#hostErrors);
    this.#failure = undefined;
    const frame = this.#frame;
    if (frame.depth === 0) {
      api.lua_settop(L, top);
      return error;
    }
    // The host function may rethrow this error: keep its Lua value on the stack, in one slot however often it happens.
    if (frame.errorAt === 0) {
      frame.errorAt = top + 1;
      api.lua_copy(L, -1, frame.errorAt);
      api.lua_settop(L, frame.errorAt);
    } else {
      api.lua_copy(L, -1, frame.errorAt);
      api.lua_settop(L, top);
    }
    frame.error = error;
    return error;
  }

  #fault(thrown: unknown): GlyphError {
    if (this.instance.dead !== undefined) return this.instance.dead;
    if (thrown === LONG_JUMP)
      return this.instance.kill(new GlyphError('GC_LUA_MEMORY', `${this.name}: not enough memory`));
    const message = `${this.name}: the Lua interpreter failed: ${messageOf(thrown)}`;
    return this.instance.kill(new GlyphError('GC_LUA', message, { cause: thrown }));
  }
}

/** Whether an exception means that WebAssembly code was abandoned in the middle. */
function isFault(thrown: unknown): boolean {
  if (thrown instanceof WebAssembly.RuntimeError) return true;
  return thrown instanceof RangeError && thrown.message.includes('call stack');
}

/** Lua's traceback without its heading and the frames of the host and the sandbox. */
function tidy(traceback: string): string {
  const lines = traceback.split('\n').map((line) => line.trim());
  return lines
    .filter((line) => line !== 'stack traceback:' && line !== '[C]: in ?' && !line.startsWith('sandbox:'))
    .join('\n');
}
