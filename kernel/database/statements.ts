/** Prepared statements of one connection, kept by their SQL text; the least recently used is dropped first. */
import type BetterSqlite3 from 'better-sqlite3';
import { sqlError } from '../sql/errors.ts';

const CAPACITY = 400;

export class StatementCache {
  readonly #connection: BetterSqlite3.Database;
  readonly #prepare: (sql: string) => BetterSqlite3.Statement;
  readonly #statements = new Map<string, BetterSqlite3.Statement>();

  /** `prepare` is the connection's own, taken before anything wraps it. */
  constructor(connection: BetterSqlite3.Database) {
    this.#connection = connection;
    this.#prepare = connection.prepare.bind(connection);
  }

  /** @throws GC_SQL, GC_NO_SUCH_TABLE, GC_NO_SUCH_COLUMN */
  get(sql: string): BetterSqlite3.Statement {
    const cached = this.#statements.get(sql);
    if (cached !== undefined) {
      // Map keeps insertion order; moving the entry to the end makes the first one the least recently used.
      this.#statements.delete(sql);
      this.#statements.set(sql, cached);
      return cached;
    }
    const statement = this.#fresh(sql);
    this.#statements.set(sql, statement);
    if (this.#statements.size > CAPACITY) {
      const oldest = this.#statements.keys().next().value;
      if (oldest !== undefined) this.#statements.delete(oldest);
    }
    return statement;
  }

  #fresh(sql: string): BetterSqlite3.Statement {
    try {
      return this.#prepare(sql);
    } catch (error) {
      throw sqlError(error, sql, () => tableNames(this.#connection, this.#prepare));
    }
  }
}

function tableNames(
  connection: BetterSqlite3.Database,
  prepare: (sql: string) => BetterSqlite3.Statement,
): readonly string[] {
  if (!connection.open) return [];
  return prepare("SELECT name FROM sqlite_schema WHERE type IN ('table','view')").pluck().all() as string[];
}
