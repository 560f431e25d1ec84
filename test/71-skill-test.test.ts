/** The skill test runner: what a test.lua can do, and how its failures read. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { runSkill } from '../sdk/testing/index.ts';
import { failureOf, run, runBody, skillOf } from './71-skill-support.ts';
import { afterTest, tempDir, thrownBy } from './support.ts';

const WATCHES_ORDERS = {
  watches: ['orders'],
  permissions: {
    database: { read: ['orders'], write: ['orders'] },
    actions: { dispatch: ['order:*'], listen: ['order:*'] },
    functions: ['send_email'],
    network: ['api.example.com'],
    schedule: true,
  },
  config: { type: 'object', properties: { currency: { type: 'string', default: 'EUR' } } },
};

const MAIN = `
function on_data_changed(table_name, operation, row)
  if operation ~= "INSERT" then return end
  if row.total < 0 then refuse(row) end
  glyphcase.update("orders", row.id, { note = row.total .. " " .. glyphcase.config.currency })
  glyphcase.dispatch("order:created", { id = row.id })
  log.info("mail", send_email("a@example.com", row.id))
end

function refuse(row)
  error("a negative total")
end

function add(a, b) return a + b end
function currency() return glyphcase.config.currency end
function on_upgrade(from) log.warn("upgrade from", from) end
`;

const SETUP = `setup(function()
  glyphcase.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, total INTEGER, note TEXT)")
end)
local function note() return glyphcase.queryScalar("SELECT note FROM orders ORDER BY id DESC LIMIT 1") end
`;

const shop = { manifest: WATCHES_ORDERS, main: MAIN };

/** Runs tests of the shop; fails with what is wrong unless all pass. */
async function passes(tests: string): Promise<void> {
  const result = await run(SETUP + tests, shop);
  expect(result.error).toBeUndefined();
  expect(result.tests.map(({ name, failure }) => `${name}: ${failure?.message ?? 'passed'}`)).toEqual(
    result.tests.map(({ name }) => `${name}: passed`),
  );
  expect(result).toMatchObject({ ok: true, failed: 0, passed: result.tests.length });
}

describe('runSkill', () => {
  test('refuses what is no path', async () => {
    for (const dir of [undefined, '', 7])
      expect(await thrownBy(() => runSkill(dir as string))).toMatchObject({ code: 'GC_BAD_ARGUMENT' });
  });

  test('tells what keeps all tests from running', async () => {
    expect(await runSkill(join(tempDir(), 'nowhere'))).toMatchObject({ ok: false, tests: [] });
    expect((await runSkill(skillOf({}))).error).toMatchObject({ message: 'shop has no test.lua' });
    expect((await run('local a = = 1')).error).toMatchObject({ file: 'test.lua', line: 1, code: 'GC_LUA_SYNTAX' });
    expect((await run('\nerror("no")')).error).toMatchObject({ file: 'test.lua', line: 2, message: 'no' });
    expect((await run('local a = 1')).error).toMatchObject({ message: 'it defines no test()' });
    const broken = await run('test("it", print)', {
      manifest: '{ "id": "shop",\n "version": "1.0.0",\n "wacthes": [] }',
    });
    expect(broken.error).toMatchObject({ file: 'manifest.json', line: 3 });
    expect(broken.error?.message).toContain("did you mean 'watches'?");
  });

  test('gives each test a database, a state and a start of the skill of its own, and leaves nothing behind', async () => {
    const dir = skillOf({ ...shop, files: { 'test.lua': `${SETUP}
      counter = (counter or 0) + 1
      for _, name in ipairs({ "first", "second" }) do
        test(name, function()
          expect(counter).to_be(1)
          expect(glyphcase.query("SELECT * FROM orders")).to_equal({})
          expect(skill.state()).to_be("active")
          expect(skill.call("currency")).to_be("EUR")
          skill.config({ currency = "USD" })
          glyphcase.insert("orders", { total = 1 })
        end)
      end` } }); // prettier-ignore
    const before = readFileSync(join(dir, 'manifest.json'), 'utf8');
    // A folder for temporary files of this test's own: others make such copies at the same time.
    const temporary = tempDir();
    vi.stubEnv('TMPDIR', temporary);
    afterTest(() => vi.unstubAllEnvs());
    expect(await runSkill(dir)).toMatchObject({ passed: 2, failed: 0 });
    expect(readFileSync(join(dir, 'manifest.json'), 'utf8')).toBe(before);
    expect(readdirSync(temporary)).toEqual([]);
    expect(readdirSync(dir).sort()).toEqual(['main.lua', 'manifest.json', 'test.lua']);
  });

  test('runs only what grep names, and tells of each test as it ends', async () => {
    const names: string[] = [];
    const tests = 'for _, name in ipairs({ "Refunds", "orders", "a refund" }) do test(name, function() end) end';
    const result = await run(
      tests,
      {},
      { grep: 'refund', onTest: ({ name, state }) => names.push(`${name} ${state}`) },
    );
    expect(names).toEqual(['Refunds passed', 'orders skipped', 'a refund passed']);
    expect(result).toMatchObject({ ok: true, passed: 2, skipped: 1 });
  });

  test('tells the line of each test, and refuses two of a name', async () => {
    expect((await run('\ntest("a", function() end)')).tests).toMatchObject([{ name: 'a', line: 2 }]);
    expect((await run('test("a", print)\ntest("a", print)')).error).toMatchObject({
      line: 2,
      message: 'there are two tests called "a"',
    });
  });

  test('loads what the skill depends on from the folder beside it', async () => {
    const dir = tempDir();
    skillOf({ dir, id: 'currency', main: 'function rate() return 2 end', manifest: { version: '2.1.0' } });
    const manifest = { dependencies: { currency: '^2.0.0' } };
    const main = 'function price(x) return x * glyphcase.call("currency", "rate") end';
    expect(await run('test("it", function() expect(skill.call("price", 3)).to_be(6) end)', { dir, main, manifest })).toMatchObject({ passed: 1 }); // prettier-ignore
    const lonely = await run('test("it", function() end)', { main, manifest });
    expect(lonely.error?.message).toContain('it depends on "currency", which is not in');
  });
});

describe('a test', () => {
  test('writes as somebody outside, waits, and sees what the skill has done', () =>
    passes(`
      test("reaction", function()
        glyphcase.insert("orders", { total = 42 })
        expect(note()).to_be_nil()
        flush()
        expect(note()).to_be("42 EUR")
        expect(actions.sent("order:*")).to_equal({ { action = "order:created", payload = { id = 1 } } })
        expect(actions.sent("user:*")).to_equal({})
      end)
      test("its stretches commit, and a transaction of its own rolls back", function()
        pcall(glyphcase.transaction, function() glyphcase.insert("orders", { total = 1 }) error("no") end)
        flush()
        expect(glyphcase.query("SELECT * FROM orders")).to_equal({})
      end)`));

  test('calls the skill, gives it a config, loads it again', () =>
    passes(`
      test("call", function()
        expect(skill.call("add", 2, 3)).to_be(5)
        expect(function() skill.call("nothing") end).to_fail("no global function 'nothing'")
      end)
      test("config", function()
        skill.config({ currency = "USD" })
        glyphcase.insert("orders", { total = 1 })
        flush()
        expect(note()).to_be("1 USD")
        expect(function() skill.config({ currncy = "X" }) end).to_fail("did you mean 'currency'")
        expect(function() skill.config({ currency = 1 }) end).to_fail("currency")
      end)
      test("upgrade", function()
        skill.reload()
        expect(skill.logs("warn")).to_equal({})
        skill.reload("1.1.0")
        expect(skill.logs("warn")[1].message).to_be("upgrade from\\t1.0.0")
      end)`));

  test('answers for functions of the host, and sees the calls', () =>
    passes(`
      test("by itself nil", function()
        glyphcase.insert("orders", { total = 1 })
        flush()
        expect(host.calls("send_email")).to_equal({ { "a@example.com", 1 } })
        expect(skill.logs("info")[1].message).to_be("mail")
        expect(function() host.calls("send_mail") end).to_fail('no function "send_mail"')
      end)
      test("by a function of the test", function()
        local sent = 0
        function host.functions.send_email(to, id) sent = sent + 1 return to .. "/" .. id end
        glyphcase.insert("orders", { total = 1 })
        flush()
        expect(skill.logs("info")[1].message).to_be("mail\\ta@example.com/1")
        expect(sent).to_be(1)
      end)
      test("by an error", function()
        host.functions.send_email = function() error("no connection", 0) end
        glyphcase.insert("orders", { total = 1 })
        expect(flush).to_fail("no connection")
        expect(note()).to_be_nil()
      end)`));

  test('holds time still, and moves it', () =>
    passes(`
      test("clock", function()
        expect(os.date("!%Y-%m-%d %H:%M", clock.now())).to_be("2026-01-01 00:00")
        clock.advance("90m")
        expect(os.time()).to_be(clock.now())
        clock.advance(60)
        expect(os.date("!%H:%M")).to_be("01:31")
        clock.set("2026-03-29T01:30:00Z")
        expect(os.date("!%d %H:%M")).to_be("29 01:30")
        clock.set("2027-01-01T00:00:00Z")
        expect(function() clock.advance("soon") end).to_fail("not a duration")
        expect(function() clock.advance(-1) end).to_fail("time moves forward")
        expect(function() clock.set("soon") end).to_fail("a time in seconds")
      end)`));

  test('sees jobs run at their times', async () => {
    const main = `function on_activate() scheduler.every("1h", "tick", { name = "tick" }) end
      function tick() log.info(os.date("!%H:%M")) end`;
    const result = await runBody(
      `clock.advance("3h 30m" and "210m")
      local times = {}
      for _, line in ipairs(skill.logs("info")) do times[#times + 1] = line.message end
      expect(times).to_equal({ "01:00", "02:00", "03:00" })`,
      { main, manifest: { permissions: { schedule: true } } },
    );
    expect(result.failure).toBeUndefined();
  });

  test('answers requests, and lets none out', async () => {
    const main = `function on_data_changed(_, _, row)
        http.request({ url = "https://api.example.com/orders", json = { id = row.id } }, "answered")
      end
      function answered(answer) glyphcase.execute("UPDATE orders SET note = ?", answer.json and answer.json.state or answer.error) end`;
    const ask = 'glyphcase.execute("INSERT INTO orders (total) VALUES (1)") flush()';
    const manifest = { ...WATCHES_ORDERS, watches: [{ table: 'orders', filter: 'note IS NULL' }] };
    const result = await run(
      `${SETUP}
      test("table", function()
        http.respond("https://api.example.com/*", { json = { state = "taken" } })
        ${ask}
        expect(note()).to_be("taken")
        expect(http.requests()[1]).to_equal(http.requests()[1])
        expect(http.requests()[1].json).to_equal({ id = 1 })
        expect(http.requests()[1].method).to_be("POST")
      end)
      test("function", function()
        http.respond("https://api.example.com/orders", function(request) return { json = { state = request.url } } end)
        ${ask}
        expect(note()).to_be("https://api.example.com/orders")
      end)
      test("nobody", function() ${ask} end)`,
      { main, manifest },
    );
    expect(result.tests.map(({ failure }) => failure?.message)).toEqual([
      undefined,
      undefined,
      'the skill asked POST https://api.example.com/orders, which nobody answers',
    ]);
  });

  test('may load modules of the skill', async () => {
    const files = { 'lib/money.lua': 'local M = {} function M.twice(x) return 2 * x end return M' };
    expect((await runBody('expect(require("lib.money").twice(4)).to_be(8)', { files })).failure).toBeUndefined();
    expect(await failureOf('require("lib.mony")', { files })).toMatchObject({ line: 2 });
  });

  test('shows what it prints', async () => {
    const { logs } = await runBody('print("total", 7)');
    expect(logs).toEqual([{ skill: 'test.lua', level: 'info', message: 'total\t7' }]);
  });
});

describe('expect', () => {
  const holds = [
    'expect({ a = { 1, 2.0 } }).to_equal({ a = { 1, 2 } })',
    'expect({ a = 1 }).never.to_equal({ a = 1, b = 2 })',
    'expect({ 1, 2 }).never.to_equal({ 1 })',
    'expect(blob("\\1")).to_equal(blob("\\1"))',
    'expect(json.null).to_be(json.null)',
    'expect({}).never.to_be({})',
    'expect(nil).to_be_nil()',
    'expect(false).never.to_be_nil()',
    'expect(0).to_be_truthy()',
    'expect(nil).never.to_be_truthy()',
    'expect("a.b").to_contain(".")',
    'expect({ { id = 1 }, { id = 2 } }).to_contain({ id = 2 })',
    'expect({ 1 }).never.to_contain(2)',
    'expect("order 12").to_match("%d+$")',
    'expect({ 1, 2 }).to_have_length(2)',
    'expect("größe").never.to_have_length(5)',
    'expect(function() error({ message = "why" }) end).to_fail("why")',
    'expect(function() end).never.to_fail()',
    'local t = {} t.self = t expect(t).to_equal(t)',
  ];

  test('lets through what holds', async () => {
    const result = await run(holds.map((line, index) => `test("${index}", function() ${line} end)`).join('\n'));
    expect(result.tests.filter(({ failure }) => failure !== undefined)).toEqual([]);
    expect(result.passed).toBe(holds.length);
  });

  test.each([
    ['expect(1).to_be(2)', 'expected 2, got 1'],
    ['expect("1").to_be(1)', 'expected 1, got "1"'],
    ['expect({ a = { b = 1 } }).to_equal({ a = { b = 2 } })', 'expected { a = { b = 2 } }, got { a = { b = 1 } } (they differ at a.b)'],
    ['expect({ 1, 2 }).to_equal({ 1, 3 })', 'expected { 1, 3 }, got { 1, 2 } (they differ at [2])'],
    ['expect({}).to_be({})', 'expected {}, got {}; they are equal, but not the same table: use to_equal'],
    ['expect(1).never.to_be(1)', 'expected anything but 1'],
    ['expect("x\\n").to_be_nil()', 'expected nil, got "x\\n"'],
    ['expect(nil).to_be_truthy()', 'expected a value that counts as true, got nil'],
    ['expect("abc").to_contain("d")', 'expected "abc" to contain "d"'],
    ['expect(1).to_contain(1)', 'to_contain: a text or a table is needed, not a number'],
    ['expect("abc").to_match("%d")', 'expected "abc" to match "%d"'],
    ['expect({ 1 }).to_have_length(2)', 'expected length 2, got 1: { 1 }'],
    ['expect(function() end).to_fail("why")', 'expected it to fail with "why", and it did not fail'],
    ['expect(function() error("else", 0) end).to_fail("why")', 'expected it to fail with "why", and it failed with "else"'],
    ['expect(1).to_fail()', 'to_fail: a function is needed: expect(function() … end).to_fail(…)'],
    ['expect()', 'expect: a value is needed: expect(value).to_equal(…)'],
  ])('%s says so, at its line', async (line, message) => {
    expect(await failureOf(line)).toMatchObject({ message, file: 'test.lua', line: 2 });
  }); // prettier-ignore

  test('names what there is when a name is wrong', async () => {
    expect((await failureOf('expect(1).to_bee(1)')).message).toContain('to_bee does not exist; there are to_be, ');
  });
});

describe('a failure', () => {
  test('in a helper names the helper’s line and who called it', async () => {
    const body = 'local function check(x)\n expect(x).to_be(2)\nend\ncheck(1)';
    expect(await failureOf(body)).toMatchObject({
      line: 3,
      expected: '2',
      actual: '1',
      stack: ['test.lua:3', 'test.lua:5'],
    });
  });

  test('of the skill comes out of flush, with the skill’s own traceback', async () => {
    const { tests } = await run(
      `${SETUP}test("it", function()\nglyphcase.insert("orders", { total = -1 })\nflush() end)`,
      shop,
    );
    expect(tests[0]?.failure).toMatchObject({
      file: 'test.lua',
      line: 7,
      message: 'skill shop, on_data_changed: main.lua:11: a negative total',
      code: 'GC_LUA',
      traceback: [
        expect.stringContaining("main.lua:11: in global 'refuse'"),
        expect.stringContaining('main.lua:4: in'),
      ],
    });
  });

  test('of the skill that nobody waited for fails the test too, and one that was expected does not', async () => {
    const insert = 'glyphcase.insert("orders", { total = -1 })';
    const { tests } = await run(
      `${SETUP}test("left alone", function() ${insert} end)
      test("expected", function() ${insert} expect(flush).to_fail("a negative total") end)`,
      shop,
    );
    expect(tests.map(({ state }) => state)).toEqual(['failed', 'passed']);
  });

  test('of a job, a watch, a listener or an answer comes out of the wait it happened in', async () => {
    const main = `function on_activate()
        scheduler.after("1m", function() error("in the job") end)
        glyphcase.watch("orders", function() error("in the watch") end)
        glyphcase.on("order:seen", function() error("in the listener") end)
      end
      function ask() http.request({ url = "https://api.example.com/" }, function() error("in the answer") end) end`;
    const result = await run(
      `${SETUP}test("it", function()
        expect(function() clock.advance("1m") end).to_fail("in the job")
        glyphcase.insert("orders", {})
        expect(flush).to_fail("in the watch")
        glyphcase.dispatch("order:seen")
        expect(flush).to_fail("in the listener")
        http.respond("https://api.example.com/", {})
        skill.call("ask")
        expect(flush).to_fail("in the answer")
      end)`,
      { main, manifest: { ...WATCHES_ORDERS, watches: [] } },
    );
    expect(result.tests[0]?.failure).toBeUndefined();
  });

  test('is what becomes of a skill that does not start', async () => {
    const { tests } = await run('test("it", function() end)', shop);
    expect(tests[0]?.failure?.message).toContain('the skill shop is waiting: waiting (table orders)');
    expect(tests[0]?.failure?.hint).toContain('setup()');
    const { failure } = await runBody('', { main: 'error("broken")' });
    expect(failure?.message).toContain('main.lua:1: broken');
  });

  test('is an endless loop, in the test or in the skill, and the next test runs', async () => {
    const main = 'function spin() while true do end end';
    const { tests } = await run(
      `test("in the test", function() while true do end end)
      test("in the skill", function() skill.call("spin") end)
      test("next", function() end)`,
      { main, manifest: { limits: { time: '100ms' } } },
    );
    expect(tests.map(({ state, failure }) => `${state} ${failure?.code ?? ''}`.trim())).toEqual([
      'failed GC_LUA_TIME',
      'failed GC_LUA_TIME',
      'passed',
    ]);
    expect(tests[1]?.failure?.message).toContain('main.lua:1');
  });

  test('is to wait where nobody can', async () => {
    expect(await failureOf('glyphcase.transaction(function() flush() end)')).toMatchObject({
      line: 2,
      message: expect.stringContaining('flush() inside glyphcase.transaction') as string,
    });
    expect((await failureOf('coroutine.wrap(function() flush() end)()')).message).toContain(
      'only setup, before_each and test',
    );
    expect((await failureOf('coroutine.yield(1)')).message).toContain('coroutine.yield() outside');
    expect((await run('flush()')).error).toMatchObject({ line: 1 });
    expect((await failureOf('test("inner", function() end)')).message).toContain('top of test.lua');
    expect((await failureOf('skill.call("f", function() end)')).message).toContain('a function cannot be passed on');
  });
});

test('before_each runs before each test, after the skill has become active', async () => {
  const result = await run(
    `${SETUP}
    before_each(function() expect(skill.state()).to_be("active") glyphcase.insert("orders", { total = 5 }) flush() end)
    test("a", function() expect(note()).to_be("5 EUR") end)
    test("b", function() expect(glyphcase.queryScalar("SELECT count(*) FROM orders")).to_be(1) end)`,
    shop,
  );
  expect(result).toMatchObject({ passed: 2, failed: 0 });
});

describe('the ready-made skills', () => {
  const root = join(import.meta.dirname, '..', 'skills');
  const tested = readdirSync(root).filter((name) => existsSync(join(root, name, 'test.lua')));

  test('have tests, most of them', () => {
    expect(tested).toEqual(expect.arrayContaining(['retention', 'rollups', 'user-hygiene', 'webhooks']));
  });

  // The time limit of Lua is one of time that passes: on a busy machine it strikes what is well.
  test.each(tested)('%s passes its own', { retry: 2 }, async (id) => {
    const { ok, tests, error } = await runSkill(join(root, id));
    expect({ ok, error, failures: tests.flatMap(({ failure }) => failure ?? []) }).toEqual({
      ok: true,
      failures: [],
    });
  });
});
