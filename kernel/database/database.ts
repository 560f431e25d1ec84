/**
 * The kernel's database: both connections, reads, and writes in turn.
 *
 * Invariants: see database-types.ts.
 */
import type BetterSqlite3 from 'better-sqlite3';
import type { Clock } from '../clock.ts';
import { createAccess } from '../access/access.ts';
import type { AccessCheck } from '../access/access.ts';
import { openConnections } from './connection.ts';
import type { Database, Params, Row, SqlValue, Transaction, TransactionOptions } from './types.ts';
import { GlyphError, messageOf } from '../errors.ts';
import type { KernelHooks } from '../hooks.ts';
import type { Logger } from '../logger.ts';
import { wrapRawHandle } from './raw-handle.ts';
import { createRows } from './rows.ts';
import type { Rows } from './rows.ts';
import { sqlError } from '../sql/errors.ts';
import { StatementCache } from './statements.ts';
import { Writer } from './transactions.ts';
import { allExact, allExactRaw, toSqlParams } from './values.ts';

export interface DatabaseOptions {
  readonly hooks: KernelHooks;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long to wait for another process's write lock, in ms. @defaultValue 5000 */
  readonly busyTimeout?: number;
}

/** What a statement did. */
export interface RunResult {
  readonly changes: number;
  readonly lastInsertId: number | bigint;
}

const RETRY_DEFERRED_MS = 50;

/** @throws GC_CANNOT_OPEN, GC_NOT_A_DATABASE, GC_READ_ONLY, GC_LOCKED */
export function openDatabase(filename: string, options: DatabaseOptions): KernelDatabase {
  return new KernelDatabase(filename, options);
}

export class KernelDatabase implements Database {
  readonly filename: string;
  readonly inMemory: boolean;
  readonly sqlite: BetterSqlite3.Database;
  readonly reader: BetterSqlite3.Database;
  readonly #writer: Writer;
  readonly #options: DatabaseOptions;
  readonly #onWriter: StatementCache;
  readonly #onReader: StatementCache;
  /** Apart from the others, because these statements are kept in bigint mode. */
  readonly #forRows: StatementCache;
  readonly rows: Rows;
  readonly access: AccessCheck;
  readonly #prepare: (sql: string) => BetterSqlite3.Statement;
  readonly #exec: (sql: string) => void;
  #deferred: (() => void)[] = [];
  #deferredScheduled = false;
  #warnedOf: Transaction | undefined;

  constructor(filename: string, options: DatabaseOptions) {
    const connections = openConnections(filename);
    this.filename = connections.filename;
    this.inMemory = connections.inMemory;
    this.sqlite = connections.writer;
    this.reader = connections.reader;
    this.#options = options;
    this.#onWriter = new StatementCache(this.sqlite);
    this.#onReader = this.inMemory ? this.#onWriter : new StatementCache(this.reader);
    this.#forRows = new StatementCache(this.sqlite);
    this.access = createAccess(this.sqlite);
    this.rows = createRows(this, options.hooks);
    this.#prepare = this.sqlite.prepare.bind(this.sqlite);
    this.#exec = this.sqlite.exec.bind(this.sqlite);
    const busyTimeout = options.busyTimeout ?? 5000;
    this.#writer = new Writer({
      sqlite: this.sqlite,
      hooks: options.hooks,
      clock: options.clock,
      busyTimeout,
      beforeBegin: () => void this.#runDeferred(),
    });
    wrapRawHandle(this.sqlite, {
      busyTimeout,
      afterCommit: () => options.hooks.rawCommit.call(),
      insideTransaction: () => this.#warnBystander(),
    });
  }

  get readAccess(): AccessCheck {
    this.#readAccess ??= this.inMemory ? this.access : createAccess(this.reader);
    return this.#readAccess;
  }
  #readAccess: AccessCheck | undefined;

  get busy(): boolean {
    return this.#writer.busy;
  }

  get current(): Transaction | undefined {
    return this.#writer.current;
  }

  cached(sql: string): BetterSqlite3.Statement {
    const statement = this.#forRows.get(sql);
    statement.safeIntegers(true);
    return statement.reader ? statement.raw(true) : statement;
  }

  guard<T>(fn: () => T): T {
    return this.#mapped('', fn);
  }

  prepare(sql: string): BetterSqlite3.Statement {
    return this.#mapped(sql, () => this.#prepare(sql));
  }

  prepareRead(sql: string): BetterSqlite3.Statement {
    return this.inMemory ? this.prepare(sql) : this.#mapped(sql, () => this.reader.prepare(sql));
  }

  all(sql: string, params?: Params): Row[] {
    const bound = toSqlParams(params, sql);
    const statement = this.#forReading(sql);
    return this.#mapped(sql, () => allExact(statement, bound));
  }

  get(sql: string, params?: Params): Row | undefined {
    return this.all(sql, params)[0];
  }

  value(sql: string, params?: Params): SqlValue | undefined {
    const bound = toSqlParams(params, sql);
    const statement = this.#forReading(sql);
    return this.#mapped(sql, () => {
      statement.raw(true);
      try {
        return allExactRaw(statement, bound)[0]?.[0] as SqlValue | undefined;
      } finally {
        statement.raw(false);
      }
    });
  }

  /** Rows of a statement, as {@link all}; columns declared JSON come back parsed. */
  select(sql: string, params?: Params): Row[] {
    const rows = this.all(sql, params);
    const json = rows.length === 0 ? [] : this.#jsonColumns(sql);
    for (const name of json) for (const row of rows) row[name] = parsedJson(row[name]);
    return rows;
  }

  /** Rows of a PRAGMA, which is about the writer whoever asks. */
  pragma(sql: string): Row[] {
    return this.#mapped(sql, () => allExact(this.#prepare(sql), []));
  }

  /** Runs any one statement on the writer, and gives its rows if it returns some. */
  runAny(sql: string, params?: Params): RunResult & { readonly rows?: Row[] } {
    const bound = toSqlParams(params, sql);
    const statement = this.#onWriter.get(sql);
    return this.#mapped(sql, () => {
      if (!statement.reader) {
        const { changes, lastInsertRowid } = statement.run(...bound);
        return { changes, lastInsertId: lastInsertRowid };
      }
      const rows = allExact(statement, bound);
      return { changes: statement.readonly ? 0 : rows.length, lastInsertId: 0, rows };
    });
  }

  /** Runs `fn` with the writer to itself and no transaction open. */
  alone<T>(fn: () => T): Promise<T> {
    return this.#writer.alone(fn);
  }

  run(sql: string, params?: Params): RunResult {
    const bound = toSqlParams(params, sql);
    const statement = this.#onWriter.get(sql);
    return this.#mapped(sql, () => {
      if (statement.reader) {
        const rows = statement.all(...bound);
        return { changes: rows.length, lastInsertId: 0 };
      }
      const result = statement.run(...bound);
      return { changes: result.changes, lastInsertId: result.lastInsertRowid };
    });
  }

  exec(sql: string): void {
    this.#mapped(sql, () => this.#exec(sql));
  }

  isReadOnly(sql: string): boolean {
    return this.#forReading(sql).readonly;
  }

  write<T>(fn: (transaction: Transaction) => T, options?: TransactionOptions): T {
    return this.#writer.write(fn, options);
  }

  exclusive<T>(
    fn: (transaction: Transaction) => T,
    options?: TransactionOptions & { readonly oneStatement?: boolean },
  ): Promise<T> {
    return this.#writer.exclusive(fn, options);
  }

  transaction<T>(fn: (transaction: Transaction) => T | Promise<T>, options?: TransactionOptions): Promise<T> {
    return this.#writer.transaction(fn, options);
  }

  savepoint<T>(fn: () => T): T {
    return this.#writer.savepoint(fn);
  }

  outside<T>(fn: () => T): T {
    return this.#writer.outside(fn);
  }

  whenReadable(): Promise<void> | undefined {
    return this.inMemory ? this.#writer.whenFree() : undefined;
  }

  deferWrite(fn: () => void): void {
    this.#deferred.push(fn);
    if (this.#deferredScheduled) return;
    this.#deferredScheduled = true;
    setImmediate(() => {
      this.#deferredScheduled = false;
      if (!this.flushDeferred()) this.#retryDeferred();
    });
  }

  flushDeferred(): boolean {
    if (this.#deferred.length === 0) return true;
    if (!this.sqlite.open || this.#writer.busy) return false;
    return this.#runDeferred();
  }

  close(): void {
    this.flushDeferred();
    if (!this.inMemory) this.reader.close();
    this.sqlite.close();
  }

  /** Runs the queue in a transaction of its own. Another process's lock is no failure: the queue waits. */
  #runDeferred(): boolean {
    const queue = this.#deferred;
    // What close() could not write, because a transaction stayed open, the next host clears away.
    if (queue.length === 0 || !this.sqlite.open) return true;
    try {
      return this.#writer.bookkeeping(() => {
        this.#deferred = [];
        for (const fn of queue) fn();
      });
    } catch (error) {
      this.#options.logger.error(`Bookkeeping in ${this.filename} failed: ${messageOf(error)}`, { error });
      if (queue.length > 1) this.#runOneByOne(queue);
      return true;
    }
  }

  /** One that cannot be written must not take the others with it. */
  #runOneByOne(queue: readonly (() => void)[]): void {
    for (const fn of queue) {
      try {
        if (!this.#writer.bookkeeping(fn)) this.#deferred.push(fn);
      } catch (error) {
        this.#options.logger.error(`Bookkeeping in ${this.filename} failed: ${messageOf(error)}`, { error });
      }
    }
    if (this.#deferred.length > 0) this.#retryDeferred();
  }

  #retryDeferred(): void {
    if (!this.sqlite.open) return;
    this.#options.clock.timeout(() => {
      if (this.sqlite.open && !this.flushDeferred()) this.#retryDeferred();
    }, RETRY_DEFERRED_MS);
  }

  /**
   * The statement on the connection the caller should see: the writer inside a transaction, else the reader. What the
   * reader does not know (temp tables, functions and attached files of the writer) is asked of the writer.
   */
  #forReading(sql: string): BetterSqlite3.Statement {
    if (!this.sqlite.open) throw new GlyphError('GC_CLOSED', `The database ${this.filename} is closed`);
    if (this.#writer.current !== undefined || this.inMemory) return this.#onWriter.get(sql);
    if (this.#deferred.length > 0) this.flushDeferred();
    try {
      return this.#onReader.get(sql);
    } catch (error) {
      try {
        return this.#onWriter.get(sql);
      } catch {
        throw error;
      }
    }
  }

  #jsonColumns(sql: string): readonly string[] {
    return this.#forReading(sql)
      .columns()
      .filter((column) => /^json/i.test(column.type ?? ''))
      .map((column) => column.name);
  }

  #mapped<T>(sql: string, fn: () => T): T {
    try {
      return fn();
    } catch (error) {
      if (!this.sqlite.open) {
        throw new GlyphError('GC_CLOSED', `The database ${this.filename} is closed`, { cause: error });
      }
      throw sqlError(error, sql, () => this.#tableNames());
    }
  }

  #tableNames(): readonly string[] {
    return this.#onReader
      .get("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')")
      .pluck()
      .all() as string[];
  }

  #warnBystander(): void {
    if (!this.#writer.isBystander) return;
    const open = this.#writer.openTransaction;
    if (open === this.#warnedOf) return;
    this.#warnedOf = open;
    this.#options.logger.warn(
      'A write through the raw handle landed in a transaction that other code has open; it will be undone if that one rolls back',
    );
  }
}

/** Text that is no JSON stays text. */
function parsedJson(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}
