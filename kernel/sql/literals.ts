/**
 * JavaScript values as SQL literals, and statements with their parameters written out.
 *
 * Invariant: `SELECT ${sqlLiteral(v)}` gives exactly the value and type that binding `v` gives. Column names and
 * affinities of a statement stay, except that a result column without an alias is named after its text.
 */
import type { Params } from '../database/types.ts';
import { GlyphError } from '../errors.ts';
import { isKeyword, tokenize } from './lexer.ts';
import type { Token } from './lexer.ts';
import { toSqlValue } from '../database/values.ts';
import type { BoundValue } from '../database/values.ts';

/**
 * A value as one SQL literal (in brackets where it is an expression).
 * @param place where the value stands, for the message of a value that cannot be stored.
 * @throws GC_BAD_VALUE
 */
export function sqlLiteral(value: unknown, place = 'the value'): string {
  return literalOf(toSqlValue(value, place));
}

/**
 * Replaces every parameter of a statement by the literal of its value.
 *
 * `params` as an array goes by SQLite's parameter numbers (`?` is one more than the largest so far, `?3` is 3, a name is
 * numbered where it first stands); as an object, by name without the prefix. Prepare the statement as it was first: a
 * text literal may stand where a parameter may not, such as `FROM ?`.
 *
 * @throws GC_BAD_ARGUMENT when a value is missing or there are too many; GC_BAD_VALUE for a value that cannot be stored.
 * @example
 * ```ts
 * literalise('SELECT * FROM t WHERE a = ? AND b > :min', ['x', -1]); // "SELECT * FROM t WHERE a = 'x' AND b > (-1)"
 * ```
 */
export function literalise(sql: string, params: Params = []): string {
  const valueOf = Array.isArray(params) ? byNumber(params) : byName(params as Readonly<Record<string, unknown>>);
  const numbers = new Map<string, number>();
  let largest = 0;
  const numberOf = (text: string): number => {
    const number = /^\?\d/.test(text)
      ? Number(text.slice(1))
      : text === '?'
        ? largest + 1
        : (numbers.get(text) ?? largest + 1);
    if (text !== '?') numbers.set(text, number);
    largest = Math.max(largest, number);
    return number;
  };
  const terms = new OrderTerms();
  let result = '';
  let at = 0;
  for (const token of tokenize(sql)) {
    terms.see(token);
    if (token.type !== 'parameter') continue;
    const literal = literalOf(valueOf(token.text, numberOf(token.text)));
    const safe = terms.isTerm && /^\d+$/.test(literal) ? `ifnull(${literal}, NULL)` : literal;
    result += sql.slice(at, token.start) + spaced(safe, sql.charAt(token.start - 1), sql.charAt(token.end));
    at = token.end;
  }
  if (Array.isArray(params) && params.length > largest) {
    throw new GlyphError(
      'GC_BAD_ARGUMENT',
      `The statement takes ${largest} parameters, but ${params.length} were given`,
    );
  }
  return result + sql.slice(at);
}

/**
 * Knows whether a parameter stands right after ORDER BY or GROUP BY, or after a comma there: an integer literal in its
 * place would mean a column's position.
 */
class OrderTerms {
  isTerm = false;
  #depth = 0;
  /** Depths at which a BY list is open. */
  readonly #lists = new Set<number>();
  #previous: Token | undefined;

  see(token: Token): void {
    const after = this.#previous;
    this.#previous = token;
    this.isTerm = this.#lists.has(this.#depth) && (isKeyword(after, 'BY') || after?.text === ',');
    if (token.text === '(') this.#lists.delete(++this.#depth);
    else if (token.text === ')') this.#depth -= 1;
    else if (isKeyword(token, 'BY')) this.#lists.add(this.#depth);
    else if (isKeyword(token, 'LIMIT', 'HAVING', 'WINDOW', 'SELECT', 'VALUES')) this.#lists.delete(this.#depth);
  }
}

function byNumber(params: readonly unknown[]): (text: string, number: number) => BoundValue {
  return (text, number) => {
    if (number > params.length) {
      const message = `No value for parameter ${text} (number ${number}): ${params.length} were given`;
      throw new GlyphError('GC_BAD_ARGUMENT', message);
    }
    return toSqlValue(params[number - 1], `parameter ${number}`);
  };
}

function byName(params: Readonly<Record<string, unknown>>): (text: string) => BoundValue {
  return (text) => {
    const name = text.slice(1);
    if (name === '' || !Object.hasOwn(params, name)) {
      throw new GlyphError(
        'GC_BAD_ARGUMENT',
        `No value for parameter ${text}: the names given are ${Object.keys(params).join(', ') || 'none'}`,
      );
    }
    return toSqlValue(params[name], `parameter "${name}"`);
  };
}

function literalOf(value: BoundValue): string {
  if (value === null) return 'NULL';
  if (typeof value === 'bigint') return value < 0n ? `(${value})` : `${value}`;
  if (typeof value === 'number') return realLiteral(value);
  if (typeof value === 'string') return textLiteral(value);
  return `x'${hex(value)}'`;
}

function realLiteral(value: number): string {
  if (Number.isNaN(value)) return 'NULL';
  const size = Math.abs(value);
  const text = size === Infinity ? '9e999' : String(size);
  const real = /[.e]/.test(text) ? text : `${text}.0`;
  return value < 0 || Object.is(value, -0) ? `(-${real})` : real;
}

function textLiteral(value: string): string {
  if (!value.includes('\0')) return `'${value.replaceAll("'", "''")}'`;
  // The concatenation takes away the affinity that CAST gives and a parameter does not have.
  return `(CAST(x'${hex(Buffer.from(value, 'utf8'))}' AS TEXT) || '')`;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}

/** Keeps the literal a token of its own: `a=?AND` must not become `a=5AND`. */
function spaced(literal: string, before: string, after: string): string {
  const apart = /[\s(),;]|^$/;
  return (apart.test(before) ? '' : ' ') + literal + (apart.test(after) ? '' : ' ');
}
