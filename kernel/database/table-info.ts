/** What the row operations need to know of a table; read once per schema version. */
import { didYouMean } from '../schema/validate.ts';
import type { Database } from './types.ts';
import { GlyphError } from '../errors.ts';
import { foldName, sameName } from '../sql/identifiers.ts';

export interface TableInfo {
  /** As the schema spells it. */
  readonly name: string;
  readonly columns: readonly string[];
  /** Primary key columns in key order; empty when none is declared. */
  readonly key: readonly string[];
  /** True when the single key column is the rowid itself. */
  readonly keyIsRowid: boolean;
  readonly hasRowid: boolean;
  /** Folded names of columns declared JSON. */
  readonly json: ReadonlySet<string>;
}

/** A cache of {@link TableInfo} that notices schema changes. */
export class TableInfos {
  readonly #db: Database;
  readonly #infos = new Map<string, TableInfo>();
  #version = -1;
  #versionStatement: ReturnType<Database['prepare']> | undefined;

  constructor(db: Database) {
    this.#db = db;
  }

  /** @throws GC_NO_SUCH_TABLE, GC_BAD_ARGUMENT, GC_INTERNAL_TABLE */
  get(table: string): TableInfo {
    this.#versionStatement ??= this.#db.prepare('PRAGMA main.schema_version').pluck();
    const version = this.#versionStatement.get() as number;
    if (version !== this.#version) {
      this.#infos.clear();
      this.#version = version;
    }
    const known = this.#infos.get(table);
    if (known !== undefined) return known;
    const info = this.#read(table);
    this.#infos.set(table, info);
    return info;
  }

  #read(table: string): TableInfo {
    if (typeof table !== 'string' || table === '') {
      throw new GlyphError('GC_BAD_ARGUMENT', `A table name must be a non-empty string, not ${JSON.stringify(table)}`);
    }
    if (/^_capsule_/i.test(table)) {
      throw new GlyphError('GC_INTERNAL_TABLE', `"${table}" belongs to GlyphCase and cannot be written`);
    }
    const entry = this.#db
      .prepare(
        "SELECT name, type, wr FROM pragma_table_list WHERE schema IN ('main', 'temp') AND name = ? COLLATE NOCASE",
      )
      .get(table) as { name: string; type: string; wr: number } | undefined;
    if (entry === undefined) throw this.#noSuchTable(table);
    const columns = this.#db.prepare('SELECT name, type, pk, hidden FROM pragma_table_xinfo(?)').all(entry.name) as {
      name: string;
      type: string;
      pk: number;
      hidden: number;
    }[];
    const key = columns.filter((column) => column.pk > 0).sort((a, b) => a.pk - b.pk);
    const [only] = key;
    const keyIsRowid =
      entry.wr === 0 &&
      key.length === 1 &&
      only?.type.toUpperCase() === 'INTEGER' &&
      this.#db.prepare("SELECT 1 FROM pragma_index_list(?) WHERE origin = 'pk'").get(entry.name) === undefined;
    return {
      name: entry.name,
      columns: columns.filter((column) => column.hidden === 0).map((column) => column.name),
      key: key.map((column) => column.name),
      keyIsRowid,
      hasRowid: entry.wr === 0 && entry.type === 'table',
      json: new Set(columns.filter((column) => /^json/i.test(column.type)).map((column) => foldName(column.name))),
    };
  }

  #noSuchTable(table: string): GlyphError {
    const names = this.#db
      .prepare(
        "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE '\\_capsule%' ESCAPE '\\'",
      )
      .pluck()
      .all() as string[];
    const close = didYouMean(table, names);
    return new GlyphError('GC_NO_SUCH_TABLE', `There is no table "${table}"`, {
      hint: close === undefined ? 'Create the table first, or correct its name.' : `Did you mean "${close}"?`,
    });
  }
}

/** The schema's spelling of a column. @throws GC_NO_SUCH_COLUMN with the nearest name. */
export function columnOf(info: TableInfo, name: string): string {
  const column = info.columns.find((one) => one === name) ?? info.columns.find((one) => sameName(one, name));
  if (column !== undefined) return column;
  const close = didYouMean(name, info.columns);
  throw new GlyphError('GC_NO_SUCH_COLUMN', `Table "${info.name}" has no column "${name}" that can be written`, {
    hint: close === undefined ? `Its columns: ${info.columns.join(', ')}.` : `Did you mean "${close}"?`,
  });
}
