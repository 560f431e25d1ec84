/**
 * Row operations by table and key: insert, update, delete, with the hooks that may change or refuse them.
 *
 * Everything here is synchronous and runs inside a transaction that the caller has opened; the host API and Lua share it.
 * Invariant: names are checked against the schema and quoted, values are bound, never concatenated.
 */
import type { Database, Params } from './types.ts';
import { GlyphError } from '../errors.ts';
import type { KernelHooks } from '../hooks.ts';
import { foldName, quoteName } from '../sql/identifiers.ts';
import { columnOf, TableInfos } from './table-info.ts';
import type { TableInfo } from './table-info.ts';
import { describe, exact, toSqlParams, toSqlValue } from './values.ts';
import type { BoundValue } from './values.ts';

type Data = Readonly<Record<string, unknown>>;

/** A primary key: the value, or an array in key order for a composite one. */
export type Key = number | bigint | string | Uint8Array | readonly unknown[] | null;

/** Makes a column's default value for one insert. */
export type DefaultFunction = () => unknown;

export interface Rows {
  /** @returns the new row's primary key (its rowid when none is declared). */
  insert(table: string, data: Data): Key;
  /** Rows may differ in their columns. @returns the primary keys, in order. */
  insertMany(table: string, rows: readonly Data[]): Key[];
  /** @returns the number of rows changed: 0 or 1. */
  update(table: string, id: unknown, data: Data): number;
  /** @param where a condition; a leading WHERE is accepted. @returns the number of rows changed. */
  updateWhere(table: string, where: string, params: Params, data: Data): number;
  delete(table: string, id: unknown): number;
  deleteWhere(table: string, where: string, params: Params): number;
  /** Functions that make default values, by column, for inserts that leave the column out. */
  setDefaults(table: string, defaults: ReadonlyMap<string, DefaultFunction>): void;
  /** What is known of a table. */
  info(table: string): TableInfo;
}

export function createRows(db: Database, hooks: KernelHooks): Rows {
  return new TableRows(db, hooks);
}

type Statement = ReturnType<Database['prepare']>;

class TableRows implements Rows {
  readonly #db: Database;
  readonly #hooks: KernelHooks;
  readonly #infos: TableInfos;
  readonly #defaults = new Map<string, ReadonlyMap<string, DefaultFunction>>();

  constructor(db: Database, hooks: KernelHooks) {
    this.#db = db;
    this.#hooks = hooks;
    this.#infos = new TableInfos(db);
  }

  info(table: string): TableInfo {
    return this.#infos.get(table);
  }

  setDefaults(table: string, defaults: ReadonlyMap<string, DefaultFunction>): void {
    this.#defaults.set(foldName(table), defaults);
  }

  insert(table: string, data: Data): Key {
    return this.#insertRow(this.#infos.get(table), data, new Map());
  }

  insertMany(table: string, rows: readonly Data[]): Key[] {
    const info = this.#infos.get(table);
    if (!Array.isArray(rows))
      throw new GlyphError('GC_BAD_ARGUMENT', `insertMany() takes an array of rows, not ${describe(rows)}`);
    const statements = new Map<string, Statement>();
    return rows.map((row) => this.#insertRow(info, row as Data, statements));
  }

  update(table: string, id: unknown, data: Data): number {
    const info = this.#infos.get(table);
    const key = keyCondition(info, id);
    return this.#updateRow(info, id, key, data);
  }

  updateWhere(table: string, where: string, params: Params, data: Data): number {
    const info = this.#infos.get(table);
    const condition = conditionOf(where);
    if (!this.#hooks.beforeUpdate.used && !this.#hooks.validateUpdate.used) {
      return this.#runUpdate(info, data, condition, toSqlParams(params));
    }
    let changed = 0;
    for (const id of this.#keysWhere(info, condition, params))
      changed += this.#updateRow(info, id, keyCondition(info, id), data);
    return changed;
  }

  delete(table: string, id: unknown): number {
    const info = this.#infos.get(table);
    return this.#deleteRow(info, id, keyCondition(info, id));
  }

  deleteWhere(table: string, where: string, params: Params): number {
    const info = this.#infos.get(table);
    const condition = conditionOf(where);
    if (!this.#hooks.beforeDelete.used) {
      return this.#run(`DELETE FROM ${quoteName(info.name)} WHERE ${condition}`, toSqlParams(params)).changes;
    }
    let changed = 0;
    for (const id of this.#keysWhere(info, condition, params))
      changed += this.#deleteRow(info, id, keyCondition(info, id));
    return changed;
  }

  #insertRow(info: TableInfo, given: Data, statements: Map<string, Statement>): Key {
    let data = this.#withDefaults(info, asData(given, info));
    const { beforeInsert, validateInsert } = this.#hooks;
    if (beforeInsert.used) data = beforeInsert.call({ ...data }, { table: info.name });
    if (validateInsert.used) refuse(validateInsert.call({ table: info.name }, data), `insert into "${info.name}"`);
    const names = Object.keys(data);
    const shape = names.join('\u0000');
    let statement = statements.get(shape);
    if (statement === undefined) {
      statement = this.#statement(insertSql(info, names));
      statements.set(shape, statement);
    }
    const values = names.map((name) => toSqlValue(data[name], `column "${name}" of table ${info.name}`));
    return this.#insertWith(statement, info, data, values);
  }

  #insertWith(statement: Statement, info: TableInfo, data: Data, values: readonly BoundValue[]): Key {
    return this.#db.guard(() => {
      if (statement.reader) {
        const row = statement.get(...values) as unknown[] | undefined;
        return row === undefined ? null : keyOf(row.map(exact));
      }
      const { lastInsertRowid } = statement.run(...values);
      if (info.key.length === 0 || info.keyIsRowid) return exact(lastInsertRowid) as Key;
      return keyOf(info.key.map((name) => valueOf(data, name)));
    });
  }

  #updateRow(info: TableInfo, id: unknown, key: KeyCondition, given: Data): number {
    let data: Data = asData(given, info);
    const { beforeUpdate, validateUpdate } = this.#hooks;
    const target = { table: info.name, id };
    if (beforeUpdate.used) data = beforeUpdate.call({ ...data }, target);
    if (validateUpdate.used) refuse(validateUpdate.call(target, { ...data }), `update of "${info.name}"`);
    return this.#runUpdate(info, data, key.sql, key.values);
  }

  #runUpdate(info: TableInfo, data: Data, condition: string, params: readonly unknown[]): number {
    const names = Object.keys(asData(data, info));
    if (names.length === 0) {
      const count = this.#statement(`SELECT count(*) FROM ${quoteName(info.name)} WHERE ${condition}`).raw();
      return this.#db.guard(() => Number((count.get(...params) as [number | bigint])[0]));
    }
    const sets = names.map((name, index) => `${quoteName(columnOf(info, name))} = @gc_set_${index}`).join(', ');
    const values: Record<string, BoundValue> = {};
    names.forEach((name, index) => {
      values[`gc_set_${index}`] = toSqlValue(data[name], `column "${name}" of table ${info.name}`);
    });
    const [named] = params;
    const isNamed =
      params.length === 1 && typeof named === 'object' && named !== null && !(named instanceof Uint8Array);
    const bound = isNamed ? [{ ...values, ...named }] : [...params, values];
    return this.#run(`UPDATE ${quoteName(info.name)} SET ${sets} WHERE ${condition}`, bound).changes;
  }

  #deleteRow(info: TableInfo, id: unknown, key: KeyCondition): number {
    const { beforeDelete } = this.#hooks;
    if (beforeDelete.used) refuse(beforeDelete.call({ table: info.name, id }), `delete from "${info.name}"`);
    return this.#run(`DELETE FROM ${quoteName(info.name)} WHERE ${key.sql}`, key.values).changes;
  }

  /** The keys of the rows that a condition holds for, read before anything changes. */
  #keysWhere(info: TableInfo, condition: string, params: Params): unknown[] {
    const columns = info.key.length > 0 ? info.key.map(quoteName).join(', ') : 'rowid';
    const statement = this.#statement(`SELECT ${columns} FROM ${quoteName(info.name)} WHERE ${condition}`).raw();
    const rows = this.#db.guard(() => statement.all(...toSqlParams(params)) as unknown[][]);
    return rows.map((row) => keyOf(row.map(exact)));
  }

  #withDefaults(info: TableInfo, data: Data): Data {
    const defaults = this.#defaults.get(foldName(info.name));
    if (defaults === undefined) return data;
    const complete: Record<string, unknown> = { ...data };
    for (const [column, make] of defaults) if (valueOf(data, column) === undefined) complete[column] = make();
    return complete;
  }

  #run(sql: string, params: readonly unknown[]): { readonly changes: number } {
    const statement = this.#statement(sql);
    return this.#db.guard(() => statement.run(...params));
  }

  #statement(sql: string): Statement {
    return this.#db.cached(sql);
  }
}

function insertSql(info: TableInfo, names: readonly string[]): string {
  const table = quoteName(info.name);
  const columns = names.map((name) => quoteName(columnOf(info, name)));
  const values =
    columns.length === 0 ? 'DEFAULT VALUES' : `(${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`;
  // SQLite tells the rowid by itself; any other key that the caller left to a default has to be asked for.
  const known =
    info.key.length === 0 ||
    info.keyIsRowid ||
    info.key.every((key) => names.some((name) => foldName(name) === foldName(key)));
  return `INSERT INTO ${table} ${values}${known ? '' : ` RETURNING ${info.key.map(quoteName).join(', ')}`}`;
}

interface KeyCondition {
  readonly sql: string;
  readonly values: readonly BoundValue[];
}

function keyCondition(info: TableInfo, id: unknown): KeyCondition {
  const columns = info.key.length > 0 ? info.key.map(quoteName) : info.hasRowid ? ['rowid'] : [];
  if (columns.length === 0)
    throw new GlyphError('GC_BAD_ARGUMENT', `"${info.name}" has no key; use updateWhere() or deleteWhere()`);
  const parts = columns.length === 1 && !Array.isArray(id) ? [id] : id;
  if (!Array.isArray(parts) || parts.length !== columns.length) {
    throw new GlyphError(
      'GC_BAD_ARGUMENT',
      `The key of "${info.name}" is (${info.key.join(', ')}); an array of ${columns.length} values is needed, not ${describe(id)}`,
    );
  }
  if (parts.some((part) => part === undefined)) {
    throw new GlyphError('GC_BAD_ARGUMENT', `The key of a row of "${info.name}" is undefined`);
  }
  return {
    sql: columns.map((column) => `${column} = ?`).join(' AND '),
    values: parts.map((part, index) => toSqlValue(part, `key ${info.key[index] ?? 'rowid'} of table ${info.name}`)),
  };
}

function conditionOf(where: string): string {
  if (typeof where !== 'string' || where.trim() === '') {
    throw new GlyphError('GC_BAD_ARGUMENT', 'A condition is needed, such as "status = ?"; write "1" for all rows');
  }
  return `(${where.replace(/^\s*where\b/i, '')}\n)`;
}

function asData(data: unknown, info: TableInfo): Data {
  if (
    typeof data !== 'object' ||
    data === null ||
    Array.isArray(data) ||
    data instanceof Date ||
    data instanceof Uint8Array
  ) {
    throw new GlyphError(
      'GC_BAD_ARGUMENT',
      `A row of "${info.name}" must be an object of column values, not ${describe(data)}`,
    );
  }
  return data as Data;
}

function refuse(reason: string | undefined, what: string): void {
  if (reason !== undefined) throw new GlyphError('GC_REFUSED', `The ${what} was refused: ${reason}`);
}

const valueOf = (data: Data, column: string): unknown =>
  data[column] ?? Object.entries(data).find(([name]) => foldName(name) === foldName(column))?.[1];

const keyOf = (values: readonly unknown[]): Key => (values.length === 1 ? (values[0] as Key) : values);
