/** `glyphcase skill check`: what is wrong with a skill's folder, file by file and line by line, before it runs. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { GlyphError } from '../../../kernel/errors.ts';
import type { SkillCheck } from '../../maintenance/skill-check.ts';
import { Failure } from '../errors.ts';
import { examples } from '../options.ts';
import { count, paint, print, printPrettyJson } from '../output.ts';
import { isFolder } from '../paths.ts';

export function addSkillCheck(skill: Command): void {
  skill
    .command('check')
    .summary('check skills without running them')
    .description(
      'Checks skills without running them: the manifest, the syntax of every .lua file, misspelt hooks, watches without permission. ' +
        'Ends with 1 when there is an error; warnings alone are 0.',
    )
    .argument('<folder...>', 'folders of skills, or a folder that holds some')
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

async function check(folders: readonly string[], options: { readonly json?: true }): Promise<void> {
  const [{ checkSkill }, { skillFolders }] = await Promise.all([
    import('../../maintenance/skill-check.ts'),
    import('../../../plugins/skills/folder.ts'),
  ]);
  const checks = folders.flatMap((folder) => expand(folder, skillFolders)).map((dir) => checkSkill(dir));
  if (options.json === true) printPrettyJson(checks);
  else checks.forEach(printCheck);
  const failed = checks.filter(hasErrors);
  if (failed.length > 0) throw new Failure();
}

/** A folder that is no skill but holds some stands for them. */
function expand(folder: string, skillFolders: (dir: string) => readonly string[]): readonly string[] {
  if (!isFolder(folder)) {
    const hint = existsSync(folder) ? 'Name the folder it lies in.' : 'Name the folder of a skill: skills/order-totals';
    throw new GlyphError('GC_BAD_ARGUMENT', `There is no folder ${folder}`, { hint });
  }
  if (existsSync(join(folder, 'manifest.json'))) return [folder.replace(/\/+$/, '')];
  const inside = skillFolders(folder);
  if (inside.length > 0) return inside.map((dir) => join(folder, dir.slice(dir.lastIndexOf('/') + 1)));
  throw new GlyphError('GC_BAD_MANIFEST', `${folder} holds no manifest.json, and no folder that does`, {
    hint: 'A skill is a folder with manifest.json and main.lua: glyphcase skill new ID',
  });
}

const hasErrors = ({ problems }: SkillCheck): boolean => problems.some((problem) => problem.level === 'error');

function printCheck(check: SkillCheck): void {
  for (const { level, file, line, message } of check.problems) {
    const word = level === 'error' ? paint('red', 'error') : paint('yellow', 'warning');
    print(`${paint('bold', `${file}:${line}`)}: ${word}: ${message}`);
  }
  const errors = check.problems.filter((problem) => problem.level === 'error').length;
  const warnings = check.problems.length - errors;
  const version = check.version === undefined ? '' : ` ${check.version}`;
  const counts = [
    ...(errors > 0 ? [count(errors, 'error')] : []),
    ...(warnings > 0 ? [count(warnings, 'warning')] : []),
  ];
  const mark = errors > 0 ? paint('red', 'fail') : paint('green', 'ok  ');
  print(`${mark}  ${check.id}${version}  ${paint('dim', [count(check.luaFiles, 'Lua file'), ...counts].join(', '))}`);
}
