/**
 * Runs the real `glyphcase` command: as a child process, as a person or a script would, or within this one.
 *
 * A process of its own costs half a second. It is for what needs one: signals, terminals, commands that go on running.
 */
import type { ChildProcess } from 'node:child_process';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../sdk/cli/program.ts';
import { startProgram, until } from './support.ts';

export const root = join(import.meta.dirname, '..');
const launcher = join(root, 'bin', 'glyphcase.js');

export interface CliOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command that goes on running; killed when the test ends. */
export interface RunningCli {
  readonly child: ChildProcess;
  readonly stdout: string;
  readonly stderr: string;
  readonly ended: Promise<number | null>;
  /** Resolves when stdout or stderr shows this; the error of a wait in vain shows both. */
  shows(text: string | RegExp, ms?: number): Promise<void>;
  /** As Ctrl-C, or another signal. Resolves to the exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

export function startCli(args: readonly string[], { cwd, env }: CliOptions = {}): RunningCli {
  const { child, output, ended } = startProgram(process.execPath, [launcher, ...args], {
    cwd,
    env: { ...process.env, FORCE_COLOR: undefined, NO_COLOR: undefined, ...env },
  });
  child.stdin.end();
  const has = (text: string | RegExp): boolean => {
    const all = output.stdout + output.stderr;
    return typeof text === 'string' ? all.includes(text) : text.test(all);
  };
  return {
    child,
    get stdout() {
      return output.stdout;
    },
    get stderr() {
      return output.stderr;
    },
    ended,
    async shows(text, ms = 30_000) {
      try {
        await until(() => has(text) || child.exitCode !== null, ms);
      } catch {
        // Said below, with what was shown instead.
      }
      if (!has(text))
        throw new Error(`"${String(text)}" was not shown:\n${output.stdout}\n--- stderr\n${output.stderr}`);
    },
    stop(signal = 'SIGINT') {
      child.kill(signal);
      return ended;
    },
  };
}

/** Runs a command to its end. */
export async function cli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  const running = startCli(args, options);
  const code = await running.ended;
  return { code, stdout: running.stdout, stderr: running.stderr };
}

/** Runs a command to its end in this process, whose folder and streams it has meanwhile: one at a time, and with nothing of the test's own. */
export async function cliHere(
  args: readonly string[],
  { cwd = process.cwd(), env = {} }: CliOptions = {},
): Promise<CliResult> {
  const output = { stdout: '', stderr: '' };
  const before = { cwd: process.cwd(), env: process.env };
  const streams = (['stdout', 'stderr'] as const).map((name) => {
    const stream = process[name];
    const own = Object.getOwnPropertyDescriptor(stream, 'write');
    stream.write = (chunk: string | Uint8Array, ...rest: readonly unknown[]): boolean => {
      output[name] += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString();
      for (const done of rest) if (typeof done === 'function') process.nextTick(done);
      return true;
    };
    return () =>
      own === undefined ? Reflect.deleteProperty(stream, 'write') : Object.defineProperty(stream, 'write', own);
  });
  process.env = { ...before.env, ...env };
  for (const name of ['FORCE_COLOR', 'NO_COLOR'])
    if (env[name] === undefined) Reflect.deleteProperty(process.env, name);
  process.chdir(cwd);
  try {
    return { code: await run(args), ...output };
  } finally {
    for (const restore of streams) restore();
    process.chdir(before.cwd);
    process.env = before.env;
    process.exitCode = undefined;
  }
}

/** The lines of NDJSON that a command printed. */
export const jsonLines = (text: string): Record<string, unknown>[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

/** Copies ready-made skills into `folder/skills`. */
export function copySkills(folder: string, ...ids: readonly string[]): void {
  for (const id of ids) cpSync(join(root, 'skills', id), join(folder, 'skills', id), { recursive: true });
}

/** Writes a skill into `folder/skills`. */
export function writeSkill(folder: string, id: string, files: Readonly<Record<string, string | object>>): string {
  const dir = join(folder, 'skills', id);
  mkdirSync(dir, { recursive: true });
  for (const [name, content] of Object.entries(files)) {
    writeFileSync(join(dir, name), typeof content === 'string' ? content : JSON.stringify(content, null, 2));
  }
  return dir;
}
