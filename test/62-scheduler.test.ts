/** Jobs of skills: when they run, what they leave behind, what is refused. */
import { describe, expect, it } from 'vitest';
import { createSchedulerPlugin } from '../plugins/scheduler/index.ts';
import { checkTimezone } from '../plugins/scheduler/schedule.ts';
import {
  DAY,
  HOUR,
  load,
  MINUTE,
  NOTE,
  onActivate,
  RUNS,
  runs,
  schedulerHost,
  SECOND,
  START,
  TIMED,
  wallClock,
} from './62-scheduler-support.ts';
import { loadSkill } from './60-skills-support.ts';
import { settle, thrownBy } from './support.ts';

describe('what is refused', () => {
  it.each([
    [
      'scheduler.every("1 hour", print)',
      'scheduler.every: the interval is "1 hour"; write a number and a unit: "500ms", "10s", "5m", "1h", "7d"',
    ],
    ['scheduler.every(60, print)', 'scheduler.every: the interval is 60; write a number and a unit'],
    ['scheduler.every(nil, print)', 'scheduler.every: the interval is'],
    ['scheduler.every("0s", print)', 'scheduler.every: the interval is "0s"; the shortest is "1s"'],
    ['scheduler.every("999ms", print)', 'scheduler.every: the interval is "999ms"; the shortest is "1s"'],
    ['scheduler.every("-5m", print)', 'scheduler.every: the interval is "-5m"; write'],
    ['scheduler.every("4000d", print)', 'scheduler.every: the interval is "4000d"; the longest is "3650d"'],
    ['scheduler.after("0s", print)', 'scheduler.after: the delay is "0s"; the shortest is "1ms"'],
    [
      'scheduler.every("1h")',
      'scheduler.every: the second argument must be a function or the name of a global one, not nil',
    ],
    [
      'scheduler.after("1h", 5)',
      'scheduler.after: the second argument must be a function or the name of a global one, not 5',
    ],
    ['scheduler.every("1h", "no_such")', 'scheduler.every: there is no global function "no_such"'],
    [
      'scheduler.every("1h", print, "nightly")',
      'scheduler.every: the options must be a table such as { name = "nightly" }, not "nightly"',
    ],
    [
      'scheduler.every("1h", print, print)',
      'scheduler.every: the options must be a table such as { name = "nightly" }, not a function',
    ],
    [
      'scheduler.every("1h", print, { nmae = "x" })',
      'scheduler.every: there is no option "nmae"; did you mean "name"?',
    ],
    [
      'scheduler.every("1h", print, { timezone = "UTC" })',
      'scheduler.every: there is no option "timezone"; it takes name, jitter',
    ],
    [
      'scheduler.every("1h", print, { name = "" })',
      'scheduler.every: the name is ""; it must be a text of 1 to 100 letters',
    ],
    ['scheduler.every("1h", print, { name = "#1" })', 'scheduler.every: the name is "#1"; it must be'],
    ['scheduler.every("1h", print, { name = 5 })', 'scheduler.every: the name is 5; it must be'],
    [
      'scheduler.every("1h", print, { jitter = "2h" })',
      'scheduler.every: the jitter must not be longer than the interval, 1h',
    ],
    ['scheduler.every("1h", print, { jitter = 5 })', 'scheduler.every: the jitter is 5; write a number and a unit'],
    ['scheduler.after("1h", print, { jitter = "2d" })', 'scheduler.after: the jitter is "2d"; the longest is "1d"'],
    ['scheduler.cron(5, print)', 'scheduler.cron: the times must be a cron text such as "0 3 * * *"'],
    [
      'scheduler.cron("61 * * * *", print)',
      'scheduler.cron: "61 * * * *" is not a cron text: Invalid value for minute: 61; write five parts, "minute hour day month weekday", or six',
    ],
    ['scheduler.cron("* * *", print)', 'scheduler.cron: "* * *" is not a cron text: '],
    [
      'scheduler.cron("0 3 * * foo", print)',
      'scheduler.cron: "0 3 * * foo" is not a cron text: configuration entry 5 (foo)',
    ],
    ['scheduler.cron("2030-01-01T00:00:00", print)', 'scheduler.cron: "2030-01-01T00:00:00" is not a cron text'],
    ['scheduler.cron("0 0 30 2 *", print)', 'scheduler.cron: the time of "0 0 30 2 *" never comes'],
    [
      'scheduler.cron("0 3 * * *", print, { timezone = "Mars/Base" })',
      'scheduler.cron: the time zone is "Mars/Base"; write an IANA name such as "Europe/Berlin" or "UTC"',
    ],
    ['scheduler.cron("0 3 * * *", print, { timezone = 1 })', 'scheduler.cron: the time zone is a number'],
    [
      'scheduler.stop()',
      'scheduler.stop: it takes the id of a job, as scheduler.every returned it, or its name, not nil',
    ],
  ])('%s', async (script, message) => {
    const host = await schedulerHost();
    const error = await thrownBy(() => host.skills.execute(script));
    expect(error.message).toContain(message);
    expect(host.scheduler.jobs()).toEqual([]);
  });

  it('a wrong default time zone', () => {
    expect(() => checkTimezone('Berlin', 'The option scheduler.timezone')).toThrow(
      'The option scheduler.timezone: the time zone is "Berlin"',
    );
  });

  it('timers without the permission, with the line that is missing', async () => {
    const host = await schedulerHost();
    const { error } = await loadSkill(host, 'demo', 'function on_activate() scheduler.every("1h", print) end');
    expect(error?.message).toContain(
      'The skill demo may not use timers. Its manifest.json would need "permissions": { "schedule": true }',
    );
    const stops = await loadSkill(host, 'calm', 'function on_activate() scheduler.stop_all() end');
    expect(stops.state).toBe('active');
  });

  it('more than 100 jobs of one skill', async () => {
    const host = await schedulerHost();
    await load(host, 'function plan(n) for i = 1, n do scheduler.after("1h", print) end end');
    await host.skills.call('demo', 'plan', 100);
    await expect(host.skills.call('demo', 'plan', 1)).rejects.toThrow(
      'scheduler.after: more than 100 jobs; end some with scheduler.stop(id)',
    );
    expect(host.scheduler.jobs()).toHaveLength(100);
  });
});

describe('every', () => {
  it('runs after each interval, in a transaction of its own', async () => {
    const host = await schedulerHost({ schema: RUNS });
    await load(host, onActivate('scheduler.every("10s", note, { name = "tick" })'));
    await host.pass(9999);
    expect(runs(host)).toEqual([]);
    await host.pass(1);
    expect(runs(host)).toEqual(['tick']);
    await host.pass(30 * SECOND);
    expect(runs(host)).toHaveLength(4);
  });

  it('does not drift: times lie on the grid however late a run is', async () => {
    const host = await schedulerHost({ schema: RUNS });
    await load(host, onActivate('scheduler.every("1m", note, { name = "tick" })'));
    const release = await hold(host);
    await host.pass(90 * SECOND);
    expect(runs(host)).toEqual([]);
    await release();
    await host.pass(0);
    expect(runs(host)).toHaveLength(1);
    expect(host.scheduler.jobs()[0]?.dueAt).toBe(START + 2 * MINUTE);
    await host.pass(30 * SECOND);
    expect(runs(host)).toHaveLength(2);
  });

  it('makes up for runs missed while the writer was busy by one', async () => {
    const host = await schedulerHost({ schema: RUNS });
    await load(host, onActivate('scheduler.every("1s", note) scheduler.every("1s", note, { name = "named" })'));
    const release = await hold(host);
    await host.pass(20 * SECOND);
    await release();
    await host.pass(0);
    expect(runs(host)).toHaveLength(2);
    await host.pass(SECOND);
    expect(runs(host)).toHaveLength(4);
  });

  it('adds jitter to a time without moving the grid', async () => {
    const chances = [0.5, 0.9, 0];
    const host = await schedulerHost({ schema: RUNS, random: () => chances.shift() ?? 0 });
    await load(host, onActivate('scheduler.every("1m", note, { name = "tick", jitter = "20s" })'));
    const due = (): number => (host.scheduler.jobs()[0]?.dueAt ?? 0) - START;
    expect(due()).toBe(MINUTE + 10 * SECOND);
    await host.pass(70 * SECOND);
    expect([runs(host).length, due()]).toEqual([1, 2 * MINUTE + 18 * SECOND]);
    await host.pass(68 * SECOND);
    expect([runs(host).length, due()]).toEqual([2, 3 * MINUTE]);
  });

  it('waits longer than a timer can', async () => {
    const host = await schedulerHost({ schema: RUNS });
    await load(host, onActivate('scheduler.every("30d", note, { name = "monthly" })'));
    host.clock.jump(30 * DAY - MINUTE);
    await host.pass(59 * SECOND);
    expect(runs(host)).toEqual([]);
    await host.pass(SECOND);
    expect(runs(host)).toEqual(['monthly']);
  });

  it('never asks for a timer that Node would fire at once', async () => {
    const clock = wallClock();
    const pauses: number[] = [];
    const counting = { ...clock, timeout: (fn: () => void, ms: number) => (pauses.push(ms), clock.timeout(fn, ms)) };
    const host = await schedulerHost({ schema: RUNS, clock: counting });
    await load(host, onActivate('scheduler.every("3650d", note, { name = "decade" })'));
    expect(Math.max(...pauses)).toBe(2 ** 31 - 1);
    expect(host.scheduler.jobs()[0]?.dueAt).toBe(START + 3650 * DAY);
  });

  it('waits with one timer for all jobs and a look at the clock, and with none when there are no jobs', async () => {
    const host = await schedulerHost({ schema: RUNS });
    await load(host, NOTE, 'idle');
    const before = host.clock.pending;
    await load(
      host,
      onActivate(
        'ids = {} for i = 1, 50 do ids[i] = scheduler.every(i + 1 .. "s", note) end',
        'function clear() for _, id in ipairs(ids) do scheduler.stop(id) end end',
      ),
    );
    expect(host.clock.pending).toBe(before + 2);
    await host.skills.call('demo', 'clear');
    expect(host.clock.pending).toBe(before);
  });
});

describe('after', () => {
  it('runs once', async () => {
    const host = await schedulerHost({ schema: RUNS });
    await load(host, onActivate('scheduler.after("5m", note) scheduler.after("5m", note, { name = "once" })'));
    await host.pass(HOUR);
    expect(runs(host)).toEqual(['#1', 'once']);
    expect(host.scheduler.jobs()).toMatchObject([{ id: 'once', state: 'done', runs: 1 }]);
  });

  it('with a name runs once ever when it is asked for at the start', async () => {
    const host = await schedulerHost({ schema: RUNS });
    await load(host, onActivate('scheduler.after("5m", note, { name = "welcome" })'));
    await host.pass(HOUR);
    await host.skills.reload('demo');
    await host.pass(HOUR);
    expect(runs(host)).toEqual(['welcome']);
  });

  it('asked for again while the skill runs is a new wish once it has run, and the same one before', async () => {
    const host = await schedulerHost({ schema: RUNS });
    await load(host, `${NOTE} function ask() scheduler.after("5m", note, { name = "sum" }) end`);
    await host.skills.call('demo', 'ask');
    await host.pass(4 * MINUTE);
    await host.skills.call('demo', 'ask');
    await host.pass(MINUTE);
    expect(runs(host)).toEqual(['sum']);
    expect(host.scheduler.jobs()).toEqual([]);
    await host.skills.call('demo', 'ask');
    await host.pass(5 * MINUTE);
    expect(runs(host)).toEqual(['sum', 'sum']);
  });

  it('may plan itself again', async () => {
    const host = await schedulerHost({ schema: RUNS });
    await load(
      host,
      onActivate(
        'scheduler.after("1m", again, { name = "a" })',
        'function again(job) note(job) scheduler.after("2m", again, { name = "a" }) end',
      ),
    );
    await host.pass(5 * MINUTE);
    expect(runs(host)).toEqual(['a', 'a', 'a']);
  });
});

describe('the function', () => {
  it('is told which job it is, when it was due and how late it is', async () => {
    const host = await schedulerHost();
    await load(
      host,
      `function on_activate() scheduler.every("1m", function(job) print(json.encode(job)) end, { name = "tick" }) end`,
    );
    const release = await hold(host);
    await host.pass(75 * SECOND);
    await release();
    await host.pass(0);
    expect(JSON.parse(host.logged()[0] ?? '')).toEqual({
      id: 'tick',
      name: 'tick',
      due_at: (START + MINUTE) / 1000,
      late: 15,
    });
  });

  it('may stop its own job, and others', async () => {
    const host = await schedulerHost({ schema: RUNS });
    await load(
      host,
      onActivate(
        'local id; id = scheduler.every("1m", function(job) note(job) scheduler.stop(id) end) scheduler.every("1m", function(job) note(job) scheduler.stop("b") end, { name = "b" })',
      ),
    );
    await host.pass(HOUR);
    expect(runs(host)).toEqual(['#1', 'b']);
    expect(host.scheduler.jobs()).toMatchObject([{ id: 'b', state: 'stopped' }]);
  });

  it('that fails leaves nothing, is logged, stops no other, and runs again at its next time', async () => {
    const host = await schedulerHost({ schema: RUNS });
    const bad =
      'function bad(job) note(job) if not mended then error("no luck") end end function mend() mended = true end';
    await load(
      host,
      onActivate(
        'scheduler.every("1m", bad, { name = "bad" }) scheduler.every("1m", bad) scheduler.every("1m", note, { name = "good" })',
        bad,
      ),
    );
    await host.pass(MINUTE);
    expect(runs(host)).toEqual(['good']);
    expect(host.logged()).toEqual([
      'The job bad (every 1m) failed: skill demo, scheduler.every: main.lua:2: no luck. It is tried again at 2026-01-15T12:02:00.000Z',
      'The job #1 (every 1m) failed: skill demo, scheduler.every: main.lua:2: no luck. It is tried again at 2026-01-15T12:02:00.000Z',
    ]);
    await host.pass(MINUTE);
    const jobs = host.scheduler.jobs();
    expect(jobs.find(({ id }) => id === 'bad')).toMatchObject({
      runs: 0,
      failures: 2,
      dueAt: START + 3 * MINUTE,
      state: 'planned',
    });
    expect(jobs.find(({ id }) => id === 'bad')?.lastError).toContain('main.lua:2: no luck');
    expect(jobs.find(({ id }) => id === '#1')).toMatchObject({ runs: 0, failures: 2 });
    await host.skills.call('demo', 'mend');
    await host.pass(MINUTE);
    const mended = host.scheduler.jobs().find(({ id }) => id === 'bad');
    expect(mended).toMatchObject({ runs: 1, failures: 0, lastRunAt: START + 3 * MINUTE });
    expect(mended).not.toHaveProperty('lastError');
  });

  it('of an after that fails is tried again after 1, 2, 4 and 8 minutes, then given up', async () => {
    const host = await schedulerHost();
    await load(host, 'function on_activate() scheduler.after("10s", function() error("no") end, { name = "x" }) end');
    await host.pass(10 * SECOND);
    const due = (): number => ((host.scheduler.jobs()[0]?.dueAt ?? 0) - host.clock.now()) / MINUTE;
    for (const minutes of [1, 2, 4, 8]) {
      expect(due()).toBe(minutes);
      await host.pass(minutes * MINUTE);
    }
    expect(host.scheduler.jobs()).toMatchObject([{ state: 'done', failures: 5, runs: 0 }]);
    expect(host.logged().at(-1)).toMatch(/It is given up$/);
    await host.pass(DAY);
    expect(host.logged()).toHaveLength(5);
  });

  it('that runs into its limit is stopped, and the skill and its jobs go on', async () => {
    const host = await schedulerHost({ schema: RUNS });
    const spin = 'function spin(job) note(job) while true do end end function answer() return 42 end';
    await load(
      host,
      onActivate(
        'scheduler.every("1m", spin, { name = "spin" }) scheduler.every("1m", note, { name = "good" }) scheduler.every("90s", note)',
        spin,
      ),
      'demo',
      { ...TIMED, limits: { time: '200ms' } },
    );
    await host.pass(MINUTE);
    await host.rest();
    expect(await host.skills.call('demo', 'answer')).toBe(42);
    expect(runs(host)).toEqual(['good']);
    expect(host.scheduler.jobs().find(({ id }) => id === 'spin')).toMatchObject({
      failures: 1,
      dueAt: START + 2 * MINUTE,
    });
    await host.pass(MINUTE);
    expect(runs(host)).toEqual(['good', 'good']);
    expect(host.scheduler.jobs().find(({ id }) => id === 'spin')).toMatchObject({
      failures: 2,
      dueAt: START + 3 * MINUTE,
    });
  });

  it('given by name is called as it is then', async () => {
    const host = await schedulerHost({ schema: RUNS });
    await load(
      host,
      onActivate(
        'scheduler.every("1m", "work", { name = "w" })',
        'function work(job) note(job) end function swap() work = function() glyphcase.insert("runs", { what = "new" }) end end',
      ),
    );
    await host.pass(MINUTE);
    await host.skills.call('demo', 'swap');
    await host.pass(MINUTE);
    expect(runs(host)).toEqual(['w', 'new']);
  });
});

describe('what is asked for in a transaction', () => {
  it('never happened when it is rolled back', async () => {
    const host = await schedulerHost({ schema: RUNS });
    const main = `${NOTE}
      function fail() scheduler.every("1m", note) scheduler.every("1m", note, { name = "x" }) error("no") end
      function part()
        scheduler.every("1m", note, { name = "kept" })
        pcall(glyphcase.transaction, function() scheduler.every("1m", note, { name = "x" }) scheduler.stop("kept") error("no") end)
      end`;
    await load(host, main);
    await host.skills.call('demo', 'fail').catch(() => undefined);
    expect(host.scheduler.jobs()).toEqual([]);
    await host.skills.call('demo', 'part');
    await host.pass(MINUTE);
    expect(runs(host)).toEqual(['kept']);
  });

  it('is seen by it at once: the last word counts', async () => {
    const host = await schedulerHost({ schema: RUNS });
    const main = `${NOTE} function twice()
      scheduler.every("1m", note, { name = "x" })
      scheduler.every("2m", note, { name = "x" })
      local id = scheduler.every("1m", note)
      local first, second = scheduler.stop(id), scheduler.stop(id)
      return (first and 1 or 0) + (second and 10 or 0)
    end`;
    await load(host, main);
    expect(await host.skills.call('demo', 'twice')).toBe(1);
    expect(host.scheduler.jobs()).toMatchObject([{ id: 'x', spec: '2m' }]);
    await host.pass(2 * MINUTE);
    expect(runs(host)).toEqual(['x']);
  });

  it('of the host that takes long begins when it commits', async () => {
    const host = await schedulerHost({ schema: RUNS });
    await load(
      host,
      `${NOTE} function ask() scheduler.after("1s", note) scheduler.after("1s", note, { name = "x" }) end`,
    );
    await host.db.transaction(async () => {
      await host.skills.call('demo', 'ask');
      await host.clock.advance(2 * SECOND);
      expect(runs(host)).toEqual([]);
    });
    await host.pass(0);
    expect(runs(host)).toEqual(['#1', 'x']);
  });
});

describe('stop_all', () => {
  it('stops what runs, and forgets no due time', async () => {
    const host = await schedulerHost({ schema: RUNS });
    const main = onActivate(
      'scheduler.every("10m", note) scheduler.every("24h", note, { name = "daily" })',
      'function pause() scheduler.stop_all() end',
    );
    await load(host, main);
    await host.pass(HOUR);
    expect(runs(host)).toHaveLength(6);
    await host.skills.call('demo', 'pause');
    await host.pass(DAY);
    expect(runs(host)).toHaveLength(6);
    expect(host.scheduler.jobs()).toMatchObject([{ id: 'daily', state: 'waiting', dueAt: START + DAY }]);
    await host.skills.reload('demo');
    await host.pass(0);
    expect(runs(host).slice(6)).toEqual(['daily']);
    expect(host.scheduler.jobs().find(({ id }) => id === 'daily')?.dueAt).toBe(START + 2 * DAY);
  });

  it('also stops what an unloaded skill had', async () => {
    const host = await schedulerHost({ schema: RUNS });
    await load(host, onActivate('scheduler.every("1m", note) scheduler.every("1m", note, { name = "x" })'));
    await host.skills.unload('demo');
    await host.pass(HOUR);
    expect(runs(host)).toEqual([]);
    expect(host.scheduler.jobs()).toMatchObject([{ id: 'x', state: 'waiting' }]);
  });
});

describe('the host’s own state', () => {
  it('needs no permission', async () => {
    const host = await schedulerHost({ schema: RUNS });
    expect(await host.skills.execute(`${NOTE} return scheduler.every("1m", note, { name = "tick" })`)).toBe('tick');
    await host.pass(2 * MINUTE);
    expect(runs(host)).toEqual(['tick', 'tick']);
    expect(host.scheduler.jobs()).toMatchObject([{ skill: 'host_state', id: 'tick', runs: 2 }]);
  });
});

describe('the plugin', () => {
  it('reloaded leaves no job behind and none running twice', async () => {
    const host = await schedulerHost({ schema: RUNS });
    await load(host, onActivate('scheduler.every("1m", note, { name = "x" }) scheduler.every("1m", note)'));
    await host.pass(30 * SECOND);
    await host.kernel.plugins.reload('scheduler', createSchedulerPlugin());
    await host.rest();
    await host.pass(30 * SECOND);
    expect(runs(host)).toEqual(['x']);
    await host.pass(30 * SECOND);
    expect(runs(host)).toEqual(['x', '#1']);
  });
});

describe('removal', () => {
  it('of a skill’s data takes its jobs along', async () => {
    const host = await schedulerHost({ schema: RUNS });
    await load(host, onActivate('scheduler.every("1m", note, { name = "x" })'));
    await load(host, onActivate('scheduler.every("1m", note, { name = "x" })'), 'other');
    await host.skills.uninstall('demo');
    expect(host.scheduler.jobs()).toMatchObject([{ skill: 'other' }]);
  });
});

/** Keeps the writer busy until the returned function is called. */
async function hold(host: Awaited<ReturnType<typeof schedulerHost>>): Promise<() => Promise<void>> {
  let free: () => void = () => undefined;
  const held = host.db.transaction(() => new Promise<void>((resolve) => (free = resolve)));
  await settle();
  return async () => {
    free();
    await held;
    await settle();
  };
}
