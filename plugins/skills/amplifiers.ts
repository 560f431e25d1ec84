/**
 * SQL functions that make much out of little: `zeroblob(1e9)`, `printf('%.*c', 1e9, 'x')`.
 *
 * Invariant: a call passes only if its text alone bounds the result. Values grow in other ways too (`replace`, `||`); this
 * keeps the few that need neither data nor effort out of the host's memory, and SQLite's own limit of half a
 * gigabyte a value does the rest.
 */
import { nameOf, tokenize } from '../../sdk/plugin.ts';
import type { Token } from '../../sdk/plugin.ts';

/** Most bytes that one of these calls may make. */
export const MAX_MADE = 1_000_000;

/** The first call in a statement whose result has no bound that can be seen, as `zeroblob(…)`; undefined when there is none. */
export function unboundedCall(sql: string): string | undefined {
  if (!/zeroblob|randomblob|printf|format/i.test(sql)) return undefined;
  const tokens = tokenize(sql);
  for (const [index, token] of tokens.entries()) {
    const name = nameOf(token)?.toLowerCase() ?? '';
    if (tokens[index + 1]?.text !== '(') continue;
    const [argument, next] = [tokens[index + 2], tokens[index + 3]];
    if (BLOBS.has(name) && !isSmallNumber(argument, next)) return `${name}()`;
    if (FORMATS.has(name) && !isPlainFormat(argument, next)) return `${name}()`;
  }
  return undefined;
}

const BLOBS = new Set(['zeroblob', 'randomblob']);
const FORMATS = new Set(['printf', 'format']);

const isSmallNumber = (argument: Token | undefined, next: Token | undefined): boolean =>
  argument?.type === 'number' && next?.text === ')' && Number(argument.text) <= MAX_MADE;

/** A text in the statement itself, without widths from parameters (`*`) or of five digits. */
const isPlainFormat = (argument: Token | undefined, next: Token | undefined): boolean =>
  argument?.type === 'string' &&
  (next?.text === ')' || next?.text === ',') &&
  !/%[^a-zA-Z%]*(\*|\d{5})/.test(argument.text);
