/**
 * A Lua state as its owner sees it: scripts, calls, time limit, output limit, life.
 *
 * Invariant: every entry into Lua happens under a deadline; a state that was killed or closed throws its reason from then on.
 */
import { performance } from 'node:perf_hooks';
import { GlyphError } from '../../sdk/plugin.ts';
import { isFunctionHandle } from './function-refs.ts';
import { Machine } from './machine.ts';
import { LUA } from './module.ts';
import type { Pointer } from './module.ts';
import { buildSandbox } from './sandbox.ts';
import type { LuaFunction, LuaState, LuaStateOptions, LuaValue } from './types.ts';

/** Most characters that `print` passes on within one guard. */
export const MAX_PRINT = 65_536;
const MAX_FRAMES = 20;
/** Offsets in `lua_Debug` (lua.h 5.4, 32-bit). */
const DEBUG = { currentLine: 24, shortSource: 44, shortSourceLength: 60 } as const;

/** Options with every default and limit applied. */
export type ResolvedOptions = LuaStateOptions & Required<Pick<LuaStateOptions, 'memoryBytes' | 'timeMs' | 'now'>>;

/** See {@link LuaState}. */
export class SandboxedState implements LuaState {
  readonly name: string;
  #options: ResolvedOptions;
  #machine: Machine;
  #environment: bigint;
  #guarded = false;
  /** Of the guard that is under way. */
  #limitMs = 0;
  #printed = 0;
  #closed = false;
  #onClose: () => void;

  constructor(options: ResolvedOptions, onClose: () => void) {
    this.name = options.name;
    this.#options = options;
    this.#onClose = onClose;
    this.#machine = new Machine({
      name: options.name,
      memoryBytes: options.memoryBytes,
      now: options.now,
      onTimeout: () => this.#timeoutError(),
    });
    this.#environment = buildSandbox(this.#machine, { ...options, onPrint: (text) => this.#print(text) });
  }

  get dead(): string | undefined {
    return this.#closed ? 'closed' : this.#machine.instance.dead?.message;
  }

  get memoryBytes(): number {
    return this.#closed ? 0 : this.#machine.instance.memoryBytes;
  }

  load(source: string, chunkName: string): void {
    checkScript(source, chunkName);
    this.#operate((L) => {
      this.#machine.calls.compile(L, source, chunkName);
      this.#machine.instance.api.lua_callk(L, 0, 0, 0, 0);
    });
  }

  run(source: string, chunkName: string): LuaValue {
    checkScript(source, chunkName);
    let value: LuaValue = null;
    this.#operate((L) => {
      this.#machine.calls.compile(L, source, chunkName);
      value = this.#machine.calls.callAndReadOne(L, 0);
    });
    return value;
  }

  has(name: string): boolean {
    let found = false;
    this.#operate((L) => {
      found = this.#pushGlobal(L, name);
    });
    return found;
  }

  call(name: string, ...args: readonly unknown[]): LuaValue {
    return this.#callOne(name, args);
  }

  callRef(ref: LuaFunction, ...args: readonly unknown[]): LuaValue {
    if (!isFunctionHandle(ref))
      throw badArgument('callRef: a Lua function that was passed to a host function is needed');
    return this.#callOne(ref, args);
  }

  callAll(target: string | LuaFunction, ...args: readonly unknown[]): readonly LuaValue[] {
    let values: readonly LuaValue[] = [];
    this.#operate((L) => {
      this.#pushTarget(L, target);
      this.#machine.calls.pushArguments(L, args);
      values = this.#machine.calls.callAndRead(L, args.length);
    });
    return values;
  }

  release(ref: LuaFunction): void {
    if (!isFunctionHandle(ref))
      throw badArgument('release: a Lua function that was passed to a host function is needed');
    this.#machine.functions.release(ref);
  }

  guard<T>(fn: () => T): T {
    if (typeof fn !== 'function') throw badArgument('guard: a function is needed');
    this.#machine.instance.throwIfDead();
    if (this.#guarded) return fn();
    this.#arm();
    try {
      const result = fn();
      if (result instanceof Promise)
        throw badArgument('guard: the function must be synchronous, it returned a promise');
      return result;
    } finally {
      this.#disarm();
    }
  }

  addTime(ms: number): void {
    if (!this.#guarded) return;
    this.#limitMs += ms;
    this.#machine.instance.deadline += ms;
  }

  checkTime(): void {
    this.#machine.instance.throwIfDead();
    this.#machine.instance.checkTime();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const { instance } = this.#machine;
    instance.dead = new GlyphError('GC_CLOSED', `the Lua state '${this.name}' was closed`);
    this.#onClose();
  }

  #callOne(target: string | LuaFunction, args: readonly unknown[]): LuaValue {
    let value: LuaValue = null;
    this.#operate((L) => {
      this.#pushTarget(L, target);
      this.#machine.calls.pushArguments(L, args);
      value = this.#machine.calls.callAndReadOne(L, args.length);
    });
    return value;
  }

  /** Runs one operation, under a deadline of its own when there is no guard around it. */
  #operate(operation: (L: Pointer) => void): void {
    if (this.#guarded) {
      this.#machine.instance.checkTime();
      this.#machine.protect(operation);
      return;
    }
    this.#arm();
    try {
      this.#machine.protect(operation);
    } finally {
      this.#disarm();
    }
  }

  #arm(): void {
    this.#guarded = true;
    this.#printed = 0;
    this.#limitMs = this.#options.timeMs;
    this.#machine.instance.deadline = performance.now() + this.#limitMs;
  }

  #disarm(): void {
    this.#guarded = false;
    this.#machine.instance.deadline = Infinity;
  }

  #pushTarget(L: Pointer, target: string | LuaFunction): void {
    if (typeof target !== 'string') {
      this.#machine.functions.push(L, target);
    } else if (!this.#pushGlobal(L, target)) {
      throw new GlyphError('GC_NO_SUCH_FUNCTION', `'${this.name}' has no global function '${target}'`);
    }
  }

  /** Pushes the global; tells whether it is a function. Metatables of the globals are not consulted. */
  #pushGlobal(L: Pointer, name: string): boolean {
    const { api } = this.#machine.instance;
    api.lua_rawgeti(L, LUA.registry, this.#environment);
    this.#machine.in.pushKey(L, name);
    return api.lua_rawget(L, -2) === LUA.function;
  }

  #print(text: string): void {
    const { onPrint } = this.#options;
    if (onPrint === undefined || this.#printed > MAX_PRINT) return;
    this.#printed += text.length + 1;
    if (this.#printed <= MAX_PRINT) onPrint(text);
    else onPrint(`(print: more than ${MAX_PRINT} characters at once; the rest is left out)`);
  }

  #timeoutError(): GlyphError {
    const place = this.#currentLine();
    const message = `'${this.name}' ran longer than its time limit of ${Math.round(this.#limitMs)} ms and was stopped`;
    return new GlyphError('GC_LUA_TIME', place === undefined ? message : `${place}: ${message}`);
  }

  /** `file:line` of the innermost script function; near enough in a loop that calls nothing. The interpreter may be in any condition. */
  #currentLine(): string | undefined {
    const { instance, L } = this.#machine;
    const { api, scratch } = instance;
    const what = scratch;
    const debug = scratch + 16;
    try {
      instance.u8.set(Buffer.from('Sl\0'), what);
      for (let level = 0; level < MAX_FRAMES && api.lua_getstack(L, level, debug) !== 0; level++) {
        api.lua_getinfo(L, what, debug);
        const line = instance.i32[(debug + DEBUG.currentLine) >> 2] ?? 0;
        const at = debug + DEBUG.shortSource;
        const source = instance.buffer.toString('latin1', at, at + DEBUG.shortSourceLength).replace(/\0.*$/s, '');
        if (line > 0 && source !== 'sandbox') return `${source}:${line}`;
      }
    } catch {
      // The place is a courtesy; the kill is what matters.
    }
    return undefined;
  }
}

function checkScript(source: unknown, chunkName: unknown): void {
  if (typeof source !== 'string') throw badArgument('the script must be a string');
  if (typeof chunkName !== 'string' || chunkName === '') throw badArgument("a chunk name such as 'main.lua' is needed");
}

function badArgument(message: string): GlyphError {
  return new GlyphError('GC_BAD_ARGUMENT', message);
}
