/**
 * Runs another program (npm, git) to its end.
 *
 * Invariants: no shell, no input, a limit of time and output; what it complains of is passed on without what could move a
 * terminal's cursor.
 */
import { execFile } from 'node:child_process';
import { stripVTControlCharacters } from 'node:util';
import { GlyphError } from '../../kernel/errors.ts';

const PATIENCE_MS = 120_000;
/** Lines of its complaint that are shown. */
const LINES = 6;

export interface ChildOptions {
  /** What it is wanted for, for the message. */
  readonly what: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** Bytes it may print. */
  readonly maxBytes: number;
  /** A text that must not be shown, such as a password. */
  readonly secret?: string;
}

/** @returns what it printed. @throws GC_FETCH_FAILED */
export function runChild(program: string, args: readonly string[], options: ChildOptions): Promise<Buffer> {
  const { what, env, cwd, maxBytes, secret } = options;
  return new Promise((resolve, reject) => {
    const child = execFile(
      program,
      [...args],
      {
        encoding: 'buffer',
        maxBuffer: maxBytes,
        timeout: PATIENCE_MS,
        killSignal: 'SIGKILL',
        windowsHide: true,
        ...(env === undefined ? {} : { env }),
        ...(cwd === undefined ? {} : { cwd }),
      },
      (error, stdout, stderr) => {
        if (error === null) resolve(stdout);
        else reject(failure(program, what, error, hidden(stderr.toString('utf8'), secret)));
      },
    );
    child.stdin?.end();
  });
}

function failure(program: string, what: string, error: Error, stderr: string): GlyphError {
  const code = 'code' in error ? error.code : undefined;
  if (code === 'ENOENT') {
    return new GlyphError('GC_FETCH_FAILED', `${what} needs the program ${program}, which is not there`, {
      hint: `Install ${program}, or download the skill and install the file.`,
      cause: error,
    });
  }
  if (code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER') {
    return new GlyphError('GC_BAD_PACKAGE', `${what}: it is too large for a skill`, { cause: error });
  }
  if ('killed' in error && error.killed === true) {
    return new GlyphError('GC_FETCH_FAILED', `${what}: ${program} did not end within ${PATIENCE_MS / 1000} s`);
  }
  const lines = stderr.split('\n').filter((line) => line.trim() !== '' && !/^npm warn|A complete log of/i.test(line));
  const said = lines.slice(0, LINES).join('\n');
  return new GlyphError('GC_FETCH_FAILED', `${what}: ${program} failed: ${said === '' ? 'it did not say why' : said}`);
}

function hidden(text: string, secret: string | undefined): string {
  const shown = secret === undefined || secret === '' ? text : text.replaceAll(secret, '***');
  return stripVTControlCharacters(shown).replace(/[^\P{Cc}\n]/gu, ' ');
}
