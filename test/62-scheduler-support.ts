/** Hosts with the scheduler for its tests, and a clock that can be set like a wall clock. */
import BetterSqlite3 from 'better-sqlite3';
import type { Clock } from '../kernel/clock.ts';
import { createSchedulerPlugin } from '../plugins/scheduler/index.ts';
import type { SchedulerService } from '../plugins/scheduler/types.ts';
import { skillHost, writeSkill } from './60-skills-support.ts';
import type { SkillHost, SkillHostOptions } from './60-skills-support.ts';
import type { FakeClock } from './10-kernel-support.ts';
import { afterTest, fakeClock, settle } from './support.ts';

/** When the tests begin: a full hour. */
export const START = Date.UTC(2026, 0, 15, 12);
export const SECOND = 1000;
export const MINUTE = 60_000;
export const HOUR = 3_600_000;
export const DAY = 86_400_000;

/** Timers run by the time that passes; `now` can be set beside it, as by a suspended machine or an operator. */
export interface WallClock extends FakeClock {
  /** Sets the clock forward, or back, without time passing. */
  jump(ms: number): void;
}

/** @param leastInterval of intervals, in ms: those of the lease and the watchers would fire a million times in a day that passes. */
export function wallClock(start = START, leastInterval = 30 * SECOND): WallClock {
  const steady = fakeClock(start);
  let offset = 0;
  return {
    now: () => steady.now() + offset,
    timeout: (fn, ms) => steady.timeout(fn, ms),
    interval: (fn, ms) => steady.interval(fn, Math.max(ms, leastInterval)),
    advance: (ms) => steady.advance(ms),
    get pending() {
      return steady.pending;
    },
    jump(ms) {
      offset += ms;
    },
  };
}

export interface SchedulerHost extends SkillHost {
  readonly clock: WallClock;
  readonly scheduler: SchedulerService;
  /** Lets time pass, and what falls due run. */
  pass(ms: number): Promise<void>;
}

export interface SchedulerHostOptions extends Omit<SkillHostOptions, 'clock'> {
  readonly clock?: Clock;
  readonly random?: () => number;
}

export async function schedulerHost(options: SchedulerHostOptions = {}): Promise<SchedulerHost> {
  const clock = (options.clock ?? wallClock()) as WallClock;
  const definition = createSchedulerPlugin(options.random ?? (() => 0));
  // It waits for the skills plugin, and is there before the first skill is started.
  const host = await skillHost({ ...options, clock, plugins: [definition] });
  return {
    ...host,
    clock,
    scheduler: host.kernel.plugins.use<SchedulerService>('scheduler'),
    async pass(ms) {
      await clock.advance(ms);
      await host.rest();
    },
  };
}

/** A manifest that may use timers, and write `runs`. */
export const TIMED = { permissions: { schedule: true, database: { read: ['runs'], write: ['runs'] } } };

export const RUNS = 'CREATE TABLE IF NOT EXISTS runs(n INTEGER PRIMARY KEY, what TEXT)';

/** Lua that enters a run of the job in the table `runs`. */
export const NOTE = `function note(job) glyphcase.insert("runs", { what = job.name or job.id }) end\n`;

/** A skill that registers this in `on_activate`. */
export const onActivate = (body: string, more = ''): string => `${NOTE}${more}\nfunction on_activate()\n${body}\nend`;

export async function load(host: SchedulerHost, main: string, id = 'demo', manifest: object = TIMED): Promise<void> {
  const report = await host.skills.load(writeSkill(host.dir, id, main, { ...manifest }));
  if (report.error !== undefined) throw report.error;
  await settle();
}

/** What was entered in `runs`, in order. */
export const runs = (host: SkillHost): readonly string[] =>
  host.db.all('SELECT what FROM runs ORDER BY n').map((row) => String(row['what']));

/** A connection of somebody else's. */
export function outside(file: string): BetterSqlite3.Database {
  const connection = new BetterSqlite3(file, { timeout: 5000 });
  afterTest(() => connection.close());
  return connection;
}
