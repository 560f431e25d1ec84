/**
 * Finds the columns of a result by which its rows can be told apart.
 *
 * What it finds is a guess (a self join or a UNION ALL may repeat a key): whoever uses it watches that no two rows share one.
 */
import { isKeyword, nameOf, sameName, tokenize } from '../../sdk/plugin.ts';
import type { Database, Token } from '../../sdk/plugin.ts';
import type { ResultKey } from './snapshot.ts';

/** Where a column of a result comes from, as SQLite tells it. */
export interface Origin {
  readonly name: string;
  readonly column: string | null;
  readonly table: string | null;
  readonly database: string | null;
}

/** Of a column that another of the same name hides: it is no part of the rows, so it cannot tell them apart. */
const HIDDEN: Origin = { name: '', column: null, table: null, database: null };

/**
 * The columns it is grouped by, where all are in the result; else the primary or unique keys of its tables that are; none
 * at all, when every column is computed: then there is one row at most, or no key.
 */
export function findKey(
  sql: string,
  all: readonly Origin[],
  shown: readonly number[],
  db: Database,
): ResultKey | undefined {
  const origins = all.map((origin, index) => (shown.includes(index) ? origin : HIDDEN));
  const grouped = groupKey(sql, origins);
  if (grouped !== undefined) return grouped;
  const tables = new Set(origins.map(({ database, table }) => (database === 'main' ? table : null)));
  tables.delete(null);
  const at = [...(tables as Set<string>)].flatMap((table) => tableKey(table, origins, db) ?? []);
  if (at.length > 0)
    return named(
      at.sort((a, b) => a - b),
      origins,
    );
  return origins.every(({ table }) => table === null) ? { at: [], names: [] } : undefined;
}

function named(at: readonly number[], origins: readonly Origin[]): ResultKey {
  const nameAt = (index: number): string => {
    const { table, column, name } = origins[index] as Origin;
    return table === null || column === null ? name : `${table}.${column}`;
  };
  return { at, names: at.map(nameAt) };
}

/** Every position of the table's key, the primary one first; undefined when the result has none of its keys whole. */
function tableKey(table: string, origins: readonly Origin[], db: Database): number[] | undefined {
  for (const key of declaredKeys(table, db)) {
    const found = key.map((column) => positions(table, column, origins));
    if (found.every((at) => at.length > 0)) return found.flat();
  }
  const rowid = ['rowid', '_rowid_', 'oid'].flatMap((name) => positions(table, name, origins));
  return rowid.length > 0 && !hasColumn(table, 'rowid', db) ? rowid : undefined;
}

const positions = (table: string, column: string, origins: readonly Origin[]): number[] =>
  origins.flatMap((origin, index) =>
    origin.database === 'main' && origin.table === table && origin.column !== null && sameName(origin.column, column)
      ? [index]
      : [],
  );

function declaredKeys(table: string, db: Database): readonly (readonly string[])[] {
  const primary = db
    .prepareRead("SELECT name FROM pragma_table_xinfo(?, 'main') WHERE pk > 0 ORDER BY pk")
    .pluck()
    .all(table) as string[];
  const indexes = db
    .prepareRead(`SELECT name FROM pragma_index_list(?, 'main') WHERE "unique" AND NOT partial AND origin <> 'pk'`)
    .pluck()
    .all(table) as string[];
  const columns = db.prepareRead("SELECT name FROM pragma_index_info(?, 'main') ORDER BY seqno").pluck();
  const unique = indexes.map((index) => columns.all(index) as (string | null)[]);
  const required = new Set(
    db.prepareRead(`SELECT name FROM pragma_table_xinfo(?, 'main') WHERE "notnull"`).pluck().all(table),
  );
  return [primary, ...unique.filter((key) => key.every((column) => required.has(column)))].filter(
    (key) => key.length > 0,
  ) as string[][];
}

const hasColumn = (table: string, column: string, db: Database): boolean =>
  db.prepareRead("SELECT 1 FROM pragma_table_xinfo(?, 'main') WHERE name = ? COLLATE NOCASE").get(table, column) !==
  undefined;

/** Whether the order of the rows is part of the result. */
export const isOrdered = (sql: string): boolean => outermost(sql, 'ORDER') !== undefined;

function groupKey(sql: string, origins: readonly Origin[]): ResultKey | undefined {
  const items = outermost(sql, 'GROUP');
  if (items === undefined) return undefined;
  const at = items.map((item) => groupedColumn(item, origins));
  return at.includes(undefined) ? undefined : named(at as number[], origins);
}

function groupedColumn(item: readonly Token[], origins: readonly Origin[]): number | undefined {
  const last = item.at(-1);
  if (last === undefined || (item.length !== 1 && !(item.length === 3 && item[1]?.text === '.'))) return undefined;
  if (item.length === 1 && /^\d+$/.test(last.text)) {
    const position = Number(last.text) - 1;
    return position < origins.length ? position : undefined;
  }
  const name = nameOf(last);
  if (name === undefined) return undefined;
  const byOrigin = origins.findIndex(({ column }) => column !== null && sameName(column, name));
  const found = byOrigin >= 0 ? byOrigin : origins.findIndex((origin) => sameName(origin.name, name));
  return found < 0 ? undefined : found;
}

const ENDS = ['HAVING', 'WINDOW', 'ORDER', 'LIMIT', 'UNION', 'EXCEPT', 'INTERSECT'];

/** The items of the last `GROUP BY` or `ORDER BY` that stands in no brackets. */
function outermost(sql: string, keyword: 'GROUP' | 'ORDER'): readonly (readonly Token[])[] | undefined {
  const tokens = tokenize(sql);
  let depth = 0;
  let items: Token[][] | undefined;
  let open = false;
  for (const [index, token] of tokens.entries()) {
    if (token.text === ')') depth -= 1;
    if (depth === 0 && isKeyword(token, keyword) && isKeyword(tokens[index + 1], 'BY')) {
      items = [[]];
      open = true;
    } else if (depth === 0 && (token.text === ';' || ENDS.some((end) => isKeyword(token, end)))) {
      open = false;
    } else if (open && !(isKeyword(token, 'BY') && items?.length === 1 && items[0]?.length === 0)) {
      if (depth === 0 && token.text === ',') items?.push([]);
      else items?.at(-1)?.push(token);
    }
    if (token.text === '(') depth += 1;
  }
  return items;
}
