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
  readonly durable: boolean;
}

export interface WatchersOptions {
  readonly db: Database;
  readonly tables: WatchedTables;
  readonly registry: Registry;
  readonly router: Router;
  readonly reader: LogReader;
  readonly now: () => number;
  /** Takes the subscriptions of a watcher that is being removed. */
  readonly unsubscribeAll: (watcher: Watcher) => void;
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
    const { db, tables, router, reader, now } = this.#options;
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
    const entry = { watcher, routed, durable };
    this.#entries.set(id, entry);
    db.deferWrite(() => this.#store(entry));
    return watcher;
  }

  /** Forgets a durable subscription that nobody runs, with the watchers and triggers only it needed. */
  forget(name: string): void {
    const { db, registry } = this.#options;
    db.write(() => this.#releaseUnwanted(registry.forget(name)));
  }

  /** Writes a watcher's row now instead of soon. Inside a transaction. */
  store(id: string): void {
    const entry = this.#entries.get(id);
    if (entry !== undefined) this.#store(entry);
  }

  /** Writes the rows of all watchers once more, after they were lost. Inside a transaction. */
  restore(): void {
    for (const [table, id] of this.#tableWatchers) this.#options.registry.tableWatcher(table, id);
    for (const entry of this.#entries.values()) this.#store(entry);
  }

  #store({ watcher, routed, durable }: Entry): void {
    const { id, description, filterExpression: filter } = watcher;
    const row = { id, table: routed.table, description, durable };
    this.#options.registry.addWatcher(filter === undefined ? row : { ...row, filter });
  }

  unwatch(idOrWatcher: string | Watcher): void {
    const { db, registry, router } = this.#options;
    const id = typeof idOrWatcher === 'string' ? idOrWatcher : idOrWatcher.id;
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    this.#options.unsubscribeAll(entry.watcher);
    this.#entries.delete(id);
    router.remove(entry.routed);
    db.deferWrite(() => {
      registry.removeWatcher(id);
      this.#releaseUnwanted([entry.routed.table]);
    });
  }

  /** The table's own watcher goes with it. */
  renamed(table: string, newName: string): void {
    const own = this.#tableWatchers.get(table);
    this.#tableWatchers.delete(table);
    if (own !== undefined) this.#tableWatchers.set(newName, own);
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
    for (const name of names) if (!this.#has(name) && !registry.isDemanded(name)) tables.detach(name);
  }

  #has(table: string): boolean {
    for (const { routed } of this.#entries.values()) if (sameName(routed.table, table)) return true;
    return false;
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
