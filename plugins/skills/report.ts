/** One line of `skills.list()`, from what is known of a skill. */
import type { UnitState } from '../../sdk/plugin.ts';
import type { Running } from './running.ts';
import type { Manifest, SkillReport } from './types.ts';

export interface ReportParts {
  readonly id: string;
  readonly dir: string;
  readonly state: UnitState;
  readonly reasons: readonly string[];
  readonly error: Error | undefined;
  readonly retryAt: number | undefined;
  readonly activatedInMs: number | undefined;
  readonly failures: number;
  readonly running: Running | undefined;
  /** Of the running version, or else the newest that could be read. */
  readonly manifest: Manifest | undefined;
}

export function reportOf(parts: ReportParts): SkillReport {
  const { id, dir, state, reasons, error, retryAt, activatedInMs, failures, running, manifest } = parts;
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
