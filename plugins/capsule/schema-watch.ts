/**
 * Notices what schema changes do to watched tables: repairs, and tells those who have to know.
 *
 * Invariants: whoever changed the schema, after `verify` every watched table that exists logs its changes again; where changes
 * may have gone unlogged, durable subscribers have word of it in the file, written by the transaction that repaired the table.
 */
import { alteredTable, messageOf, statements } from '../../sdk/plugin.ts';
import type { Database, Logger } from '../../sdk/plugin.ts';
import type { DemandedTable, Mark, Registry } from './registry.ts';
import type { SchemaChange, WatchedTables } from './tables.ts';

/** Whose change it is: one the host made, one of the host's that was undone, or one of unknown origin. */
export type ChangedBy = 'host' | 'undone' | 'outside';

export interface SchemaWatchOptions {
  readonly db: Database;
  readonly logger: Logger;
  readonly tables: WatchedTables;
  readonly registry: Registry;
  /** A watched table has another layout, another name, or is gone. */
  readonly onChange: (change: SchemaChange) => void;
  /** Words that were left in the file, also by other hosts for subscribers of this one. */
  readonly onTold: (marks: ReadonlyMap<string, Mark>) => void;
}

export class SchemaWatch {
  readonly #options: SchemaWatchOptions;
  #pending: ChangedBy | undefined;
  #untold = false;

  constructor(options: SchemaWatchOptions) {
    this.#options = options;
  }

  /** If the schema moved, looks at it as soon as the writer is free. Another program's lock is waited for without blocking. */
  lookSoon(by: ChangedBy): void {
    const { db, tables } = this.#options;
    if (this.#pending !== undefined || !tables.schemaMoved()) return;
    this.#pending = by;
    db.deferWrite(() => {
      this.#pending = undefined;
      if (tables.schemaMoved()) this.verify(by);
    });
    if (db.flushDeferred()) this.tell();
  }

  /** Looks now if the schema moved: the host's transaction has just begun, and what it writes is to be logged. */
  lookNow(): void {
    if (this.#options.tables.schemaMoved()) this.verify('outside');
  }

  /** Looks now, in the transaction that is open or in one of its own. */
  verify(by: ChangedBy): void {
    const { tables } = this.#options;
    this.#apply(by, () => tables.verify());
    if (by === 'host') return;
    this.#untold = true;
    // Soon, if nobody else does: bookkeeping has no hook that says when it is committed.
    this.#options.db.outside(() => setImmediate(() => this.tell()));
  }

  /** Attaches what earlier runs want watched, and finds what happened to it while no host ran. */
  resume(demanded: readonly DemandedTable[]): void {
    const { tables, logger } = this.#options;
    for (const { table, existed } of demanded) {
      this.#apply('outside', () => {
        try {
          return tables.resume(table, existed !== 0);
        } catch (error) {
          logger.warn(`Cannot watch "${table}": ${messageOf(error)}`);
          return [];
        }
      });
    }
  }

  /** Lets subscribers of this host have what was left for them. Outside of transactions: these may still be undone. */
  tell(): void {
    if (!this.#untold || this.#options.db.busy || !this.#options.db.sqlite.open) return;
    this.#untold = false;
    this.#options.db.flushDeferred();
    this.#options.onTold(this.#options.registry.marks());
  }

  /** A script of the host's is about to run. SQLite refuses to drop a column that a trigger names, ours included. */
  beforeChange(sql: string): void {
    for (const statement of statements(sql)) {
      const altered = alteredTable(statement);
      if (altered?.kind === 'alter' && altered.action === 'drop column') this.#options.tables.suspend(altered.table);
    }
  }

  #apply(by: ChangedBy, look: () => readonly SchemaChange[]): void {
    const { db, logger, onChange } = this.#options;
    try {
      const changes = db.write(() => {
        const found = look();
        for (const change of found) this.#record(change, by);
        return found;
      });
      for (const change of changes) {
        logger.info(`Table "${change.table}" was ${describe(change)}`, { ...change });
        onChange(change);
      }
    } catch (error) {
      logger.error(`Watched tables could not be checked after a schema change: ${messageOf(error)}`, { error });
    }
  }

  #record(change: SchemaChange, by: ChangedBy): void {
    const { registry, tables } = this.#options;
    const { table, newName, kind, unlogged } = change;
    if (newName !== undefined) registry.rename(table, newName);
    if (kind === 'dropped' || kind === 'returned') registry.setActive(table, kind === 'returned');
    // An undone change left nothing unlogged by itself; triggers that had to be put back after it tell of somebody else's.
    if (by === 'host' || !unlogged || (by === 'undone' && kind === 'dropped')) return;
    const what = `${describe(change)}, schema version ${tables.schemaVersion}`;
    registry.markReset(table, {
      reason: 'schema',
      message: `Another program changed the table "${table}" (${what}); changes around that moment may be missing`,
    });
  }
}

function describe(change: SchemaChange): string {
  switch (change.kind) {
    case 'renamed':
      return `renamed to "${change.newName ?? ''}"`;
    case 'changed':
      return 'given another layout';
    case 'dropped':
      return 'dropped';
    case 'returned':
      return 'created again';
    case 'repaired':
      return 'left without triggers it needs, which were put back';
    case 'reordered':
      return 'given newer triggers, behind which ours were put again';
  }
}
