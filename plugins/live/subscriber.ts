/**
 * One subscription on a query as it runs.
 *
 * It remembers the snapshot its handler was told of last, so what it is told next is always the difference to the present
 * one. Invariants: the handler runs serially; one that is slow misses states in between but never a difference; one that
 * throws is logged and goes on with the next difference.
 */
import type { Batch, ChangeEvent, EventHandler, Reset, SubscriptionStats } from '../../sdk/capsule-types.ts';
import { GlyphError, messageOf } from '../../sdk/plugin.ts';
import type { Clock, Database, Logger, Timer } from '../../sdk/plugin.ts';
import type { Query } from './query.ts';
import { inColumns, NOTHING } from './snapshot.ts';
import type { Snapshot } from './snapshot.ts';

export interface SubscriberParts {
  readonly db: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How far the log is delivered. */
  readonly position: () => number;
}

export interface SubscriberOptions {
  readonly id: string;
  readonly watcherId: string;
  readonly handler: EventHandler;
  readonly filter?: (event: ChangeEvent) => boolean;
  /** In ms. */
  readonly debounce?: number;
  /** The first call has the rows there are, even if there are none. */
  readonly initial: boolean;
  /** Goes on from there. */
  readonly after?: ToldSoFar;
}

/** Where a subscription stands: what it knows, and what it was still to be told of that. */
export class ToldSoFar {
  readonly kind = 'live-standing';
  readonly seen: Snapshot;
  readonly isFirst: boolean;
  readonly problem: GlyphError | undefined;
  readonly owed: Told | undefined;

  constructor(parts: Pick<ToldSoFar, 'seen' | 'isFirst' | 'problem' | 'owed'>) {
    // Nobody keeps it for whoever goes on from there.
    parts.seen.list();
    this.seen = parts.seen;
    this.isFirst = parts.isFirst;
    this.problem = parts.problem;
    this.owed = parts.owed;
  }
}

/** What a handler is given. */
export interface Told {
  readonly events: ChangeEvent[];
  readonly batch: Batch;
}

export class Subscriber {
  readonly id: string;
  readonly watcherId: string;
  readonly #query: Query;
  readonly #options: SubscriberOptions;
  readonly #parts: SubscriberParts;
  #seen: Snapshot;
  #toldOf: GlyphError | undefined;
  #isFirst: boolean;
  #closed = false;
  #running: Promise<void> | undefined;
  #taken: Told | undefined;
  /** What its handler is at work on. */
  #given: Told | undefined;
  #timer: Timer | undefined;
  #cursor: number;
  #delivered = 0;
  #failures = 0;
  #lastError: string | undefined;

  constructor(query: Query, options: SubscriberOptions, parts: SubscriberParts) {
    this.id = options.id;
    this.watcherId = options.watcherId;
    this.#query = query;
    this.#options = options;
    this.#parts = parts;
    this.#seen = options.initial ? NOTHING : query.result.snapshot;
    this.#isFirst = options.initial;
    this.#cursor = parts.position();
    if (options.after !== undefined) this.#goOnAfter(options.after);
  }

  get cursor(): number {
    return this.#running === undefined && !this.#waits ? Math.max(this.#cursor, this.#parts.position()) : this.#cursor;
  }

  /** Has not been told of the present state. */
  get isBehind(): boolean {
    return this.#isFirst || this.#seen !== this.#query.result.snapshot || this.#toldOf !== this.#query.problem;
  }

  /** It may not be told of the next state at once. */
  get lags(): boolean {
    return (
      this.#running !== undefined || this.#taken !== undefined || this.#options.debounce !== undefined || this.isBehind
    );
  }

  get #waits(): boolean {
    return this.#timer !== undefined;
  }

  /** The result it starts from was not to be had when it subscribed. */
  startFrom(snapshot: Snapshot): void {
    if (this.#options.after !== undefined) this.#seen = inColumns(this.#seen, snapshot.columns);
    else if (!this.#isFirst) this.#seen = snapshot;
  }

  /** For one that takes its place. What its handler is at work on is told again if it is `unhandled`. */
  standing(unhandled: boolean): ToldSoFar {
    const owed = this.#taken ?? (unhandled ? this.#given : undefined);
    return new ToldSoFar({ seen: this.#seen, isFirst: this.#isFirst, problem: this.#toldOf, owed });
  }

  /** Works out what it is to be told, before any handler runs that may lead to another result. */
  take(): void {
    if (this.#closed || this.#running !== undefined || this.#options.debounce !== undefined || !this.isBehind) return;
    this.#taken ??= this.#next();
  }

  /** Tells it of what is new, at once unless it is busy or debounced. Returns what is not done yet. */
  give(): Promise<void> | undefined {
    if (this.#closed || (this.#taken === undefined && !this.isBehind)) return undefined;
    if (this.#running !== undefined) return this.#running;
    const { debounce } = this.#options;
    if (debounce === undefined) return this.#call();
    this.#timer?.cancel();
    this.#timer = this.#parts.clock.timeout(() => void this.#call(), debounce);
    return undefined;
  }

  /** The same, when nobody waits for it: not in the midst of what the caller does. */
  giveSoon(): void {
    if (this.#running !== undefined) return;
    this.#running = new Promise<void>((resolve) => {
      this.#parts.db.outside(() => setImmediate(resolve));
    }).then(() => {
      this.#running = undefined;
      return this.give();
    });
  }

  /** Resolves when it was told of all there is; what it debounces comes now. */
  async settled(seq: number): Promise<void> {
    if (this.#waits) void this.#call();
    while (this.#running !== undefined && !this.#closed) {
      await this.#running;
      if (this.#cursor >= seq) return;
    }
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  stats(end: number): SubscriptionStats {
    const { id, watcherId, cursor } = this;
    return {
      id,
      watcherId,
      cursor,
      lag: Math.max(0, end - cursor),
      delivered: this.#delivered,
      failures: this.#failures,
      ...(this.#lastError === undefined ? {} : { lastError: this.#lastError }),
    };
  }

  #call(): Promise<void> | undefined {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#closed) return undefined;
    const next = this.#taken ?? this.#next();
    this.#taken = undefined;
    if (next === undefined) return undefined;
    this.#given = next;
    const { events, batch } = next;
    let result: unknown;
    // A handler may lead to another call of this, which then has to wait.
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#running = promise;
    const done = (error?: unknown): Promise<void> | undefined => {
      this.#running = undefined;
      this.#given = undefined;
      resolve();
      this.#done(events.length, batch.to, error);
      return this.give();
    };
    try {
      result = this.#parts.db.outside(() => this.#options.handler(events, batch));
    } catch (error) {
      return done({ error });
    }
    if (!isThenable(result)) return done();
    this.#running = Promise.resolve(result).then(
      () => void done(),
      (error: unknown) => void done({ error }),
    );
    return this.#running;
  }

  #goOnAfter({ seen, isFirst, problem, owed }: ToldSoFar): void {
    this.#seen = inColumns(seen, this.#query.result.columns);
    this.#isFirst = isFirst;
    this.#toldOf = problem;
    if (owed === undefined) return;
    const events = owed.events.map((event) => ({ ...event, watcherId: this.watcherId }));
    this.#taken = { events, batch: owed.batch };
  }

  /** What the handler is to be told now; undefined when nothing of it is for it. */
  #next(): Told | undefined {
    const { problem, result, cause } = this.#query;
    const to = cause?.seq ?? this.#cursor;
    const isFirst = this.#isFirst && problem === undefined;
    const before = this.#seen;
    const since = problem === undefined ? this.#query.eventsSince(before) : [];
    this.#seen = result.snapshot;
    if (problem !== undefined && this.#toldOf !== problem) {
      this.#toldOf = problem;
      return { events: [], batch: this.#batch(to, { reason: 'query', message: problem.message }) };
    }
    // That the query can be run again is news even when it has no rows: an empty result is not the lack of one.
    const isBack = this.#toldOf !== undefined && problem === undefined;
    this.#toldOf = problem;
    this.#isFirst &&= !isFirst;
    const events = this.#wanted(since.map((event) => ({ ...event, watcherId: this.watcherId })));
    return events.length === 0 && !isFirst && !isBack ? undefined : { events, batch: this.#batch(to) };
  }

  #wanted(events: ChangeEvent[]): ChangeEvent[] {
    const { filter } = this.#options;
    if (filter === undefined) return events;
    try {
      return events.filter((event) => filter(event));
    } catch (error) {
      // Too many events can be put right by the handler, too few cannot.
      this.#parts.logger.error(`The filter of subscription ${this.id} threw: ${messageOf(error)}`, { error });
      return events;
    }
  }

  #batch(to: number, reset?: Reset): Batch {
    return {
      from: Math.min(this.#cursor, to),
      to,
      ...(reset === undefined ? {} : { reset }),
      acknowledge() {
        throw new GlyphError('GC_BAD_ARGUMENT', 'A subscription on a query is not durable, and cannot be acknowledged');
      },
    };
  }

  #done(count: number, to: number, failure: unknown): void {
    this.#cursor = Math.max(this.#cursor, to);
    if (failure === undefined) {
      this.#delivered += count;
      this.#parts.logger.debug(`Emitted ${count} events to watcher ${this.watcherId}`, { subscription: this.id });
      return;
    }
    const { error } = failure as { error: unknown };
    this.#failures += 1;
    this.#lastError = messageOf(error);
    this.#parts.logger.error(`Subscription ${this.id} failed: ${this.#lastError} (the batch is skipped)`, { error });
  }
}

export const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
