/** `glyphcase doctor`: looks the machine and a database over, and says what to do. */
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import type { Finding } from '../../maintenance/doctor.ts';
import { Failure } from '../errors.ts';
import { examples } from '../options.ts';
import { count, formatBytes, paint, print, printPrettyJson, printable, progress } from '../output.ts';
import { DEFAULT_DB, existingDatabase, shown } from '../paths.ts';

const MARK = {
  ok: ['green', 'ok  '],
  warn: ['yellow', 'warn'],
  fail: ['red', 'fail'],
} as const;

export function addDoctor(program: Command): void {
  program
    .command('doctor')
    .summary('check the machine and a database, and say what to do')
    .description(
      'Checks Node.js, SQLite, the disk, and a database: can it be written, is it sound, are the triggers in place, ' +
        'are hosts stale, do cursors hold the log. Changes nothing. Ends with 1 when something fails.',
    )
    .argument('[db]', `SQLite file (default: ${DEFAULT_DB}, if it is there)`)
    .option('--json', 'the findings as JSON')
    .addHelpText(
      'after',
      examples(['glyphcase doctor', 'check ./glyphcase.db'], ['glyphcase doctor app.db --json', 'for a program']),
    )
    .action(doctor);
}

async function doctor(file: string | undefined, options: { readonly json?: true }): Promise<void> {
  const path = file === undefined ? defaultFile() : existingDatabase(file);
  const { examine } = await import('../../maintenance/doctor.ts');
  let done = (): void => {};
  const findings = examine(path, { formatBytes, onProgress: (what) => (done = progress(what)) });
  done();
  if (options.json === true) printPrettyJson({ file: path ?? null, findings });
  else printFindings(path, findings);
  if (findings.some((finding) => finding.level === 'fail')) throw new Failure();
}

const defaultFile = (): string | undefined => (existsSync(DEFAULT_DB) ? existingDatabase(DEFAULT_DB) : undefined);

function printFindings(path: string | undefined, findings: readonly Finding[]): void {
  print(paint('bold', path === undefined ? 'This machine' : shown(path)));
  const width = Math.max(...findings.map((finding) => finding.topic.length));
  for (const { level, topic, message, advice } of findings) {
    const [colour, mark] = MARK[level];
    print(`${paint(colour, mark)}  ${printable(topic).padEnd(width)}  ${printable(message)}`);
    if (advice !== undefined) print(`${' '.repeat(width + 8)}${paint('cyan', '→')} ${advice}`);
  }
  if (path === undefined) print(paint('dim', `No ${DEFAULT_DB} here; name a file to check it: glyphcase doctor FILE`));
  const [failed, warned] = (['fail', 'warn'] as const).map(
    (level) => findings.filter((finding) => finding.level === level).length,
  );
  const parts = [
    ...(failed === undefined || failed === 0 ? [] : [paint('red', `${failed} failed`)]),
    ...(warned === undefined || warned === 0 ? [] : [paint('yellow', count(warned, 'warning'))]),
  ];
  print(parts.length === 0 ? paint('green', 'All is well.') : parts.join(', '));
}
