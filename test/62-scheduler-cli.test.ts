/** Jobs in `glyphcase inspect`, `doctor` and `detach`, and the option `scheduler` of a host. */
import { describe, expect, test } from 'vitest';
import { GlyphCase } from '../sdk/index.ts';
import { systemClock } from '../kernel/clock.ts';
import { load, onActivate, outside, RUNS, schedulerHost } from './62-scheduler-support.ts';
import { cliHere } from './70-cli-support.ts';
import { afterTest, thrownBy, until } from './support.ts';

const JOBS = onActivate(
  `scheduler.every("24h", note, { name = "daily" })
   scheduler.cron("0 3 * * *", note, { name = "nightly", timezone = "Europe/Berlin" })
   scheduler.every("1h", note)
   scheduler.after("2h", note, { name = "later" })`,
  'function halt() scheduler.stop("later") end',
);

const inspect = async (file: string): Promise<{ readonly jobs: readonly Readonly<Record<string, unknown>>[] }> =>
  JSON.parse((await cliHere(['inspect', '--db', file, '--json'])).stdout) as never;

describe('inspect', () => {
  test('shows jobs with a name, when they are due and how they went', async () => {
    const host = await schedulerHost({ schema: RUNS, clock: systemClock });
    await load(host, JOBS);
    await host.skills.call('demo', 'halt');
    const other = outside(host.file);
    const ran = Date.now() - 60_000;
    other
      .prepare(
        "UPDATE _scheduler_jobs SET last_run_at = ?, last_ms = 12, runs = 3, last_error = 'no luck' WHERE name = 'daily'",
      )
      .run(ran);
    const { jobs } = await inspect(host.file);
    expect(jobs.map(({ name }) => name).sort()).toEqual(['daily', 'later', 'nightly']);
    expect(jobs.find(({ name }) => name === 'daily')).toEqual({
      skill: 'demo',
      name: 'daily',
      kind: 'every',
      spec: '24h',
      state: 'planned',
      dueAt: expect.any(Number) as number,
      lastRunAt: ran,
      lastMs: 12,
      lastError: 'no luck',
      runs: 3,
      failures: 0,
    });
    expect(jobs.find(({ name }) => name === 'nightly')).toMatchObject({ kind: 'cron', timezone: 'Europe/Berlin' });
    expect(jobs.find(({ name }) => name === 'later')).toMatchObject({ state: 'stopped' });
    const { stdout } = await cliHere(['inspect', '--db', host.file]);
    expect(stdout).toMatch(/demo +daily +every 24h +in 24 h +\d+ s ago +12 ms +3 +no luck/);
    expect(stdout).toMatch(/demo +nightly +cron 0 3 \* \* \* Europe\/Berlin +in /);
    expect(stdout).toMatch(/demo +later +after 2h +stopped/);
  });

  test('says nothing of jobs where there are none', async () => {
    const host = await schedulerHost({ clock: systemClock });
    expect((await inspect(host.file)).jobs).toEqual([]);
    expect((await cliHere(['inspect', '--db', host.file])).stdout).not.toContain('Jobs');
  });
});

test('doctor tells of jobs that fail and of jobs that nothing runs', async () => {
  const host = await schedulerHost({ schema: RUNS, clock: systemClock });
  await load(host, JOBS);
  const bad = async (): Promise<readonly string[]> => {
    const { findings } = JSON.parse((await cliHere(['doctor', host.file, '--json'])).stdout) as {
      findings: readonly { readonly level: string; readonly topic: string; readonly message: string }[];
    };
    return findings
      .filter(({ level, topic }) => level !== 'ok' && topic.startsWith('job'))
      .map((one) => `${one.topic}: ${one.message}`);
  };
  expect(await bad()).toEqual([]);
  const other = outside(host.file);
  other.exec("UPDATE _scheduler_jobs SET last_error = 'no luck', failures = 2 WHERE name = 'daily'");
  other.exec(
    "INSERT INTO _scheduler_jobs(skill, name, kind, spec, jitter_ms, scheduled_at, due_at, planned_at, remembered) VALUES ('gone', 'lost', 'every', '1h', 0, 0, 0, 0, 1)",
  );
  expect(await bad()).toEqual([
    'job demo/daily: has failed 2 times in a row: no luck',
    'job gone/lost: is due since 1970-01-01T00:00:00.000Z, and nothing runs it',
  ]);
});

test('detach keeps the jobs, and takes them out with --all', async () => {
  const host = await schedulerHost({ schema: RUNS, clock: systemClock });
  await load(host, JOBS);
  await host.close();
  const tables = (): unknown[] =>
    outside(host.file)
      .prepare("SELECT name FROM sqlite_schema WHERE name LIKE '\\_scheduler%' ESCAPE '\\'")
      .pluck()
      .all();
  await cliHere(['detach', host.file]);
  expect(tables()).toEqual(['_scheduler_jobs']);
  await cliHere(['detach', host.file, '--all']);
  expect(tables()).toEqual([]);
});

describe('the option scheduler', () => {
  test('is checked', async () => {
    const wrong = await thrownBy(() => new GlyphCase(':memory:', { scheduler: { timezone: 'Berlin' } }));
    expect(wrong).toMatchObject({ code: 'GC_BAD_OPTION' });
    expect(wrong.message).toContain('scheduler.timezone: the time zone is "Berlin"');
    const misspelt = await thrownBy(() => new GlyphCase(':memory:', { scheduler: { timeZone: 'UTC' } as never }));
    expect(misspelt.message).toContain('timezone');
  });

  test('sets the time zone of cron jobs', async () => {
    const db = new GlyphCase(':memory:', { scheduler: { timezone: 'Asia/Tokyo' } });
    afterTest(() => db.close());
    await db.executeLuaScript('scheduler.cron("0 3 * * *", print, { name = "x" })');
    const due = await db.queryScalar<number>('SELECT due_at FROM _scheduler_jobs');
    expect(new Date(due ?? 0).toISOString()).toMatch(/T18:00:00.000Z$/);
  });
});

test('a job runs within milliseconds of its time, without a poll', async () => {
  const host = await schedulerHost({ clock: systemClock });
  const after = 'for n = 1, 10 do scheduler.after(n * 50 .. "ms", function(job) print(job.late) end) end';
  await load(host, `function on_activate() ${after} end`);
  await until(() => host.logged().length === 10);
  // Seconds; the best of ten, because the machine may be busy with other tests.
  expect(Math.min(...host.logged().map(Number))).toBeLessThan(0.1);
});
