/**
 * Decides which watchers a range of the log concerns, and makes their events.
 *
 * Invariant: the cost is that of the changes and of the filter shapes, not of the number of watchers.
 */
import { messageOf } from '../../sdk/plugin.ts';
import type { Database, Logger } from '../../sdk/plugin.ts';
import { buildEvents } from './events.ts';
import type { JsonForm, UnroutedEvent } from './events.ts';
import { readFilter } from './filters.ts';
import type { Filter } from './filters.ts';
import type { LoggedChange } from './images.ts';
import type { Ledger } from './ledger.ts';
import type { TableLayout } from './layout.ts';
import type { LogReader } from './log-reader.ts';
import { TableShapes } from './shapes.ts';
import type { Match, OnMatch } from './shapes.ts';
import type { ChangeEvent } from './types.ts';

/** A watcher as the router knows it. */
export interface RoutedWatcher {
  readonly id: string;
  /** Changes when the table is renamed. */
  table: string;
  filter?: Filter;
}

interface TableRoutes {
  readonly plain: Map<string, RoutedWatcher>;
  readonly filtered: Map<string, RoutedWatcher>;
  shapes: TableShapes | undefined;
  /** True when temp tables may be undone with somebody's transaction: an in-memory database has only one connection. */
  unsafe: boolean;
}

/** Ids of the watchers that somebody listens to. */
interface Wanted {
  has(id: string): boolean;
}

export interface RouteOptions {
  /** Leaves the others out; makes all events by default. */
  readonly only?: Wanted;
  /** How columns declared JSON come: parsed (default), or as the text that is stored. */
  readonly json?: JsonForm;
}

export type Routed = Map<string, ChangeEvent[]>;

export class Router {
  readonly #db: Database;
  readonly #reader: LogReader;
  readonly #ledger: Ledger;
  readonly #currentLayout: (table: string) => TableLayout | undefined;
  readonly #logger: Logger;
  readonly #tables = new Map<string, TableRoutes>();

  constructor(parts: {
    readonly db: Database;
    readonly reader: LogReader;
    readonly ledger: Ledger;
    readonly currentLayout: (table: string) => TableLayout | undefined;
    readonly logger: Logger;
  }) {
    this.#logger = parts.logger;
    this.#db = parts.db;
    this.#reader = parts.reader;
    this.#ledger = parts.ledger;
    this.#currentLayout = parts.currentLayout;
  }

  add(watcher: RoutedWatcher): void {
    const routes = this.#routes(watcher.table);
    if (watcher.filter === undefined) {
      routes.plain.set(watcher.id, watcher);
      return;
    }
    routes.filtered.set(watcher.id, watcher);
    this.#noteSafety(routes);
    routes.shapes?.add(watcher.id, watcher.filter);
  }

  remove(watcher: RoutedWatcher): void {
    const routes = this.#tables.get(fold(watcher.table));
    if (routes === undefined) return;
    this.#noteSafety(routes);
    routes.plain.delete(watcher.id);
    if (routes.filtered.delete(watcher.id) && watcher.filter !== undefined)
      routes.shapes?.remove(watcher.id, watcher.filter);
    if (routes.plain.size + routes.filtered.size === 0) {
      routes.shapes?.close();
      this.#tables.delete(fold(watcher.table));
    }
  }

  /** The table's layout or name changed: shapes are built anew when next needed. */
  invalidate(table: string, newName = table): void {
    const routes = this.#tables.get(fold(table));
    if (routes === undefined) return;
    routes.shapes?.close();
    routes.shapes = undefined;
    if (newName === table) return;
    this.#tables.delete(fold(table));
    for (const watcher of [...routes.plain.values(), ...routes.filtered.values()]) {
      watcher.table = newName;
      this.add(watcher);
    }
  }

  /** The events of `(from, to]`, by watcher. */
  route(from: number, to: number, options: RouteOptions = {}): Routed {
    const { only, json = 'parsed' } = options;
    const routed: Routed = new Map();
    if (this.#tables.size === 0 || from >= to) return routed;
    const changes = this.#reader.read(from, to);
    if (changes.length === 0) return routed;
    const events = buildEvents(changes, this.#ledger.spans(from, to), json);
    for (const [table, indexes] of byTable(changes)) {
      const routes = this.#tables.get(table);
      if (routes === undefined) continue;
      this.#toPlain(routes, indexes, events, routed, only);
      if (routes.filtered.size > 0) this.#toFiltered(routes, { indexes, changes, events, from, to }, routed, only);
    }
    return routed;
  }

  close(): void {
    for (const routes of this.#tables.values()) routes.shapes?.close();
    this.#tables.clear();
  }

  #toPlain(
    routes: TableRoutes,
    indexes: readonly number[],
    events: readonly UnroutedEvent[],
    routed: Routed,
    only: Wanted | undefined,
  ): void {
    for (const id of routes.plain.keys()) {
      if (only !== undefined && !only.has(id)) continue;
      routed.set(
        id,
        indexes.map((index) => ({ ...(events[index] as UnroutedEvent), watcherId: id })),
      );
    }
  }

  #toFiltered(
    routes: TableRoutes,
    range: {
      readonly indexes: readonly number[];
      readonly changes: readonly LoggedChange[];
      readonly events: readonly UnroutedEvent[];
      readonly from: number;
      readonly to: number;
    },
    routed: Routed,
    only: Wanted | undefined,
  ): void {
    const shapes = this.#shapesOf(routes, (range.changes[range.indexes.at(-1) as number] as LoggedChange).layout);
    const layouts = [...new Set(range.indexes.map((index) => (range.changes[index] as LoggedChange).layout))];
    const matches = new Map<string, Map<number, Match>>();
    const onError = (error: unknown, filter: Filter, logSeq: number): void => {
      this.#logger.error(
        `The filter ${JSON.stringify(filter.text)} cannot be applied to change ${logSeq}: ${messageOf(error)}`,
      );
    };
    const onMatch: OnMatch = (logSeq, side, id) => {
      if (only !== undefined && !only.has(id)) return;
      let ofWatcher = matches.get(id);
      if (ofWatcher === undefined) matches.set(id, (ofWatcher = new Map<number, Match>()));
      let match = ofWatcher.get(logSeq);
      if (match === undefined) ofWatcher.set(logSeq, (match = { old: false, now: false }));
      match[side] = true;
    };
    shapes.match(range.from, range.to, layouts, onMatch, onError);
    if (matches.size === 0) return;
    const indexOf = new Map(range.indexes.map((index) => [(range.changes[index] as LoggedChange).logSeq, index]));
    for (const [id, ofWatcher] of matches) {
      const found: { index: number; match: Match }[] = [];
      for (const [logSeq, match] of ofWatcher) {
        const index = indexOf.get(logSeq);
        // A candidate that came to nothing is in the log, but is no change.
        if (index !== undefined) found.push({ index, match });
      }
      if (found.length === 0) continue;
      found.sort((a, b) => a.index - b.index);
      routed.set(
        id,
        found.map(({ index, match }) => ({
          ...(range.events[index] as UnroutedEvent),
          watcherId: id,
          change: match.old && match.now ? 'stay' : match.now ? 'enter' : 'leave',
        })),
      );
    }
  }

  #buildShapes(routes: TableRoutes, current: TableLayout | undefined, last: TableLayout): TableShapes {
    const layout = current ?? last;
    const shapes = new TableShapes(this.#db, layout);
    for (const watcher of routes.filtered.values()) {
      const { id, filter } = watcher;
      if (filter === undefined) continue;
      try {
        // Types and collations of its columns may be others than when it was read first.
        const now = current === undefined ? filter : readFilter(this.#db, current, filter.text);
        shapes.add(id, now);
        watcher.filter = now;
      } catch (error) {
        this.#logger.error(
          `The filter ${JSON.stringify(filter.text)} no longer fits the table "${layout.table}", so its watcher hears nothing: ${messageOf(error)}`,
        );
      }
    }
    return shapes;
  }

  /** `last` is the layout the newest change was logged under: a table that is gone has no other. */
  #shapesOf(routes: TableRoutes, last: TableLayout): TableShapes {
    if (routes.unsafe && !this.#db.busy) {
      routes.shapes?.close();
      routes.shapes = undefined;
      routes.unsafe = false;
    }
    if (routes.shapes === undefined) {
      const [first] = routes.filtered.values();
      routes.shapes = this.#buildShapes(routes, this.#currentLayout(first?.table ?? ''), last);
      this.#noteSafety(routes);
    }
    return routes.shapes;
  }

  #noteSafety(routes: TableRoutes): void {
    if (this.#db.inMemory && this.#db.busy) routes.unsafe = true;
  }

  #routes(table: string): TableRoutes {
    const key = fold(table);
    let routes = this.#tables.get(key);
    if (routes === undefined) {
      routes = { plain: new Map(), filtered: new Map(), shapes: undefined, unsafe: false };
      this.#tables.set(key, routes);
    }
    return routes;
  }
}

/** As SQLite folds names: ASCII letters only. */
const fold = (table: string): string => table.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());

function byTable(changes: readonly LoggedChange[]): Map<string, number[]> {
  const tables = new Map<string, number[]>();
  let layout: TableLayout | undefined;
  let indexes: number[] = [];
  changes.forEach((change, index) => {
    if (change.layout !== layout) {
      layout = change.layout;
      const key = fold(layout.table);
      const known = tables.get(key);
      indexes = known ?? [];
      if (known === undefined) tables.set(key, indexes);
    }
    indexes.push(index);
  });
  return tables;
}
