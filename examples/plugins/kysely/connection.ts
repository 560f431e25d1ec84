/**
 * Runs Kysely's compiled queries on the host's connections.
 *
 * Invariants: whatever writes does so in a transaction of the host, so that its changes are logged and its hooks run;
 * integers are exact both ways; every error is a GlyphError.
 */
import type { AsyncLocalStorage } from 'node:async_hooks';
import { firstKeyword, GlyphError, isSchemaChange, toSqlParams } from 'glyphcase/sdk';
import type { Database, KernelHooks } from 'glyphcase/sdk';
import type { CompiledQuery, DatabaseConnection, QueryResult } from 'kysely';

/** What SQLite refuses inside a transaction. */
const ALONE = new Set(['VACUUM', 'PRAGMA', 'ATTACH', 'DETACH', 'ANALYZE', 'REINDEX']);
const CONTROL = new Set(['BEGIN', 'COMMIT', 'END', 'ROLLBACK', 'SAVEPOINT', 'RELEASE']);

export interface ConnectionParts {
  readonly db: Database;
  readonly hooks: KernelHooks;
  /** @throws GC_SCOPE_CLOSED when the plugin has stopped */
  readonly assertOpen: () => void;
  /** Set where a transaction of the host has been opened for one of Kysely, which takes it as its own. */
  readonly opening: AsyncLocalStorage<{ taken: boolean }>;
}

export class HostConnection implements DatabaseConnection {
  readonly #parts: ConnectionParts;

  constructor(parts: ConnectionParts) {
    this.#parts = parts;
  }

  async executeQuery<R>({ sql, parameters }: CompiledQuery): Promise<QueryResult<R>> {
    const { db, assertOpen } = this.#parts;
    assertOpen();
    const keyword = firstKeyword(sql);
    if (CONTROL.has(keyword)) {
      throw new GlyphError('GC_TRANSACTION', `Kysely was given ${keyword} as a statement`, {
        hint: 'Use db.transaction().execute(fn), which commits and rolls back by itself.',
      });
    }
    if (ALONE.has(keyword)) return await db.alone(() => runOnWriter<R>(db, sql, parameters));
    await db.whenReadable();
    if (db.isReadOnly(sql)) return { rows: db.all(sql, parameters) as R[] };
    return await this.#write<R>(sql, parameters);
  }

  streamQuery(): never {
    throw new GlyphError('GC_NOT_SUPPORTED', 'stream() is not available on the connection of a GlyphCase host', {
      hint: 'A stream would keep a statement open between rows. Read in pages: .where("id", ">", last).limit(1000).',
    });
  }

  #write<R>(sql: string, parameters: readonly unknown[]): Promise<QueryResult<R>> {
    const { db, hooks } = this.#parts;
    if (!isSchemaChange(sql)) {
      return db.exclusive(() => runOnWriter<R>(db, sql, parameters), { oneStatement: true });
    }
    // Triggers of watched tables are kept right around a change of the schema.
    return db.exclusive(() => {
      hooks.beforeSchemaChange.call(sql);
      const result = runOnWriter<R>(db, sql, parameters);
      hooks.afterSchemaChange.call(sql);
      return result;
    });
  }
}

function runOnWriter<R>(db: Database, sql: string, parameters: readonly unknown[]): QueryResult<R> {
  const statement = db.cached(sql);
  if (statement.reader) {
    // PRAGMA runs outside of transactions, where `all` would ask the reader.
    const rows = (db.current === undefined ? pragmaRows(db, sql) : db.all(sql, parameters)) as R[];
    return statement.readonly ? { rows } : { rows, numAffectedRows: BigInt(rows.length) };
  }
  const { changes, lastInsertRowid } = db.guard(() => statement.run(...toSqlParams(parameters, sql)));
  return { rows: [], numAffectedRows: BigInt(changes), insertId: BigInt(lastInsertRowid) };
}

const pragmaRows = (db: Database, sql: string): unknown[] => db.guard(() => db.prepare(sql).all());
