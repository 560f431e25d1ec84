/** `glyphcase skill logs`: what skills logged, from the file; with -f also what they log from now on. */
import { join } from 'node:path';
import type { Command } from 'commander';
import { GlyphError } from '../../../kernel/errors.ts';
import type { StoredLogLine } from '../../maintenance/skill-logs.ts';
import { untilStopped } from '../lifetime.ts';
import { logLine } from '../log-lines.ts';
import { dbOption, examples, wholeNumber } from '../options.ts';
import { note, print, printJson } from '../output.ts';
import { DEFAULT_SKILLS, existingDatabase, isFolder } from '../paths.ts';

const DEFAULT_LIMIT = 50;
const POLL_MS = 200;

interface LogsOptions {
  readonly db: string;
  readonly follow?: true;
  readonly limit: number;
  readonly json?: true;
}

export function addSkillLogs(skill: Command): void {
  skill
    .command('logs')
    .summary('print what skills logged')
    .description(
      'Prints what a skill, or all of them, logged; the database keeps the newest 500 lines of each. Only reads.',
    )
    .argument('[id]', 'one skill')
    .option('-f, --follow', 'go on with what is logged from now on, until Ctrl-C')
    .option('--limit <n>', 'the newest so many lines; 0 for all', wholeNumber, DEFAULT_LIMIT)
    .addOption(dbOption())
    .option('--json', 'one line of JSON per line')
    .addHelpText(
      'after',
      examples(
        ['glyphcase skill logs', 'the newest lines of all'],
        ['glyphcase skill logs order-totals -f', 'follow one'],
      ),
    )
    .action(logs);
}

async function logs(id: string | undefined, options: LogsOptions): Promise<void> {
  const path = existingDatabase(options.db);
  const [{ openToRead }, { knownSkills, readSkillLogs }, { didYouMean }] = await Promise.all([
    import('../../maintenance/connection.ts'),
    import('../../maintenance/skill-logs.ts'),
    import('../../../kernel/schema/problems.ts'),
  ]);
  const connection = openToRead(path);
  try {
    const known = knownSkills(connection);
    const skill = id === undefined ? {} : { skill: id };
    const first = readSkillLogs(connection, { ...skill, limit: options.limit === 0 ? -1 : options.limit });
    // Who follows a skill that lies there may be quicker than the host.
    const mayCome = options.follow === true && id !== undefined && isFolder(join(DEFAULT_SKILLS, id));
    if (id !== undefined && first.length === 0 && !known.includes(id) && !mayCome) {
      const near = didYouMean(id, known);
      throw new GlyphError(
        'GC_NO_SUCH_SKILL',
        `The database knows no skill "${id}"${near === undefined ? '' : ` (did you mean "${near}"?)`}`,
        {
          hint: known.length === 0 ? 'No skill has run on it yet.' : `Skills: ${known.join(', ')}.`,
        },
      );
    }
    const show = (line: StoredLogLine): void => {
      if (options.json === true)
        printJson({ skill: line.skill, at: new Date(line.at), level: line.level, message: line.message });
      else print(logLine(line));
    };
    first.forEach(show);
    if (options.follow !== true) {
      if (first.length === 0) note('Nothing was logged.');
      return;
    }
    if (first.length === 0) note('Nothing was logged yet; waiting for it. Ctrl-C ends it.');
    let after = first.at(-1)?.id ?? 0;
    const poll = setInterval(() => {
      for (const line of readSkillLogs(connection, { ...skill, after })) {
        show(line);
        after = line.id;
      }
    }, POLL_MS);
    await untilStopped();
    clearInterval(poll);
  } finally {
    connection.close();
  }
}
