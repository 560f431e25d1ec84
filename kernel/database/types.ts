/**
 * The database as the kernel offers it to plugins and to the host API.
 *
 * Invariants:
 * - There are two connections to a file: the writer, and a read-only reader (temp tables allowed). A `:memory:` database has one.
 * - Only one transaction is open on the writer at a time. Code inside an async transaction is known by its AsyncLocalStorage;
 *   everybody else waits for the writer, or reads on the reader.
 * - No statement is left open: `iterate()` is used only where nothing can leave it half way, and no other statement runs meanwhile.
 */
import type BetterSqlite3 from 'better-sqlite3';
import type { AccessCheck } from '../access/access.ts';
import type { Rows } from './rows.ts';

/** Who made a change. `external` is any other program, and any writer nobody could attribute. */
export type Source = 'host' | 'lua' | 'sync' | 'external';

/** A value as SQLite gives it back: integers beyond ±(2^53−1) are bigint, BLOBs are Uint8Array (Buffer). */
export type SqlValue = number | bigint | string | Uint8Array | null;

/** A row as a plain object; JSON columns may hold any parsed value. */
export type Row = Record<string, unknown>;

/** Parameters: positional or named (without the `:`/`@`/`$`). Values are converted as {@link toSqlValue} says. */
export type Params = readonly unknown[] | Readonly<Record<string, unknown>>;

/** A transaction that is open on the writer. */
export interface Transaction {
  readonly source: Source;
  /** Start, Unix epoch in ms. */
  readonly startedAt: number;
  /** Free for plugins to remember things in until the transaction ends; keyed by plugin. */
  readonly notes: Map<string, unknown>;
}

export interface TransactionOptions {
  readonly source?: Source;
}

export interface Database {
  readonly filename: string;
  readonly inMemory: boolean;
  /** The writer: the raw better-sqlite3 handle. Writes through it are seen (see {@link KernelHooks.rawCommit}). */
  readonly sqlite: BetterSqlite3.Database;
  /** The read-only connection; the same as `sqlite` for a `:memory:` database. Temp tables made on it survive the writer's rollbacks. */
  readonly reader: BetterSqlite3.Database;
  /** True while a transaction is open on the writer, whoever opened it. */
  readonly busy: boolean;
  /** The transaction the calling code runs in, if any. */
  readonly current: Transaction | undefined;

  /** A prepared statement on the writer, the caller's own to keep. @throws GC_SQL, GC_NO_SUCH_TABLE, GC_NO_SUCH_COLUMN */
  prepare(sql: string): BetterSqlite3.Statement;
  /** A prepared statement on the reader, the caller's own to keep. @throws as {@link prepare} */
  prepareRead(sql: string): BetterSqlite3.Statement;

  /** A prepared statement on the writer from the cache, in bigint mode and raw rows; for use at once, not to be kept. */
  cached(sql: string): BetterSqlite3.Statement;
  /** Runs `fn` and turns SQLite's errors into GlyphErrors. */
  guard<T>(fn: () => T): T;
  /** What a statement may read and write, judged on the writer: for whoever enforces permissions. */
  readonly access: AccessCheck;
  /** The same for a statement that only reads, judged on the reader: for whoever runs it there. */
  readonly readAccess: AccessCheck;
  /** Row operations by table and key; for use inside a transaction. */
  readonly rows: Rows;

  /** All rows of a SELECT, on the connection the calling code should see (the writer inside a transaction, else the reader). Integers are exact. */
  all(sql: string, params?: Params): Row[];
  /** First row, or undefined. */
  get(sql: string, params?: Params): Row | undefined;
  /** First column of the first row, or undefined. */
  value(sql: string, params?: Params): SqlValue | undefined;
  /** Runs one statement on the writer; for use inside a transaction. */
  run(sql: string, params?: Params): { readonly changes: number; readonly lastInsertId: number | bigint };
  /** Runs a script on the writer; for use inside a transaction. */
  exec(sql: string): void;
  /** True when the statement writes nothing, directly. */
  isReadOnly(sql: string): boolean;

  /**
   * Runs `fn` at once in a transaction of its own (a savepoint when one is open). For synchronous callers such as `watch()`.
   * @throws GC_LOCKED when another process keeps the write lock longer than the busy timeout.
   */
  write<T>(fn: (transaction: Transaction) => T, options?: TransactionOptions): T;
  /** Runs a synchronous `fn` in a transaction as soon as the writer is free; never blocks the event loop while it waits. */
  exclusive<T>(
    fn: (transaction: Transaction) => T,
    options?: TransactionOptions & {
      /** `fn` runs one statement, which is atomic by itself: no savepoint is needed inside a transaction. */
      readonly oneStatement?: boolean;
    },
  ): Promise<T>;
  /** Runs `fn`, synchronous or not, in a transaction; commits, or rolls back and rethrows. Nested calls are savepoints. */
  transaction<T>(fn: (transaction: Transaction) => T | Promise<T>, options?: TransactionOptions): Promise<T>;
  /** Runs `fn` inside a savepoint of the current transaction and undoes it if it throws. */
  savepoint<T>(fn: () => T): T;
  /** Runs `fn` with the writer to itself and no transaction open: for VACUUM. @throws GC_TRANSACTION inside a transaction */
  alone<T>(fn: () => T): Promise<T>;
  /** Runs `fn` in the async context in which the database was opened, outside every transaction. */
  outside<T>(fn: () => T): T;
  /** Resolves when reading does not show somebody's uncommitted work; undefined when that is so now. Only an in-memory database makes anyone wait. */
  whenReadable(): Promise<void> | undefined;
  /** Queues a small bookkeeping write: it runs in a transaction of its own before the next read or write of the host, and soon in any case. */
  deferWrite(fn: () => void): void;
  /** Runs the queued bookkeeping writes now, if the writer is free. Returns false when they have to wait. */
  flushDeferred(): boolean;
}
