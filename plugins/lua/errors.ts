/**
 * Turns what ended a Lua call into the `GlyphError` the host sees.
 *
 * Invariant: the message begins with the script's own file and line, `cause` carries traceback and value, and an error that a host
 * function threw keeps its code all the way through Lua, even when the script caught and raised it again.
 */
import { GlyphError, messageOf } from '../../sdk/plugin.ts';
import type { ErrorCode } from '../../sdk/plugin.ts';
import { LUA } from './module.ts';
import type { LuaErrorCause, LuaValue } from './types.ts';

const NOT_ENOUGH_MEMORY = 'not enough memory';
/** Longest message of a script's error; a host function's own may be as long in front of it. */
const MAX_MESSAGE = 2_000;
/** Position in front of a message. */
const MAX_PLACE = 200;
/** Host errors remembered within one operation, to be recognised when they come out. */
const MAX_REMEMBERED = 8;

/** What the message handler saw when a call failed. */
export interface Failure {
  readonly value: LuaValue | undefined;
  readonly traceback: string;
}

/** The host functions' errors of the operation under way. */
export class HostErrors {
  #recent: { readonly text: string; readonly error: unknown }[] = [];

  clear(): void {
    if (this.#recent.length > 0) this.#recent = [];
  }

  /** Remembers an error under the text that Lua sees. */
  remember(text: string, error: unknown): void {
    this.#recent.push({ text, error });
    if (this.#recent.length > MAX_REMEMBERED) this.#recent.shift();
  }

  /** The error behind a Lua error message. A script may have put another position before it. */
  find(message: string): unknown {
    return this.#recent.findLast((each) => message === each.text || message.endsWith(`: ${each.text}`))?.error;
  }
}

/** The text of a host function's error as Lua gets it, without position. */
export function hostMessage(thrown: unknown): string {
  return shortened(messageOf(thrown));
}

/** A script may raise megabytes, and an error is kept, logged and stored. The end stays: there stands what was raised first. */
function shortened(text: string, most = MAX_MESSAGE): string {
  return text.length > most ? `${text.slice(0, most - MAX_PLACE)}…${text.slice(-MAX_PLACE)}` : text;
}

/** The error for a protected call that ended with `status`. `state` is the name of the Lua state. */
export function luaError(state: string, status: number, failure: Failure, hostErrors: HostErrors): GlyphError {
  const whole = typeof failure.value === 'string' ? failure.value : placeOf(failure) + messageFor(failure.value);
  const hostError = hostErrors.find(whole);
  const message = shortened(whole, MAX_MESSAGE + MAX_PLACE);
  const cause: LuaErrorCause = { kind: 'lua-error', ...failure, ...(hostError === undefined ? {} : { hostError }) };
  if (status === LUA.errorMemory || message === NOT_ENOUGH_MEMORY) {
    return new GlyphError('GC_LUA_MEMORY', `${state}: the script needs more memory than its limit`, { cause });
  }
  if (hostError instanceof GlyphError) return renewed(hostError, message, cause);
  return new GlyphError(codeFor(status), message, { cause });
}

function codeFor(status: number): ErrorCode {
  return status === LUA.errorSyntax ? 'GC_LUA_SYNTAX' : 'GC_LUA';
}

/** The same error with the position in the script before its message. */
function renewed(original: GlyphError, message: string, cause: LuaErrorCause): GlyphError {
  const { hint, plugin, skill, phase } = original;
  return new GlyphError(original.code, message, {
    hint,
    cause,
    ...(plugin === undefined ? {} : { plugin }),
    ...(skill === undefined ? {} : { skill }),
    ...(phase === undefined ? {} : { phase }),
  });
}

/** `file:line: ` of the innermost script function. Lua itself puts it only before messages that are strings. */
function placeOf(failure: Failure): string {
  return /^(?!\[C\])(\S+:\d+: )in /m.exec(failure.traceback)?.[1] ?? '';
}

/** Text for what a script may raise other than a string: a table with a `message`, or something else. */
function messageFor(value: LuaValue | undefined): string {
  if (typeof value === 'object' && value !== null && !Array.isArray(value) && 'message' in value) {
    const { message } = value;
    if (typeof message === 'string') return message;
  }
  if (value === undefined) return 'the script raised a value that cannot be shown';
  if (value instanceof Uint8Array) return Buffer.from(value).toString();
  const shown = JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? String(each) : each));
  return `the script raised ${shortened(shown)}`;
}
