/** What is about to be installed or removed, as a person reads it before saying yes. */
import type { InstallPlan, PermissionLine, RemovePlan } from '../install/index.ts';
import { count, formatBytes, note, paint, printable } from './output.ts';

/** To stderr: it is about the result, and no part of it. */
export function showInstallPlan(plan: InstallPlan): void {
  const { version, previous, name, description, author, source, resolved, signature } = plan;
  note(
    `${bold(plan.id)} ${previous === undefined || previous === version ? version : `${previous} → ${version}`}  ${printable(name)}`,
  );
  if (description !== undefined) note(`  ${printable(description)}`);
  const rows: readonly (readonly [string, string])[] = [
    ['from', source],
    ...(resolved === undefined ? [] : [['resolved', resolved] as const]),
    ...(author === undefined ? [] : [['author', `${author} (as it says itself)`] as const]),
    [
      'signed',
      signature === undefined
        ? 'by nobody'
        : `${signature.keyId}${signature.trusted ? ', trusted' : ', a key that is not among the trusted ones'}`,
    ],
    ['holds', `${count(plan.files, 'file')}, ${formatBytes(plan.bytes)}, ${plan.hash}`],
  ];
  for (const [key, value] of rows) note(`  ${dim(key.padEnd(9))} ${printable(value)}`);
  showDiff(plan);
  for (const one of plan.missing) warn(`it needs the skill ${one}, which is not there, and waits for it`);
  for (const one of plan.warnings) warn(printable(one));
}

function showDiff({ diff, previous }: InstallPlan): void {
  const { added, removed } = diff;
  if (added.length === 0 && removed.length === 0) {
    note(previous === undefined ? '  It asks for no permissions.' : '  It asks for the same permissions as before.');
    return;
  }
  note(previous === undefined ? '  It asks for:' : '  Against the version that is here, it asks for:');
  for (const [mark, lines] of [
    ['+', added],
    ['-', removed],
  ] as const) {
    for (const [key, group] of groupsOf(lines))
      note(`    ${mark} ${key}: ${group.map((line) => shown(line, mark)).join(', ')}`);
  }
  if (added.some((line) => line.sensitive))
    note(`  ${paint('yellow', '(!)', process.stderr)} reaches beyond the tables it names.`);
}

function groupsOf(lines: readonly PermissionLine[]): ReadonlyMap<string, readonly PermissionLine[]> {
  const groups = new Map<string, PermissionLine[]>();
  for (const line of lines) groups.set(line.key, [...(groups.get(line.key) ?? []), line]);
  return groups;
}

function shown({ value, sensitive }: PermissionLine, mark: '+' | '-'): string {
  const text = printable(value);
  return sensitive && mark === '+' ? paint('yellow', `${text} (!)`, process.stderr) : text;
}

export function showRemovePlan({ id, version, dir, tables, keepData }: RemovePlan, filename: string | undefined): void {
  note(`${bold(id)}${version === undefined ? '' : ` ${version}`}`);
  note(`  ${dim('folder')}  ${dir ?? 'is gone already'}`);
  if (keepData) note(`  ${dim('data')}    stays`);
  else if (filename === undefined) note(`  ${dim('data')}    stays, because no database is named: --db FILE`);
  else if (tables.length === 0) note(`  ${dim('data')}    no tables in ${filename}; what is known of the skill goes`);
  for (const { name, rows } of tables) note(`  ${dim('table')}   ${printable(name)}, ${count(rows, 'row')}: goes`);
}

const bold = (text: string): string => paint('bold', text, process.stderr);
const dim = (text: string): string => paint('dim', text, process.stderr);
const warn = (text: string): void => note(`  ${paint('yellow', 'warning:', process.stderr)} ${text}`);
