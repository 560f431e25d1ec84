/**
 * Tables that a statement names, told from its text alone, for want of a database to ask.
 *
 * Invariant: what it names stands in the text as a table; views, triggers and what lies behind them it does not see.
 */
import { firstKeyword, isKeyword, nameOf, tokenize } from '../../kernel/sql/index.ts';
import type { Token } from '../../kernel/sql/index.ts';

export interface SqlTables {
  /** The statement's first word, in capitals. */
  readonly verb: string;
  readonly reads: ReadonlySet<string>;
  readonly writes: ReadonlySet<string>;
  /** Plain tables that it creates. */
  readonly creates: ReadonlySet<string>;
}

/** Words that end the list of tables after FROM. */
const ENDS_FROM =
  'WHERE GROUP ORDER LIMIT HAVING UNION INTERSECT EXCEPT ON USING SET RETURNING WINDOW SELECT VALUES'.split(' ');

/** Of one statement. */
export function tablesIn(sql: string): SqlTables {
  const tokens = tokenize(sql);
  const verb = firstKeyword(sql);
  const found = { reads: new Set<string>(), writes: new Set<string>(), creates: new Set<string>() };
  if (verb === 'CREATE') {
    const created = createdTable(tokens);
    if (created !== undefined) found.creates.add(created);
    return { verb, ...found };
  }
  const ctes = verb === 'WITH' ? cteNames(tokens) : new Set<string>();
  for (const [index, token] of tokens.entries()) {
    const before = tokens[index - 1];
    if (isKeyword(token, 'INTO')) add(found.writes, tokens, index + 1);
    else if (isKeyword(token, 'UPDATE') && !isKeyword(before, 'DO') && !isKeyword(tokens[index + 1], 'SET'))
      add(found.writes, tokens, afterConflict(tokens, index + 1));
    else if (isKeyword(token, 'FROM') && isKeyword(before, 'DELETE')) add(found.writes, tokens, index + 1);
    else if (isKeyword(token, 'JOIN')) add(found.reads, tokens, index + 1);
    else if (isKeyword(token, 'FROM') && !isKeyword(before, 'DISTINCT')) addList(found.reads, tokens, index + 1);
  }
  for (const name of ctes) for (const read of found.reads) if (same(read, name)) found.reads.delete(read);
  return { verb, ...found };
}

const same = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();

const isOperator = (token: Token | undefined, text: string): boolean =>
  token?.type === 'operator' && token.text === text;

/** The table at a place, unless something else stands there: a subquery, a function that yields rows. */
function add(into: Set<string>, tokens: readonly Token[], at: number): void {
  const qualified = isOperator(tokens[at + 1], '.') && isKeyword(tokens[at], 'MAIN');
  const place = qualified ? at + 2 : at;
  const token = tokens[place];
  const name = token?.type === 'word' || token?.type === 'quoted' ? nameOf(token) : undefined;
  // In a FROM a bracket after the name is a call; after INSERT INTO it begins the columns.
  const isCall = isOperator(tokens[place + 1], '(') && !isKeyword(tokens[at - 1], 'INTO');
  if (name !== undefined && !isCall) into.add(name);
}

/** `FROM a, b AS x, (SELECT …), c`. */
function addList(into: Set<string>, tokens: readonly Token[], from: number): void {
  add(into, tokens, from);
  let depth = 0;
  for (let at = from; at < tokens.length; at++) {
    const token = tokens[at];
    if (isOperator(token, '(')) depth += 1;
    else if (isOperator(token, ')')) depth -= 1;
    if (depth < 0 || (depth === 0 && isKeyword(token, ...ENDS_FROM))) return;
    if (depth === 0 && isOperator(token, ',')) add(into, tokens, at + 1);
  }
}

/** `UPDATE OR IGNORE t`. */
const afterConflict = (tokens: readonly Token[], at: number): number => (isKeyword(tokens[at], 'OR') ? at + 2 : at);

/** `WITH a AS (…), b(x) AS (…)`. */
function cteNames(tokens: readonly Token[]): ReadonlySet<string> {
  const names = new Set<string>();
  for (const [index, token] of tokens.entries()) {
    if (!isKeyword(token, 'AS')) continue;
    let at = index - 1;
    if (isOperator(tokens[at], ')')) {
      while (at >= 0 && !isOperator(tokens[at], '(')) at -= 1;
      at -= 1;
    }
    const opens = tokens.slice(index + 1, index + 4).some((one) => isOperator(one, '('));
    const name = nameOf(tokens[at]);
    if (opens && name !== undefined) names.add(name);
  }
  return names;
}

/** The name of `CREATE TABLE [IF NOT EXISTS] name`; undefined for anything else that is created. */
function createdTable(tokens: readonly Token[]): string | undefined {
  if (!isKeyword(tokens[1], 'TABLE')) return undefined;
  const at = isKeyword(tokens[2], 'IF') ? 5 : 2;
  return nameOf(isOperator(tokens[at + 1], '.') ? tokens[at + 2] : tokens[at]);
}
