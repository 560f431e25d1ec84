/** What `scheduler.jobs()` tells of the jobs, put together from the file and from what this host holds in memory. */
import type { Job, JobTable } from './job-table.ts';
import type { Scheduler } from './scheduler.ts';
import type { JobRow, JobStore } from './store.ts';
import type { JobReport, JobState } from './types.ts';

export function jobReports(store: JobStore, scheduler: Scheduler): readonly JobReport[] {
  const unnamed = [...scheduler.tables].flatMap((table) =>
    [...table.jobs.values()].filter((job) => job.name === undefined).map((job) => ofJob(table, job, scheduler)),
  );
  const reports = [...store.list().map((row) => ofRow(row, scheduler)), ...unnamed];
  const due = ({ dueAt = Infinity }: JobReport): number => dueAt;
  return reports.sort((one, other) => compare(one.skill, other.skill) || compare(due(one), due(other)));
}

function ofRow(row: JobRow, scheduler: Scheduler): JobReport {
  const { skill, name, kind, spec, timezone, dueAt, lastRunAt, lastMs, lastError, runs, failures } = row;
  return {
    skill,
    id: name,
    name,
    kind,
    spec,
    ...(timezone === null ? {} : { timezone }),
    state: stateOf(row, scheduler),
    ...(dueAt === null ? {} : { dueAt }),
    ...(lastRunAt === null ? {} : { lastRunAt }),
    ...(lastMs === null ? {} : { lastMs }),
    ...(lastError === null ? {} : { lastError }),
    runs,
    failures,
  };
}

function stateOf({ skill, name, dueAt, stoppedAt }: JobRow, scheduler: Scheduler): JobState {
  if (dueAt === null) return 'done';
  if (stoppedAt !== null) return 'stopped';
  if (scheduler.isRunning(skill, name)) return 'running';
  const isKnown = [...scheduler.tables].some((table) => table.skill.id === skill && table.jobs.has(name));
  return isKnown ? 'planned' : 'waiting';
}

function ofJob({ skill }: JobTable, job: Job, scheduler: Scheduler): JobReport {
  const { id, schedule, plan, runs, failures, lastRunAt, lastMs, lastError } = job;
  return {
    skill: skill.id,
    id,
    kind: schedule.kind,
    spec: schedule.spec,
    ...(schedule.timezone === undefined ? {} : { timezone: schedule.timezone }),
    state: scheduler.isRunning(skill.id, id) ? 'running' : 'planned',
    dueAt: plan.dueAt,
    ...(lastRunAt === undefined ? {} : { lastRunAt }),
    ...(lastMs === undefined ? {} : { lastMs }),
    ...(lastError === undefined ? {} : { lastError }),
    runs,
    failures,
  };
}

const compare = (one: string | number, other: string | number): number => (one < other ? -1 : one > other ? 1 : 0);
