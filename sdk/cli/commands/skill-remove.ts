/** `glyphcase skill remove`: a skill's data, its folder and its entry in the lock. */
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import type { RemovePlan } from '../../install/index.ts';
import { examples } from '../options.ts';
import { paint, print, printPrettyJson } from '../output.ts';
import { DEFAULT_DB, DEFAULT_SKILLS, shown } from '../paths.ts';
import { settingsOf } from './skill-install.ts';

interface RemoveCommandOptions {
  readonly skills?: string;
  readonly db?: string;
  readonly config?: string;
  readonly keepData?: true;
  readonly yes?: true;
  readonly json?: true;
}

export function addSkillRemove(skill: Command): void {
  skill
    .command('remove')
    .summary('remove a skill and its data')
    .description(
      'Removes a skill: its on_uninstall is called, the tables it made go with their rows, then its folder and its entry in ' +
        'skills.lock.json. It shows what goes, and asks.',
    )
    .argument('<id>', 'the skill')
    .option('--skills <dir>', `where skills live (default: ${DEFAULT_SKILLS})`)
    .option('--db <file>', `SQLite file its data is in (default: ${DEFAULT_DB}, if it is there)`)
    .option('--config <file>', "a host's options: its file and its skills folder; flags win")
    .option('--keep-data', 'its tables stay, and what is known of it')
    .option('--yes', 'do not ask: for programs')
    .option('--json', 'what went, as JSON')
    .addHelpText(
      'after',
      examples(
        ['glyphcase skill remove audit-trail', 'it, and its tables in ./glyphcase.db'],
        ['glyphcase skill remove audit-trail --keep-data', 'the folder only'],
      ),
    )
    .action(remove);
}

async function remove(id: string, options: RemoveCommandOptions): Promise<void> {
  const [{ removeOnFile }, { showRemovePlan }, { confirmed }] = await Promise.all([
    import('../../install/on-file.ts'),
    import('../install-plan.ts'),
    import('../confirm.ts'),
  ]);
  const { dir, filename: named, host } = await settingsOf(options);
  const filename = named ?? (existsSync(DEFAULT_DB) ? DEFAULT_DB : undefined);
  const confirm = (plan: RemovePlan): Promise<boolean> => {
    showRemovePlan(plan, filename === undefined ? undefined : shown(filename));
    return confirmed('Remove it?', options.yes === true);
  };
  const removed = await removeOnFile(
    { id, dir, confirm, keepData: options.keepData === true, ...(filename === undefined ? {} : { filename }) },
    host,
  );
  if (options.json === true) printPrettyJson(removed);
  else print(`${paint('green', 'removed')} ${id}`);
}
