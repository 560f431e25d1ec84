/**
 * How failures reach the person at the terminal, and the exit code they end with.
 *
 * Invariant: 0 is success, 1 a failure that was said in words, 2 a command line that could not be understood, 130 (as shells
 * have it) a command that Ctrl-C cut off. Only a defect shows a stack.
 */
import { GlyphError } from '../../kernel/errors.ts';
import { note, paint } from './output.ts';
import { VERSION } from '../version.ts';

export const EXIT = { ok: 0, failed: 1, usage: 2, interrupted: 130 } as const;

/** The command line itself is wrong: exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  readonly hint: string | undefined;

  constructor(message: string, hint?: string) {
    super(message);
    this.hint = hint;
  }
}

/** The command has printed what is wrong already; all that is left is the exit code. */
export class Failure extends Error {
  override readonly name = 'Failure';
}

/** The command was cut off by a signal before it had done its work. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

/** Prints what was thrown. @returns the exit code. */
export function report(thrown: unknown): number {
  if (thrown instanceof Failure) return EXIT.failed;
  if (thrown instanceof Interrupted) return EXIT.interrupted;
  if (thrown instanceof UsageError) {
    explain(thrown.message, thrown.hint);
    return EXIT.usage;
  }
  if (thrown instanceof GlyphError && thrown.code !== 'GC_INTERNAL') {
    explain(thrown.message, thrown.hint, thrown.code);
    return EXIT.failed;
  }
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  if (isSystemError(error)) {
    explain(error.message, undefined, error.code);
    return EXIT.failed;
  }
  explain(`unexpected: ${error.message}`, 'This is a defect in GlyphCase. Please report it with the lines below.');
  note(
    paint(
      'dim',
      `  glyphcase ${VERSION}, Node.js ${process.versions.node}, ${process.platform} ${process.arch}`,
      process.stderr,
    ),
  );
  note(paint('dim', error.stack ?? String(error), process.stderr));
  return EXIT.failed;
}

/** `error: message`, the code dimmed, and the hint below. */
export function explain(message: string, hint?: string, code?: string): void {
  const suffix = code === undefined ? '' : ` ${paint('dim', `[${code}]`, process.stderr)}`;
  note(`${paint(['red', 'bold'], 'error:', process.stderr)} ${message}${suffix}`);
  if (hint !== undefined && hint !== '') note(`${paint('cyan', '  hint:', process.stderr)} ${hint}`);
}

/** What the file system or the operating system refuses (ENOENT, EACCES …) is no defect. */
function isSystemError(error: Error): error is NodeJS.ErrnoException & { code: string } {
  return 'syscall' in error && 'code' in error && typeof error.code === 'string';
}
