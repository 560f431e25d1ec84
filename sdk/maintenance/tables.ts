/** Finds the tables of a file that can be watched. */
import { GlyphError } from '../../kernel/errors.ts';
import { sqlError } from '../../kernel/sql/errors.ts';
import { didYouMean } from '../../kernel/schema/problems.ts';
import { reading } from './connection.ts';
import type { Connection } from './connection.ts';

/** Ordinary tables that are the user's own. */
export function userTables(connection: Connection): readonly string[] {
  const names = connection
    .prepare("SELECT name FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'view') ORDER BY name")
    .pluck()
    .all() as string[];
  return names.filter((name) => !isOurs(name) && !/^sqlite_/i.test(name));
}

/** True for the names of tables, views, indexes and triggers that GlyphCase made for itself. */
export const isOurs = (name: string): boolean =>
  /^(idx_|sqlite_autoindex_)?_(capsule|skills?|scheduler|sync)(_|$)/i.test(name);

/**
 * The name of a table as the file has it.
 * @throws GC_NO_SUCH_TABLE, with a suggestion; GC_CANNOT_OPEN, GC_NOT_A_DATABASE
 */
export function tableIn(filename: string, table: string): string {
  return reading(filename, (connection) => {
    const found = connection
      .prepare("SELECT name FROM pragma_table_list WHERE schema = 'main' AND name = ? COLLATE NOCASE")
      .pluck()
      .get(table) as string | undefined;
    if (found !== undefined) return found;
    const tables = userTables(connection);
    const near = didYouMean(table, tables);
    throw new GlyphError(
      'GC_NO_SUCH_TABLE',
      `There is no table "${table}"${near === undefined ? '' : ` (did you mean "${near}"?)`}`,
      {
        hint:
          tables.length === 0 ? 'The database has no tables yet.' : `Tables here: ${tables.slice(0, 20).join(', ')}.`,
      },
    );
  });
}

/**
 * The names of the columns that a SELECT has on the file, which it leaves as it is; none of another statement.
 * @throws GC_SQL, GC_NO_SUCH_TABLE, GC_NO_SUCH_COLUMN; GC_CANNOT_OPEN, GC_NOT_A_DATABASE
 */
export function checkQuery(filename: string, sql: string): readonly string[] {
  return reading(filename, (connection) => {
    try {
      const statement = connection.prepare(sql);
      return statement.reader ? statement.columns().map(({ name }) => name) : [];
    } catch (error) {
      throw sqlError(error, sql, () => userTables(connection));
    }
  });
}
