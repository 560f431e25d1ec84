/**
 * One run of a job: the work inside its transaction.
 *
 * Invariant: the new due time, what Lua writes and the count of runs are one transaction, made only if the job is still due by
 * the file's own word; so of two hosts on a file one runs it.
 */
import type { Clock } from '../../sdk/plugin.ts';
import type { CallLua } from '../../sdk/skills-types.ts';
import type { Job, JobTable } from './job-table.ts';
import type { JobStore, Plan } from './store.ts';

export interface RunTools {
  readonly clock: Clock;
  readonly store: JobStore;
  next(job: Job, served: number): Plan | undefined;
}

export interface JobRun {
  /** For `SkillHandle.run`; what the job's next time is, or undefined when it is over. */
  readonly work: (call: CallLua) => { readonly plan: Plan | undefined };
  /** What was found in the file, for when the run fails. */
  readonly seen: () => { readonly plan: Plan; readonly failures: number } | undefined;
}

export function runJob(table: JobTable, job: Job, tools: RunTools): JobRun {
  const { clock, store } = tools;
  let seen: { plan: Plan; failures: number } | undefined;

  const runUnnamed = (call: CallLua): Plan | undefined => {
    const now = clock.now();
    const next = tools.next(job, job.plan.scheduledAt);
    const started = performance.now();
    // Planned or over before Lua runs, so that stop() inside the job has the last word.
    call(job.target, argument(job, job.plan, now));
    job.lastMs = performance.now() - started;
    job.lastRunAt = now;
    job.runs += 1;
    job.failures = 0;
    delete job.lastError;
    return next;
  };

  const runNamed = (call: CallLua, name: string): Plan | undefined => {
    const key = { skill: table.skill.id, name };
    const row = store.read(key);
    if (row === undefined || row.stoppedAt !== null || row.dueAt === null || row.scheduledAt === null) return undefined;
    const plan = { scheduledAt: row.scheduledAt, dueAt: row.dueAt };
    const now = clock.now();
    if (plan.dueAt > now) return plan;
    seen = { plan, failures: row.failures };
    const next = tools.next(job, plan.scheduledAt);
    store.ran(key, next, now);
    const started = performance.now();
    call(job.target, argument(job, plan, now));
    store.took(key, performance.now() - started);
    return next;
  };

  return {
    seen: () => seen,
    work(call) {
      // Stopped or replaced while it waited for the writer.
      if (table.jobs.get(job.id) !== job) return { plan: job.plan };
      return { plan: job.name === undefined ? runUnnamed(call) : runNamed(call, job.name) };
    },
  };
}

/** What the function gets: which job it is, when it was due, and how late it is, in seconds. */
function argument({ id, name }: Job, { dueAt }: Plan, now: number): Readonly<Record<string, unknown>> {
  return { id, ...(name === undefined ? {} : { name }), due_at: Math.floor(dueAt / 1000), late: (now - dueAt) / 1000 };
}
