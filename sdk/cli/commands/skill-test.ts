/** `glyphcase skill test`: runs test.lua of skills on throwaway databases. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Option } from 'commander';
import type { Command } from 'commander';
import type { SkillTestResult } from '../../testing/types.ts';
import { Failure } from '../errors.ts';
import { examples, repeated } from '../options.ts';
import { note, printPrettyJson } from '../output.ts';
import { DEFAULT_SKILLS } from '../paths.ts';
import { defaultFolders, skillsIn } from '../skill-folders.ts';
import { printHead, printSummary, printTest, printTotal } from '../skill-test-report.ts';

interface TestOptions {
  readonly grep?: string;
  readonly skills?: readonly string[];
  readonly json?: true;
}

export function addSkillTest(skill: Command): void {
  skill
    .command('test')
    .summary('run the tests of skills')
    .description(
      'Runs test.lua of skills. Each test gets a database in memory, a clock that stands still, and the skill freshly installed. ' +
        'Ends with 1 when a test fails.',
    )
    .argument('[folder...]', `folders of skills, or folders that hold some (default: ${DEFAULT_SKILLS})`)
    .option('--grep <text>', 'only tests whose name contains this')
    .addOption(
      new Option(
        '--skills <dir>',
        'where skills that they depend on lie, if not beside them; may be repeated',
      ).argParser(repeated),
    )
    .option('--json', 'the results as JSON')
    .addHelpText(
      'after',
      examples(
        ['glyphcase skill test', 'all skills in ./skills that have tests'],
        ['glyphcase skill test skills/order-totals', 'one skill'],
        ['glyphcase skill test --grep refund', 'the tests about refunds'],
      ),
    )
    .action(test);
}

async function test(folders: readonly string[], options: TestOptions): Promise<void> {
  const { runSkill } = await import('../../testing/run-skill.ts');
  const dirs = await skillsIn(folders.length === 0 ? defaultFolders() : folders);
  // Who names one skill wants to hear that it has no tests; of a whole folder only those that have some are meant.
  const chosen = dirs.length === 1 ? dirs : dirs.filter((dir) => existsSync(join(dir, 'test.lua')));
  const isForPeople = options.json !== true;
  const results: SkillTestResult[] = [];
  for (const dir of chosen) {
    if (isForPeople) printHead(dir);
    const result = await runSkill(dir, {
      ...(options.grep === undefined ? {} : { grep: options.grep }),
      ...(options.skills === undefined ? {} : { skills: options.skills }),
      ...(isForPeople ? { onTest: (one) => printTest(one, dir) } : {}),
    });
    if (isForPeople) printSummary(result);
    results.push(result);
  }
  if (!isForPeople) printPrettyJson(results);
  else if (results.length > 1) printTotal(results);
  if (results.length === 0) note(`None of the ${dirs.length} skills has a test.lua.`);
  const ran = results.reduce((sum, { passed, failed }) => sum + passed + failed, 0);
  if (options.grep !== undefined && ran === 0 && results.every(({ ok }) => ok)) {
    note(`No test is called like "${options.grep}".`);
    throw new Failure();
  }
  if (results.some(({ ok }) => !ok)) throw new Failure();
}
