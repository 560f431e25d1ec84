/**
 * Reads a watcher's filter: what it means, and which part of it many watchers can share.
 *
 * Invariant: a filter means to a row exactly what `WHERE <filter>` means on the table. Only `column = literal` is taken
 * apart; everything else keeps its text, its literals included.
 */
import {
  GlyphError,
  isKeyword,
  literalise,
  messageOf,
  nameOf,
  quoteName,
  sameName,
  tokenize,
} from '../../sdk/plugin.ts';
import type { Database, Params, Token } from '../../sdk/plugin.ts';
import type { LoggedColumn, TableLayout } from './layout.ts';

/** A filter, read. Two filters with the same `shape` differ only in `constants`. */
export interface Filter {
  /** With parameters written out and without a leading WHERE. */
  readonly text: string;
  readonly shape: string;
  /** Columns compared with a constant, in the order of `constants`. */
  readonly columns: readonly LoggedColumn[];
  /** SQL literals. */
  readonly constants: readonly string[];
  /** What is left of the condition; empty when nothing is. */
  readonly rest: string;
}

/**
 * @throws GC_BAD_FILTER for what is no expression over the table's own columns, or depends on more than the row.
 */
export function readFilter(db: Database, layout: TableLayout, filter: string, params: Params = []): Filter {
  const text = literalise(withoutWhere(layout, filter), params);
  checkFilter(db, layout, text);
  const conjuncts = splitConjuncts(text);
  const columns: LoggedColumn[] = [];
  const constants: string[] = [];
  const rest: string[] = [];
  for (const conjunct of conjuncts) {
    const equality = readEquality(layout, conjunct);
    if (equality === undefined || columns.includes(equality.column)) {
      rest.push(conjunct);
    } else {
      columns.push(equality.column);
      constants.push(equality.literal);
    }
  }
  const restText = rest.map((part) => `(${part})`).join(' AND ');
  return {
    text,
    shape: JSON.stringify([columns.map((column) => column.name), restText]),
    columns,
    constants,
    rest: restText,
  };
}

function withoutWhere(layout: TableLayout, filter: string): string {
  const tokens = tokenize(filter);
  const [first] = tokens;
  const body = isKeyword(first, 'WHERE') && first !== undefined ? filter.slice(first.end) : filter;
  if (tokens.length === 0 || body.trim() === '') throw badFilter(layout, filter, 'it is empty');
  let depth = 0;
  for (const token of tokens) {
    if (token.type === 'semicolon') throw badFilter(layout, filter, 'it holds more than one statement');
    if (token.text === '(') depth += 1;
    if (token.text === ')') depth -= 1;
    // A closing bracket too many would end the condition that GlyphCase puts around the filter.
    if (depth < 0 || token.type === 'illegal') break;
    if (isKeyword(token, 'SELECT', 'VALUES')) throw dependsOnMore(layout, filter, 'it holds a subquery');
  }
  if (depth !== 0) throw badFilter(layout, filter, 'its brackets do not match');
  return body.trim();
}

const CLOCKS = ['CURRENT_TIMESTAMP', 'CURRENT_DATE', 'CURRENT_TIME'] as const;
const UNSTABLE = new Set(['random', 'randomblob', 'changes', 'total_changes', 'last_insert_rowid']);
const DATES = new Set(['date', 'time', 'datetime', 'julianday', 'unixepoch', 'strftime', 'timediff']);

/** Lets SQLite judge the filter on the table itself, then looks for what has no true "enter" and "leave". */
function checkFilter(db: Database, layout: TableLayout, text: string): void {
  try {
    db.prepare(`SELECT 1 FROM main.${quoteName(layout.table)} WHERE (${text}\n)`);
  } catch (error) {
    throw badFilter(layout, text, messageOf(error), hintFor(layout, text, error));
  }
  const tokens = tokenize(text);
  tokens.forEach((token, index) => {
    if (isKeyword(token, ...CLOCKS)) throw dependsOnMore(layout, text, `${token.text} changes with time`);
    const called = tokens[index + 1]?.text === '(' ? (nameOf(token) ?? '').toLowerCase() : '';
    if (UNSTABLE.has(called)) throw dependsOnMore(layout, text, `${called}() is different each time`);
    if (DATES.has(called) && readsClock(tokens, index + 2))
      throw dependsOnMore(layout, text, `${called}('now') changes with time`);
  });
}

/** True for date functions without a time value, or with 'now' (https://sqlite.org/lang_datefunc.html). */
function readsClock(tokens: readonly Token[], from: number): boolean {
  let depth = 1;
  let values = 0;
  for (const token of tokens.slice(from)) {
    if (token.text === '(') depth += 1;
    if (token.text === ')') depth -= 1;
    if (depth === 0) break;
    values += 1;
    if (token.type === 'string' && /^'now'$/i.test(token.text)) return true;
  }
  return values === 0;
}

/** The parts of a condition that are joined by AND at its top; one part when anything binds more loosely. */
function splitConjuncts(text: string): readonly string[] {
  const tokens = tokenize(text);
  const cuts: Token[] = [];
  let depth = 0;
  let betweens = 0;
  for (const token of tokens) {
    if (token.text === '(') depth += 1;
    if (token.text === ')') depth -= 1;
    if (isKeyword(token, 'CASE')) depth += 1;
    if (isKeyword(token, 'END')) depth -= 1;
    if (depth > 0) continue;
    if (isKeyword(token, 'OR')) return [text];
    if (isKeyword(token, 'BETWEEN')) betweens += 1;
    else if (isKeyword(token, 'AND')) {
      if (betweens > 0) betweens -= 1;
      else cuts.push(token);
    }
  }
  const starts = [0, ...cuts.map((cut) => cut.end)];
  return starts.map((start, index) => text.slice(start, cuts[index]?.start ?? text.length).trim());
}

/** `column = literal`, `"column" == literal` or `table.column = literal`, and nothing else. */
function readEquality(
  layout: TableLayout,
  text: string,
): { readonly column: LoggedColumn; readonly literal: string } | undefined {
  const tokens = tokenize(text);
  const qualified = tokens[1]?.text === '.';
  const own = !qualified || sameName(nameOf(tokens[0]) ?? '', layout.table);
  const [name, operator, ...literal] = qualified ? tokens.slice(2) : tokens;
  if (!own || (operator?.text !== '=' && operator?.text !== '==')) return undefined;
  const wanted = nameOf(name);
  const column = layout.columns.find((one) => wanted !== undefined && sameName(one.name, wanted));
  if (column === undefined || !isLiteral(literal)) return undefined;
  // Stored in a REAL column such an integer is rounded, and then equals reals that it does not equal as it is written.
  if (column.affinity === 'REAL' && literal.some((token) => /^(\d{16,}|0x[0-9a-f]{14,})$/i.test(token.text)))
    return undefined;
  return { column, literal: text.slice(literal[0]?.start ?? 0) };
}

/** A plain constant; a double-quoted text is a name to SQLite, so it is none. */
function isLiteral(tokens: readonly Token[]): boolean {
  const bare = tokens[0]?.text === '(' && tokens.at(-1)?.text === ')' ? tokens.slice(1, -1) : tokens;
  const unsigned = ['-', '+'].includes(bare[0]?.text ?? '') ? bare.slice(1) : bare;
  const [only] = unsigned;
  if (unsigned.length !== 1 || only === undefined) return false;
  if (only.type === 'number') return true;
  return unsigned === bare && (only.type === 'string' || only.type === 'blob' || isKeyword(only, 'NULL'));
}

function hintFor(layout: TableLayout, text: string, error: unknown): string | undefined {
  const quoted = tokenize(text).find(
    (token) =>
      token.type === 'quoted' &&
      messageOf(error).includes(nameOf(token) ?? '\0') &&
      !layout.columns.some((column) => sameName(column.name, nameOf(token) ?? '')),
  );
  if (quoted !== undefined)
    return `${quoted.text} names a column; text is written with single quotes: '${nameOf(quoted) ?? ''}'.`;
  return `Columns of ${layout.table}: ${layout.columns.map((column) => column.name).join(', ')}.`;
}

function badFilter(layout: TableLayout, filter: string, why: string, hint?: string): GlyphError {
  return new GlyphError(
    'GC_BAD_FILTER',
    `Cannot watch "${layout.table}" with the filter ${JSON.stringify(filter)}: ${why}`,
    hint === undefined ? {} : { hint },
  );
}

function dependsOnMore(layout: TableLayout, filter: string, why: string): GlyphError {
  return badFilter(
    layout,
    filter,
    `${why}, so no row can be said to enter or leave it`,
    'Watch a query instead: watch("SELECT … WHERE …").',
  );
}
