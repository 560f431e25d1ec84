/** Reads several statements from one state of the database. */
import type { Database } from '../../sdk/plugin.ts';

export class ReadTransaction {
  readonly #db: Database;
  readonly #begin: ReturnType<Database['prepare']>;
  readonly #end: ReturnType<Database['prepare']>;

  constructor(db: Database) {
    this.#db = db;
    this.#begin = db.prepareRead('BEGIN');
    this.#end = db.prepareRead('COMMIT');
  }

  /** Runs `fn`, which must be synchronous. Its first statement on the reader fixes the state that all of them see. */
  run<T>(fn: () => T): T {
    // The one connection of an in-memory database shows nothing else meanwhile.
    if (this.#db.inMemory || this.#db.reader.inTransaction) return fn();
    this.#begin.run();
    try {
      return fn();
    } finally {
      this.#end.run();
    }
  }
}
