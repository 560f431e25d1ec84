/** Puts common table expressions in front of a statement, whether it has some already or not. */
import { isKeyword } from '../../sdk/plugin.ts';
import type { Token } from '../../sdk/plugin.ts';

/** @param tokens of `sql`; @param expressions such as `x AS (SELECT 1)`. */
export function withExpressions(sql: string, tokens: readonly Token[], expressions: readonly string[]): string {
  const start = tokens.findIndex((token) => !isKeyword(token, 'EXPLAIN', 'QUERY', 'PLAN'));
  const [first, second] = [tokens[start], tokens[start + 1]];
  if (first === undefined || expressions.length === 0) return sql;
  const list = expressions.join(', ');
  if (!isKeyword(first, 'WITH')) return `${sql.slice(0, first.start)}WITH ${list} ${sql.slice(first.start)}`;
  const { end } = second !== undefined && isKeyword(second, 'RECURSIVE') ? second : first;
  return `${sql.slice(0, end)} ${list},${sql.slice(end)}`;
}
