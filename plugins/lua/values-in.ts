/**
 * Copies host values into Lua.
 *
 * Invariant: an allow-list. What is not listed in `LuaValue` throws `GC_LUA_VALUE`; Lua gets numbers, strings, booleans and fresh
 * tables, never anything that refers to a JavaScript object. Runs inside a protected call only, because Lua may run out of memory.
 */
import { GlyphError } from '../../sdk/plugin.ts';
import { isFunctionHandle } from './function-refs.ts';
import type { FunctionRefs } from './function-refs.ts';
import type { Instance } from './instance.ts';
import { LUA } from './module.ts';
import type { LuaExports, Pointer } from './module.ts';
import type { LuaNull } from './types.ts';

/** Deepest nesting of a value, both ways. */
export const MAX_DEPTH = 32;
/** Key strings kept in Lua's registry, per state. */
const MAX_CACHED_KEYS = 4096;
/** Strings this short are copied byte by byte, which beats any encoder. */
const SHORT_STRING = 24;
const SMALL_INTEGERS = Array.from({ length: 1025 }, (_, index) => BigInt(index));

class NullMarker implements LuaNull {
  readonly kind = 'lua-null';
}

/** The host's value for `json.null`. */
export const LUA_NULL: LuaNull = Object.freeze(new NullMarker());

/** Values of one state that the prelude made and both directions need. */
export interface Markers {
  /** Address that stands for `json.null`. */
  readonly nullAt: Pointer;
  /** Registry reference of the metatable of `blob()`. */
  blob: bigint;
  /** Registry reference of the weak table whose keys are empty tables that are arrays. */
  arrays: bigint;
}

/** `BigInt(value)`, cached for small whole numbers. */
export function toBigInt(value: number): bigint {
  return (value >= 0 && value <= 1024 ? SMALL_INTEGERS[value] : undefined) ?? BigInt(value);
}

/** Pushes values onto a Lua stack. */
export class ValuesIn {
  #instance: Instance;
  #api: LuaExports;
  #functions: FunctionRefs;
  #markers: Markers;
  #keys = new Map<string, bigint>();

  constructor(instance: Instance, functions: FunctionRefs, markers: Markers) {
    this.#instance = instance;
    this.#api = instance.api;
    this.#functions = functions;
    this.#markers = markers;
  }

  push(L: Pointer, value: unknown, depth = 0): void {
    switch (typeof value) {
      case 'number':
        this.#pushNumber(L, value);
        return;
      case 'string':
        this.pushString(L, value);
        return;
      case 'boolean':
        this.#api.lua_pushboolean(L, value ? 1 : 0);
        return;
      case 'undefined':
        this.#api.lua_pushnil(L);
        return;
      case 'bigint':
        if (BigInt.asIntN(64, value) !== value) throw refused(`the integer ${value} does not fit into 64 bits`);
        this.#api.lua_pushinteger(L, value);
        return;
      case 'object':
        if (value === null) this.#api.lua_pushnil(L);
        else this.#pushObject(L, value, depth);
        return;
      default:
        throw refused(`a ${typeof value} cannot be passed to Lua`);
    }
  }

  pushString(L: Pointer, text: string): void {
    const { length } = text;
    const { scratch, u8 } = this.#instance;
    if (length <= SHORT_STRING) {
      let index = 0;
      for (; index < length; index++) {
        const code = text.charCodeAt(index);
        if (code > 127) break;
        u8[scratch + index] = code;
      }
      if (index === length) {
        this.#api.lua_pushlstring(L, scratch, length);
        return;
      }
    }
    if (length * 3 <= this.#instance.scratchBytes) {
      this.#api.lua_pushlstring(L, scratch, this.#instance.buffer.write(text, scratch));
      return;
    }
    this.pushBytes(L, Buffer.from(text));
  }

  pushBytes(L: Pointer, bytes: Uint8Array): void {
    this.withBytes(bytes, (at) => this.#api.lua_pushlstring(L, at, bytes.length));
  }

  /** Calls `use` with the address of a copy that ends in a zero byte. */
  withBytes<T>(bytes: Uint8Array, use: (at: Pointer) => T): T {
    const at = this.#api.malloc(bytes.length + 1);
    if (at === 0)
      throw new GlyphError('GC_LUA_MEMORY', `a value of ${bytes.length} bytes does not fit: not enough memory`);
    this.#instance.u8.set(bytes, at);
    this.#instance.u8[at + bytes.length] = 0;
    try {
      return use(at);
    } finally {
      if (this.#instance.dead === undefined) this.#api.free(at);
    }
  }

  /** A string that is likely to come again: a column or field name. Kept in the registry. */
  pushKey(L: Pointer, key: string): void {
    const known = this.#keys.get(key);
    if (known !== undefined) {
      this.#api.lua_rawgeti(L, LUA.registry, known);
      return;
    }
    this.pushString(L, key);
    if (this.#keys.size >= MAX_CACHED_KEYS) return;
    this.#api.lua_pushvalue(L, -1);
    this.#keys.set(key, BigInt(this.#api.luaL_ref(L, LUA.registry)));
  }

  #pushNumber(L: Pointer, value: number): void {
    // A whole number beyond 2^53 is a float: had it been an integer, it would be a bigint.
    if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
      this.#api.lua_pushinteger(L, toBigInt(value));
    } else {
      this.#api.lua_pushnumber(L, value);
    }
  }

  #pushObject(L: Pointer, value: object, depth: number): void {
    if (depth >= MAX_DEPTH) throw refused(`the value is nested deeper than ${MAX_DEPTH} levels, or refers to itself`);
    if (this.#api.lua_checkstack(L, 8) === 0)
      throw new GlyphError('GC_LUA_MEMORY', 'not enough memory for the Lua stack');
    if (Array.isArray(value)) {
      this.#pushArray(L, value, depth);
    } else if (isPlain(value)) {
      const keys = Object.keys(value);
      this.#api.lua_createtable(L, 0, keys.length);
      for (const key of keys) {
        const member = value[key];
        if (member === null || member === undefined) continue;
        this.pushKey(L, key);
        this.push(L, member, depth + 1);
        this.#api.lua_rawset(L, -3);
      }
    } else if (value instanceof Uint8Array) {
      this.pushBytes(L, value);
    } else if (value === LUA_NULL) {
      this.#api.lua_pushlightuserdata(L, this.#markers.nullAt);
    } else if (isFunctionHandle(value)) {
      this.#functions.push(L, value);
    } else {
      throw refused(`${describe(value)} cannot be passed to Lua; convert it to text, a number or a plain object first`);
    }
  }

  #pushArray(L: Pointer, values: readonly unknown[], depth: number): void {
    const { length } = values;
    this.#api.lua_createtable(L, length, 0);
    if (length === 0) {
      this.#markEmptyArray(L);
      return;
    }
    const first = values[0];
    if (length > 1 && isPlain(first)) {
      this.#fillRows(L, values, first, depth + 1);
      return;
    }
    for (let index = 0; index < length; index++) {
      this.push(L, values[index], depth + 1);
      this.#api.lua_rawseti(L, -2, toBigInt(index + 1));
    }
  }

  /** Rows of one shape: their column names lie on the stack once, instead of being looked up for every field. */
  #fillRows(L: Pointer, rows: readonly unknown[], first: Record<string, unknown>, depth: number): void {
    const api = this.#api;
    const keys = Object.keys(first);
    const table = api.lua_gettop(L);
    if (depth >= MAX_DEPTH) throw refused(`the value is nested deeper than ${MAX_DEPTH} levels, or refers to itself`);
    if (api.lua_checkstack(L, keys.length + 8) === 0) {
      throw new GlyphError('GC_LUA_MEMORY', 'not enough memory for the Lua stack');
    }
    for (const key of keys) this.pushKey(L, key);
    for (let index = 0; index < rows.length; index++) {
      const row = rows[index];
      if (isPlain(row) && sameKeys(row, keys)) {
        api.lua_createtable(L, 0, keys.length);
        let column = table;
        for (const key of keys) {
          column++;
          const value = row[key];
          if (value === null || value === undefined) continue;
          api.lua_pushvalue(L, column);
          this.push(L, value, depth + 1);
          api.lua_rawset(L, -3);
        }
      } else {
        this.push(L, row, depth);
      }
      api.lua_rawseti(L, table, toBigInt(index + 1));
    }
    api.lua_settop(L, table);
  }

  #markEmptyArray(L: Pointer): void {
    this.#api.lua_rawgeti(L, LUA.registry, this.#markers.arrays);
    this.#api.lua_pushvalue(L, -2);
    this.#api.lua_pushboolean(L, 1);
    this.#api.lua_rawset(L, -3);
    this.#api.lua_settop(L, -2);
  }
}

function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function sameKeys(row: Record<string, unknown>, keys: readonly string[]): boolean {
  const own = Object.keys(row);
  if (own.length !== keys.length) return false;
  for (let index = 0; index < keys.length; index++) if (own[index] !== keys[index]) return false;
  return true;
}

function describe(value: object): string {
  if (value instanceof Promise) return 'a promise (host functions for Lua are synchronous)';
  const name: unknown = (value.constructor as { name?: unknown } | undefined)?.name;
  return `an object of class ${typeof name === 'string' && name !== '' ? name : '(unnamed)'}`;
}

function refused(message: string): GlyphError {
  return new GlyphError('GC_LUA_VALUE', message);
}
