/**
 * The reader of SELECTs: where the parts of a statement stand, so that others can put conditions and columns into it.
 *
 * Invariant: what SQLite accepts is read as SQLite reads it, or refused by name; nothing throws, whatever the text.
 */
import { tokenize } from '../../../sdk/plugin.ts';
import type { Token } from '../../../sdk/plugin.ts';
import { readClosed, readCore } from './core.ts';
import type { Scope } from './core.ts';
import { attempt, Cursor, refuse } from './cursor.ts';
import { readOrderBy } from './order.ts';
import type { Cte, Refusal, Select, SelectText, Span } from './types.ts';
import { nameIn } from './words.ts';

/**
 * Describes a SELECT, or says why it does not.
 *
 * @example
 * ```ts
 * readSelect('SELECT * FROM a UNION SELECT * FROM b'); // { refused: 'it has UNION' }
 * ```
 */
export function readSelect(sql: string): SelectText | Refusal {
  return attempt(() => {
    const tokens = statementOf(sql);
    const cursor = new Cursor(tokens);
    const select = readQuery(cursor);
    cursor.expectEnd();
    return { sql, tokens, select };
  });
}

/** The tokens without the semicolons at the end. */
function statementOf(sql: string): Token[] {
  const tokens = tokenize(sql);
  while (tokens.at(-1)?.type === 'semicolon') tokens.pop();
  if (tokens.length === 0) refuse('it is empty');
  const illegal = tokens.find(({ type }) => type === 'illegal');
  if (illegal !== undefined) refuse('it has something in it that is no SQL');
  if (tokens.some(({ type }) => type === 'semicolon')) refuse('it has more than one statement');
  return tokens;
}

function readQuery(cursor: Cursor): Select {
  return cursor.deeper(() => {
    const from = cursor.at;
    const ctes = readCtes(cursor);
    const arms = [readCore(cursor, readQuery)];
    while (readUnionAll(cursor)) arms.push(readCore(cursor, readQuery));
    const scope = arms.length === 1 ? arms[0]?.scope : undefined;
    const orderBy = readOrderBy(cursor, () => orderingTerm(cursor, scope));
    const window = readLimit(cursor);
    return { span: { from, to: cursor.at }, ctes, arms: arms.map((arm) => arm.finish()), orderBy, ...window };
  });
}

function readUnionAll(cursor: Cursor): boolean {
  if (cursor.isWord('EXCEPT')) refuse('it has EXCEPT');
  if (cursor.isWord('INTERSECT')) refuse('it has INTERSECT');
  if (!cursor.takeWord('UNION')) return false;
  if (!cursor.takeWord('ALL')) refuse('it has UNION');
  return true;
}

function orderingTerm(cursor: Cursor, scope: Scope | undefined): Span {
  return scope === undefined ? readClosed(cursor, 'the ORDER BY of a UNION ALL') : scope.expression('orderBy');
}

function readLimit(cursor: Cursor): Pick<Select, 'limit' | 'offset'> {
  if (!cursor.takeWord('LIMIT')) return {};
  const first = readClosed(cursor, 'its LIMIT');
  if (cursor.takeWord('OFFSET')) return { limit: first, offset: readClosed(cursor, 'its OFFSET') };
  if (cursor.takeSign(',')) return { limit: readClosed(cursor, 'its LIMIT'), offset: first };
  return { limit: first };
}

function readCtes(cursor: Cursor): Cte[] {
  if (!cursor.takeWord('WITH')) return [];
  if (cursor.isWord('RECURSIVE')) refuse('it is recursive');
  const ctes = cursor.list(() => readCte(cursor));
  const later = new Set<string>();
  for (const { name, select } of ctes.toReversed()) {
    const used = sourcesOf(select);
    // Without the word RECURSIVE it is recursive all the same.
    if (used.has(name.toLowerCase())) refuse('it is recursive');
    if ([...used].some((source) => later.has(source))) refuse(`${name} in its WITH uses one that is written after it`);
    later.add(name.toLowerCase());
  }
  return ctes;
}

function readCte(cursor: Cursor): Cte {
  const name = cursor.expectName(nameIn);
  const columns = cursor.isSign('(')
    ? cursor.inBrackets(() => cursor.list(() => cursor.expectName(nameIn)))
    : undefined;
  cursor.expectWord('AS');
  if (cursor.takeWord('NOT')) cursor.expectWord('MATERIALIZED');
  else cursor.takeWord('MATERIALIZED');
  const select = cursor.inBrackets(() => readQuery(cursor));
  return { name, ...(columns === undefined ? {} : { columns }), select };
}

/** The names that could be those of CTEs, at any depth, in lower case. */
function sourcesOf(select: Select, names = new Set<string>()): Set<string> {
  for (const { select: inner } of select.ctes) sourcesOf(inner, names);
  for (const { from, subqueries } of select.arms) {
    for (const { name, schema, select: inner } of from) {
      if (inner !== undefined) sourcesOf(inner, names);
      else if (name !== undefined && schema === undefined) names.add(name.toLowerCase());
    }
    for (const { select: inner } of subqueries) sourcesOf(inner, names);
  }
  return names;
}
