/**
 * The long run of reloads under load: `npm run prove:reload [plugin …]`.
 *
 * Each built-in plugin, and a skill, is reloaded GLYPHCASE_RELOADS times (200) while host, Lua and another process write without a pause,
 * with delivery at once and in batches. Printed per plugin: what was lost, doubled or told out of order, of all that its
 * listeners should have been told; the longest delay from a commit to its handler and the longest reload, in ms (first without any reload, to compare); then the heap
 * that a reload of an idle host keeps, in KiB. Exit code 1 when anything went wrong.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BUILTINS } from '../sdk/testing/providers.ts';
import { A_SKILL, Load, NOTHING } from '../test/94-reload-load.ts';
import type { Outcome } from '../test/94-reload-load.ts';

const RELOADS = Number(process.env['GLYPHCASE_RELOADS'] ?? 200);
const WIDTHS = [10, 8, 9, 9, 6, 8, 9, 10, 10, 9];
const HEADS = [
  'plugin',
  'reloads',
  'changes',
  'events',
  'lost',
  'doubled',
  'disorder',
  'delay ms',
  'reload ms',
  'KiB each',
];

const known = Object.keys(BUILTINS);
const names = process.argv.length > 2 ? process.argv.slice(2) : [...known, A_SKILL];
const unknown = names.filter((name) => !known.includes(name) && name !== A_SKILL);
if (!Number.isInteger(RELOADS) || RELOADS < 1 || unknown.length > 0) {
  console.error(`GLYPHCASE_RELOADS is a whole number from 1 on; the plugins are ${known.join(', ')}; or '${A_SKILL}'.`);
  process.exit(2);
}

let wrong = 0;
for (const batchInterval of [0, undefined]) {
  console.log(`\n${batchInterval === 0 ? 'Delivered at once' : 'Delivered in batches, as a host does by default'}`);
  console.log(line(HEADS));
  await prove(batchInterval);
}
process.exitCode = wrong === 0 ? 0 : 1;

async function prove(batchInterval: number | undefined): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'glyphcase-reload-'));
  const load = await Load.open({ dir, ...(batchInterval === undefined ? {} : { batchInterval }) });
  try {
    for (const name of [NOTHING, ...names]) {
      const outcome = await load.phase(name, RELOADS);
      console.log(line([...cells(outcome), await keptByReload(load, name)]));
      for (const complaint of outcome.complaints) console.log(`  ${complaint}`);
      if (outcome.lost + outcome.doubled + outcome.disordered + outcome.complaints.length > 0) wrong += 1;
    }
  } finally {
    await load.close();
    rmSync(dir, { recursive: true, force: true });
  }
}

function cells(outcome: Outcome): readonly string[] {
  const { plugin, reloads, changes, events, lost, doubled, disordered, longestDelay, longestReload } = outcome;
  const ms = [longestDelay, longestReload].map((value) => value.toFixed(1));
  return [plugin, ...[reloads, changes, events, lost, doubled, disordered].map(String), ...ms];
}

/** Of a host that does nothing else, the first reloads not counted. */
async function keptByReload({ db }: Load, name: string): Promise<string> {
  const { gc } = globalThis;
  if (gc === undefined || name === NOTHING) return '–';
  const heap = async (): Promise<number> => {
    for (let round = 0; round < 3; round += 1) {
      await new Promise((resolve) => setImmediate(resolve));
      gc();
    }
    return process.memoryUsage().heapUsed;
  };
  const reload = (): Promise<unknown> => (name === A_SKILL ? db.skills.reload('reloaded') : db.plugins.reload(name));
  for (let round = 0; round < 20; round += 1) await reload();
  const before = await heap();
  for (let round = 0; round < RELOADS; round += 1) await reload();
  return ((await heap()) / 1024 / RELOADS - before / 1024 / RELOADS).toFixed(2);
}

function line(columns: readonly string[]): string {
  return columns
    .map((text, at) => (at === 0 ? text.padEnd(WIDTHS[at] ?? 0) : text.padStart(WIDTHS[at] ?? 0)))
    .join(' ');
}
