/** Runs the real `glyphcase` command as a child process, as a person or a script would. */
import type { ChildProcess } from 'node:child_process';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
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
    async shows(text, ms = 10_000) {
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
