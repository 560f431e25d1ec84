/**
 * The parts of a call: compiling, pushing arguments, reading results. Each runs inside a protected call of the machine.
 *
 * Invariant: numbers of arguments and results are bounded before anything is pushed.
 */
import { GlyphError } from '../../sdk/plugin.ts';
import type { Instance } from './instance.ts';
import { LUA } from './module.ts';
import type { Pointer } from './module.ts';
import { isResults } from './results.ts';
import type { HostFunction, LuaValue } from './types.ts';
import type { ValuesIn } from './values-in.ts';
import type { ValuesOut } from './values-out.ts';

const MAX_ARGUMENTS = 250;
const MAX_RESULTS = 250;

/** An error that Lua gets without a position before its message, because it names one itself. */
export class Unpositioned extends Error {
  readonly error: GlyphError;

  constructor(error: GlyphError) {
    super(error.message);
    this.error = error;
  }
}

/** Builds and takes apart the calls of one interpreter. */
export class Calls {
  #instance: Instance;
  #in: ValuesIn;
  #out: ValuesOut;

  constructor(instance: Instance, valuesIn: ValuesIn, valuesOut: ValuesOut) {
    this.#instance = instance;
    this.#in = valuesIn;
    this.#out = valuesOut;
  }

  /** Compiles a script onto the stack: text only, never bytecode. */
  compile(L: Pointer, source: string, chunkName: string): void {
    const { api } = this.#instance;
    const bytes = Buffer.from(source.startsWith('\ufeff') ? source.slice(1) : source);
    const status = this.#in.withBytes(bytes, (at) =>
      this.#in.withBytes(Buffer.from(`@${chunkName}`), (name) =>
        this.#in.withBytes(Buffer.from('t'), (mode) => api.luaL_loadbufferx(L, at, bytes.length, name, mode)),
      ),
    );
    if (status === 0) return;
    if (status === LUA.errorSyntax) {
      const message = this.#out.readError(L, -1);
      throw new Unpositioned(
        new GlyphError('GC_LUA_SYNTAX', typeof message === 'string' ? message : `${chunkName}: not valid UTF-8`),
      );
    }
    api.lua_error(L);
  }

  /** Calls the function that lies below `args` arguments and reads all its results. */
  callAndRead(L: Pointer, args: number): LuaValue[] {
    const { api } = this.#instance;
    const base = api.lua_gettop(L) - args - 1;
    api.lua_callk(L, args, LUA.multipleResults, 0, 0);
    const count = api.lua_gettop(L) - base;
    if (count > MAX_RESULTS) throw new GlyphError('GC_LUA_VALUE', `more than ${MAX_RESULTS} results`);
    const values: LuaValue[] = [];
    this.#out.begin();
    for (let index = 1; index <= count; index++) values.push(this.#out.readNext(L, base + index));
    return values;
  }

  /** Calls the function that lies below `args` arguments and reads its first result. */
  callAndReadOne(L: Pointer, args: number): LuaValue {
    this.#instance.api.lua_callk(L, args, 1, 0, 0);
    return this.#out.read(L, -1);
  }

  pushArguments(L: Pointer, args: readonly unknown[]): void {
    const count = args.length;
    if (count > 8) {
      if (count > MAX_ARGUMENTS) throw new GlyphError('GC_LUA_VALUE', `more than ${MAX_ARGUMENTS} arguments`);
      if (this.#instance.api.lua_checkstack(L, count + 8) === 0) {
        throw new GlyphError('GC_LUA_MEMORY', 'not enough memory for the Lua stack');
      }
    }
    for (let index = 0; index < count; index++) this.#in.push(L, args[index]);
  }

  /** Calls a host function with the arguments that lie on the stack of `L`. */
  callHost(L: Pointer, fn: HostFunction): unknown {
    const count = this.#instance.api.lua_gettop(L);
    if (count > 0) this.#out.begin();
    switch (count) {
      case 0:
        return fn();
      case 1:
        return fn(this.#argument(L, 1));
      case 2:
        return fn(this.#argument(L, 1), this.#argument(L, 2));
      case 3:
        return fn(this.#argument(L, 1), this.#argument(L, 2), this.#argument(L, 3));
    }
    if (count > MAX_ARGUMENTS) throw new GlyphError('GC_LUA_VALUE', `more than ${MAX_ARGUMENTS} arguments`);
    const args: LuaValue[] = [];
    for (let index = 1; index <= count; index++) args.push(this.#argument(L, index));
    return fn(...args);
  }

  #argument(L: Pointer, index: number): LuaValue {
    try {
      return this.#out.readArgument(L, index);
    } catch (thrown) {
      if (!(thrown instanceof GlyphError) || thrown === this.#instance.dead) throw thrown;
      throw new GlyphError(thrown.code, `argument ${index}: ${thrown.message}`);
    }
  }

  /** Pushes what a host function returned; returns how many results that is. */
  pushResult(L: Pointer, result: unknown): number {
    if (result === undefined) return 0;
    if (!isResults(result)) {
      this.#in.push(L, result);
      return 1;
    }
    this.pushArguments(L, result.values);
    return result.values.length;
  }
}
