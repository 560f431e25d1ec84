/**
 * What the schema says of the tables, views and functions that a query names.
 *
 * Invariant: it holds for the schema that was committed when it was asked; whoever keeps an answer plans anew when that moves.
 */
import type { CapsuleService, TableLayout } from '../../../sdk/capsule-types.ts';
import { isKeyword, nameOf, quoteName, tokenize } from '../../../sdk/plugin.ts';
import type { Database } from '../../../sdk/plugin.ts';
import { fold } from '../access.ts';

/**
 * How values of a column compare with others: two columns of one kind, both binary, compare in the same way whichever
 * stands on the left, and a value of one that is bound as a parameter compares with the other as the column itself would.
 */
export type Kind = 'number' | 'text' | 'any';

export interface Column {
  /** Folded; {@link ROWID} for the rowid where no column stands for it. */
  readonly name: string;
  /** As it is written in SQL. */
  readonly sql: string;
  readonly kind: Kind;
  /** Compared byte by byte. */
  readonly binary: boolean;
  readonly notNull: boolean;
}

export interface Table {
  /** Folded. */
  readonly name: string;
  readonly columns: ReadonlyMap<string, Column>;
  /** Undefined for WITHOUT ROWID, and where the log does not hold it. */
  readonly rowid: Column | undefined;
  /** Sets of columns of which no two rows have the same values, NULLs apart. All of them binary. */
  readonly unique: readonly (readonly Column[])[];
  /** What its rows are told apart by; several rows share it when the declared key has more columns. */
  readonly key: Column | undefined;
}

export interface View {
  readonly sql: string;
  /** `CREATE VIEW open(id, name)`: the names given there. */
  readonly columns: readonly string[] | undefined;
}

/** No column can be named so. */
export const ROWID = '\0rowid';

export class Catalog {
  readonly #db: Database;
  readonly #capsule: CapsuleService;
  readonly #tables = new Map<string, Table>();

  constructor(db: Database, capsule: CapsuleService) {
    this.#db = db;
    this.#capsule = capsule;
  }

  /** @throws GC_NO_SUCH_TABLE, GC_NOT_WATCHABLE */
  table(name: string): Table {
    const known = this.#tables.get(fold(name));
    if (known !== undefined) return known;
    const table = describe(this.#capsule.describe(name));
    this.#tables.set(fold(name), table);
    return table;
  }

  view(name: string): View | undefined {
    const sql = this.#db
      .prepareRead("SELECT sql FROM main.sqlite_schema WHERE type = 'view' AND name = ? COLLATE NOCASE")
      .pluck()
      .get(name);
    return typeof sql === 'string' ? viewOf(sql) : undefined;
  }
}

function describe({ layout, uniqueKeys, notNull }: ReturnType<CapsuleService['describe']>): Table {
  const columns = layout.columns.map(({ name, affinity, collation }, index) => ({
    name: fold(name),
    sql: quoteName(name),
    kind: affinity === 'TEXT' ? ('text' as const) : affinity === '' ? ('any' as const) : ('number' as const),
    binary: collation === '',
    notNull: notNull.has(index),
  }));
  const rowid = rowidOf(layout, columns);
  const unique = uniqueKeys
    .filter(({ binary }) => binary)
    .map((key) => key.columns.map((index) => columns[index] as Column));
  const single = uniqueKeys.find(
    ({ columns: at, binary }) => binary && at.length === 1 && notNull.has(at[0] as number),
  );
  const first = layout.key.map((index) => columns[index] as Column).find(({ binary }) => binary);
  return {
    name: fold(layout.table),
    columns: new Map(columns.map((column) => [column.name, column])),
    rowid,
    unique: layout.logsRowid && rowid !== undefined ? [[rowid], ...unique] : unique,
    key: single !== undefined ? columns[single.columns[0] as number] : (rowid ?? first),
  };
}

function rowidOf(layout: TableLayout, columns: readonly Column[]): Column | undefined {
  if (layout.rowidColumn >= 0) return columns[layout.rowidColumn];
  if (!layout.logsRowid || layout.rowidName === undefined) return undefined;
  return { name: ROWID, sql: layout.rowidName, kind: 'number', binary: true, notNull: true };
}

/** Takes `CREATE VIEW name(columns) AS SELECT …` apart. */
function viewOf(sql: string): View | undefined {
  const tokens = tokenize(sql);
  const as = tokens.findIndex((token) => isKeyword(token, 'AS'));
  const start = tokens[as + 1]?.start;
  if (as < 0 || start === undefined) return undefined;
  const open = tokens.findIndex(({ text }) => text === '(');
  if (open < 0 || open > as) return { sql: sql.slice(start), columns: undefined };
  const columns = tokens.slice(open + 1, as - 1).flatMap((token) => (token.text === ',' ? [] : [nameOf(token) ?? '']));
  return { sql: sql.slice(start), columns };
}

/** Whether no two rows share the values of these columns. `notNull` are those that are known to have one. */
export const isUnique = (
  { unique }: Table,
  columns: ReadonlySet<Column>,
  notNull: ReadonlySet<Column> = columns,
): boolean =>
  unique.some((key) => key.every((column) => columns.has(column) && (column.notNull || notNull.has(column))));
