/** What crosses between a hostile skill and the host, and that nothing of the host is reachable through it. */
import { describe, expect, it } from 'vitest';
import type { ChangeEvent } from '../plugins/capsule/types.ts';
import { hostileHost } from './67-hostile-support.ts';
import { writeSkill } from './60-skills-support.ts';
import { thrownBy } from './support.ts';

/** Keys that mean something to JavaScript. */
const KEYS = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'then',
  'toJSON',
  'hasOwnProperty',
  'kind',
  'length',
];
const EVIL = `{ ["__proto__"] = { isAdmin = true }, constructor = { prototype = { isAdmin = true } }, toString = "x",
  ["then"] = "y", toJSON = "z", hasOwnProperty = 1, valueOf = "v", kind = "lua-results", length = 3 }`;

describe('keys that mean something to JavaScript', () => {
  it('are ordinary ones in action payloads, answers, cache, json and config', async () => {
    const host = await hostileHost({
      skills: { configs: JSON.parse('{"hostile":{"__proto__":{"isAdmin":true}}}') as object },
    });
    const payloads: Record<string, unknown>[] = [];
    host.actions.on('*', (payload) => payloads.push(payload as Record<string, unknown>));
    await host.hostile(`evil = ${EVIL}
      function f()
        glyphcase.dispatch("a", evil) cache.set("__proto__", evil) log.info(evil) log.info(json.encode(evil))
        assert(cache.get("__proto__").toJSON == "z") assert(cache.get("constructor") == nil)
        assert(json.decode(json.encode(evil))["then"] == "y")
        assert(glyphcase.config.constructor == nil and glyphcase.config.isAdmin == nil)
        return evil
      end
      function on_activate() glyphcase.on("ask", function(p) return p end) end`);
    const answer = (await host.skills.call('hostile', 'f')) as Record<string, unknown>;
    await host.rest();
    const echoed = (await host.actions.request('ask', answer)) as Record<string, unknown>;
    for (const value of [answer, payloads[0], echoed]) {
      expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
      expect(value?.['isAdmin']).toBeUndefined();
      expect(Object.hasOwn(value ?? {}, '__proto__')).toBe(true);
    }
    await host.unharmed();
  });

  it.each(KEYS)('a table with a column %j', async (key) => {
    const host = await hostileHost();
    await host.hostile(
      `function on_install() glyphcase.execute([[CREATE TABLE evil(id INTEGER PRIMARY KEY, "${key}" JSON)]]) end
      function put(v) glyphcase.insert("evil", { ["${key}"] = v }) glyphcase.execute([[INSERT INTO evil("${key}") VALUES (?)]], json.encode(v)) end
      function get() return glyphcase.query("SELECT * FROM evil") end`,
      { json: 'table' },
    );
    const events: ChangeEvent[] = [];
    host.capsule.subscribe(host.capsule.watch('evil'), (some) => void events.push(...some));
    await host.skills.call('hostile', 'put', { isAdmin: true });
    await host.rest();
    await host.skills
      .call('hostile', 'get')
      .catch((error: unknown) => expect(String(error)).toContain('passed to Lua'));
    expect(events).toHaveLength(2);
    const rows = [...events.map((event) => event.newData ?? {}), ...host.db.all('SELECT * FROM evil')];
    for (const row of rows) {
      expect(Object.getPrototypeOf(row)).toBe(Object.prototype);
      expect(row['isAdmin']).toBeUndefined();
    }
    await host.unharmed();
  });

  it('are refused in the answer of a hook where they would be the row’s prototype', async () => {
    const host = await hostileHost();
    await host.hostile(
      'function before_insert(t, data) return { ["__proto__"] = { total = 9 }, constructor = nil } end',
    );
    const error = await thrownBy(() => host.db.exclusive(() => host.db.rows.insert('orders', { status: 'x' })));
    expect(error).toMatchObject({ code: 'GC_REFUSED', message: expect.stringContaining('"__proto__"') as string });
    await host.unharmed();
  });

  it('a skill of the name "constructor" is one like any other', async () => {
    const host = await hostileHost();
    const report = await host.skills.load(
      writeSkill(host.dir, 'constructor', 'function f() return { glyphcase.skill, next(glyphcase.config) == nil } end'),
    );
    expect(report.state).toBe('active');
    expect(await host.skills.call('constructor', 'f')).toEqual(['constructor', true]);
    for (const id of ['__proto__', 'toString', 'hasOwnProperty']) {
      expect((await thrownBy(() => host.skills.call(id, 'f'))).code).toBe('GC_NO_SUCH_SKILL');
      expect((await host.skills.load(writeSkill(host.dir, id, ''))).state).toBe('failed');
    }
    await host.unharmed();
  });
});

describe('tables that pretend', () => {
  const TRICKS = `setmetatable({}, { __index = function() return "stolen" end, __pairs = function() return next, { a = 1 } end,
    __len = function() return 1e9 end, __tostring = function() error("no") end, __call = function() end, __close = function() end,
    __name = "lua-function", __newindex = function() end, __eq = function() return true end, __mode = "kv" })`;
  const CALLS = [
    'glyphcase.insert("orders", t)',
    'glyphcase.insert(t, {})',
    'glyphcase.insertMultiple("orders", t)',
    'glyphcase.update("orders", t, t)',
    'glyphcase.query(t)',
    'glyphcase.query("SELECT ?", t)',
    'glyphcase.query("SELECT ?", { t })',
    'glyphcase.dispatch(t)',
    'glyphcase.dispatch("a", t)',
    'glyphcase.on("a", t)',
    'glyphcase.watch("orders", t)',
    'glyphcase.watch("orders", t, t, t)',
    'glyphcase.call(t, t)',
    'glyphcase.transaction(t)',
    'scheduler.every(t, t, t)',
    'scheduler.every("1s", t)',
    'http.request(t, t)',
    'http.request({ url = t })',
    'cache.set(t, t)',
    'crypto.sha256(t)',
    'crypto.random(t)',
    'json.encode(t)',
    'json.decode(t)',
    'log.info(t)',
    'os.date(t)',
    'os.time(t)',
    'require(t)',
    'blob(t)',
  ];
  it.each(CALLS)('%s runs none of their functions', async (call) => {
    const host = await hostileHost();
    await host.hostile(`function f(kind)
      local t = kind == "table" and ${TRICKS} or kind == "number" and 0/0 or kind == "huge" and math.maxinteger
        or kind == "bytes" and "\\xff\\0\\xfe" or kind == "coroutine" and coroutine.create(print) or print
      local ok, e = pcall(function() return ${call} end)
      assert(ok or type(e) == "string", "an error that is no text")
      return tostring(e)
    end`);
    for (const kind of ['table', 'number', 'huge', 'bytes', 'coroutine', 'function']) {
      const told = await host.skills.call('hostile', 'f', kind).catch((error: unknown) => String(error));
      expect(String(told)).not.toMatch(
        /stolen|undefined is not|not a function\b.*TypeError|Cannot read propert|\.ts:\d/,
      );
    }
    host.clock.advance(2000).catch(() => undefined);
    await host.rest();
    await host.unharmed();
  });
});

describe('numbers and texts at the edges', () => {
  it('go into a table and come back as they are, or are refused', async () => {
    const host = await hostileHost();
    await host.hostile(`function on_install() glyphcase.execute("CREATE TABLE v(id INTEGER PRIMARY KEY, x)") end
      function trip(v) local id = glyphcase.insert("v", { x = v }) return glyphcase.queryScalar("SELECT x FROM v WHERE id = ?", id) end
      function f()
        local function same(v) local back = trip(v) assert(back == v and math.type(back) == math.type(v), tostring(v) .. " " .. tostring(back)) end
        for _, v in ipairs{ 0, -1, math.maxinteger, math.mininteger, 1 << 53, (1 << 53) + 1, 0.5, 1e300, -1e-300, math.huge, -math.huge,
          "", "a\\0b", "\\u{10FFFF}", ("x"):rep(70000) } do same(v) end
        assert(trip(0/0) == nil)
        assert(trip(blob("\\xff\\0\\xfe")) == "\\xff\\0\\xfe")
        return true
      end`);
    expect(await host.skills.call('hostile', 'f')).toBe(true);
    await host.unharmed();
  });

  it.each([
    [
      'one long text many times in a table',
      'local s = ("x"):rep(4e6) local t = {} for i = 1, 1000 do t[i] = s end return t',
      'MiB',
    ],
    [
      'many long results',
      'local s = ("x"):rep(4e6) local t = {} for i = 1, 200 do t[i] = s end return table.unpack(t)',
      'MiB',
    ],
    [
      'many long arguments',
      'local s = ("x"):rep(4e6) local t = {} for i = 1, 200 do t[i] = s end log.info(table.unpack(t))',
      'MiB',
    ],
    ['a table that holds itself often', 'local t = {} for i = 1, 30 do t = { t, t } end return t', 'elements|deeper'],
    ['a text that decodes to millions of tables', 'json.decode("[" .. ("[],"):rep(1e6) .. "[]]")', 'values'],
    ['a text that decodes to millions of nulls', 'json.decode("[" .. ("null,"):rep(1e6) .. "1]")', 'values'],
    ['a deep text', 'json.decode(("["):rep(1e5) .. ("]"):rep(1e5))', 'deeper'],
    ['a deep text with nulls', 'json.decode(("[null,"):rep(1e5) .. "1" .. ("]"):rep(1e5))', 'deeper|stack'],
  ])('%s is refused before it fills the host’s memory', async (_, code, why) => {
    const host = await hostileHost({ lua: { limits: { time: '20s', memory: '64MB' } }, limitMs: 20_000 });
    await host.hostile(`function f() ${code} end`);
    const before = process.memoryUsage.rss();
    const error = await thrownBy(() => host.skills.call('hostile', 'f'));
    expect(error.message).toMatch(new RegExp(why));
    expect(process.memoryUsage.rss() - before).toBeLessThan(400e6);
    await host.unharmed();
  });

  it('a huge error is cut: it is kept, logged and stored', async () => {
    const host = await hostileHost();
    for (const code of [
      'error(("x"):rep(5e6))',
      'error({ message = ("x"):rep(5e6) })',
      'error(blob(("\\xff"):rep(5e6)))',
    ]) {
      await host.hostile(`function on_activate() ${code} end`);
      const report = host.skills.get('hostile');
      expect(report?.state).toBe('failed');
      expect(report?.error?.message.length).toBeLessThan(3000);
      expect(report?.reasons.join().length).toBeLessThan(4000);
    }
    await host.unharmed();
  });
});

describe('what belongs to others', () => {
  it('a coroutine that is resumed too late ends no savepoint of another skill', async () => {
    const host = await hostileHost();
    await host.skills.load(
      writeSkill(
        host.dir,
        'victim',
        `function f() return glyphcase.transaction(function()
          glyphcase.insert("orders", { note = "first" }) glyphcase.insert("orders", { note = "second" }) return true end) end`,
        { permissions: { database: { read: ['orders'], write: ['orders'] } } },
      ),
    );
    await host.hostile(`function before_insert(t, data)
      if data.note == "first" then
        co = coroutine.create(function() glyphcase.transaction(function() coroutine.yield() error("late") end) end)
        coroutine.resume(co)
      elseif data.note == "second" then coroutine.resume(co) end
    end`);
    expect(await host.skills.call('victim', 'f')).toBe(true);
    expect(host.db.all('SELECT note FROM orders')).toEqual([{ note: 'first' }, { note: 'second' }]);
    await host.unharmed();
  });

  it('calls nested deep in C and in the host leave the host’s own stack whole', async () => {
    const host = await hostileHost();
    await host.hostile(`function f(n)
      local function down(k)
        if k == 0 then return glyphcase.transaction(function() glyphcase.insert("orders", {}) return f(n + 1) end) end
        local ok, e = pcall(down, k - 1)
        if not ok then error(e, 0) end
        return e
      end
      return down(100)
    end
    function g(n) return cache.set("k", glyphcase.transaction(function() return coroutine.wrap(g)(n + 1) end)) end`);
    for (const fn of ['f', 'g']) {
      const error = await thrownBy(() => host.skills.call('hostile', fn, 1));
      expect(error.code).toMatch(/^GC_LUA/);
      expect(host.db.value('SELECT count(*) FROM orders WHERE status IS NULL')).toBe(0);
    }
    await host.unharmed();
  });
});
