/**
 * Runs the jobs of all Lua states of this host when they are due: one timer, set to the soonest, and a look at the clock now and then.
 *
 * Invariants: a job never overlaps itself; what the file says counts, and is looked at inside the transaction of the run;
 * however a run ends, the job is planned again. Where this host may not run a skill's jobs, no timer is set for them.
 */
import { isOutside, messageOf } from '../../sdk/plugin.ts';
import type { Clock, Database, Timer } from '../../sdk/plugin.ts';
import { runJob } from './job-run.ts';
import type { RunTools } from './job-run.ts';
import type { Job, JobTable } from './job-table.ts';
import { scheduleOf } from './schedule.ts';
import type { JobRow, JobStore, Plan } from './store.ts';

/** How often the clock is looked at, which may have been set, or have gone on while the machine slept. */
const LOOK_MS = 60_000;
/** Longest time a timer of Node can wait; a longer one would fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;
/** A database that is locked or full is no fault of the job's: it is tried again so soon. */
const OUTSIDE_PAUSE_MS = 1000;
/** An `after` that fails is tried again after 1, 2, 4 and 8 minutes. */
const RETRY_MS = 60_000;
const MAX_ATTEMPTS = 5;

export interface SchedulerParts {
  readonly db: Database;
  readonly clock: Clock;
  readonly store: JobStore;
  /** From 0 to below 1. */
  readonly random: () => number;
}

export class Scheduler implements RunTools {
  readonly clock: Clock;
  readonly store: JobStore;
  readonly #db: Database;
  readonly #random: () => number;
  /** The states that take part. */
  readonly #tables = new Set<JobTable>();
  /** Jobs that are running or wait for the writer, by skill and id: a new Lua state of the skill waits for them too. */
  readonly #flights = new Set<string>();
  #timer: Timer | undefined;
  #timerAt = 0;
  #look: Timer | undefined;
  /** The time when it was last looked at. */
  #seen: number;
  #closed = false;

  constructor({ db, clock, store, random }: SchedulerParts) {
    this.#db = db;
    this.clock = clock;
    this.store = store;
    this.#random = random;
    this.#seen = clock.now();
  }

  get tables(): ReadonlySet<JobTable> {
    return this.#tables;
  }

  /** A time on the schedule with its jitter. */
  plan(scheduledAt: number, jitterMs: number): Plan {
    return { scheduledAt, dueAt: scheduledAt + Math.floor(this.#random() * jitterMs) };
  }

  isRunning(skill: string, id: string): boolean {
    return this.#flights.has(keyOf(skill, id));
  }

  /** A Lua state takes part from now on. */
  begin(table: JobTable): void {
    if (this.#tables.has(table)) return;
    this.#tables.add(table);
    this.#takeUp(table);
    this.arm();
  }

  /** A Lua state is gone. */
  end(table: JobTable): void {
    this.#tables.delete(table);
    table.clear();
    this.arm();
  }

  /** This host runs the skills from now on: what the file says of their jobs counts. */
  leaseHeld(): void {
    for (const table of this.#tables) this.#takeUp(table);
    this.arm();
  }

  close(): void {
    this.#closed = true;
    this.#rest();
  }

  /** Sets the timer to the soonest job. */
  arm(): void {
    if (this.#closed) return;
    const soonest = this.#soonest();
    if (soonest === undefined) {
      this.#rest();
      return;
    }
    if (this.#timer !== undefined && this.#timerAt === soonest) return;
    this.#timer?.cancel();
    this.#timerAt = soonest;
    const pause = Math.min(Math.max(0, soonest - this.clock.now()), MAX_TIMER_MS);
    // Not in the context of the transaction that a job was asked for in.
    this.#db.outside(() => {
      this.#timer = this.clock.timeout(() => this.#wake(), pause);
      this.#look ??= this.clock.interval(() => this.#wake(), LOOK_MS);
    });
  }

  /** There is nothing to wait for. */
  #rest(): void {
    this.#timer?.cancel();
    this.#look?.cancel();
    this.#timer = this.#look = undefined;
  }

  #soonest(): number | undefined {
    let soonest = Infinity;
    for (const table of this.#tables) {
      for (const job of table.jobs.values()) {
        if (job.wakeAt === undefined || job.wakeAt >= soonest || this.isRunning(table.skill.id, job.id)) continue;
        soonest = job.wakeAt;
      }
    }
    return soonest === Infinity ? undefined : soonest;
  }

  #wake(): void {
    // Set anew in any case: how long it has to wait depends on the clock.
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#closed || !this.#db.sqlite.open) return;
    const now = this.clock.now();
    if (now < this.#seen) this.#wentBack(now);
    this.#seen = now;
    const due = [...this.#tables].flatMap((table) =>
      [...table.jobs.values()]
        .filter((job) => (job.wakeAt ?? Infinity) <= now && !this.isRunning(table.skill.id, job.id))
        .map((job) => ({ table, job, at: job.wakeAt ?? 0 })),
    );
    for (const { table, job } of due.sort((one, other) => one.at - other.at)) void this.#run(table, job);
    this.arm();
  }

  async #run(table: JobTable, job: Job): Promise<void> {
    const { skill } = table;
    if (!skill.mayRun()) {
      this.#mayNot(table, job);
      return;
    }
    const key = keyOf(skill.id, job.id);
    this.#flights.add(key);
    const run = runJob(table, job, this);
    try {
      const next = await skill.run(`scheduler.${job.schedule.kind}`, run.work);
      if (next === undefined) this.#mayNot(table, job);
      else this.#moveOn(table, job, next.plan);
    } catch (error) {
      this.#failed(table, job, error, run.seen() ?? job);
    } finally {
      this.#flights.delete(key);
      this.arm();
    }
  }

  /** Another host runs the skill's jobs, or the state is gone. Those the file knows wait until this one does. */
  #mayNot(table: JobTable, job: Job): void {
    if (job.name === undefined) this.#moveOn(table, job, this.next(job, job.plan.scheduledAt));
    else job.wakeAt = undefined;
  }

  /** The time after one that is over, with its jitter. */
  next(job: Job, served: number): Plan | undefined {
    const scheduledAt = job.schedule.next(served, this.clock.now());
    return scheduledAt === undefined ? undefined : this.plan(scheduledAt, job.jitterMs);
  }

  #moveOn(table: JobTable, job: Job, next: Plan | undefined): void {
    if (next === undefined) {
      table.drop(job);
      return;
    }
    job.plan = next;
    job.wakeAt = next.dueAt;
  }

  #failed(table: JobTable, job: Job, error: unknown, seen: { readonly plan: Plan; readonly failures: number }): void {
    if (this.#closed) return;
    const now = this.clock.now();
    if (isOutside(error)) {
      job.wakeAt = now + OUTSIDE_PAUSE_MS;
      return;
    }
    const { skill } = table;
    const message = messageOf(error);
    const failures = seen.failures + 1;
    const next = job.schedule.kind === 'after' ? retryOf(failures, now) : this.next(job, seen.plan.scheduledAt);
    const again = next === undefined ? 'It is given up' : `It is tried again at ${new Date(next.dueAt).toISOString()}`;
    skill.log(
      'error',
      `The job ${job.name ?? job.id} (${job.schedule.kind} ${job.schedule.spec}) failed: ${message}. ${again}`,
      error,
    );
    if (job.name === undefined) {
      job.failures = failures;
      job.lastError = message;
    } else {
      this.store.failed({ skill: skill.id, name: job.name }, seen.plan.scheduledAt, { next, error: message, now });
    }
    this.#moveOn(table, job, next);
  }

  /** The clock was set back: what was planned for the old future is planned from the new present. */
  #wentBack(now: number): void {
    for (const table of this.#tables) {
      for (const job of table.jobs.values()) {
        if (job.wakeAt === undefined || !job.schedule.isTooFar(job.plan.scheduledAt, now)) continue;
        const was = job.plan.scheduledAt;
        this.#moveOn(table, job, this.plan(job.schedule.first(now), job.jitterMs));
        if (job.name !== undefined && table.skill.mayRun()) {
          this.store.replan({ skill: table.skill.id, name: job.name }, was, job.plan);
        }
      }
    }
  }

  /** Makes the stored jobs of a state agree with the file, and takes up those that need no function of the state's own. */
  #takeUp(table: JobTable): void {
    const { skill, jobs } = table;
    if (!skill.mayRun()) return;
    for (const row of this.store.list(skill.id)) {
      if (row.dueAt === null || row.scheduledAt === null || row.stoppedAt !== null) continue;
      const plan = { scheduledAt: row.scheduledAt, dueAt: row.dueAt };
      const job = jobs.get(row.name);
      if (job !== undefined) this.#moveOn(table, job, plan);
      else if (row.fn !== null) this.#adopt(table, row, row.fn, plan);
      else if (row.dueAt <= this.clock.now() && !table.halted) skill.log('warn', waitsFor(row));
    }
  }

  #adopt(table: JobTable, row: JobRow, target: string, plan: Plan): void {
    if (table.halted || (!table.skill.isHost && !table.skill.permissions.schedule)) return;
    const { name, jitterMs } = row;
    try {
      const schedule = scheduleOf(row);
      table.adopt({ id: name, name, schedule, jitterMs, target, plan, wakeAt: plan.dueAt, runs: 0, failures: 0 });
    } catch (error) {
      table.skill.log('error', `The job ${name} cannot be taken up again: ${messageOf(error)}`, error);
    }
  }
}

function retryOf(failures: number, now: number): Plan | undefined {
  if (failures >= MAX_ATTEMPTS) return undefined;
  const at = now + RETRY_MS * 2 ** (failures - 1);
  return { scheduledAt: at, dueAt: at };
}

const waitsFor = ({ name, kind, spec }: JobRow): string =>
  `The job ${name} (${kind} ${spec}) is due, and nothing has registered it since the skill started: register it in on_activate, give its function by name, or end it with scheduler.stop("${name}")`;

const keyOf = (skill: string, id: string): string => `${skill}\n${id}`;
