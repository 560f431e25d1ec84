import { describe, expect, it } from 'vitest';
import { GlyphError } from '../sdk/plugin.ts';
import type { HostFunction, LuaState } from '../plugins/lua/types.ts';
import { causeOf, failure, lua, makeState } from './50-lua-support.ts';

/** A state whose host function `transaction(fn)` behaves like a database's: savepoint, call, release or roll back and rethrow. */
function transactional(): { state: LuaState; trace: string[] } {
  const trace: string[] = [];
  const transaction: HostFunction = (fn) => {
    trace.push('begin');
    try {
      const result = state.callRef(fn as never);
      trace.push('commit');
      return result;
    } catch (error) {
      trace.push('rollback');
      throw error;
    } finally {
      state.release(fn as never);
    }
  };
  const state: LuaState = makeState({
    functions: {
      transaction,
      query: (sql) => {
        throw new GlyphError('GC_SQL', `no such table: ${sql as string}`, {
          hint: 'create it',
          skill: 's',
          phase: 'p',
        });
      },
      broken: () => {
        throw new TypeError('x is not a function');
      },
      odd: () => {
        throw 'just text'; // eslint-disable-line @typescript-eslint/only-throw-error -- what careless hosts do
      },
    },
  });
  return { state, trace };
}

describe('lua errors: what a script does wrong', () => {
  it('names file and line, and shows the traceback', () => {
    const { state } = transactional();
    state.load(
      'local function inner()\n  local order = nil\n  return order.total\nend\nfunction outer()\n  return 1 + inner()\nend',
      'main.lua',
    );
    const error = failure(() => state.call('outer'));
    expect(error.code).toBe('GC_LUA');
    expect(error.message).toBe("main.lua:3: attempt to index a nil value (local 'order')");
    expect(causeOf(error).traceback.split('\n')).toEqual([
      "main.lua:3: in upvalue 'inner'",
      expect.stringMatching(/^main\.lua:6: in function/),
    ]);
    expect(causeOf(error).value).toBe(error.message);
  });

  it('reports syntax errors with their line', () => {
    const error = failure(() => transactional().state.load('local a = 1\nif a then', 'lib/util.lua'));
    expect([error.code, error.message]).toEqual(['GC_LUA_SYNTAX', "lib/util.lua:2: 'end' expected near <eof>"]);
  });

  it('shows the end of a long file name', () => {
    const name = `${'folder/'.repeat(20)}main.lua`;
    expect(failure(() => transactional().state.load('x = = 1', name)).message).toMatch(
      /^\.\.\.\S*folder\/main\.lua:1: /,
    );
  });

  it('carries tables that were raised', () => {
    const { state } = transactional();
    const error = failure(() => state.run('\nerror({ code = "E1", message = "out of stock", left = 0 })', 'main.lua'));
    expect(error.message).toBe('main.lua:2: out of stock');
    expect(causeOf(error).value).toEqual({ code: 'E1', message: 'out of stock', left: 0 });
    expect(failure(() => state.run('error({ a = math.maxinteger })', 'main.lua')).message).toBe(
      'main.lua:1: the script raised {"a":"9223372036854775807"}',
    );
  });

  it('survives raised values that cannot be shown', () => {
    const { state } = transactional();
    for (const value of ['nil', 'print', '{ f = print }', 'true', '42.5', '("\\xff")', 'coroutine.create(print)']) {
      const error = failure(() => state.run(`error(${value})`, 'main.lua'));
      expect([value, error.code]).toEqual([value, 'GC_LUA']);
      expect(error.message.length).toBeGreaterThan(5);
    }
    expect(state.run('return 1', 'main.lua')).toBe(1);
  });
});

describe('lua errors: what a host function throws', () => {
  it('is a string with the caller’s position to the script', () => {
    const { state } = transactional();
    expect(
      state.run('local function f()\n query("orders") end\nlocal ok, e = pcall(f) return { ok, e }', 'main.lua'),
    ).toEqual([false, 'main.lua:2: no such table: orders']);
    expect(state.run('local _, e = pcall(function() odd() end) return e', 'main.lua')).toBe('main.lua:1: just text');
  });

  it('keeps its code and details when the script does not catch it', () => {
    const { state } = transactional();
    const error = failure(() => state.run('\n\nlocal rows = query("orders")', 'main.lua'));
    expect(error).toMatchObject({
      code: 'GC_SQL',
      message: 'main.lua:3: no such table: orders',
      hint: 'create it',
      skill: 's',
      phase: 'p',
    });
    expect(causeOf(error).hostError).toBeInstanceOf(GlyphError);
    expect((causeOf(error).hostError as GlyphError).message).toBe('no such table: orders');
    expect(causeOf(error).traceback).toMatch(/main\.lua:3: in main chunk/);
  });

  it('keeps its code when the script raises it again', () => {
    const { state } = transactional();
    for (const again of ['error(e)', 'error(e, 0)', 'assert(ok, e)']) {
      expect(failure(() => state.run(`local ok, e = pcall(query, "orders") ${again}`, 'main.lua')).code).toBe('GC_SQL');
    }
    expect(failure(() => state.run('pcall(query, "orders") error("something else")', 'main.lua')).code).toBe('GC_LUA');
  });

  it('does not mistake a later, equal text for it', () => {
    const { state } = transactional();
    state.run('pcall(query, "orders")', 'main.lua');
    expect(failure(() => state.run('error("no such table: orders")', 'main.lua')).code).toBe('GC_LUA');
  });

  it('is GC_LUA with the original as hostError when it is not a GlyphError', () => {
    const error = failure(() => transactional().state.run('broken()', 'main.lua'));
    expect([error.code, error.message]).toEqual(['GC_LUA', 'main.lua:1: x is not a function']);
    expect(causeOf(error).hostError).toBeInstanceOf(TypeError);
  });

  it('is cut when it is very long', () => {
    const state = makeState({
      functions: {
        long: () => {
          throw new Error('x'.repeat(1e6));
        },
      },
    });
    expect(failure(() => state.run('long()', 'main.lua')).message.length).toBeLessThan(2100);
  });

  it('works inside coroutines, metamethods and iterators', () => {
    const { state } = transactional();
    const source = `local co = coroutine.wrap(function() local ok, e = pcall(query, "a") coroutine.yield(e) query("b") end)
      local first = co()
      local ok, second = pcall(co)
      local ok, third = pcall(function() return setmetatable({}, { __index = function() query("c") end }).x end)
      local ok, fourth = pcall(function() for _ in query do end end)
      return { first, second, third, fourth }`;
    expect(state.run(source, 'main.lua')).toEqual([
      'no such table: a',
      'main.lua:1: no such table: b',
      'main.lua:4: no such table: c',
      expect.stringMatching(/no such table: null/),
    ]);
  });
});

describe('lua errors: calling back into Lua inside a host function', () => {
  it('commits and returns the result', () => {
    const { state, trace } = transactional();
    expect(state.run('return transaction(function() return { done = true } end)', 'main.lua')).toEqual({ done: true });
    expect(trace).toEqual(['begin', 'commit']);
  });

  it('rolls back and raises the very same value', () => {
    const { state, trace } = transactional();
    const source = `local value = { code = 7, fn = print }
      local ok, e = pcall(transaction, function() error(value) end)
      return { ok, rawequal(e, value), e.fn == print }`;
    expect(state.run(source, 'main.lua')).toEqual([false, true, true]);
    expect(trace).toEqual(['begin', 'rollback']);
  });

  it('does the same through three levels', () => {
    const { state, trace } = transactional();
    const source = `local value = setmetatable({}, { __tostring = function() return "mine" end })
      local ok, e = pcall(function()
        transaction(function() transaction(function() transaction(function() error(value) end) end) end)
      end)
      return rawequal(e, value)`;
    expect(state.run(source, 'main.lua')).toBe(true);
    expect(trace).toEqual(['begin', 'begin', 'begin', 'rollback', 'rollback', 'rollback']);
  });

  it('keeps the code of a host error through a transaction', () => {
    const error = failure(() => transactional().state.run('transaction(function()\n query("orders") end)', 'main.lua'));
    expect([error.code, error.message]).toEqual(['GC_SQL', 'main.lua:2: no such table: orders']);
  });

  it('raises the latest of many failures, and keeps none of them on the stack', () => {
    const state: LuaState = makeState({
      functions: {
        retry: (fn) => {
          let last: unknown;
          for (let index = 0; index < 500; index++) {
            try {
              state.callRef(fn as never, index);
            } catch (error) {
              last = error;
            }
          }
          throw last;
        },
      },
    });
    expect(state.run('local ok, e = pcall(retry, function(i) error({ i }) end) return e', 'main.lua')).toEqual([499]);
  });

  it('works inside a coroutine', () => {
    const { state } = transactional();
    const source = `local co = coroutine.wrap(function(a)
        local b = coroutine.yield(transaction(function() return a + 1 end))
        return transaction(function() return b + 1 end)
      end)
      return { co(1), co(10) }`;
    expect(state.run(source, 'main.lua')).toEqual([2, 11]);
  });

  it('refuses a yield across it, cleanly', () => {
    const { state, trace } = transactional();
    const source = `local co = coroutine.create(function() transaction(function() coroutine.yield(1) end) end)
      local ok, e = coroutine.resume(co)
      return { ok, e, coroutine.status(co) }`;
    expect(state.run(source, 'main.lua')).toEqual([
      false,
      expect.stringMatching(/attempt to yield across a C-call boundary/),
      'dead',
    ]);
    expect(trace).toEqual(['begin', 'rollback']);
    expect(failure(() => state.run('coroutine.yield(1)', 'main.lua')).message).toMatch(
      /attempt to yield from outside a coroutine/,
    );
  });

  it('is bounded in depth, with a clear error and a usable state', () => {
    const { state, trace } = transactional();
    const error = failure(() => state.run('local function f() return transaction(f) end return f()', 'main.lua'));
    expect([error.code, error.message]).toEqual(['GC_LUA', expect.stringMatching(/nested deeper than 32 levels/)]);
    expect(trace.filter((each) => each === 'begin').length).toBe(trace.filter((each) => each === 'rollback').length);
    expect(state.dead).toBeUndefined();
    expect(state.run('return transaction(function() return 5 end)', 'main.lua')).toBe(5);
  });

  it('lets two states call each other', () => {
    const inner = makeState({ name: 'inner' });
    inner.load('function add(a, b) return a + b end  function fail() error("inner failed") end', 'inner.lua');
    const outer = makeState({
      name: 'outer',
      functions: { call: (name, ...args) => inner.call(name as string, ...args) },
    });
    expect(outer.run('return call("add", 1, 2)', 'outer.lua')).toBe(3);
    const error = failure(() => outer.run('call("fail")', 'outer.lua'));
    expect([error.code, error.message]).toEqual(['GC_LUA', 'outer.lua:1: inner.lua:1: inner failed']);
  });

  it('keeps a killed inner state from harming the outer one', () => {
    const inner = makeState({ name: 'inner', timeMs: 40 });
    inner.load('function spin() while true do end end', 'inner.lua');
    const outer = makeState({ name: 'outer', functions: { spin: () => inner.call('spin') } });
    expect(outer.run('local ok, e = pcall(spin) return { ok, e }', 'outer.lua')).toEqual([
      false,
      expect.stringMatching(/'inner' ran longer/),
    ]);
    expect([inner.dead !== undefined, outer.dead]).toEqual([true, undefined]);
    expect(failure(() => outer.run('spin()', 'outer.lua')).code).toBe('GC_LUA_TIME');
    expect(outer.dead).toBeUndefined();
  });

  it('survives a host function that recurses without end: that state dies, the host and the others live', () => {
    const forever = (): number => forever() + 1;
    const state = makeState({ functions: { forever } });
    const neighbour = makeState();
    const error = failure(() => state.run('pcall(forever)', 'main.lua'));
    expect([error.code, error.message]).toEqual(['GC_LUA', expect.stringMatching(/call stack/)]);
    expect(state.dead).toBeDefined();
    expect(neighbour.run('return 1', 'main.lua')).toBe(1);
    expect(lua.createState({ name: 'new', functions: {} }).run('return 1', 'main.lua')).toBe(1);
  });
});
