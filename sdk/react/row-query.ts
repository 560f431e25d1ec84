/** The SELECT of one row by its primary key, whatever the table's key is. */
import type BetterSqlite3 from 'better-sqlite3';
import { GlyphError } from '../../kernel/errors.ts';
import { quoteName, sameName } from '../../kernel/sql/identifiers.ts';

/** @throws GC_BAD_ARGUMENT when the key has another number of columns */
export function rowQuery(
  sqlite: BetterSqlite3.Database,
  { table, id }: { readonly table: string; readonly id: unknown },
): { readonly sql: string; readonly params: readonly unknown[] } {
  const values: readonly unknown[] = Array.isArray(id) ? id : [id];
  const key = keyOf(sqlite, table);
  if (values.length !== key.length)
    throw new GlyphError(
      'GC_BAD_ARGUMENT',
      `The primary key of ${table} is ${key.join(', ')}, so its rows have an id of ${key.length} values, not ${values.length}`,
    );
  const where = key.map((column) => `${quoteName(column)} = ?`).join(' AND ');
  return { sql: `SELECT * FROM ${quoteName(table)} WHERE ${where}`, params: values };
}

/** A table without a declared key is asked by its rowid; one that does not exist is for `watch` to complain of. */
function keyOf(sqlite: BetterSqlite3.Database, table: string): readonly string[] {
  const columns = sqlite.prepare('SELECT name, pk FROM pragma_table_info(?)').all(table) as {
    readonly name: string;
    readonly pk: number;
  }[];
  const key = columns.filter(({ pk }) => pk > 0).toSorted((a, b) => a.pk - b.pk);
  if (key.length > 0) return key.map(({ name }) => name);
  return [
    ['rowid', '_rowid_', 'oid'].find((name) => !columns.some((column) => sameName(column.name, name))) ?? 'rowid',
  ];
}
