/**
 * Builds the globals of a new state: opens the harmless libraries and runs the prelude, which assembles what scripts see.
 *
 * Invariant: afterwards the interpreter's globals are the script's environment, so nothing that was opened here is reachable by default.
 */
import { randomBytes } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { decodeJson, encodeJson } from './json.ts';
import { Unpositioned } from './calls.ts';
import type { Machine } from './machine.ts';
import { LUA } from './module.ts';
import type { LuaExports, Pointer } from './module.ts';
import { findModule, readModule } from './modules.ts';
import { dateOf, timeOf } from './os.ts';
import { PRELUDE } from './prelude.ts';
import { results } from './results.ts';
import type { HostFunction, LuaStateOptions, LuaValue } from './types.ts';
import { LUA_NULL } from './values-in.ts';
import { GlyphError } from '../../sdk/plugin.ts';

const LIBRARIES = [
  ['luaopen_base', '_G'],
  ['luaopen_coroutine', 'coroutine'],
  ['luaopen_table', 'table'],
  ['luaopen_string', 'string'],
  ['luaopen_math', 'math'],
  ['luaopen_utf8', 'utf8'],
] as const satisfies readonly (readonly [keyof LuaExports, string])[];

/** Returns the registry reference of the script's globals. */
export function buildSandbox(
  machine: Machine,
  options: LuaStateOptions & { readonly now: () => number; readonly onPrint: (text: string) => void },
): bigint {
  const { api } = machine.instance;
  let environment = 0n;
  machine.protect((L) => {
    for (const [open, name] of LIBRARIES) {
      api[open](L);
      machine.in.withBytes(Buffer.from(name), (at) => api.lua_setglobal(L, at));
    }
    machine.markers.blob = newTable(api, L);
    machine.markers.arrays = newTable(api, L);
    nameNull(machine, L);
    machine.calls.compile(L, PRELUDE, 'sandbox');
    pushFunctions(machine, L, systemFunctions(options));
    machine.in.push(L, LUA_NULL);
    setField(machine, L, 'null');
    pushFunctions(machine, L, options.functions);
    machine.in.push(L, options.values ?? {});
    api.lua_rawgeti(L, LUA.registry, machine.markers.blob);
    api.lua_rawgeti(L, LUA.registry, machine.markers.arrays);
    api.lua_callk(L, 5, 1, 0, 0);
    api.lua_pushvalue(L, -1);
    api.lua_rawseti(L, LUA.registry, LUA.globals);
    environment = BigInt(api.luaL_ref(L, LUA.registry));
  });
  return environment;
}

/** A Lua string as text, with U+FFFD for what is not UTF-8. */
function textOf(value: LuaValue | undefined): string {
  if (typeof value === 'string') return value;
  return value instanceof Uint8Array ? Buffer.from(value).toString() : '';
}

/** What the prelude needs of the host. */
function systemFunctions(
  options: LuaStateOptions & { readonly now: () => number; readonly onPrint: (text: string) => void },
): Record<string, HostFunction> {
  const { now, onPrint, root, modules } = options;
  const begin = performance.now();
  const functions: Record<string, HostFunction> = {
    seed: () => {
      const bytes = randomBytes(16);
      return results(bytes.readBigInt64LE(0), bytes.readBigInt64LE(8));
    },
    print: (text) => onPrint(textOf(text)),
    clock: () => (performance.now() - begin) / 1000,
    date: (format, time) => dateOf(format, time, now()),
    time: (fields) => {
      if (fields === undefined || fields === null) return Math.floor(now() / 1000);
      const normal = timeOf(fields);
      return results(normal.time, normal.fields);
    },
    encode: (value) => encodeJson(value),
    decode: (text) => decodeJson(text),
    syntax_error: (message) => {
      throw new Unpositioned(new GlyphError('GC_LUA_SYNTAX', textOf(message)));
    },
  };
  if (root !== undefined || modules !== undefined) {
    functions['read_module'] = (name) => {
      const module = modules === undefined ? readModule(root ?? '', name) : findModule(modules, name);
      return results(module.source, `@${module.chunkName}`);
    };
  }
  return functions;
}

function pushFunctions(machine: Machine, L: Pointer, functions: Readonly<Record<string, HostFunction>>): void {
  machine.instance.api.lua_createtable(L, 0, 16);
  for (const [name, fn] of Object.entries(functions)) {
    machine.pushHostFunction(L, fn);
    setField(machine, L, name);
  }
}

/** Sets the value on top as a field of the table below it. */
function setField(machine: Machine, L: Pointer, name: string): void {
  const { api } = machine.instance;
  machine.in.pushString(L, name);
  api.lua_pushvalue(L, -2);
  api.lua_rawset(L, -4);
  api.lua_settop(L, -2);
}

function newTable(api: LuaExports, L: Pointer): bigint {
  api.lua_createtable(L, 0, 0);
  return BigInt(api.luaL_ref(L, LUA.registry));
}

/** `tostring(json.null)` is `null`: all light userdata share one metatable, and there is no other. */
function nameNull(machine: Machine, L: Pointer): void {
  const { api } = machine.instance;
  machine.in.push(L, LUA_NULL);
  api.lua_createtable(L, 0, 2);
  machine.pushHostFunction(L, () => 'null');
  setField(machine, L, '__tostring');
  api.lua_pushboolean(L, 0);
  setField(machine, L, '__metatable');
  api.lua_setmetatable(L, -2);
  api.lua_settop(L, -2);
}
