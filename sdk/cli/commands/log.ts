/** `glyphcase log`: prints the change log of a file, or of an archive of it. Reads only; a host may be running. */
import type { Command } from 'commander';
import { GlyphError } from '../../../kernel/errors.ts';
import type { LoggedEvent } from '../../maintenance/change-log.ts';
import { changeToJson, changeToLine } from '../changes.ts';
import { examples, wholeNumber } from '../options.ts';
import { count, note, print } from '../output.ts';
import { existingDatabase } from '../paths.ts';

const DEFAULT_LIMIT = 50;

interface LogOptions {
  readonly since?: number;
  readonly table?: string;
  readonly limit?: number;
  readonly json?: true;
}

export function addLog(program: Command): void {
  program
    .command('log')
    .summary('print the change log of a database or archive')
    .description(
      'Prints the recorded changes, oldest first: the newest ones, or with --since those after a point. ' +
        'Only reads; a host may be running. An archive file (capsule.archive) works too.',
    )
    .argument('<db>', 'SQLite file, or an archive of its log')
    .option('--since <seq>', 'changes after this seq', wholeNumber)
    .option('--table <name>', 'changes of this table only')
    .option(
      '--limit <n>',
      `at most so many changes; 0 for all (default: ${DEFAULT_LIMIT}, with --since all)`,
      wholeNumber,
    )
    .option('--json', 'one line of JSON per change')
    .addHelpText(
      'after',
      examples(
        ['glyphcase log glyphcase.db', 'the newest changes'],
        ['glyphcase log glyphcase.db --table orders --limit 5', 'the last five of a table'],
        ['glyphcase log glyphcase.db --since 1200 --json', 'everything after seq 1200, for a program'],
      ),
    )
    .action(log);
}

async function log(file: string, options: LogOptions): Promise<void> {
  const path = existingDatabase(file);
  const [{ reading }, { ChangeLog }, { didYouMean }] = await Promise.all([
    import('../../maintenance/connection.ts'),
    import('../../maintenance/change-log.ts'),
    import('../../../kernel/schema/problems.ts'),
  ]);
  reading(path, (connection) => {
    const changes = new ChangeLog(connection);
    const wanted = options.table?.toLowerCase();
    if (wanted !== undefined) {
      const tables = changes.tables();
      if (!tables.some((name) => name.toLowerCase() === wanted)) {
        const near = didYouMean(wanted, tables);
        const known =
          tables.length === 0 ? 'No table has been watched yet.' : `Tables in the log: ${tables.join(', ')}.`;
        const meant = near === undefined ? '' : ` (did you mean "${near}"?)`;
        throw new GlyphError('GC_NO_SUCH_TABLE', `The log knows no table "${options.table ?? ''}"${meant}`, {
          hint: known,
        });
      }
    }
    const isWanted = (event: LoggedEvent): boolean => wanted === undefined || event.tableName.toLowerCase() === wanted;
    const show = (event: LoggedEvent): void =>
      print(options.json === true ? changeToJson(event) : changeToLine(event, { date: true }));
    if (options.since === undefined && options.limit !== 0) {
      const limit = options.limit ?? DEFAULT_LIMIT;
      const events = changes.newest(limit, isWanted);
      if (events.length === limit && (events[0]?.seq ?? 0) > changes.first && process.stderr.isTTY) {
        note(`The newest ${count(limit, 'change')}; --limit 0 shows all, from seq ${changes.first} on.`);
      }
      events.forEach(show);
      if (events.length === 0) nothing(changes.end);
      return;
    }
    const shown = printAfter(changes.after(options.since ?? 0), isWanted, show, options.limit);
    if (shown === 0) nothing(changes.end);
  });
}

/** @returns how many were printed. */
function printAfter(
  pages: Iterable<readonly LoggedEvent[]>,
  isWanted: (event: LoggedEvent) => boolean,
  show: (event: LoggedEvent) => void,
  limit = 0,
): number {
  let shown = 0;
  for (const page of pages) {
    for (const event of page) {
      if (!isWanted(event)) continue;
      show(event);
      shown += 1;
      if (shown === limit) return shown;
    }
  }
  return shown;
}

function nothing(end: number): void {
  note(end === 0 ? 'The log is empty.' : `No such changes; the log ends at seq ${end}.`);
}
