/**
 * Which parts of a result a change reaches: the values of what it is divided by, found from the changed rows.
 *
 * Invariant: the answer holds for the state that the reader shows; when it would be too large to be of use, or what changed
 * is not known well enough, there is none.
 */
import type { TableLayout } from '../../../sdk/capsule-types.ts';
import { quoteName } from '../../../sdk/plugin.ts';
import type { Database, SqlValue } from '../../../sdk/plugin.ts';
import { fold } from '../access.ts';
import type { Touched } from '../touched.ts';
import type { Column } from './catalog.ts';
import { isReadable } from './compare.ts';
import { isHiddenRowid } from './names.ts';
import { keyOf } from './parameters.ts';
import type { Lookup, Root, Route } from './root.ts';
import { isScan, readAll } from './statements.ts';

type Statement = ReturnType<Database['prepare']>;

/** Values by their keys. */
export type Keys = ReadonlyMap<unknown, SqlValue>;

/** A lookup that reads a whole table is made so often at most. */
const MOST_SCANS = 4;

export class Reach {
  readonly #db: Database;
  readonly #root: Root;
  readonly #lookups = new Map<Lookup, { readonly statement: Statement; readonly scans: boolean }>();

  constructor(db: Database, root: Root) {
    this.#db = db;
    this.#root = root;
  }

  /** Undefined when any part may be reached. */
  keys(touched: Touched, most: number): Keys | undefined {
    let found: Map<unknown, SqlValue> | undefined;
    for (const { name } of this.#root.unreached) if (touched.of(name).length > 0) return undefined;
    for (const route of this.#root.routes) {
      if (touched.of(route.table.name).length === 0) continue;
      const begun = valuesOf(touched, route);
      const reached = begun === undefined ? undefined : this.#follow(begun, route.lookups, most);
      if (reached === undefined) return undefined;
      if (found === undefined) found = reached;
      else for (const [key, value] of reached) found.set(key, value);
      if (found.size > most) return undefined;
    }
    return found ?? new Map();
  }

  #follow(begun: Map<unknown, SqlValue>, lookups: readonly Lookup[], most: number): Map<unknown, SqlValue> | undefined {
    let values = begun;
    for (const [step, lookup] of lookups.entries()) {
      const isLast = step === lookups.length - 1;
      const { statement, scans } = this.#prepared(lookup);
      if (values.size > (scans ? MOST_SCANS : most)) return undefined;
      const next = new Map<unknown, SqlValue>();
      for (const value of values.values()) {
        for (const [found] of readAll(statement, [value])) {
          if (!isReadable(found)) return undefined;
          if (found !== null || isLast) next.set(keyOf(found as SqlValue), found as SqlValue);
        }
      }
      values = next;
    }
    return values;
  }

  #prepared(lookup: Lookup): { readonly statement: Statement; readonly scans: boolean } {
    const known = this.#lookups.get(lookup);
    if (known !== undefined) return known;
    const { table, by, find } = lookup;
    const sql = `SELECT DISTINCT ${find.sql} FROM main.${quoteName(table.name)} WHERE ${by.sql} = ?`;
    const prepared = { statement: this.#db.prepareRead(sql).raw(true), scans: isScan(this.#db, sql) };
    this.#lookups.set(lookup, prepared);
    return prepared;
  }
}

/** The values that changed rows had and have in a column; undefined when they are not all logged. */
export function valuesOf(
  touched: Touched,
  { table, column, isRoot = false }: Pick<Route, 'table' | 'column'> & { readonly isRoot?: boolean },
): Map<unknown, SqlValue> | undefined {
  const values = new Map<unknown, SqlValue>();
  for (const { layout, old, now } of touched.of(table.name)) {
    const at = placeOf(layout, column);
    if (at < 0) return undefined;
    for (const image of [old, now]) {
      const value = image?.[at];
      // NULL is equal to nothing, but a part of the result may be that of NULL.
      if (value === undefined || (value === null && !isRoot)) continue;
      if (!isReadable(value)) return undefined;
      values.set(keyOf(value), value);
    }
  }
  return values;
}

const places = new WeakMap<TableLayout, Map<Column, number>>();

/** Where a column stands in the images of a layout; -1 when it is not logged. */
export function placeOf(layout: TableLayout, column: Column): number {
  const known = places.get(layout) ?? new Map<Column, number>();
  places.set(layout, known);
  let at = known.get(column);
  if (at === undefined) {
    const rowidAt = layout.logsRowid ? layout.columns.length : -1;
    at = isHiddenRowid(column) ? rowidAt : layout.columns.findIndex(({ name }) => fold(name) === column.name);
    known.set(column, at);
  }
  return at;
}
