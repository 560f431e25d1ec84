/** `glyphcase skill`: everything about skills. */
import type { Command } from 'commander';
import { addSkillCheck } from './skill-check.ts';
import { addSkillDisable, addSkillEnable } from './skill-enable.ts';
import { addSkillInstall } from './skill-install.ts';
import { addSkillList } from './skill-list.ts';
import { addSkillLogs } from './skill-logs.ts';
import { addSkillNew } from './skill-new.ts';
import { addSkillRemove } from './skill-remove.ts';
import { addSkillSign } from './skill-sign.ts';
import { addSkillTest } from './skill-test.ts';

export function addSkill(program: Command): void {
  const skill = program
    .command('skill')
    .summary('make, check, test, install, list and control skills')
    .description('Makes, checks, tests, installs, lists and controls skills.');
  addSkillNew(skill);
  addSkillCheck(skill);
  addSkillTest(skill);
  addSkillInstall(skill);
  addSkillRemove(skill);
  addSkillSign(skill);
  addSkillList(skill);
  addSkillLogs(skill);
  addSkillEnable(skill);
  addSkillDisable(skill);
}
