/**
 * Names and texts as SQLite writes and compares them.
 *
 * Invariant: what these return is one SQL token, whatever the input holds; input that no SQL text can hold (NUL ends a
 * statement) is refused.
 */
import { GlyphError } from '../errors.ts';

/**
 * A name as a quoted SQL identifier: `my "table"` becomes `"my ""table"""`.
 * @throws GC_BAD_ARGUMENT when it is not a string, is empty, or holds a NUL.
 */
export function quoteName(name: string): string {
  return `"${checked(name, 'A name').replaceAll('"', '""')}"`;
}

/**
 * A text as an SQL string literal: `it's` becomes `'it''s'`.
 * @throws GC_BAD_ARGUMENT when it is not a string or holds a NUL; `sqlLiteral` writes those too.
 */
export function quoteText(text: string): string {
  return `'${checked(text, 'A text', true).replaceAll("'", "''")}'`;
}

/** Whether SQLite takes two names for the same: ASCII letters compare without case, all others exactly. */
export function sameName(a: string, b: string): boolean {
  return a === b || (a.length === b.length && foldName(a) === foldName(b));
}

/** A name as the key of a Map: equal exactly when {@link sameName} is true. */
export function foldName(name: string): string {
  return name.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

function checked(text: string, what: string, mayBeEmpty = false): string {
  if (typeof text !== 'string') throw new GlyphError('GC_BAD_ARGUMENT', `${what} must be a string, not ${typeof text}`);
  if (text.includes('\0')) {
    throw new GlyphError('GC_BAD_ARGUMENT', `${what} must not hold a NUL character: ${JSON.stringify(text)}`);
  }
  if (text === '' && !mayBeEmpty) throw new GlyphError('GC_BAD_ARGUMENT', `${what} must not be empty`);
  return text;
}
