/**
 * The `lua` plugin: offers sandboxed Lua states as the service `lua`.
 *
 * Invariant: states belong to the plugin; unloading it closes all of them, and a reload keeps them while the limits are the same.
 * Nothing is compiled before the first state.
 */
import { statSync } from 'node:fs';
import { handedOn } from '../../sdk/lasting.ts';
import { definePlugin, GlyphError } from '../../sdk/plugin.ts';
import { isFunctionHandle } from './function-refs.ts';
import { MIN_MEMORY, parseLimits } from './limits.ts';
import type { LimitsConfig, LuaLimits } from './limits.ts';
import { results } from './results.ts';
import { SandboxedState } from './state.ts';
import type { LuaService, LuaStateOptions } from './types.ts';
import { LUA_NULL } from './values-in.ts';

/** The plugin's options: `lua: { limits: { time: '1s', memory: '64MB' } }`. */
export interface LuaConfig {
  readonly limits: LimitsConfig;
}

const FUNCTION_NAME = /^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$/;

/** Makes the service. `now` is the time in ms for states that bring no clock of their own. */
export function createLuaService(limits: LuaLimits, now: () => number): LuaService & { closeAll(): void } {
  const states = new Set<SandboxedState>();
  return {
    createState(options) {
      checkOptions(options);
      const resolved = {
        ...options,
        memoryBytes: Math.min(options.memoryBytes ?? limits.memoryBytes, limits.memoryBytes),
        timeMs: Math.min(options.timeMs ?? limits.timeMs, limits.timeMs),
        now: options.now ?? now,
      };
      const state: SandboxedState = new SandboxedState(resolved, () => states.delete(state));
      states.add(state);
      return state;
    },
    results,
    null: LUA_NULL,
    isFunction: isFunctionHandle,
    closeAll() {
      for (const state of states) state.close();
    },
  };
}

interface Running {
  readonly limits: LuaLimits;
  readonly service: ReturnType<typeof createLuaService>;
}

const handed = handedOn<LuaConfig, Running>({
  label: 'close Lua states',
  begin({ config, clock }) {
    const limits = parseLimits(config.limits);
    return { limits, service: createLuaService(limits, () => clock.now()) };
  },
  fits({ limits }, { config }) {
    const { timeMs, memoryBytes } = parseLimits(config.limits);
    return timeMs === limits.timeMs && memoryBytes === limits.memoryBytes;
  },
  end: ({ service }) => service.closeAll(),
});

export const luaPlugin = definePlugin<LuaConfig>({
  name: 'lua',
  version: '1.0.0',
  provides: { lua: '1.0.0' },
  config: {
    type: 'object',
    properties: {
      limits: {
        type: 'object',
        properties: {
          time: { anyOf: [{ type: 'number' }, { type: 'string' }], default: '1s' },
          memory: { anyOf: [{ type: 'number' }, { type: 'string' }], default: '64MB' },
        },
        additionalProperties: false,
        default: {},
      },
    },
    additionalProperties: false,
  },
  reload: 'restart',
  activate: (ctx) => ctx.provide<LuaService>('lua', handed.take(ctx).service),
  snapshot: handed.snapshot,
});
export default luaPlugin;

function checkOptions(options: LuaStateOptions | null): void {
  if (typeof options !== 'object' || options === null)
    throw badOption('createState needs options: { name, functions }');
  const { name, root, memoryBytes, timeMs, values, onPrint, now } = options;
  const functions = options.functions as LuaStateOptions['functions'] | null;
  if (typeof name !== 'string' || name === '') throw badOption('`name` must be a text: whose state is it?');
  if (root !== undefined && !isFolder(root)) {
    throw badOption(`\`root\` must be an existing folder, not ${JSON.stringify(root)}`);
  }
  if (memoryBytes !== undefined && !(Number.isInteger(memoryBytes) && memoryBytes >= MIN_MEMORY)) {
    throw badOption(`\`memoryBytes\` must be a whole number of at least ${MIN_MEMORY} bytes`);
  }
  if (timeMs !== undefined && !(typeof timeMs === 'number' && timeMs > 0)) {
    throw badOption('`timeMs` must be a number of ms above 0');
  }
  if (typeof functions !== 'object' || functions === null) {
    throw badOption('`functions` must be an object: name → function');
  }
  for (const [key, fn] of Object.entries(functions)) {
    if (!FUNCTION_NAME.test(key)) throw badOption(`\`functions\`: '${key}' is not a name; use words joined by dots`);
    if (typeof (fn as unknown) !== 'function') throw badOption(`\`functions\`: '${key}' is not a function`);
  }
  for (const key of Object.keys(values ?? {})) {
    if (!FUNCTION_NAME.test(key)) throw badOption(`\`values\`: '${key}' is not a name; use words joined by dots`);
  }
  if (onPrint !== undefined && typeof onPrint !== 'function') throw badOption('`onPrint` must be a function');
  if (now !== undefined && typeof now !== 'function') throw badOption('`now` must be a function');
}

function isFolder(path: unknown): boolean {
  return typeof path === 'string' && (statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false);
}

function badOption(message: string): GlyphError {
  return new GlyphError('GC_BAD_OPTION', message);
}
