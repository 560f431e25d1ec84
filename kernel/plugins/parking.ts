/**
 * Subscriptions that change hands: while a plugin is replaced, what it watches is held back for its next instance.
 *
 * Invariants:
 * - A delivery is handled by one instance: by the one that was there when it came, or, if none was, by the next.
 * - Nobody is held up for longer than a replacement takes: what is not taken up by then is ended, and only its place in the
 *   change log is remembered.
 */
import type { RowBatch, RowChange } from './types.ts';

/** The part of the services `capsule` and `live` that is used. */
export interface WatchService {
  watch(tableOrQuery: string, filter?: unknown, params?: unknown): WatcherId;
  unwatch(watcher: WatcherId): void;
  subscribe(watcher: WatcherId, handler: WatchHandler, options: object): { readonly cursor: number };
  unsubscribe(subscription: object): void;
  /** Ends a subscription without forgetting its place in the log. */
  release?(subscription: object): void;
}

interface WatcherId {
  readonly id: string;
}

export type WatchHandler = (events: RowChange<never>[], batch: RowBatch) => unknown;

/** One subscription, whose handler can be exchanged. */
export class Gate {
  readonly service: WatchService;
  readonly #watcher: WatcherId;
  readonly #subscription: { readonly cursor: number };
  #handler: WatchHandler | undefined;
  #next: PromiseWithResolvers<WatchHandler | undefined> | undefined;

  constructor(service: WatchService, watcher: WatcherId, handler: WatchHandler, options: object) {
    this.service = service;
    this.#watcher = watcher;
    this.#handler = handler;
    this.#subscription = service.subscribe(watcher, (events, batch) => this.#deliver(events, batch), options);
  }

  /** The last `seq` that was handled. */
  get cursor(): number {
    return this.#subscription.cursor;
  }

  /** Holds back what comes from now on. */
  shut(): void {
    this.#handler = undefined;
  }

  /** Gives what was held back, and what comes, to another handler. */
  open(handler: WatchHandler): void {
    this.#handler = handler;
    this.#next?.resolve(handler);
    this.#next = undefined;
  }

  end(): void {
    this.#next?.resolve(undefined);
    if (this.service.release === undefined) this.service.unsubscribe(this.#subscription);
    else this.service.release(this.#subscription);
    this.service.unwatch(this.#watcher);
  }

  #deliver(events: RowChange<never>[], batch: RowBatch): unknown {
    if (this.#handler !== undefined) return this.#handler(events, batch);
    this.#next ??= Promise.withResolvers();
    return this.#next.promise.then((handler) => handler?.(events, batch));
  }
}

/** What the last instance of a unit watched, until the next one takes it up. */
export class Parking {
  readonly #gates = new Map<string, Gate>();
  /** Places in the log of those that were ended. */
  readonly #places = new Map<string, number>();

  park(key: string, gate: Gate): void {
    gate.shut();
    this.#gates.set(key, gate);
  }

  /** The subscription itself when this service has it, or else the place at which it stopped. */
  take(key: string, service: WatchService): Gate | number | undefined {
    const gate = this.#gates.get(key);
    if (gate !== undefined && gate.service !== service) this.#end(key, gate);
    const place = this.#places.get(key);
    this.#places.delete(key);
    this.#gates.delete(key);
    return gate?.service === service ? gate : place;
  }

  /** Nobody comes soon: lets the services go on without. */
  release(): void {
    for (const [key, gate] of this.#gates) this.#end(key, gate);
  }

  /** Nobody wants what is left. */
  clear(): void {
    this.release();
    this.#places.clear();
  }

  #end(key: string, gate: Gate): void {
    this.#places.set(key, gate.cursor);
    this.#gates.delete(key);
    gate.end();
  }
}
