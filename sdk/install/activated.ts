/** Whether an installed skill has come to life. */
import { GlyphError, messageOf } from '../../kernel/errors.ts';
import type { SkillReport } from '../../plugins/skills/types.ts';

/** The report of a skill that runs, or waits for what is not its own fault. @throws GC_SKILL_FAILED */
export function activated(report: SkillReport): SkillReport {
  const { id, version, state, reasons, error } = report;
  if (error === undefined && state !== 'failed' && state !== 'quarantined') return report;
  const why = error === undefined ? reasons.join(' ') : messageOf(error);
  const code = error instanceof GlyphError ? error.code : 'GC_SKILL_FAILED';
  throw new GlyphError(code, `Version ${version} of the skill ${id} does not start on the database: ${why}`, {
    hint: 'Folder, lock and database are as they were before.',
    skill: id,
    cause: error,
  });
}
