/** How one change of a row is printed: for a person on one line, for a program as one line of JSON. */
import type { ChangeEvent } from '../../plugins/capsule/types.ts';
import { clockTime, jsonText, localDay, paint, printable, shorten, toJson, visibleLength, widthOf } from './output.ts';

/** A change as `watch` and `log` have it; the log's belongs to no watcher. */
export type Change = Omit<ChangeEvent, 'watcherId'>;

const OPERATION = { INSERT: 'green', UPDATE: 'yellow', DELETE: 'red' } as const;
/** How many columns a value may take; where the terminal is too narrow for that, less. */
const VALUE_WIDTHS = [48, 32, 20, 12] as const;
const VALUE_WIDTH = VALUE_WIDTHS[0];

/** A row's change as a line of JSON: see {@link toJson} for bigint and BLOB. */
export function changeToJson(change: Change): string {
  return jsonText(change);
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
  const text = `${head}  ${details(change, widthOf() - visibleLength(head) - 2)}`.trimEnd();
  const { source } = change;
  const from = source === 'external' ? '' : paint('dim', ` · ${source}`);
  return visibleLength(text) + visibleLength(from) > widthOf() ? text : text + from;
}

/** A primary key as one reads it. */
export function keyText(key: ChangeEvent['rowId']): string {
  if (Array.isArray(key)) return `(${key.map((part) => valueText(part)).join(', ')})`;
  return typeof key === 'string' ? shorten(printable(key), VALUE_WIDTH) : valueText(key);
}

/** The columns of a change, with values as long as there is room for. */
function details(change: Change, room: number): string {
  let line = '';
  for (const width of VALUE_WIDTHS) {
    const parts = columnsOf(change, width);
    line = fit(parts, room, change.changedColumns === undefined ? ' ' : ', ');
    if (parts.every((part) => line.includes(part))) break;
  }
  return line;
}

function columnsOf({ oldData, newData, changedColumns }: Change, width: number): readonly string[] {
  const named = (name: string): string => paint('cyan', printable(name));
  if (changedColumns !== undefined) {
    return changedColumns.map((name) => {
      const old = paint('dim', valueText(oldData?.[name], width));
      return `${named(name)}: ${old} → ${valueText(newData?.[name], width)}`;
    });
  }
  return Object.entries(newData ?? oldData ?? {}).map(([name, value]) => `${named(name)}=${valueText(value, width)}`);
}

/** As many parts as fit, and how many are left. */
function fit(parts: readonly string[], room: number, separator: string): string {
  let line = '';
  for (const [index, part] of parts.entries()) {
    const next = index === 0 ? part : `${separator}${part}`;
    const rest = parts.length - index;
    const reserve = rest > 1 ? ` … ${rest} more`.length : 0;
    if (visibleLength(line) + visibleLength(next) + reserve > room) return `${line}${paint('dim', ` … ${rest} more`)}`;
    line += next;
  }
  return line;
}

/** A value as SQL would write it, cut when it is long. */
export function valueText(value: unknown, width: number = VALUE_WIDTH): string {
  if (value === null || value === undefined) return 'NULL';
  if (typeof value === 'string') return `'${shorten(printable(value), width)}'`;
  if (value instanceof Uint8Array) {
    const hex = Buffer.from(value.subarray(0, 8)).toString('hex');
    return value.length > 8 ? `x'${hex}…' (${value.length} bytes)` : `x'${hex}'`;
  }
  if (typeof value === 'number' || typeof value === 'bigint') return value.toString();
  return shorten(printable(JSON.stringify(toJson(value))), width);
}
