/**
 * The layout of a table as the log sees it: which values of a row are logged, in which order, and what identifies the row.
 *
 * Invariant: a layout is immutable. A table whose schema changes gets a new layout with a new id, so that rows logged
 * under the old one stay readable.
 */
import { GlyphError, quoteName } from '../../sdk/plugin.ts';
import type { Database } from '../../sdk/plugin.ts';

/** A connection to read the schema on. */
export type SchemaSource = Pick<Database, 'prepare'>;

/** SQLite's type affinities; empty stands for BLOB, that is none. */
export type Affinity = '' | 'INTEGER' | 'TEXT' | 'REAL' | 'NUMERIC';

/** One logged value of a row. */
export interface LoggedColumn {
  readonly name: string;
  /** Declared type, as in CREATE TABLE. */
  readonly type: string;
  /** Type affinity; empty when SQLite stores values of this column as they come, so that 1 and 1.0 differ. */
  readonly affinity: Affinity;
  /** Collating sequence; empty for BINARY. */
  readonly collation: string;
  /** True for a column declared JSON. */
  readonly json: boolean;
  /** SQL of what OR REPLACE stores here in place of NULL: the default of a NOT NULL column. Triggers before the insert still see NULL. */
  readonly insteadOfNull?: string;
  readonly generated?: true;
}

/** A unique key of the table, for finding the rows that REPLACE removes. */
export interface UniqueKey {
  /** SQL expression and collation per part. */
  readonly parts: readonly { readonly sql: string; readonly collation: string; readonly isColumn: boolean }[];
  /** Condition of a partial index, if it is one. */
  readonly where?: string;
}

export interface TableLayout {
  /** Key in `_capsule_tables`; 0 while not stored. */
  readonly id: number;
  readonly table: string;
  readonly columns: readonly LoggedColumn[];
  /** Indexes into `columns` that make up the primary key; empty when none is declared. */
  readonly key: readonly number[];
  /** Name by which the table's rowid is reached; absent for WITHOUT ROWID, and when columns took all three names. */
  readonly rowidName?: string;
  /** True when the rowid is logged after the columns, because no declared key identifies a row for certain. */
  readonly logsRowid: boolean;
  /** Index of the INTEGER PRIMARY KEY column, which is the rowid; -1 when there is none. */
  readonly rowidColumn: number;
}

/** How many value pairs a row of the log holds; wider rows are continued. */
export const LOG_WIDTH = 16;

/** Number of values logged per row image. */
export const widthOf = (layout: TableLayout): number => layout.columns.length + (layout.logsRowid ? 1 : 0);

/** Number of continuation rows that precede a head row. */
export const continuationsOf = (layout: TableLayout): number => Math.ceil(widthOf(layout) / LOG_WIDTH) - 1;

interface TableListRow {
  name: string;
  type: string;
  wr: number;
  strict: number;
}

interface XInfoRow {
  name: string;
  type: string;
  notnull: number;
  dflt_value: string | null;
  pk: number;
  hidden: number;
}

/** The table's row in `PRAGMA table_list`, or undefined when there is no such table. */
export function findTable(db: SchemaSource, table: string): TableListRow | undefined {
  return db
    .prepare("SELECT name, type, wr, strict FROM pragma_table_list WHERE schema = 'main' AND name = ? COLLATE NOCASE")
    .get(table) as TableListRow | undefined;
}

/**
 * Reads the layout of a table from the schema as it is now on the writer.
 * @throws GC_NO_SUCH_TABLE, GC_NOT_WATCHABLE (views, virtual and internal tables)
 */
export function readLayout(db: SchemaSource, table: string): TableLayout {
  const entry = findTable(db, table);
  if (entry === undefined) throw noSuchTable(db, table);
  assertWatchable(entry);
  const info = db
    .prepare('SELECT name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(?)')
    .all(entry.name) as XInfoRow[];
  const collations = readCollations(db, entry.name, info);
  const columns = info.map((column, index) => ({
    name: column.name,
    type: column.type,
    affinity: affinityOf(column.type, entry.strict === 1),
    collation: collations[index] ?? '',
    json: /^json/i.test(column.type),
    ...(column.notnull === 1 && column.dflt_value !== null ? { insteadOfNull: column.dflt_value } : {}),
    ...(column.hidden > 1 ? { generated: true as const } : {}),
  }));
  const key = info
    .map((column, index) => ({ order: column.pk, index }))
    .filter((part) => part.order > 0)
    .sort((a, b) => a.order - b.order)
    .map((part) => part.index);
  const rowidName = entry.wr === 1 ? undefined : freeRowidName(columns);
  const rowidColumn = entry.wr === 1 ? -1 : rowidAlias(db, entry.name, info, key);
  const certain =
    entry.wr === 1 || rowidColumn >= 0 || (key.length > 0 && key.every((index) => info[index]?.notnull === 1));
  return {
    id: 0,
    table: entry.name,
    columns,
    key,
    ...(rowidName === undefined ? {} : { rowidName }),
    logsRowid: !certain && rowidName !== undefined,
    rowidColumn,
  };
}

function assertWatchable(entry: TableListRow): void {
  if (entry.type === 'view') {
    throw new GlyphError('GC_NOT_WATCHABLE', `"${entry.name}" is a view; a view has no rows of its own to watch`, {
      hint: `Watch a query instead: watch('SELECT * FROM "${entry.name}"').`,
    });
  }
  if (entry.type === 'virtual' || entry.type === 'shadow') {
    throw new GlyphError(
      'GC_NOT_WATCHABLE',
      `"${entry.name}" is a ${entry.type} table; SQLite has no triggers on those`,
      {
        hint: 'Watch the ordinary table that feeds it.',
      },
    );
  }
  if (/^(_capsule_|sqlite_)/i.test(entry.name)) {
    throw new GlyphError('GC_NOT_WATCHABLE', `"${entry.name}" is an internal table and cannot be watched`);
  }
}

/** True when the table exists and can be watched. @throws GC_NOT_WATCHABLE when it exists and cannot */
export function canWatch(db: SchemaSource, table: string): boolean {
  const entry = findTable(db, table);
  if (entry !== undefined) assertWatchable(entry);
  return entry !== undefined;
}

/** SQLite's rules for type affinity, in their order (https://sqlite.org/datatype3.html §3.1). */
function affinityOf(type: string, strict: boolean): Affinity {
  const upper = type.toUpperCase();
  if (strict && upper === 'ANY') return '';
  if (upper.includes('INT')) return 'INTEGER';
  if (/CHAR|CLOB|TEXT/.test(upper)) return 'TEXT';
  if (upper === '' || upper.includes('BLOB')) return '';
  return /REAL|FLOA|DOUB/.test(upper) ? 'REAL' : 'NUMERIC';
}

function freeRowidName(columns: readonly LoggedColumn[]): string | undefined {
  const taken = new Set(columns.map((column) => column.name.toLowerCase()));
  return ['rowid', '_rowid_', 'oid'].find((name) => !taken.has(name));
}

/** An INTEGER PRIMARY KEY is the rowid unless it has an index of its own (`INTEGER PRIMARY KEY DESC`). */
function rowidAlias(db: SchemaSource, table: string, info: readonly XInfoRow[], key: readonly number[]): number {
  const [only] = key;
  if (key.length !== 1 || only === undefined || info[only]?.type.toUpperCase() !== 'INTEGER') return -1;
  const hasIndex = db.prepare("SELECT 1 FROM pragma_index_list(?) WHERE origin = 'pk'").get(table) !== undefined;
  return hasIndex ? -1 : only;
}

/**
 * Collations are in no PRAGMA for plain columns; EXPLAIN of a comparison names them in P4 of Eq or Ne.
 * Only columns that some collation could apply to are asked about, all in one statement.
 */
function readCollations(db: SchemaSource, table: string, info: readonly XInfoRow[]): readonly string[] {
  const declared = db.prepare("SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?").pluck().get(table);
  if (typeof declared !== 'string' || !/collate/i.test(declared)) return [];
  return info.map((column) => {
    const probe = `EXPLAIN SELECT ${quoteName(column.name)} = 'x' FROM main.${quoteName(table)}`;
    const rows = db.prepare(probe).all() as { opcode: string; p4: string | null }[];
    const compare = rows.find((row) => row.opcode === 'Eq' || row.opcode === 'Ne');
    const collation = /^([A-Za-z_]\w*)-/.exec(compare?.p4 ?? '')?.[1] ?? '';
    return collation.toUpperCase() === 'BINARY' ? '' : collation;
  });
}

/** The unique keys of a table, the rowid and primary key included, partial and expression indexes too. */
export function readUniqueKeys(db: SchemaSource, layout: TableLayout): readonly UniqueKey[] {
  const keys: UniqueKey[] = [];
  const list = db.prepare('SELECT name, partial FROM pragma_index_list(?) WHERE "unique" = 1').all(layout.table) as {
    name: string;
    partial: number;
  }[];
  for (const index of list) {
    const parts = db
      .prepare('SELECT cid, name, coll FROM pragma_index_xinfo(?) WHERE key = 1 ORDER BY seqno')
      .all(index.name) as { cid: number; name: string | null; coll: string }[];
    // An index that stands for a constraint has no statement; that of a WITHOUT ROWID table's key not even a row.
    const source = db
      .prepare("SELECT sql FROM sqlite_schema WHERE type = 'index' AND name = ?")
      .pluck()
      .get(index.name) as string | null | undefined;
    const text = typeof source === 'string' ? splitIndexSql(source) : undefined;
    keys.push({
      parts: parts.map((part, position) => ({
        sql: part.name === null ? (text?.parts[position] ?? 'NULL') : quoteName(part.name),
        collation: part.coll,
        isColumn: part.name !== null,
      })),
      ...(index.partial === 1 && text?.where !== undefined ? { where: text.where } : {}),
    });
  }
  return keys;
}

/** Splits `CREATE UNIQUE INDEX i ON t(a, lower(b) DESC) WHERE c` into its parts and condition. Strings and nesting are honoured. */
export function splitIndexSql(sql: string): { readonly parts: readonly string[]; readonly where?: string } {
  const parts: string[] = [];
  let depth = 0;
  let start = -1;
  let end = sql.length;
  const tokens = /'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|--[^\n]*|\/\*[\s\S]*?\*\/|[(),]/g;
  for (const match of sql.matchAll(tokens)) {
    const token = match[0];
    if (token === '(') {
      depth += 1;
      if (depth === 1) start = match.index + 1;
    } else if (token === ')') {
      depth -= 1;
      if (depth === 0) {
        parts.push(sql.slice(start, match.index));
        end = match.index + 1;
        break;
      }
    } else if (token === ',' && depth === 1) {
      parts.push(sql.slice(start, match.index));
      start = match.index + 1;
    }
  }
  const where = /^\s*WHERE\b([\s\S]*)$/i.exec(sql.slice(end))?.[1]?.trim();
  return {
    parts: parts.map((part) => part.replace(/\s+(ASC|DESC)\s*$/i, '').trim()),
    ...(where === undefined ? {} : { where }),
  };
}

function noSuchTable(db: SchemaSource, table: string): GlyphError {
  const names = db
    .prepare(
      "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\'",
    )
    .pluck()
    .all() as string[];
  const list = names.filter((name) => !name.startsWith('sqlite_'));
  const known = list.length === 0 ? 'The database has no tables yet.' : `Tables here: ${list.slice(0, 12).join(', ')}.`;
  return new GlyphError('GC_NO_SUCH_TABLE', `There is no table "${table}"`, {
    hint: `Create it first, or correct its name. ${known}`,
  });
}
