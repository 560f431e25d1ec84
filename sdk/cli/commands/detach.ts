/** `glyphcase detach`: takes everything of GlyphCase out of a database, before other tools migrate it or for good. */
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { examples } from '../options.ts';
import { count, formatBytes, paint, print } from '../output.ts';
import { existingDatabase, shown } from '../paths.ts';

/** A few pages are not worth a word. */
const WORTH_VACUUM = 1024 * 1024;

export function addDetach(program: Command): void {
  program
    .command('detach')
    .summary('take everything of GlyphCase out of a database')
    .description(
      'Removes the triggers, the view and the internal tables (_capsule_*): the change log and all cursors are gone. ' +
        'Your tables are untouched. Use it before another tool migrates the schema, or for good; the next start attaches again. ' +
        'What is known of skills (_skills, _skill_*, _scheduler_jobs: installed versions, approvals, logs, jobs) stays, unless --all.',
    )
    .argument('<db>', 'SQLite file')
    .option('--all', 'also what is known of skills; tables that skills created hold your data and stay')
    .option('--force', 'even though a host seems to run on the file')
    .addHelpText(
      'after',
      examples(
        ['glyphcase detach app.db', 'before a migration; skills remember what they are'],
        ['glyphcase detach app.db --all', 'for good'],
      ),
    )
    .action(run);
}

async function run(file: string, options: { readonly all?: true; readonly force?: true }): Promise<void> {
  const path = existingDatabase(file);
  const { detach } = await import('../../maintenance/detach.ts');
  const report = detach(path, options);
  const name = shown(path);
  if (report.triggers + report.tables.length + report.views.length === 0) {
    print(
      `${name}: there is nothing of GlyphCase to take out${report.kept.length === 0 ? '.' : `, but for ${report.kept.join(', ')} (--all).`}`,
    );
    return;
  }
  print(
    `${name}: removed ${count(report.triggers, 'trigger')}, ${count(report.views.length, 'view')} and ${count(report.tables.length, 'internal table')}.`,
  );
  if (report.kept.length > 0)
    print(`Kept, because skills need it to know what they are: ${report.kept.join(', ')} (--all removes it).`);
  for (const one of report.dangling)
    print(
      `${paint('yellow', 'warning:')} your ${one} names a table that is gone now; SQLite refuses to alter tables while it is there.`,
    );
  if (report.freeBytes > WORTH_VACUUM)
    print(`The file has ${formatBytes(report.freeBytes)} to spare; VACUUM gives them back.`);
  if (existsSync(`${path}-lock`)) print(`${shown(`${path}-lock`)} may be deleted too.`);
}
