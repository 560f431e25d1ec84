/**
 * Copies Lua values out to the host.
 *
 * Invariant: raw access only, no metamethod ever runs; depth, number of elements and bytes are bounded, for all that crosses in one
 * call together; a key named `__proto__` is an ordinary own property. Whatever is read from the instance's memory is treated as hostile: typed arrays check the bounds.
 */
import { GlyphError } from '../../sdk/plugin.ts';
import type { FunctionRefs } from './function-refs.ts';
import type { Instance } from './instance.ts';
import { LUA, LUA_TYPES } from './module.ts';
import type { LuaExports, Pointer } from './module.ts';
import type { LuaValue } from './types.ts';
import { MAX_DEPTH } from './values-in.ts';
import type { Markers } from './values-in.ts';

/** Most elements of what crosses at one time, all levels together. */
export const MAX_ELEMENTS = 1_000_000;
/** Most bytes of its strings. One string may lie in a table many times: here each is a copy. */
export const MAX_BYTES = 32 * 1024 * 1024;
/** Of an error: enough to tell what is wrong, little enough to be kept. */
const ERROR_ELEMENTS = 1_000;
const ERROR_BYTES = 16_384;
const SHORT_STRING = 24;
/** What decoding puts in place of bytes that are not UTF-8; a string may also contain it honestly. */
const REPLACEMENT = '\ufffd';
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Reads values from a Lua stack. */
export class ValuesOut {
  #instance: Instance;
  #api: LuaExports;
  #functions: FunctionRefs;
  #markers: Markers;
  #elements = 0;
  #bytes = 0;

  constructor(instance: Instance, functions: FunctionRefs, markers: Markers) {
    this.#instance = instance;
    this.#api = instance.api;
    this.#functions = functions;
    this.#markers = markers;
  }

  /** The value at `index`, copied. */
  read(L: Pointer, index: number): LuaValue {
    this.begin();
    return this.#read(L, index, 0);
  }

  /** Several values cross together: what {@link readNext} and {@link readArgument} read from now on shares one budget. */
  begin(): void {
    this.#elements = MAX_ELEMENTS;
    this.#bytes = MAX_BYTES;
  }

  readNext(L: Pointer, index: number): LuaValue {
    return this.#read(L, index, 0);
  }

  /** As {@link readNext}, for arguments of host functions: a function becomes a handle. */
  readArgument(L: Pointer, index: number): LuaValue {
    if (this.#api.lua_type(L, index) === LUA.function) return this.#functions.take(L, index);
    return this.#read(L, index, 0);
  }

  /** What a script raised: of a long string the beginning; undefined when it is too large to be kept, or cannot cross. */
  readError(L: Pointer, index: number): LuaValue | undefined {
    this.#elements = ERROR_ELEMENTS;
    this.#bytes = ERROR_BYTES;
    if (this.#api.lua_type(L, index) === LUA.string) return this.#readBeginning(L, index);
    try {
      return this.#read(L, index, 0);
    } catch (thrown) {
      if (thrown instanceof GlyphError && thrown.code === 'GC_LUA_VALUE') return undefined;
      throw thrown;
    }
  }

  /** A string, or its bytes when they are not UTF-8. */
  readString(L: Pointer, index: number): string | Uint8Array {
    const at = this.#api.lua_tolstring(L, index, this.#instance.lengthAt);
    const { u8, i32, lengthAt } = this.#instance;
    const length = (i32[lengthAt >> 2] ?? 0) >>> 0;
    this.#charge(length);
    if (length <= SHORT_STRING) {
      let text = '';
      let offset = 0;
      for (; offset < length; offset++) {
        const code = u8[at + offset] ?? 0;
        if (code > 127) break;
        text += String.fromCharCode(code);
      }
      if (offset === length) return text;
    }
    const text = this.#instance.buffer.toString('utf8', at, at + length);
    if (!text.includes(REPLACEMENT)) return text;
    const bytes = u8.slice(at, at + length);
    try {
      return decoder.decode(bytes);
    } catch {
      return bytes;
    }
  }

  #read(L: Pointer, index: number, depth: number): LuaValue {
    const api = this.#api;
    const type = api.lua_type(L, index);
    switch (type) {
      case -1:
      case LUA.nil:
        return null;
      case LUA.boolean:
        return api.lua_toboolean(L, index) !== 0;
      case LUA.number: {
        const value = api.lua_tonumberx(L, index, 0);
        if (Number.isSafeInteger(value) || api.lua_isinteger(L, index) === 0) return value;
        return api.lua_tointegerx(L, index, 0);
      }
      case LUA.string:
        return this.readString(L, index);
      case LUA.table:
        return this.#readTable(L, index < 0 ? api.lua_gettop(L) + index + 1 : index, depth);
      case LUA.lightUserdata:
        if (api.lua_touserdata(L, index) === this.#markers.nullAt) return null;
        break;
    }
    const where = type === LUA.function && depth > 0 ? ' inside a table' : '';
    throw refused(`a Lua ${LUA_TYPES[type] ?? 'value'}${where} cannot be passed to the host`);
  }

  #readTable(L: Pointer, index: number, depth: number): LuaValue {
    const api = this.#api;
    if (depth >= MAX_DEPTH) throw refused(`the table is nested deeper than ${MAX_DEPTH} levels, or contains itself`);
    if (api.lua_checkstack(L, 8) === 0) throw new GlyphError('GC_LUA_MEMORY', 'not enough memory for the Lua stack');
    if (api.lua_getmetatable(L, index) !== 0) {
      api.lua_rawgeti(L, LUA.registry, this.#markers.blob);
      const isBlob = api.lua_rawequal(L, -1, -2) !== 0;
      api.lua_settop(L, -3);
      if (isBlob) return this.#readBlob(L, index);
    }
    api.lua_pushnil(L);
    if (api.lua_next(L, index) === 0) return this.#isArray(L, index) ? [] : {};
    return api.lua_type(L, -2) === LUA.number ? this.#readArray(L, index, depth) : this.#readObject(L, index, depth);
  }

  #readArray(L: Pointer, index: number, depth: number): LuaValue {
    const api = this.#api;
    const values: LuaValue[] = [];
    let count = 0;
    do {
      this.#count();
      const key = api.lua_isinteger(L, -2) === 0 ? 0 : api.lua_tonumberx(L, -2, 0);
      if (key < 1) throw refused('the keys of a table must be all strings, or 1 to n');
      if (key > MAX_ELEMENTS) throw refused('an array has holes; use json.null for values that are absent');
      values[key - 1] = this.#read(L, -1, depth + 1);
      count++;
      api.lua_settop(L, -2);
    } while (api.lua_next(L, index) !== 0);
    if (count !== values.length) throw refused('an array has holes; use json.null for values that are absent');
    return values;
  }

  #readObject(L: Pointer, index: number, depth: number): LuaValue {
    const api = this.#api;
    const object: Record<string, LuaValue> = {};
    do {
      this.#count();
      const key = api.lua_type(L, -2) === LUA.string ? this.readString(L, -2) : undefined;
      if (typeof key !== 'string') throw refused('the keys of a table must be all strings (UTF-8), or 1 to n');
      const value = this.#read(L, -1, depth + 1);
      if (key === '__proto__') {
        Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
      } else {
        object[key] = value;
      }
      api.lua_settop(L, -2);
    } while (api.lua_next(L, index) !== 0);
    return object;
  }

  #readBlob(L: Pointer, index: number): Uint8Array {
    const api = this.#api;
    api.lua_rawgeti(L, index, 1n);
    if (api.lua_type(L, -1) !== LUA.string) throw refused('a blob() was altered');
    const at = api.lua_tolstring(L, -1, this.#instance.lengthAt);
    const length = (this.#instance.i32[this.#instance.lengthAt >> 2] ?? 0) >>> 0;
    this.#charge(length);
    const bytes = this.#instance.u8.slice(at, at + length);
    api.lua_settop(L, -2);
    return bytes;
  }

  #isArray(L: Pointer, index: number): boolean {
    const api = this.#api;
    api.lua_rawgeti(L, LUA.registry, this.#markers.arrays);
    api.lua_pushvalue(L, index);
    api.lua_rawget(L, -2);
    const marked = api.lua_type(L, -1) !== LUA.nil;
    api.lua_settop(L, -3);
    return marked;
  }

  #readBeginning(L: Pointer, index: number): string {
    const at = this.#api.lua_tolstring(L, index, this.#instance.lengthAt);
    const length = (this.#instance.i32[this.#instance.lengthAt >> 2] ?? 0) >>> 0;
    const shown = Math.min(length, ERROR_BYTES);
    return this.#instance.buffer.toString('utf8', at, at + shown) + (shown < length ? '…' : '');
  }

  #count(): void {
    if (--this.#elements < 0) throw refused(`the value has more than ${MAX_ELEMENTS} elements`);
  }

  #charge(bytes: number): void {
    this.#bytes -= bytes;
    if (this.#bytes < 0) throw refused(`more than ${MAX_BYTES / 1024 / 1024} MiB of text at once`);
  }
}

function refused(message: string): GlyphError {
  return new GlyphError('GC_LUA_VALUE', message);
}
