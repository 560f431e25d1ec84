/** `glyphcase/testing`: what the tests of a skill's author use. */
export { runSkill } from './run-skill.ts';
export type { RunSkillOptions, SkillTest, SkillTestFailure, SkillTestLog, SkillTestResult } from './types.ts';
