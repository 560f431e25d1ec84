/** What the plugin `scheduler` offers: the jobs that skills have planned, for hosts and tools to look at. */

/** `every`: again and again, so long after each other. `after`: once. `cron`: at the times of a cron text. */
export type JobKind = 'every' | 'after' | 'cron';

/**
 * Where a job stands.
 *
 * - `planned`: it runs when it is due.
 * - `running`: now, or as soon as the writer is free.
 * - `waiting`: stored, and nothing in this host can run it: its skill is not active, or has not registered it again.
 * - `stopped`: by `scheduler.stop`.
 * - `done`: an `after` that has run, or was given up.
 */
export type JobState = 'planned' | 'running' | 'waiting' | 'stopped' | 'done';

/** One line of `scheduler.jobs()`. Times are Unix epochs in ms. */
export interface JobReport {
  readonly skill: string;
  /** What `scheduler.stop` takes: the name, or `#` and a number. */
  readonly id: string;
  /** Absent for a job that lives only as long as the Lua state that made it. */
  readonly name?: string;
  readonly kind: JobKind;
  /** As the skill wrote it: `1h`, `0 3 * * *`. */
  readonly spec: string;
  /** Of a cron job. */
  readonly timezone?: string;
  readonly state: JobState;
  /** Absent when it is done. */
  readonly dueAt?: number;
  readonly lastRunAt?: number;
  /** How long the last run took, in ms. */
  readonly lastMs?: number;
  /** The last failure, until a run succeeds. */
  readonly lastError?: string;
  /** Runs that were committed. */
  readonly runs: number;
  /** Failures since the last success. */
  readonly failures: number;
}

/** The service `scheduler`. */
export interface SchedulerService {
  /** Jobs with a name, whoever runs them, and those without a name of this host; by skill, the soonest first. */
  jobs(): readonly JobReport[];
}
