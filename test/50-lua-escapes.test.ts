import { describe, expect, it } from 'vitest';
import { causeOf, failure, makeState, run } from './50-lua-support.ts';

/** Everything a host might hand to a script, however clumsily. */
const GIVEN = {
  object: { a: 1, nested: { b: 2 } },
  array: [1, { c: 3 }],
  bare: Object.assign(Object.create(null) as object, { d: 4 }),
};

function withHost(): ReturnType<typeof makeState> {
  return makeState({
    functions: {
      'host.object': () => GIVEN.object,
      'host.array': () => GIVEN.array,
      'host.bare': () => GIVEN.bare,
      'host.fail': () => {
        throw new TypeError('no');
      },
      'host.echo': (value) => value,
    },
  });
}

describe('lua escapes: nothing of JavaScript is reachable', () => {
  const chains: readonly string[] = [
    'return host.object().constructor',
    'return host.object().__proto__',
    'return host.object().nested.constructor',
    'return host.array().constructor',
    'return host.array().length',
    'return host.array()[2].constructor',
    'return host.bare().constructor',
    'return host.object().toString',
    'return host.object().hasOwnProperty',
    'return process',
    'return globalThis',
    'return Promise',
    'return Error',
    'return null',
    'return debug',
    'return io',
    'return package',
    'return os.execute',
    'return dofile',
    'return loadfile',
    'return string.dump',
    'return warn',
    'return getmetatable(_G)',
    'return require',
  ];
  it.each(chains)('%s is nil', (source) => {
    expect(withHost().run(source, 'main.lua')).toBe(null);
  });

  it('cannot index a host function, or an error of the host', () => {
    const state = withHost();
    expect(failure(() => state.run('return host.object.constructor', 'main.lua')).message).toMatch(
      /attempt to index a function value/,
    );
    expect(
      state.run(
        'local ok, e = pcall(host.fail) return { type(e), e.constructor == nil, e.message == nil }',
        'main.lua',
      ),
    ).toEqual([...['string', true, true]]);
  });

  it('gives every call a fresh copy, so a script changes nothing of the host', () => {
    const state = withHost();
    state.run(
      'local o = host.object() o.a = 99 o.nested.b = 99 o.__proto__ = { polluted = true } o.constructor = 1',
      'main.lua',
    );
    expect(GIVEN.object).toEqual({ a: 1, nested: { b: 2 } });
    expect(state.run('return host.object().a', 'main.lua')).toBe(1);
  });

  it('pollutes no prototype, whichever way a value goes', () => {
    const attack = '{ ["__proto__"] = { polluted = 1 }, constructor = { prototype = { polluted = 2 } } }';
    const state = withHost();
    for (const source of [
      `return ${attack}`,
      `return host.echo(${attack})`,
      `return { ${attack}, ${attack} }`,
      `return json.decode('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":2}}}')`,
      `return json.decode(json.encode(${attack}))`,
      `error(${attack})`,
    ]) {
      try {
        state.run(source, 'main.lua');
      } catch (error) {
        expect(causeOf(error as never).value).toBeTypeOf('object');
      }
      expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
      expect(([] as unknown as Record<string, unknown>)['polluted']).toBeUndefined();
    }
    const value = state.run(`return host.echo(${attack})`, 'main.lua') as object;
    expect(Object.hasOwn(value, '__proto__')).toBe(true);
  });

  it('does not give inherited members of a host object to Lua', () => {
    const state = makeState({
      functions: { give: () => Object.assign(Object.create({ inherited: 1 }) as object, { own: 1 }) },
    });
    expect(failure(() => state.run('return give()', 'main.lua')).code).toBe('GC_LUA_VALUE');
  });

  it('runs text only: no bytecode in, none out', () => {
    expect(run('local f, e = load("\\27Lua") return { f == nil, e }')).toEqual([
      true,
      expect.stringMatching(/binary chunk/),
    ]);
    expect(run('local f, e = load("\\27Lua", "x", "b") return { f == nil, e }')).toEqual([
      true,
      expect.stringMatching(/binary chunk/),
    ]);
    expect(failure(() => run('\x1bLua')).code).toBe('GC_LUA_SYNTAX');
    expect(failure(() => run('load(function() return nil end)')).message).toMatch(/must be a string/);
    expect(run('return string.dump')).toBe(null);
    expect(run('return ("").dump')).toBe(null);
  });

  it('gives loaded code the script’s globals, not the interpreter’s', () => {
    expect(
      run('return { load("return dofile")() == nil, load("return _G")() == _G, load("return _ENV")() == _G }'),
    ).toEqual([true, true, true]);
    expect(run('return load("return x", "c", "t", { x = 7 })()')).toBe(7);
    expect(failure(() => run('load("return x", "c", "t", nil)()')).code).toBe('GC_LUA');
    expect(run('return coroutine.wrap(function() return load("return loadfile")() end)() == nil')).toBe(true);
  });

  it('protects the metatable of strings', () => {
    expect(run('return getmetatable("")')).toBe(false);
    expect(failure(() => run('setmetatable("", {})')).message).toMatch(/main\.lua:1: setmetatable: a table is needed/);
    expect(run('string.upper = function() return "hacked" end return ("x"):upper()')).toBe('X');
    expect(run('rawset(string, "format", nil) return ("%d"):format(3)')).toBe('3');
  });

  it('protects the metatables of json.null and blobs', () => {
    expect(run('return { getmetatable(json.null), getmetatable(blob("x")) }')).toEqual([false, false]);
    expect(failure(() => run('setmetatable(blob("x"), {})')).message).toMatch(/protected metatable/);
  });

  it('accepts no finalizers', () => {
    const error = failure(() => run('setmetatable({}, { __gc = function() end })'));
    expect(error.message).toBe('main.lua:1: setmetatable: __gc is not allowed here');
    const late = `local ran = false
      local mt = {}
      do local t = setmetatable({}, mt) mt.__gc = function() ran = true end end
      for i = 1, 300 do local t = { ("x"):rep(100000) } end
      return ran`;
    expect(run(late)).toBe(false);
    expect(failure(() => run('local mt = {} setmetatable({}, mt) mt.__gc = 1 setmetatable({}, mt)')).message).toMatch(
      /__gc/,
    );
  });

  it('lets the collector be counted, never stopped', () => {
    expect(run('return collectgarbage("count")')).toBeTypeOf('number');
    for (const option of ['stop', 'collect', 'generational', 'step', 'setpause']) {
      expect(failure(() => run(`collectgarbage("${option}")`)).message).toMatch(/only 'count'/);
    }
  });

  it('has exactly these globals', () => {
    const names = run('local t = {} for k in pairs(_G) do t[#t + 1] = k end table.sort(t) return t');
    expect(names).toEqual([
      ...[
        '_G',
        '_VERSION',
        'assert',
        'blob',
        'collectgarbage',
        'coroutine',
        'error',
        'getmetatable',
        'ipairs',
        'json',
        'load',
        'math',
      ],
      ...[
        'next',
        'os',
        'pairs',
        'pcall',
        'print',
        'rawequal',
        'rawget',
        'rawlen',
        'rawset',
        'select',
        'setmetatable',
        'string',
      ],
      ...['table', 'tonumber', 'tostring', 'type', 'utf8', 'xpcall'],
    ]);
    expect(run('local t = {} for k in pairs(os) do t[#t + 1] = k end table.sort(t) return t')).toEqual([
      'clock',
      'date',
      'difftime',
      'time',
    ]);
  });

  it('seeds every state differently', () => {
    const draws = Array.from({ length: 5 }, () => run('return math.random(1 << 50)'));
    expect(new Set(draws).size).toBe(5);
  });
});

describe('lua escapes: what crashes other bindings', () => {
  const attacks: readonly [string, string, RegExp | number][] = [
    [
      'a table 2,000 deep returned',
      'local t = {} local r = t for i = 1, 2000 do t.x = {} t = t.x end return r',
      /deeper/,
    ],
    ['100,000 arguments to a host function', 'host.echo(table.unpack({}, 1, 1e5))', /arguments/],
    ['an error in __tostring of an error', 'error(setmetatable({}, { __tostring = function() error("x") end }))', /.*/],
    ['an error while handling an error', 'return select("#", xpcall(error, function() error("again") end))', 2],
    ['endless recursion', 'local function f(n) return 1 + f(n + 1) end return f(1)', /stack overflow/],
    ['endless recursion through pcall', 'local function f() return pcall(f) end return select("#", f())', /.*/],
    [
      'endless recursion through gsub',
      'local function f(s) return (s:gsub(".", f)) end return f("x")',
      /stack overflow/,
    ],
    [
      'endless recursion through sort',
      'local function f() table.sort({ 3, 2, 1 }, function(a, b) f() return a < b end) end f()',
      /stack overflow/,
    ],
    [
      'endless recursion through __index',
      'local t = {} setmetatable(t, { __index = function(t, k) return t[k + 1] end }) return t[1]',
      /stack overflow/,
    ],
    ['endless recursion through coroutines', 'local function f() return coroutine.wrap(f)() end f()', /stack overflow/],
    ['a parser bomb of parentheses', 'assert(load(("("):rep(1e5)))', /overflow|levels/],
    ['a parser bomb of braces', 'assert(load("return " .. ("{"):rep(1e5)))', /overflow|levels/],
    ['a huge number format', 'return #string.format("%99.99f", 1e308)', 409],
    ['an overflowing string.rep', 'return #("x"):rep(1 << 62)', /too large/],
    [
      'a sort with an inconsistent order',
      'local t = {} for i = 1, 100 do t[i] = i end table.sort(t, function() return true end)',
      /invalid order function/,
    ],
    ['a repeated group pattern', 'return (("a"):rep(30)):find("(.-)*") or 1', 1],
    ['a malformed pattern', 'return ("a"):find("[")', /malformed pattern/],
    ['too many captures', 'return ("a"):find(("()"):rep(100))', /too many captures/],
    ['a huge integer as a position', 'return string.byte("a", math.mininteger, math.maxinteger)', 97],
    ['a huge unpack', 'return table.unpack({}, 1, 1e7)', /too many results/],
    ['a hostile string.pack', 'return #string.pack(("i16"):rep(300), table.unpack({}, 1, 200))', /.*/],
    ['a hostile string.unpack', 'return string.unpack("s4", "\\255\\255\\255\\255")', /too short/],
    ['a hostile utf8.char', 'return utf8.char(1 << 40)', /out of range/],
  ];
  it.each(attacks)(
    '%s ends in a clear error or a value; the state and its neighbours live on',
    (_, source, expected) => {
      const state = withHost();
      const neighbour = makeState();
      try {
        const value = state.run(source, 'main.lua');
        if (typeof expected === 'number') expect(value).toBe(expected);
      } catch (error) {
        expect(expected).toBeInstanceOf(RegExp);
        expect((error as Error).message).toMatch(expected as RegExp);
      }
      expect(state.dead).toBeUndefined();
      expect(state.run('return 1 + 1', 'main.lua')).toBe(2);
      expect(neighbour.run('return 1 + 1', 'main.lua')).toBe(2);
    },
  );

  it('runs and calls 3,000 times in one state without leaking its stack', () => {
    const state = makeState({ functions: { bad: () => JSON.parse('{') as unknown } });
    state.load('function f(a) return a end', 'main.lua');
    for (let index = 0; index < 3000; index++) {
      state.run(`return ${index % 7}`, 'main.lua');
      expect(() => state.run('bad()', 'main.lua')).toThrow();
      state.call('f', 'x');
    }
    expect(state.memoryBytes).toBeLessThan(4 * 1024 * 1024);
  });
});
