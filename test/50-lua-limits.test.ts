import { describe, expect, it } from 'vitest';
import type { LuaState } from '../plugins/lua/types.ts';
import { failure, makeState, MIB } from './50-lua-support.ts';
import { workClock } from './support.ts';

/** Scripts that never end by themselves, most of them inside one C function. */
const ENDLESS: Readonly<Record<string, string>> = {
  'a loop': 'while true do end',
  'a for loop': 'for i = 1, math.huge do end',
  goto: '::top:: goto top',
  'a loop in pcall in a loop': 'while true do pcall(function() while true do end end) end',
  'an error handler that loops': 'xpcall(function() while true do end end, function() while true do end end)',
  'coroutines in pcall':
    'while true do local co = coroutine.wrap(function() while true do pcall(error) end end) pcall(co) end',
  'a __close that loops':
    'local x <close> = setmetatable({}, { __close = function() while true do end end }) error("x")',
  'an __index that loops': 'setmetatable(_G, { __index = function() while true do end end }) return foo',
  'a __tostring that loops': 'error(tostring(setmetatable({}, { __tostring = function() while true do end end })))',
  'a pattern bomb': 'string.find(("a"):rep(20000), ".-.-.-.-b")',
  'a pattern of optional letters': '(("a"):rep(40)):find(("a?"):rep(40) .. ("a"):rep(40) .. "b")',
  'table.move': 'table.move({}, 1, 1e15, 2)',
  'string.rep of nothing': 'return #(""):rep(1e18, "")',
  'string.rep in a loop': 'local t = {} for i = 1, 1e9 do t[1] = ("x"):rep(10e6) end',
  'utf8.len in a loop': 'local s = ("x"):rep(1e7) for i = 1, 1e9 do utf8.len(s) end',
  'gsub in a loop': 'while true do (("a"):rep(1e6)):gsub("a", "b") end',
  'a comparator that loops': 'table.sort({ 3, 2, 1 }, function() while true do end end)',
  'sort in a loop': 'local t = {} for i = 1, 2e5 do t[i] = (i * 7919) % 1000003 end while true do table.sort(t) end',
  'concat in a loop':
    'local t = {} for i = 1, 1e4 do t[i] = ("x"):rep(1000) end while true do local s = table.concat(t) end',
  'joining long strings in a loop': 'local s = ("x"):rep(1e5):rep(80) while true do local t = s .. s end',
  'load in a loop': 'local s = ("x=1 "):rep(2e5) while true do load(s) end',
  'host calls in pcall': 'while true do pcall(host) end',
  'failing host calls in pcall': 'while true do pcall(fail) end',
  'json in a loop': 'while true do json.decode(json.encode({ 1, 2, 3 })) end',
};

describe('lua limits: time', () => {
  it.each(Object.entries(ENDLESS))('%s is stopped, whatever it catches', (_, source) => {
    const state = makeState({
      timeMs: 50,
      functions: {
        host: () => 1,
        fail: () => {
          throw new Error('no');
        },
      },
    });
    const neighbour = makeState();
    const work = workClock();
    const error = failure(() => state.run(source, 'main.lua'));
    expect(error.code).toBe('GC_LUA_TIME');
    expect(work()).toBeLessThan(1500);
    expect(state.dead).toBe(error.message);
    for (const again of [
      () => state.run('return 1', 'x'),
      () => state.call('f'),
      () => state.has('f'),
      () => state.guard(() => 1),
    ]) {
      expect(failure(again).code).toBe('GC_LUA_TIME');
    }
    expect(neighbour.run('return 1 + 1', 'main.lua')).toBe(2);
  });

  it('counts long copies as work: the limit is not overrun by a few of them', () => {
    const overruns = [1, 2, 3, 4, 5].map(() => {
      const state = makeState({ timeMs: 100 });
      const work = workClock();
      failure(() => state.run('local s = ("x"):rep(1e5):rep(80) while true do local t = s .. s end', 'main.lua'));
      return work() - 100;
    });
    expect(Math.min(...overruns)).toBeLessThan(250);
  });

  it('says whose limit it was, and where', () => {
    const state = makeState({ name: 'order-totals', timeMs: 30 });
    state.load('\nfunction spin()\n  while true do string.rep("x", 10) end\nend', 'main.lua');
    const error = failure(() => state.call('spin'));
    expect(error.message).toBe("main.lua:3: 'order-totals' ran longer than its time limit of 30 ms and was stopped");
  });

  it('counts time spent in host functions', () => {
    const wait = (): void => {
      const end = performance.now() + 40;
      while (performance.now() < end);
    };
    const state = makeState({ timeMs: 100, functions: { wait } });
    expect(failure(() => state.run('for i = 1, 1000 do pcall(wait) end', 'main.lua')).code).toBe('GC_LUA_TIME');
  });

  it('runs the host’s own catch and finally blocks, and cannot be swallowed by them', () => {
    const trace: string[] = [];
    const state: LuaState = makeState({
      timeMs: 50,
      functions: {
        transaction: (fn) => {
          trace.push('begin');
          try {
            return state.callRef(fn as never);
          } catch {
            trace.push('rollback');
            return 'swallowed';
          } finally {
            trace.push('finally');
          }
        },
      },
    });
    expect(
      failure(() => state.run('transaction(function() while true do end end) return "went on"', 'main.lua')).code,
    ).toBe('GC_LUA_TIME');
    expect(trace).toEqual(['begin', 'rollback', 'finally']);
  });

  it('puts one limit around a whole batch with guard, and a fresh one around each call without', () => {
    const state = makeState({ timeMs: 400 });
    state.load('function work() local t = os.clock() + 0.1 while os.clock() < t do end end', 'main.lua');
    for (let index = 0; index < 6; index++) state.call('work');
    expect(state.dead).toBeUndefined();
    const inner = (): void => state.guard(() => void state.call('work'));
    const error = failure(() => state.guard(() => [1, 2, 3, 4, 5, 6].forEach(inner)));
    expect(error.code).toBe('GC_LUA_TIME');
  });

  it('returns what the guarded function returns, and passes on what it throws', () => {
    const state = makeState();
    expect(state.guard(() => 5)).toBe(5);
    expect(() => state.guard(() => JSON.parse('{') as unknown)).toThrow(SyntaxError);
    expect(state.run('return 1', 'main.lua')).toBe(1);
  });

  it('never takes more than the service’s own limit', () => {
    const state = makeState({ timeMs: 1e9, memoryBytes: 1e9 });
    expect(failure(() => state.run('local t = {} for i = 1, 1e9 do t[i] = {} end', 'main.lua')).code).toBe(
      'GC_LUA_MEMORY',
    );
    expect(state.memoryBytes).toBeLessThanOrEqual(64 * MIB);
  });
});

describe('lua limits: memory', () => {
  const greedy: Readonly<Record<string, string>> = {
    'a growing table': 'local t = {} for i = 1, 1e9 do t[i] = {} end',
    'a growing string': 'local s = "x" while true do s = s .. s end',
    'string.rep': 'return #("x"):rep(1e9)',
    'table.concat': 'local s = ("x"):rep(1e6) local t = {} for i = 1, 300 do t[i] = s end return #table.concat(t)',
    'many closures': 'local t = {} for i = 1, 1e9 do t[i] = function() return i end end',
    'many coroutines': 'local t = {} for i = 1, 1e9 do t[i] = coroutine.create(print) end',
    'a huge script': 'return load("return {" .. ("1,"):rep(4e6) .. "}")()',
  };
  it.each(Object.entries(greedy))('%s ends in GC_LUA_MEMORY, and the state goes on', (_, source) => {
    const state = makeState({ memoryBytes: 8 * MIB });
    const neighbour = makeState();
    const error = failure(() =>
      state.run(`local f = function() ${source} end  error((select(2, pcall(f))), 0)`, 'main.lua'),
    );
    expect(error.code).toBe('GC_LUA_MEMORY');
    expect(failure(() => state.run(source, 'main.lua')).code).toBe('GC_LUA_MEMORY');
    expect(state.memoryBytes).toBeLessThanOrEqual(8 * MIB + 65_536);
    expect(state.dead).toBeUndefined();
    expect(state.run('local t = {} for i = 1, 1000 do t[i] = { i } end return #t', 'main.lua')).toBe(1000);
    expect(neighbour.run('return 1', 'main.lua')).toBe(1);
  });

  it('names the state in the message', () => {
    const state = makeState({ name: 'order-totals', memoryBytes: 4 * MIB });
    expect(failure(() => state.run('return #("x"):rep(1e9)', 'main.lua')).message).toBe(
      'order-totals: the script needs more memory than its limit',
    );
  });

  it('refuses values from the host that do not fit', () => {
    const state = makeState({
      memoryBytes: 4 * MIB,
      functions: { big: () => 'x'.repeat(16 * MIB), rows: () => new Array<object>(500_000).fill({ a: 1 }) },
    });
    state.load('function f() end', 'main.lua');
    expect(failure(() => state.call('f', new Uint8Array(16 * MIB))).code).toBe('GC_LUA_MEMORY');
    expect(failure(() => state.run('big()', 'main.lua')).code).toBe('GC_LUA_MEMORY');
    expect(failure(() => state.run('rows()', 'main.lua')).code).toBe('GC_LUA_MEMORY');
    expect(state.run('return { pcall(big) }', 'main.lua')).toEqual([false, expect.stringMatching(/not enough memory/)]);
    expect(state.run('return 1', 'main.lua')).toBe(1);
  });

  it('stays within its memory when it produces garbage', () => {
    const state = makeState({ memoryBytes: 8 * MIB });
    expect(
      state.run(
        'local n = 0 for i = 1, 2000 do local t = {} for j = 1, 50 do t[j] = { j } end n = n + #t end return n',
        'main.lua',
      ),
    ).toBe(100_000);
    for (let index = 0; index < 300; index++) state.run('return #("x"):rep(100000)', 'main.lua');
    expect(state.memoryBytes).toBeLessThanOrEqual(8 * MIB);
  });

  it('returns the memory of dropped states', () => {
    for (let index = 0; index < 40; index++) {
      const state = makeState();
      state.run('big = ("x"):rep(1e6):rep(20)', 'main.lua');
      state.close();
    }
    expect(process.memoryUsage.rss()).toBeLessThan(1024 * MIB);
  }, 60_000);
});

describe('lua limits: output', () => {
  it('passes on 64 KiB of print per guard and says once that there was more', () => {
    const printed: string[] = [];
    const state = makeState({ onPrint: (text) => printed.push(text) });
    const flood = 'for i = 1, 100000 do print(("x"):rep(99)) end';
    state.run(flood, 'main.lua');
    expect(printed.length).toBe(656);
    expect(printed.at(-1)).toMatch(/the rest is left out/);
    printed.length = 0;
    state.run('print("again", 1, nil, true, json.null)', 'main.lua');
    expect(printed).toEqual(['again\t1\tnil\ttrue\tnull']);
    printed.length = 0;
    state.guard(() => {
      state.run(flood, 'main.lua');
      state.run(flood, 'main.lua');
    });
    expect(printed.length).toBe(656);
  });

  it('prints bytes that are not UTF-8, and nothing when nobody listens', () => {
    const printed: string[] = [];
    makeState({ onPrint: (text) => printed.push(text) }).run('print("a\\xff")', 'main.lua');
    expect(printed).toEqual(['a\ufffd']);
    makeState().run('print("x")', 'main.lua');
  });
});
