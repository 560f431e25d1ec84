import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { failure, makeState, NOW, run } from './50-lua-support.ts';

describe('lua json', () => {
  const encoded: readonly [string, string][] = [
    ['nil', 'null'],
    ['json.null', 'null'],
    ['{}', '{}'],
    ['json.array()', '[]'],
    ['{ items = json.array({}) }', '{"items":[]}'],
    ['{ 1, "two", true, json.null, 2.5 }', '[1,"two",true,null,2.5]'],
    ['math.maxinteger', '9223372036854775807'],
    ['{ id = math.mininteger }', '{"id":-9223372036854775808}'],
    ['1.0', '1'],
    ['"a\\0\\n\\"é"', '"a\\u0000\\n\\"é"'],
  ];
  it.each(encoded)('encodes %s as %s', (source, text) => {
    expect(run(`return json.encode(${source})`)).toBe(text);
  });

  it('decodes integers exactly, floats as floats, null as json.null', () => {
    const source = `local v = json.decode('{"big":9223372036854775807,"huge":92233720368547758070,"f":1.5,"i":3,"n":null,"l":[1,null,3]}')
      return { tostring(v.big), math.type(v.huge), math.type(v.f), math.type(v.i), v.n == json.null, #v.l, v.l[2] == json.null }`;
    expect(run(source)).toEqual(['9223372036854775807', 'float', 'float', 'integer', true, 3, true]);
  });

  it('gives back what it was given', () => {
    for (const text of [
      '[]',
      '{}',
      '[[],{}]',
      '{"a":[],"b":{},"c":null}',
      '[1,[2,[3]]]',
      '9223372036854775807',
      '"x"',
      'null',
      'false',
    ]) {
      expect(run(`return json.encode(json.decode('${text}'))`)).toBe(text);
    }
    expect(run('return json.encode({ b = 1, a = { d = 1, c = 2 }, ["__proto__"] = 3 })')).toBe(
      '{"__proto__":3,"a":{"c":2,"d":1},"b":1}',
    );
    expect(run('local t = json.decode("[]") t[1] = "x" return json.encode(t)')).toBe('["x"]');
    expect(run('local t = setmetatable(json.decode("[]"), { __index = function() return 7 end }) return t.x')).toBe(7);
  });

  const refused: readonly [string, RegExp][] = [
    ['json.encode(1/0)', /^main\.lua:1: infinity and NaN/],
    ['json.encode(0/0)', /NaN/],
    ['json.encode(print)', /function/],
    ['json.encode({ f = print })', /function/],
    ['json.encode("\\xff")', /UTF-8/],
    ['json.encode(blob("x"))', /blobs/],
    ['json.encode({ 1, nil, 3 })', /holes/],
    ['json.decode("{")', /^main\.lua:1: json\.decode: /],
    ['json.decode(nil)', /needs a string/],
    ['json.decode({})', /needs a string/],
    ['json.decode(("["):rep(100) .. ("]"):rep(100))', /deeper/],
    ['json.array(1)', /a table or nothing/],
  ];
  it.each(refused)('%s is a clear error', (source, message) => {
    const error = failure(() => run(`local v = ${source}`));
    expect(['GC_LUA', 'GC_LUA_VALUE']).toContain(error.code);
    expect(error.message).toMatch(message);
  });
});

describe('lua os', () => {
  it('tells the host’s time', () => {
    expect(run('return { os.time(), math.type(os.time()), os.date("!%Y-%m-%d %H:%M:%S") }')).toEqual([
      NOW / 1000,
      'integer',
      '2026-01-02 03:04:05',
    ]);
    let time = 5_000;
    const state = makeState({ now: () => time });
    expect(state.run('return os.time()', 'main.lua')).toBe(5);
    time = 9_999;
    expect(state.run('return os.time()', 'main.lua')).toBe(9);
  });

  it('formats every conversion', () => {
    const all = 'a A b B c C d D e F g G h H I j m M p r R S T u U V w W x X y Y z Z %'.split(' ');
    const format = all.map((each) => `%${each}`).join('|');
    // 2024-12-30 23:05:09 UTC, a Monday of ISO week 1 of 2025
    expect(run(`return os.date("!${format}", 1735599909)`)).toBe(
      [
        ...[
          'Mon',
          'Monday',
          'Dec',
          'December',
          'Mon Dec 30 23:05:09 2024',
          '20',
          '30',
          '12/30/24',
          '30',
          '2024-12-30',
          '25',
          '2025',
          'Dec',
        ],
        ...[
          '23',
          '11',
          '365',
          '12',
          '05',
          'PM',
          '11:05:09 PM',
          '23:05',
          '09',
          '23:05:09',
          '1',
          '52',
          '01',
          '1',
          '53',
          '12/30/24',
          '23:05:09',
        ],
        ...['24', '2024', '+0000', 'UTC', '%'],
      ].join('|'),
    );
  });

  it('breaks time down and puts it together again', () => {
    expect(run('return os.date("!*t", 86400)')).toEqual({
      ...{ year: 1970, month: 1, day: 2, hour: 0, min: 0, sec: 0 },
      ...{ wday: 6, yday: 2, isdst: false },
    });
    expect(run('return os.time(os.date("*t", 1700000000))')).toBe(1_700_000_000);
    expect(
      run(
        'local t = { year = 2024, month = 14, day = -3, hour = 25 } os.time(t) return { t.year, t.month, t.day, t.hour }',
      ),
    ).toEqual([2025, 1, 29, 1]);
    expect(
      run('return os.time{ year = 2024, month = 2, day = 29 } - os.time{ year = 2024, month = 2, day = 28 }'),
    ).toBe(86_400);
    expect(run('return { os.difftime(5, 3), math.type(os.difftime(5, 3)), os.clock() >= 0 }')).toEqual([
      2,
      'float',
      true,
    ]);
  });

  it('refuses what it cannot do', () => {
    for (const source of [
      'os.date("%Q")',
      'os.date("%")',
      'os.date(("x"):rep(2000))',
      'os.time({ year = 2024 })',
      'os.time({ year = "x", month = 1, day = 1 })',
      'os.time(5)',
      'os.date("%Y", 1e300)',
      'os.date({})',
    ]) {
      const error = failure(() => run(`local v = ${source}`));
      expect([source, error.code, error.message]).toEqual([
        source,
        'GC_LUA_VALUE',
        expect.stringMatching(/^main\.lua:1: /),
      ]);
    }
  });
});

describe('lua standard library', () => {
  it('has the pure parts of Lua 5.4', () => {
    expect(run('return _VERSION')).toBe('Lua 5.4');
    expect(run('return ("%5.2f|%q|%s"):format(1.005, "a\\n", true)')).toBe(' 1.00|"a\\\n"|true');
    expect(run('return { utf8.char(228, 8364), utf8.len("ä€"), 7 // 2, 7 % -3, 1 << 62, ("x"):rep(3, "-") }')).toEqual([
      ...['ä€', 2, 3, -2, 4611686018427387904n, 'x-x-x'],
    ]);
    expect(run('local t = { 3, 1, 2 } table.sort(t) return { table.concat(t, ","), table.unpack(t) }')).toEqual([
      '1,2,3',
      1,
      2,
      3,
    ]);
    expect(run('local n = 0 for k, v in ("a=1, b=2"):gmatch("(%w+)=(%w+)") do n = n + v end return n')).toBe(3);
    expect(run('goto done do error("no") end ::done:: local x <const> = 5 return x')).toBe(5);
    expect(run('return select("#", table.unpack({}, 1, 200))')).toBe(200);
  });

  it('keeps metatables useful', () => {
    const source = `local Account = {} Account.__index = Account
      function Account.new(n) return setmetatable({ n = n }, Account) end
      function Account:add(by) self.n = self.n + by return self end
      Account.__add = function(a, b) return Account.new(a.n + b.n) end
      return { Account.new(1):add(2).n, (Account.new(1) + Account.new(2)).n, getmetatable(Account.new(1)) == Account }`;
    expect(run(source)).toEqual([3, 3, true]);
    expect(failure(() => run('setmetatable(setmetatable({}, { __metatable = 1 }), {})')).message).toBe(
      'main.lua:1: cannot change a protected metatable',
    );
  });
});

describe('lua require', () => {
  const folders: string[] = [];
  afterEach(() => {
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
  });

  function folder(files: Readonly<Record<string, string>>): string {
    const base = mkdtempSync(join(tmpdir(), 'glyphcase-lua-'));
    folders.push(base);
    const root = join(base, 'skill');
    for (const [name, text] of Object.entries({ 'skill/main.lua': '', ...files })) {
      mkdirSync(dirname(join(base, name)), { recursive: true });
      writeFileSync(join(base, name), text);
    }
    return root;
  }

  it('does not exist without a root', () => {
    expect(run('return require')).toBe(null);
  });

  it('loads own files once, with the script’s globals', () => {
    const root = folder({
      'skill/util.lua': 'loads = (loads or 0) + 1  return { double = function(n) return n * 2 end, name = ... }',
      'skill/lib/deep.lua': 'return require("util").double(4)',
      'skill/effect.lua': '\ufeffeffect = true',
    });
    const source = `local util = require("util") require("util")
      return { util.double(2), util.name, loads, require("lib.deep"), require("effect"), effect, require("util") == util }`;
    expect(run(source, { root })).toEqual([4, 'util', 1, 8, true, true, true]);
  });

  it('names the file in errors', () => {
    const root = folder({
      'skill/lib/bad.lua': '\nerror("broken")',
      'skill/syntax.lua': '\n\nx = = 1',
      'skill/fn.lua': 'return { f = function() local x = nil + 1 end }',
    });
    expect(failure(() => run('require("lib.bad")', { root })).message).toBe('lib/bad.lua:2: broken');
    const syntax = failure(() => run('require("syntax")', { root }));
    expect([syntax.code, syntax.message]).toEqual(['GC_LUA_SYNTAX', "syntax.lua:3: unexpected symbol near '='"]);
    expect(failure(() => run('require("fn").f()', { root })).message).toMatch(/^fn\.lua:1: /);
    expect(run('pcall(require, "lib.bad") return select(2, pcall(require, "lib.bad"))', { root })).toBe(
      'lib/bad.lua:2: broken',
    );
  });

  it('detects circles', () => {
    const root = folder({ 'skill/a.lua': 'require("b")', 'skill/b.lua': 'require("a")' });
    expect(failure(() => run('require("a")', { root })).message).toBe("b.lua:1: circular require of 'a'");
  });

  it('loads no bytecode', () => {
    const root = folder({ 'skill/binary.lua': '\x1bLua' });
    expect(failure(() => run('require("binary")', { root })).code).toBe('GC_LUA_SYNTAX');
  });

  const outside = [
    '../secret',
    '..secret',
    '...secret',
    '/etc/passwd',
    'lib/util',
    'lib..util',
    'util.',
    '.util',
    'main\\0x',
    '__proto__',
    'constructor',
    '',
  ];
  it.each([...outside, 'a.b.c.d.e.f.g.h.i.j', 'missing', 'lib', 'link', 'linked.secret', 'C:\\\\secret'])(
    'refuses %j',
    (name) => {
      const root = folder({ 'secret.lua': 'return "secret"', 'skill/lib/util.lua': 'return 1' });
      symlinkSync(join(root, '..', 'secret.lua'), join(root, 'link.lua'));
      symlinkSync(join(root, '..'), join(root, 'linked'));
      const error = failure(() => run(`require("${name}")`, { root }));
      expect([error.code, error.message]).toEqual([
        'GC_LUA',
        expect.stringMatching(/^main\.lua:1: (invalid module name|module '.*' not found)/),
      ]);
    },
  );

  it('refuses arguments that are no strings, folders, and files above 256 KiB', () => {
    const root = folder({
      'skill/large.lua': `--${'x'.repeat(262_143)}`,
      'skill/fits.lua': `--${'x'.repeat(262_142)}`,
      'skill/dir.lua/x': '',
    });
    expect(failure(() => run('require(1)', { root })).message).toMatch(/must be a string/);
    expect(failure(() => run('require("large")', { root })).message).toMatch(/too large/);
    expect(failure(() => run('require("dir")', { root })).message).toMatch(/not a file/);
    expect(run('return require("fits")', { root })).toBe(true);
  });

  it('follows links that stay inside', () => {
    const root = folder({ 'skill/real.lua': 'return "real"' });
    symlinkSync(join(root, 'real.lua'), join(root, 'alias.lua'));
    expect(run('return require("alias")', { root })).toBe('real');
  });
});
