/**
 * The lease as it stands in the file: who holds it, in which epoch, and until when it counts without a sign of life.
 *
 * Invariant: the epoch grows by one each time the lease is taken, and only inside a write transaction; whoever finds
 * another epoch than the one it took has lost the lease.
 */
import type { Database } from '../../sdk/plugin.ts';

/** `lock`: the holder has the side file locked. `beat`: it could not, and shows itself alive by renewing. */
export type LeaseMode = 'lock' | 'beat';

export interface LeaseRow {
  /** Null when it was given back. */
  readonly host: string | null;
  readonly epoch: number;
  readonly mode: LeaseMode;
  /** Unix epoch in ms. */
  readonly expiresAt: number;
}

const TABLE = `CREATE TABLE IF NOT EXISTS _capsule_lease (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  host TEXT,
  epoch INTEGER NOT NULL,
  taken_at INTEGER NOT NULL,
  mode TEXT NOT NULL,
  expires_at INTEGER NOT NULL
)`;

type Statement = ReturnType<Database['prepare']>;

export class LeaseStore {
  readonly #db: Database;
  #epoch: Statement | undefined;

  /** @throws GC_LOCKED */
  constructor(db: Database) {
    this.#db = db;
    const known = db.prepare("SELECT 1 FROM sqlite_schema WHERE name = '_capsule_lease'").get();
    if (known === undefined) db.write(() => db.exec(TABLE));
  }

  read(): LeaseRow | undefined {
    return this.#db
      .prepare('SELECT host, epoch, mode, expires_at AS expiresAt FROM _capsule_lease WHERE id = 1')
      .get() as LeaseRow | undefined;
  }

  /** The epoch now; 0 before the first lease. */
  epoch(): number {
    this.#epoch ??= this.#db.prepare('SELECT epoch FROM _capsule_lease WHERE id = 1').pluck();
    return (this.#epoch.get() as number | undefined) ?? 0;
  }

  /** Enters a new holder and returns its epoch. Inside a transaction. */
  take(holder: {
    readonly host: string;
    readonly mode: LeaseMode;
    readonly now: number;
    readonly expiresAt: number;
  }): number {
    this.#db.run(
      `INSERT INTO _capsule_lease(id, host, epoch, taken_at, mode, expires_at) VALUES (1, @host, 1, @now, @mode, @expiresAt)
       ON CONFLICT(id) DO UPDATE SET
         host = excluded.host, epoch = epoch + 1, taken_at = excluded.taken_at, mode = excluded.mode, expires_at = excluded.expires_at`,
      { ...holder },
    );
    return this.epoch();
  }

  /** A sign of life. Inside a transaction. */
  renew(epoch: number, expiresAt: number): void {
    this.#db.run('UPDATE _capsule_lease SET expires_at = ? WHERE id = 1 AND epoch = ?', [expiresAt, epoch]);
  }

  /** Gives the lease back, so that nobody waits for it to expire. Inside a transaction. */
  giveBack(epoch: number): void {
    this.#db.run('UPDATE _capsule_lease SET host = NULL, expires_at = 0 WHERE id = 1 AND epoch = ?', [epoch]);
  }
}
