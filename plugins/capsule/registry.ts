/**
 * The rows that make watchers, subscriptions and hosts visible in the file, and durable ones last.
 *
 * Invariant: rows of a host that is gone are removed by the next one that starts; durable rows (no host) keep their ids.
 * A table's triggers stay as long as a durable watcher or any host asks for them. A watcher that stands for a table has one
 * row whoever watches; it goes over to another host that needs the table when its own leaves.
 */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Database } from '../../sdk/plugin.ts';
import { deadHosts } from './hosts.ts';
import type { ListenerType, Reset } from './types.ts';

export interface WatcherRow {
  readonly id: string;
  readonly table: string;
  readonly filter?: string;
  readonly description: string;
  /** False for a watcher that goes with its host. */
  readonly durable: boolean;
}

export interface SubscriptionRow {
  readonly id: string;
  readonly watcherId: string;
  /** All its watchers, when there are several. */
  readonly watcherIds?: readonly string[];
  readonly listenerId: string;
  readonly listenerType: ListenerType;
  readonly name?: string;
  readonly cursor?: number;
}

/** A table that is to be watched whoever runs. */
export interface DemandedTable {
  readonly table: string;
  readonly options: string | null;
  /** 0 when it did not exist when somebody last looked. */
  readonly existed: number;
}

/** What a durable subscription has to be told, and where it stands. */
export interface Mark {
  readonly cursor: number;
  readonly reset: Reset;
}

/** What is stored of a durable subscription. */
export interface StoredSubscription {
  readonly id: string;
  readonly watcherId: string;
  readonly cursor: number;
  readonly reset: string | null;
}

export class Registry {
  readonly hostId = randomUUID();
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** Enters this host, and clears away what dead hosts left. Returns the tables that may have lost their last watcher. */
  enter(position: number): readonly string[] {
    return this.#db.write(() => {
      const orphans = this.clearDead();
      this.#db.run('INSERT INTO _capsule_hosts(id, machine, pid, position) VALUES (?, ?, ?, ?)', [
        this.hostId,
        hostname(),
        process.pid,
        position,
      ]);
      return orphans;
    });
  }

  /** Says that this host lives, and how far its subscribers are. False when another host took it for dead. */
  beat(position: number): boolean {
    this.#beatStatement ??= this.#db.prepare(
      'UPDATE _capsule_hosts SET seen_at = CURRENT_TIMESTAMP, position = ? WHERE id = ?',
    );
    return this.#beatStatement.run(position, this.hostId).changes > 0;
  }
  #beatStatement: ReturnType<Database['prepare']> | undefined;

  /** Says which tables this host has triggers on. Inside the transaction that puts them there or takes them off. */
  setTables(names: readonly string[]): void {
    this.#db.run('UPDATE _capsule_hosts SET tables = ? WHERE id = ?', [JSON.stringify(names), this.hostId]);
  }

  /** Removes everything that goes with this host. Inside a transaction. */
  leave(): void {
    this.#removeHost(this.hostId);
  }

  addWatcher(row: WatcherRow): void {
    this.#db.run(
      `INSERT INTO _capsule_watchers(id, table_or_query, filter_expression, description, host_id) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT(id) DO UPDATE SET is_active = 1, updated_at = CURRENT_TIMESTAMP, host_id =
         CASE WHEN host_id IS NULL OR host_id IN (SELECT id FROM _capsule_hosts) THEN host_id ELSE excluded.host_id END`,
      [row.id, row.table, row.filter ?? null, row.description, row.durable ? null : this.hostId],
    );
  }

  /** Removes a watcher of this host; a durable or kept one stays. */
  removeWatcher(id: string): void {
    this.#db.run('DELETE FROM _capsule_subscriptions WHERE watcher_id = ? AND host_id = ?', [id, this.hostId]);
    this.#passOn(this.hostId, id);
    this.#db.run('DELETE FROM _capsule_watchers WHERE id = ? AND host_id = ?', [id, this.hostId]);
  }

  /** A durable watcher of the same table and filter that an earlier run left, so that ids stay. */
  findDurableWatcher(table: string, filter: string | undefined, inUse: (id: string) => boolean): string | undefined {
    this.#durableStatement ??= this.#db
      .prepare(
        `SELECT id FROM _capsule_watchers
         WHERE host_id IS NULL AND table_or_query = ? COLLATE NOCASE AND filter_expression IS ? ORDER BY created_at`,
      )
      .pluck();
    const ids = this.#durableStatement.all(table, filter ?? null) as string[];
    return ids.find((id) => !inUse(id));
  }

  #durableStatement: ReturnType<Database['prepare']> | undefined;

  makeDurable(watcherId: string): void {
    this.#db.run('UPDATE _capsule_watchers SET host_id = NULL WHERE id = ?', [watcherId]);
  }

  addSubscription(row: SubscriptionRow): void {
    const durable = row.name !== undefined;
    this.#db.run(
      `INSERT INTO _capsule_subscriptions(id, watcher_id, watcher_ids, listener_id, listener_type, host_id, name, cursor, updated_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, CURRENT_TIMESTAMP)
       ON CONFLICT(id) DO UPDATE SET is_active = 1, watcher_id = excluded.watcher_id, watcher_ids = excluded.watcher_ids,
         listener_id = excluded.listener_id`,
      [
        row.id,
        row.watcherId,
        JSON.stringify(row.watcherIds ?? [row.watcherId]),
        row.listenerId,
        row.listenerType,
        durable ? null : this.hostId,
        row.name ?? null,
        row.cursor ?? null,
      ],
    );
    this.#count(row.watcherId);
  }

  removeSubscription(id: string, watcherId: string): void {
    this.#db.run('DELETE FROM _capsule_subscriptions WHERE id = ?', [id]);
    // Nothing durable is left on it, so from now on it goes with this host.
    this.#db.run(
      `UPDATE _capsule_watchers SET host_id = ? WHERE id = ? AND host_id IS NULL AND NOT kept
       AND NOT EXISTS (SELECT 1 FROM _capsule_subscriptions WHERE watcher_id = _capsule_watchers.id)`,
      [this.hostId, watcherId],
    );
    this.#count(watcherId);
  }

  /** Removes a durable subscription by its name, and the durable watchers only it needed. Inside a transaction. Returns their tables. */
  forget(name: string): readonly string[] {
    const ids = this.#db
      .prepare('SELECT j.value FROM _capsule_subscriptions s, json_each(s.watcher_ids) j WHERE s.name = ?')
      .pluck()
      .all(name);
    this.#db.run('DELETE FROM _capsule_subscriptions WHERE name = ?', [name]);
    const unused = `id IN (SELECT value FROM json_each(?)) AND host_id IS NULL AND NOT kept AND NOT EXISTS
      (SELECT 1 FROM _capsule_subscriptions s, json_each(s.watcher_ids) j WHERE j.value = _capsule_watchers.id)`;
    const given = [JSON.stringify(ids)];
    const tables = this.#db
      .prepare(`SELECT table_or_query FROM _capsule_watchers WHERE ${unused}`)
      .pluck()
      .all(...given);
    this.#db.run(`DELETE FROM _capsule_watchers WHERE ${unused}`, given);
    return tables as string[];
  }

  findSubscription(name: string): StoredSubscription | undefined {
    return this.#db
      .prepare('SELECT id, watcher_id AS watcherId, cursor, reset FROM _capsule_subscriptions WHERE name = ?')
      .get(name) as StoredSubscription | undefined;
  }

  storedCursor(id: string): number | undefined {
    this.#cursorStatement ??= this.#db.prepare('SELECT cursor FROM _capsule_subscriptions WHERE id = ?').pluck();
    return this.#cursorStatement.get(id) as number | undefined;
  }
  #cursorStatement: ReturnType<Database['prepare']> | undefined;

  /** Moves a durable cursor, never back. Inside a transaction. */
  moveCursor(id: string, cursor: number): void {
    this.#moveStatement ??= this.#db.prepare(
      `UPDATE _capsule_subscriptions SET cursor = max(ifnull(cursor, 0), ?), updated_at = CURRENT_TIMESTAMP WHERE id = ?`,
    );
    this.#moveStatement.run(cursor, id);
  }
  #moveStatement: ReturnType<Database['prepare']> | undefined;

  /** Leaves word for durable subscriptions on a table, running or not, that what they saw is void. */
  markReset(table: string, reset: Reset): void {
    this.#db.run(
      `UPDATE _capsule_subscriptions SET reset = @reset WHERE name IS NOT NULL AND EXISTS (
         SELECT 1 FROM _capsule_watchers w WHERE w.table_or_query = @table COLLATE NOCASE
         AND (w.id = watcher_id OR w.id IN (SELECT value FROM json_each(watcher_ids))))`,
      { reset: JSON.stringify(reset), table },
    );
  }

  /** It was told; what was left after that stays. */
  clearReset(id: string, told: Reset): void {
    this.#db.run('UPDATE _capsule_subscriptions SET reset = NULL WHERE id = ? AND reset = ?', [
      id,
      JSON.stringify(told),
    ]);
  }

  /** Words left for durable subscriptions, by the subscription's id, as this connection sees them. */
  marks(): ReadonlyMap<string, Mark> {
    const rows = this.#db
      .prepare('SELECT id, cursor, reset FROM _capsule_subscriptions WHERE name IS NOT NULL AND reset IS NOT NULL')
      .all() as { id: string; cursor: number; reset: string }[];
    return new Map(rows.map(({ id, cursor, reset }) => [id, { cursor, reset: JSON.parse(reset) as Reset }]));
  }

  /** Whether the watchers of a table have one to watch. */
  setActive(table: string, active: boolean): void {
    this.#db.run('UPDATE _capsule_watchers SET is_active = ? WHERE table_or_query = ? COLLATE NOCASE', [
      Number(active),
      table,
    ]);
  }

  /** The watcher that stands for a table itself: `watcher_id` of its rows in `_capsule_events`. Chosen once, `wanted` if possible. */
  tableWatcher(table: string, wanted: string = randomUUID()): string {
    const known = this.#db
      .prepare(
        'SELECT watcher_id FROM _capsule_tables WHERE name = ? COLLATE NOCASE AND watcher_id IS NOT NULL LIMIT 1',
      )
      .pluck()
      .get(table) as string | undefined;
    const id = known ?? wanted;
    this.#db.run('UPDATE _capsule_tables SET watcher_id = ? WHERE name = ? COLLATE NOCASE', [id, table]);
    return id;
  }

  /** Says in the log which candidates were deletes in truth, so that everybody who reads it sees them. Inside a transaction. */
  confirm(logSeqs: readonly number[]): void {
    this.#db.run('UPDATE _capsule_log SET op = 3 WHERE op IN (8, 9) AND seq IN (SELECT value FROM json_each(?))', [
      JSON.stringify(logSeqs),
    ]);
  }

  /** Keeps a table watched whoever runs. */
  keep(id: string, table: string, options: string | null): void {
    this.#db.run(
      `INSERT INTO _capsule_watchers(id, table_or_query, description, kept, options) VALUES (?, ?, ?, 1, ?)
       ON CONFLICT(id) DO UPDATE SET kept = 1, host_id = NULL, options = excluded.options`,
      [id, table, `table ${table}`, options],
    );
  }

  /** Tables that are to be watched whoever runs. */
  demanded(): readonly DemandedTable[] {
    return this.#db
      .prepare(
        `SELECT table_or_query AS "table", max(options) AS options, max(is_active) AS existed FROM _capsule_watchers
         WHERE host_id IS NULL GROUP BY 1`,
      )
      .all() as DemandedTable[];
  }

  /** True when a durable watcher or another host needs the table's triggers. */
  isDemanded(table: string): boolean {
    const row = this.#db
      .prepare(
        `SELECT 1 FROM _capsule_watchers WHERE host_id IS NULL AND table_or_query = @table COLLATE NOCASE
         UNION ALL
         SELECT 1 FROM _capsule_hosts h, json_each(h.tables) t WHERE h.id <> @host AND t.value = @table COLLATE NOCASE
         LIMIT 1`,
      )
      .get({ table, host: this.hostId });
    return row !== undefined;
  }

  rename(table: string, newName: string): void {
    this.#db.run('UPDATE _capsule_watchers SET table_or_query = ? WHERE table_or_query = ? COLLATE NOCASE', [
      newName,
      table,
    ]);
  }

  #count(watcherId: string): void {
    this.#db.run(
      `UPDATE _capsule_watchers SET updated_at = CURRENT_TIMESTAMP, subscription_count =
       (SELECT count(*) FROM _capsule_subscriptions s WHERE s.watcher_id = _capsule_watchers.id AND s.is_active) WHERE id = ?`,
      [watcherId],
    );
  }

  /** Removes the rows of hosts that are gone. Inside a transaction. Returns the tables that may have lost their last watcher. */
  clearDead(): readonly string[] {
    const orphans = new Set<string>();
    for (const id of deadHosts(this.#db)) {
      if (id !== this.hostId) for (const table of this.#removeHost(id)) orphans.add(table);
    }
    return [...orphans];
  }

  #removeHost(hostId: string): readonly string[] {
    const tables = this.#db
      .prepare('SELECT t.value FROM _capsule_hosts h, json_each(h.tables) t WHERE h.id = ?')
      .pluck()
      .all(hostId) as string[];
    this.#db.run('DELETE FROM _capsule_subscriptions WHERE host_id = ?', [hostId]);
    this.#passOn(hostId, undefined);
    this.#db.run('DELETE FROM _capsule_watchers WHERE host_id = ?', [hostId]);
    this.#db.run('DELETE FROM _capsule_hosts WHERE id = ?', [hostId]);
    return tables;
  }

  /**
   * Watchers that others rely on stay: durable subscriptions make them durable; a host that subscribes to one, or needs the
   * table that one stands for, takes it over.
   */
  #passOn(hostId: string, watcherId: string | undefined): void {
    const mine = watcherId === undefined ? 'host_id = @hostId' : 'host_id = @hostId AND id = @watcherId';
    const subscribed = 'SELECT s.host_id FROM _capsule_subscriptions s WHERE s.watcher_id = _capsule_watchers.id';
    const elsewhere = `${subscribed} AND s.host_id <> @hostId LIMIT 1`;
    const heir = `SELECT h.id FROM _capsule_hosts h, json_each(h.tables) t
      WHERE h.id <> @hostId AND t.value = _capsule_watchers.table_or_query COLLATE NOCASE LIMIT 1`;
    const standsForTable = 'filter_expression IS NULL AND id IN (SELECT watcher_id FROM _capsule_tables)';
    const params = watcherId === undefined ? { hostId } : { hostId, watcherId };
    for (const [heirSql, condition] of [
      ['NULL', `EXISTS (${subscribed} AND s.name IS NOT NULL)`],
      [`(${elsewhere})`, `EXISTS (${elsewhere})`],
      [`(${heir})`, `${standsForTable} AND EXISTS (${heir})`],
    ]) {
      this.#db.run(`UPDATE _capsule_watchers SET host_id = ${heirSql} WHERE ${mine} AND ${condition}`, params);
    }
  }
}
