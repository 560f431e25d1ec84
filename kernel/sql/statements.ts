/**
 * Scripts and the statements they are made of.
 *
 * Invariant: statements end where SQLite ends them, for every script SQLite accepts; for one it refuses, the statement
 * that has the error may be longer, never shorter, so nothing hides behind an error.
 */
import { isKeyword, tokenize } from './lexer.ts';
import type { Token } from './lexer.ts';

/** One statement of a script, without the semicolon; offsets are into the script. */
export interface Statement {
  readonly text: string;
  readonly start: number;
  readonly end: number;
  readonly tokens: readonly Token[];
}

/** The statements of a script, with tokens and offsets; empty ones are left out. */
export function splitStatements(sql: string): Statement[] {
  const found: Statement[] = [];
  let current: Token[] = [];
  const close = (): void => {
    const [first, last] = [current[0], current.at(-1)];
    if (first !== undefined && last !== undefined) {
      found.push({ text: sql.slice(first.start, last.end), start: first.start, end: last.end, tokens: current });
    }
    current = [];
  };
  for (const token of tokenize(sql)) {
    if (token.type === 'semicolon' && !insideTrigger(current)) close();
    else current.push(token);
  }
  close();
  return found;
}

/**
 * The statements of a script as texts, `CREATE TRIGGER … BEGIN …; END` in one piece.
 *
 * @example
 * ```ts
 * statements('SELECT 1; SELECT 2 -- done'); // ['SELECT 1', 'SELECT 2']
 * ```
 */
export function statements(sql: string): string[] {
  return splitStatements(sql).map((statement) => statement.text);
}

/** The first word of a script in upper case (`SELECT`, `EXPLAIN`, …), or '' when it does not begin with one. */
export function firstKeyword(sql: string): string {
  const first = tokenize(sql)[0];
  return first?.type === 'word' ? first.text.toUpperCase() : '';
}

/**
 * Whether any statement of a script is a PRAGMA, also behind comments, EXPLAIN and EXPLAIN QUERY PLAN.
 *
 * Ask before preparing: SQLite carries out many pragmas while it prepares them, under EXPLAIN too.
 */
export function containsPragma(sql: string): boolean {
  return splitStatements(sql).some((statement) => isKeyword(withoutExplain(statement.tokens)[0], 'PRAGMA'));
}

/** The tokens of a statement after EXPLAIN and EXPLAIN QUERY PLAN (any pile of those words). */
export function withoutExplain(tokens: readonly Token[]): readonly Token[] {
  const first = tokens.findIndex((token) => !isKeyword(token, 'EXPLAIN', 'QUERY', 'PLAN'));
  return first < 0 ? [] : tokens.slice(first);
}

/** A trigger's body is over at the END that follows a semicolon; the END of a CASE never does. */
function insideTrigger(tokens: readonly Token[]): boolean {
  const [create, temp, maybe] = withoutExplainStart(tokens);
  const kind = isKeyword(temp, 'TEMP', 'TEMPORARY') ? maybe : temp;
  if (!isKeyword(create, 'CREATE') || !isKeyword(kind, 'TRIGGER')) return false;
  return !(isKeyword(tokens.at(-1), 'END') && tokens.at(-2)?.type === 'semicolon');
}

function withoutExplainStart(tokens: readonly Token[]): readonly Token[] {
  return withoutExplain(tokens.slice(0, 6));
}
