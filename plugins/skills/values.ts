/**
 * Values on their way between the host's rows and Lua.
 *
 * Invariant: what a hook gives back unchanged keeps the host's own value (a Date stays a Date, a BLOB a BLOB, NULL a NULL).
 */
import type { LuaValue } from '../../sdk/lua-types.ts';
import { GlyphError } from '../../sdk/plugin.ts';
import type { ChangeEvent } from '../../sdk/capsule-types.ts';

type Data = Readonly<Record<string, unknown>>;

/** A host's value in a form that Lua takes. */
export function toLua(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (value instanceof Uint8Array) return value;
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (Array.isArray(value)) return value.map(toLua);
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, toLua(member)]));
}

/** A row for a hook. */
export const dataToLua = (data: Data): Data => toLua(data) as Data;

/** A hook's answer, put together with what it was given. NULL does not exist in Lua tables: what was NULL stays so. */
export function mergeAnswer(given: Data, answer: Readonly<Record<string, LuaValue>>): Record<string, unknown> {
  const merged: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(answer)) {
    // A plain assignment to "__proto__" would make a script's table the row's prototype.
    if (key === '__proto__') throw new GlyphError('GC_REFUSED', 'the row it returned has a column "__proto__"');
    merged[key] = Object.hasOwn(given, key) && isSame(toLua(given[key]), value) ? given[key] : value;
  }
  for (const [key, value] of Object.entries(given)) {
    if (!Object.hasOwn(merged, key) && (value === null || value === undefined)) merged[key] = value;
  }
  return merged;
}

function isSame(sent: unknown, back: unknown): boolean {
  if (sent === back) return true;
  if (sent instanceof Uint8Array) {
    // A BLOB comes back as text when its bytes happen to be UTF-8.
    if (typeof back === 'string') return Buffer.from(back).equals(sent);
    return back instanceof Uint8Array && Buffer.from(back.buffer, back.byteOffset, back.length).equals(sent);
  }
  if (typeof sent !== 'object' || sent === null || typeof back !== 'object' || back === null) return false;
  return text(sent) === text(back);
}

const text = (value: unknown): string =>
  JSON.stringify(value, (_key, member: unknown) => (typeof member === 'bigint' ? `${member}n` : member));

/** A change as `on_data_changed` and `glyphcase.watch` get it; `timestamp` in seconds, as os.time() has it. */
export function eventToLua(event: ChangeEvent, json: 'text' | 'table'): Record<string, unknown> {
  const { oldData, newData } = event;
  return {
    seq: event.seq,
    operation: event.operation,
    change: event.change,
    table_name: event.tableName,
    row_id: event.rowId,
    old_data: oldData === undefined ? undefined : rowToLua(oldData, json),
    new_data: newData === undefined ? undefined : rowToLua(newData, json),
    old_blobs: blobsOf(oldData),
    new_blobs: blobsOf(newData),
    changed_columns: event.changedColumns,
    // Lua counts from 1.
    index: event.index === undefined ? undefined : event.index + 1,
    old_index: event.oldIndex === undefined ? undefined : event.oldIndex + 1,
    timestamp: Math.floor(event.timestamp.getTime() / 1000),
    transaction_id: event.transactionId,
    source: event.source,
  };
}

/** Columns that hold a BLOB, which Lua cannot tell from a text; undefined when none does. */
function blobsOf(row: Data | undefined): readonly string[] | undefined {
  let names: string[] | undefined;
  for (const name in row) if (row[name] instanceof Uint8Array) (names ??= []).push(name);
  return names;
}

/** JSON columns arrive parsed. */
function rowToLua(row: Data, json: 'text' | 'table'): Data {
  if (json === 'table') return row;
  let copy: Record<string, unknown> | undefined;
  for (const name in row) {
    const value = row[name];
    if (typeof value !== 'object' || value === null || value instanceof Uint8Array) continue;
    copy ??= { ...row };
    copy[name] = JSON.stringify(value);
  }
  return copy ?? row;
}
