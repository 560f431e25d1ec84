/**
 * What one Lua state listens to by `glyphcase.watch`: live, for as long as the state lives.
 *
 * Invariants: a watch begins with the transaction that asks for it, and hears of what that one changes too, once it has
 * committed; one that takes the place of an older state's begins with the first batch that one has not handled; each batch is
 * one transaction, in the host that holds the lease; a failing handler is logged, and gets the next batch all the same.
 */
import { randomUUID } from 'node:crypto';
import type { Batch, ChangeEvent, Subscription, Watcher } from '../../sdk/capsule-types.ts';
import type { LiveService } from '../../sdk/live-types.ts';
import type { LuaFunction, LuaValue } from '../../sdk/lua-types.ts';
import { GlyphError } from '../../sdk/plugin.ts';
import { MAX_ROWS } from './api/sql.ts';
import type { Background } from './background.ts';
import { inLua, notesOf } from './notes.ts';
import type { Notes } from './notes.ts';
import type { Runtime } from './runtime.ts';
import { codeOfWatch, WatchPlaces } from './watch-places.ts';
import type { WatchPlace } from './watch-places.ts';

/** Watches one state may hold. */
const MAX_WATCHES = 100;
/** Events passed to Lua in one call; a larger batch takes several, in one transaction. */
const MAX_EVENTS = 1000;

interface Entry {
  /** What it watches, by value. */
  readonly code: string;
  readonly watcher: Watcher;
  readonly fn: LuaFunction;
  /** Of a watch on a SELECT; the capsule has the others. */
  readonly live?: LiveService;
  subscription: Subscription | undefined;
  /** The end of what it has handled; a batch that failed counts. */
  handled: number;
  /** It was given a batch, and has not handled it. */
  busy: boolean;
  /** Where it stood when it was left behind. */
  place: WatchPlace | undefined;
}

export interface WatchRequest {
  readonly table: string;
  readonly filter: string | undefined;
  readonly params: readonly LuaValue[] | Readonly<Record<string, LuaValue>>;
  readonly fn: LuaFunction;
  /** Of the transaction that asks. */
  readonly notes: Notes;
}

export interface QueryRequest extends Pick<WatchRequest, 'params' | 'fn' | 'notes'> {
  readonly sql: string;
  readonly json: 'text' | 'parsed';
  /** Throws when the state may not read what the query reads, as the schema is now. */
  readonly check: () => void;
}

export interface SubscriptionsOptions {
  readonly id: string;
  readonly runtime: Runtime;
  readonly background: Background;
  /** Calls the function with events, inside a transaction. */
  readonly call: (fn: LuaFunction, events: readonly ChangeEvent[]) => void;
  readonly failed: (error: unknown, table: string) => void;
  /** False once the state was killed. */
  readonly usable: () => boolean;
  /** Where the watches of the state before stand. */
  readonly places: readonly WatchPlace[];
}

export class Subscriptions {
  readonly #options: SubscriptionsOptions;
  readonly #entries = new Map<string, Entry>();
  /** Of the next version of a skill the permissions may be others, so it shares no query with this one. */
  readonly #owner = randomUUID();
  readonly #toTake: WatchPlaces;
  #left: readonly WatchPlace[] | undefined;

  constructor(options: SubscriptionsOptions) {
    this.#options = options;
    this.#toTake = new WatchPlaces(options.places);
  }

  /** Where they stand now, or stood when they were left. */
  get places(): readonly WatchPlace[] {
    return this.#left ?? [...this.#entries.values()].map((entry) => entry.place ?? this.#placeOf(entry));
  }

  /** Another state is about to take their places: they handle nothing more. */
  leave(): void {
    this.#left ??= this.places;
  }

  /** The state has begun: what it watches from now on is new. */
  begun(): void {
    this.#toTake.end();
  }

  /** @throws GC_NO_SUCH_TABLE, GC_NOT_WATCHABLE, GC_BAD_FILTER */
  add({ table, filter, params, fn, notes }: WatchRequest): string {
    this.#assertRoom();
    const { capsule } = this.#options.runtime;
    const watcher = capsule.watch(table, filter, filter === undefined ? undefined : params);
    const code = codeOfWatch('table', watcher.tableOrQuery, filter, filter === undefined ? [] : params);
    const handled = this.#toTake.take(code)?.seq ?? capsule.look();
    const entry = this.#enter({ ...NEW, code, watcher, fn, handled }, notes);
    notes.add({ committed: () => this.#start(entry) });
    return watcher.id;
  }

  /** It starts from the result before the open transaction. @throws GC_SQL, GC_NO_SUCH_TABLE, GC_NOT_WATCHABLE, GC_NO_SERVICE */
  addQuery({ sql, params, json, check, fn, notes }: QueryRequest): string {
    this.#assertRoom();
    const { id, runtime } = this.#options;
    const live = runtime.ctx.use<LiveService>('live');
    const owner = { id: this.#owner, check };
    const watcher = live.watch(sql, params, { json, maxRows: MAX_ROWS, owner });
    const code = codeOfWatch('query', sql, undefined, params);
    const entry = this.#enter({ ...NEW, code, watcher, fn, live }, notes);
    const after = this.#toTake.take(code)?.standing;
    try {
      entry.subscription = live.subscribe(watcher, (events, batch) => this.#deliver(entry, events, batch), {
        listenerType: 'lua',
        listenerId: `skill:${id}`,
        ...(after === undefined ? {} : { after }),
      });
    } catch (error) {
      // The script may go on, and so may its transaction.
      this.remove(watcher.id);
      throw error;
    }
    return watcher.id;
  }

  /** True when there was such a watch. */
  remove(id: string): boolean {
    const entry = this.#entries.get(id);
    if (entry === undefined) return false;
    this.#entries.delete(id);
    entry.subscription?.[Symbol.dispose]();
    (entry.live ?? this.#options.runtime.capsule).unwatch(entry.watcher);
    return true;
  }

  removeAll(): void {
    for (const id of [...this.#entries.keys()]) this.remove(id);
  }

  #assertRoom(): void {
    if (this.#entries.size < MAX_WATCHES) return;
    throw new GlyphError(
      'GC_BAD_ARGUMENT',
      `glyphcase.watch: more than ${MAX_WATCHES} watches; end some with glyphcase.unwatch(id)`,
    );
  }

  #enter(entry: Entry, notes: Notes): Entry {
    const { id } = entry.watcher;
    this.#entries.set(id, entry);
    // Batches are for the host that holds the lease, which waits until there is something to run.
    this.#options.runtime.lease.want();
    notes.add({ rolledBack: () => this.remove(id) });
    return entry;
  }

  #start(entry: Entry): void {
    if (this.#entries.get(entry.watcher.id) !== entry) return;
    const { capsule } = this.#options.runtime;
    entry.subscription = capsule.subscribe(entry.watcher, (events, batch) => this.#deliver(entry, events, batch), {
      from: entry.handled,
      listenerType: 'lua',
      listenerId: `skill:${this.#options.id}`,
    });
  }

  /** What comes after it is still to be told; so is what was told in a transaction that has not committed. */
  #placeOf({ code, live, subscription, handled, busy }: Entry): WatchPlace {
    if (live === undefined) return { code, seq: Math.max(handled, subscription?.cursor ?? 0) };
    const standing = subscription === undefined ? undefined : live.standing(subscription, { unhandled: busy });
    return standing === undefined ? { code } : { code, standing };
  }

  async #deliver(entry: Entry, events: readonly ChangeEvent[], { reset, to }: Batch): Promise<void> {
    const { runtime, background, failed } = this.#options;
    if (reset !== undefined) {
      failed(new Error(reset.message), entry.watcher.tableOrQuery);
      return;
    }
    const handled = (): void => {
      entry.busy = false;
      entry.handled = Math.max(entry.handled, to);
    };
    entry.busy = true;
    try {
      await background.run(() => inLua(runtime.ctx.db, () => this.#handle(entry, events, handled)));
    } catch (error) {
      handled();
      failed(error, entry.watcher.tableOrQuery);
    }
  }

  /** Inside a transaction. */
  #handle(entry: Entry, events: readonly ChangeEvent[], handled: () => void): void {
    const { runtime, call, usable } = this.#options;
    if (this.#left !== undefined || this.#entries.get(entry.watcher.id) !== entry) return;
    if (!usable()) {
      // Nobody has handled it, whatever becomes of the cursor.
      entry.place ??= this.#placeOf(entry);
      return;
    }
    const { current } = runtime.ctx.db;
    // The next who writes may be the state that takes this one's place, before this promise is settled.
    if (current !== undefined) notesOf(current).add({ committed: handled });
    if (!runtime.lease.mayRun()) return;
    try {
      for (let at = 0; at < events.length; at += MAX_EVENTS) call(entry.fn, events.slice(at, at + MAX_EVENTS));
    } catch (error) {
      handled();
      throw error;
    }
  }
}

const NEW = { subscription: undefined, handled: 0, busy: false, place: undefined } as const;
