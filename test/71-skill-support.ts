/** What the tests about testing and checking skills share: a skill in a folder of the test's own, run or checked. */
import { checkSkill } from '../sdk/maintenance/skill-check.ts';
import { runSkill } from '../sdk/testing/index.ts';
import type { RunSkillOptions, SkillTest, SkillTestFailure, SkillTestResult } from '../sdk/testing/index.ts';
import { writeSkill } from './60-skills-support.ts';
import type { ManifestText } from './60-skills-support.ts';
import { tempDir } from './support.ts';

export interface SkillFiles {
  readonly id?: string;
  readonly dir?: string;
  readonly main?: string;
  readonly manifest?: ManifestText;
  readonly files?: Readonly<Record<string, string>>;
}

/** Writes a skill; returns its folder. */
export function skillOf({ id = 'shop', dir = tempDir(), main = '', manifest = {}, files = {} }: SkillFiles): string {
  return writeSkill(dir, id, main, manifest, files);
}

/** Runs this test.lua on a skill. */
export function run(test: string, skill: SkillFiles = {}, options: RunSkillOptions = {}): Promise<SkillTestResult> {
  return runSkill(skillOf({ ...skill, files: { ...skill.files, 'test.lua': test } }), options);
}

/** Runs a body as the only test; returns what became of it. */
export async function runBody(body: string, skill: SkillFiles = {}): Promise<SkillTest> {
  const { tests, error } = await run(`test("it", function()\n${body}\nend)`, skill);
  const [test] = tests;
  if (test === undefined) throw new Error(`no test ran: ${error?.message ?? ''}`);
  return test;
}

/** How the body fails. Throws when it does not. */
export async function failureOf(body: string, skill: SkillFiles = {}): Promise<SkillTestFailure> {
  const { failure } = await runBody(body, skill);
  if (failure === undefined) throw new Error(`it passed: ${body}`);
  return failure;
}

/** What the check finds, a line each: `error main.lua:3: …`. */
export function findings(skill: SkillFiles, db?: string): readonly string[] {
  return checkSkill(skillOf(skill), db).problems.map(
    ({ level, file, line, message }) => `${level} ${file.replace(/^.*?shop\//, '')}:${line}: ${message}`,
  );
}
