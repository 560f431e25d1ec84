/**
 * Walks over the tokens of a SELECT, and the one way to give up: `refuse`.
 *
 * Invariant: whoever reads with a cursor moves it forward or refuses, and never goes deeper than MAX_DEPTH brackets.
 */
import type { Token } from '../../../sdk/plugin.ts';
import type { Refusal, Span } from './types.ts';
import { upper } from './words.ts';

const MAX_DEPTH = 50;
const SHOWN = 40;

/** Thrown by the readers, caught by `attempt`. */
class Refused extends Error {}

/** What was read, or the refusal with which reading ended. */
export function attempt<T>(read: () => T): T | Refusal {
  try {
    return read();
  } catch (error) {
    if (error instanceof Refused) return { refused: error.message };
    throw error;
  }
}

/** Ends the reading. @param clause why, as a clause: `it has a RIGHT JOIN`. */
export function refuse(clause: string): never {
  throw new Refused(clause);
}

export class Cursor {
  readonly tokens: readonly Token[];
  /** The position of the next token. */
  at: number;
  readonly #end: number;
  #depth = 0;

  constructor(tokens: readonly Token[], span: Span = { from: 0, to: tokens.length }) {
    this.tokens = tokens;
    this.at = span.from;
    this.#end = span.to;
  }

  /** The next token, or one further on; undefined at the end. */
  token(further = 0): Token | undefined {
    const at = this.at + further;
    return at < this.#end ? this.tokens[at] : undefined;
  }

  isWord(...keywords: readonly string[]): boolean {
    return keywords.includes(upper(this.token()));
  }

  /** Goes past the next token if it is one of the keywords. */
  takeWord(...keywords: readonly string[]): boolean {
    return this.#take(this.isWord(...keywords));
  }

  expectWord(...keywords: readonly string[]): void {
    if (!this.takeWord(...keywords)) this.stuck();
  }

  isSign(sign: string, further = 0): boolean {
    const token = this.token(further);
    return token?.type === 'operator' && token.text === sign;
  }

  /** Goes past the next token if it is this operator, bracket or comma. */
  takeSign(sign: string): boolean {
    return this.#take(this.isSign(sign));
  }

  expectSign(sign: string): void {
    if (!this.takeSign(sign)) this.stuck();
  }

  /** Goes past a name that `nameOf` finds in the next token. */
  takeName(nameOf: (token: Token | undefined) => string | undefined): string | undefined {
    const name = nameOf(this.token());
    if (name !== undefined) this.at++;
    return name;
  }

  expectName(nameOf: (token: Token | undefined) => string | undefined): string {
    return this.takeName(nameOf) ?? this.stuck();
  }

  /** One or more, with commas between them. */
  list<T>(read: () => T): T[] {
    const all = [read()];
    while (this.takeSign(',')) all.push(read());
    return all;
  }

  /** What is read inside of brackets. */
  inBrackets<T>(read: () => T): T {
    this.expectSign('(');
    const inner = this.deeper(read);
    this.expectSign(')');
    return inner;
  }

  deeper<T>(read: () => T): T {
    if (++this.#depth > MAX_DEPTH) refuse(`it is nested more than ${MAX_DEPTH} levels deep`);
    const inner = read();
    this.#depth--;
    return inner;
  }

  /** Whether a SELECT in brackets stands here. */
  isSelectInBrackets(): boolean {
    return this.isSign('(') && ['SELECT', 'WITH', 'VALUES'].includes(upper(this.token(1)));
  }

  expectEnd(): void {
    if (this.token() !== undefined) this.stuck();
  }

  /** Refuses what stands here. */
  stuck(): never {
    const token = this.token();
    if (token === undefined) return refuse('it ends too early');
    const { text } = token;
    return refuse(`it is not understood from “${text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text}” on`);
  }

  #take(isThere: boolean): boolean {
    if (isThere) this.at++;
    return isThere;
  }
}
