/**
 * Puts declared schemas into the database.
 *
 * Invariant: a schema is applied as a whole, in one transaction, or not at all; existing tables keep their rows.
 */
import { GlyphError } from '../kernel/errors.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { CapsuleService } from '../plugins/capsule/types.ts';
import { addColumnsSql, createTableSql, functionDefaults, indexSql, triggerSql } from './schema.ts';
import type { SchemaDefinition, TableDef } from './schema.ts';

export class Schemas {
  readonly #kernel: Kernel;
  readonly #capsule: () => CapsuleService | undefined;

  /** `capsule` is undefined where watching is switched off. */
  constructor(kernel: Kernel, capsule: () => CapsuleService | undefined) {
    this.#kernel = kernel;
    this.#capsule = capsule;
  }

  /** At once, for the constructor. @throws GC_BAD_ARGUMENT, GC_SQL, GC_LOCKED */
  applyNow(schema: SchemaDefinition): void {
    this.#kernel.db.write(() => this.#create(schema));
    this.#keep(schema.tables);
  }

  /** As soon as the writer is free. @throws GC_BAD_ARGUMENT, GC_SQL, GC_LOCKED */
  async apply(schema: SchemaDefinition): Promise<void> {
    await this.#kernel.db.exclusive(() => this.#create(schema));
    this.#keep(schema.tables);
  }

  #create(schema: SchemaDefinition): void {
    if (!Array.isArray(schema.tables)) throw new GlyphError('GC_BAD_ARGUMENT', 'A schema needs a list of tables');
    for (const table of schema.tables as readonly TableDef[]) this.#createTable(table);
    const { db } = this.#kernel;
    for (const index of schema.indexes ?? []) db.exec(indexSql(index));
    for (const trigger of schema.triggers ?? []) db.exec(triggerSql(trigger));
  }

  #createTable(table: TableDef): void {
    const { db, hooks } = this.#kernel;
    const existing = db.prepare('SELECT name FROM pragma_table_info(?)').pluck().all(table.name) as string[];
    const create = createTableSql(table.name, table.columns);
    const sql = existing.length === 0 ? [create] : addColumnsSql(table.name, table.columns, existing);
    for (const statement of sql) db.exec(statement);
    if (sql.length > 0) hooks.afterSchemaChange.call(sql.join(';\n'));
    db.rows.setDefaults(table.name, functionDefaults(table.columns));
  }

  /** Tables that are to be watched whoever runs. */
  #keep(tables: readonly TableDef[]): void {
    for (const { name, capsule } of tables) {
      if (capsule?.watch !== true) continue;
      const { watch: _watch, ...options } = capsule;
      this.#capsule()?.keep(name, options);
    }
  }
}
