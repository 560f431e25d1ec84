/** Makes Lua states for the tests of the `lua` plugin, and says how an attempt ended. */
import { onTestFinished } from 'vitest';
import { GlyphError } from '../sdk/plugin.ts';
import { createLuaService } from '../plugins/lua/index.ts';
import type { LuaErrorCause, LuaState, LuaStateOptions } from '../plugins/lua/types.ts';

export const MIB = 1024 * 1024;
export const NOW = Date.UTC(2026, 0, 2, 3, 4, 5);

export const lua = createLuaService({ timeMs: 60_000, memoryBytes: 64 * MIB }, () => NOW);

/** A state with the given functions and otherwise default options. */
export function makeState(options: Partial<LuaStateOptions> = {}): LuaState {
  onTestFinished(() => lua.closeAll());
  return lua.createState({ name: 'demo', functions: {}, ...options });
}

/** Runs a script in a fresh state. */
export function run(source: string, options: Partial<LuaStateOptions> = {}): unknown {
  return makeState(options).run(source, 'main.lua');
}

/** The GlyphError that `fn` throws; fails when it throws nothing, or anything else. */
export function failure(fn: () => unknown): GlyphError {
  try {
    fn();
  } catch (thrown) {
    if (thrown instanceof GlyphError) return thrown;
    throw thrown;
  }
  throw new Error('expected a GlyphError, but nothing was thrown');
}

/** The Lua side of an error. */
export function causeOf(error: GlyphError): LuaErrorCause {
  return error.cause as LuaErrorCause;
}
