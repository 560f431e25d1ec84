/**
 * What one Lua state listens to by `glyphcase.watch`: live, for as long as the state lives.
 *
 * Invariants: a watch begins with the transaction that asks for it, and hears of what that one changes too, once it has
 * committed; each batch is one transaction, in the host that holds the lease; a failing handler is logged, and gets the next
 * batch all the same.
 */
import type { ChangeEvent, Subscription, Watcher } from '../../sdk/capsule-types.ts';
import type { LuaFunction, LuaValue } from '../../sdk/lua-types.ts';
import { GlyphError } from '../../sdk/plugin.ts';
import type { Background } from './background.ts';
import type { Notes } from './notes.ts';
import type { Runtime } from './runtime.ts';

/** Watches one state may hold. */
const MAX_WATCHES = 100;
/** Events passed to Lua in one call; a larger batch takes several, in one transaction. */
const MAX_EVENTS = 1000;

interface Entry {
  readonly watcher: Watcher;
  readonly fn: LuaFunction;
  /** End of the log when it was asked for. */
  readonly from: number;
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

  constructor(options: SubscriptionsOptions) {
    this.#options = options;
  }

  /** @throws GC_NO_SUCH_TABLE, GC_NOT_WATCHABLE, GC_BAD_FILTER */
  add({ table, filter, params, fn, notes }: WatchRequest): string {
    if (this.#entries.size >= MAX_WATCHES) {
      throw new GlyphError(
        'GC_BAD_ARGUMENT',
        `glyphcase.watch: more than ${MAX_WATCHES} watches; end some with glyphcase.unwatch(id)`,
      );
    }
    const { capsule } = this.#options.runtime;
    const watcher = capsule.watch(table, filter, filter === undefined ? undefined : params);
    const entry: Entry = { watcher, fn, from: capsule.look(), subscription: undefined };
    this.#entries.set(watcher.id, entry);
    notes.add({ committed: () => this.#start(entry), rolledBack: () => this.remove(watcher.id) });
    return watcher.id;
  }

  /** True when there was such a watch. */
  remove(id: string): boolean {
    const entry = this.#entries.get(id);
    if (entry === undefined) return false;
    this.#entries.delete(id);
    entry.subscription?.[Symbol.dispose]();
    this.#options.runtime.capsule.unwatch(entry.watcher);
    return true;
  }

  removeAll(): void {
    for (const id of [...this.#entries.keys()]) this.remove(id);
  }

  #start(entry: Entry): void {
    if (this.#entries.get(entry.watcher.id) !== entry) return;
    const { capsule } = this.#options.runtime;
    entry.subscription = capsule.subscribe(entry.watcher, (events) => this.#deliver(entry, events), {
      from: entry.from,
      listenerType: 'lua',
      listenerId: `skill:${this.#options.id}`,
    });
  }

  async #deliver(entry: Entry, events: readonly ChangeEvent[]): Promise<void> {
    const { runtime, background, call, failed } = this.#options;
    try {
      await background.run(() =>
        runtime.ctx.db.exclusive(
          () => {
            if (this.#entries.get(entry.watcher.id) !== entry || !runtime.lease.mayRun()) return;
            for (let at = 0; at < events.length; at += MAX_EVENTS) call(entry.fn, events.slice(at, at + MAX_EVENTS));
          },
          { source: 'lua' },
        ),
      );
    } catch (error) {
      failed(error, entry.watcher.tableOrQuery);
    }
  }
}
