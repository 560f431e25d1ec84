/**
 * A connection for looking at a database file without becoming a host of it.
 *
 * Invariant: it writes nothing. `query_only` refuses every statement that would; the file is not opened read-only, because
 * such a connection cannot remove the -wal and -shm files again that reading in WAL mode needs.
 */
import BetterSqlite3 from 'better-sqlite3';
import { GlyphError } from '../../kernel/errors.ts';
import { sqlError } from '../../kernel/sql/errors.ts';

export type Connection = BetterSqlite3.Database;

const BUSY_MS = 5000;

/** @throws GC_CANNOT_OPEN (also when there is no such file), GC_NOT_A_DATABASE, GC_LOCKED */
export function openToRead(filename: string): Connection {
  return open(filename, (connection) => connection.pragma('query_only = ON'));
}

/** For maintenance that changes the file. @throws GC_CANNOT_OPEN, GC_NOT_A_DATABASE, GC_LOCKED, GC_READ_ONLY */
export function openToWrite(filename: string): Connection {
  return open(filename, (connection) => {
    // Tables are dropped here in an order that foreign keys need not like.
    connection.pragma('foreign_keys = OFF');
    connection.exec('BEGIN IMMEDIATE; ROLLBACK');
  });
}

/** Runs `fn` on a connection of its own that cannot write. @throws as {@link openToRead} */
export function reading<T>(filename: string, fn: (connection: Connection) => T): T {
  const connection = openToRead(filename);
  try {
    return guarded(filename, () => fn(connection));
  } finally {
    connection.close();
  }
}

/** Turns SQLite's errors into GlyphErrors that name the file. */
export function guarded<T>(filename: string, fn: () => T): T {
  try {
    return fn();
  } catch (error) {
    if (error instanceof BetterSqlite3.SqliteError) throw named(filename, error);
    throw error;
  }
}

function open(filename: string, setUp: (connection: Connection) => void): Connection {
  let connection: Connection | undefined;
  try {
    connection = new BetterSqlite3(filename, { fileMustExist: true, timeout: BUSY_MS });
    // Opening reads nothing; this does, and so finds out whether it is a database.
    connection.prepare('SELECT count(*) FROM sqlite_schema').get();
    setUp(connection);
    return connection;
  } catch (error) {
    connection?.close();
    throw named(filename, error);
  }
}

function named(filename: string, error: unknown): GlyphError {
  const mapped = sqlError(error, '');
  return new GlyphError(mapped.code, `${filename}: ${mapped.message}`, { hint: mapped.hint, cause: error });
}

/** Names of the tables and views that exist, as they are written. */
export function schemaNames(connection: Connection): ReadonlySet<string> {
  return new Set(connection.prepare('SELECT name FROM sqlite_schema').pluck().all() as string[]);
}

/** True when GlyphCase keeps its change log in the file. */
export function hasCapsule(connection: Connection): boolean {
  const names = schemaNames(connection);
  return ['_capsule_log', '_capsule_tables', '_capsule_transactions'].every((name) => names.has(name));
}
