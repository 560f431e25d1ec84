/**
 * Columns that must be equal to a value, a parameter or one in the text: by them, of queries that differ in their parameters
 * only, those are found that a change can concern, and of many changes those that can concern a query.
 *
 * Invariant: a changed row with another value there is part of no row of the result, before or after.
 */
import type { SqlValue } from '../../../sdk/plugin.ts';
import type { CoreReading } from './reading.ts';
import type { Column, Table } from './catalog.ts';
import type { Span } from '../select/types.ts';
import type { Occurrence } from './names.ts';
import { textAt, valueAt } from './parameters.ts';
import type { ValueOf } from './parameters.ts';

export interface Switch {
  readonly value: ValueOf;
  readonly kind: Column['kind'];
  /** Per place of a table in the query, the column that has the value. Every place of the tables named here is among them. */
  readonly columns: readonly { readonly table: Table; readonly column: Column }[];
  /** Tables that also stand where no column is known to have the value. */
  readonly open: readonly Table[];
}

/** Those by parameters first: they tell queries apart. */
export function switchesOf({ tokens, demands }: CoreReading, occurrences: readonly Occurrence[]): Switch[] {
  const isParameter = (value: Span): boolean => tokens[value.from]?.type === 'parameter';
  const constants = [
    ...demands.constants.filter(({ value }) => isParameter(value)),
    ...demands.constants.filter(({ value }) => !isParameter(value)),
  ];
  return constants.flatMap(({ ref, value }) => {
    const found = valueAt(tokens, value) ?? textAt(tokens, value);
    if (found === undefined) return [];
    const columns = new Map([[ref.occurrence, ref.column]]);
    for (let grown = true; grown;) {
      grown = false;
      for (const occurrence of occurrences) {
        if (columns.has(occurrence)) continue;
        const link = occurrence.links.find(({ parent, parentColumn }) => columns.get(parent) === parentColumn);
        if (link === undefined) continue;
        columns.set(occurrence, link.column);
        grown = true;
      }
    }
    return [
      {
        value: found,
        kind: ref.column.kind,
        columns: [...columns].map(([{ table }, column]) => ({ table, column })),
        open: occurrences.flatMap((occurrence) => (columns.has(occurrence) ? [] : [occurrence.table])),
      },
    ];
  });
}

/** Whether SQLite compares a value with those of a column as it is, without turning it into another. */
export function fits(kind: Column['kind'], value: SqlValue): boolean {
  if (kind === 'number') return typeof value === 'number' || typeof value === 'bigint';
  return kind === 'any' || typeof value === 'string';
}
