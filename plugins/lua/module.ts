/**
 * Compiles the Lua interpreter: the WebAssembly file of the npm package wasmoon (plain Lua 5.4 C API), metered.
 *
 * Invariant: one compiled module per process, made at the first state; wasmoon's JavaScript is never loaded.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { leb } from './wasm-binary.ts';
import { meter } from './meter.ts';

export const PAGE_BYTES = 65_536;
/** 1.5 MiB: what the interpreter needs to start. wasmoon's own 16 MiB make states slow to create. */
const INITIAL_PAGES = 24;
/** 2 GiB, above which its 32-bit arithmetic is not trusted. Each state's own limit is far lower. */
export const MAX_PAGES = 32_768;

/** Address of a `lua_State`, of a C string, or of any other thing in the instance's memory. */
export type Pointer = number;

/** The part of the Lua C API that is used; see https://www.lua.org/manual/5.4/manual.html#4. */
export interface LuaExports {
  readonly memory: WebAssembly.Memory;
  readonly __indirect_function_table: WebAssembly.Table;
  readonly fuel: WebAssembly.Global<'i32'>;
  readonly fuel_slot: WebAssembly.Global<'i32'>;
  __wasm_call_ctors(): void;
  emscripten_stack_init(): void;
  stackSave(): number;
  stackRestore(at: number): void;
  setThrew(threw: number, value: number): void;
  malloc(bytes: number): Pointer;
  free(at: Pointer): void;
  luaL_newstate(): Pointer;
  luaL_loadbufferx(L: Pointer, source: Pointer, bytes: number, name: Pointer, mode: Pointer): number;
  luaL_ref(L: Pointer, table: number): number;
  luaL_unref(L: Pointer, table: number, ref: number): void;
  luaL_traceback(L: Pointer, of: Pointer, message: Pointer, level: number): void;
  luaL_where(L: Pointer, level: number): void;
  luaopen_base(L: Pointer): number;
  luaopen_coroutine(L: Pointer): number;
  luaopen_table(L: Pointer): number;
  luaopen_string(L: Pointer): number;
  luaopen_math(L: Pointer): number;
  luaopen_utf8(L: Pointer): number;
  lua_setglobal(L: Pointer, name: Pointer): void;
  lua_gettop(L: Pointer): number;
  lua_settop(L: Pointer, index: number): void;
  lua_copy(L: Pointer, from: number, to: number): void;
  lua_checkstack(L: Pointer, slots: number): number;
  lua_callk(L: Pointer, args: number, results: number, context: number, k: number): void;
  lua_pcallk(L: Pointer, args: number, results: number, handler: number, context: number, k: number): number;
  lua_error(L: Pointer): number;
  lua_concat(L: Pointer, count: number): void;
  lua_type(L: Pointer, index: number): number;
  lua_isinteger(L: Pointer, index: number): number;
  lua_rawequal(L: Pointer, a: number, b: number): number;
  lua_toboolean(L: Pointer, index: number): number;
  lua_tonumberx(L: Pointer, index: number, isNumber: Pointer): number;
  lua_tointegerx(L: Pointer, index: number, isInteger: Pointer): bigint;
  lua_tolstring(L: Pointer, index: number, length: Pointer): Pointer;
  lua_touserdata(L: Pointer, index: number): Pointer;
  lua_next(L: Pointer, index: number): number;
  lua_getmetatable(L: Pointer, index: number): number;
  lua_setmetatable(L: Pointer, index: number): number;
  lua_pushnil(L: Pointer): void;
  lua_pushboolean(L: Pointer, value: number): void;
  lua_pushnumber(L: Pointer, value: number): void;
  lua_pushinteger(L: Pointer, value: bigint): void;
  lua_pushlstring(L: Pointer, at: Pointer, bytes: number): Pointer;
  lua_pushvalue(L: Pointer, index: number): void;
  lua_pushcclosure(L: Pointer, slot: number, upvalues: number): void;
  lua_pushlightuserdata(L: Pointer, value: Pointer): void;
  lua_createtable(L: Pointer, array: number, hash: number): void;
  lua_rawget(L: Pointer, index: number): number;
  lua_rawset(L: Pointer, index: number): void;
  lua_rawgeti(L: Pointer, index: number, key: bigint): number;
  lua_rawseti(L: Pointer, index: number, key: bigint): void;
  lua_getstack(L: Pointer, level: number, debug: Pointer): number;
  lua_getinfo(L: Pointer, what: Pointer, debug: Pointer): number;
}

/** All of them but the two that the meter adds. Each export a module has costs every state about 200 bytes of the host's heap. */
const EXPORTS: readonly Exclude<keyof LuaExports, 'fuel' | 'fuel_slot'>[] = [
  'memory',
  '__indirect_function_table',
  '__wasm_call_ctors',
  'emscripten_stack_init',
  'stackSave',
  'stackRestore',
  'setThrew',
  'malloc',
  'free',
  'luaL_newstate',
  'luaL_loadbufferx',
  'luaL_ref',
  'luaL_unref',
  'luaL_traceback',
  'luaL_where',
  'luaopen_base',
  'luaopen_coroutine',
  'luaopen_table',
  'luaopen_string',
  'luaopen_math',
  'luaopen_utf8',
  'lua_setglobal',
  'lua_gettop',
  'lua_settop',
  'lua_copy',
  'lua_checkstack',
  'lua_callk',
  'lua_pcallk',
  'lua_error',
  'lua_concat',
  'lua_type',
  'lua_isinteger',
  'lua_rawequal',
  'lua_toboolean',
  'lua_tonumberx',
  'lua_tointegerx',
  'lua_tolstring',
  'lua_touserdata',
  'lua_next',
  'lua_getmetatable',
  'lua_setmetatable',
  'lua_pushnil',
  'lua_pushboolean',
  'lua_pushnumber',
  'lua_pushinteger',
  'lua_pushlstring',
  'lua_pushvalue',
  'lua_pushcclosure',
  'lua_pushlightuserdata',
  'lua_createtable',
  'lua_rawget',
  'lua_rawset',
  'lua_rawgeti',
  'lua_rawseti',
  'lua_getstack',
  'lua_getinfo',
];

/** Constants of lua.h. */
export const LUA = {
  registry: -1_001_000,
  /** Registry index of the globals table. */
  globals: 2n,
  multipleResults: -1,
  upvalue1: -1_001_001,
  errorSyntax: 3,
  errorMemory: 4,
  nil: 0,
  boolean: 1,
  lightUserdata: 2,
  number: 3,
  string: 4,
  table: 5,
  function: 6,
} as const;

/** Names of Lua's types by number. */
export const LUA_TYPES = [
  'nil',
  'boolean',
  'userdata',
  'number',
  'string',
  'table',
  'function',
  'userdata',
  'coroutine',
] as const;

let compiled: WebAssembly.Module | undefined;

/** The interpreter, compiled at the first call. */
export function luaModule(): WebAssembly.Module {
  if (compiled === undefined) {
    const file = createRequire(import.meta.url).resolve('wasmoon/dist/glue.wasm');
    compiled = new WebAssembly.Module(
      meter(readFileSync(file), { initial: INITIAL_PAGES, maximum: MAX_PAGES }, EXPORTS),
    );
  }
  return compiled;
}

/** JavaScript functions that C code calls through the module's function table. */
export interface Trampolines {
  /** `lua_CFunction` of every host function; the first upvalue says which. */
  readonly dispatch: (L: Pointer) => number;
  /** `lua_CFunction` that runs the pending operation. */
  readonly enter: (L: Pointer) => number;
  /** `lua_CFunction`: message handler. */
  readonly describe: (L: Pointer) => number;
  readonly refuel: () => void;
}

let trampolineModule: WebAssembly.Module | undefined;

/** Wraps JavaScript functions as WebAssembly functions of the right type: only those may stand in a function table. */
export function wrapTrampolines(functions: Trampolines): Record<keyof Trampolines, () => unknown> {
  trampolineModule ??= new WebAssembly.Module(trampolineBytes(['dispatch', 'enter', 'describe'], ['refuel']));
  const instance = new WebAssembly.Instance(trampolineModule, { js: { ...functions } });
  return instance.exports as Record<keyof Trampolines, () => unknown>;
}

/** A module that imports the named functions and exports them again: `(i32) → i32` and `() → ()`. */
function trampolineBytes(unary: readonly string[], nullary: readonly string[]): Uint8Array<ArrayBuffer> {
  const names = [...unary, ...nullary];
  const text = (value: string): readonly number[] => [value.length, ...Buffer.from(value)];
  const section = (id: number, body: readonly number[]): readonly number[] => [id, ...leb(body.length), ...body];
  const imports = names.flatMap((name, index) => [...text('js'), ...text(name), 0, index < unary.length ? 0 : 1]);
  const exports = names.flatMap((name, index) => [...text(name), 0, index]);
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [2, ...[0x60, 1, 0x7f, 1, 0x7f], ...[0x60, 0, 0]]),
    ...section(2, [names.length, ...imports]),
    ...section(7, [names.length, ...exports]),
  ]);
}
