/**
 * Jobs with a name as they stand in the file, so that a restart, a reload or another host goes on where the last one stopped.
 *
 * Invariants: `due_at` moves in the transaction of the run it belongs to; what is written outside a run names the
 * time it replaces, and does nothing when another host was quicker. `due_at` is NULL when nothing is to come.
 */
import type { Database } from '../../sdk/plugin.ts';
import type { JobKind } from './types.ts';

const TABLE = `CREATE TABLE IF NOT EXISTS _scheduler_jobs (
  skill TEXT NOT NULL,
  name TEXT NOT NULL,
  kind TEXT NOT NULL,
  spec TEXT NOT NULL,
  interval_ms INTEGER,
  timezone TEXT,
  jitter_ms INTEGER NOT NULL,
  fn TEXT,
  scheduled_at INTEGER,
  due_at INTEGER,
  planned_at INTEGER NOT NULL,
  remembered INTEGER NOT NULL,
  stopped_at INTEGER,
  last_run_at INTEGER,
  last_ms REAL,
  last_error TEXT,
  last_failed_at INTEGER,
  runs INTEGER NOT NULL DEFAULT 0,
  failures INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (skill, name)
) WITHOUT ROWID`;

const COLUMNS = `skill, name, kind, spec, interval_ms AS intervalMs, timezone, jitter_ms AS jitterMs, fn, scheduled_at AS scheduledAt,
  due_at AS dueAt, stopped_at AS stoppedAt, remembered, last_run_at AS lastRunAt, last_ms AS lastMs, last_error AS lastError, runs, failures`;

/** A time on the schedule, and the time at which the job really runs: later by the jitter. */
export interface Plan {
  readonly scheduledAt: number;
  readonly dueAt: number;
}

/** One row. Times are Unix epochs in ms. */
export interface JobRow {
  readonly skill: string;
  readonly name: string;
  readonly kind: JobKind;
  readonly spec: string;
  readonly intervalMs: number | null;
  readonly timezone: string | null;
  readonly jitterMs: number;
  /** The global function it calls, when it was given by name. */
  readonly fn: string | null;
  readonly scheduledAt: number | null;
  readonly dueAt: number | null;
  /** 1 when it was registered while its skill started: then it stays known when it is done, and is not done again. */
  readonly remembered: number;
  readonly stoppedAt: number | null;
  readonly lastRunAt: number | null;
  readonly lastMs: number | null;
  readonly lastError: string | null;
  readonly runs: number;
  readonly failures: number;
}

/** Which row. */
export interface JobKey {
  readonly skill: string;
  readonly name: string;
}

/** What registering a job writes. */
export interface Registration extends JobKey, Plan {
  readonly kind: JobKind;
  readonly spec: string;
  readonly intervalMs: number | null;
  readonly timezone: string | null;
  readonly jitterMs: number;
  readonly fn: string | null;
  readonly remembered: number;
  readonly now: number;
}

type Statement = ReturnType<Database['prepare']>;

export class JobStore {
  readonly #db: Database;
  readonly #statements = new Map<string, Statement>();

  /** @throws GC_LOCKED */
  constructor(db: Database) {
    this.#db = db;
    const known = db.prepare("SELECT 1 FROM sqlite_schema WHERE name = '_scheduler_jobs'").get();
    if (known === undefined) db.write(() => db.exec(TABLE));
  }

  /** As the open transaction sees it. */
  read({ skill, name }: JobKey): JobRow | undefined {
    return this.#prepared(`SELECT ${COLUMNS} FROM _scheduler_jobs WHERE skill = ? AND name = ?`).get(skill, name) as
      JobRow | undefined;
  }

  /** As committed, when nobody asks from inside a transaction; of one skill, or of all. */
  list(skill?: string): readonly JobRow[] {
    const which = skill === undefined ? '' : 'WHERE skill = ?';
    const sql = `SELECT ${COLUMNS} FROM _scheduler_jobs ${which} ORDER BY skill, due_at IS NULL, due_at, name`;
    return this.#db.all(sql, skill === undefined ? [] : [skill]) as unknown as readonly JobRow[];
  }

  count(skill: string): number {
    return this.#prepared('SELECT count(*) FROM _scheduler_jobs WHERE skill = ?').pluck().get(skill) as number;
  }

  /** Plans it anew, whatever stood there; its history stays. Inside a transaction. */
  plan(registration: Registration): void {
    this.#prepared(
      `INSERT INTO _scheduler_jobs(skill, name, kind, spec, interval_ms, timezone, jitter_ms, fn, scheduled_at, due_at, planned_at, remembered)
       VALUES (@skill, @name, @kind, @spec, @intervalMs, @timezone, @jitterMs, @fn, @scheduledAt, @dueAt, @now, @remembered)
       ON CONFLICT(skill, name) DO UPDATE SET kind = @kind, spec = @spec, interval_ms = @intervalMs, timezone = @timezone,
         jitter_ms = @jitterMs, fn = @fn, scheduled_at = @scheduledAt, due_at = @dueAt, planned_at = @now, remembered = @remembered,
         stopped_at = NULL, failures = 0`,
    ).run(registration);
  }

  /** Registered again as it is: it keeps its due time, and runs again if it had been stopped. Inside a transaction. */
  keep(
    key: JobKey,
    more: { readonly fn: string | null; readonly jitterMs: number; readonly dueAt: number | null },
  ): void {
    this.#prepared(
      'UPDATE _scheduler_jobs SET stopped_at = NULL, fn = @fn, jitter_ms = @jitterMs, due_at = @dueAt WHERE skill = @skill AND name = @name',
    ).run({ ...key, ...more });
  }

  /** Inside the transaction of the run. */
  ran(key: JobKey, next: Plan | undefined, now: number): void {
    this.#prepared(
      `UPDATE _scheduler_jobs SET scheduled_at = @scheduledAt, due_at = @dueAt, planned_at = @now, last_run_at = @now, last_error = NULL,
         runs = runs + 1, failures = 0 WHERE skill = @skill AND name = @name`,
    ).run({ ...key, ...times(next), now });
  }

  /** How long the run took, in ms; of one that is over and need not be remembered, nothing is left. Inside its transaction. */
  took(key: JobKey, ms: number): void {
    const gone =
      'DELETE FROM _scheduler_jobs WHERE skill = @skill AND name = @name AND due_at IS NULL AND NOT remembered';
    if (this.#prepared(gone).run(key).changes > 0) return;
    this.#prepared('UPDATE _scheduler_jobs SET last_ms = @ms WHERE skill = @skill AND name = @name').run({
      ...key,
      ms,
    });
  }

  /** A run was rolled back. Soon, and at once if the writer is free. */
  failed(key: JobKey, was: number, { next, error, now }: { next: Plan | undefined; error: string; now: number }): void {
    this.#db.deferWrite(() => {
      this.#prepared(
        `UPDATE _scheduler_jobs SET scheduled_at = @scheduledAt, due_at = @dueAt, last_error = @error, last_failed_at = @now,
           failures = failures + 1 WHERE skill = @skill AND name = @name AND scheduled_at = @was`,
      ).run({ ...key, ...times(next), error, now, was });
    });
    this.#db.flushDeferred();
  }

  /** The clock was set back. Soon. */
  replan(key: JobKey, was: number, plan: Plan): void {
    this.#db.deferWrite(() => {
      this.#prepared(
        'UPDATE _scheduler_jobs SET scheduled_at = @scheduledAt, due_at = @dueAt WHERE skill = @skill AND name = @name AND scheduled_at = @was',
      ).run({ ...key, ...plan, was });
    });
  }

  /** True when it was there and not stopped. Inside a transaction. */
  stop(key: JobKey, now: number): boolean {
    const sql =
      'UPDATE _scheduler_jobs SET stopped_at = @now WHERE skill = @skill AND name = @name AND stopped_at IS NULL';
    return this.#prepared(sql).run({ ...key, now }).changes > 0;
  }

  /** Makes room: forgets the oldest one that nothing runs. False when there is none. Inside a transaction. */
  forgetOne(skill: string, bound: readonly string[]): boolean {
    return (
      this.#prepared(
        `DELETE FROM _scheduler_jobs WHERE skill = @skill AND name = (
           SELECT name FROM _scheduler_jobs WHERE skill = @skill AND NOT (due_at IS NULL AND remembered)
             AND name NOT IN (SELECT value FROM json_each(@bound))
           ORDER BY stopped_at IS NULL, due_at IS NOT NULL, planned_at LIMIT 1)`,
      ).run({ skill, bound: JSON.stringify(bound) }).changes > 0
    );
  }

  /** Inside a transaction. */
  remove(skill: string): void {
    this.#prepared('DELETE FROM _scheduler_jobs WHERE skill = ?').run(skill);
  }

  #prepared(sql: string): Statement {
    let statement = this.#statements.get(sql);
    if (statement === undefined) this.#statements.set(sql, (statement = this.#db.prepare(sql)));
    return statement;
  }
}

const times = (plan: Plan | undefined): { scheduledAt: number | null; dueAt: number | null } => ({
  scheduledAt: plan?.scheduledAt ?? null,
  dueAt: plan?.dueAt ?? null,
});
