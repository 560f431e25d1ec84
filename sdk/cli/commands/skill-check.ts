/** `glyphcase skill check`: what is wrong with a skill's folder, file by file and line by line, before it runs. */
import { dirname, join, resolve } from 'node:path';
import { Option } from 'commander';
import type { Command } from 'commander';
import type { LockCheck } from '../../install/lock-file.ts';
import type { SkillCheck, SkillProblem } from '../../maintenance/skill-check.ts';
import { Failure } from '../errors.ts';
import { examples } from '../options.ts';
import { count, paint, print, printPrettyJson } from '../output.ts';
import { DEFAULT_SKILLS, existingDatabase } from '../paths.ts';
import { defaultFolders, skillsIn } from '../skill-folders.ts';

const COLOUR = { error: 'red', warning: 'yellow', note: 'cyan' } as const;

export function addSkillCheck(skill: Command): void {
  skill
    .command('check')
    .summary('check skills without running them')
    .description(
      'Checks skills without running them: the manifest, the syntax of every .lua file, misspelt hooks and functions, ' +
        'what the scripts do without permission. ' +
        'Ends with 1 when there is an error; warnings and notes alone are 0.',
    )
    .argument('[folder...]', `folders of skills, or folders that hold some (default: ${DEFAULT_SKILLS})`)
    .addOption(new Option('--db <file>', 'database the skills are meant for: their SQL is held against its tables'))
    .option('--json', 'the findings as JSON')
    .addHelpText(
      'after',
      examples(
        ['glyphcase skill check skills/order-totals', 'one skill'],
        ['glyphcase skill check skills', 'all of them'],
      ),
    )
    .action(check);
}

interface CheckOptions {
  readonly db?: string;
  readonly json?: true;
}

async function check(folders: readonly string[], options: CheckOptions): Promise<void> {
  const [{ checkSkill }, { verifyLock }] = await Promise.all([
    import('../../maintenance/skill-check.ts'),
    import('../../install/lock-file.ts'),
  ]);
  const db = options.db === undefined ? undefined : existingDatabase(options.db);
  const dirs = await skillsIn(folders.length === 0 ? defaultFolders() : folders);
  const checks = dirs.map((dir) => withLock(checkSkill(dir, db), verifyLock(dirname(resolve(dir)))));
  if (options.json === true) printPrettyJson(checks);
  else checks.forEach(printCheck);
  const failed = checks.filter(hasErrors);
  if (failed.length > 0) throw new Failure();
}

/** Adds what the lock of installed skills says of it. */
function withLock(check: SkillCheck, lock: readonly LockCheck[]): SkillCheck {
  const own = lock.find(({ id, state }) => id === check.id && state === 'changed');
  if (own === undefined) return check;
  const { version, source } = own.entry;
  const message = `its files differ from version ${version} that was installed from ${source}`;
  const note: SkillProblem = { level: 'note', file: join(check.dir, 'manifest.json'), line: 1, message };
  return { ...check, problems: [...check.problems, note] };
}

const hasErrors = ({ problems }: SkillCheck): boolean => problems.some((problem) => problem.level === 'error');

function printCheck(check: SkillCheck): void {
  for (const { level, file, line, message } of check.problems) {
    const word = paint(COLOUR[level], level);
    print(`${paint('bold', `${file}:${line}`)}: ${word}: ${message}`);
  }
  const countOf = (level: SkillProblem['level']): number =>
    check.problems.filter((problem) => problem.level === level).length;
  const [errors, warnings, notes] = [countOf('error'), countOf('warning'), countOf('note')];
  const version = check.version === undefined ? '' : ` ${check.version}`;
  const counts = [
    ...(errors > 0 ? [count(errors, 'error')] : []),
    ...(warnings > 0 ? [count(warnings, 'warning')] : []),
    ...(notes > 0 ? [count(notes, 'note')] : []),
  ];
  const mark = errors > 0 ? paint('red', 'fail') : paint('green', 'ok  ');
  print(`${mark}  ${check.id}${version}  ${paint('dim', [count(check.luaFiles, 'Lua file'), ...counts].join(', '))}`);
}
