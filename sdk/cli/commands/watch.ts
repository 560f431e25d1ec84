/** `glyphcase watch`: a table's changes, or a query's result, as they happen, whoever makes them. */
import type { Command } from 'commander';
import { GlyphError } from '../../../kernel/errors.ts';
import type { ChangeEvent } from '../../../plugins/capsule/types.ts';
import { changeToJson, changeToLine } from '../changes.ts';
import { complaints } from '../complaints.ts';
import { untilStopped } from '../lifetime.ts';
import { examples, wholeNumber } from '../options.ts';
import { note, paint, print } from '../output.ts';
import { existingDatabase, shown } from '../paths.ts';

interface WatchOptions {
  readonly where?: string;
  readonly since?: number;
  readonly json?: true;
}

export function addWatch(program: Command): void {
  program
    .command('watch')
    .summary('print the changes of a table, or the result of a SELECT, as they happen')
    .description(
      'Prints the changes of a table as they happen, whichever program makes them, until Ctrl-C. ' +
        'The result of a SELECT is shown as a table that is kept current; in a pipe, and with --json, its rows come ' +
        'as INSERTs and then every difference, one line of JSON each. ' +
        'The tables are watched (their triggers are in place) as long as this runs.',
    )
    .argument('<db>', 'SQLite file')
    .argument('<table>', 'table to watch, or a SELECT')
    .option('--where <filter>', 'only rows for which this holds, before or after the change')
    .option('--since <seq>', 'first the changes after this seq that are in the log; 0 for all', wholeNumber)
    .option('--json', 'one line of JSON per change (a ChangeEvent)')
    .addHelpText(
      'after',
      examples(
        ['glyphcase watch glyphcase.db orders', 'everything that happens to orders'],
        ['glyphcase watch glyphcase.db orders --where "status = \'paid\'"', 'only rows that are, or were, paid'],
        ['glyphcase watch glyphcase.db orders --json | jq .newData', 'for a program'],
        ['glyphcase watch glyphcase.db "SELECT sum(total) FROM orders"', 'a result, kept current'],
      ),
    )
    .action(watch);
}

async function watch(file: string, table: string, options: WatchOptions): Promise<void> {
  if (/^\s*(select|with|values)\b/i.test(table)) {
    refuseOptions(options);
    const { watchQuery } = await import('./watch-query.ts');
    await watchQuery(file, table, options);
    return;
  }
  const path = existingDatabase(file);
  const [{ observe }, { tableIn }] = await Promise.all([
    import('../../maintenance/observer.ts'),
    import('../../maintenance/tables.ts'),
  ]);
  // Looked up before a host opens the file: a slip of the pen leaves nothing behind in it.
  const name = tableIn(path, table);
  const observer = observe(path, complaints);
  try {
    const watcher = observer.capsule.watch(name, options.where);
    const show = (event: ChangeEvent): void => print(options.json === true ? changeToJson(event) : changeToLine(event));
    observer.capsule.subscribe(watcher, (events) => events.forEach(show), {
      from: options.since ?? 'now',
      listenerId: 'glyphcase watch',
    });
    const filter = watcher.filterExpression === undefined ? '' : ` where ${watcher.filterExpression}`;
    if (options.json !== true)
      note(paint('dim', `Watching ${name} in ${shown(path)}${filter}. Ctrl-C ends it.`, process.stderr));
    await untilStopped();
  } finally {
    await observer.close();
  }
}

function refuseOptions({ where, since }: WatchOptions): void {
  if (where !== undefined)
    throw new GlyphError('GC_BAD_ARGUMENT', '--where is for tables, not for a SELECT', {
      hint: 'Write the condition into the WHERE of the SELECT.',
    });
  if (since !== undefined)
    throw new GlyphError('GC_BAD_ARGUMENT', '--since is for tables, not for a SELECT', {
      hint: 'A result begins with the rows there are.',
    });
}
