/**
 * The dialect: Kysely's own SQLite compiler and introspector on top of the host's connection.
 *
 * Invariant: the driver begins and ends no transaction. Kysely's transactions run inside one of the host, which
 * {@link HostKysely} opens around them.
 */
import { GlyphError } from 'glyphcase/sdk';
import { SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler } from 'kysely';
import type { DatabaseConnection, DatabaseIntrospector, Dialect, Driver, Kysely, TransactionSettings } from 'kysely';
import { HostConnection } from './connection.ts';
import type { ConnectionParts } from './connection.ts';

/** Kysely takes one connection at a time for a limit of SQLite; who waits for whom is the host's to say. */
class HostAdapter extends SqliteAdapter {
  override get supportsMultipleConnections(): boolean {
    return true;
  }

  /** SQLite undoes DDL as it does everything else, so a migration that fails leaves nothing. */
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}

export class HostDriver implements Driver {
  readonly #connection: HostConnection;
  readonly #parts: ConnectionParts;

  constructor(parts: ConnectionParts) {
    this.#parts = parts;
    this.#connection = new HostConnection(parts);
  }

  init(): Promise<void> {
    return Promise.resolve();
  }

  acquireConnection(): Promise<DatabaseConnection> {
    return Promise.resolve(this.#connection);
  }

  beginTransaction(_connection: DatabaseConnection, settings: TransactionSettings): Promise<void> {
    return settled(() => {
      checkSettings(settings);
      const opening = this.#parts.opening.getStore();
      if (opening?.taken !== false) {
        throw new GlyphError('GC_NOT_SUPPORTED', 'A transaction was begun on a connection of Kysely', {
          hint: 'Begin it with transaction() of the instance that the service `kysely` gives.',
        });
      }
      opening.taken = true;
    });
  }

  /** The host commits when the function that Kysely runs in has returned. */
  commitTransaction(): Promise<void> {
    return Promise.resolve();
  }

  /** Kysely throws the error on, and so the host rolls back. */
  rollbackTransaction(): Promise<void> {
    return Promise.resolve();
  }

  releaseConnection(): Promise<void> {
    return Promise.resolve();
  }

  destroy(): Promise<void> {
    return Promise.resolve();
  }
}

/** @throws GC_NOT_SUPPORTED for what a transaction of the host, which is serializable and writes, is not */
function checkSettings({ isolationLevel, accessMode }: TransactionSettings): void {
  const wrong =
    isolationLevel !== undefined && isolationLevel !== 'serializable'
      ? `isolation level "${isolationLevel}"`
      : accessMode === 'read only'
        ? 'access mode "read only"'
        : undefined;
  if (wrong === undefined) return;
  throw new GlyphError('GC_NOT_SUPPORTED', `Transactions with ${wrong} are not available`, {
    hint: 'A transaction of SQLite is serializable, and one of the host may always write: leave the setting out.',
  });
}

/** Kysely waits for promises, and a throw would reach it at another place. */
function settled(fn: () => void): Promise<void> {
  return new Promise((resolve) => {
    fn();
    resolve();
  });
}

export class HostDialect implements Dialect {
  readonly #parts: ConnectionParts;

  constructor(parts: ConnectionParts) {
    this.#parts = parts;
  }

  createAdapter(): HostAdapter {
    return new HostAdapter();
  }

  createDriver(): Driver {
    return new HostDriver(this.#parts);
  }

  createIntrospector(db: Kysely<unknown>): DatabaseIntrospector {
    return new SqliteIntrospector(db);
  }

  createQueryCompiler(): SqliteQueryCompiler {
    return new SqliteQueryCompiler();
  }
}
