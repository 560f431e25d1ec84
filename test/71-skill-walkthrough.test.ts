/**
 * docs/skills.md, "A skill, step by step", as a newcomer takes it: the blocks are written and run one after the other in an
 * empty folder, and print what the document says.
 */
import { chmodSync, mkdirSync, realpathSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { spawn, spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { isBlock, partsOf, root } from './92-docs-support.ts';
import { afterTest, tempDir, until } from './support.ts';

interface Step {
  readonly place: string;
  /** `run`, `fails`, `prints`, `start` or `file PATH`. */
  readonly command: string;
  readonly text: string;
}

const steps = partsOf('docs/skills.md').flatMap((part): Step[] => {
  const [, command] = /^tour: (.*)$/.exec((isBlock(part) ? part.marker : part.comment) ?? '') ?? [];
  if (command === undefined) return [];
  if (!isBlock(part)) throw new Error(`${part.place}: the step "${command}" has no block`);
  return [{ place: part.place, command, text: part.text }];
});

/** A folder, and an environment in which `npx glyphcase` is the one of this repository. */
function newcomer(): { readonly folder: string; readonly env: NodeJS.ProcessEnv } {
  const bin = realpathSync(tempDir());
  const npx = join(bin, 'npx');
  const words = [process.execPath, join(root, 'bin', 'glyphcase.js')].map((word) => `'${word}'`).join(' ');
  writeFileSync(npx, `#!/bin/sh\nshift\nexec ${words} "$@"\n`);
  chmodSync(npx, 0o755);
  return {
    folder: realpathSync(tempDir()),
    env: { ...process.env, PATH: `${bin}:${process.env['PATH'] ?? ''}`, NO_COLOR: '1', FORCE_COLOR: undefined },
  };
}

/** How long things take is nobody's promise. */
const tidy = (text: string): string => text.replaceAll(/ \d+(\.\d+)? (ms|s)$/gm, '').trim();

test('the steps of the document lead where it says', async () => {
  const { folder, env } = newcomer();
  let printed = '';
  let again = (): string => '';
  const shell = (
    command: string,
  ): { readonly status: number | null; readonly stdout: string; readonly stderr: string } =>
    spawnSync('bash', ['-e', '-c', command], { cwd: folder, env, encoding: 'utf8', timeout: 30_000 });
  for (const { place, command, text } of steps) {
    const [kind = '', path = ''] = command.split(' ');
    if (kind === 'file') {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), `${text}\n`);
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
      const host = spawn('bash', ['-c', `exec ${text}`], { cwd: folder, env, stdio: ['ignore', 'pipe', 'inherit'] });
      let said = '';
      host.stdout.setEncoding('utf8').on('data', (more: string) => (said += more));
      const ended = new Promise((resolve) => host.once('close', resolve));
      afterTest(async () => {
        host.kill('SIGINT');
        await ended;
      });
      await until(() => said.includes('Ctrl-C'), 15_000);
      expect(said).toMatch(/big-orders +0\.1\.0 +active/);
    } else throw new Error(`${place}: unknown step "${command}"`);
  }
  expect(steps.map(({ command }) => command.split(' ')[0])).toEqual(
    expect.arrayContaining(['file', 'run', 'fails', 'start']),
  );
}, 90_000);
