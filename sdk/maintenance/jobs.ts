/** The jobs of skills that have a name, as the file tells of them. Those without a name live in a host's memory only. */
import type { Connection } from './connection.ts';

/** One stored job. Times are Unix epochs in ms. */
export interface StoredJob {
  readonly skill: string;
  readonly name: string;
  readonly kind: string;
  /** As the skill wrote it: `1h`, `0 3 * * *`. */
  readonly spec: string;
  readonly timezone?: string;
  readonly state: 'planned' | 'stopped' | 'done';
  /** Absent when it is done. */
  readonly dueAt?: number;
  readonly lastRunAt?: number;
  /** How long the last run took, in ms. */
  readonly lastMs?: number;
  /** The last failure, until a run succeeds. */
  readonly lastError?: string;
  readonly lastFailedAt?: number;
  /** Runs that were committed. */
  readonly runs: number;
  /** Failures since the last success. */
  readonly failures: number;
}

/** By skill, the soonest first. The file must have the table. */
export function readJobs(connection: Connection): readonly StoredJob[] {
  const rows = connection
    .prepare(
      `SELECT skill, name, kind, spec, timezone, due_at AS dueAt, last_run_at AS lastRunAt, last_ms AS lastMs,
         last_error AS lastError, last_failed_at AS lastFailedAt, runs, failures,
         CASE WHEN due_at IS NULL THEN 'done' WHEN stopped_at IS NOT NULL THEN 'stopped' ELSE 'planned' END AS state
       FROM _scheduler_jobs ORDER BY skill, due_at IS NULL, due_at, name`,
    )
    .all() as object[];
  return rows.map(
    (row) => Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null)) as unknown as StoredJob,
  );
}
