/**
 * What is declared of a table, for who plans queries over it.
 *
 * Invariant: it is read on the reader, so it holds for what is committed, whatever an open transaction does to the table.
 */
import type { Database } from '../../sdk/plugin.ts';
import { readLayout } from './layout.ts';
import type { SchemaSource, TableLayout } from './layout.ts';
import type { TableDescription } from './types.ts';

/** @throws GC_NO_SUCH_TABLE, GC_NOT_WATCHABLE (views, virtual and internal tables) */
export function describeTable(db: Database, table: string): TableDescription {
  const source: SchemaSource = { prepare: (sql) => db.prepareRead(sql) };
  const layout = readLayout(source, table);
  const required = source.prepare('SELECT name, "notnull" FROM pragma_table_xinfo(?)').all(layout.table) as {
    name: string;
    notnull: number;
  }[];
  const isKeyed = layout.rowidName === undefined;
  const notNull = new Set(
    layout.columns.flatMap((_, index) =>
      required[index]?.notnull === 1 || index === layout.rowidColumn || (isKeyed && layout.key.includes(index))
        ? [index]
        : [],
    ),
  );
  return { layout, uniqueKeys: uniqueKeys(source, layout), notNull };
}

function uniqueKeys(source: SchemaSource, layout: TableLayout): TableDescription['uniqueKeys'] {
  const indexes = source
    .prepare('SELECT name FROM pragma_index_list(?) WHERE "unique" AND NOT partial')
    .pluck()
    .all(layout.table) as string[];
  const parts = source.prepare('SELECT cid, coll FROM pragma_index_xinfo(?) WHERE key ORDER BY seqno');
  const found = indexes
    .map((index) => parts.all(index) as { cid: number; coll: string }[])
    .filter((columns) => columns.every(({ cid }) => cid >= 0))
    .map((columns) => ({
      columns: columns.map(({ cid }) => cid),
      binary: columns.every(({ coll }) => coll.toUpperCase() === 'BINARY'),
    }));
  return layout.rowidColumn < 0 ? found : [{ columns: [layout.rowidColumn], binary: true }, ...found];
}
