/**
 * SQL functions that take the product of two texts' lengths: `instr`, `replace`, `trim`, `json_patch`. SQLite cannot be
 * interrupted within one.
 *
 * Invariant: in a skill's statement the text that is searched for is short: seen to be, or held to it when the statement runs.
 */
import { GlyphError, nameOf, tokenize } from '../../sdk/plugin.ts';
import type { Database, Token } from '../../sdk/plugin.ts';

/** Most bytes of a text that is searched for, or merged into another. */
const MAX_SHORT = 1024;
const SHORT = '_glyphcase_short';
const SLOW = new Set(['instr', 'replace', 'trim', 'ltrim', 'rtrim', 'unhex', 'json_patch', 'jsonb_patch']);
/** After these stands a table of that name, and no function. */
const BEFORE_TABLE = /^(into|table|with)$/i;

interface Range {
  readonly start: number;
  readonly end: number;
}

/** The statement with its second arguments held to be short; itself when they are seen to be. */
export function withShortTexts(db: Database, sql: string): string {
  const ranges = longTexts(sql);
  if (ranges.length === 0) return sql;
  register(db);
  const cuts = ranges.flatMap(({ start, end }) => [
    { at: start, text: ` ${SHORT}(` },
    { at: end, text: ')' },
  ]);
  let text = sql;
  for (const cut of cuts.sort((a, b) => b.at - a.at)) text = text.slice(0, cut.at) + cut.text + text.slice(cut.at);
  return text;
}

/** Whether a text of SQL calls one of them with something whose length only shows when it runs. */
export const callsSlowly = (sql: string): boolean => longTexts(sql).length > 0;

/** Where the second arguments stand that are no short literals. */
function longTexts(sql: string): readonly Range[] {
  if (!/instr|replace|trim|unhex|patch/i.test(sql)) return [];
  const tokens = tokenize(sql);
  return tokens.flatMap((token, at) => {
    if (tokens[at + 1]?.text !== '(' || !SLOW.has(nameOf(token)?.toLowerCase() ?? '')) return [];
    if (BEFORE_TABLE.test(tokens[at - 1]?.text ?? '')) return [];
    const argument = secondArgument(tokens, at + 2);
    const [first] = argument;
    const last = argument.at(-1);
    if (first === undefined || last === undefined) return [];
    const isLiteral =
      argument.length === 1 && /^(string|number|blob)$/.test(first.type) && first.text.length <= MAX_SHORT;
    return isLiteral ? [] : [{ start: first.start, end: last.end }];
  });
}

function secondArgument(tokens: readonly Token[], from: number): readonly Token[] {
  const argument: Token[] = [];
  let depth = 0;
  let commas = 0;
  for (const token of tokens.slice(from)) {
    if (token.text === ')' && depth === 0) break;
    if (token.text === ',' && depth === 0) commas += 1;
    else if (commas === 1) argument.push(token);
    if (token.text === '(') depth += 1;
    if (token.text === ')') depth -= 1;
  }
  return argument;
}

const known = new WeakSet<Database>();

function register(db: Database): void {
  if (known.has(db)) return;
  known.add(db);
  // Integers as BigInt, so that what goes in comes out: 1 stays an integer and 1.0 a real.
  db.sqlite.function(SHORT, { deterministic: true, directOnly: true, safeIntegers: true }, (value: unknown) => {
    if ((typeof value === 'string' || value instanceof Uint8Array) && value.length > MAX_SHORT) {
      throw new GlyphError(
        'GC_BAD_ARGUMENT',
        `instr, replace, trim and json_patch take a second text of at most ${MAX_SHORT} characters`,
        { hint: 'Longer texts are compared in Lua: string.find(text, part, 1, true), string.gsub.' },
      );
    }
    return value;
  });
}
