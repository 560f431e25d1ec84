/** How one change of a row is printed: for a person on one line, for a program as one line of JSON. */
import type { ChangeEvent } from '../../plugins/capsule/types.ts';
import { clockTime, localDay, paint, printable, shorten, toJson, visibleLength, widthOf } from './output.ts';

/** A change as `watch` and `log` have it; the log's belongs to no watcher. */
export type Change = Omit<ChangeEvent, 'watcherId'>;

const OPERATION = { INSERT: 'green', UPDATE: 'yellow', DELETE: 'red' } as const;
const VALUE_WIDTH = 48;

/** A row's change as a line of JSON: see {@link toJson} for bigint and BLOB. */
export function changeToJson(change: Change): string {
  return JSON.stringify(toJson(change));
}

/** `14:03:22 UPDATE orders 5  status: 'new' → 'paid'`; at most as wide as the terminal. */
export function changeToLine(change: Change, options: { readonly date?: boolean } = {}): string {
  const { operation, timestamp } = change;
  const day = options.date === true ? `${localDay(timestamp)} ` : '';
  const head = [
    paint('dim', `${day}${clockTime(timestamp)}`),
    paint('dim', String(change.seq).padStart(5)),
    paint(OPERATION[operation], operation),
    `${printable(change.tableName)} ${paint('bold', keyText(change.rowId))}`,
    ...(change.change === 'enter' || change.change === 'leave' ? [paint('magenta', `(${change.change}s)`)] : []),
  ].join(' ');
  const room = widthOf() - visibleLength(head) - 2;
  const details = detailsOf(change);
  const text = `${head}  ${fit(details, room)}`.trimEnd();
  const { source } = change;
  const from = source === 'external' ? '' : paint('dim', ` · ${source}`);
  return visibleLength(text) + visibleLength(from) > widthOf() ? text : text + from;
}

/** A primary key as one reads it. */
export function keyText(key: ChangeEvent['rowId']): string {
  if (Array.isArray(key)) return `(${key.map(valueText).join(', ')})`;
  return typeof key === 'string' ? shorten(printable(key), VALUE_WIDTH) : valueText(key);
}

interface Detail {
  readonly name: string;
  readonly text: string;
  readonly old?: string;
}

function detailsOf({ oldData, newData, changedColumns }: Change): readonly Detail[] {
  if (changedColumns !== undefined) {
    return changedColumns.map((name) => ({
      name: printable(name),
      text: valueText(newData?.[name]),
      old: valueText(oldData?.[name]),
    }));
  }
  const row = newData ?? oldData ?? {};
  return Object.entries(row).map(([name, value]) => ({ name: printable(name), text: valueText(value) }));
}

/** As many columns as fit, and how many are left. */
function fit(details: readonly Detail[], room: number): string {
  let line = '';
  for (const [index, { name, text, old }] of details.entries()) {
    const change = old === undefined ? `=${text}` : `: ${paint('dim', old)} → ${text}`;
    const next = `${index === 0 ? '' : old === undefined ? ' ' : ', '}${paint('cyan', name)}${change}`;
    const rest = details.length - index;
    const reserve = rest > 1 ? ` … ${rest} more`.length : 0;
    if (visibleLength(line) + visibleLength(next) + reserve > room) return `${line}${paint('dim', ` … ${rest} more`)}`;
    line += next;
  }
  return line;
}

/** A value as SQL would write it, cut when it is long. */
function valueText(value: unknown): string {
  if (value === null || value === undefined) return 'NULL';
  if (typeof value === 'string') return `'${shorten(printable(value), VALUE_WIDTH)}'`;
  if (value instanceof Uint8Array) {
    const hex = Buffer.from(value.subarray(0, 8)).toString('hex');
    return value.length > 8 ? `x'${hex}…' (${value.length} bytes)` : `x'${hex}'`;
  }
  if (typeof value === 'object') return shorten(printable(JSON.stringify(toJson(value))), VALUE_WIDTH);
  return String(value as number | bigint | boolean);
}
