/**
 * Takes the `tour: …` steps of a document as a newcomer does: writes and runs the blocks one after the other in an empty folder,
 * and expects them to print what the document says.
 */
import { chmodSync, mkdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { spawn, spawnSync } from 'node:child_process';
import { expect } from 'vitest';
import { isBlock, partsOf, resolved, root } from './92-docs-support.ts';
import { afterTest, tempDir, until } from './support.ts';

export interface Step {
  readonly place: string;
  /** `run`, `fails`, `prints`, `start`, `file PATH` or `edit PATH`. */
  readonly command: string;
  readonly text: string;
}

/** The steps of a document, in order. */
export const stepsOf = (document: string): readonly Step[] =>
  partsOf(document).flatMap((part): Step[] => {
    const [, command] = /^tour: (.*)$/.exec((isBlock(part) ? part.marker : part.comment) ?? '') ?? [];
    if (command === undefined) return [];
    if (!isBlock(part)) throw new Error(`${part.place}: the step "${command}" has no block`);
    return [{ place: part.place, command, text: part.text }];
  });

/** A folder, and an environment in which `npx glyphcase` and `node` are those of this repository. */
function newcomer(): { readonly folder: string; readonly env: NodeJS.ProcessEnv } {
  const bin = realpathSync(tempDir());
  const npx = join(bin, 'npx');
  const words = [process.execPath, join(root, 'bin', 'glyphcase.js')].map((word) => `'${word}'`).join(' ');
  writeFileSync(npx, `#!/bin/sh\nshift\nexec ${words} "$@"\n`);
  chmodSync(npx, 0o755);
  symlinkSync(process.execPath, join(bin, 'node'));
  return {
    folder: realpathSync(tempDir()),
    env: { ...process.env, PATH: `${bin}:${process.env['PATH'] ?? ''}`, NO_COLOR: '1', FORCE_COLOR: undefined },
  };
}

/** How long things take is nobody's promise. */
const tidy = (text: string): string => text.replaceAll(/ \d+(\.\d+)? (ms|s)$/gm, '').trim();

/** Replaces the lines with `-` by those with `+`. */
export function edited(text: string, diff: string): string {
  const lines = (sign: string): string =>
    diff
      .split('\n')
      .filter((line) => line.startsWith(sign))
      .map((line) => `${line.slice(1)}\n`)
      .join('');
  if (lines('-') === '' || text.split(lines('-')).length !== 2) throw new Error(`not once in the file: ${lines('-')}`);
  return text.replace(lines('-'), () => lines('+'));
}

/** Takes the steps, and returns the folder. `started` is what a host that was started has to have said. */
export async function walk(steps: readonly Step[], started: RegExp): Promise<string> {
  const { folder, env } = newcomer();
  let printed = '';
  let again = (): string => '';
  const shell = (
    command: string,
  ): { readonly status: number | null; readonly stdout: string; readonly stderr: string } =>
    spawnSync('bash', ['-e', '-c', command], { cwd: folder, env, encoding: 'utf8', timeout: 30_000 });
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  };
  let host = { said: (): string => '' };
  for (const { place, command, text } of steps) {
    const [kind = '', path = ''] = command.split(' ');
    if (kind === 'file') {
      // The loader knows what `glyphcase/sdk` is in a plugin; a program of one's own has installed it.
      write(path, `${path.startsWith('plugins/') ? text : resolved(text)}\n`);
    } else if (kind === 'edit') {
      write(path, edited(readFileSync(join(folder, path), 'utf8'), text));
      [printed, again] = ['', host.said];
    } else if (kind === 'run' || kind === 'fails') {
      const { status, stdout, stderr } = shell(text);
      expect([place, status, stderr]).toEqual([place, kind === 'run' ? 0 : 1, '']);
      printed = stdout;
      again = () => shell(text).stdout;
    } else if (kind === 'prints') {
      // A host reacts a moment later.
      if (!tidy(printed).includes(tidy(text)))
        await until(() => tidy((printed = again())).includes(tidy(text)), 5000).catch(() => undefined);
      expect(tidy(printed), place).toContain(tidy(text));
    } else if (kind === 'start') {
      host = start(text, folder, env);
      await until(() => host.said().includes('Ctrl-C'), 15_000);
      expect(host.said()).toMatch(started);
    } else throw new Error(`${place}: unknown step "${command}"`);
  }
  return folder;
}

/** A host that runs until the test ends. */
function start(command: string, cwd: string, env: NodeJS.ProcessEnv): { said(): string } {
  const host = spawn('bash', ['-c', `exec ${command}`], { cwd, env, stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  host.stdout.setEncoding('utf8').on('data', (more: string) => (said += more));
  const ended = new Promise((resolve) => host.once('close', resolve));
  afterTest(async () => {
    host.kill('SIGINT');
    await ended;
  });
  return { said: () => said };
}
