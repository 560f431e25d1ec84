import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { failure, lua, makeState, run } from './50-lua-support.ts';

/** What the host gets back after a value went into Lua and out again. */
function roundTrip(value: unknown): unknown {
  const state = makeState();
  state.load('function echo(v) return v end', 'main.lua');
  return state.call('echo', value);
}

describe('lua values: host to Lua', () => {
  it('keeps integers integers and floats floats', () => {
    const state = makeState({ functions: { show: (text) => text } });
    state.load('function f(v) return tostring(v) .. " " .. math.type(v) end', 'main.lua');
    const shown = (value: unknown): unknown => state.call('f', value);
    expect(shown(1)).toBe('1 integer');
    expect(shown(1.5)).toBe('1.5 float');
    expect(shown(-0)).toBe('-0.0 float');
    expect(shown(2 ** 53 - 1)).toBe('9007199254740991 integer');
    expect(shown(2 ** 53)).toBe('9.007199254741e+15 float');
    expect(shown(2n ** 53n)).toBe('9007199254740992 integer');
    expect(shown(2 ** 63)).toBe('9.2233720368548e+18 float');
    expect(shown(1e300)).toBe('1e+300 float');
    expect(shown(2n ** 63n - 1n)).toBe('9223372036854775807 integer');
    expect(shown(-(2n ** 63n))).toBe('-9223372036854775808 integer');
  });

  it('makes null and undefined nil, and leaves such members out', () => {
    const state = makeState();
    state.load(
      'function f(a, b, row) local n = 0 for _ in pairs(row) do n = n + 1 end return { a == nil, b == nil, row.x == nil, n } end',
      'm',
    );
    expect(state.call('f', null, undefined, { x: null, y: undefined, z: 1 })).toEqual([true, true, true, 1]);
  });

  it('passes json.null where nil would be absent', () => {
    const state = makeState();
    state.load('function f(row) return row.x == json.null end', 'main.lua');
    expect(state.call('f', { x: lua.null })).toBe(true);
  });

  it('passes bytes as strings', () => {
    const state = makeState();
    state.load('function f(s) return type(s) .. table.concat({ s:byte(1, -1) }, ",") end', 'main.lua');
    expect(state.call('f', new Uint8Array([0, 255, 128]))).toBe('string0,255,128');
    expect(state.call('f', Buffer.from('ab'))).toBe('string97,98');
    expect(state.call('f', new Uint8Array(0))).toBe('string');
  });

  it('passes rows of one shape, of mixed shapes, and rows with other things between', () => {
    const rows = [{ a: 1, b: null }, { a: 2, b: 'x' }, { b: 'y', a: 3 }, { c: 1 }, 5, { a: [1], b: { k: 'v' } }];
    const state = makeState();
    state.load(
      'function f(rows) return json.encode({ rows[1].a, rows[1].b == nil, rows[2].b, rows[3].a, rows[4].c, rows[5], rows[6].b.k, #rows }) end',
      'm',
    );
    expect(state.call('f', rows)).toBe('[1,true,"x",3,1,5,"v",6]');
  });

  it('passes 2,000 distinct keys and 5,000 columns', () => {
    const wide = Object.fromEntries(Array.from({ length: 5000 }, (_, index) => [`k${index}`, index]));
    expect(roundTrip([wide, wide])).toEqual([wide, wide]);
  });

  const refused: readonly [string, unknown, RegExp][] = [
    ['a Date', new Date(), /Date/],
    ['a Map', new Map(), /Map/],
    [
      'a class instance',
      new (class Thing {
        a = 1;
      })(),
      /Thing/,
    ],
    ['an Error', new TypeError('x'), /TypeError/],
    ['a function', () => 1, /function/],
    ['a symbol', Symbol('x'), /symbol/],
    ['a promise', Promise.resolve(1), /promise/],
    ['an integer of 65 bits', 2n ** 63n, /64 bits/],
    ['a Set inside an object', { a: new Set() }, /Set/],
  ];
  it.each(refused)('refuses %s', (_, value, message) => {
    const state = makeState({ functions: { give: () => value } });
    state.load('function f() end', 'main.lua');
    const error = failure(() => state.call('f', value));
    expect(error.code).toBe('GC_LUA_VALUE');
    expect(error.message).toMatch(message);
    expect(failure(() => state.run('give()', 'main.lua')).code).toBe('GC_LUA_VALUE');
    expect(state.run('return 1', 'main.lua')).toBe(1);
  });

  it('refuses values that contain themselves, or lie 200 deep', () => {
    const cyclic: Record<string, unknown> = {};
    cyclic['self'] = [cyclic, cyclic];
    let deep: unknown = 1;
    for (let level = 0; level < 200; level++) deep = [deep];
    expect(failure(() => roundTrip(cyclic)).code).toBe('GC_LUA_VALUE');
    expect(failure(() => roundTrip(deep)).code).toBe('GC_LUA_VALUE');
  });

  it('refuses more than 250 arguments or results', () => {
    const state = makeState({ functions: { many: () => lua.results(...new Array<number>(5000).fill(1)) } });
    state.load(
      'function f(...) return select("#", ...) end  function g() return table.unpack({}, 1, 300) end',
      'main.lua',
    );
    expect(state.call('f', ...new Array<number>(250).fill(1))).toBe(250);
    expect(failure(() => state.call('f', ...new Array<number>(251).fill(1))).code).toBe('GC_LUA_VALUE');
    expect(failure(() => state.callAll('g')).code).toBe('GC_LUA_VALUE');
    expect(failure(() => state.run('many()', 'main.lua')).code).toBe('GC_LUA_VALUE');
    expect(failure(() => state.run('many(table.unpack({}, 1, 1e5))', 'main.lua')).code).toBe('GC_LUA_VALUE');
  });
});

describe('lua values: Lua to host', () => {
  const cases: readonly [string, unknown][] = [
    ['nil', null],
    ['true', true],
    ['1', 1],
    ['1.0', 1],
    ['1.5', 1.5],
    ['2^53', 2 ** 53],
    ['math.maxinteger', 2n ** 63n - 1n],
    ['math.mininteger', -(2n ** 63n)],
    ['9007199254740993', 9007199254740993n],
    ['1/0', Infinity],
    ['"a\\0b"', 'a\0b'],
    ['"\\xEF\\xBB\\xBFbom"', '\ufeffbom'],
    ['"\\xEF\\xBF\\xBD"', '\ufffd'],
    ['("\\xEF\\xBB\\xBF\\xEF\\xBF\\xBD"):rep(20)', '\ufeff\ufffd'.repeat(20)],
    ['"\\xff\\0"', new Uint8Array([255, 0])],
    ['("é"):rep(40)', 'é'.repeat(40)],
    ['blob("ab\\0")', new Uint8Array([97, 98, 0])],
    ['json.null', null],
    ['{}', {}],
    ['json.array()', []],
    ['{1, 2, 3}', [1, 2, 3]],
    ['{x = json.null, y = {json.null}}', { x: null, y: [null] }],
    ['{[1] = "a", [2] = "b"}', ['a', 'b']],
    ['{a = blob("z")}', { a: new Uint8Array([122]) }],
  ];
  it.each(cases)('%s', (source, expected) => {
    const value = run(`return ${source}`);
    expect(value).toEqual(expected);
    if (typeof expected === 'object' && expected !== null) expect(Array.isArray(value)).toBe(Array.isArray(expected));
  });

  const refused: readonly [string, RegExp][] = [
    ['{1, nil, 3}', /holes/],
    ['{[1] = 1, [1e9] = 2}', /holes/],
    ['{1, 2, x = 3}', /keys/],
    ['{[1.5] = 1}', /keys/],
    ['{[0] = 1}', /keys/],
    ['{[true] = 1}', /keys/],
    ['{["\\xff"] = 1}', /keys/],
    ['{[1] = "a", ["1"] = "b"}', /keys/],
    ['{[setmetatable({}, {__tostring = function() while true do end end})] = 1}', /keys/],
    ['print', /function/],
    ['{f = print}', /function inside a table/],
    ['coroutine.create(print)', /coroutine/],
    ['(function() local t = {} t.t = t return t end)()', /contains itself/],
    ['(function() local t = {} local r = t for i = 1, 1e5 do t.x = {} t = t.x end return r end)()', /deeper/],
    ['(function() local t = {} for i = 1, 6e5 do t[i] = i end return { t, t } end)()', /elements/],
  ];
  it.each(refused)('refuses %s as a result and as an argument', (source, message) => {
    const state = makeState({ functions: { take: (value) => typeof value } });
    const error = failure(() => state.run(`return ${source}`, 'main.lua'));
    expect([error.code, error.message]).toEqual(['GC_LUA_VALUE', expect.stringMatching(message)]);
    if (source !== 'print') {
      const argument = failure(() => state.run(`take(1, ${source})`, 'main.lua'));
      expect([argument.code, argument.message]).toEqual([
        'GC_LUA_VALUE',
        expect.stringMatching(/^main\.lua:1: argument 2: /),
      ]);
    }
    expect(state.run('return 1', 'main.lua')).toBe(1);
  });

  it('never runs a metamethod', () => {
    const state = makeState();
    const source = `local trap = function() error("ran") end
      return setmetatable({ a = 1 }, { __index = trap, __pairs = trap, __len = trap, __tostring = trap, __metatable = "x" })`;
    expect(state.run(source, 'main.lua')).toEqual({ a: 1 });
  });

  it('keeps __proto__, constructor and then ordinary members', () => {
    const value = run('return { ["__proto__"] = { isAdmin = true }, constructor = 1, ["then"] = 2 }') as Record<
      string,
      unknown
    >;
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect(value['isAdmin']).toBeUndefined();
    expect(Object.keys(value).sort()).toEqual(['__proto__', 'constructor', 'then']);
  });

  it('notices a blob that was tampered with', () => {
    expect(failure(() => run('local b = blob("x") rawset(b, 1, 5) return b')).code).toBe('GC_LUA_VALUE');
  });

  it('lets scripts treat blobs and null as values', () => {
    expect(
      run(
        'local b = blob("abc") return { #b, tostring(b), b == blob("abc"), tostring(json.null), json.null == json.null }',
      ),
    ).toEqual([...[3, 'abc', true], ...['null', true]]);
  });
});

describe('lua values: properties', () => {
  const scalar = fc.oneof(
    fc.boolean(),
    fc.double({ noNaN: true }).filter((value) => !Object.is(value, -0)),
    fc.integer(),
    fc.string({ unit: 'binary' }).map((text) => text.toWellFormed()),
  );
  const key = fc.string({ unit: 'binary' }).map((text) => text.toWellFormed());
  const value = fc.letrec((tie) => ({
    node: fc.oneof({ depthSize: 'small', withCrossShrink: true }, scalar, tie('list'), tie('object')),
    list: fc.array(tie('node'), { maxLength: 5 }),
    object: fc.dictionary(key, tie('node'), { maxKeys: 5, noNullPrototype: true }),
  })).node;

  it('what goes in comes out', () => {
    const state = makeState();
    state.load('function echo(v) return v end', 'main.lua');
    fc.assert(
      fc.property(value, (input) => {
        expect(state.call('echo', input)).toEqual(input);
      }),
      { numRuns: 300 },
    );
  });

  it('every 64-bit integer comes out exact', () => {
    const state = makeState();
    state.load('function echo(v) return v end', 'main.lua');
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (input) => {
        expect(BigInt(state.call('echo', input) as number | bigint)).toBe(input);
      }),
    );
  });

  it('bytes come out exact, as text when they are UTF-8', () => {
    const state = makeState();
    state.load('function echo(v) return v end', 'main.lua');
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (input) => {
        const output = state.call('echo', input);
        expect(typeof output === 'string' ? Buffer.from(output) : Buffer.from(output as Uint8Array)).toEqual(
          Buffer.from(input),
        );
      }),
    );
  });
});
