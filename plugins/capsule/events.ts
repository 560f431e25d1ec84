/** Turns logged changes into the events that handlers get. */
import type { Row, SqlValue } from '../../sdk/plugin.ts';
import { sameValue } from './images.ts';
import type { LoggedChange } from './images.ts';
import type { Span } from './ledger.ts';
import type { TableLayout } from './layout.ts';
import type { ChangeEvent } from './types.ts';

const OPERATIONS = { 1: 'INSERT', 2: 'UPDATE', 3: 'DELETE' } as const;

/** How columns declared JSON come: parsed, or as the text that is stored. */
export type JsonForm = 'parsed' | 'text';

/** An event without its watcher; every watcher of the table gets a copy of its own that shares the rows. */
export type UnroutedEvent = Omit<ChangeEvent, 'watcherId' | 'change'>;

/** Builds the events of consecutive changes. `spans` must cover them. */
export function buildEvents(
  changes: readonly LoggedChange[],
  spans: readonly Span[],
  json: JsonForm = 'parsed',
): UnroutedEvent[] {
  let at = 0;
  let span = spans[0] as Span;
  let timestamp = toDate(span.completedAt);
  return changes.map((change) => {
    while (change.seq > span.last && at + 1 < spans.length) {
      at += 1;
      span = spans[at] as Span;
      timestamp = toDate(span.completedAt);
    }
    return buildEvent(change, span, timestamp, json);
  });
}

function buildEvent(change: LoggedChange, span: Span, timestamp: Date, json: JsonForm): UnroutedEvent {
  const { layout, old, now } = change;
  return {
    seq: change.seq,
    operation: OPERATIONS[change.op],
    tableName: layout.table,
    rowId: rowIdOf(layout, (now ?? old) as readonly SqlValue[]),
    ...(old === undefined ? {} : { oldData: toRow(layout, old, json) }),
    ...(now === undefined ? {} : { newData: toRow(layout, now, json) }),
    ...(old === undefined || now === undefined ? {} : { changedColumns: changedColumns(layout, old, now) }),
    timestamp,
    transactionId: span.id,
    source: span.source,
  };
}

function toRow(layout: TableLayout, image: readonly SqlValue[], json: JsonForm): Row {
  const row: Row = {};
  const { columns } = layout;
  for (let index = 0; index < columns.length; index += 1) {
    const column = columns[index] as TableLayout['columns'][number];
    const value = image[index];
    const shown = column.json && json === 'parsed' && typeof value === 'string' ? parsed(value) : value;
    // A plain assignment would make such a column's value the row's prototype.
    if (column.name === '__proto__') Object.defineProperty(row, column.name, { value: shown, ...PLAIN });
    else row[column.name] = shown;
  }
  return row;
}

const PLAIN = { enumerable: true, configurable: true, writable: true } as const;

/** A JSON column comes back parsed; text that is no JSON stays text. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function changedColumns(layout: TableLayout, old: readonly SqlValue[], now: readonly SqlValue[]): string[] {
  const names: string[] = [];
  for (let index = 0; index < layout.columns.length; index += 1) {
    if (!sameValue(old[index], now[index])) names.push((layout.columns[index] as TableLayout['columns'][number]).name);
  }
  return names;
}

function rowIdOf(layout: TableLayout, image: readonly SqlValue[]): ChangeEvent['rowId'] {
  const { key } = layout;
  if (key.length === 1) {
    const value = image[key[0] as number];
    if (value !== null) return value as ChangeEvent['rowId'];
  } else if (key.length > 1) {
    const values = key.map((index) => image[index]);
    if (!layout.logsRowid || !values.includes(null)) return values;
  }
  if (layout.logsRowid) return image[layout.columns.length] as number;
  return [...image];
}

export const toDate = (sqlTime: string): Date => new Date(`${sqlTime.replace(' ', 'T')}Z`);
