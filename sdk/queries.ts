/** What `watch()` is given: a table's name, or a statement with its parameters. */
import type { Params } from '../kernel/database/types.ts';
import { GlyphError } from '../kernel/errors.ts';
import { firstKeyword, tokenize } from '../kernel/sql/index.ts';

/** A text in which TypeScript sees a query. */
export type QueryText =
  | `SELECT ${string}`
  | `WITH ${string}`
  | `VALUES${string}`
  | `select ${string}`
  | `with ${string}`
  | `values${string}`
  | `SELECT\n${string}`
  | `\n${string}`;

const QUERIES = new Set(['SELECT', 'WITH', 'VALUES']);
const STATEMENTS = new Set(
  'INSERT REPLACE UPDATE DELETE CREATE ALTER DROP REINDEX ANALYZE BEGIN COMMIT END ROLLBACK SAVEPOINT RELEASE PRAGMA ATTACH DETACH VACUUM EXPLAIN'.split(
    ' ',
  ),
);

/** Whether it is SQL rather than a name. A single word is a name, whatever SQL uses it for; queries always are SQL. */
export function isStatement(text: unknown): text is string {
  if (typeof text !== 'string') return false;
  const keyword = firstKeyword(text);
  return QUERIES.has(keyword) || (STATEMENTS.has(keyword) && tokenize(text).length > 1);
}

/** The parameters of a query: the second argument, or the third as with a filter. @throws GC_BAD_ARGUMENT */
export function queryParams(second: unknown, third: Params | undefined): Params | undefined {
  if (second === undefined || second === null) return third;
  if (typeof second === 'object' && third === undefined) return second as Params;
  throw new GlyphError(
    'GC_BAD_ARGUMENT',
    typeof second === 'string'
      ? 'watch(): a query takes no filter beside it; write the condition into its WHERE'
      : 'watch(): the parameters of a query are an array or an object',
  );
}
