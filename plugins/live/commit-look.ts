/**
 * Notices whether anybody has committed since the last look.
 *
 * Invariant: a commit that the reader can see is never overlooked; of an in-memory database, whose one connection does not
 * tell, it is always said that there was one.
 */
import type { Database } from '../../sdk/plugin.ts';

export class CommitLook {
  readonly #inMemory: boolean;
  readonly #version: ReturnType<Database['prepare']>;
  #seen: number | undefined;

  constructor(db: Database) {
    this.#inMemory = db.inMemory;
    this.#version = db.prepareRead('PRAGMA main.data_version').pluck();
  }

  /** Costs about a microsecond. */
  isNew(): boolean {
    if (this.#inMemory) return true;
    const version = this.#version.get() as number;
    if (version === this.#seen) return false;
    this.#seen = version;
    return true;
  }
}
