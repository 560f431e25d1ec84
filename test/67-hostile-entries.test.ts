/** Every way into a skill's Lua, each with what never ends, eats memory or recurses: the limits stand before all of them. */
import { describe, expect, it } from 'vitest';
import { EVERYTHING, hostileHost, LIMIT_MS, timeOf } from './67-hostile-support.ts';
import type { HostileHost } from './67-hostile-support.ts';
import { writeSkill } from './60-skills-support.ts';

/** What is said of a skill that was stopped. */
const SAID = /time limit|more memory than its limit|stack overflow|needs|: x/;

/** What each entry does, as a statement. */
const ATTACKS = {
  loop: 'while true do pcall(function() while true do end end) end',
  memory: 'local t = {} while true do t[#t + 1] = ("x"):rep(1e5) .. #t end',
  recursion: 'local function f() return 1 + f() end f()',
  handler: 'xpcall(function() while true do end end, function() while true do end end)',
  close: 'local x <close> = setmetatable({}, { __close = function() while true do end end }) error("x")',
} as const;

/** Attacks that end by themselves, at a limit that is not the time's. */
const BRIEF: readonly string[] = ['memory', 'recursion'];

interface Entry {
  readonly main: (attack: string) => string;
  readonly manifest?: Readonly<Record<string, unknown>>;
  /** Makes it run, once the skill is loaded. What fails in the caller's face counts as stopped. */
  readonly wake?: (host: HostileHost) => unknown;
}

const within = (name: string) => (attack: string) => `function ${name}() ${attack} end`;
const insert = (host: HostileHost): Promise<unknown> =>
  host.db.exclusive(() => host.db.rows.insert('orders', { status: 'x' }));

const ENTRIES: Readonly<Record<string, Entry>> = {
  'main.lua itself': { main: (attack) => attack },
  'a module': { main: () => 'require("other")' },
  on_install: { main: within('on_install') },
  on_activate: { main: within('on_activate') },
  on_upgrade: {
    main: within('on_upgrade'),
    async wake(host) {
      const again = writeSkill(host.dir, 'hostile', within('on_upgrade')(ATTACKS.loop), {
        ...EVERYTHING,
        limits: { time: '100ms' },
        version: '2.0.0',
      });
      await host.skills.load(again);
    },
  },
  on_deactivate: { main: within('on_deactivate'), wake: (host) => host.skills.disable('hostile') },
  on_uninstall: { main: within('on_uninstall'), wake: (host) => host.skills.uninstall('hostile') },
  on_data_changed: { main: within('on_data_changed'), wake: (host) => host.run('INSERT INTO orders(id) VALUES (1)') },
  before_insert: { main: within('before_insert'), wake: insert },
  validate_insert: { main: within('validate_insert'), wake: insert },
  'a watch': {
    main: (attack) => `function on_activate() glyphcase.watch("orders", function() ${attack} end) end`,
    wake: (host) => host.run('INSERT INTO orders(id) VALUES (1)'),
  },
  'a listener': {
    main: (attack) => `function on_activate() glyphcase.on("x", function() ${attack} end) end`,
    wake: (host) => host.actions.dispatch('x'),
  },
  'a job': {
    main: (attack) => `function on_activate() scheduler.every("1s", function() ${attack} end) end`,
    wake: (host) => host.clock.advance(1000),
  },
  'a call': { main: within('f'), wake: (host) => host.skills.call('hostile', 'f') },
  'an http callback': {
    main: (attack) =>
      `function on_activate() http.request({ url = "http://localhost:1/" }, function() ${attack} end) end`,
    async wake(host) {
      // Nobody listens there; then its callback is called.
      const isCalled = (): boolean => host.logger.lines.some(({ message }) => SAID.test(message));
      for (let round = 0; round < 500 && !isCalled(); round++) {
        await host.clock.advance(50);
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    },
  },
  'a coroutine': { main: (attack) => `function f() coroutine.wrap(function() ${attack} end)() end`, wake: callF },
  __tostring: {
    main: (attack) =>
      `function f() return string.format("%s", setmetatable({}, { __tostring = function() ${attack} end })) end`,
    wake: callF,
  },
  'a comparator': {
    main: (attack) => `function f() table.sort({ 3, 2, 1 }, function() ${attack} end) end`,
    wake: callF,
  },
  gsub: { main: (attack) => `function f() (("x"):rep(9)):gsub(".", function() ${attack} end) end`, wake: callF },
  'an iterator': { main: (attack) => `function f() for _ in function() ${attack} end do end end`, wake: callF },
  __index: {
    main: (attack) => `setmetatable(_G, { __index = function() ${attack} end }) function f() return unknown end`,
    wake: callF,
  },
  __gc: {
    main: (attack) => `function f() local mt = {} local t = setmetatable({}, mt) mt.__gc = function() ${attack} end
      t = nil for i = 1, 1e9 do local x = { ("x"):rep(1e4) .. i } end end`,
    wake: callF,
  },
  'a transaction': {
    main: (attack) => `function f() glyphcase.transaction(function() ${attack} end) end`,
    wake: callF,
  },
};

function callF(host: HostileHost): Promise<unknown> {
  return host.skills.call('hostile', 'f');
}

describe.each(Object.entries(ENTRIES))('%s', (name, { main, wake }) => {
  it.each(Object.entries(ATTACKS))('with %s ends within the limits and harms nobody', async (attack, code) => {
    if (attack !== 'loop' && name === 'on_upgrade') return;
    // What eats memory or recurses is to meet that limit, not the time's; but no error leaves a __gc, and it goes on.
    const isBrief = BRIEF.includes(attack) && name !== '__gc';
    const limitMs = isBrief ? 10_000 : 100;
    const host = await hostileHost({ limitMs });
    let state = '';
    const starting = await timeOf(async () => {
      state = await host.hostile(main(code), {}, { 'other.lua': code });
    });
    if (wake === undefined) expect(state).toBe('failed');
    let told = '';
    const took = await timeOf(async () => {
      try {
        await wake?.(host);
      } catch (error) {
        told = String(error);
      }
      await host.rest();
    });
    // The start may try, and a failed call start the skill anew: two limits' worth, and the machine's other business.
    expect(Math.max(starting, took)).toBeLessThan(2 * LIMIT_MS + 2500);
    const said = [told, ...host.logger.lines.map((line) => line.message)].join('\n');
    expect(said).toMatch(SAID);
    await host.unharmed();
    expect(await host.close()).toEqual([]);
  });
});

describe('time', () => {
  const RUNAWAYS: Readonly<Record<string, string>> = {
    'a loop': ATTACKS.loop,
    queries: 'while true do glyphcase.queryScalar("SELECT count(*) FROM orders") end',
    inserts: 'while true do glyphcase.insert("orders", { status = "x" }) end',
    'a pattern': 'string.find(("a"):rep(20000), ".-.-.-.-b")',
    'json.encode and decode':
      'local t = {} for i = 1, 1e4 do t[i] = { i } end while true do json.decode(json.encode(t)) end',
    'large strings': 'local s = ("x"):rep(2e6) while true do pcall(crypto.sha256, s .. "y") end',
    'large values': 'local t = {} for i = 1, 1e5 do t[i] = "x" .. i end while true do pcall(log.debug, t) end',
    cache: 'local i = 0 while true do i = i + 1 cache.set("k" .. i, ("x"):rep(1e5)) end',
    'failing host calls': 'while true do pcall(glyphcase.query, "SELEC") end',
    'function arguments': 'while true do pcall(log.info, print) end',
    transactions:
      'while true do pcall(glyphcase.transaction, function() glyphcase.insert("orders", {}) error("x") end) end',
  };
  it.each(Object.entries(RUNAWAYS))('%s: stopped within 1.2 × the limit', async (_, code) => {
    const host = await hostileHost({ lua: { limits: { time: '500ms', memory: '32MB' } }, limitMs: 500 });
    await host.hostile(`function f() ${code} end`);
    const overruns: number[] = [];
    // The best of a few: the figure is of the limit, not of what else the machine does.
    for (let round = 0; round < 6 && !overruns.some((ms) => ms <= 600); round++) {
      overruns.push(await timeOf(() => host.skills.call('hostile', 'f').catch((error: unknown) => error)));
    }
    expect(Math.min(...overruns)).toBeLessThanOrEqual(600);
    await host.unharmed();
  });
});
