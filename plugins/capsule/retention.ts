/**
 * Keeps the log from growing without end.
 *
 * Invariants: rows go in ranges from the oldest on; never past a durable cursor younger than the hard limit, never past
 * what a running host has yet to deliver; a subscriber whose cursor was passed is told of the gap; the newest row stays.
 */
import BetterSqlite3 from 'better-sqlite3';
import { GlyphError, messageOf } from '../../sdk/plugin.ts';
import type { Database } from '../../sdk/plugin.ts';
import { LOG_WIDTH } from './layout.ts';
import { sqlTime } from './ledger.ts';
import type { Registry } from './registry.ts';
import type { PruneReport } from './types.ts';

export interface RetentionConfig {
  readonly retentionDays: number;
  readonly hardRetentionDays: number;
  /** Bytes the log may take; the oldest rows go first. */
  readonly maxLogBytes?: number;
  /** File that pruned rows are copied to. */
  readonly archive?: string;
}

export interface RetentionOptions {
  readonly db: Database;
  readonly registry: Registry;
  readonly config: RetentionConfig;
  readonly now: () => number;
  /** Tables that keep their rows for another time than the rest. */
  readonly tableDays: () => ReadonlyMap<string, number>;
  /** The lowest `seq` that subscribers of this host still need. */
  readonly hostPosition: () => number;
}

const DAY_MS = 86_400_000;

/** Removes what is old enough. Runs in transactions of its own. */
export function prune(options: RetentionOptions): PruneReport {
  const { db, config } = options;
  const needed = neededFrom(options);
  const removed = { rows: 0, archived: 0 };
  const remove = (where: string, params: readonly unknown[]): void => {
    const part = removeRows(db, config.archive, where, params);
    removed.rows += part.removed;
    removed.archived += part.archived;
  };
  const special = [...options.tableDays()].filter(([, days]) => days !== config.retentionDays);
  const ids = special.map(([table, days]) => ({ days, ids: layoutIds(db, table) }));
  const specialIds = ids.flatMap((entry) => entry.ids);
  const others = specialIds.length === 0 ? '' : ` AND table_id NOT IN (${specialIds.join(', ')})`;
  remove(`seq <= ?${others}`, [Math.min(needed, lastBefore(options, config.retentionDays))]);
  for (const entry of ids) {
    if (entry.ids.length === 0) continue;
    remove(`seq <= ? AND table_id IN (${entry.ids.join(', ')})`, [Math.min(needed, lastBefore(options, entry.days))]);
  }
  if (config.maxLogBytes !== undefined) {
    const excess = rowsOver(db, config.maxLogBytes);
    if (excess > 0) remove('seq <= ?', [Math.min(needed, excess)]);
  }
  const oldest = (db.prepare('SELECT min(seq) FROM _capsule_log').pluck().get() as number | null) ?? 0;
  pruneTransactions(options, oldest);
  return { removed: removed.rows, archived: removed.archived, oldest };
}

/** The newest `seq` that everybody has passed. A durable cursor that lags longer than the hard limit no longer counts. */
function neededFrom(options: RetentionOptions): number {
  const { db, config, now } = options;
  const hard = lastBefore(options, config.hardRetentionDays);
  const stale = db
    .prepare('SELECT name FROM _capsule_subscriptions WHERE name IS NOT NULL AND cursor < ?')
    .pluck()
    .all(hard) as string[];
  if (stale.length > 0) {
    db.write(() => {
      const reset = JSON.stringify({
        reason: 'gap',
        message: `Changes up to ${hard} are older than ${config.hardRetentionDays} days and were removed on ${sqlTime(now())}`,
      });
      db.run('UPDATE _capsule_subscriptions SET reset = ?, cursor = ? WHERE name IS NOT NULL AND cursor < ?', [
        reset,
        hard,
        hard,
      ]);
    });
  }
  const durable = db
    .prepare('SELECT min(cursor) FROM _capsule_subscriptions WHERE name IS NOT NULL AND cursor IS NOT NULL')
    .pluck()
    .get() as number | null;
  const hosts = db
    .prepare('SELECT min(position) FROM _capsule_hosts WHERE id <> ?')
    .pluck()
    .get(options.registry.hostId) as number | null;
  return Math.min(durable ?? Infinity, hosts ?? Infinity, options.hostPosition());
}

/** The last `seq` of transactions that completed more than so many days ago; 0 when there is none. */
function lastBefore(options: RetentionOptions, days: number): number {
  const limit = sqlTime(options.now() - days * DAY_MS);
  return (
    (options.db
      .prepare(
        'SELECT last_seq FROM _capsule_transactions WHERE completed_at < ? ORDER BY completed_at DESC, first_seq DESC LIMIT 1',
      )
      .pluck()
      .get(limit) as number | undefined) ?? 0
  );
}

function layoutIds(db: Database, table: string): readonly number[] {
  return db.prepare('SELECT id FROM _capsule_tables WHERE name = ? COLLATE NOCASE').pluck().all(table) as number[];
}

/** The `seq` up to which rows have to go so that the rest fits, judged by the log's mean row size. */
function rowsOver(db: Database, maxBytes: number): number {
  const bytes = db.prepare("SELECT sum(pgsize) FROM dbstat WHERE name = '_capsule_log'").pluck().get() as number | null;
  const [rows, first] = db.prepare('SELECT count(*), min(seq) FROM _capsule_log').raw().get() as [
    number,
    number | null,
  ];
  if (bytes === null || first === null || rows === 0 || bytes <= maxBytes) return 0;
  const keep = Math.floor(rows * (maxBytes / bytes));
  return (
    (db.prepare('SELECT seq FROM _capsule_log ORDER BY seq DESC LIMIT 1 OFFSET ?').pluck().get(keep) as
      number | undefined) ?? 0
  );
}

const PART = 20_000;

/** In parts, so that other writers get their turn. Archived before it is removed: a crash between leaves a copy, not a hole. */
function removeRows(
  db: Database,
  archive: string | undefined,
  where: string,
  params: readonly unknown[],
): { removed: number; archived: number } {
  let removed = 0;
  let archived = 0;
  for (;;) {
    const last = db
      .prepare(`SELECT max(seq) FROM (SELECT seq FROM _capsule_log WHERE ${where} ORDER BY seq LIMIT ${PART})`)
      .pluck()
      .get(...params) as number | null;
    if (last === null) break;
    const range = `${where} AND seq <= ${last} AND seq < (SELECT max(seq) FROM _capsule_log)`;
    if (archive !== undefined) archived += copyRows(db, archive, range, params);
    const part = db.write(() => db.run(`DELETE FROM _capsule_log WHERE ${range}`, [...params]).changes);
    removed += part;
    if (part < PART - 1) break;
  }
  return { removed, archived };
}

/** Transactions whose rows are all gone are forgotten; the newest stays, because new ranges are counted from it. */
function pruneTransactions(options: RetentionOptions, oldest: number): void {
  const { db } = options;
  const gone = db.prepare('SELECT 1 FROM _capsule_transactions WHERE last_seq < ? LIMIT 1').get(oldest);
  if (gone === undefined) return;
  db.write(() => {
    db.run(
      `DELETE FROM _capsule_transactions WHERE last_seq < ?
       AND first_seq < (SELECT max(first_seq) FROM _capsule_transactions)`,
      [oldest],
    );
  });
}

/** Copies rows into the archive, a SQLite file with the same tables, so that the same tools read it. Doing it twice is harmless. */
function copyRows(db: Database, file: string, where: string, params: readonly unknown[]): number {
  const rows = db
    .prepare(`SELECT * FROM _capsule_log WHERE ${where}`)
    .safeIntegers(true)
    .raw()
    .all(...params) as unknown[][];
  if (rows.length === 0) return 0;
  const slots = (prefix: string): string => Array.from({ length: LOG_WIDTH }, (_, index) => prefix + index).join(', ');
  let archive: BetterSqlite3.Database | undefined;
  try {
    archive = new BetterSqlite3(file);
    archive.exec(
      `CREATE TABLE IF NOT EXISTS _capsule_log (seq INTEGER PRIMARY KEY, table_id, op, ${slots('o')}, ${slots('n')});
       CREATE TABLE IF NOT EXISTS _capsule_tables (id INTEGER PRIMARY KEY, name TEXT, columns TEXT, key TEXT, layout TEXT, watcher_id TEXT, created_at);
       CREATE TABLE IF NOT EXISTS _capsule_transactions (id TEXT PRIMARY KEY, first_seq INTEGER, last_seq INTEGER, started_at, completed_at, status, event_count, source)`,
    );
    const into = archive.prepare(
      `INSERT OR IGNORE INTO _capsule_log VALUES (${Array.from({ length: 3 + 2 * LOG_WIDTH }, () => '?').join(', ')})`,
    );
    const first = rows[0]?.[0];
    const last = rows.at(-1)?.[0];
    const copyTable = (table: string, columns: number, condition: string, ...values: unknown[]): void => {
      const insert = archive?.prepare(
        `INSERT OR REPLACE INTO ${table} VALUES (${Array.from({ length: columns }, () => '?').join(', ')})`,
      );
      for (const row of db
        .prepare(`SELECT * FROM ${table} ${condition}`)
        .raw()
        .all(...values) as unknown[][])
        insert?.run(...row);
    };
    archive.transaction(() => {
      for (const row of rows) into.run(...row);
      copyTable('_capsule_tables', 7, '');
      copyTable('_capsule_transactions', 8, 'WHERE last_seq >= ? AND first_seq <= ?', first, last);
    })();
    return rows.length;
  } catch (cause) {
    throw new GlyphError('GC_CANNOT_OPEN', `Cannot archive the log to ${file}: ${messageOf(cause)}`, {
      hint: 'Nothing was removed. Correct the option capsule.archive, or make the file writable.',
      cause,
    });
  } finally {
    archive?.close();
  }
}
