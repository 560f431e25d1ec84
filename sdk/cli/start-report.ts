/** The report with which `glyphcase start` begins: a line for each plugin and skill, and why one does not run. */
import type { SkillReport } from '../../plugins/skills/types.ts';
import type { FilePluginReport } from '../manager-types.ts';
import { formatMs, paint, print, printable } from './output.ts';
import { whyText } from './plugin-lines.ts';
import { stateText } from './states.ts';

export interface StartFacts {
  readonly file: string;
  readonly isNew: boolean;
  readonly sample: readonly string[];
  readonly plugins: readonly FilePluginReport[];
  readonly skills: readonly SkillReport[];
  /** Folders with skills, as they are shown. */
  readonly folders: readonly string[];
  readonly missingFolders: readonly string[];
  readonly runsSkills: boolean;
  readonly ms: number;
}

export function printStart(facts: StartFacts): void {
  const { file, isNew, sample, plugins, skills, folders, missingFolders, runsSkills, ms } = facts;
  const shop = sample.length === 0 ? '' : `, with a small shop to play with: ${sample.join(', ')}`;
  print(`${paint('bold', file)}${isNew ? ` is new${shop}` : ''}`);
  const rows = [
    ...plugins.map((one) => ({ ...one, kind: 'plugin', reasons: whyText(one) })),
    ...skills.map((one) => ({ ...one, kind: 'skill' })),
  ];
  const width = Math.max(...rows.map((row) => row.id.length));
  for (const { kind, id, version, state, activatedInMs, reasons } of rows) {
    const time = activatedInMs === undefined ? '' : paint('dim', formatMs(activatedInMs).padStart(8));
    const padding = ' '.repeat(Math.max(0, 8 - state.length));
    print(
      `  ${kind.padEnd(6)}  ${printable(id).padEnd(width)}  ${printable(version).padEnd(7)} ${stateText(state)}${padding} ${time}`.trimEnd(),
    );
    for (const reason of reasons) print(`          ${paint('yellow', printable(reason))}`);
  }
  for (const folder of missingFolders)
    print(`There is no folder ${folder}; glyphcase skill new ID makes a first skill in it.`);
  if (folders.length > 0 && skills.length === 0 && missingFolders.length === 0)
    print(`No skills in ${folders.join(', ')} yet.`);
  if (!runsSkills && skills.length > 0)
    print(paint('yellow', 'Another host on this file runs the skills; this one takes over when it ends.'));
  print(`Ready in ${formatMs(ms)}. Ctrl-C stops it.`);
  if (sample.length > 0)
    print(paint('dim', `Try, in another terminal: sqlite3 ${file} "INSERT INTO orders (user_id) VALUES (7)"`));
}
