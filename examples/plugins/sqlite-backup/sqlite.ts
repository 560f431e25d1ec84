/**
 * Connections beside the host's: to the live file for the time of a copy, and to copies.
 *
 * Invariant: they are made by the SQLite that the host has loaded. A second copy of the library in one process would drop
 * the host's locks when it closes the file (https://sqlite.org/howtocorrupt.html §2.2.1).
 */
import { setImmediate } from 'node:timers/promises';
import { quoteName } from 'glyphcase/sdk';
import type { Database } from 'glyphcase/sdk';

export type Connection = Database['sqlite'];
type Constructor = new (
  file: string,
  options: { readonly readonly?: boolean; readonly timeout?: number },
) => Connection;

/** How long to wait for another program's lock, in ms. */
const BUSY_MS = 5_000;

/** Opens an existing file for as long as `fn` runs. `host` is any connection of the host. */
export async function withConnection<T>(
  host: Connection,
  file: string,
  access: 'read' | 'write',
  fn: (connection: Connection) => T | Promise<T>,
): Promise<T> {
  const Sqlite = host.constructor as Constructor;
  const connection = new Sqlite(file, { readonly: access === 'read', timeout: BUSY_MS });
  try {
    return await fn(connection);
  } finally {
    connection.close();
  }
}

/** Rows of each table, those of SQLite and GlyphCase included; a virtual table's are in its shadow tables. */
export type Counts = ReadonlyMap<string, number>;

/** Counts what the connection sees. Lets the event loop turn between two tables. */
export async function countRows(connection: Connection): Promise<Counts> {
  const list = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'shadow')";
  const counts = new Map<string, number>();
  for (const name of connection.prepare(list).pluck().all() as string[]) {
    counts.set(
      name,
      connection
        .prepare(`SELECT count(*) FROM ${quoteName(name)}`)
        .pluck()
        .get() as number,
    );
    await setImmediate();
  }
  return counts;
}
