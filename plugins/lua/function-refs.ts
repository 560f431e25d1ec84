/**
 * Lua functions that the host holds: registry references behind opaque handles.
 *
 * Invariant: a reference is given back to Lua exactly once, by `release` or after the host has dropped the handle.
 */
import { GlyphError } from '../../sdk/plugin.ts';
import type { Instance } from './instance.ts';
import { LUA } from './module.ts';
import type { Pointer } from './module.ts';
import type { LuaFunction } from './types.ts';

class Handle implements LuaFunction {
  readonly kind = 'lua-function';
  readonly state: string;

  constructor(state: string) {
    this.state = state;
    Object.freeze(this);
  }
}

/** Whether a value is a handle made here, by any state. */
export function isFunctionHandle(value: unknown): value is LuaFunction {
  return value instanceof Handle;
}

/** The function handles of one state. */
export class FunctionRefs {
  #instance: Instance;
  #name: string;
  #refs = new WeakMap<LuaFunction, number>();
  #abandoned: number[] = [];
  #registry = new FinalizationRegistry<number>((ref) => this.#abandoned.push(ref));

  constructor(instance: Instance, name: string) {
    this.#instance = instance;
    this.#name = name;
  }

  /** Makes a handle of the function at `index`. */
  take(L: Pointer, index: number): LuaFunction {
    const { api } = this.#instance;
    api.lua_pushvalue(L, index);
    const ref = api.luaL_ref(L, LUA.registry);
    const handle = new Handle(this.#name);
    this.#refs.set(handle, ref);
    this.#registry.register(handle, ref, handle);
    return handle;
  }

  /** Pushes the function onto Lua's stack. */
  push(L: Pointer, handle: LuaFunction): void {
    this.#instance.api.lua_rawgeti(L, LUA.registry, BigInt(this.#refOf(handle)));
  }

  release(handle: LuaFunction): void {
    const ref = this.#refs.get(handle);
    if (ref === undefined) return;
    this.#refs.delete(handle);
    this.#registry.unregister(handle);
    if (this.#instance.dead === undefined) this.#instance.api.luaL_unref(this.#instance.L, LUA.registry, ref);
  }

  /** Gives back what the host dropped without `release`. Called between operations, when Lua is at rest. */
  sweep(): void {
    if (this.#abandoned.length === 0) return;
    for (const ref of this.#abandoned) this.#instance.api.luaL_unref(this.#instance.L, LUA.registry, ref);
    this.#abandoned = [];
  }

  #refOf(handle: LuaFunction): number {
    const ref = this.#refs.get(handle);
    if (ref !== undefined) return ref;
    const why = handle.state === this.#name ? 'was released' : `belongs to the Lua state '${handle.state}'`;
    throw new GlyphError('GC_LUA_VALUE', `this Lua function ${why} and cannot be used in '${this.#name}'`);
  }
}
