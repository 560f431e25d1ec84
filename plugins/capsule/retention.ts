/**
 * Keeps the log from growing without end.
 *
 * Invariants: rows go in ranges from the oldest on; never past a durable cursor younger than the hard limit, never past
 * what a running host has yet to deliver; a subscriber whose cursor was passed is told of the gap; a wide row goes as a whole;
 * the newest row stays. The write lock is held for some ten ms at a time.
 */
import type { Database } from '../../sdk/plugin.ts';
import { archiveRows, checkArchive } from './archive.ts';
import { sqlTime } from './ledger.ts';
import type { Registry } from './registry.ts';
import { OP } from './triggers.ts';
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
/** Rows removed in one transaction. */
const PART = 20_000;
const TRANSACTIONS_PART = 5_000;

/** What is to go: rows of some tables up to a `seq`. `tables` is SQL. */
interface Cut {
  readonly to: number;
  readonly tables: string;
}

/** Removes what is old enough. Runs in transactions of its own. @throws GC_LOCKED, GC_CANNOT_OPEN or GC_BAD_OPTION (the archive) */
export function prune(options: RetentionOptions): PruneReport {
  const { db, config } = options;
  if (config.archive !== undefined) checkArchive(db, config.archive);
  const wanted = cuts(options);
  const furthest = Math.max(0, ...wanted.map(({ to }) => to));
  // The newest row stays, so that no `seq` is used twice.
  const newest = db.prepare('SELECT ifnull(max(seq), 0) FROM _capsule_log').pluck().get() as number;
  const limit = Math.min(neededFrom(options, furthest), newest - 1);
  let removed = 0;
  let archived = 0;
  for (const { to, tables } of wanted) {
    const part = removeRows(db, config.archive, Math.min(to, limit), tables);
    removed += part.removed;
    archived += part.archived;
  }
  pruneTransactions(db, Math.min(furthest, limit));
  const oldest = (db.prepare('SELECT min(seq) FROM _capsule_log').pluck().get() as number | null) ?? 0;
  return { removed, archived, oldest };
}

function cuts(options: RetentionOptions): readonly Cut[] {
  const { db, config } = options;
  const special = [...options.tableDays()]
    .filter(([, days]) => days !== config.retentionDays)
    .map(([table, days]) => ({ days, ids: layoutIds(db, table).join(', ') }))
    .filter(({ ids }) => ids !== '');
  const elsewhere = special.map(({ ids }) => ids).join(', ');
  const result: Cut[] = [
    {
      to: lastBefore(options, config.retentionDays),
      tables: elsewhere === '' ? '1' : `table_id NOT IN (${elsewhere})`,
    },
    ...special.map(({ days, ids }) => ({ to: lastBefore(options, days), tables: `table_id IN (${ids})` })),
  ];
  if (config.maxLogBytes !== undefined) result.push({ to: lastOver(db, config.maxLogBytes), tables: '1' });
  return result.filter(({ to }) => to > 0);
}

/**
 * The newest `seq` that everybody has passed. A durable cursor that is behind what is to go, and that lags longer than the hard
 * limit, no longer counts: it is moved, and its subscriber told.
 */
function neededFrom(options: RetentionOptions, furthest: number): number {
  const { db, config, now } = options;
  const passed = Math.min(lastBefore(options, config.hardRetentionDays), furthest);
  const stale = db
    .prepare('SELECT 1 FROM _capsule_subscriptions WHERE name IS NOT NULL AND cursor < ? LIMIT 1')
    .get(passed);
  if (stale !== undefined) {
    const reset = JSON.stringify({
      reason: 'gap',
      message: `Changes up to ${passed} are older than ${config.hardRetentionDays} days and were removed on ${sqlTime(now())}`,
    });
    db.write(() => {
      db.run('UPDATE _capsule_subscriptions SET reset = ?, cursor = ? WHERE name IS NOT NULL AND cursor < ?', [
        reset,
        passed,
        passed,
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

/**
 * The last `seq` before the first transaction that is younger than so many days; 0 when there is none. Told by their order and
 * not by their times alone: a clock that was wrong for a while makes rows stay longer, never go early.
 */
function lastBefore(options: RetentionOptions, days: number): number {
  const { db, now } = options;
  const young = db
    .prepare('SELECT first_seq FROM _capsule_transactions WHERE +completed_at >= ? ORDER BY first_seq LIMIT 1')
    .pluck()
    .get(sqlTime(now() - days * DAY_MS)) as number | undefined;
  if (young !== undefined) return young - 1;
  return db.prepare('SELECT ifnull(max(last_seq), 0) FROM _capsule_transactions').pluck().get() as number;
}

function layoutIds(db: Database, table: string): readonly number[] {
  return db.prepare('SELECT id FROM _capsule_tables WHERE name = ? COLLATE NOCASE').pluck().all(table) as number[];
}

/** The `seq` up to which rows have to go so that the rest fits, judged by the log's mean row size; 0 when all of it fits. */
function lastOver(db: Database, maxBytes: number): number {
  const bytes = db.prepare("SELECT sum(pgsize) FROM dbstat WHERE name = '_capsule_log'").pluck().get() as number | null;
  const rows = db.prepare('SELECT count(*) FROM _capsule_log').pluck().get() as number;
  if (bytes === null || bytes <= maxBytes) return 0;
  const keep = Math.floor(rows * (maxBytes / bytes));
  const last = db.prepare('SELECT seq FROM _capsule_log ORDER BY seq DESC LIMIT 1 OFFSET ?').pluck().get(keep);
  return (last as number | undefined) ?? 0;
}

/** In parts, so that other writers get their turn. Archived before it is removed: a crash between leaves a copy, not a hole. */
function removeRows(
  db: Database,
  archive: string | undefined,
  to: number,
  tables: string,
): { readonly removed: number; readonly archived: number } {
  // Parts end with a head row: no row loses its continuations, whatever `to` is and wherever a crash comes.
  const partEnd = db
    .prepare(
      `SELECT max(seq) FROM (SELECT seq, op FROM _capsule_log WHERE seq > ? AND seq <= ? AND ${tables} ORDER BY seq LIMIT ${PART})
       WHERE op <= ${OP.continuation}`,
    )
    .pluck();
  const range = `seq > ? AND seq <= ? AND ${tables}`;
  let removed = 0;
  let archived = 0;
  let from = -1;
  for (;;) {
    const last = partEnd.get(from, to) as number | null;
    if (last === null) return { removed, archived };
    if (archive !== undefined) archived += archiveRows(db, archive, range, [from, last]);
    removed += db.write(() => db.run(`DELETE FROM _capsule_log WHERE ${range}`, [from, last]).changes);
    from = last;
  }
}

/** Transactions whose rows are all gone are forgotten; the newest stays, because new ranges are counted from it. */
function pruneTransactions(db: Database, to: number): void {
  const empty = `
    SELECT x.rowid FROM _capsule_transactions x
    WHERE x.last_seq <= ? AND x.first_seq < (SELECT max(first_seq) FROM _capsule_transactions)
    AND NOT EXISTS (SELECT 1 FROM _capsule_log l WHERE l.seq BETWEEN x.first_seq AND x.last_seq)
    ORDER BY x.first_seq LIMIT ${TRANSACTIONS_PART}`;
  const any = db.prepare(empty);
  while (any.get(to) !== undefined) {
    db.write(() => db.run(`DELETE FROM _capsule_transactions WHERE rowid IN (${empty})`, [to]));
  }
}
