/**
 * The long run of the property of live queries: `npm run prove`.
 *
 * GLYPHCASE_PROVE_CASES (100,000) are spread over GLYPHCASE_PROVE_WORKERS processes (2), in pieces of 1,000, each with its
 * own seed, counted up from GLYPHCASE_PROVE_SEED (the time). A seed that fails is printed with the command that repeats it.
 */
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const TEST = 'test/80-live-property.test.ts';
const PIECE = 1000;

const cases = numberIn('GLYPHCASE_PROVE_CASES', 100_000);
const workers = numberIn('GLYPHCASE_PROVE_WORKERS', 2);
const seed = numberIn('GLYPHCASE_PROVE_SEED', Math.floor(Date.now() / 1000));
const pieces = Math.ceil(cases / PIECE);
const started = performance.now();

let next = 0;
let passed = 0;
const failed: number[] = [];

await Promise.all(Array.from({ length: Math.min(workers, pieces) }, () => work()));
console.log(
  `${passed.toLocaleString('en')} cases without a failure; seeds that failed: ${failed.join(', ') || 'none'}`,
);
process.exitCode = failed.length === 0 ? 0 : 1;

async function work(): Promise<void> {
  while (next < pieces) {
    const own = seed + next;
    const runs = Math.min(PIECE, cases - next * PIECE);
    next += 1;
    const { code, output } = await prove(own, runs);
    if (code === 0) passed += runs;
    else {
      failed.push(own);
      console.log(`${output}\nSeed ${own} failed. Repeat it with:`);
      console.log(`  GLYPHCASE_LIVE_SEED=${own} GLYPHCASE_LIVE_RUNS=${runs} npx vitest run ${TEST}`);
    }
    const minutes = ((performance.now() - started) / 60_000).toFixed(1);
    const share = /[\d.]+ % incremental/.exec(output)?.[0] ?? '';
    console.log(
      `${passed} of ${cases} cases, ${failed.length} seeds failed, ${minutes} minutes; seed ${own}: ${share}`,
    );
  }
}

function prove(own: number, runs: number): Promise<{ readonly code: number | null; readonly output: string }> {
  const vitest = join(createRequire(import.meta.url).resolve('vitest/package.json'), '..', 'vitest.mjs');
  const environment = { GLYPHCASE_LIVE_SEED: String(own), GLYPHCASE_LIVE_RUNS: String(runs), GLYPHCASE_LIVE_SHOW: '1' };
  const child = spawn(process.execPath, [vitest, 'run', TEST], {
    cwd: join(import.meta.dirname, '..'),
    env: { ...process.env, ...environment, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output: string[] = [];
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => void output.push(text));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, output: output.join('') }));
  });
}

function numberIn(name: string, otherwise: number): number {
  const given = process.env[name];
  if (given === undefined || given === '') return otherwise;
  const value = Number(given);
  if (!Number.isSafeInteger(value) || value < 1) throw new Error(`${name} is a whole number from 1 on, not ${given}`);
  return value;
}
