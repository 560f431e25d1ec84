/**
 * Goes through one expression from its first token to its last, and tells a visitor what it meets.
 *
 * No tree is built: what matters is where an operand must stand and where an operator may, which is enough to know every
 * word for what it is. Invariant: a word that is not known for certain ends the expression or refuses it.
 */
import { nameOf } from '../../../sdk/plugin.ts';
import type { Token } from '../../../sdk/plugin.ts';
import type { Cursor } from './cursor.ts';
import { refuse } from './cursor.ts';
import { readOrderBy } from './order.ts';
import type { ColumnUse, Span } from './types.ts';
import { firstNameIn, nameIn, upper } from './words.ts';
import { scanWindow, startsWindow } from './window.ts';

export interface Visitor {
  /** The cursor stands on the bracket before a SELECT, and must be left behind the one that closes it. */
  readonly subquery: (cursor: Cursor) => void;
  readonly column?: (use: ColumnUse) => void;
  /** In lower case. */
  readonly call?: (name: string) => void;
  /** OVER. */
  readonly window?: () => void;
  /** One in no brackets and no CASE, with its words in upper case: `NOT IN`. Not for signs before a number. */
  readonly operator?: (operator: string, at: number) => void;
}

const BINARY = new Set('+ - * / % & | << >> || < <= > >= = == <> != -> ->>'.split(' '));
const NEGATABLE = new Set(['LIKE', 'GLOB', 'REGEXP', 'MATCH', 'BETWEEN', 'IN']);
const BY_FUNCTION = new Set(['LIKE', 'GLOB', 'REGEXP', 'MATCH']);
const LITERAL_TYPES: ReadonlySet<Token['type']> = new Set(['number', 'string', 'blob', 'parameter']);
const LITERALS = new Set(['NULL', 'CURRENT_DATE', 'CURRENT_TIME', 'CURRENT_TIMESTAMP']);

/** Goes past an expression. The cursor then stands on the first token that cannot belong to it. */
export function scanExpression(cursor: Cursor, visitor: Visitor): Span {
  const from = cursor.at;
  new Scan(cursor, visitor).expression();
  return { from, to: cursor.at };
}

class Scan {
  readonly #cursor: Cursor;
  readonly #visitor: Visitor;
  /** The functions in whose brackets this stands, outermost first. */
  #inside: readonly string[] = [];
  /** How many brackets and CASEs deep. */
  #level = 0;

  constructor(cursor: Cursor, visitor: Visitor) {
    this.#cursor = cursor;
    this.#visitor = visitor;
  }

  readonly expression = (): void => {
    do this.#operand();
    while (this.#operator());
  };

  #operand(): void {
    const cursor = this.#cursor;
    this.#prefixes();
    const token = cursor.token();
    if (token?.type === 'word') this.#word(token.text.toUpperCase());
    else if (token?.type === 'quoted') this.#name();
    else if (token?.type === 'operator') this.#brackets();
    else this.#literal();
  }

  #literal(): void {
    const cursor = this.#cursor;
    const token = cursor.token() ?? cursor.stuck();
    if (!LITERAL_TYPES.has(token.type)) cursor.stuck();
    cursor.at++;
    // Otherwise 'x' could be a name, as in `'x'.id`.
    if (token.type === 'string' && cursor.isSign('.')) refuse(`it uses the string ${token.text} as a name`);
  }

  #prefixes(): void {
    const cursor = this.#cursor;
    for (;;) {
      if (cursor.isWord('NOT')) this.#meet('NOT', 1);
      else if (!cursor.takeSign('-') && !cursor.takeSign('+') && !cursor.takeSign('~')) return;
    }
  }

  #brackets(): void {
    const cursor = this.#cursor;
    if (cursor.isSelectInBrackets()) this.#visitor.subquery(cursor);
    else this.#within(() => cursor.inBrackets(() => cursor.list(this.expression)));
  }

  #word(word: string): void {
    const cursor = this.#cursor;
    if (LITERALS.has(word)) {
      cursor.at++;
      // They are calls to SQLite too: their value is that of the moment.
      if (word !== 'NULL') this.#visitor.call?.(word.toLowerCase());
    } else if (word === 'CASE') this.#within(() => cursor.deeper(() => this.#case()));
    else if (word === 'CAST' && cursor.isSign('(', 1)) this.#within(() => this.#cast());
    else if (word === 'EXISTS') {
      cursor.at++;
      if (!cursor.isSelectInBrackets()) cursor.stuck();
      this.#visitor.subquery(cursor);
    } else this.#name();
  }

  #case(): void {
    const cursor = this.#cursor;
    cursor.expectWord('CASE');
    if (!cursor.isWord('WHEN')) this.expression();
    do {
      cursor.expectWord('WHEN');
      this.expression();
      cursor.expectWord('THEN');
      this.expression();
    } while (cursor.isWord('WHEN'));
    if (cursor.takeWord('ELSE')) this.expression();
    cursor.expectWord('END');
  }

  #cast(): void {
    const cursor = this.#cursor;
    cursor.expectWord('CAST');
    cursor.inBrackets(() => {
      this.expression();
      cursor.expectWord('AS');
      cursor.expectName(nameIn);
      while (cursor.takeName(nameIn) !== undefined);
      // VARCHAR(20), DECIMAL(10, -2)
      if (cursor.isSign('(')) cursor.inBrackets(() => cursor.list(() => this.#signedNumber()));
    });
  }

  #signedNumber(): void {
    const cursor = this.#cursor;
    if (!cursor.takeSign('-')) cursor.takeSign('+');
    if (cursor.token()?.type !== 'number') cursor.stuck();
    cursor.at++;
  }

  #name(): void {
    const cursor = this.#cursor;
    const name = firstNameIn(cursor.token()) ?? cursor.stuck();
    if (cursor.isSign('(', 1)) this.#call(name);
    else this.#column(name);
  }

  #column(name: string): void {
    const cursor = this.#cursor;
    const orLiteral = ['TRUE', 'FALSE'].includes(upper(cursor.token()));
    const from = cursor.at++;
    const column = cursor.takeSign('.') ? cursor.expectName(nameIn) : undefined;
    if (cursor.isSign('.')) refuse('it names a column together with its schema');
    const whole = { span: { from, to: cursor.at }, insideOf: this.#inside };
    if (column === undefined) this.#visitor.column?.({ column: name, orLiteral, ...whole });
    else this.#visitor.column?.({ source: name, column, orLiteral: false, ...whole });
  }

  #call(name: string): void {
    const cursor = this.#cursor;
    const called = name.toLowerCase();
    this.#visitor.call?.(called);
    cursor.at++;
    const outside = this.#inside;
    this.#inside = [...outside, called];
    this.#within(() => {
      cursor.inBrackets(() => this.#arguments());
      if (cursor.isWord('FILTER') && cursor.isSign('(', 1)) {
        cursor.at++;
        cursor.inBrackets(() => {
          cursor.expectWord('WHERE');
          this.expression();
        });
      }
      this.#inside = outside;
      if (!startsWindow(cursor)) return;
      this.#visitor.window?.();
      scanWindow(cursor, this.expression);
    });
  }

  #arguments(): void {
    const cursor = this.#cursor;
    if (cursor.takeSign('*') || cursor.isSign(')')) return;
    cursor.takeWord('DISTINCT', 'ALL');
    cursor.list(this.expression);
    readOrderBy(cursor, this.expression);
  }

  /** Goes past what follows an operand. True when another operand must come. */
  #operator(): boolean {
    const cursor = this.#cursor;
    for (;;) {
      const token = cursor.token();
      if (token?.type === 'operator' && BINARY.has(token.text)) {
        this.#meet(token.text, 1);
        return true;
      }
      const word = upper(token);
      const negated = word === 'NOT';
      const operator = negated ? upper(cursor.token(1)) : word;
      if (NEGATABLE.has(operator)) {
        this.#meet(negated ? `NOT ${operator}` : operator, negated ? 2 : 1);
        if (operator !== 'IN') {
          if (BY_FUNCTION.has(operator)) this.#visitor.call?.(operator.toLowerCase());
          return true;
        }
        this.#in();
      } else if (negated && operator === 'NULL') this.#meet('NOTNULL', 2);
      else if (word === 'ISNULL' || word === 'NOTNULL') this.#meet(word, 1);
      else if (word === 'COLLATE') {
        this.#meet(word, 1);
        cursor.expectName(nameIn);
      } else return this.#joins(word);
    }
  }

  #joins(word: string): boolean {
    if (!['AND', 'OR', 'IS', 'ESCAPE'].includes(word)) return false;
    this.#meet(word, 1);
    if (word === 'IS') {
      this.#cursor.takeWord('NOT');
      if (this.#cursor.takeWord('DISTINCT')) this.#cursor.expectWord('FROM');
    }
    return true;
  }

  #in(): void {
    const cursor = this.#cursor;
    if (nameOf(cursor.token()) !== undefined) refuse('it has IN with the name of a table');
    if (cursor.isSelectInBrackets()) this.#visitor.subquery(cursor);
    else this.#within(() => cursor.inBrackets(() => !cursor.isSign(')') && cursor.list(this.expression)));
  }

  #meet(operator: string, tokens: number): void {
    if (this.#level === 0) this.#visitor.operator?.(operator, this.#cursor.at);
    this.#cursor.at += tokens;
  }

  #within(read: () => unknown): void {
    this.#level++;
    read();
    this.#level--;
  }
}
