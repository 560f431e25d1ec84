/** `glyphcase skill`: everything about skills. */
import type { Command } from 'commander';
import { addSkillCheck } from './skill-check.ts';
import { addSkillDisable, addSkillEnable } from './skill-enable.ts';
import { addSkillList } from './skill-list.ts';
import { addSkillLogs } from './skill-logs.ts';
import { addSkillNew } from './skill-new.ts';

export function addSkill(program: Command): void {
  const skill = program
    .command('skill')
    .summary('make, check, list and control skills')
    .description('Makes, checks, lists and controls skills.');
  addSkillNew(skill);
  addSkillCheck(skill);
  addSkillList(skill);
  addSkillLogs(skill);
  addSkillEnable(skill);
  addSkillDisable(skill);
}
