/**
 * Gives ranges of the log to subscribers, each at its own pace.
 *
 * The log is the queue: a subscriber is a cursor. One that keeps up is *live*, its cursor is the common position and costs
 * nothing when a range does not concern it. One that is slow, paused or behind reads the log for itself.
 * Invariants: a subscriber's handler runs serially, in commit order, whole transactions at a time; nobody waits for it; a
 * durable subscriber's cursor moves only after its handler succeeded.
 */
import { GlyphError, messageOf } from '../../sdk/plugin.ts';
import type { Clock, Database, Logger, Timer } from '../../sdk/plugin.ts';
import type { Registry } from './registry.ts';
import type { Routed, Router } from './router.ts';
import type { Batch, ChangeEvent, EventHandler, Reset, SubscriptionStats } from './types.ts';

/** How long a delivery waits for handlers that are nearly done, in ms; slower ones go on by themselves. */
const GRACE_MS = 5;
const FIRST_RETRY_MS = 1000;
const LONGEST_RETRY_MS = 60_000;

/** One subscription, running. */
export interface Subscriber {
  readonly id: string;
  readonly watcherId: string;
  readonly handler: EventHandler;
  readonly name?: string;
  readonly filter?: (event: ChangeEvent) => boolean;
  readonly debounce?: number;
  /** Undefined while live: its cursor is then the common position. */
  at: number | undefined;
  /** What the file says, for durable ones. */
  stored: number;
  state: 'idle' | 'running' | 'paused' | 'closed';
  timer: Timer | undefined;
  reset: Reset | undefined;
  delivered: number;
  failures: number;
  /** Failures in a row. */
  attempts: number;
  lastError: string | undefined;
}

export interface DeliveryOptions {
  readonly db: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly router: Router;
  readonly registry: Registry;
  readonly boundary: (from: number, end: number) => number;
}

export class Delivery {
  readonly #options: DeliveryOptions;
  readonly #byWatcher = new Map<string, Set<Subscriber>>();
  readonly #all = new Map<string, Subscriber>();
  readonly #waiters: { readonly seq: number; readonly done: () => void }[] = [];
  position: number;
  batches = 0;
  events = 0;

  constructor(options: DeliveryOptions, position: number) {
    this.#options = options;
    this.position = position;
  }

  get subscribers(): Iterable<Subscriber> {
    return this.#all.values();
  }

  get(id: string): Subscriber | undefined {
    return this.#all.get(id);
  }

  cursorOf(subscriber: Subscriber): number {
    return subscriber.at ?? this.position;
  }

  add(subscriber: Subscriber): void {
    this.#all.set(subscriber.id, subscriber);
    const group = this.#byWatcher.get(subscriber.watcherId);
    if (group === undefined) this.#byWatcher.set(subscriber.watcherId, new Set([subscriber]));
    else group.add(subscriber);
    if (subscriber.reset !== undefined || (subscriber.at !== undefined && subscriber.at < this.position)) {
      this.#soon(subscriber);
    } else {
      subscriber.at = undefined;
    }
  }

  remove(id: string): Subscriber | undefined {
    const subscriber = this.#all.get(id);
    if (subscriber === undefined) return undefined;
    subscriber.at = this.cursorOf(subscriber);
    subscriber.state = 'closed';
    subscriber.timer?.cancel();
    this.#all.delete(id);
    const group = this.#byWatcher.get(subscriber.watcherId);
    group?.delete(subscriber);
    if (group?.size === 0) this.#byWatcher.delete(subscriber.watcherId);
    this.#settle();
    return subscriber;
  }

  /** Gives `(position, to]`, as it was routed, to everybody who is live. Undefined when nothing is left to wait for. */
  deliver(to: number, routed: Routed): Promise<void> | undefined {
    const from = this.position;
    this.batches += 1;
    const ready = this.#detachReady(routed, from);
    this.position = to;
    const pending: Promise<void>[] = [];
    for (const { subscriber, events } of ready) {
      const running = this.#give(subscriber, events, to);
      if (running !== undefined) pending.push(running);
    }
    if (pending.length === 0) {
      this.#settle();
      return undefined;
    }
    return withGrace(pending);
  }

  /** Tells subscribers of a watcher that what they saw is void. */
  reset(watcherId: string, reset: Reset): void {
    for (const subscriber of this.#byWatcher.get(watcherId) ?? []) {
      if (subscriber.name === undefined) continue;
      subscriber.reset = reset;
      subscriber.at = this.cursorOf(subscriber);
      this.#soon(subscriber);
    }
  }

  /** Resolves when nobody is behind `seq` but those that wait for their next attempt. */
  settled(seq: number): Promise<void> {
    return new Promise((resolve) => {
      this.#waiters.push({ seq, done: resolve });
      // A debounced subscriber is not made to wait when somebody wants everything handled.
      for (const subscriber of this.#all.values()) {
        if (subscriber.state === 'paused' && subscriber.attempts === 0) this.#resume(subscriber);
      }
      this.#settle();
    });
  }

  /** Writes the cursors of durable subscribers that moved over ranges that did not concern them. Inside a transaction. */
  storeCursors(): void {
    for (const subscriber of this.#all.values()) {
      if (subscriber.name === undefined || subscriber.state === 'running') continue;
      const cursor = this.cursorOf(subscriber);
      if (cursor <= subscriber.stored || subscriber.reset !== undefined) continue;
      this.#options.registry.moveCursor(subscriber.id, cursor);
      subscriber.stored = cursor;
    }
  }

  stats(end: number): SubscriptionStats[] {
    return [...this.#all.values()].map((subscriber) => {
      const { id, name, watcherId, delivered, failures, lastError } = subscriber;
      const cursor = this.cursorOf(subscriber);
      return {
        id,
        ...(name === undefined ? {} : { name }),
        watcherId,
        cursor,
        lag: end - cursor,
        delivered,
        failures,
        ...(lastError === undefined ? {} : { lastError }),
      };
    });
  }

  /** The lowest cursor of subscribers that go with this host. */
  get hostPosition(): number {
    let lowest = this.position;
    for (const subscriber of this.#all.values()) {
      if (subscriber.name === undefined && subscriber.at !== undefined) lowest = Math.min(lowest, subscriber.at);
    }
    return lowest;
  }

  close(): void {
    for (const id of [...this.#all.keys()]) this.remove(id);
  }

  /** Live subscribers that the range concerns get a cursor of their own until they have handled it. */
  #detachReady(routed: Routed, from: number): { subscriber: Subscriber; events: ChangeEvent[] }[] {
    const ready: { subscriber: Subscriber; events: ChangeEvent[] }[] = [];
    for (const [watcherId, events] of routed) {
      for (const subscriber of this.#byWatcher.get(watcherId) ?? []) {
        if (subscriber.at !== undefined) continue;
        const wanted = subscriber.filter === undefined ? events : this.#filtered(subscriber, events);
        if (wanted.length === 0) continue;
        subscriber.at = from;
        ready.push({ subscriber, events: wanted });
      }
    }
    return ready;
  }

  #filtered(subscriber: Subscriber, events: ChangeEvent[]): ChangeEvent[] {
    try {
      return events.filter((event) => subscriber.filter?.(event) === true);
    } catch (error) {
      this.#options.logger.error(`The filter of subscription ${label(subscriber)} threw: ${messageOf(error)}`);
      return events;
    }
  }

  /** Calls the handler, and moves the cursor when it is done. Undefined when that is so already. */
  #give(subscriber: Subscriber, events: ChangeEvent[], to: number): Promise<void> | undefined {
    if (subscriber.debounce !== undefined && subscriber.state === 'idle') {
      this.#pause(subscriber, subscriber.debounce);
      return undefined;
    }
    const from = subscriber.at as number;
    const batch = this.#batch(subscriber, from, to);
    subscriber.state = 'running';
    let result: unknown;
    try {
      result = this.#options.db.outside(() => subscriber.handler(events, batch));
    } catch (error) {
      this.#failed(subscriber, error, to);
      return undefined;
    }
    if (!isThenable(result)) {
      this.#handled(subscriber, events.length, to);
      return undefined;
    }
    return Promise.resolve(result).then(
      () => this.#handled(subscriber, events.length, to),
      (error: unknown) => this.#failed(subscriber, error, to),
    );
  }

  #batch(subscriber: Subscriber, from: number, to: number): Batch {
    const { reset } = subscriber;
    return {
      from,
      to,
      ...(reset === undefined ? {} : { reset }),
      acknowledge: () => {
        const { db, registry } = this.#options;
        if (subscriber.name === undefined) {
          throw new GlyphError('GC_BAD_ARGUMENT', 'Only a durable subscription (one with a name) can be acknowledged');
        }
        if (db.current === undefined) {
          throw new GlyphError(
            'GC_TRANSACTION',
            'acknowledge() belongs inside db.transaction(), with what the handler writes',
          );
        }
        registry.moveCursor(subscriber.id, to);
      },
    };
  }

  #handled(subscriber: Subscriber, count: number, to: number): void {
    if (subscriber.state === 'closed') return;
    subscriber.delivered += count;
    this.events += count;
    this.#options.logger.debug(`Emitted ${count} events to watcher ${subscriber.watcherId}`, {
      subscription: subscriber.id,
    });
    subscriber.attempts = 0;
    subscriber.reset = undefined;
    this.#moved(subscriber, to);
  }

  #failed(subscriber: Subscriber, error: unknown, to: number): void {
    if (subscriber.state === 'closed') return;
    subscriber.failures += 1;
    subscriber.attempts += 1;
    subscriber.lastError = messageOf(error);
    const durable = subscriber.name !== undefined;
    const delay = Math.min(FIRST_RETRY_MS * 2 ** (subscriber.attempts - 1), LONGEST_RETRY_MS);
    const next = durable ? `tried again in ${delay / 1000} s` : 'the batch is skipped';
    this.#options.logger.error(`Subscription ${label(subscriber)} failed: ${messageOf(error)} (${next})`, { error });
    if (durable) this.#pause(subscriber, delay);
    else this.#moved(subscriber, to);
    this.#settle();
  }

  #moved(subscriber: Subscriber, to: number): void {
    subscriber.at = to;
    if (subscriber.name !== undefined) this.#storeCursor(subscriber, to);
    subscriber.state = 'idle';
    if (to >= this.position) subscriber.at = undefined;
    else this.#soon(subscriber);
    this.#settle();
  }

  #storeCursor(subscriber: Subscriber, cursor: number): void {
    const { registry, db, logger } = this.#options;
    const store = (): void => {
      if (subscriber.stored >= cursor) return;
      registry.moveCursor(subscriber.id, cursor);
      subscriber.stored = cursor;
    };
    db.deferWrite(store);
    // Now rather than soon: what was handled must not come again after a crash.
    if (!db.flushDeferred()) logger.debug(`The cursor of ${label(subscriber)} is stored when the writer is free`);
  }

  /** Waits, then reads the log from the subscriber's cursor on. */
  #pause(subscriber: Subscriber, delay: number): void {
    subscriber.state = 'paused';
    subscriber.timer?.cancel();
    subscriber.timer = this.#options.clock.timeout(() => this.#resume(subscriber), delay);
  }

  #resume(subscriber: Subscriber): void {
    subscriber.timer?.cancel();
    if (subscriber.state !== 'paused') return;
    subscriber.state = 'running';
    this.#catchUp(subscriber);
  }

  /** Not at once: whoever called is in the middle of something. */
  #soon(subscriber: Subscriber): void {
    if (subscriber.state !== 'idle') return;
    subscriber.state = 'running';
    this.#options.db.outside(() => setImmediate(() => this.#catchUp(subscriber)));
  }

  /** Gives one batch from the subscriber's own cursor. */
  #catchUp(subscriber: Subscriber): void {
    if (subscriber.state === 'closed' || !this.#options.db.sqlite.open) return;
    const from = subscriber.at ?? this.position;
    if (subscriber.reset !== undefined) {
      void this.#give(subscriber, [], from);
      return;
    }
    if (from >= this.position) {
      subscriber.at = undefined;
      subscriber.state = 'idle';
      this.#settle();
      return;
    }
    const to = this.#options.boundary(from, this.position);
    const routed = this.#options.router.route(from, to, new Set([subscriber.watcherId]));
    const events = routed.get(subscriber.watcherId) ?? [];
    const wanted = subscriber.filter === undefined ? events : this.#filtered(subscriber, events);
    if (wanted.length > 0) {
      void this.#give(subscriber, wanted, to);
      return;
    }
    subscriber.at = to;
    subscriber.state = 'idle';
    this.#soon(subscriber);
  }

  #settle(): void {
    if (this.#waiters.length === 0) return;
    const open = this.#waiters.filter((waiter) => {
      if (this.position < waiter.seq || this.#isBehind(waiter.seq)) return true;
      waiter.done();
      return false;
    });
    this.#waiters.splice(0, this.#waiters.length, ...open);
  }

  #isBehind(seq: number): boolean {
    for (const subscriber of this.#all.values()) {
      const waitsForRetry = subscriber.state === 'paused' && subscriber.attempts > 0;
      if (subscriber.at !== undefined && !waitsForRetry && (subscriber.at < seq || subscriber.state !== 'idle'))
        return true;
    }
    return false;
  }
}

const label = (subscriber: Subscriber): string => subscriber.name ?? subscriber.id;

const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';

/** All of them, or so many ms, whichever is first. */
function withGrace(pending: readonly Promise<void>[]): Promise<void> {
  return new Promise((resolve) => {
    // Real time: it bounds real work, whatever the injected clock says.
    const timer = setTimeout(resolve, GRACE_MS);
    void Promise.all(pending).then(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
