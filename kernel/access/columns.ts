/**
 * Which columns a SELECT's result may depend on, from the positions its program reads.
 *
 * Invariant: a superset. Key columns always belong to it (a row's identity), and so does every column of an index that is
 * opened, because searching an index reads no column; a partial index or one over expressions stands for all columns.
 */
import type BetterSqlite3 from 'better-sqlite3';
import type { OpenedTree } from './program.ts';
import type { Owner } from './schema.ts';

interface TableColumns {
  /** By position in the table's b-tree. */
  readonly stored: readonly string[];
  readonly key: readonly string[];
}

interface IndexInfo {
  readonly name: string;
  readonly origin: string;
  readonly partial: number;
}

/** Finds columns on one connection; forget it when the schema changes, because it remembers. */
export class ColumnFinder {
  readonly #columns: BetterSqlite3.Statement;
  readonly #indexes: BetterSqlite3.Statement;
  readonly #indexColumns: BetterSqlite3.Statement;
  readonly #tables = new Map<string, TableColumns>();
  readonly #found = new Map<string, readonly string[] | 'all'>();

  constructor(db: BetterSqlite3.Database) {
    const prepare = (sql: string): BetterSqlite3.Statement => db.prepare(sql).safeIntegers(false);
    this.#columns = prepare("SELECT name, hidden, pk FROM pragma_table_xinfo(?, 'main') ORDER BY cid");
    this.#indexes = prepare("SELECT name, origin, partial FROM pragma_index_list(?, 'main')");
    this.#indexColumns = prepare("SELECT cid, name FROM pragma_index_xinfo(?, 'main') ORDER BY seqno");
  }

  /** Drops what is remembered. */
  clear(): void {
    this.#tables.clear();
    this.#found.clear();
  }

  /** Names of the columns that one opened b-tree gives away. */
  of(tree: OpenedTree, owner: Owner): readonly string[] | 'all' {
    if (owner.index !== undefined) return this.#ofIndex(owner.table, owner.index);
    const { stored, key } = this.#ofTable(owner.table);
    if (tree.columns === 'rows') return 'all';
    const names = [...tree.columns].map((position) => stored[position]);
    return names.includes(undefined) ? 'all' : [...key, ...(names as string[])];
  }

  #ofTable(table: string): TableColumns {
    const known = this.#tables.get(table);
    if (known !== undefined) return known;
    const all = this.#columns.all(table) as { name: string; hidden: number; pk: number }[];
    // Virtual generated columns (hidden 2) are computed from others, not stored.
    const inOrder = all.filter(({ hidden }) => hidden !== 2).map(({ name }) => name);
    const key = all.filter(({ pk }) => pk > 0).map(({ name }) => name);
    const found = { stored: this.#keyOrder(table) ?? inOrder, key };
    this.#tables.set(table, found);
    return found;
  }

  /** A table WITHOUT ROWID is stored as its primary key's index, which then holds every column and no rowid. */
  #keyOrder(table: string): readonly string[] | undefined {
    const primary = (this.#indexes.all(table) as IndexInfo[]).find(({ origin }) => origin === 'pk');
    if (primary === undefined) return undefined;
    const columns = this.#indexColumns.all(primary.name) as { cid: number; name: string }[];
    return columns.some(({ cid }) => cid < 0) ? undefined : columns.map(({ name }) => name);
  }

  #ofIndex(table: string, index: string): readonly string[] | 'all' {
    const known = this.#found.get(index);
    if (known !== undefined) return known;
    const info = (this.#indexes.all(table) as IndexInfo[]).find(({ name }) => name === index);
    const columns = this.#indexColumns.all(index) as { cid: number; name: string | null }[];
    // cid −2 is an expression, −1 the rowid.
    const exact = info?.partial === 0 && !columns.some(({ cid }) => cid === -2);
    const names = columns.filter(({ cid }) => cid >= 0).map(({ name }) => name ?? '');
    const found = exact ? [...this.#ofTable(table).key, ...names] : 'all';
    this.#found.set(index, found);
    return found;
  }
}
