/** When jobs are due: the arithmetic, clocks that are set, summer time. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { afterSchedule, cronSchedule, everySchedule } from '../plugins/scheduler/schedule.ts';
import {
  DAY,
  HOUR,
  load,
  MINUTE,
  onActivate,
  RUNS,
  runs,
  schedulerHost,
  SECOND,
  START,
} from './62-scheduler-support.ts';

const iso = (time: number | undefined): string => (time === undefined ? 'never' : new Date(time).toISOString());

/** The next times after this one, as a job that is never late would run. */
function times(cron: string, timezone: string, from: string, count: number): string[] {
  const schedule = cronSchedule(cron, timezone);
  let now = Date.parse(from);
  return Array.from({ length: count }, () => iso((now = schedule.next(now, now) ?? NaN)));
}

describe('every', () => {
  it('has its next time on the grid, ahead of now, and as near as can be', () => {
    const interval = fc.integer({ min: 1, max: 100_000 });
    const late = fc.integer({ min: 0, max: 10 ** 12 });
    fc.assert(
      fc.property(interval, late, (seconds, ms) => {
        const next = everySchedule(`${seconds}s`).next(START, START + ms) ?? 0;
        expect((next - START) % (seconds * SECOND)).toBe(0);
        expect(next).toBeGreaterThan(START + ms);
        expect(next - seconds * SECOND).toBeLessThanOrEqual(START + ms);
      }),
    );
  });

  it('has a next time even when it is asked too early', () => {
    expect(everySchedule('1m').next(START, START - HOUR)).toBe(START + MINUTE);
  });

  it('takes every way of writing a duration', () => {
    expect(['1.5h', '90 m', '5400s', '5400000ms'].map((text) => everySchedule(text).intervalMs)).toEqual(
      Array(4).fill(1.5 * HOUR),
    );
    expect(afterSchedule('1ms').first(START)).toBe(START + 1);
  });
});

describe('cron', () => {
  it('runs a daily job once a day when the clocks go forward and back', () => {
    expect(times('30 2 * * *', 'Europe/Berlin', '2026-03-27T12:00:00Z', 3)).toEqual([
      '2026-03-28T01:30:00.000Z',
      // There is no 02:30 on this day: it runs when the hour that is skipped is over.
      '2026-03-29T01:00:00.000Z',
      '2026-03-30T00:30:00.000Z',
    ]);
    expect(times('30 2 * * *', 'Europe/Berlin', '2026-10-23T12:00:00Z', 3)).toEqual([
      '2026-10-24T00:30:00.000Z',
      // 02:30 comes twice: it runs the first time.
      '2026-10-25T00:30:00.000Z',
      '2026-10-26T01:30:00.000Z',
    ]);
  });

  it('runs an hourly job every hour through both', () => {
    const hours = (from: string): number[] =>
      times('30 * * * *', 'Europe/Berlin', from, 5).map((time) => (Date.parse(time) - Date.parse(from)) / HOUR);
    expect(hours('2026-03-28T23:30:00Z')).toEqual([1, 2, 3, 4, 5]);
    expect(hours('2026-10-24T22:30:00Z')).toEqual([1, 2, 3, 4, 5]);
  });

  it('takes six parts with seconds, and nicknames', () => {
    expect(times('*/20 * * * * *', 'UTC', '2026-01-01T00:00:00Z', 2).map((time) => time.slice(17, 19))).toEqual([
      '20',
      '40',
    ]);
    expect(times('@daily', 'UTC', '2026-01-01T00:00:00Z', 1)).toEqual(['2026-01-02T00:00:00.000Z']);
  });

  it('runs in the time zone of the job', async () => {
    const host = await schedulerHost({ schema: RUNS });
    await load(
      host,
      onActivate(
        'scheduler.cron("0 3 * * *", note, { name = "tokyo", timezone = "Asia/Tokyo" }) scheduler.cron("0 3 * * *", note, { timezone = "Europe/Berlin" })',
      ),
    );
    expect(host.scheduler.jobs().map(({ dueAt, timezone }) => [iso(dueAt), timezone])).toEqual([
      ['2026-01-15T18:00:00.000Z', 'Asia/Tokyo'],
      ['2026-01-16T02:00:00.000Z', 'Europe/Berlin'],
    ]);
    host.clock.jump(6 * HOUR);
    await host.pass(MINUTE);
    expect(runs(host)).toEqual(['tokyo']);
    expect(iso(host.scheduler.jobs().find(({ id }) => id === 'tokyo')?.dueAt)).toBe('2026-01-16T18:00:00.000Z');
  });

  it('runs once through the night in which the clocks go back', async () => {
    const host = await schedulerHost({ schema: RUNS });
    host.clock.jump(Date.parse('2026-10-24T23:00:00Z') - START);
    await load(host, onActivate('scheduler.cron("30 2 * * *", note, { name = "night", timezone = "Europe/Berlin" })'));
    await host.pass(4 * HOUR);
    expect(runs(host)).toEqual(['night']);
  });
});

describe('a clock', () => {
  const jobs =
    'scheduler.every("10m", note) scheduler.every("10m", note, { name = "named" }) scheduler.cron("*/10 * * * *", note, { name = "cron" })';
  const count = (host: Parameters<typeof runs>[0]): Record<string, number> => {
    const counts: Record<string, number> = {};
    for (const what of runs(host)) counts[what] = (counts[what] ?? 0) + 1;
    return counts;
  };

  it('that has gone on while the machine slept: one run makes up for all', async () => {
    const host = await schedulerHost({ schema: RUNS });
    await load(host, onActivate(jobs));
    host.clock.jump(8 * HOUR);
    await host.pass(MINUTE);
    expect(count(host)).toEqual({ '#1': 1, named: 1, cron: 1 });
    await host.pass(10 * MINUTE);
    expect(count(host)).toEqual({ '#1': 2, named: 2, cron: 2 });
  });

  it('that is set back: jobs run within one interval of the new time', async () => {
    const host = await schedulerHost({ schema: RUNS });
    await load(host, onActivate(`${jobs} scheduler.after("10m", note, { name = "once" })`));
    await host.pass(MINUTE);
    host.clock.jump(-30 * DAY);
    await host.pass(MINUTE);
    expect(runs(host)).toEqual([]);
    await host.pass(10 * MINUTE);
    expect(count(host)).toEqual({ '#1': 1, named: 1, cron: 1, once: 1 });
    await host.pass(10 * MINUTE);
    expect(count(host)).toEqual({ '#1': 2, named: 2, cron: 2, once: 1 });
  });

  it('that is set back between two runs of the program', async () => {
    const first = await schedulerHost({ schema: RUNS });
    await load(first, onActivate(jobs));
    const clock = first.clock;
    await first.close();
    clock.jump(-DAY);
    const second = await schedulerHost({ file: first.file, dir: first.dir, clock });
    await second.pass(10 * MINUTE);
    expect(count(second)).toEqual({ '#1': 1, named: 1, cron: 1 });
  });

  it('that is corrected by a little moves nothing, and nothing runs twice', async () => {
    const host = await schedulerHost({ schema: RUNS });
    await load(host, onActivate(jobs));
    await host.pass(10 * MINUTE);
    const due = host.scheduler.jobs().map(({ dueAt }) => dueAt);
    host.clock.jump(-500);
    await host.pass(MINUTE);
    expect(host.scheduler.jobs().map(({ dueAt }) => dueAt)).toEqual(due);
    expect(count(host)).toEqual({ '#1': 1, named: 1, cron: 1 });
  });

  it('that is set back by an hour does not make a daily cron job run twice', async () => {
    const host = await schedulerHost({ schema: RUNS });
    await load(host, onActivate('scheduler.cron("30 12 * * *", note, { name = "daily", timezone = "UTC" })'));
    await host.pass(31 * MINUTE);
    host.clock.jump(-HOUR);
    await host.pass(3 * HOUR);
    expect(runs(host)).toEqual(['daily']);
  });
});
