/**
 * README's two-minute tour, exactly as a newcomer takes it: a fresh copy of the repository, `npm start` in one terminal, the
 * blocks in another, Ctrl-C at the end.
 *
 * Steps are comments in README: `tour: start`, `tour: run` (a block), `tour: prints` (what the last run prints, within
 * 3 s, since skills react a moment later), `tour: host says WORD` (within 5 s of the last run).
 */
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, realpathSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { isBlock, partsOf, root } from './92-docs-support.ts';
import type { Part } from './92-docs-support.ts';
import { afterTest, tempDir } from './support.ts';

interface Step {
  readonly place: string;
  readonly kind: 'start' | 'run' | 'prints' | 'host says';
  /** The block's text, or the word. */
  readonly text: string;
}

/** @throws for a step that nobody knows, so that a slip in README does not shorten the tour */
function stepOf(part: Part): Step | undefined {
  const comment = isBlock(part) ? part.marker : part.comment;
  const [, command] = /^tour: (.*)$/.exec(comment ?? '') ?? [];
  if (command === undefined) return undefined;
  const { place } = part;
  const [, word] = /^host says (.+)$/.exec(command) ?? [];
  if (word !== undefined) return { place, kind: 'host says', text: word };
  if (isBlock(part) && (command === 'start' || command === 'run' || command === 'prints'))
    return { place, kind: command, text: part.text };
  throw new Error(`${place}: unknown step "${command}"`);
}

/** As a person's shell has it: without what npm and the test runner add. */
function freshEnvironment(): NodeJS.ProcessEnv {
  const entries = Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_|VITEST|INIT_CWD|GLYPHCASE)/.test(name));
  const path = (process.env['PATH'] ?? '').split(':').filter((one) => !one.includes('node_modules'));
  return { ...Object.fromEntries(entries), PATH: path.join(':'), NO_COLOR: '1' };
}

/** What git has or would take of the repository, in a folder of its own. */
function freshCopy(): string {
  const folder = join(realpathSync(tempDir()), 'glyphcase');
  const listed = spawnSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], {
    cwd: root,
    encoding: 'utf8',
  });
  if (listed.status !== 0) throw new Error(`git ls-files failed: ${listed.stderr}`);
  for (const file of listed.stdout.split('\0').filter((path) => path !== '')) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    cpSync(join(root, file), join(folder, file), { force: true, errorOnExist: false });
  }
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  return folder;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Asks again and again until the answer is yes, or `ms` have passed. */
async function within(ms: number, every: number, ask: () => boolean): Promise<boolean> {
  const end = Date.now() + ms;
  for (;;) {
    if (ask()) return true;
    if (Date.now() > end) return false;
    await pause(every);
  }
}

class Tour {
  readonly #folder: string;
  readonly #env = freshEnvironment();
  #host: ReturnType<typeof spawn> | undefined;
  #ended: Promise<number | null> = Promise.resolve(null);
  #said = '';
  /** How much the host had said before the last run. */
  #mark = 0;
  #command = '';
  #printed = '';

  constructor(folder: string) {
    this.#folder = folder;
  }

  async take({ place, kind, text }: Step): Promise<void> {
    if (kind === 'start') await this.#start(text);
    else if (kind === 'run') {
      this.#mark = this.#said.length;
      this.#command = text;
      this.#printed = this.#run(place);
    } else if (kind === 'prints') {
      const seen = await within(3000, 100, () => {
        if (this.#printed.includes(text.trim())) return true;
        this.#printed = this.#run(place);
        return false;
      });
      if (!seen)
        throw new Error(`${place}: printed\n${this.#printed}\ninstead of\n${text}\nThe host said:\n${this.#said}`);
    } else {
      const said = await within(5000, 50, () => this.#said.slice(this.#mark).includes(text));
      if (!said) throw new Error(`${place}: the host did not say "${text}" but\n${this.#said.slice(this.#mark)}`);
    }
  }

  /** Ctrl-C goes to everything that runs in the terminal. Resolves to the exit code; undefined after 5 s. */
  async interrupt(): Promise<number | null | undefined> {
    if (this.#host?.pid === undefined) throw new Error('the tour has no start');
    process.kill(-this.#host.pid, 'SIGINT');
    return Promise.race([this.#ended, pause(5000).then(() => undefined)]);
  }

  /** Whether anything that it started is still running. */
  get leftovers(): boolean {
    try {
      return process.kill(-(this.#host?.pid ?? NaN), 0);
    } catch (error) {
      return !(error instanceof Error && 'code' in error && error.code === 'ESRCH');
    }
  }

  /** Runs the last command again; returns what it printed. */
  #run(place: string): string {
    const { status, stdout, stderr } = spawnSync('bash', ['-e', '-c', this.#command], {
      cwd: this.#folder,
      env: this.#env,
      encoding: 'utf8',
      timeout: 20_000,
    });
    if (status !== 0)
      throw new Error(
        `${place}: the command before ended with ${status}\n${this.#command}\n${stdout}${stderr}\nThe host said:\n${this.#said}`,
      );
    return stdout;
  }

  async #start(command: string): Promise<void> {
    const host = spawn('bash', ['-c', `exec ${command.trim()}`], {
      cwd: this.#folder,
      env: this.#env,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    this.#host = host;
    for (const stream of [host.stdout, host.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => (this.#said += text));
    this.#ended = new Promise((resolve) => host.once('close', resolve));
    afterTest(async () => {
      if (host.exitCode === null && host.signalCode === null && host.pid !== undefined)
        process.kill(-host.pid, 'SIGKILL');
      await this.#ended;
    });
    const up = await within(15_000, 50, () => READY.test(this.#said) || host.exitCode !== null);
    if (!up || host.exitCode !== null) throw new Error(`\`${command.trim()}\` did not get ready:\n${this.#said}`);
  }

  get said(): string {
    return this.#said;
  }
}

/** What a newcomer waits for before turning to the second terminal. */
const READY = /Ctrl-C/i;

const steps = partsOf('README.md')
  .map(stepOf)
  .filter((step) => step !== undefined);

test('a slip in a step is noticed', () => {
  const fence = '```';
  const parts = (text: string): readonly Part[] => partsOf('README.md', text);
  expect(() => parts('<!-- tour: host say x -->').map(stepOf)).toThrow('README.md:1: unknown step "host say x"');
  expect(() => parts('<!-- tour: run -->\n\nText.').map(stepOf)).toThrow('README.md:1: unknown step "run"');
  expect(parts(`<!-- tour: run -->\n${fence}sh\nls\n${fence}`).map(stepOf)).toEqual([
    { place: 'README.md:2', kind: 'run', text: 'ls' },
  ]);
});

test('the tour goes as README says, and Ctrl-C ends it', async () => {
  expect(steps.map(({ kind }) => kind).filter((kind) => kind === 'start')).toHaveLength(1);
  expect(steps.length).toBeGreaterThan(10);
  const tour = new Tour(freshCopy());
  for (const step of steps) await tour.take(step);
  expect({ code: await tour.interrupt(), leftovers: tour.leftovers, said: tour.said }).toMatchObject({
    code: 0,
    leftovers: false,
  });
}, 120_000);
