/** One subscription as it runs: its state, and what its handler is told beside the events. */
import { GlyphError, messageOf } from '../../sdk/plugin.ts';
import type { Database, Logger, Timer } from '../../sdk/plugin.ts';
import type { Registry } from './registry.ts';
import type { Batch, ChangeEvent, EventHandler, Reset, SubscriptionStats } from './types.ts';

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
  /** The end of the batch that its handler acknowledged last. */
  acknowledged?: number;
  delivered: number;
  failures: number;
  /** Failures in a row. */
  attempts: number;
  lastError: string | undefined;
}

/** How long a delivery waits for handlers that are nearly done, in ms; slower ones go on by themselves. */
const GRACE_MS = 5;

/** What messages call it. */
export const label = (subscriber: Subscriber): string => subscriber.name ?? subscriber.id;

export interface BatchParts {
  readonly db: Database;
  readonly registry: Registry;
}

export function batchOf(subscriber: Subscriber, from: number, to: number, { db, registry }: BatchParts): Batch {
  const { reset } = subscriber;
  return {
    from,
    to,
    ...(reset === undefined ? {} : { reset }),
    acknowledge() {
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
      if (reset !== undefined) registry.clearReset(subscriber.id, reset);
      subscriber.acknowledged = to;
    },
  };
}

/**
 * Stores a durable subscriber's cursor, and that it was told of a reset: now rather than soon, because what was handled must
 * not come again after a crash.
 */
export function storeCursor(
  subscriber: Subscriber,
  cursor: number,
  told: Reset | undefined,
  { db, registry, logger }: BatchParts & { readonly logger: Logger },
): void {
  if (told === undefined && subscriber.acknowledged === cursor && registry.storedCursor(subscriber.id) === cursor) {
    subscriber.stored = cursor;
    return;
  }
  db.deferWrite(() => {
    if (told !== undefined) registry.clearReset(subscriber.id, told);
    if (subscriber.stored >= cursor) return;
    registry.moveCursor(subscriber.id, cursor);
    subscriber.stored = cursor;
  });
  if (!db.flushDeferred()) logger.debug(`The cursor of ${label(subscriber)} is stored when the writer is free`);
}

/** The events that the subscriber's own filter lets through. */
export function wantedBy(subscriber: Subscriber, events: ChangeEvent[], logger: Logger): ChangeEvent[] {
  const { filter } = subscriber;
  if (filter === undefined) return events;
  try {
    return events.filter((event) => filter(event));
  } catch (error) {
    // Too many events can be put right by the handler, too few cannot.
    logger.error(`The filter of subscription ${label(subscriber)} threw: ${messageOf(error)}`, { error });
    return events;
  }
}

export function statsOf(subscriber: Subscriber, cursor: number, end: number): SubscriptionStats {
  const { id, name, watcherId, delivered, failures, lastError } = subscriber;
  return {
    id,
    ...(name === undefined ? {} : { name }),
    watcherId,
    cursor,
    lag: Math.max(0, end - cursor),
    delivered,
    failures,
    ...(lastError === undefined ? {} : { lastError }),
  };
}

/** Waits for a pause in the events, rather than for another attempt. */
export const isDebouncing = (subscriber: Subscriber): boolean =>
  subscriber.state === 'paused' && subscriber.attempts === 0 && subscriber.debounce !== undefined;

export const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';

/** All of them, or so many ms, whichever is first. */
export function withGrace(pending: readonly Promise<void>[]): Promise<void> {
  return new Promise((resolve) => {
    // eslint-disable-next-line no-restricted-globals -- real time: it bounds real work, whatever the injected clock says
    const timer = setTimeout(resolve, GRACE_MS);
    void Promise.all(pending).then(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
