/** What live queries offer: query watchers, and the service `live`. */
import type { EventHandler, Explanation, SubscribeOptions, Subscription, Watcher } from '../../sdk/capsule-types.ts';
import type { SubscriptionStats } from '../../sdk/capsule-types.ts';
import type { Params, Row } from '../../sdk/plugin.ts';

export type { Explanation } from '../../sdk/capsule-types.ts';

/** Watches the result of a SELECT. */
export interface QueryWatcher extends Watcher {
  /**
   * The result: what its subscribers were told last, or the present one when there are none. The same array until a row
   * changes, and the same object for a row that did not. Not to be changed.
   * @throws GC_NO_SUCH_TABLE and its kin while the schema does not fit the query
   */
  rows<T = Row>(): readonly T[];
  explain(): Explanation;
}

/** How a query is watched. */
export interface QueryOptions {
  /** How columns declared JSON come: parsed (default), or as the text that is stored. */
  readonly json?: 'parsed' | 'text';
  /** A result with more rows is an error. */
  readonly maxRows?: number;
  /** Whose query it is, when not everybody may read everything: it is shared with nobody else, and checked with each plan. */
  readonly owner?: QueryOwner;
}

export interface QueryOwner {
  readonly id: string;
  /** Throws when the query may not be run, the schema being what it is now. */
  check(): void;
}

/** What a subscription has been told, opaque: another one can go on from there. */
export interface Standing {
  readonly kind: 'live-standing';
}

export interface QuerySubscribeOptions extends SubscribeOptions {
  /**
   * Begins with what another subscription, on a query of the same text and parameters, still had to be told, and the difference
   * since; one of another copy of this plugin is none.
   */
  readonly after?: Standing;
}

/** What {@link LiveService.stats} tells. */
export interface LiveStats {
  /** Query watchers. */
  readonly watchers: number;
  /** Different queries, parameters included, that are kept current. */
  readonly queries: number;
  /** How often a query was run, all of it or a part, since the start. */
  readonly runs: number;
  readonly subscriptions: readonly SubscriptionStats[];
}

/** The service `live`. */
export interface LiveService {
  /** Watches the result of a SELECT. @throws GC_SQL, GC_NO_SUCH_TABLE, GC_NO_SUCH_COLUMN, GC_WRITE_IN_QUERY, GC_NOT_WATCHABLE, GC_BAD_ARGUMENT, GC_BAD_VALUE, GC_LOCKED */
  watch(sql: string, params?: Params, options?: QueryOptions): QueryWatcher;
  /** Whether it is one of its watchers or subscriptions, by object or id. */
  has(watcherOrSubscription: { readonly id: string } | string): boolean;
  /**
   * Calls a handler with what changes in a watcher's result, one call for the changes of a batch; a promise it returns is awaited
   * before its next call. @throws GC_NO_SUCH_WATCHER, GC_BAD_ARGUMENT, GC_BAD_OPTION
   */
  subscribe(watcher: Watcher | string, handler: EventHandler, options?: QuerySubscribeOptions): Subscription;
  /**
   * What a subscription has been told, for one that takes its place. A call that is under way counts unless it is `unhandled`:
   * then it is told again. Undefined when there is no such subscription.
   */
  standing(subscription: Subscription | string, options?: { readonly unhandled?: boolean }): Standing | undefined;
  /** Ends a subscription. Idempotent. */
  unsubscribe(subscription: Subscription | string): void;
  /** Ends a watcher and its subscriptions; a query that nobody else watches is no longer kept current. Idempotent. */
  unwatch(watcher: Watcher | string): void;
  /** How many queries are kept current, how often they were run, and how far each subscription is behind, in rows of the log. */
  stats(): LiveStats;
}
