/** `glyphcase skill list`: the skills a database knows and those that lie in folders, together. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { SkillState } from '../../maintenance/state.ts';
import { dbOption, examples, skillsOption } from '../options.ts';
import { formatMs, note, print, printPrettyJson, printable, table } from '../output.ts';
import { DEFAULT_DB, DEFAULT_SKILLS, existingDatabase, shown } from '../paths.ts';
import { stateNow, stateText } from '../states.ts';

interface ListOptions {
  readonly db: string;
  readonly skills?: readonly string[];
  readonly json?: true;
}

/** One line of the list. */
interface Listed extends Partial<SkillState> {
  readonly id: string;
  /** `not loaded` when no host has seen it, `not running` when no host is alive. */
  readonly now: string;
  readonly dir?: string;
}

export function addSkillList(skill: Command): void {
  skill
    .command('list')
    .summary('list skills and their states')
    .description(
      'Lists the skills that the database knows and those that lie in the skills folders, with the state in the running host.',
    )
    .addOption(dbOption())
    .addOption(skillsOption())
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      examples(['glyphcase skill list', 'the skills here'], ['glyphcase skill list --json', 'for a program']),
    )
    .action(list);
}

async function list(options: ListOptions): Promise<void> {
  const [{ inspect }, { skillFolders }] = await Promise.all([
    import('../../maintenance/state.ts'),
    import('../../../plugins/skills/folder.ts'),
  ]);
  // Without a database, which nobody has named, there are still folders to list.
  const path = options.db === DEFAULT_DB && !existsSync(DEFAULT_DB) ? undefined : existingDatabase(options.db);
  const state = path === undefined ? undefined : inspect(path);
  const running = state?.hosts.some((host) => host.alive) === true;
  const dirs = (options.skills ?? [DEFAULT_SKILLS]).flatMap((folder) => skillFolders(folder));
  const listed = merge(state?.skills ?? [], dirs, running);
  if (options.json === true) printPrettyJson(listed);
  else printList(listed, running, path);
}

function merge(known: readonly SkillState[], dirs: readonly string[], running: boolean): readonly Listed[] {
  const folders = new Map(dirs.map((dir) => [dir.slice(dir.lastIndexOf('/') + 1), dir]));
  const fromFile = known.map((skill): Listed => {
    const dir = folders.get(skill.id);
    folders.delete(skill.id);
    return { ...skill, now: stateNow(skill, running), ...(dir === undefined ? {} : { dir: shown(dir) }) };
  });
  const fromFolders = [...folders].map(([id, dir]): Listed => {
    const version = versionIn(dir);
    return { id, now: 'not loaded', dir: shown(dir), ...(version === undefined ? {} : { version }) };
  });
  return [...fromFile, ...fromFolders].sort((a, b) => (a.id < b.id ? -1 : 1));
}

function versionIn(dir: string): string | undefined {
  try {
    const { version } = JSON.parse(readFileSync(join(dir, 'manifest.json'), 'utf8')) as { version?: unknown };
    return typeof version === 'string' ? version : undefined;
  } catch {
    return undefined;
  }
}

function printList(listed: readonly Listed[], running: boolean, path: string | undefined): void {
  if (listed.length === 0) {
    print(
      `No skills${path === undefined ? '' : ` in ${shown(path)}`}, and none in ./${DEFAULT_SKILLS}. glyphcase skill new ID makes one.`,
    );
    return;
  }
  const rows = listed.map((skill) => [
    printable(skill.id),
    printable(skill.version ?? ''),
    stateText(skill.now),
    skill.lag === undefined ? '' : String(skill.lag),
    skill.activatedAt === undefined ? '' : `${formatMs(Date.now() - skill.activatedAt)} ago`,
    printable(skill.dir ?? ''),
    printable(skill.error ?? ''),
  ]);
  for (const line of table({
    head: ['id', 'version', 'state', 'behind', 'activated', 'folder', 'reason'],
    rows,
    right: [3],
  }))
    print(line);
  if (!running) note('No host is running: glyphcase start');
}
