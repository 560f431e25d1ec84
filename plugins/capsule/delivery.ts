/**
 * Gives ranges of the log to subscribers, each at its own pace.
 *
 * The log is the queue: a subscriber is a cursor. One that keeps up is *live*, its cursor is the common position and costs
 * nothing when a range does not concern it. One that is slow, paused or behind reads the log for itself; one that came
 * when changes were still to be delivered is *ahead*, and waits for the common position to reach it.
 * Invariants: a subscriber's handler runs serially, in commit order, whole transactions at a time; nobody waits for it; a
 * durable subscriber's cursor moves only after its handler succeeded.
 */
import { messageOf } from '../../sdk/plugin.ts';
import type { Clock, Database, Logger } from '../../sdk/plugin.ts';
import type { Mark, Registry } from './registry.ts';
import type { Routed, Router } from './router.ts';
import { batchOf, isDebouncing, isThenable, label, statsOf, storeCursor, wantedBy, withGrace } from './subscriber.ts';
import type { Subscriber } from './subscriber.ts';
import type { ChangeEvent, Reset, SubscriptionStats } from './types.ts';
import { Waiters } from './waiters.ts';

const FIRST_RETRY_MS = 1000;
const LONGEST_RETRY_MS = 60_000;
/** An in-memory database is read again after so many ms when a transaction is open. */
const BUSY_MS = 2;
/** What a debounced subscriber gets at once, in log rows. */
const DEBOUNCED_ROWS = 50_000;

export interface DeliveryOptions {
  readonly db: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly router: Router;
  readonly registry: Registry;
  /** Where a batch from `from` on ends; of the usual size unless told. */
  readonly boundary: (from: number, end: number, size?: number) => number;
}

export class Delivery {
  readonly #options: DeliveryOptions;
  readonly #byWatcher = new Map<string, Set<Subscriber>>();
  readonly #all = new Map<string, Subscriber>();
  readonly #ahead = new Set<Subscriber>();
  readonly #waiters = new Waiters();
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

  /** Whether anybody subscribes to a watcher. */
  has(watcherId: string): boolean {
    return this.#byWatcher.has(watcherId);
  }

  get empty(): boolean {
    return this.#byWatcher.size === 0;
  }

  cursorOf(subscriber: Subscriber): number {
    return subscriber.at ?? this.position;
  }

  add(subscriber: Subscriber): void {
    this.#all.set(subscriber.id, subscriber);
    const group = this.#byWatcher.get(subscriber.watcherId);
    if (group === undefined) this.#byWatcher.set(subscriber.watcherId, new Set([subscriber]));
    else group.add(subscriber);
    this.#goOn(subscriber, this.cursorOf(subscriber));
  }

  remove(id: string): void {
    const subscriber = this.#all.get(id);
    if (subscriber === undefined) return;
    subscriber.at = this.cursorOf(subscriber);
    subscriber.state = 'closed';
    subscriber.timer?.cancel();
    this.#all.delete(id);
    this.#ahead.delete(subscriber);
    const group = this.#byWatcher.get(subscriber.watcherId);
    group?.delete(subscriber);
    if (group?.size === 0) this.#byWatcher.delete(subscriber.watcherId);
    this.#settle();
  }

  /** Gives `(position, to]`, as it was routed, to everybody who is live. Undefined when nothing is left to wait for. */
  deliver(to: number, routed: Routed): Promise<void> | undefined {
    const from = this.position;
    this.batches += 1;
    const ready = this.#detachReady(routed, from);
    this.position = to;
    for (const subscriber of this.#ahead)
      if (this.cursorOf(subscriber) <= to) this.#goOn(subscriber, this.cursorOf(subscriber));
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

  /** Tells durable subscribers that what they saw is void, or that what they lag behind was removed. */
  tell(marks: ReadonlyMap<string, Mark>): void {
    for (const [id, { cursor, reset }] of marks) {
      const subscriber = this.#all.get(id);
      if (subscriber === undefined || JSON.stringify(subscriber.reset) === JSON.stringify(reset)) continue;
      subscriber.stored = Math.max(subscriber.stored, cursor);
      this.#reset(subscriber, reset, Math.max(this.cursorOf(subscriber), cursor));
    }
  }

  /** Resolves when nobody is behind `seq` but those that wait for their next attempt. */
  settled(seq: number): Promise<void> {
    const settled = this.#waiters.wait(seq);
    // A debounced subscriber is not made to wait when somebody wants everything handled.
    for (const subscriber of [...this.#all.values()]) if (isDebouncing(subscriber)) this.#resume(subscriber);
    this.#settle();
    return settled;
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
    return [...this.#all.values()].map((subscriber) => statsOf(subscriber, this.cursorOf(subscriber), end));
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
        const debouncing = isDebouncing(subscriber);
        if (subscriber.at !== undefined && !debouncing) continue;
        const wanted = wantedBy(subscriber, events, this.#options.logger);
        if (wanted.length === 0) continue;
        if (debouncing) {
          this.#pause(subscriber, subscriber.debounce ?? 0);
          continue;
        }
        subscriber.at = from;
        ready.push({ subscriber, events: wanted });
      }
    }
    return ready;
  }

  /** Calls the handler, and moves the cursor when it is done. Undefined when that is so already. */
  #give(subscriber: Subscriber, events: ChangeEvent[], to: number): Promise<void> | undefined {
    // A handler that ran a moment ago may have unsubscribed this one.
    if (subscriber.state === 'closed') return undefined;
    if (subscriber.debounce !== undefined && subscriber.state === 'idle') {
      this.#pause(subscriber, subscriber.debounce);
      return undefined;
    }
    const { reset } = subscriber;
    const batch = batchOf(subscriber, subscriber.at as number, to, this.#options);
    subscriber.state = 'running';
    let result: unknown;
    try {
      result = this.#options.db.outside(() => subscriber.handler(events, batch));
    } catch (error) {
      this.#failed(subscriber, error, to, reset);
      return undefined;
    }
    if (!isThenable(result)) {
      this.#handled(subscriber, events.length, to, reset);
      return undefined;
    }
    return Promise.resolve(result).then(
      () => this.#handled(subscriber, events.length, to, reset),
      (error: unknown) => this.#failed(subscriber, error, to, reset),
    );
  }

  #handled(subscriber: Subscriber, count: number, to: number, reset: Reset | undefined): void {
    if (subscriber.state === 'closed') return;
    subscriber.delivered += count;
    this.events += count;
    this.#options.logger.debug(`Emitted ${count} events to watcher ${subscriber.watcherId}`, {
      subscription: subscriber.id,
    });
    subscriber.attempts = 0;
    // Another reset may have come while it ran.
    if (subscriber.reset === reset) subscriber.reset = undefined;
    this.#moved(subscriber, to, reset);
  }

  #failed(subscriber: Subscriber, error: unknown, to: number, reset: Reset | undefined): void {
    if (subscriber.state === 'closed') return;
    const { registry, logger } = this.#options;
    subscriber.failures += 1;
    subscriber.attempts += 1;
    subscriber.lastError = messageOf(error);
    // A reset leaves the cursor where it is, which then proves nothing.
    const acknowledged =
      reset === undefined && subscriber.acknowledged === to && (registry.storedCursor(subscriber.id) ?? 0) >= to;
    const again = subscriber.name !== undefined && !acknowledged;
    const delay = Math.min(FIRST_RETRY_MS * 2 ** (subscriber.attempts - 1), LONGEST_RETRY_MS);
    const next = again
      ? `tried again in ${delay / 1000} s`
      : acknowledged
        ? 'after it acknowledged'
        : 'the batch is skipped';
    logger.error(`Subscription ${label(subscriber)} failed: ${messageOf(error)} (${next})`, { error });
    if (again) this.#pause(subscriber, delay);
    else this.#moved(subscriber, to);
    this.#settle();
  }

  #moved(subscriber: Subscriber, to: number, told?: Reset): void {
    if (subscriber.name !== undefined) storeCursor(subscriber, to, told, this.#options);
    subscriber.state = 'idle';
    this.#goOn(subscriber, to);
    this.#settle();
  }

  #reset(subscriber: Subscriber, reset: Reset, cursor: number): void {
    subscriber.reset = reset;
    subscriber.at = cursor;
    this.#soon(subscriber);
  }

  /** From `cursor` on: at once, with everybody else, or when the others have come so far. */
  #goOn(subscriber: Subscriber, cursor: number): void {
    this.#ahead.delete(subscriber);
    subscriber.at = cursor;
    if (subscriber.reset !== undefined || cursor < this.position) {
      this.#soon(subscriber);
    } else if (cursor === this.position) {
      subscriber.at = undefined;
    } else {
      this.#ahead.add(subscriber);
    }
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
    const { db, logger } = this.#options;
    if (subscriber.state === 'closed' || !db.sqlite.open) return;
    if (db.inMemory && db.busy) {
      // eslint-disable-next-line no-restricted-globals -- real time: a transaction does not follow the injected clock
      setTimeout(() => this.#catchUp(subscriber), BUSY_MS);
      return;
    }
    const from = this.cursorOf(subscriber);
    subscriber.at = from;
    if (subscriber.reset !== undefined) {
      void this.#give(subscriber, [], from);
      return;
    }
    let next: { readonly to: number; readonly events: ChangeEvent[] };
    try {
      next = this.#read(subscriber, from);
    } catch (error) {
      // The changes are in the log: whatever is wrong with reading them, they are not lost.
      logger.error(`Cannot read the changes for ${label(subscriber)}: ${messageOf(error)}`, { error });
      this.#pause(subscriber, FIRST_RETRY_MS);
      return;
    }
    if (next.events.length > 0) {
      void this.#give(subscriber, next.events, next.to);
      return;
    }
    subscriber.state = 'idle';
    this.#goOn(subscriber, next.to);
    this.#settle();
  }

  #read(subscriber: Subscriber, from: number): { readonly to: number; readonly events: ChangeEvent[] } {
    const { router, boundary, logger } = this.#options;
    if (from >= this.position) return { to: from, events: [] };
    const to = boundary(from, this.position, subscriber.debounce === undefined ? undefined : DEBOUNCED_ROWS);
    const events = router.route(from, to, { only: new Set([subscriber.watcherId]) }).get(subscriber.watcherId) ?? [];
    return { to, events: wantedBy(subscriber, events, logger) };
  }

  #settle(): void {
    this.#waiters.wake((seq) => this.position >= seq && !this.#isBehind(seq));
  }

  #isBehind(seq: number): boolean {
    for (const subscriber of this.#all.values()) {
      const waitsForRetry = subscriber.state === 'paused' && subscriber.attempts > 0;
      if (subscriber.at === undefined || waitsForRetry) continue;
      if (subscriber.at < seq || subscriber.state !== 'idle') return true;
    }
    return false;
  }
}
