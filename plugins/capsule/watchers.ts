/**
 * The watchers of this host: made, found and taken away, together with the triggers they need.
 *
 * Invariant: while a watcher exists its table has triggers; when the last watcher of any host is gone the table has none.
 */
import { randomUUID } from 'node:crypto';
import { GlyphError, nameOf, sameName, tokenize } from '../../sdk/plugin.ts';
import type { Database, Params } from '../../sdk/plugin.ts';
import { readFilter } from './filters.ts';
import type { LogReader } from './log-reader.ts';
import type { Registry } from './registry.ts';
import type { RoutedWatcher, Router } from './router.ts';
import type { WatchedTables } from './tables.ts';
import type { Watcher } from './types.ts';

interface Entry {
  readonly watcher: Watcher;
  readonly routed: RoutedWatcher;
}

export interface WatchersOptions {
  readonly db: Database;
  readonly tables: WatchedTables;
  readonly registry: Registry;
  readonly router: Router;
  readonly reader: LogReader;
  readonly now: () => number;
  /** Takes the subscriptions of a watcher that is being removed. */
  readonly unsubscribeAll: (watcherId: string) => void;
}

export class Watchers {
  readonly #options: WatchersOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #tableWatchers = new Map<string, string>();

  constructor(options: WatchersOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(idOrWatcher: string | Watcher): Watcher {
    const id = typeof idOrWatcher === 'string' ? idOrWatcher : idOrWatcher.id;
    const entry = this.#entries.get(id);
    if (entry === undefined) throw new GlyphError('GC_NO_SUCH_WATCHER', `There is no watcher ${JSON.stringify(id)}`);
    return entry.watcher;
  }

  /** @throws GC_NO_SUCH_TABLE, GC_NOT_WATCHABLE, GC_BAD_FILTER, GC_LOCKED */
  watch(table: string, filterText: string | undefined, params: Params | undefined, durable: boolean): Watcher {
    const { db, tables, registry, router, reader, now } = this.#options;
    const layout = tables.attach(tableName(table));
    reader.widen(layout);
    const filter = filterText === undefined ? undefined : readFilter(db, layout, filterText, params);
    const id = this.#chooseId(layout.table, filter?.text);
    const description = filter === undefined ? `table ${layout.table}` : `table ${layout.table} where ${filter.text}`;
    const watcher: Watcher = {
      id,
      tableOrQuery: layout.table,
      ...(filter === undefined ? {} : { filterExpression: filter.text }),
      description,
      subscriptions: new Set(),
      createdAt: new Date(now()),
      [Symbol.dispose]: () => this.unwatch(id),
    };
    const routed: RoutedWatcher = { id, table: layout.table, ...(filter === undefined ? {} : { filter }) };
    router.add(routed);
    this.#entries.set(id, { watcher, routed });
    db.deferWrite(() => {
      const stored = { id, table: layout.table, description, durable };
      registry.addWatcher(filter === undefined ? stored : { ...stored, filter: filter.text });
    });
    return watcher;
  }

  unwatch(idOrWatcher: string | Watcher): void {
    const { db, registry, router } = this.#options;
    const id = typeof idOrWatcher === 'string' ? idOrWatcher : idOrWatcher.id;
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    this.#options.unsubscribeAll(id);
    this.#entries.delete(id);
    router.remove(entry.routed);
    db.deferWrite(() => {
      registry.removeWatcher(id);
      this.#releaseUnwanted([entry.routed.table]);
    });
  }

  /** Watchers of a table, under its current name. */
  on(table: string): readonly Watcher[] {
    return [...this.#entries.values()]
      .filter((entry) => sameName(entry.routed.table, table))
      .map((entry) => entry.watcher);
  }

  /** Forgets all without touching the file. */
  clear(): void {
    this.#entries.clear();
  }

  /** Takes the triggers off tables that nobody wants any more. Inside a transaction. */
  releaseUnwanted(names: readonly string[]): void {
    this.#releaseUnwanted(names);
  }

  #releaseUnwanted(names: readonly string[]): void {
    const { tables, registry } = this.#options;
    for (const name of names) if (!registry.isDemanded(name)) tables.detach(name);
  }

  /** Ids stay where they can: the table's own watcher first, then a durable one of an earlier run. */
  #chooseId(table: string, filter: string | undefined): string {
    const { db, registry } = this.#options;
    const inUse = (id: string): boolean => this.#entries.has(id);
    let own = this.#tableWatchers.get(table);
    if (own === undefined) {
      own = db.write(() => registry.tableWatcher(table));
      this.#tableWatchers.set(table, own);
    }
    if (filter === undefined && !inUse(own)) return own;
    return registry.findDurableWatcher(table, filter, inUse) ?? randomUUID();
  }
}

/** Accepts `tasks`, and `"odd name"` as SQL would quote it. */
function tableName(table: unknown): string {
  if (typeof table !== 'string' || table.trim() === '') {
    throw new GlyphError('GC_BAD_ARGUMENT', 'watch() takes a table name or a SELECT');
  }
  const [only, ...more] = tokenize(table);
  return more.length === 0 && only?.type === 'quoted' ? (nameOf(only) ?? table) : table;
}
