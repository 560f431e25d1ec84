/**
 * Splits Lua 5.4 into tokens (Lua manual, §3.1): names, keywords, strings, numbers, operators, each with its line.
 *
 * Invariant: it never fails; of a script that does not compile it yields what it understands, for the compiler says what is wrong.
 */

export interface LuaToken {
  readonly kind: 'name' | 'keyword' | 'string' | 'number' | 'operator';
  /** As it stands in the script; of a string what it means. */
  readonly text: string;
  readonly line: number;
}

const KEYWORDS = new Set(
  'and break do else elseif end false for function goto if in local nil not or repeat return then true until while'.split(
    ' ',
  ),
);

const SPACE = /[ \t\r\f\v]+/y;
const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;
const NUMBER = /0[xX][0-9a-fA-F.]+(?:[pP][+-]?\d+)?|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?/y;
const LONG_OPEN = /\[(=*)\[/y;
const OPERATOR = /\.\.\.|\.\.|::|\/\/|<<|>>|[=~<>]=|[-+*/%^#&~|<>=(){}[\];:,.]/y;
const ESCAPES: Readonly<Record<string, string>> = {
  a: '\u0007',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

/** The tokens of a script, comments left out. */
export function tokenizeLua(source: string): readonly LuaToken[] {
  return new LuaLexer(source).all();
}

class LuaLexer {
  readonly #source: string;
  readonly #tokens: LuaToken[] = [];
  #at = 0;
  #line = 1;

  constructor(source: string) {
    this.#source = source;
  }

  all(): readonly LuaToken[] {
    if (this.#source.startsWith('#')) this.#skipLine();
    while (this.#at < this.#source.length) this.#next();
    return this.#tokens;
  }

  #next(): void {
    if (this.#match(SPACE) !== undefined) return;
    const char = this.#source.charAt(this.#at);
    if (char === '\n') {
      this.#line += 1;
      this.#at += 1;
    } else if (this.#source.startsWith('--', this.#at)) this.#skipComment();
    else if (char === '"' || char === "'") this.#quoted(char);
    else if (!this.#long('string')) this.#word();
  }

  #word(): void {
    const line = this.#line;
    const name = this.#match(NAME)?.[0];
    if (name !== undefined) {
      this.#tokens.push({ kind: KEYWORDS.has(name) ? 'keyword' : 'name', text: name, line });
      return;
    }
    const number = this.#match(NUMBER)?.[0];
    const operator = number === undefined ? this.#match(OPERATOR)?.[0] : undefined;
    if (number !== undefined) this.#tokens.push({ kind: 'number', text: number, line });
    else if (operator !== undefined) this.#tokens.push({ kind: 'operator', text: operator, line });
    else this.#at += 1;
  }

  #skipComment(): void {
    this.#at += 2;
    if (!this.#long('comment')) this.#skipLine();
  }

  #skipLine(): void {
    const end = this.#source.indexOf('\n', this.#at);
    this.#at = end < 0 ? this.#source.length : end;
  }

  /** `[[…]]` and `[==[…]==]`, if there is one here. */
  #long(kind: 'string' | 'comment'): boolean {
    const line = this.#line;
    const open = this.#match(LONG_OPEN);
    if (open === undefined) return false;
    const close = this.#source.indexOf(`]${open[1] ?? ''}]`, this.#at);
    const end = close < 0 ? this.#source.length : close;
    const text = this.#source.slice(this.#at, end);
    this.#line += text.split('\n').length - 1;
    this.#at = close < 0 ? end : end + open[0].length;
    // A newline right after the bracket is not part of it.
    if (kind === 'string') this.#tokens.push({ kind, text: text.replace(/^\r?\n/, ''), line });
    return true;
  }

  #quoted(quote: string): void {
    const line = this.#line;
    let text = '';
    for (this.#at += 1; this.#at < this.#source.length; this.#at++) {
      const char = this.#source.charAt(this.#at);
      if (char === quote || char === '\n') break;
      text += char === '\\' ? this.#escape() : char;
    }
    if (this.#source.charAt(this.#at) === quote) this.#at += 1;
    this.#tokens.push({ kind: 'string', text, line });
  }

  /** What an escape means; afterwards the lexer stands on its last character. */
  #escape(): string {
    this.#at += 1;
    const rest = this.#source.slice(this.#at, this.#at + 12);
    const char = rest.charAt(0);
    if (char === '\n') {
      this.#line += 1;
      return '\n';
    }
    const blank = /^z\s*/.exec(this.#source.slice(this.#at));
    if (blank !== null) {
      this.#line += blank[0].split('\n').length - 1;
      this.#at += blank[0].length - 1;
      return '';
    }
    const [whole, decimal, hex, code] = /^(?:(\d{1,3})|x([0-9a-fA-F]{2})|u\{([0-9a-fA-F]{1,6})\})/.exec(rest) ?? [];
    if (whole === undefined) return ESCAPES[char] ?? char;
    this.#at += whole.length - 1;
    if (decimal !== undefined) return String.fromCharCode(Number(decimal) & 255);
    const number = Number.parseInt(hex ?? code ?? '', 16);
    return number <= 0x10ffff ? String.fromCodePoint(number) : '';
  }

  #match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#source);
    if (found === null) return undefined;
    this.#at += found[0].length;
    return found;
  }
}
