/**
 * The state of a file's capsule as the file itself tells it: hosts, watchers, subscriptions, log, lease, skills, jobs.
 *
 * Invariant: read in one transaction, so that cursors and log belong together; nothing is written.
 */
import { reading, hasCapsule, schemaNames } from './connection.ts';
import type { Connection } from './connection.ts';
import { readHosts } from './hosts.ts';
import type { HostState } from './hosts.ts';
import { readJobs } from './jobs.ts';
import type { StoredJob } from './jobs.ts';

export interface LogState {
  /** Changes and what belongs to them, as rows of `_capsule_log`. */
  readonly rows: number;
  /** Oldest and newest `seq`; 0 when the log is empty. */
  readonly first: number;
  readonly end: number;
  /** Space the rows take in the file. */
  readonly bytes: number;
  readonly transactions: number;
  /** When the oldest and newest recorded transactions were committed: `YYYY-MM-DD HH:MM:SS`, UTC. */
  readonly oldestAt?: string;
  readonly newestAt?: string;
}

export interface WatcherState {
  readonly id: string;
  readonly table: string;
  readonly filter?: string;
  /** The table stays watched whoever runs (`watch: true` in a schema). */
  readonly kept: boolean;
  readonly subscriptions: number;
  /** The host it goes with; absent for durable ones. */
  readonly hostId?: string;
}

export interface SubscriptionState {
  readonly id: string;
  readonly name?: string;
  readonly listenerId: string;
  readonly listenerType: string;
  readonly table: string;
  readonly filter?: string;
  /** The last `seq` it has handled; of one that is not durable, its host's position. */
  readonly cursor?: number;
  /** Log rows between its cursor and the end. */
  readonly lag?: number;
  readonly updatedAt?: string;
  /** Why what it has seen is void, if that is so. */
  readonly reset?: string;
  readonly hostId?: string;
}

export interface SkillState {
  readonly id: string;
  readonly version?: string;
  /** The state in the host that wrote last. */
  readonly state: string;
  readonly enabled: boolean;
  readonly error?: string;
  /** Unix epochs in ms. */
  readonly installedAt?: number;
  readonly activatedAt?: number;
  readonly updatedAt: number;
  readonly activatedInMs?: number;
  /** The last `seq` its `on_data_changed` has handled. */
  readonly cursor?: number;
  readonly lag?: number;
}

export interface LeaseState {
  readonly epoch: number;
  /** Whether some host says that it runs the skills. */
  readonly held: boolean;
  readonly mode: string;
  /** Unix epochs in ms. */
  readonly takenAt: number;
  readonly expiresAt: number;
}

export interface CapsuleState {
  readonly version: number;
  readonly log: LogState;
  readonly hosts: readonly HostState[];
  readonly tables: readonly string[];
  readonly watchers: readonly WatcherState[];
  readonly subscriptions: readonly SubscriptionState[];
  readonly skills: readonly SkillState[];
  readonly jobs: readonly StoredJob[];
  readonly lease?: LeaseState;
}

/** Undefined for a file without a capsule. @throws GC_CANNOT_OPEN, GC_NOT_A_DATABASE, GC_LOCKED */
export function inspect(filename: string): CapsuleState | undefined {
  return reading(filename, (connection) => {
    if (!hasCapsule(connection)) return undefined;
    return connection.transaction(() => readState(connection))();
  });
}

function readState(connection: Connection): CapsuleState {
  const names = schemaNames(connection);
  const log = readLog(connection);
  // An archive has the log and nothing else.
  const isLive = names.has('_capsule_hosts') && names.has('_capsule_watchers') && names.has('_capsule_subscriptions');
  const hosts = isLive ? readHosts(connection) : [];
  const lease = names.has('_capsule_lease') ? readLease(connection) : undefined;
  return {
    version: names.has('_capsule_meta') ? storeVersion(connection) : 0,
    log,
    hosts,
    tables: isLive ? watchedTables(connection) : [],
    watchers: isLive ? readWatchers(connection) : [],
    subscriptions: isLive ? readSubscriptions(connection, log.end) : [],
    skills: names.has('_skills') ? readSkills(connection, log.end) : [],
    jobs: names.has('_scheduler_jobs') ? readJobs(connection) : [],
    ...(lease === undefined ? {} : { lease }),
  };
}

/** The version of the internal tables; 0 when it is not known. */
export function storeVersion(connection: Connection): number {
  const version = connection.prepare("SELECT value FROM _capsule_meta WHERE key = 'version'").pluck().get();
  return typeof version === 'number' ? version : 0;
}

function readLog(connection: Connection): LogState {
  const value = (sql: string): number => (connection.prepare(sql).pluck().get() as number | null) ?? 0;
  const time = (order: 'ASC' | 'DESC'): string | undefined =>
    (connection
      .prepare(`SELECT completed_at FROM _capsule_transactions ORDER BY first_seq ${order} LIMIT 1`)
      .pluck()
      .get() as string | null | undefined) ?? undefined;
  const [oldestAt, newestAt] = [time('ASC'), time('DESC')];
  return {
    rows: value('SELECT count(*) FROM _capsule_log'),
    first: value('SELECT min(seq) FROM _capsule_log'),
    end: value('SELECT max(seq) FROM _capsule_log'),
    bytes: value("SELECT sum(pgsize) FROM dbstat WHERE name = '_capsule_log'"),
    transactions: value('SELECT count(*) FROM _capsule_transactions'),
    ...(oldestAt === undefined ? {} : { oldestAt }),
    ...(newestAt === undefined ? {} : { newestAt }),
  };
}

/** Tables that some row asks to be watched. */
export function watchedTables(connection: Connection): readonly string[] {
  return connection
    .prepare('SELECT DISTINCT table_or_query FROM _capsule_watchers WHERE is_active ORDER BY 1')
    .pluck()
    .all() as string[];
}

function readWatchers(connection: Connection): readonly WatcherState[] {
  const rows = connection
    .prepare(
      `SELECT id, table_or_query AS "table", filter_expression AS filter, kept, host_id AS hostId,
         (SELECT count(*) FROM _capsule_subscriptions s WHERE s.watcher_id = w.id AND s.is_active) AS subscriptions
       FROM _capsule_watchers w WHERE is_active ORDER BY table_or_query, created_at, id`,
    )
    .all() as (Omit<WatcherState, 'kept'> & { kept: number })[];
  return rows.map((row) => present<WatcherState>({ ...row, kept: row.kept === 1 }));
}

function readSubscriptions(connection: Connection, end: number): readonly SubscriptionState[] {
  const rows = connection
    .prepare(
      `SELECT s.id, s.name, s.listener_id AS listenerId, s.listener_type AS listenerType, w.table_or_query AS "table",
         w.filter_expression AS filter, ifnull(s.cursor, h.position) AS cursor, s.updated_at AS updatedAt, s.reset,
         s.host_id AS hostId
       FROM _capsule_subscriptions s JOIN _capsule_watchers w ON w.id = s.watcher_id
       LEFT JOIN _capsule_hosts h ON h.id = s.host_id
       WHERE s.is_active ORDER BY s.name IS NULL, s.name, s.created_at, s.id`,
    )
    .all() as (SubscriptionState & { cursor: number | null })[];
  return rows.map((row) => present<SubscriptionState>({ ...row, ...lagOf(row.cursor, end) }));
}

function readSkills(connection: Connection, end: number): readonly SkillState[] {
  const rows = connection
    .prepare(
      `SELECT id, version, state, enabled, error, installed_at AS installedAt, activated_at AS activatedAt,
         updated_at AS updatedAt, activated_ms AS activatedInMs,
         (SELECT cursor FROM _capsule_subscriptions WHERE name = 'skill:' || k.id) AS cursor
       FROM _skills k ORDER BY id`,
    )
    .all() as (Omit<SkillState, 'enabled'> & { enabled: number; cursor: number | null })[];
  return rows.map((row) => present<SkillState>({ ...row, enabled: row.enabled === 1, ...lagOf(row.cursor, end) }));
}

function readLease(connection: Connection): LeaseState | undefined {
  const row = connection
    .prepare(
      'SELECT epoch, host IS NOT NULL AS held, mode, taken_at AS takenAt, expires_at AS expiresAt FROM _capsule_lease',
    )
    .get() as (Omit<LeaseState, 'held'> & { held: number }) | undefined;
  return row && { ...row, held: row.held === 1 };
}

const lagOf = (cursor: number | null, end: number): { lag?: number } =>
  cursor === null ? {} : { lag: Math.max(0, end - cursor) };

/** A row without its NULLs. */
function present<T>(row: object): T {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null)) as T;
}
