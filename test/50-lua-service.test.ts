import { describe, expect, it } from 'vitest';
import type { LuaState, LuaStateOptions } from '../plugins/lua/types.ts';
import type { createLuaService } from '../plugins/lua/index.ts';
import { luaPlugin } from '../plugins/lua/index.ts';
import { parseLimits } from '../plugins/lua/limits.ts';
import { failure, lua, makeState, MIB } from './50-lua-support.ts';

describe('lua service: bad arguments', () => {
  const bad: readonly [string, unknown][] = [
    ['no options', undefined],
    ['no name', { functions: {} }],
    ['no functions', { name: 'x' }],
    ['a function that is none', { name: 'x', functions: { a: 1 } }],
    ['a function name with a space', { name: 'x', functions: { 'a b': () => 1 } }],
    ['a function name that ends in a dot', { name: 'x', functions: { 'a.': () => 1 } }],
    ['a value name that is no name', { name: 'x', functions: {}, values: { '1': 1 } }],
    ['a root that does not exist', { name: 'x', functions: {}, root: '/no/such/folder' }],
    ['too little memory', { name: 'x', functions: {}, memoryBytes: 1024 }],
    ['a negative time', { name: 'x', functions: {}, timeMs: -1 }],
    ['a time that is no number', { name: 'x', functions: {}, timeMs: '1s' }],
    ['onPrint that is no function', { name: 'x', functions: {}, onPrint: true }],
  ];
  it.each(bad)('refuses %s', (_, options) => {
    expect(failure(() => lua.createState(options as LuaStateOptions)).code).toBe('GC_BAD_OPTION');
  });

  it('refuses scripts, names and references of the wrong type', () => {
    const state = makeState();
    const wrong: (() => unknown)[] = [
      () => state.run(1 as never, 'main.lua'),
      () => state.run('return 1', ''),
      () => state.load(undefined as never, 'main.lua'),
      () => state.callRef('f' as never),
      () => state.release({} as never),
      () => state.guard('x' as never),
    ];
    for (const fn of wrong) expect(failure(fn).code).toBe('GC_BAD_ARGUMENT');
  });

  it('refuses a guard around something asynchronous', () => {
    expect(failure(() => makeState().guard(() => Promise.resolve(1))).message).toMatch(/synchronous/);
  });
});

describe('lua plugin: limits', () => {
  it('reads times and sizes', () => {
    expect(parseLimits({ time: '1s', memory: '64MB' })).toEqual({ timeMs: 1000, memoryBytes: 64 * MIB });
    expect(parseLimits({ time: '250ms', memory: '2.5MB' })).toEqual({ timeMs: 250, memoryBytes: 2.5 * MIB });
    expect(parseLimits({ time: 30, memory: 4 * MIB })).toEqual({ timeMs: 30, memoryBytes: 4 * MIB });
  });

  it.each([
    { time: 'soon', memory: '64MB' },
    { time: 0, memory: '64MB' },
    { time: '1h', memory: '64MB' },
    { time: '1s', memory: '64' },
    { time: '1s', memory: '1MB' },
    { time: '1s', memory: '3GB' },
    { time: '1s', memory: NaN },
  ])('refuses %j', (limits) => {
    expect(failure(() => parseLimits(limits)).code).toBe('GC_BAD_OPTION');
  });
});

describe('lua service: scripts and calls', () => {
  it('loads a script, finds its functions and calls them', () => {
    const state = makeState();
    state.load('function add(a, b) return a + b end  not_a_function = 1', 'main.lua');
    expect(state.has('add')).toBe(true);
    expect(state.has('missing')).toBe(false);
    expect(state.has('not_a_function')).toBe(false);
    expect(state.call('add', 2, 3)).toBe(5);
  });

  it('calls a function that does not exist with a clear error', () => {
    const error = failure(() => makeState().call('on_data_changed'));
    expect(error.code).toBe('GC_NO_SUCH_FUNCTION');
    expect(error.message).toContain("'on_data_changed'");
  });

  it('does not consult metatables when it looks for a function', () => {
    const state = makeState();
    state.load('setmetatable(_G, { __index = function() while true do end end })', 'main.lua');
    expect(state.has('anything')).toBe(false);
  });

  it('returns all results with callAll, the first one with call', () => {
    const state = makeState();
    state.load('function check() return false, "too small", nil end', 'main.lua');
    expect(state.callAll('check')).toEqual([false, 'too small', null]);
    expect(state.call('check')).toBe(false);
  });

  it('places functions and values by dotted names', () => {
    const state = makeState({
      functions: { 'a.b.c': () => 'deep', plain: () => 'plain', 'json.extra': () => 'extra' },
      values: { 'a.version': 3, settings: { currency: 'EUR' } },
    });
    expect(
      state.run('return { a.b.c(), plain(), json.extra(), a.version, settings.currency, json.encode(1) }', 'main.lua'),
    ).toEqual([...['deep', 'plain', 'extra'], ...[3, 'EUR', '1']]);
  });

  it('gives a host function several results', () => {
    const state = makeState({
      functions: { pair: () => lua.results(null, 'why', 3), list: () => [1, 2], none: () => undefined },
    });
    expect(
      state.run('local a, b, c = pair() return { a == nil, b, c, #list(), select("#", none()) }', 'main.lua'),
    ).toEqual([...[true, 'why', 3], ...[2, 0]]);
  });

  it('keeps states apart', () => {
    const one = makeState();
    const two = makeState();
    one.load('shared = 1  string.upper = nil  json.encode = nil', 'main.lua');
    expect(two.run('return { shared == nil, ("a"):upper(), string.upper("b"), json.encode(1) }', 'main.lua')).toEqual([
      true,
      'A',
      'B',
      '1',
    ]);
  });

  it('calls a hundred states', () => {
    const states = Array.from({ length: 100 }, () => makeState());
    states.forEach((state, index) => state.load(`function id() return ${index} end`, 'main.lua'));
    expect(states.map((state) => state.call('id'))).toEqual(states.map((_, index) => index));
    expect(Math.max(...states.map((state) => state.memoryBytes))).toBeLessThan(4 * MIB);
  });
});

describe('lua service: function references', () => {
  function holding(): { state: LuaState; held: never[] } {
    const held: never[] = [];
    const state = makeState({
      functions: {
        hold: (fn) => void held.push(fn as never),
        same: (fn) => fn,
      },
    });
    return { state, held };
  }

  it('hands Lua functions to host functions and calls them later', () => {
    const { state, held } = holding();
    state.load('local n = 0  hold(function(by) n = n + by return n end)', 'main.lua');
    expect(lua.isFunction(held[0])).toBe(true);
    expect(lua.isFunction({ kind: 'lua-function', state: 'demo' })).toBe(false);
    expect(state.callRef(held[0]!, 2)).toBe(2);
    expect(state.callRef(held[0]!, 3)).toBe(5);
  });

  it('gives Lua the same function back', () => {
    const { state } = holding();
    expect(state.run('local function f() end return same(f) == f', 'main.lua')).toBe(true);
  });

  it('refuses released references and those of other states', () => {
    const one = holding();
    const two = holding();
    one.state.load('hold(function() return 1 end)', 'main.lua');
    expect(failure(() => two.state.callRef(one.held[0]!)).code).toBe('GC_LUA_VALUE');
    one.state.release(one.held[0]!);
    one.state.release(one.held[0]!);
    const error = failure(() => one.state.callRef(one.held[0]!));
    expect([error.code, error.message]).toEqual(['GC_LUA_VALUE', expect.stringMatching(/was released/)]);
    expect(one.state.run('return 1', 'main.lua')).toBe(1);
  });

  it('frees what was released', () => {
    const { state, held } = holding();
    state.load(
      'weak = setmetatable({}, { __mode = "k" })  local f = function() return weak end  weak[f] = true  hold(f)',
      'main.lua',
    );
    const count =
      'for i = 1, 200 do local t = { ("x"):rep(100000) } end local n = 0 for _ in pairs(weak) do n = n + 1 end return n';
    expect(state.run(count, 'main.lua')).toBe(1);
    state.release(held[0]!);
    expect(state.run(count, 'main.lua')).toBe(0);
  });
});

describe('lua service: closing', () => {
  it('refuses every call afterwards', () => {
    const state = makeState();
    state.close();
    state.close();
    expect([state.dead, state.memoryBytes]).toEqual(['closed', 0]);
    for (const fn of [() => state.run('return 1', 'x'), () => state.has('x'), () => state.guard(() => 1)]) {
      expect(failure(fn).code).toBe('GC_CLOSED');
    }
  });

  it('stops a script that closes its own state', () => {
    const state: LuaState = makeState({ functions: { leave: () => state.close() } });
    expect(failure(() => state.run('while true do pcall(leave) end', 'main.lua')).code).toBe('GC_CLOSED');
  });

  it('closes every state with the plugin', async () => {
    const deferred: (() => void)[] = [];
    let service: ReturnType<typeof createLuaService> | undefined;
    await luaPlugin.activate({
      config: { limits: { time: '1s', memory: '64MB' } },
      clock: { now: () => 0 },
      defer: (fn: () => void) => deferred.push(fn),
      provide: (_: string, offered: never) => (service = offered),
    } as never);
    const state = service!.createState({ name: 'x', functions: {} });
    expect(state.run('return 1', 'x')).toBe(1);
    deferred.forEach((fn) => fn());
    expect(state.dead).toBe('closed');
  });
});
