/** Prepared statements on the reader, and what SQLite says of how it runs them. */
import { allExactRaw, tokenize } from '../../../sdk/plugin.ts';
import type { Database, SqlValue } from '../../../sdk/plugin.ts';
import type { Values } from '../values.ts';

type Statement = ReturnType<Database['prepare']>;

/** All rows; a whole number that is bound is an INTEGER. @param statement in raw mode */
export const readAll = (statement: Statement, params: readonly unknown[]): readonly Values[] =>
  allExactRaw(statement, params.map(bindable)) as unknown as readonly Values[];

/** As SQLite stores it: better-sqlite3 binds numbers as REAL. */
export const bindable = (value: unknown): unknown =>
  Number.isSafeInteger(value) && !Object.is(value, -0) ? BigInt(value as number) : value;

/** Whether a statement looks at every row of some table. */
export function isScan(db: Database, sql: string): boolean {
  const parameters = tokenize(sql).filter(({ type }) => type === 'parameter');
  const positions = parameters.filter(({ text }) => text === '?').map(() => null);
  const names = parameters.flatMap(({ text }) => (text === '?' ? [] : [[text.slice(1), null] as const]));
  const bound = names.length === 0 ? positions : [...positions, Object.fromEntries(names)];
  const plan = db.prepareRead(`EXPLAIN QUERY PLAN ${sql}`).all(...bound) as { readonly detail: SqlValue }[];
  return plan.some(({ detail }) => /^SCAN (?!CONSTANT|json_each|\()/.test(String(detail)));
}
