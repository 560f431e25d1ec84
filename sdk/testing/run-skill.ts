/**
 * Runs the test.lua of a skill, each test on a database, a clock and a start of the skill of its own.
 *
 * Invariants: no test sees what another did; nothing is written outside a temporary folder; whatever a test does, the run
 * ends with a result.
 */
import { basename, resolve } from 'node:path';
import { GlyphError, messageOf } from '../../kernel/errors.ts';
import { failureOfHost } from './failures.ts';
import { createOperations } from './operations.ts';
import { copySkills } from './skill-copies.ts';
import type { SkillCopies } from './skill-copies.ts';
import { SkillHost } from './skill-host.ts';
import { TEST_FILE } from './test-log.ts';
import { listTests, runPart } from './test-script.ts';
import type { ListedTest } from './test-script.ts';
import type { RunSkillOptions, SkillTest, SkillTestFailure, SkillTestResult } from './types.ts';

const START = Date.UTC(2026, 0, 1);
const TIMEOUT_MS = 10_000;

/**
 * Runs the tests of the skill in a folder.
 *
 * A failing test, a broken manifest and a missing test.lua are results, not errors.
 * @throws GC_BAD_ARGUMENT when `dir` is no text
 * @example
 * ```ts
 * const { ok, tests } = await runSkill('skills/order-totals');
 * ```
 */
export async function runSkill(dir: string, options: RunSkillOptions = {}): Promise<SkillTestResult> {
  if (typeof dir !== 'string' || dir === '')
    throw new GlyphError('GC_BAD_ARGUMENT', 'runSkill() takes the path of a skill folder');
  const began = performance.now();
  const id = basename(resolve(dir));
  const nothing = { skill: id, dir, ok: false, passed: 0, failed: 0, skipped: 0, tests: [] };
  let copies: SkillCopies;
  try {
    copies = copySkills(dir, options.skills ?? []);
  } catch (error) {
    return { ...nothing, ms: performance.now() - began, error: inManifest(error) };
  }
  using kept = copies;
  const about = { skill: kept.folder.id, version: kept.manifest.version, dir };
  try {
    const tests = await runTests(kept, options);
    const count = (state: SkillTest['state']): number => tests.filter((test) => test.state === state).length;
    const [passed, failed, skipped] = [count('passed'), count('failed'), count('skipped')];
    return { ...about, ok: failed === 0, passed, failed, skipped, ms: performance.now() - began, tests };
  } catch (error) {
    return { ...nothing, ...about, ms: performance.now() - began, error: failureOfHost(error) };
  }
}

async function runTests(copies: SkillCopies, options: RunSkillOptions): Promise<readonly SkillTest[]> {
  const startAt = options.startAt?.getTime() ?? START;
  const listed = await namesOf(copies, startAt);
  const wanted = options.grep?.toLowerCase();
  const tests: SkillTest[] = [];
  for (const [index, { name, line }] of listed.entries()) {
    const isWanted = wanted === undefined || name.toLowerCase().includes(wanted);
    const test: SkillTest = isWanted
      ? { name, line, ...(await runTest(copies, index + 1, startAt, options.timeoutMs ?? TIMEOUT_MS)) }
      : { name, line, state: 'skipped', ms: 0, logs: [] };
    tests.push(test);
    options.onTest?.(test);
  }
  return tests;
}

/** @throws GC_BAD_ARGUMENT when there is nothing to run, and what test.lua throws */
async function namesOf(copies: SkillCopies, startAt: number): Promise<readonly ListedTest[]> {
  const { folder } = copies;
  if (!folder.files.has(TEST_FILE)) {
    throw new GlyphError('GC_BAD_ARGUMENT', `${folder.id} has no test.lua`, {
      hint: 'docs/skills.md shows one: test("…", function() … end)',
    });
  }
  await using host = await SkillHost.open(copies, startAt);
  const tests = await listTests(host);
  if (tests.length === 0) throw new GlyphError('GC_BAD_ARGUMENT', 'test.lua:1: it defines no test()');
  return tests;
}

type Outcome = Pick<SkillTest, 'state' | 'ms' | 'failure' | 'logs'>;

async function runTest(copies: SkillCopies, index: number, startAt: number, timeoutMs: number): Promise<Outcome> {
  const began = performance.now();
  let host: SkillHost | undefined;
  let failure: SkillTestFailure | undefined;
  try {
    copies.restore();
    host = await SkillHost.open(copies, startAt);
    failure = await withinTime(runParts(host, copies, index), timeoutMs);
  } catch (error) {
    failure = failureOfHost(error);
  }
  const ms = performance.now() - began;
  await host?.[Symbol.asyncDispose]();
  const logs = host?.logs ?? [];
  return failure === undefined ? { state: 'passed', ms, logs } : { state: 'failed', ms, failure, logs };
}

async function runParts(host: SkillHost, copies: SkillCopies, index: number): Promise<SkillTestFailure | undefined> {
  const perform = createOperations(host, copies);
  const inSetup = await runPart(host, perform, 'setup');
  if (inSetup !== undefined) return inSetup;
  await host.loadSkills();
  const before = await runPart(host, perform, 'before');
  if (before !== undefined) return before;
  await host.rest();
  host.assertActive();
  const failure = await runPart(host, perform, index);
  if (failure !== undefined) return failure;
  // What a test has left undone may still fail.
  await host.rest();
  return undefined;
}

async function withinTime<T>(work: Promise<T>, ms: number): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new GlyphError('GC_LUA_TIME', `the test did not end within ${ms} ms`)), ms);
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** A broken manifest, or a folder that is none. */
function inManifest(error: unknown): SkillTestFailure {
  const [, line = '0'] = /manifest\.json:(\d+): /.exec(messageOf(error)) ?? [];
  return { ...failureOfHost(error), file: 'manifest.json', line: Number(line) };
}
