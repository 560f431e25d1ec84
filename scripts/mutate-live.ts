/**
 * Puts one mistake after the other into a copy of the sources, and sees whether the tests of live queries notice:
 * `npm run prove:mutations [-- WORDS]`, with words of those that are wanted. The sources themselves are left alone.
 *
 * The named tests are run for each, and when they pass GLYPHCASE_MUTATE_CASES (600) cases of the property; with
 * GLYPHCASE_MUTATE_BY=property only those. A mistake that nobody notices is a hole in the tests, or a rule that is not needed.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MUTATIONS } from './mutations-live.ts';
import type { Mutation } from './mutations-live.ts';

const PROPERTY = ['test/80-live-property.test.ts'];
const NAMED = ['test/83-live-from-log.test.ts', 'test/83-live-incremental.test.ts', 'test/83-live-attacks.test.ts'];
const PARTS = ['kernel', 'plugins', 'sdk', 'test', 'package.json', 'tsconfig.json', 'vitest.config.ts'];
const NOBODY = '**nobody**';
const STALE = '**it does not stand there once any more**';
const CASES = process.env['GLYPHCASE_MUTATE_CASES'] ?? '600';

const root = join(import.meta.dirname, '..');
const copy = mkdtempSync(join(tmpdir(), 'glyphcase-mutate-'));
const words = process.argv.slice(2);
const wanted = MUTATIONS.filter(({ what, file }) => words.every((word) => `${file} ${what}`.includes(word)));
let unnoticed = 0;
try {
  for (const part of PARTS) cpSync(join(root, part), join(copy, part), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  const before = noticedBy();
  if (before !== undefined) throw new Error(`Without any mistake the tests fail: ${before}`);
  console.log('| file | mistake | noticed by |\n|---|---|---|');
  for (const mutation of wanted) {
    const by = tried(mutation);
    if (by === NOBODY || by === STALE) unnoticed += 1;
    console.log(`| ${mutation.file} | ${mutation.what} | ${by} |`);
  }
  console.log(`\n${wanted.length - unnoticed} of ${wanted.length} are noticed.`);
} finally {
  rmSync(copy, { recursive: true, force: true });
}
process.exitCode = unnoticed === 0 ? 0 : 1;

function tried({ file, from, to }: Mutation): string {
  const path = join(copy, 'plugins/live', file);
  const source = readFileSync(path, 'utf8');
  if (source.split(from).length !== 2) return STALE;
  // A function, so that no `$` counts.
  writeFileSync(
    path,
    source.replace(from, () => to),
  );
  try {
    return noticedBy() ?? NOBODY;
  } finally {
    writeFileSync(path, source);
  }
}

function noticedBy(): string | undefined {
  if (process.env['GLYPHCASE_MUTATE_BY'] !== 'property' && !isGreen(NAMED)) return 'named tests';
  return isGreen(PROPERTY) ? undefined : 'the property';
}

function isGreen(tests: readonly string[]): boolean {
  const environment = {
    GLYPHCASE_LIVE_RUNS: CASES,
    GLYPHCASE_LIVE_SEED: '1',
    GLYPHCASE_LIVE_QUICK: '1',
    NO_COLOR: '1',
  };
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const { status } = spawnSync(process.execPath, [vitest, 'run', '--bail=1', ...tests], {
    cwd: copy,
    env: { ...process.env, ...environment },
    stdio: 'ignore',
  });
  return status === 0;
}
