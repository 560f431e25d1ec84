/** What can be wrong with a plugin's file: each fault says which file, where in it, and what to do. */
import { GlyphError, messageOf } from '../../kernel/errors.ts';
import type { ErrorDetails } from '../../kernel/errors.ts';

/** A fault of a plugin's file. `where` is a file, or `file:line:column`. */
export function badFile(where: string, message: string, details: Omit<ErrorDetails, 'phase'> = {}): GlyphError {
  return new GlyphError('GC_BAD_PLUGIN', `${where}: ${message}`, { ...details, phase: 'load' });
}

export interface InFile {
  readonly hint?: string;
  /** `file:line:column` from which it was thrown. */
  readonly at?: string | undefined;
}

/** The same error with the file in front of its message, and the place behind it, unless they are there already. */
export function inFile(where: string, thrown: unknown, { hint, at }: InFile = {}): GlyphError {
  const message = messageOf(thrown);
  const place = at === undefined || message.includes(at) ? '' : ` (at ${at})`;
  const text = `${message.includes(where) ? '' : `${where}: `}${message}${place}`;
  if (!(thrown instanceof GlyphError)) {
    return new GlyphError('GC_BAD_PLUGIN', text, {
      phase: 'load',
      cause: thrown,
      ...(hint === undefined ? {} : { hint }),
    });
  }
  if (text === message) return thrown;
  const { code, plugin, phase, cause } = thrown;
  return new GlyphError(code, text, {
    hint: hint ?? thrown.hint,
    ...(plugin === undefined ? {} : { plugin }),
    ...(phase === undefined ? {} : { phase }),
    cause: cause ?? thrown,
  });
}
