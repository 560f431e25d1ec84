/**
 * Notices what schema changes do to watched tables: repairs, and tells those who have to know.
 *
 * Invariant: whoever changed the schema, after `verify` every watched table that exists logs its changes again; durable
 * subscribers learn of changes that another program made, because some writes may have gone unlogged around that moment.
 */
import { alteredTable, messageOf, statements } from '../../sdk/plugin.ts';
import type { Database, Logger } from '../../sdk/plugin.ts';
import type { Registry } from './registry.ts';
import type { SchemaChange, WatchedTables } from './tables.ts';
import type { Reset } from './types.ts';

export interface SchemaWatchOptions {
  readonly db: Database;
  readonly logger: Logger;
  readonly tables: WatchedTables;
  readonly registry: Registry;
  /** A watched table has another layout, another name, or is gone. */
  readonly onChange: (change: SchemaChange) => void;
  /** What durable subscribers of the table saw so far is void. */
  readonly onReset: (table: string, reset: Reset) => void;
}

export class SchemaWatch {
  readonly #options: SchemaWatchOptions;
  #pending = false;

  constructor(options: SchemaWatchOptions) {
    this.#options = options;
  }

  /** If the schema moved, looks at it as soon as the writer is free. Another program's lock is waited for without blocking. */
  lookSoon(by: 'host' | 'outside'): void {
    const { db, tables } = this.#options;
    if (this.#pending || !tables.schemaMoved()) return;
    this.#pending = true;
    db.deferWrite(() => {
      this.#pending = false;
      if (tables.schemaMoved()) this.verify(by);
    });
    db.flushDeferred();
  }

  /** Looks now, in the transaction that is open or in one of its own. */
  verify(by: 'host' | 'outside'): void {
    const { tables, logger, onChange, onReset, db, registry } = this.#options;
    let changes: readonly SchemaChange[];
    try {
      changes = tables.verify();
    } catch (error) {
      logger.error(`Watched tables could not be checked after a schema change: ${messageOf(error)}`, { error });
      return;
    }
    for (const change of changes) {
      const { table, newName } = change;
      if (newName !== undefined) db.deferWrite(() => registry.rename(table, newName));
      logger.info(`Table "${table}" was ${describe(change)}`, { ...change });
      onChange(change);
      if (by === 'host' || change.kind === 'renamed') continue;
      const reset: Reset = {
        reason: 'schema',
        message: `Another program changed the table "${table}" (${describe(change)}); changes around that moment may be missing`,
      };
      db.deferWrite(() => registry.markReset(table, JSON.stringify(reset)));
      onReset(table, reset);
    }
  }

  /** A script of the host's is about to run. SQLite refuses to drop a column that a trigger names, ours included. */
  beforeChange(sql: string): void {
    for (const statement of statements(sql)) {
      const altered = alteredTable(statement);
      if (altered?.kind === 'alter' && altered.action === 'drop column') this.#options.tables.suspend(altered.table);
    }
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
      return 'left without its triggers, which were put back';
  }
}
