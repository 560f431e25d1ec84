/**
 * How the results of `glyphcase skill test` look on the terminal.
 *
 * Invariant: a failure shows the line to look at, what was expected and what came, where the skill failed if it did, and
 * what it logged; a test that passed shows nothing but its name.
 */
import { readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import type { SkillTest, SkillTestFailure, SkillTestResult } from '../testing/types.ts';
import { count, formatMs, paint, print, printable } from './output.ts';

/** Slower tests show their time in another colour, in ms. */
const SLOW_MS = 500;
/** Log lines shown of one test. */
const MAX_LOGS = 20;
const INDENT = '      ';

export function printHead(dir: string): void {
  print(paint('bold', dir === '.' ? basename(resolve(dir)) : dir));
}

/** A test that was left out is only counted. */
export function printTest({ name, state, ms, failure, logs, line }: SkillTest, dir: string): void {
  if (state === 'skipped') return;
  const mark = state === 'passed' ? paint('green', '✓') : paint('red', '✗');
  print(`  ${mark} ${printable(name)} ${paint(ms > SLOW_MS ? 'yellow' : 'dim', formatMs(ms))}`);
  // A test that passed shows what it printed itself; a failure is not told twice.
  const shownLogs =
    failure === undefined
      ? logs.filter(({ skill }) => skill === 'test.lua')
      : logs.filter(({ message }) => !message.startsWith(failure.message));
  if (failure !== undefined)
    printFailure({ ...failure, line: failure.line === 0 && failure.file === 'test.lua' ? line : failure.line }, dir);
  if (failure !== undefined && shownLogs.length > 0) print(`${INDENT}${paint('dim', 'logged:')}`);
  for (const { skill, level, message } of shownLogs.slice(-MAX_LOGS)) {
    const word = level === 'info' ? '' : `${level} `;
    print(`${INDENT}  ${paint('cyan', skill)} ${word}${readable(message.replaceAll('\t', ' '))}`);
  }
  if (failure !== undefined) print();
}

export function printSummary({ error, passed, failed, skipped, ms, dir }: SkillTestResult): void {
  if (error !== undefined) {
    print(`  ${paint('red', '✗')} no test was run`);
    printFailure(error, dir);
  } else print(`  ${counts({ passed, failed, skipped })} ${paint('dim', formatMs(ms))}`);
  print();
}

/** Of many skills. */
export function printTotal(results: readonly SkillTestResult[]): void {
  const sum = (key: 'passed' | 'failed' | 'skipped' | 'ms'): number =>
    results.reduce((total, result) => total + result[key], 0);
  const broken = results.filter(({ error }) => error !== undefined).length;
  const parts = [
    count(results.length, 'skill'),
    ...(broken > 0 ? [paint('red', `${broken} could not be tested`)] : []),
    counts({ passed: sum('passed'), failed: sum('failed'), skipped: sum('skipped') }),
  ];
  print(`${parts.join(', ')} ${paint('dim', formatMs(sum('ms')))}`);
}

function counts(of: Pick<SkillTestResult, 'passed' | 'failed' | 'skipped'>): string {
  const parts = [
    ...(of.failed > 0 ? [paint('red', `${of.failed} failed`)] : []),
    ...(of.passed > 0 || of.failed === 0 ? [paint('green', `${of.passed} passed`)] : []),
    ...(of.skipped > 0 ? [paint('dim', `${of.skipped} skipped`)] : []),
  ];
  return parts.join(', ');
}

function printFailure(failure: SkillTestFailure, dir: string): void {
  const { message, file, line, expected, actual, stack, traceback, hint, code } = failure;
  const place = line === 0 ? join(dir, file) : `${join(dir, file)}:${line}`;
  const both = expected !== undefined && actual !== undefined && `${expected}${actual}`.length > 40;
  const text = both
    ? `expected and actual value differ${/ \(they differ( at .*)\)$/.exec(message)?.[1] ?? ''}`
    : message;
  print(
    `${INDENT}${paint('bold', place)}: ${readable(text)}${code === undefined ? '' : ` ${paint('dim', `[${code}]`)}`}`,
  );
  if (both) {
    print(`${INDENT}  ${paint('green', 'expected')} ${block(expected)}`);
    print(`${INDENT}  ${paint('red', 'got     ')} ${block(actual)}`);
  }
  if (hint !== undefined) print(`${INDENT}  ${paint('cyan', 'hint:')} ${hint}`);
  for (const text of excerpt(dir, file, line)) print(`${INDENT}${text}`);
  for (const at of stack.slice(1)) print(`${INDENT}  ${paint('dim', `called at ${join(dir, at)}`)}`);
  if (traceback.length > 0) {
    print(`${INDENT}${paint('dim', 'in the skill:')}`);
    for (const frame of traceback) print(`${INDENT}  ${printable(frame)}`);
    const [, at = '', number = '0'] = /^([^:]+\.lua):(\d+):/.exec(traceback[0] ?? '') ?? [];
    // A dependency's files lie elsewhere.
    if (message.startsWith(`skill ${basename(resolve(dir))},`))
      for (const text of excerpt(dir, at, Number(number))) print(`${INDENT}${text}`);
  }
}

/** The line in question, with those around it. */
function excerpt(dir: string, file: string, line: number): readonly string[] {
  if (line === 0) return [];
  let lines: readonly string[];
  try {
    lines = readFileSync(join(dir, file), 'utf8').split('\n');
  } catch {
    return [];
  }
  const first = Math.max(1, line - 1);
  return lines.slice(first - 1, line + 1).map((text, index) => {
    const number = first + index;
    const shown = `${number === line ? '>' : ' '} ${String(number).padStart(4)} | ${printable(text.replaceAll('\t', '  '))}`;
    return number === line ? shown : paint('dim', shown);
  });
}

/** Values on several lines, below each other. */
const block = (text: string): string => text.split('\n').map(printable).join(`\n${INDENT}           `);

const readable = (text: string): string => text.split('\n').map(printable).join(`\n${INDENT}  `);
