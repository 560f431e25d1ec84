/**
 * SQLite's tokenizer, exactly: where a token begins and ends decides what a script is allowed to do.
 *
 * Invariants:
 * - Tokens are those of SQLite's sqlite3GetToken (tokenize.c), with one difference that only SQL errors can show: the
 *   forms `$a(b)` and `$a::b` are one parameter, as SQLite's own builds have it.
 * - What lies between two tokens is white space and comments, nothing else; a NUL ends the SQL, as it does for SQLite.
 */

/** `quoted` is "x", `x` or [x]; `string` is 'x'; `illegal` is what SQLite calls an unrecognized token. */
export type TokenType =
  'word' | 'quoted' | 'string' | 'blob' | 'number' | 'parameter' | 'operator' | 'semicolon' | 'illegal';

/** One token; `start` and `end` are offsets into the SQL text. */
export interface Token {
  readonly type: TokenType;
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

// Sticky patterns, each tried where its first character was seen. Characters beyond ASCII belong to names.
const SPACE = /[ \t\n\f\r][\t-\r ]*|\uFEFF/y;
const WORD = /[\w$\u0080-\uFFFF]+/y;
const NUMBER = /(?:0[xX][0-9a-fA-F][0-9a-fA-F_]*|[\d_]*(?:\.[\d_]*)?(?:[eE][+-]?\d[\d_]*)?)/y;
const REST_OF_WORD = /[\w$\u0080-\uFFFF]*/y;
const BLOB = /[xX]'(?:[0-9a-fA-F]{2})*'/y;
const BAD_BLOB = /[xX]'[^']*'?/y;
const NUMBERED = /\?\d*/y;
const NAMED = /[$@:#](?:[\w$\u0080-\uFFFF]|::)+(?:\([^\s)]*\))?/y;
const OPERATOR = /->>|->|==|=|<=|<>|<<|<|>=|>>|>|!=|\|\||[-+*/%(),&~|.]/y;
/**
 * The tokens of a script, without white space and comments.
 *
 * @example
 * ```ts
 * tokenize('SELECT 1 -- one').map((token) => token.text); // ['SELECT', '1']
 * ```
 */
export function tokenize(sql: string): Token[] {
  const nul = sql.indexOf('\0');
  const text = nul < 0 ? sql : sql.slice(0, nul);
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    const gap = gapAt(text, at);
    if (gap > 0) {
      at += gap;
      continue;
    }
    const [type, length] = tokenAt(text, at);
    tokens.push({ type, text: text.slice(at, at + length), start: at, end: at + length });
    at += length;
  }
  if (nul >= 0) tokens.push({ type: 'illegal', text: sql.slice(nul), start: nul, end: sql.length });
  return tokens;
}

/** The name a token spells when SQL expects a name there (SQLite takes 'x' for one too), else undefined. */
export function nameOf(token: Token | undefined): string | undefined {
  if (token === undefined) return undefined;
  if (token.type === 'word') return token.text;
  if (token.type !== 'quoted' && token.type !== 'string') return undefined;
  const quote = token.text.charAt(0);
  const inner = token.text.slice(1, -1);
  return quote === '[' ? inner : inner.replaceAll(quote + quote, quote);
}

/** Whether a token is the given keyword; keywords are upper case here. */
export function isKeyword(token: Token | undefined, ...keywords: readonly string[]): boolean {
  return token?.type === 'word' && keywords.includes(token.text.toUpperCase());
}

function tokenAt(text: string, at: number): readonly [TokenType, number] {
  const first = text.charAt(at);
  if (first === "'" || first === '"' || first === '`' || first === '[') {
    const end = closingQuote(text, at, first);
    // An unterminated one reaches to the end.
    return end < 0 ? ['illegal', text.length - at] : [first === "'" ? 'string' : 'quoted', end + 1 - at];
  }
  if (first === ';') return ['semicolon', 1];
  if (first === '?') return ['parameter', lengthAt(NUMBERED, text, at)];
  if (isDigit(first) || (first === '.' && isDigit(text.charAt(at + 1)))) return numberAt(text, at);
  if ('$@:#'.includes(first)) {
    const length = lengthAt(NAMED, text, at);
    return length === 0 ? ['illegal', 1] : ['parameter', length];
  }
  if ((first === 'x' || first === 'X') && text.charAt(at + 1) === "'") {
    const length = lengthAt(BLOB, text, at);
    return length > 0 ? ['blob', length] : ['illegal', lengthAt(BAD_BLOB, text, at)];
  }
  const word = lengthAt(WORD, text, at);
  if (word > 0) return ['word', word];
  const operator = lengthAt(OPERATOR, text, at);
  return operator > 0 ? ['operator', operator] : ['illegal', 1];
}

/** The length of the white space or comment at an offset, 0 when neither is there. */
function gapAt(text: string, at: number): number {
  if (text.startsWith('--', at)) {
    const end = text.indexOf('\n', at);
    return (end < 0 ? text.length : end) - at;
  }
  // For SQLite "/*" as the very last characters are two operators.
  if (text.startsWith('/*', at) && at + 2 < text.length) {
    const end = text.indexOf('*/', at + 2);
    return (end < 0 ? text.length : end + 2) - at;
  }
  return lengthAt(SPACE, text, at);
}

/** Scans without a pattern: a literal may be many megabytes long. */
function closingQuote(text: string, at: number, quote: string): number {
  if (quote === '[') return text.indexOf(']', at + 1);
  let end = text.indexOf(quote, at + 1);
  while (end >= 0 && text.charAt(end + 1) === quote) end = text.indexOf(quote, end + 2);
  return end;
}

function numberAt(text: string, at: number): readonly [TokenType, number] {
  const length = lengthAt(NUMBER, text, at);
  const rest = lengthAt(REST_OF_WORD, text, at + length);
  return [rest > 0 ? 'illegal' : 'number', length + rest];
}

function isDigit(character: string): boolean {
  return character >= '0' && character <= '9';
}

function lengthAt(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex - at : 0;
}
