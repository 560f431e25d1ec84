/**
 * What one Lua state listens to by `glyphcase.watch`: live, for as long as the state lives.
 *
 * Invariants: a watch begins with the transaction that asks for it, and hears of what that one changes too, once it has
 * committed; each batch is one transaction, in the host that holds the lease; a failing handler is logged, and gets the next
 * batch all the same.
 */
import { randomUUID } from 'node:crypto';
import type { Batch, ChangeEvent, Subscription, Watcher } from '../../sdk/capsule-types.ts';
import type { LiveService } from '../../sdk/live-types.ts';
import type { LuaFunction, LuaValue } from '../../sdk/lua-types.ts';
import { GlyphError } from '../../sdk/plugin.ts';
import { MAX_ROWS } from './api/sql.ts';
import type { Background } from './background.ts';
import { inLua } from './notes.ts';
import type { Notes } from './notes.ts';
import type { Runtime } from './runtime.ts';

/** Watches one state may hold. */
const MAX_WATCHES = 100;
/** Events passed to Lua in one call; a larger batch takes several, in one transaction. */
const MAX_EVENTS = 1000;

interface Entry {
  readonly watcher: Watcher;
  readonly fn: LuaFunction;
  readonly service: Pick<LiveService, 'unwatch'>;
  subscription: Subscription | undefined;
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
}

export class Subscriptions {
  readonly #options: SubscriptionsOptions;
  readonly #entries = new Map<string, Entry>();
  /** Of the next version of a skill the permissions may be others, so it shares no query with this one. */
  readonly #owner = randomUUID();

  constructor(options: SubscriptionsOptions) {
    this.#options = options;
  }

  /** @throws GC_NO_SUCH_TABLE, GC_NOT_WATCHABLE, GC_BAD_FILTER */
  add({ table, filter, params, fn, notes }: WatchRequest): string {
    this.#assertRoom();
    const { capsule } = this.#options.runtime;
    const watcher = capsule.watch(table, filter, filter === undefined ? undefined : params);
    const entry = this.#enter({ watcher, fn, service: capsule, subscription: undefined }, notes);
    const from = capsule.look();
    notes.add({ committed: () => this.#start(entry, from) });
    return watcher.id;
  }

  /** It starts from the result before the open transaction. @throws GC_SQL, GC_NO_SUCH_TABLE, GC_NOT_WATCHABLE, GC_NO_SERVICE */
  addQuery({ sql, params, json, check, fn, notes }: QueryRequest): string {
    this.#assertRoom();
    const { id, runtime } = this.#options;
    const live = runtime.ctx.use<LiveService>('live');
    const owner = { id: this.#owner, check };
    const watcher = live.watch(sql, params, { json, maxRows: MAX_ROWS, owner });
    const entry = this.#enter({ watcher, fn, service: live, subscription: undefined }, notes);
    entry.subscription = live.subscribe(watcher, (events, batch) => this.#deliver(entry, events, batch), {
      listenerType: 'lua',
      listenerId: `skill:${id}`,
    });
    return watcher.id;
  }

  /** True when there was such a watch. */
  remove(id: string): boolean {
    const entry = this.#entries.get(id);
    if (entry === undefined) return false;
    this.#entries.delete(id);
    entry.subscription?.[Symbol.dispose]();
    entry.service.unwatch(entry.watcher);
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

  #start(entry: Entry, from: number): void {
    if (this.#entries.get(entry.watcher.id) !== entry) return;
    const { capsule } = this.#options.runtime;
    entry.subscription = capsule.subscribe(entry.watcher, (events, batch) => this.#deliver(entry, events, batch), {
      from,
      listenerType: 'lua',
      listenerId: `skill:${this.#options.id}`,
    });
  }

  async #deliver(entry: Entry, events: readonly ChangeEvent[], { reset }: Batch): Promise<void> {
    const { runtime, background, call, failed } = this.#options;
    if (reset !== undefined) {
      failed(new Error(reset.message), entry.watcher.tableOrQuery);
      return;
    }
    try {
      await background.run(() =>
        inLua(runtime.ctx.db, () => {
          if (this.#entries.get(entry.watcher.id) !== entry || !runtime.lease.mayRun()) return;
          for (let at = 0; at < events.length; at += MAX_EVENTS) call(entry.fn, events.slice(at, at + MAX_EVENTS));
        }),
      );
    } catch (error) {
      failed(error, entry.watcher.tableOrQuery);
    }
  }
}
