/**
 * What a process that checks a plugin says to the one that watches it: one line of JSON each, on a pipe of their own.
 *
 * Invariant: a line is written before the code it announces runs, so it is there even if that code never returns.
 */
import { writeSync } from 'node:fs';
import { GlyphError } from '../../kernel/errors.ts';
import type { ErrorCode } from '../../kernel/errors.ts';
import type { PluginCheckReport } from './plugin-check-report.ts';

/** Which of the plugin's code runs: of its file, of a phase, or something that is called later, such as a listener. */
export type RunningCode = 'file' | 'activate' | 'deactivate' | 'snapshot' | 'later';

/** What the checking process is asked to do. */
export interface CheckRequest {
  readonly path: string;
  /** The plugin's options, as JSON. */
  readonly config?: string;
  /** Path of a file with SQL. */
  readonly schema?: string;
}

interface PlainError {
  readonly code?: string;
  readonly message: string;
  readonly hint?: string;
  readonly stack?: string;
}

export type CheckMessage =
  /** Sent several times in a second, as long as something other than the plugin's code can run. */
  | { readonly alive: true }
  | { readonly runs: RunningCode }
  | { readonly plugin: string; readonly version: string }
  | { readonly report: PluginCheckReport }
  | { readonly failed: PlainError };

/** The pipe's number in the checking process. */
const PIPE = 3;

export function say(message: CheckMessage): void {
  writeSync(PIPE, `${JSON.stringify(message)}\n`);
}

/** The messages in what has come so far; what is left over is the beginning of the next. */
export function messagesIn(text: string): { readonly messages: readonly CheckMessage[]; readonly rest: string } {
  const lines = text.split('\n');
  const rest = lines.pop() ?? '';
  return { messages: lines.map((line) => JSON.parse(line) as CheckMessage), rest };
}

export function toPlain(thrown: unknown): PlainError {
  if (!(thrown instanceof Error)) return { message: String(thrown) };
  const { message, stack } = thrown;
  const { code, hint } = thrown as Partial<GlyphError>;
  return {
    message,
    ...(code === undefined ? {} : { code }),
    ...(hint === undefined ? {} : { hint }),
    ...(stack === undefined ? {} : { stack }),
  };
}

/** The error again, so that it is shown as one of this process's own. */
export function fromPlain({ code, message, hint, stack }: PlainError): Error {
  if (code?.startsWith('GC_') === true) {
    return new GlyphError(code as ErrorCode, message, hint === undefined ? {} : { hint });
  }
  const error = new Error(message);
  if (stack !== undefined) error.stack = stack;
  return error;
}
