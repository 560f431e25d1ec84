/**
 * Declarative schemas: from definitions to SQL.
 *
 * Invariants: names are quoted; an existing table keeps its rows: columns it lacks are added, nothing is dropped or
 * rewritten.
 */
import { GlyphError } from '../kernel/errors.ts';
import { quoteName, sameName } from '../kernel/sql/identifiers.ts';
import type { DefaultFunction } from '../kernel/database/rows.ts';
import { sqlLiteral } from '../kernel/sql/index.ts';

export interface ColumnDef {
  readonly name: string;
  readonly type: 'INTEGER' | 'TEXT' | 'REAL' | 'BLOB' | 'JSON';
  /** Part of the primary key. */
  readonly primary?: boolean;
  readonly unique?: boolean;
  readonly notNull?: boolean;
  /** A value, an SQL expression, or a function called for each insert through this API that leaves the column out. */
  readonly default?: unknown;
  /** A foreign key. */
  readonly references?: {
    readonly table: string;
    readonly column?: string;
    readonly onDelete?: ReferenceAction;
    readonly onUpdate?: ReferenceAction;
  };
}

export type ReferenceAction = 'CASCADE' | 'SET NULL' | 'SET DEFAULT' | 'RESTRICT' | 'NO ACTION';

export interface TableDef {
  readonly name: string;
  readonly columns: readonly ColumnDef[];
  readonly capsule?: {
    /** Keeps the table's changes logged whoever runs. */
    readonly watch: boolean;
    /** Events per batch. */
    readonly batchSize?: number;
    /** Days for which its changes are kept. */
    readonly retentionDays?: number;
  };
}

export interface IndexDef {
  readonly name: string;
  readonly table: string;
  readonly columns: readonly string[];
  readonly unique?: boolean;
  /** Condition of a partial index. */
  readonly where?: string;
}

export interface TriggerDef {
  readonly name: string;
  readonly table: string;
  readonly timing: 'BEFORE' | 'AFTER' | 'INSTEAD OF';
  readonly event: 'INSERT' | 'UPDATE' | 'DELETE';
  readonly when?: string;
  /** Statements, each ended by a semicolon. */
  readonly body: string;
}

export interface SchemaDefinition {
  readonly tables: readonly TableDef[];
  readonly indexes?: readonly IndexDef[];
  readonly triggers?: readonly TriggerDef[];
}

const TYPES = ['INTEGER', 'TEXT', 'REAL', 'BLOB', 'JSON'] as const;

/** @throws GC_BAD_ARGUMENT that names the table and column. */
export function createTableSql(name: string, columns: readonly ColumnDef[]): string {
  checkTable(name, columns);
  const primary = columns.filter((column) => column.primary === true);
  const single = primary.length === 1;
  const definitions = columns.map((column) => columnSql(name, column, single && column.primary === true));
  if (primary.length > 1)
    definitions.push(`PRIMARY KEY (${primary.map((column) => quoteName(column.name)).join(', ')})`);
  return `CREATE TABLE IF NOT EXISTS ${quoteName(name)} (${definitions.join(', ')})`;
}

/** Statements that add the columns an existing table lacks. @throws GC_BAD_ARGUMENT for a column SQLite cannot add. */
export function addColumnsSql(
  name: string,
  columns: readonly ColumnDef[],
  existing: readonly string[],
): readonly string[] {
  return columns
    .filter((column) => !existing.some((one) => sameName(one, column.name)))
    .map((column) => {
      if (column.primary === true || column.unique === true) {
        throw new GlyphError('GC_BAD_ARGUMENT', `The existing table "${name}" lacks the column "${column.name}"`, {
          hint: 'SQLite cannot add a primary key or unique column to a table; migrate the table yourself.',
        });
      }
      return `ALTER TABLE ${quoteName(name)} ADD COLUMN ${columnSql(name, column, false)}`;
    });
}

export function indexSql(index: IndexDef): string {
  const unique = index.unique === true ? 'UNIQUE ' : '';
  const where = index.where === undefined ? '' : ` WHERE ${index.where}`;
  const columns = index.columns.map(quoteName).join(', ');
  return `CREATE ${unique}INDEX IF NOT EXISTS ${quoteName(index.name)} ON ${quoteName(index.table)} (${columns})${where}`;
}

export function triggerSql(trigger: TriggerDef): string {
  const when = trigger.when === undefined ? '' : ` WHEN ${trigger.when}`;
  return (
    `CREATE TRIGGER IF NOT EXISTS ${quoteName(trigger.name)} ${trigger.timing} ${trigger.event} ` +
    `ON ${quoteName(trigger.table)}${when} BEGIN ${trigger.body} END`
  );
}

/** The function defaults of a table's columns. */
export function functionDefaults(columns: readonly ColumnDef[]): ReadonlyMap<string, DefaultFunction> {
  return new Map(
    columns.flatMap((column) =>
      typeof column.default === 'function' ? [[column.name, column.default as DefaultFunction]] : [],
    ),
  );
}

function columnSql(table: string, column: ColumnDef, isKey: boolean): string {
  const parts = [quoteName(column.name), column.type];
  if (isKey) parts.push('PRIMARY KEY');
  if (column.notNull === true) parts.push('NOT NULL');
  if (column.unique === true && !isKey) parts.push('UNIQUE');
  const fallback = defaultSql(table, column);
  if (fallback !== undefined) parts.push(`DEFAULT ${fallback}`);
  if (column.references !== undefined) {
    const { table: other, column: key, onDelete, onUpdate } = column.references;
    parts.push(`REFERENCES ${quoteName(other)}${key === undefined ? '' : ` (${quoteName(key)})`}`);
    if (onDelete !== undefined) parts.push(`ON DELETE ${onDelete}`);
    if (onUpdate !== undefined) parts.push(`ON UPDATE ${onUpdate}`);
  }
  return parts.join(' ');
}

function defaultSql(table: string, column: ColumnDef): string | undefined {
  const { default: value } = column;
  if (value === undefined || typeof value === 'function') return undefined;
  if (isSqlDefault(value)) {
    // CURRENT_TIMESTAMP and its kin stand bare; everything else needs brackets (https://sqlite.org/lang_createtable.html).
    return /^\s*current_(timestamp|date|time)\s*$/i.test(value.sql) ? value.sql : `(${value.sql})`;
  }
  return sqlLiteral(value, `the default of column "${column.name}" of table ${table}`);
}

function isSqlDefault(value: unknown): value is { readonly sql: string } {
  if (typeof value !== 'object' || value === null || Object.keys(value).length !== 1) return false;
  return 'sql' in value && typeof value.sql === 'string';
}

function checkTable(name: string, columns: readonly ColumnDef[]): void {
  if (typeof name !== 'string' || name === '') throw new GlyphError('GC_BAD_ARGUMENT', 'A table needs a name');
  if (/^(_capsule|sqlite_)/i.test(name)) throw new GlyphError('GC_INTERNAL_TABLE', `The name "${name}" is reserved`);
  if (!Array.isArray(columns) || columns.length === 0) {
    throw new GlyphError('GC_BAD_ARGUMENT', `The table "${name}" needs at least one column`);
  }
  for (const column of columns as readonly ColumnDef[]) {
    if (typeof column.name !== 'string' || column.name === '') {
      throw new GlyphError('GC_BAD_ARGUMENT', `A column of the table "${name}" has no name`);
    }
    if (!TYPES.includes(column.type)) {
      throw new GlyphError(
        'GC_BAD_ARGUMENT',
        `Column "${column.name}" of table "${name}" has the type ${JSON.stringify(column.type)}`,
        {
          hint: `Types are ${TYPES.join(', ')}.`,
        },
      );
    }
  }
}
