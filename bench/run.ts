/**
 * `npm run bench [program …]`: runs the programs, prints each figure beside its target, and writes bench/results/latest.json.
 *
 * Ratios are taken against a baseline in the same run; the machine's kind and the date stand in the file.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { FIGURES } from './figures.ts';
import type { Figure } from './figures.ts';
import { round } from './measure.ts';

const PROGRAMS = ['capsule', 'live', 'host', 'skills', 'lua', 'plugins', 'spec'] as const;

interface Result extends Figure {
  readonly value: number | undefined;
  readonly verdict: 'met' | 'missed' | 'shown' | 'not measured';
}

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !PROGRAMS.some((program) => program === name));
if (unknown.length > 0) {
  console.error(`There is no benchmark ${unknown.join(', ')}; there are ${PROGRAMS.join(', ')}.`);
  process.exit(2);
}

const results: Result[] = [];
const raw: Record<string, Record<string, number>> = {};
for (const program of PROGRAMS) {
  if (wanted.length > 0 && !wanted.includes(program)) continue;
  const started = performance.now();
  const output = runApart(program);
  raw[program] = output;
  console.log(`\n${program} (${((performance.now() - started) / 1000).toFixed(1)} s)`);
  for (const figure of FIGURES.filter((one) => one.program === program)) {
    const result = judge(figure, output[figure.key]);
    results.push(result);
    console.log(line(result));
  }
}

const report = {
  date: new Date().toISOString().slice(0, 10),
  machine: `${cpus().length} × ${cpus()[0]?.model ?? 'unknown processor'}, ${Math.round(totalmem() / 2 ** 30)} GiB`,
  node: process.version,
  sqlite: new Database(':memory:').prepare('SELECT sqlite_version()').pluck().get() as string,
  figures: results.map(({ what, unit, value, atLeast, atMost, verdict, program, key }) => ({
    what,
    value,
    unit,
    atLeast,
    atMost,
    verdict,
    program,
    key,
  })),
  raw,
};
const folder = join(import.meta.dirname, 'results');
mkdirSync(folder, { recursive: true });
writeFileSync(
  join(folder, wanted.length === 0 ? 'latest.json' : `${wanted.join('-')}.local.json`),
  `${JSON.stringify(report, undefined, 2)}\n`,
);
const missed = results.filter((result) => result.verdict === 'missed' || result.verdict === 'not measured').length;
console.log(
  `\n${results.length - missed} figures met or shown, ${missed} missed. ${report.machine}, Node ${report.node}, SQLite ${report.sqlite}, ${report.date}`,
);
process.exitCode = missed > 0 ? 1 : 0;

/** In a process of its own, so that no program feels what another left in memory. */
function runApart(program: string): Record<string, number> {
  const url = new URL(`./${program}.ts`, import.meta.url).href;
  const source = `const { run } = await import(${JSON.stringify(url)}); console.log('\\n' + JSON.stringify(await run()));`;
  const child = spawnSync(process.execPath, ['--expose-gc', '--input-type=module', '-e', source], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (child.status !== 0) throw new Error(`The benchmark ${program} failed`);
  return JSON.parse(child.stdout.trimEnd().split('\n').at(-1) ?? '') as Record<string, number>;
}

function judge(figure: Figure, value: number | undefined): Result {
  if (value === undefined || Number.isNaN(value)) return { ...figure, value: undefined, verdict: 'not measured' };
  if (figure.atLeast === undefined && figure.atMost === undefined) return { ...figure, value, verdict: 'shown' };
  const met =
    (figure.atLeast === undefined || value >= figure.atLeast) &&
    (figure.atMost === undefined || value <= figure.atMost);
  return { ...figure, value, verdict: met ? 'met' : 'missed' };
}

function line(result: Result): string {
  const target =
    result.atLeast === undefined ? (result.atMost === undefined ? '' : `≤ ${result.atMost}`) : `≥ ${result.atLeast}`;
  const mark = { met: 'ok    ', missed: 'MISSED', shown: '      ', 'not measured': 'NONE  ' }[result.verdict];
  const value = result.value === undefined ? '–' : String(round(result.value));
  return `  ${mark} ${result.what.padEnd(72)} ${value.padStart(10)} ${result.unit.padEnd(9)} ${target}`;
}
