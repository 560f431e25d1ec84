/**
 * Writes the statements by which a result is kept current, from the text of the query and the positions of its parts.
 *
 * Invariant: what is added changes no row of the result: columns behind the others, and a condition that holds for a whole
 * part of the result or for none of it.
 */
import type { Core, SelectText } from '../select/types.ts';

/** Names of the parameters that are added; what a person writes does not begin so. */
export const KEY = 'glyphcase_key';
export const KEYS = 'glyphcase_keys';
export const MOST = 'glyphcase_most';

export interface Statements {
  /** All rows. */
  readonly full: string;
  /** The rows of one value of what the result is divided by. */
  readonly one: string;
  /** The rows of many, as a JSON array of integers. */
  readonly many: string;
}

export interface Additions {
  /** What the result is divided by, as SQL. */
  readonly key: string;
  /** More columns to be read behind the key. */
  readonly columns: readonly string[];
  /** The rows come in the order of the query. */
  readonly ordered: boolean;
  /** Only the first rows are wanted: as many as the parameter says. */
  readonly limited: boolean;
}

export function rewrite(text: SelectText, core: Core, { key, columns, ordered, limited }: Additions): Statements {
  const shown = [key, ...columns];
  const order = ordered ? orderOf(text) : '';
  const limit = limited ? limitOf(text) : () => '';
  return {
    full: `${selectOf(text, core, shown)}${order}${limit(`:${MOST}`)}`,
    one: `${selectOf(text, core, shown, `${key} IS :${KEY}`)}${limit('-1')}`,
    many: `${selectOf(text, core, shown, `${key} IN (SELECT value FROM json_each(:${KEYS}))`)}${limit('-1')}`,
  };
}

function selectOf(
  { sql, tokens, select }: SelectText,
  core: Core,
  columns: readonly string[],
  condition?: string,
): string {
  const start = (index: number): number => tokens[index]?.start ?? sql.length;
  const end = (index: number): number => tokens[index - 1]?.end ?? 0;
  const [firstArm] = select.arms;
  const ctes = firstArm === undefined ? '' : sql.slice(start(select.span.from), start(firstArm.span.from));
  const { span, columnsEnd, fromEnd, where } = core;
  const head = `${ctes}${sql.slice(start(span.from), end(columnsEnd))}, ${columns.join(', ')} `;
  if (condition === undefined) return head + sql.slice(end(columnsEnd), end(span.to));
  if (where === undefined)
    return `${head}${sql.slice(end(columnsEnd), end(fromEnd))}\nWHERE ${condition} ${sql.slice(end(fromEnd), end(span.to))}`;
  const before = sql.slice(end(columnsEnd), start(where.from));
  const wanted = sql.slice(start(where.from), end(where.to));
  return `${head}${before}(${wanted}\n) AND ${condition} ${sql.slice(end(where.to), end(span.to))}`;
}

/** Another LIMIT, in which the parameters of the query's own keep their places. */
function limitOf({ sql, tokens, select }: SelectText): (rows: string) => string {
  const parts = [select.limit, select.offset].flatMap((span) => span ?? []).sort((a, b) => a.from - b.from);
  const own = parts.map(({ from, to }) => `(${sql.slice(tokens[from]?.start, tokens[to - 1]?.end)})`);
  return (rows) => `\nLIMIT CASE WHEN 0 THEN ${own.join(' + ')} ELSE ${rows} END`;
}

/** ORDER BY with its terms, without LIMIT. */
function orderOf({ sql, tokens, select }: SelectText): string {
  const [first] = select.orderBy;
  if (first === undefined) return '';
  const limit = Math.min(select.limit?.from ?? Infinity, select.offset?.from ?? Infinity);
  const to = limit === Infinity ? select.span.to : limit - 1;
  return `\nORDER BY ${sql.slice(tokens[first.expression.from]?.start ?? 0, tokens[to - 1]?.end ?? sql.length)}`;
}
