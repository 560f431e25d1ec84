/** Much of something: actions, rows, watches, jobs, log lines; and skills that wake each other without end. */
import { describe, expect, it } from 'vitest';
import { writeSkill } from './60-skills-support.ts';
import { EVERYTHING, hostileHost, timeOf, workClock } from './67-hostile-support.ts';
import type { HostileHost } from './67-hostile-support.ts';
import { thrownBy, until } from './support.ts';

/** How long the event loop was held up at most while `fn` ran, in ms. */
async function longestPause(fn: () => Promise<unknown>): Promise<number> {
  let longest = 0;
  const clock = workClock();
  let last = clock();
  const timer = setInterval(() => {
    const now = clock();
    longest = Math.max(longest, now - last);
    last = now;
  }, 5);
  await fn();
  clearInterval(timer);
  return Math.max(longest, clock() - last);
}

/** Enough for other bounds to strike before the clock does, on a busy machine too. */
const ROOMY = { limitMs: 20_000 };

const stateOf = (host: HostileHost, id = 'hostile'): string => host.skills.get(id)?.state ?? 'gone';

describe('floods within one call', () => {
  it.each([
    ['actions', 'for i = 1, 1e6 do glyphcase.dispatch("x", i) end', /more than 50000 actions in one transaction/],
    ['large payloads', 'local s = ("x"):rep(1e6) for i = 1, 1e6 do glyphcase.dispatch("x", s) end', /more than 16 MiB/],
    ['watches', 'for i = 1, 1e6 do glyphcase.watch("orders", function() end) end', /more than 100 watches/],
    ['listeners', 'for i = 1, 1e6 do glyphcase.on("x", function() end) end', /more than 100 listeners/],
    ['jobs', 'for i = 1, 1e6 do scheduler.every("1s", function() end) end', /at most 100|more than 100|100 jobs/],
    ['named jobs', 'for i = 1, 1e6 do scheduler.every("1s", "f", { name = "j" .. i }) end', /100/],
    ['requests', 'for i = 1, 1e6 do http.request({ url = "http://localhost/" }) end', /1,?000|time limit/],
    ['rows', 'while true do glyphcase.insert("orders", { note = ("x"):rep(1000) }) end', /time limit/],
    [
      'own tables',
      'local i = 0 while true do i = i + 1 glyphcase.execute("CREATE TABLE own" .. i .. "(a)") end',
      /time limit/,
    ],
    ['nested transactions', 'local function f() glyphcase.transaction(f) end f()', /overflow|nested|levels/],
  ])('%s end in an error, and nothing of them stays', async (_, code, why) => {
    const host = await hostileHost(why.source.includes('time limit') ? { limitMs: 500 } : ROOMY);
    await host.hostile(`function f() ${code} end`);
    const sent: unknown[] = [];
    host.actions.on('*', (payload) => sent.push(payload));
    const error = await thrownBy(() => host.skills.call('hostile', 'f'));
    expect(error.message).toMatch(why);
    await host.rest();
    expect(sent).toEqual([]);
    expect(host.db.value('SELECT count(*) FROM orders')).toBe(0);
    for (const table of ['_skill_http', '_scheduler_jobs'])
      expect(host.db.value(`SELECT count(*) FROM ${table}`)).toBe(0);
    expect(host.db.value("SELECT count(*) FROM sqlite_schema WHERE name LIKE 'own%'")).toBe(0);
    await host.unharmed();
  });

  it('cache entries and log lines are kept within bounds', async () => {
    const host = await hostileHost(ROOMY);
    await host.hostile(`function f()
      for i = 1, 30000 do cache.set("k" .. i, i) log.info("line", i) print(i) end
      local n = 0 for i = 1, 30000 do if cache.get("k" .. i) then n = n + 1 end end return n end`);
    expect(await host.skills.call('hostile', 'f')).toBeLessThanOrEqual(10_000);
    expect(host.skills.logs('hostile').length).toBeLessThanOrEqual(1001);
    await host.unharmed();
  });

  it('fifty thousand actions are handed out while the event loop turns', async () => {
    const host = await hostileHost(ROOMY);
    await host.hostile(`function f() for i = 1, 50000 do glyphcase.dispatch("x", i) end end
      heard = 0 function count() return heard end
      function on_activate() glyphcase.on("x", function() heard = heard + 1 end) end`);
    const pause = await longestPause(async () => {
      await host.skills.call('hostile', 'f');
      for (let heard: unknown = 0; heard !== 50_000;) {
        await new Promise((resolve) => setTimeout(resolve, 20));
        heard = await host.skills.call('hostile', 'count');
      }
    });
    // The call itself is one piece; handing out is not.
    expect(pause).toBeLessThan(1500);
    await host.unharmed();
  }, 30_000);
});

describe('waking each other without end', () => {
  const LISTENER = (hears: string, sends: string, times = 1): string =>
    `function on_activate() glyphcase.on("${hears}", function(p) ${`glyphcase.dispatch("${sends}", p) `.repeat(times)} end) end`;

  it.each([
    ['one skill and itself', LISTENER('x', 'x')],
    ['one skill, twice as many each time', LISTENER('x', 'x', 2)],
    ['one skill, a hundred times as many each time', LISTENER('x', 'x', 100)],
  ])(
    'by actions: %s',
    async (_, main) => {
      const host = await hostileHost(ROOMY);
      await host.hostile(main);
      const pause = await longestPause(async () => {
        host.actions.dispatch('x', 1);
        await until(() => stateOf(host) === 'quarantined', 25_000);
      });
      expect(pause).toBeLessThan(500);
      expect(host.skills.why('hostile').join(' ')).toMatch(/trigger each other without end.*skill enable hostile/);
      await host.unharmed();
    },
    30_000,
  );

  it('by actions: two skills; the one that is stopped names both', async () => {
    const host = await hostileHost(ROOMY);
    await host.hostile(LISTENER('ping', 'pong'));
    await host.skills.load(writeSkill(host.dir, 'other', LISTENER('pong', 'ping'), EVERYTHING));
    host.actions.dispatch('ping');
    const quarantined = (): string[] => ['hostile', 'other'].filter((id) => stateOf(host, id) === 'quarantined');
    await until(() => quarantined().length > 0);
    await host.rest();
    expect(quarantined()).toHaveLength(1);
    expect(host.skills.why(quarantined()[0] ?? '').join(' ')).toMatch(
      /skill:(hostile → skill:other|other → skill:hostile)/,
    );
    await host.unharmed();
  });

  it.each([
    [
      'a watch, two rows for each',
      'glyphcase.watch("orders", function(e) for i = 1, 2 * #e do glyphcase.insert("orders", {}) end end)',
    ],
    [
      'a watch and an action',
      'glyphcase.watch("orders", function() glyphcase.dispatch("x") end) glyphcase.on("x", function() glyphcase.insert("orders", {}) end)',
    ],
  ])(
    'by changes: %s',
    async (_, code) => {
      const host = await hostileHost(ROOMY);
      await host.hostile(`function on_activate() ${code} end`, { watches: [] });
      host.run("INSERT INTO orders(status) VALUES ('first')");
      for (let round = 0; round < 400 && stateOf(host) !== 'quarantined'; round++) {
        await host.clock.advance(200);
        await host.rest();
      }
      expect(host.skills.why('hostile').join(' ')).toMatch(/trigger each other without end/);
      expect(host.db.value('SELECT count(*) FROM orders')).toBeLessThan(70_000);
      await host.unharmed();
    },
    30_000,
  );

  it.each([
    ['a reaction and its own rows', 'glyphcase.insert("orders", {})'],
    ['a reaction, two rows for each', 'glyphcase.insert("orders", {}) glyphcase.insert("orders", {})'],
    ['a reaction and an action', 'glyphcase.dispatch("x")'],
  ])(
    'by changes: %s',
    async (_, code) => {
      const host = await hostileHost(ROOMY);
      await host.hostile(`function on_data_changed() ${code} end
      function on_activate() glyphcase.on("x", function() glyphcase.insert("orders", {}) end) end`);
      host.run("INSERT INTO orders(status) VALUES ('first')");
      for (let round = 0; round < 400 && stateOf(host) !== 'quarantined'; round++) {
        await host.clock.advance(200);
        await host.rest();
      }
      expect(host.skills.why('hostile').join(' ')).toMatch(/trigger each other without end/);
      expect(host.db.value('SELECT count(*) FROM orders')).toBeLessThan(70_000);
      await host.unharmed();
    },
    30_000,
  );

  it('a watch that goes on by itself is work in steps: one a batch, and everybody else in between', async () => {
    const host = await hostileHost(ROOMY);
    await host.hostile(
      `function on_install() glyphcase.execute("CREATE TABLE step(n INTEGER)") end
      function on_activate() glyphcase.watch("step", function() glyphcase.execute("UPDATE step SET n = n + 1 WHERE n < 150") end) end`,
      { watches: [] },
    );
    host.run('INSERT INTO step VALUES (0)');
    for (let round = 0; round < 160; round++) {
      await host.clock.advance(200);
      await host.rest();
      expect(await host.skills.call('neighbour', 'answer', 1)).toBe(2);
    }
    expect(host.db.value('SELECT n FROM step')).toBe(150);
    expect(stateOf(host)).toBe('active');
    await host.unharmed();
  }, 30_000);

  it('a long chain that comes to rest is none', async () => {
    const host = await hostileHost(ROOMY);
    await host.hostile(`function on_data_changed(t, op, row)
      if (row.total or 0) < 50 then glyphcase.insert("orders", { total = (row.total or 0) + 1 }) end end`);
    host.run('INSERT INTO orders(total) VALUES (0)');
    for (let round = 0; round < 60; round++) await host.rest();
    expect(host.db.value('SELECT max(total) FROM orders')).toBe(50);
    expect(stateOf(host)).toBe('active');
  });
});

describe('work that stays below its limits', () => {
  it('a hundred jobs that each take their time do not hold up who else wants to write', async () => {
    const host = await hostileHost(ROOMY);
    await host.hostile(`function on_activate()
      for i = 1, 100 do scheduler.every("1s", function() local t = os.clock() + 0.1 while os.clock() < t do end end) end end`);
    let waited = 0;
    const pause = await longestPause(async () => {
      void host.clock.advance(1000);
      for (let round = 0; round < 5; round++) {
        await new Promise((resolve) => setTimeout(resolve, 50));
        waited = Math.max(waited, await timeOf(() => host.db.exclusive(() => host.db.run('SELECT 1'))));
      }
    });
    expect(pause).toBeLessThan(700);
    expect(waited).toBeLessThan(700);
    await host.skills.disable('hostile');
    await host.unharmed();
  });
});

describe('honest work in large amounts', () => {
  it('is no loop: a skill that sees its own changes to twenty thousand rows of another', async () => {
    const host = await hostileHost({ ...ROOMY, lua: { limits: { time: '20s', memory: '64MB' } } });
    await host.skills.load(
      writeSkill(
        host.dir,
        'importer',
        `function on_activate() glyphcase.on("import", function()
          glyphcase.execute("INSERT INTO orders(total) SELECT value FROM json_each(?)", json.encode(rows)) end) end
        rows = {} for i = 1, 20000 do rows[i] = i end`,
        EVERYTHING,
      ),
    );
    await host.hostile(`function on_data_changed(t, op, row)
      if row.status == nil then glyphcase.update("orders", row.id, { status = "seen" }) end end`);
    host.actions.dispatch('import');
    for (let round = 0; round < 50; round++) await host.rest();
    expect(host.db.value("SELECT count(*) FROM orders WHERE status = 'seen'")).toBe(20_000);
    expect(stateOf(host)).toBe('active');
  }, 60_000);
});
