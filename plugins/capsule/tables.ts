/**
 * Watched tables: their layouts, their triggers, and what becomes of both when a schema changes.
 *
 * Invariant: for every attached table that exists, the triggers in the file are those of its current layout and newer than
 * any other trigger on it (SQLite fires the newest first, and the log's order relies on ours being first).
 */
import { quoteName, sameName } from '../../sdk/plugin.ts';
import type { Database } from '../../sdk/plugin.ts';
import { findTable, readLayout, readUniqueKeys, widthOf } from './layout.ts';
import type { TableLayout } from './layout.ts';
import { parseTriggerName, triggersFor } from './triggers.ts';
import type { RepairReport } from './types.ts';

/** What happened to an attached table since the schema was last looked at. */
export interface SchemaChange {
  readonly table: string;
  readonly kind: 'changed' | 'renamed' | 'dropped' | 'returned' | 'repaired' | 'reordered';
  readonly newName?: string;
  /** True when the triggers were not those the table needs: some changes may have gone unlogged until now. */
  readonly unlogged: boolean;
}

interface Attached {
  /** Id of its current layout; undefined while the table does not exist. */
  layoutId: number | undefined;
}

interface Ensured {
  readonly id: number;
  readonly created: readonly string[];
  readonly dropped: readonly string[];
  /** True when a trigger was missing or another. */
  readonly unlogged: boolean;
}

interface StoredLayout extends Omit<TableLayout, 'id' | 'table'> {
  readonly width: number;
}

export class WatchedTables {
  readonly #db: Database;
  readonly #attached = new Map<string, Attached>();
  readonly #layouts = new Map<number, TableLayout>();
  readonly #onChange: (names: readonly string[]) => void;
  /** Of the last look at all attached tables; other programs' changes since then are still to be found. */
  #schemaVersion = -1;
  #foreign = { version: -1, exist: false };

  /** `onChange` is told which tables are attached, inside the transaction that attaches or detaches one. */
  constructor(db: Database, onChange: (names: readonly string[]) => void = () => {}) {
    this.#db = db;
    this.#onChange = onChange;
  }

  /** True when other triggers exist in the file, whose nested writes may stand in the log before the write that caused them. */
  get foreignTriggers(): boolean {
    const version = this.#readSchemaVersion();
    if (version !== this.#foreign.version) {
      const others = this.#db
        .prepare(
          "SELECT 1 FROM sqlite_schema WHERE type = 'trigger' AND name NOT LIKE '\\_capsule\\_%' ESCAPE '\\' LIMIT 1",
        )
        .get();
      this.#foreign = { version, exist: others !== undefined };
    }
    return this.#foreign.exist;
  }

  get names(): readonly string[] {
    return [...this.#attached.keys()];
  }

  has(table: string): boolean {
    return this.#nameOf(table) !== undefined;
  }

  /** The layout with this id, from memory or from the file. */
  layout(id: number): TableLayout | undefined {
    const known = this.#layouts.get(id);
    if (known !== undefined) return known;
    const row = this.#db.prepareRead('SELECT name, layout FROM _capsule_tables WHERE id = ?').get(id) as
      { name: string; layout: string } | undefined;
    if (row === undefined) return undefined;
    const layout: TableLayout = { ...(JSON.parse(row.layout) as StoredLayout), id, table: row.name };
    this.#layouts.set(id, layout);
    return layout;
  }

  /** The current layout of an attached table. */
  current(table: string): TableLayout | undefined {
    const name = this.#nameOf(table);
    const id = name === undefined ? undefined : this.#attached.get(name)?.layoutId;
    return id === undefined ? undefined : this.layout(id);
  }

  /**
   * Puts triggers on a table, if they are not there yet.
   * @throws GC_NO_SUCH_TABLE, GC_NOT_WATCHABLE, GC_LOCKED
   */
  attach(table: string): TableLayout {
    const known = this.current(table);
    if (known !== undefined && !this.#schemaMoved()) return known;
    const layout = readLayout(this.#db, table);
    const id = this.#db.write(() =>
      this.#quietly(() => {
        const ensured = this.#ensure(layout);
        this.#attached.set(layout.table, { layoutId: ensured.id });
        this.#onChange(this.names);
        return ensured.id;
      }),
    );
    return this.layout(id) as TableLayout;
  }

  /** Takes the triggers off; the log's rows stay readable. */
  detach(table: string): void {
    const name = this.#nameOf(table);
    if (name === undefined) return;
    this.#db.write(() =>
      this.#quietly(() => {
        this.#attached.delete(name);
        this.#dropTriggers(name);
        this.#onChange(this.names);
      }),
    );
  }

  /** Takes away triggers that an earlier host left on a table nobody wants. */
  clearAway(table: string): void {
    if (!this.has(table)) this.#quietly(() => this.#dropTriggers(table));
  }

  /** Drops the table's triggers so that an ALTER TABLE that they name can run; {@link verify} puts them back. */
  suspend(table: string): void {
    const name = this.#nameOf(table);
    if (name !== undefined) this.#dropTriggers(name);
  }

  /** Repairs the triggers of one table. */
  repair(table: string): RepairReport {
    const layout = readLayout(this.#db, table);
    const report = this.#db.write(() =>
      this.#quietly(() => {
        const ensured = this.#ensure(layout);
        this.#attached.set(layout.table, { layoutId: ensured.id });
        this.#onChange(this.names);
        return ensured;
      }),
    );
    return { table: layout.table, created: report.created, dropped: report.dropped };
  }

  /** True when some program has changed the schema since the last look. Costs about a microsecond. */
  schemaMoved(): boolean {
    return this.#schemaMoved();
  }

  /** What was stored lately may have been undone. */
  forget(): void {
    this.#layouts.clear();
  }

  /** Looks at every attached table, repairs what has to be, and tells what happened. */
  verify(): readonly SchemaChange[] {
    return this.#db.write(() => {
      const changes = this.names.flatMap((name) => this.#verifyOne(name));
      if (changes.length > 0) this.#onChange(this.names);
      this.#schemaVersion = this.#readSchemaVersion();
      return changes;
    });
  }

  /**
   * Attaches a table that an earlier run had attached, and tells what happened to it since. `existed` says whether it was there
   * when somebody last looked.
   * @throws GC_NOT_WATCHABLE
   */
  resume(table: string, existed: boolean): readonly SchemaChange[] {
    return this.#db.write(() =>
      this.#quietly(() => {
        this.#attached.set(table, { layoutId: existed ? this.#newestLayout(table) : undefined });
        try {
          return this.#verifyOne(table);
        } catch (error) {
          this.#attached.delete(table);
          throw error;
        } finally {
          this.#onChange(this.names);
        }
      }),
    );
  }

  /** As of which the tables were last looked at; counts every change of the schema by anybody. */
  get schemaVersion(): number {
    return this.#schemaVersion;
  }

  #verifyOne(name: string): SchemaChange[] {
    const attached = this.#attached.get(name) as Attached;
    const found = findTable(this.#db, name);
    if (found?.type !== 'table') {
      if (attached.layoutId === undefined) return [];
      const newName = this.#renamedTo(name, attached.layoutId);
      if (newName === undefined) {
        attached.layoutId = undefined;
        return [{ table: name, kind: 'dropped', unlogged: true }];
      }
      // What was logged under the old name belongs to the same table.
      this.#db.run('UPDATE _capsule_tables SET name = ? WHERE name = ?', [newName, name]);
      this.#layouts.clear();
      this.#attached.delete(name);
      this.#attached.set(newName, { layoutId: this.#ensure(readLayout(this.#db, newName)).id });
      return [{ table: name, kind: 'renamed', newName, unlogged: false }];
    }
    const before = attached.layoutId;
    // The table was renamed and another one took its name: the old one is no longer what is watched.
    const renamed = this.#renamedTo(name, before);
    if (renamed !== undefined && !this.has(renamed)) this.#dropTriggers(renamed);
    const { id, created, unlogged } = this.#ensure(readLayout(this.#db, name));
    attached.layoutId = id;
    if (before === undefined) return [{ table: name, kind: 'returned', unlogged }];
    if (before !== id) return [{ table: name, kind: 'changed', unlogged }];
    if (created.length === 0) return [];
    return [{ table: name, kind: unlogged ? 'repaired' : 'reordered', unlogged }];
  }

  /** A renamed table still carries our triggers, and those carry the id of a layout: its last one, or any known by its name. */
  #renamedTo(name: string, layoutId: number | undefined): string | undefined {
    return this.#db
      .prepare(
        `SELECT s.tbl_name FROM _capsule_tables t
         JOIN sqlite_schema s ON s.type = 'trigger' AND s.name = '_capsule_' || t.id || '_insert'
         WHERE (t.id = @layoutId OR t.name = @name COLLATE NOCASE) AND s.tbl_name <> @name COLLATE NOCASE`,
      )
      .pluck()
      .get({ name, layoutId: layoutId ?? null }) as string | undefined;
  }

  #newestLayout(name: string): number | undefined {
    return this.#db
      .prepare('SELECT id FROM _capsule_tables WHERE name = ? COLLATE NOCASE ORDER BY id DESC LIMIT 1')
      .pluck()
      .get(name) as number | undefined;
  }

  /** Stores the layout if it is new, and makes the file's triggers those of the layout. Inside a transaction. */
  #ensure(layout: TableLayout): Ensured {
    const stored = { ...layout, id: this.#layoutId(layout) };
    this.#layouts.set(stored.id, stored);
    const expected = triggersFor(stored, readUniqueKeys(this.#db, stored));
    const all = this.#db
      .prepare("SELECT rowid, name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ? COLLATE NOCASE")
      .all(layout.table) as { rowid: number; name: string; sql: string }[];
    const ours = all.filter((trigger) => parseTriggerName(trigger.name) !== undefined);
    const newestOther = Math.max(
      0,
      ...all.filter((trigger) => !ours.includes(trigger)).map((trigger) => trigger.rowid),
    );
    const unlogged = !expected.every((one) => ours.some(({ name, sql }) => name === one.name && sql === one.sql));
    const inPlace = ours.length === expected.length && ours.every((trigger) => trigger.rowid > newestOther);
    if (inPlace && !unlogged) return { id: stored.id, created: [], dropped: [], unlogged };
    for (const trigger of ours) this.#db.exec(`DROP TRIGGER ${quoteName(trigger.name)}`);
    for (const trigger of expected) this.#db.exec(trigger.sql);
    return {
      id: stored.id,
      created: expected.map((trigger) => trigger.name),
      dropped: ours.map((trigger) => trigger.name),
      unlogged,
    };
  }

  #layoutId(layout: TableLayout): number {
    const { id: _id, table, ...rest } = layout;
    const text = JSON.stringify({ ...rest, width: widthOf(layout) } satisfies StoredLayout);
    const known = this.#db
      .prepare('SELECT id FROM _capsule_tables WHERE name = ? AND layout = ? ORDER BY id DESC LIMIT 1')
      .pluck()
      .get(table, text) as number | undefined;
    if (known !== undefined) return known;
    const rowid = layout.logsRowid && layout.key.length === 0 ? [layout.columns.length] : layout.key;
    const inserted = this.#db
      .prepare(
        `INSERT INTO _capsule_tables(name, columns, key, layout, watcher_id)
         VALUES (?, ?, ?, ?, (SELECT watcher_id FROM _capsule_tables WHERE name = ? ORDER BY id DESC LIMIT 1))`,
      )
      .run(table, JSON.stringify(layout.columns.map((column) => column.name)), JSON.stringify(rowid), text, table);
    return Number(inserted.lastInsertRowid);
  }

  #dropTriggers(table: string): void {
    const names = this.#db
      .prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ? COLLATE NOCASE")
      .pluck()
      .all(table) as string[];
    for (const name of names)
      if (parseTriggerName(name) !== undefined) this.#db.exec(`DROP TRIGGER ${quoteName(name)}`);
  }

  #schemaMoved(): boolean {
    return this.#readSchemaVersion() !== this.#schemaVersion;
  }

  #readSchemaVersion(): number {
    this.#versionStatement ??= this.#db.prepare('PRAGMA main.schema_version').pluck();
    return this.#versionStatement.get() as number;
  }
  #versionStatement: ReturnType<Database['prepare']> | undefined;

  /** Our own changes of the schema need no look at all tables; what others changed before still does. */
  #quietly<T>(change: () => T): T {
    const moved = this.#schemaMoved();
    const result = change();
    if (!moved) this.#schemaVersion = this.#readSchemaVersion();
    return result;
  }

  #nameOf(table: string): string | undefined {
    if (this.#attached.has(table)) return table;
    return this.names.find((name) => sameName(name, table));
  }
}
