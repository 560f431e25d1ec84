/** What a statement may do, as far as SQLite's own program for it proves. */
import type { SchemaChange } from '../sql/schema-changes.ts';

export type AccessKind =
  'select' | 'write' | 'schema' | 'analyze' | 'transaction' | 'pragma' | 'attach' | 'vacuum' | 'explain' | 'empty';

export type WriteOperation = 'insert' | 'update' | 'delete';

/** How one table is written. The sets may hold more than happens, never less; both may be empty (opened for writing, never written). */
export interface TableWrite {
  /** By the statement itself. */
  readonly direct: ReadonlySet<WriteOperation>;
  /** Only inside triggers and foreign-key actions. */
  readonly nested: ReadonlySet<WriteOperation>;
}

/**
 * What one statement may do.
 *
 * - Names are those of `sqlite_schema`, with its spelling; tables of the temp schema are apart, in `temp`.
 * - What is not opened cannot leak: a table the optimizer leaves out (`WHERE 0 AND EXISTS (SELECT … FROM secret)`) is
 *   not in `reads`, and the result does not depend on it.
 * - `sqlite_schema` is in no set, only in `schemaReads`. `sqlite_sequence` is only there when something names it, not
 *   for the counting of AUTOINCREMENT.
 * - An UPDATE or DELETE that looks at the rows it writes does not thereby read the table; with RETURNING it does.
 * - Checking foreign keys reads the other table.
 */
export interface Access {
  readonly kind: AccessKind;
  /** Changes nothing in any database. */
  readonly readonly: boolean;
  /** Tables and virtual tables read, through views, triggers, subqueries, foreign keys, and full-text tables' content. */
  readonly reads: ReadonlySet<string>;
  /** The part of `reads` that the statement itself reads, outside triggers and foreign-key actions. */
  readonly directReads: ReadonlySet<string>;
  /** Tables and virtual tables opened for writing, with the same reach. */
  readonly writes: ReadonlyMap<string, TableWrite>;
  /** The same for the temp schema. */
  readonly temp: { readonly reads: ReadonlySet<string>; readonly writes: ReadonlyMap<string, TableWrite> };
  /**
   * For a SELECT: the columns of each table in `reads` that the result may depend on, beside which rows exist; key
   * columns always among them. 'all' where SQLite reads whole rows or does not say. Undefined for other statements.
   */
  readonly columns: ReadonlyMap<string, ReadonlySet<string> | 'all'> | undefined;
  /** Reads `sqlite_schema` (or the temp one). */
  readonly schemaReads: boolean;
  /** Virtual tables used, and harmless table-valued functions such as `json_each`. */
  readonly virtualTables: ReadonlySet<string>;
  /** SQL functions called, in lower case, those of triggers, defaults and CHECKs included. */
  readonly functions: ReadonlySet<string>;
  /** Runs a recursive query. */
  readonly recursive: boolean;
  /** For `schema`: what changes. A trigger's or view's body acts later and is not in `reads` and `writes`: see {@link SchemaChange.object}. */
  readonly schemaChange: SchemaChange | undefined;
  /** Why it cannot be proven what the statement does, as sentences. Whoever enforces permissions refuses when there are any. */
  readonly opaque: readonly string[];
}
