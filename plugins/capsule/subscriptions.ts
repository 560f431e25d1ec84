/**
 * Subscriptions of this host: made, found again by name, and taken away, with their rows in the file.
 *
 * Invariant: a durable subscription is in the file before `subscribe` returns, unless somebody else holds the writer; from
 * then on nothing is missed. What a closed host leaves of it is its row and cursor.
 */
import { randomUUID } from 'node:crypto';
import { GlyphError } from '../../sdk/plugin.ts';
import type { Database } from '../../sdk/plugin.ts';
import type { CommitWatch } from './commits.ts';
import type { Delivery } from './delivery.ts';
import type { Registry, SubscriptionRow } from './registry.ts';
import type { Subscriber } from './subscriber.ts';
import type { EventHandler, Reset, SubscribeOptions, Subscription, Watcher } from './types.ts';

export interface SubscriptionsOptions {
  readonly db: Database;
  readonly registry: Registry;
  readonly delivery: Delivery;
  readonly commits: CommitWatch;
  /** Looks for other programs' commits; returns the end of the log. */
  readonly look: () => number;
}

interface Entry {
  readonly row: SubscriptionRow;
  readonly release: () => void;
}

export class Subscriptions {
  readonly #options: SubscriptionsOptions;
  readonly #entries = new Map<string, Entry>();

  constructor(options: SubscriptionsOptions) {
    this.#options = options;
  }

  /** @throws GC_BAD_ARGUMENT, GC_BAD_OPTION */
  subscribe(watcher: Watcher, handler: EventHandler, options: SubscribeOptions): Subscription {
    checkOptions(handler, options);
    const end = this.#options.look();
    const { name, filter, debounce } = options;
    const stored = name === undefined ? undefined : this.#stored(name);
    const start = stored?.cursor ?? (typeof options.from === 'number' ? Math.min(options.from, end) : end);
    const subscriber: Subscriber = {
      id: stored?.id ?? randomUUID(),
      watcherId: watcher.id,
      handler,
      ...(name === undefined ? {} : { name }),
      ...(filter === undefined ? {} : { filter }),
      ...(debounce === undefined ? {} : { debounce }),
      at: start,
      stored: start,
      state: 'idle',
      timer: undefined,
      reset: parseReset(stored?.reset ?? null),
      delivered: 0,
      failures: 0,
      attempts: 0,
      lastError: undefined,
    };
    this.#enter(subscriber, watcher, options);
    return this.#subscriptionOf(subscriber, options.listenerId ?? name ?? subscriber.id);
  }

  unsubscribe(id: string): void {
    const { db, registry, delivery } = this.#options;
    const subscriber = delivery.get(id);
    if (subscriber === undefined) return;
    this.#leave(id);
    const { watcherId } = subscriber;
    db.deferWrite(() => registry.removeSubscription(id, watcherId));
  }

  /** Ends a subscription in this host; a durable one keeps its place in the file. */
  release(id: string): void {
    const { db, registry, delivery } = this.#options;
    const subscriber = delivery.get(id);
    if (subscriber?.name === undefined) {
      this.unsubscribe(id);
      return;
    }
    const cursor = delivery.cursorOf(subscriber);
    this.#leave(id);
    if (cursor > subscriber.stored && subscriber.reset === undefined) {
      db.deferWrite(() => registry.moveCursor(id, cursor));
    }
  }

  #leave(id: string): void {
    this.#options.delivery.remove(id);
    this.#entries.get(id)?.release();
    this.#entries.delete(id);
  }

  unsubscribeAll(watcher: Watcher): void {
    for (const id of [...watcher.subscriptions]) this.unsubscribe(id);
  }

  /** Writes the rows once more, after they were lost. Inside a transaction. */
  restore(): void {
    for (const [id, { row }] of this.#entries) {
      const subscriber = this.#options.delivery.get(id);
      if (subscriber === undefined) continue;
      this.#options.registry.addSubscription(row.name === undefined ? row : { ...row, cursor: subscriber.stored });
    }
  }

  /** Lets go of everything but the rows. */
  close(): void {
    this.#options.delivery.close();
    for (const { release } of this.#entries.values()) release();
    this.#entries.clear();
  }

  #enter(subscriber: Subscriber, watcher: Watcher, options: SubscribeOptions): void {
    const { db, registry, delivery, commits } = this.#options;
    const { id, name } = subscriber;
    const row: SubscriptionRow = {
      id,
      watcherId: watcher.id,
      listenerId: options.listenerId ?? name ?? id,
      listenerType: options.listenerType ?? 'custom',
      ...(name === undefined ? {} : { name, cursor: subscriber.stored }),
    };
    const hold = commits.hold();
    const abort = (): void => this.unsubscribe(id);
    options.signal?.addEventListener('abort', abort, { once: true });
    watcher.subscriptions.add(id);
    const release = (): void => {
      hold();
      watcher.subscriptions.delete(id);
      options.signal?.removeEventListener('abort', abort);
    };
    this.#entries.set(id, { row, release });
    delivery.add(subscriber);
    db.deferWrite(() => {
      if (name !== undefined) registry.makeDurable(watcher.id);
      registry.addSubscription(row);
    });
    if (name !== undefined) db.flushDeferred();
  }

  #subscriptionOf(subscriber: Subscriber, listenerId: string): Subscription {
    const { id, watcherId, handler, name, filter } = subscriber;
    const { delivery } = this.#options;
    return {
      id,
      watcherId,
      listenerId,
      handler,
      ...(name === undefined ? {} : { name }),
      ...(filter === undefined ? {} : { filter }),
      get cursor() {
        return delivery.cursorOf(subscriber);
      },
      [Symbol.dispose]: () => this.unsubscribe(id),
    };
  }

  #stored(name: string): ReturnType<Registry['findSubscription']> {
    const { db, registry, delivery } = this.#options;
    db.flushDeferred();
    for (const subscriber of delivery.subscribers) {
      if (subscriber.name === name) {
        throw new GlyphError('GC_BAD_ARGUMENT', `A durable subscription named "${name}" is running already`);
      }
    }
    return registry.findSubscription(name);
  }
}

function checkOptions(handler: EventHandler, options: SubscribeOptions): void {
  if (typeof handler !== 'function') throw new GlyphError('GC_BAD_ARGUMENT', 'subscribe() takes a handler function');
  if (typeof options !== 'object' || (options as SubscribeOptions | null) === null) {
    throw new GlyphError('GC_BAD_ARGUMENT', 'The options of subscribe() are an object');
  }
  const { name, from, filter, debounce, signal } = options;
  if (signal?.aborted === true) {
    throw new GlyphError('GC_BAD_ARGUMENT', 'The signal given to subscribe() is aborted already');
  }
  const bad = (option: string, wanted: string, given: unknown): GlyphError =>
    new GlyphError('GC_BAD_OPTION', `subscribe(): "${option}" is ${wanted}, not ${JSON.stringify(given)}`);
  if (name !== undefined && (typeof name !== 'string' || name === '')) throw bad('name', 'a non-empty string', name);
  if (from !== undefined && from !== 'now' && !(Number.isSafeInteger(from) && from >= 0))
    throw bad('from', "'now' or a seq", from);
  if (filter !== undefined && typeof filter !== 'function') throw bad('filter', 'a function', filter);
  if (debounce !== undefined && !(Number.isFinite(debounce) && debounce >= 0))
    throw bad('debounce', 'a number of ms', debounce);
}

export function parseReset(stored: string | null): Reset | undefined {
  return stored === null ? undefined : (JSON.parse(stored) as Reset);
}
