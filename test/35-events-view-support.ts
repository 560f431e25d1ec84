/**
 * What the tests of `_capsule_events` share: the same query in the system's sqlite3 shell (older than ours) and through the host.
 */
import { expect } from 'vitest';
import { openHost, sqlite3 } from './support.ts';
import type { Host } from './support.ts';

export const USERS = 'CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT, status TEXT)';
export const COLUMNS = [
  'id',
  'watcher_id',
  'operation',
  'table_name',
  'row_id',
  'old_data',
  'new_data',
  'timestamp',
  'transaction_id',
  'source',
  'processed',
];

export type Event = Readonly<Record<string, unknown>>;

/** What the old shell says, as objects. */
export function shell(host: Host | string, sql: string): Event[] {
  const file = typeof host === 'string' ? host : host.file;
  const text = sqlite3(file, '.mode json\n', sql).trim();
  return text === '' ? [] : (JSON.parse(text) as Event[]);
}

/** The same query in the old shell and through the reader; both must agree. */
export function both(host: Host, sql: string): Event[] {
  const old = shell(host, sql);
  expect(
    JSON.parse(
      JSON.stringify(host.db.all(sql), (_, value: unknown) => (typeof value === 'bigint' ? Number(value) : value)),
    ),
  ).toEqual(old);
  return old;
}

export const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** A host with one watched table, filled and changed by `writes`. */
export async function logged(schema: string, table: string, ...writes: readonly string[]): Promise<Host> {
  const host = openHost({ schema });
  host.capsule.watch(quote(table));
  for (const write of writes) host.run(write);
  await host.flush();
  return host;
}

/** The JSON of one column of the newest event, as each program prints it. */
export function newest(
  host: Host,
  column: 'old_data' | 'new_data' | 'row_id',
): { readonly old: string; readonly now: unknown } {
  const sql = `SELECT ${column} FROM _capsule_events ORDER BY id DESC LIMIT 1`;
  return { old: sqlite3(host.file, sql).replace(/\n$/, ''), now: host.db.value(sql) };
}
