/**
 * `scheduler.every`, `after`, `cron`, `stop` and `stop_all`: what one Lua state plans, within the transaction it runs in.
 *
 * Invariant: a job that is registered again as it stands keeps its due time. Whether it is the same wish as before, or a new
 * one, depends on when it is said: while the skill starts it is the same.
 */
import type { HostFunction, LuaService, LuaValue } from '../../sdk/lua-types.ts';
import { GlyphError } from '../../sdk/plugin.ts';
import type { Clock } from '../../sdk/plugin.ts';
import { idArgument, optionsArgument, targetArgument } from './arguments.ts';
import type { JobOptions } from './arguments.ts';
import type { Job, JobTable } from './job-table.ts';
import { afterSchedule, checkTimezone, cronSchedule, everySchedule } from './schedule.ts';
import type { Schedule } from './schedule.ts';
import type { JobRow, JobStore, Plan } from './store.ts';

/** Of one skill, stored ones included. */
const MAX_JOBS = 100;

type Argument = LuaValue | undefined;

export interface Planning {
  readonly lua: LuaService;
  readonly clock: Clock;
  readonly store: JobStore;
  /** Of cron texts without one of their own. */
  readonly timezone: () => string;
  /** An id for a job without a name, unique in this host. */
  newId(): string;
  /** The scheduled time with its jitter. */
  plan(scheduledAt: number, jitterMs: number): Plan;
}

/** The functions of one Lua state. */
export function functionsOf(table: JobTable, planning: Planning): Readonly<Record<string, HostFunction>> {
  const { skill } = table;
  const register = (schedule: Schedule, fn: Argument, options: JobOptions): string =>
    add(table, planning, { schedule, options, target: targetArgument(fn, planning.lua, skill, callOf(schedule)) });
  const allow = (): void => {
    if (!skill.isHost && !skill.permissions.schedule) throw skill.refusal('use timers', '"schedule": true');
  };
  return {
    'scheduler.every': (interval, fn, more) => {
      allow();
      const schedule = everySchedule(interval);
      const options = optionsArgument(more, ['name', 'jitter'], 'scheduler.every');
      if (options.jitterMs > (schedule.intervalMs ?? 0)) {
        throw bad(`scheduler.every: the jitter must not be longer than the interval, ${schedule.spec}`);
      }
      return register(schedule, fn, options);
    },
    'scheduler.after': (delay, fn, more) => {
      allow();
      return register(afterSchedule(delay), fn, optionsArgument(more, ['name', 'jitter'], 'scheduler.after'));
    },
    'scheduler.cron': (times, fn, more) => {
      allow();
      const options = optionsArgument(more, ['name', 'jitter', 'timezone'], 'scheduler.cron');
      const timezone = options.timezone ?? planning.timezone();
      checkTimezone(timezone, 'scheduler.cron');
      return register(cronSchedule(times, timezone), fn, options);
    },
    'scheduler.stop': (id) => stop(table, planning, idArgument(id, 'scheduler.stop')),
    'scheduler.stop_all': () => table.change('removeAll'),
  };
}

interface Wish {
  readonly schedule: Schedule;
  readonly options: JobOptions;
  readonly target: Job['target'];
}

function add(table: JobTable, planning: Planning, wish: Wish): string {
  const { schedule, options, target } = wish;
  const { name, jitterMs } = options;
  const { seen } = table;
  if (seen.size >= MAX_JOBS && (name === undefined || !seen.has(name))) throw tooMany(schedule);
  const now = planning.clock.now();
  const plan =
    name === undefined
      ? planning.plan(schedule.first(now), jitterMs)
      : store(table, planning, { name, jitterMs, schedule, now, fn: typeof target === 'string' ? target : null });
  const id = name ?? planning.newId();
  // A stored `after` that is done stays done.
  if (plan !== undefined) {
    table.change({ set: { id, name, schedule, jitterMs, target, plan, wakeAt: plan.dueAt, runs: 0, failures: 0 } });
  }
  return id;
}

interface NamedWish {
  readonly name: string;
  readonly fn: string | null;
  readonly jitterMs: number;
  readonly schedule: Schedule;
  readonly now: number;
}

/** Enters it in the file, or finds it there; undefined when it is done already. */
function store(table: JobTable, planning: Planning, wish: NamedWish): Plan | undefined {
  const { skill } = table;
  const { name, fn, jitterMs, schedule, now } = wish;
  const key = { skill: skill.id, name };
  const row = planning.store.read(key);
  const starting = !skill.live;
  if (row !== undefined && isSame(row, schedule) && (starting || (row.stoppedAt === null && row.dueAt !== null))) {
    if (row.scheduledAt === null || row.dueAt === null) return undefined;
    if (!schedule.isTooFar(row.scheduledAt, now)) {
      const { scheduledAt } = row;
      const plan = row.jitterMs === jitterMs ? { scheduledAt, dueAt: row.dueAt } : planning.plan(scheduledAt, jitterMs);
      const isNew = row.stoppedAt !== null || row.fn !== fn || row.jitterMs !== jitterMs;
      if (isNew) planning.store.keep(key, { fn, jitterMs, dueAt: plan.dueAt });
      return plan;
    }
  }
  if (row === undefined && planning.store.count(skill.id) >= MAX_JOBS) {
    if (!planning.store.forgetOne(skill.id, [...table.seen.keys()])) throw tooMany(schedule);
  }
  const plan = planning.plan(schedule.first(now), jitterMs);
  const { kind, spec, intervalMs = null, timezone = null } = schedule;
  const remembered = starting ? 1 : 0;
  planning.store.plan({ ...key, ...plan, kind, spec, intervalMs, timezone, jitterMs, fn, remembered, now });
  return plan;
}

function isSame(row: JobRow, schedule: Schedule): boolean {
  if (row.kind !== schedule.kind) return false;
  if (row.kind === 'cron') return row.spec === schedule.spec && row.timezone === schedule.timezone;
  return row.intervalMs === schedule.intervalMs;
}

/** True when there was such a job. */
function stop(table: JobTable, { store: stored, clock }: Planning, id: string): boolean {
  const known = table.seen.has(id);
  if (known) table.change({ remove: id });
  const wasStored = !id.startsWith('#') && stored.stop({ skill: table.skill.id, name: id }, clock.now());
  return known || wasStored;
}

const callOf = ({ kind }: Schedule): string => `scheduler.${kind}`;

const tooMany = (schedule: Schedule): GlyphError =>
  bad(`${callOf(schedule)}: more than ${MAX_JOBS} jobs; end some with scheduler.stop(id)`);

const bad = (message: string): GlyphError => new GlyphError('GC_BAD_ARGUMENT', message);
