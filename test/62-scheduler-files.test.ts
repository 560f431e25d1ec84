/** Jobs that the file knows: through restarts, reloads and deaths, and with two hosts on one file. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  DAY,
  HOUR,
  load,
  MINUTE,
  NOTE,
  onActivate,
  outside,
  RUNS,
  runs,
  schedulerHost,
  SECOND,
  START,
  TIMED,
  wallClock,
} from './62-scheduler-support.ts';
import type { SchedulerHost } from './62-scheduler-support.ts';
import { writeSkill } from './60-skills-support.ts';
import { startNode, tempDir, tempFile, until } from './support.ts';

const DAILY = onActivate(
  'scheduler.every("24h", note, { name = "daily" })',
  'function on_deactivate() scheduler.stop_all() end',
);
const due = (host: SchedulerHost, name = 'daily'): number | undefined =>
  host.scheduler.jobs().find(({ id }) => id === name)?.dueAt;

/** Another start of the same program on the same file. */
const again = (host: SchedulerHost): Promise<SchedulerHost> =>
  schedulerHost({ file: host.file, dir: host.dir, clock: host.clock });

describe('a job with a name', () => {
  it('keeps its due time through restarts and reloads', async () => {
    let host = await schedulerHost({ schema: RUNS });
    await load(host, DAILY);
    for (let hour = 5; hour < 24; hour += 5) {
      host.clock.jump(5 * HOUR);
      if (hour % 2 === 0) await host.skills.reload('demo');
      else {
        await host.close();
        host = await again(host);
      }
      await host.pass(0);
      expect([due(host), runs(host)]).toEqual([START + DAY, []]);
    }
    host.clock.jump(4 * HOUR);
    await host.pass(MINUTE);
    expect([due(host), runs(host)]).toEqual([START + 2 * DAY, ['daily']]);
  });

  it('that was missed while nothing ran is made up for once', async () => {
    const host = await schedulerHost({ schema: RUNS });
    await load(host, DAILY);
    await host.close();
    host.clock.jump(10 * DAY + HOUR);
    const next = await again(host);
    await next.pass(0);
    expect([runs(next), due(next)]).toEqual([['daily'], START + 11 * DAY]);
    await next.pass(HOUR);
    expect(runs(next)).toEqual(['daily']);
  });

  it('is planned anew from now when it is registered differently', async () => {
    const host = await schedulerHost({ schema: RUNS });
    await load(host, DAILY);
    host.clock.jump(HOUR);
    await load(host, DAILY.replace('"24h"', '"1440m"'));
    expect(due(host)).toBe(START + DAY);
    await load(host, DAILY.replace('"24h"', '"2h"'));
    expect(due(host)).toBe(START + 3 * HOUR);
    await load(
      host,
      DAILY.replace('every("24h"', 'cron("0 0 * * *"').replace('{ name = "d', '{ timezone = "UTC", name = "d'),
    );
    expect(due(host)).toBe(START + 12 * HOUR);
    await load(
      host,
      DAILY.replace('every("24h"', 'cron("0 0 * * *"').replace('{ name = "d', '{ timezone = "Asia/Tokyo", name = "d'),
    );
    expect(due(host)).toBe(START + 3 * HOUR);
  });

  it('goes on with its due time when a killed state is made anew', async () => {
    const host = await schedulerHost({ schema: RUNS });
    await load(host, `${DAILY}\nfunction spin() while true do end end`, 'demo', {
      ...TIMED,
      limits: { time: '200ms' },
    });
    host.clock.jump(23 * HOUR);
    await expect(host.skills.call('demo', 'spin')).rejects.toThrow();
    await host.rest();
    expect(due(host)).toBe(START + DAY);
    host.clock.jump(HOUR);
    await host.pass(MINUTE);
    expect(runs(host)).toEqual(['daily']);
  });

  it('whose new version fails goes on in the old one', async () => {
    const host = await schedulerHost({ schema: RUNS });
    await load(host, DAILY);
    writeSkill(host.dir, 'demo', onActivate('scheduler.every("1m", note, { name = "daily" }) error("broken")'), TIMED);
    await host.skills.reload('demo');
    expect(due(host)).toBe(START + DAY);
    host.clock.jump(DAY);
    await host.pass(MINUTE);
    expect(runs(host)).toEqual(['daily']);
  });

  it('stopped while the skill runs begins anew; stopped when the skill stops it goes on', async () => {
    const host = await schedulerHost({ schema: RUNS });
    const main = onActivate(
      'start()',
      'function start() scheduler.every("24h", note, { name = "daily" }) end function halt() return scheduler.stop("daily") end function on_deactivate() halt() end',
    );
    await load(host, main);
    host.clock.jump(HOUR);
    await host.skills.reload('demo');
    expect(due(host)).toBe(START + DAY);
    expect(await host.skills.call('demo', 'halt')).toBe(true);
    expect(await host.skills.call('demo', 'halt')).toBe(false);
    host.clock.jump(2 * DAY);
    await host.skills.call('demo', 'start');
    await host.pass(MINUTE);
    expect([due(host), runs(host)]).toEqual([START + HOUR + 3 * DAY, []]);
  });

  it('that nothing registers any more is mentioned when it is due, and waits', async () => {
    const host = await schedulerHost({ schema: RUNS });
    await load(host, `${NOTE} function ask() scheduler.after("1h", function() end, { name = "lost" }) end`);
    await host.skills.call('demo', 'ask');
    await host.close();
    host.clock.jump(DAY);
    const next = await again(host);
    await next.pass(MINUTE);
    expect(next.logged()).toEqual([
      'The job lost (after 1h) is due, and nothing has registered it since the skill started: register it in on_activate, give its function by name, or end it with scheduler.stop("lost")',
    ]);
    expect(next.scheduler.jobs()).toMatchObject([{ id: 'lost', state: 'waiting' }]);
  });

  it('whose function is given by name needs no registering after a restart', async () => {
    const host = await schedulerHost({ schema: RUNS });
    await load(
      host,
      `${NOTE} function remind(n) scheduler.after("1h", "note", { name = "remind-" .. n }) end function on_deactivate() scheduler.stop_all() end`,
    );
    await host.skills.call('demo', 'remind', 7);
    await host.skills.call('demo', 'remind', 8);
    await host.close();
    host.clock.jump(30 * MINUTE);
    const next = await again(host);
    await next.pass(31 * MINUTE);
    expect(runs(next)).toEqual(['remind-7', 'remind-8']);
    expect(next.scheduler.jobs()).toEqual([]);
  });

  it('gives way to a new one when 100 are stored and nothing runs it', async () => {
    const host = await schedulerHost({ schema: RUNS });
    const main = `${NOTE} function plan(from, to) for i = from, to do scheduler.every("1h", note, { name = "job-" .. i }) end end`;
    await load(host, main);
    await host.skills.call('demo', 'plan', 1, 100);
    await expect(host.skills.call('demo', 'plan', 101, 101)).rejects.toThrow('more than 100 jobs');
    await host.skills.reload('demo');
    await host.skills.call('demo', 'plan', 50, 60);
    await host.skills.call('demo', 'plan', 101, 189);
    expect(host.scheduler.jobs()).toHaveLength(100);
    await expect(host.skills.call('demo', 'plan', 190, 190)).rejects.toThrow('more than 100 jobs');
    expect(host.scheduler.jobs().filter(({ state }) => state === 'waiting')).toEqual([]);
  });

  it('without a name begins anew with each Lua state', async () => {
    const host = await schedulerHost({ schema: RUNS });
    await load(host, onActivate('scheduler.every("1h", note)'));
    host.clock.jump(50 * MINUTE);
    await host.skills.reload('demo');
    await host.pass(20 * MINUTE);
    expect(runs(host)).toEqual([]);
    await host.pass(41 * MINUTE);
    expect(runs(host)).toHaveLength(1);
  });
});

describe('two hosts on a file', () => {
  const TICK = onActivate(
    'scheduler.every("1m", note, { name = "tick" }) scheduler.every("1m", function() glyphcase.insert("runs", { what = "unnamed" }) end) scheduler.after("5m", note, { name = "once" })',
  );

  it('run each job once, and go on when the first is gone', async () => {
    const clock = wallClock(START, 100);
    const first = await schedulerHost({ schema: RUNS, clock });
    writeSkill(first.dir, 'demo', TICK, TIMED);
    await first.skills.load(join(first.dir, 'demo'));
    const second = await schedulerHost({ file: first.file, dir: first.dir, clock });
    await second.pass(4 * MINUTE + 30 * SECOND);
    await first.rest();
    expect([...runs(first)].sort()).toEqual([...Array<string>(4).fill('tick'), ...Array<string>(4).fill('unnamed')]);
    await first.close();
    await second.pass(4 * MINUTE);
    expect(runs(second).filter((what) => what === 'tick')).toHaveLength(8);
    expect(runs(second).filter((what) => what === 'unnamed')).toHaveLength(8);
    expect(runs(second).filter((what) => what === 'once')).toHaveLength(1);
  });

  it('look at the file inside the run: what another has just done is not done again', async () => {
    const host = await schedulerHost({ schema: RUNS });
    await load(host, onActivate('scheduler.every("1m", note, { name = "tick" })'));
    const other = outside(host.file);
    other.prepare('UPDATE _scheduler_jobs SET scheduled_at = @at, due_at = @at').run({ at: START + 2 * MINUTE });
    await host.pass(MINUTE);
    expect(runs(host)).toEqual([]);
    await host.pass(MINUTE);
    expect(runs(host)).toEqual(['tick']);
    other.exec('DELETE FROM _scheduler_jobs');
    await host.pass(5 * MINUTE);
    expect(runs(host)).toEqual(['tick']);
  });

  it('do nothing with a lease that has gone to another, and go on when it comes back', async () => {
    const host = await schedulerHost({ schema: RUNS });
    await load(host, onActivate('scheduler.every("1m", note, { name = "tick" })'));
    await host.pass(45 * SECOND);
    outside(host.file).exec('UPDATE _capsule_lease SET epoch = epoch + 1');
    await host.pass(16 * SECOND);
    expect([runs(host), host.lease.held]).toEqual([[], false]);
    await host.pass(2 * MINUTE);
    expect([runs(host), host.lease.held]).toEqual([['tick', 'tick', 'tick'], true]);
  });

  it('share the jobs of their own scripts by name', async () => {
    const clock = wallClock();
    const first = await schedulerHost({ schema: RUNS, clock });
    const second = await schedulerHost({ file: first.file, clock });
    const script = `${NOTE} scheduler.every("1m", note, { name = "tick" })`;
    await first.skills.execute(script);
    await second.skills.execute(script);
    await first.pass(10 * MINUTE);
    await second.rest();
    expect(runs(first)).toHaveLength(10);
  });

  it('wait for each other’s lock without a failure', async () => {
    const host = await schedulerHost({ schema: RUNS, busyTimeout: 20 });
    await load(host, onActivate('scheduler.every("1m", note, { name = "tick" })'));
    const other = outside(host.file);
    await host.clock.advance(MINUTE - 1);
    other.exec('BEGIN IMMEDIATE');
    await host.clock.advance(1);
    expect(host.scheduler.jobs()).toMatchObject([{ state: 'running' }]);
    // It gives up when the busy timeout is over, which is real time.
    await until(() => host.scheduler.jobs()[0]?.state === 'planned');
    other.exec('COMMIT');
    await host.clock.advance(SECOND);
    await until(() => runs(host).length === 1);
    await host.rest();
    expect(host.scheduler.jobs()).toMatchObject([{ failures: 0, runs: 1, dueAt: START + 2 * MINUTE }]);
    expect(host.logged()).toEqual([]);
  });
});

it('runs each second once, whoever is killed and whoever takes over', async () => {
  const file = tempFile();
  const dir = tempDir();
  const reader = outside(file);
  reader.pragma('journal_mode = WAL');
  reader.exec('CREATE TABLE runs(n INTEGER PRIMARY KEY, what INTEGER, at INTEGER)');
  const main = `function tick(job) glyphcase.insert("runs", { what = job.due_at }) end
    function on_activate() scheduler.every("1s", tick, { name = "tick" }) scheduler.every("24h", tick, { name = "daily" }) end`;
  writeSkill(dir, 'demo', main, TIMED);
  const script = join(tempDir(), 'host.ts');
  const root = join(import.meta.dirname, '..');
  writeFileSync(
    script,
    `import { createKernel } from '${root}/kernel/kernel.ts';
     const [file, dir] = process.argv.slice(2);
     const kernel = createKernel({ filename: file, version: '1.0.0' });
     const entries = [];
     for (const name of ['capsule', 'batching', 'actions', 'lease', 'lua', 'skills', 'scheduler']) entries.push({
       definition: (await import(\`${root}/plugins/\${name}/index.ts\`)).default,
       config: name === 'skills' ? { dirs: [dir] } : {},
     });
     kernel.plugins.loadAll(entries);
     await kernel.plugins.use('skills').ready();
     console.log('ready');
     setInterval(() => {}, 1000);`,
  );
  const count = reader.prepare('SELECT count(*) FROM runs').pluck();
  const started = Date.now();
  let victim = startNode(script, file, dir);
  await until(() => victim.output.includes('ready') && (count.get() as number) > 0);
  const daily = reader.prepare("SELECT due_at FROM _scheduler_jobs WHERE name = 'daily'").pluck();
  const dailyDue = daily.get();
  for (let round = 0; round < 3; round += 1) {
    const next = startNode(script, file, dir);
    await until(() => next.output.includes('ready'));
    victim.kill('SIGKILL');
    await victim.ended;
    victim = next;
    const before = count.get() as number;
    await until(() => (count.get() as number) > before);
  }
  const seconds = (Date.now() - started) / SECOND;
  const total = count.get() as number;
  expect(reader.prepare('SELECT count(DISTINCT what) FROM runs').pluck().get()).toBe(total);
  expect(reader.prepare("SELECT runs FROM _scheduler_jobs WHERE name = 'tick'").pluck().get()).toBe(total);
  expect(total).toBeLessThanOrEqual(seconds);
  expect(daily.get()).toBe(dailyDue);
}, 60_000);
