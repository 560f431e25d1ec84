/**
 * The capsule's tables and view in the user's file, and their version.
 *
 * Invariants: `_capsule_log` is append-only, never altered, without constraints, and its newest row is never deleted, so a `seq`
 * is never used twice; it has no secondary index, and `_capsule_transactions` only those by which a change finds its
 * transaction, because every commit writes to them. Nothing here needs more than SQLite 3.38 to be read.
 */
import { GlyphError } from '../../sdk/plugin.ts';
import type { Database } from '../../sdk/plugin.ts';
import { EVENTS_VIEW } from './events-view.ts';
import { LOG_WIDTH } from './layout.ts';

/** Raised when the internal tables change in a way that an older GlyphCase cannot read. */
export const STORE_VERSION = 1;

const slots = (prefix: string): string =>
  Array.from({ length: LOG_WIDTH }, (_, index) => `${prefix}${index}`).join(', ');

const TABLES = `
  CREATE TABLE IF NOT EXISTS _capsule_meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS _capsule_log (seq INTEGER PRIMARY KEY, table_id, op, ${slots('o')}, ${slots('n')});
  CREATE TABLE IF NOT EXISTS _capsule_tables (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    columns TEXT NOT NULL,
    key TEXT NOT NULL,
    layout TEXT NOT NULL,
    watcher_id TEXT,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
  );
  CREATE TABLE IF NOT EXISTS _capsule_transactions (
    id TEXT NOT NULL,
    first_seq INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    started_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    completed_at TIMESTAMP,
    status TEXT DEFAULT 'active' CHECK(status IN ('active', 'committed', 'rolled_back')),
    event_count INTEGER DEFAULT 0,
    source TEXT
  );
  CREATE INDEX IF NOT EXISTS idx_capsule_transactions_status ON _capsule_transactions(status) WHERE status <> 'committed';
  CREATE INDEX IF NOT EXISTS idx_capsule_transactions_range ON _capsule_transactions(first_seq);
  CREATE INDEX IF NOT EXISTS idx_capsule_transactions_completed ON _capsule_transactions(completed_at);
  CREATE TABLE IF NOT EXISTS _capsule_hosts (
    id TEXT PRIMARY KEY,
    machine TEXT NOT NULL,
    pid INTEGER NOT NULL,
    position INTEGER NOT NULL,
    tables TEXT NOT NULL DEFAULT '[]',
    started_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    seen_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
  );
  CREATE TABLE IF NOT EXISTS _capsule_watchers (
    id TEXT PRIMARY KEY,
    table_or_query TEXT NOT NULL,
    filter_expression TEXT,
    description TEXT,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    is_active BOOLEAN DEFAULT 1,
    subscription_count INTEGER DEFAULT 0,
    host_id TEXT,
    kept BOOLEAN DEFAULT 0,
    options TEXT
  );
  CREATE INDEX IF NOT EXISTS idx_capsule_watchers_active ON _capsule_watchers(is_active);
  CREATE INDEX IF NOT EXISTS idx_capsule_watchers_table
    ON _capsule_watchers(table_or_query COLLATE NOCASE, host_id, filter_expression);
  CREATE TABLE IF NOT EXISTS _capsule_subscriptions (
    id TEXT PRIMARY KEY,
    watcher_id TEXT NOT NULL,
    listener_id TEXT NOT NULL,
    listener_type TEXT NOT NULL CHECK(listener_type IN ('lua', 'react', 'custom')),
    filter_json TEXT,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    is_active BOOLEAN DEFAULT 1,
    host_id TEXT,
    name TEXT,
    cursor INTEGER,
    updated_at TIMESTAMP,
    reset TEXT,
    watcher_ids TEXT NOT NULL DEFAULT '[]',
    FOREIGN KEY (watcher_id) REFERENCES _capsule_watchers(id)
  );
  CREATE INDEX IF NOT EXISTS idx_capsule_subscriptions_watcher ON _capsule_subscriptions(watcher_id);
  CREATE INDEX IF NOT EXISTS idx_capsule_subscriptions_listener ON _capsule_subscriptions(listener_id);
  CREATE UNIQUE INDEX IF NOT EXISTS idx_capsule_subscriptions_name ON _capsule_subscriptions(name);
  CREATE TRIGGER IF NOT EXISTS _capsule_log_keep_newest BEFORE DELETE ON _capsule_log
    WHEN OLD.seq = (SELECT max(seq) FROM _capsule_log)
    BEGIN SELECT RAISE(IGNORE); END;
`;

/**
 * Creates what is missing. Safe to call at every start, and by two hosts at once.
 * @throws GC_NEWER_SCHEMA when a newer GlyphCase has written the file.
 */
export function createStore(db: Database): void {
  if (storedVersion(db) === STORE_VERSION) return;
  db.write(() => {
    const version = storedVersion(db);
    if (version > STORE_VERSION) {
      throw new GlyphError(
        'GC_NEWER_SCHEMA',
        `${db.filename} was written by a newer GlyphCase (internal schema ${version}, this one knows ${STORE_VERSION})`,
      );
    }
    db.exec(TABLES);
    db.exec(EVENTS_VIEW);
    db.run(
      'INSERT INTO _capsule_meta(key, value) VALUES (?, ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value',
      ['version', STORE_VERSION],
    );
  });
}

/** 0 when the file has no capsule yet. */
function storedVersion(db: Database): number {
  const exists = db.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = '_capsule_meta'").get();
  if (exists === undefined) return 0;
  const version = db.prepare("SELECT value FROM _capsule_meta WHERE key = 'version'").pluck().get();
  return typeof version === 'number' ? version : 0;
}
