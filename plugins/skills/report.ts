/** What is told of a skill: one line of `skills.list()`, and the sentences of `skills.why()`. */
import type { Running } from './running.ts';
import type { Status } from './status.ts';
import type { SkillReport } from './types.ts';

export interface ReportParts {
  readonly id: string;
  readonly dir: string;
  readonly status: Status;
  readonly retryAt: number | undefined;
  readonly running: Running | undefined;
}

export function reportOf({ id, dir, status, retryAt, running }: ReportParts): SkillReport {
  const { state, reasons, error, activatedInMs, failures } = status;
  // Of the running version, or else the newest that could be read.
  const manifest = running?.manifest ?? status.manifest;
  const memoryBytes = running?.memoryBytes;
  const cursor = running?.cursor;
  return {
    id,
    name: manifest?.name ?? id,
    version: manifest?.version ?? '',
    state,
    reasons,
    ...(error === undefined ? {} : { error }),
    ...(retryAt === undefined ? {} : { retryAt }),
    dir,
    ...(activatedInMs === undefined ? {} : { activatedInMs }),
    ...(memoryBytes === undefined ? {} : { memoryBytes }),
    ...(cursor === undefined ? {} : { cursor }),
    reactions: running?.reactions ?? 0,
    failures,
    watches: (manifest?.watches ?? []).map((watch) => (typeof watch === 'string' ? watch : watch.table)),
    permissions: running?.granted ?? manifest?.permissions ?? {},
  };
}

export function sentencesOf({ id, version, state, reasons, retryAt }: SkillReport): readonly string[] {
  const retry = retryAt === undefined ? [] : [`It is tried again at ${new Date(retryAt).toISOString()}.`];
  return [`Skill ${id}${version === '' ? '' : ` ${version}`} is ${state}.`, ...reasons, ...retry];
}
