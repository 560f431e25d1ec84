/** Skills' log lines as hosts write them into the file. Reads only. */
import type { Connection } from './connection.ts';
import { schemaNames } from './connection.ts';

export interface StoredLogLine {
  readonly id: number;
  readonly skill: string;
  /** Unix epoch in ms. */
  readonly at: number;
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
}

export interface LogQuery {
  readonly skill?: string;
  /** Only lines after this id. */
  readonly after?: number;
  /** Only the newest so many. */
  readonly limit?: number;
}

/** Oldest first. A file in which no skill has run has none. */
export function readSkillLogs(
  connection: Connection,
  { skill, after = 0, limit = -1 }: LogQuery,
): readonly StoredLogLine[] {
  if (!schemaNames(connection).has('_skill_logs')) return [];
  const lines = connection
    .prepare(
      `SELECT id, skill, at, level, message FROM _skill_logs
       WHERE id > @after AND (@skill IS NULL OR skill = @skill) ORDER BY id DESC LIMIT @limit`,
    )
    .all({ after, skill: skill ?? null, limit }) as StoredLogLine[];
  return lines.reverse();
}

/** Ids of the skills the file knows. */
export function knownSkills(connection: Connection): readonly string[] {
  if (!schemaNames(connection).has('_skills')) return [];
  return connection.prepare('SELECT id FROM _skills ORDER BY id').pluck().all() as string[];
}
