/**
 * An exclusive lock on a file beside the database, which the operating system takes back when its holder dies.
 *
 * Invariants: the side file is only ever opened through SQLite, once per lock, because closing a file by other means
 * would drop the locks of the whole process on it; it is never deleted, because another host may hold it; the database
 * itself is not touched.
 */
import { realpathSync } from 'node:fs';
import BetterSqlite3 from 'better-sqlite3';
import { isBusy } from '../../sdk/plugin.ts';

export class SideLock {
  readonly path: string;
  #connection: BetterSqlite3.Database | undefined;

  /** @throws what SQLite says when the side file cannot be created or opened. */
  constructor(database: string) {
    // Hosts may know the database by different links; SQLite follows them too.
    this.path = `${realpathSync(database)}-lock`;
    this.#connection = new BetterSqlite3(this.path, { timeout: 0 });
    try {
      // Fails here and now for a file that cannot be locked or is none of SQLite's.
      this.#connection.prepare('SELECT 1 FROM sqlite_schema').get();
    } catch (error) {
      if (isBusy(error)) return;
      this.close();
      throw error;
    }
  }

  /** Takes the lock if it is free, without waiting. True while it is ours. */
  tryTake(): boolean {
    const connection = this.#connection;
    if (connection === undefined) return false;
    if (connection.inTransaction) return true;
    try {
      connection.exec('BEGIN EXCLUSIVE');
      return true;
    } catch (error) {
      if (isBusy(error)) return false;
      throw error;
    }
  }

  /** Lets it go, if it is ours. */
  release(): void {
    if (this.#connection?.inTransaction === true) this.#connection.exec('ROLLBACK');
  }

  /** Idempotent. */
  close(): void {
    this.release();
    this.#connection?.close();
    this.#connection = undefined;
  }
}
