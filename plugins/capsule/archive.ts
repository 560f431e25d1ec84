/**
 * The archive that pruned rows go to: a SQLite file with tables of the same names and columns, so that the same tools read it.
 *
 * Invariant: copying the same rows twice is harmless. What cannot be written is an error before anything is removed.
 */
import { resolve } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { GlyphError, messageOf } from '../../sdk/plugin.ts';
import type { Database } from '../../sdk/plugin.ts';
import { LOG_WIDTH } from './layout.ts';

const slots = (prefix: string): string =>
  Array.from({ length: LOG_WIDTH }, (_, index) => `${prefix}${index}`).join(', ');

const TABLES = `
  CREATE TABLE IF NOT EXISTS _capsule_log (seq INTEGER PRIMARY KEY, table_id, op, ${slots('o')}, ${slots('n')});
  CREATE TABLE IF NOT EXISTS _capsule_tables (id INTEGER PRIMARY KEY, name TEXT, columns TEXT, key TEXT, layout TEXT, watcher_id TEXT, created_at);
  CREATE TABLE IF NOT EXISTS _capsule_transactions (id TEXT PRIMARY KEY, first_seq INTEGER, last_seq INTEGER, started_at, completed_at, status, event_count, source);
`;

/** @throws GC_BAD_OPTION when the archive is the database itself. */
export function checkArchive(db: Database, file: string): void {
  if (resolve(file) !== db.filename) return;
  throw new GlyphError('GC_BAD_OPTION', `capsule.archive is the database itself: ${file}`, {
    hint: 'Name another file; it is created when it is first needed.',
  });
}

/** Copies rows of the log, what they mean and whose they are. Returns their number. @throws GC_CANNOT_OPEN */
export function archiveRows(db: Database, file: string, where: string, params: readonly unknown[]): number {
  const rows = exact(db, `SELECT * FROM _capsule_log WHERE ${where}`, params);
  const [first, last] = [rows[0]?.[0], rows.at(-1)?.[0]];
  const transactions = exact(db, 'SELECT * FROM _capsule_transactions WHERE last_seq >= ? AND first_seq <= ?', [
    first,
    last,
  ]);
  const layouts = exact(db, 'SELECT * FROM _capsule_tables', []);
  let archive: BetterSqlite3.Database | undefined;
  try {
    archive = new BetterSqlite3(file);
    archive.exec(TABLES);
    const into = archive;
    into.transaction(() => {
      insert(into, 'INSERT OR IGNORE INTO _capsule_log', rows);
      insert(into, 'INSERT OR REPLACE INTO _capsule_tables', layouts);
      insert(into, 'INSERT OR REPLACE INTO _capsule_transactions', transactions);
    })();
    return rows.length;
  } catch (cause) {
    throw new GlyphError('GC_CANNOT_OPEN', `Cannot archive the log to ${file}: ${messageOf(cause)}`, {
      hint: 'What was not archived was not removed. Correct the option capsule.archive, or make the file writable.',
      cause,
    });
  } finally {
    archive?.close();
  }
}

const exact = (db: Database, sql: string, params: readonly unknown[]): unknown[][] =>
  db
    .prepare(sql)
    .safeIntegers(true)
    .raw()
    .all(...params) as unknown[][];

function insert(archive: BetterSqlite3.Database, into: string, rows: readonly (readonly unknown[])[]): void {
  const [first] = rows;
  if (first === undefined) return;
  const statement = archive.prepare(`${into} VALUES (${first.map(() => '?').join(', ')})`);
  for (const row of rows) statement.run(...row);
}
