/**
 * What the capsule offers: watchers, subscriptions, change events, and the service other plugins use.
 *
 * The public shapes are the contract of docs/api.md; the service is versioned as `capsule`.
 */
import type { Reset, RowBatch as Batch, RowChange as ChangeEvent } from '../../sdk/plugin.ts';
import type { LoggedChange } from './images.ts';
import type { TableLayout } from './layout.ts';

export type { LoggedChange } from './images.ts';
export type { TableLayout } from './layout.ts';
export type { Reset, RowBatch as Batch, RowChange as ChangeEvent } from '../../sdk/plugin.ts';

export type EventHandler<Row = Record<string, unknown>> = (events: ChangeEvent<Row>[], batch: Batch) => unknown;

/** Watches one table, one filter or one query. */
export interface Watcher {
  readonly id: string;
  /** Table name or SELECT. */
  readonly tableOrQuery: string;
  readonly filterExpression?: string;
  readonly description: string;
  /** Ids of the subscriptions on it. */
  readonly subscriptions: Set<string>;
  readonly createdAt: Date;
  /** Query watchers only: the result as its subscribers know it, as of now when there are none. */
  rows?<T = Record<string, unknown>>(): readonly T[];
  /** Query watchers only: how the result is kept current, and why so. */
  explain?(): Explanation;
  [Symbol.dispose](): void;
}

/** How a query watcher keeps its result current. */
export interface Explanation {
  /** `re-run`: the query is run again and compared. */
  readonly mode: 're-run' | 'incremental';
  /** Why it is kept in this way, and what to know of it, in sentences. */
  readonly why: string;
  /** The tables whose changes wake it. */
  readonly tables: readonly string[];
  /** Per table the columns whose UPDATE wakes it, or `all`. INSERT and DELETE always do. */
  readonly columns: Readonly<Record<string, readonly string[] | 'all'>>;
  /** The columns by which rows are told apart; undefined when they have no key and are compared as a whole. */
  readonly key: readonly string[] | undefined;
  /** Whether the order of the rows is part of the result. */
  readonly ordered: boolean;
}

export type ListenerType = 'lua' | 'react' | 'custom';

export interface SubscribeOptions {
  /** Makes the subscription durable: it resumes where it stopped, after a crash too. */
  readonly name?: string;
  /** `now` (default), or a `seq`: changes after it are delivered. A durable subscription that exists keeps its own cursor. */
  readonly from?: 'now' | number;
  /** Only events it returns true for. */
  readonly filter?: (event: ChangeEvent) => boolean;
  /** Unsubscribes when aborted. */
  readonly signal?: AbortSignal;
  /** Query watchers: deliver the current rows as INSERTs first. */
  readonly initial?: boolean;
  /** Waits until no event came for so many ms, then delivers all of them. */
  readonly debounce?: number;
  readonly listenerId?: string;
  readonly listenerType?: ListenerType;
}

/** A handler on a watcher. */
export interface Subscription {
  readonly id: string;
  readonly watcherId: string;
  readonly listenerId: string;
  readonly name?: string;
  readonly filter?: (event: ChangeEvent) => boolean;
  readonly handler: EventHandler;
  /** The last `seq` it has handled. */
  readonly cursor: number;
  [Symbol.dispose](): void;
}

/** How far one subscription is behind. */
export interface SubscriptionStats {
  readonly id: string;
  readonly name?: string;
  readonly watcherId: string;
  readonly cursor: number;
  /** Log rows between its cursor and the end. */
  readonly lag: number;
  readonly delivered: number;
  readonly failures: number;
  readonly lastError?: string;
}

export interface CapsuleStats {
  /** The newest `seq`. */
  readonly end: number;
  /** Log rows that are committed but not yet given to the subscribers. */
  readonly queued: number;
  readonly watchers: number;
  readonly watchedTables: readonly string[];
  readonly batches: number;
  readonly events: number;
  readonly subscriptions: readonly SubscriptionStats[];
}

/** What `recreateTriggersForTable` did. */
export interface RepairReport {
  readonly table: string;
  readonly created: readonly string[];
  readonly dropped: readonly string[];
}

/** What retention removed. */
export interface PruneReport {
  readonly removed: number;
  readonly archived: number;
  /** Oldest `seq` still in the log. */
  readonly oldest: number;
}

/** A reaction to a table's changes that runs inside the transaction that moves its cursor: see {@link CapsuleService.react}. */
export interface Reaction {
  /** Stable name; its cursor is stored under it. */
  readonly name: string;
  readonly watches: readonly { readonly table: string; readonly filter?: string }[];
  readonly listenerType: ListenerType;
  /** How columns declared JSON come: parsed (default), or as the text that is stored. */
  readonly json?: 'parsed' | 'text';
  /**
   * Called with consecutive changes of all its tables, in commit order, inside an open transaction. What it writes and the
   * cursor commit together. Throwing rolls both back.
   */
  handle(events: ChangeEvent[]): void;
  /** After the transaction committed. */
  committed?(): void;
  /** The transaction was rolled back; `attempt` counts from 1. Returns ms until the next attempt, or `stop`. */
  failed(error: unknown, attempt: number): number | 'stop';
  /** Checked inside the transaction before anything runs; false postpones the reaction (the lease moved elsewhere). */
  mayRun(): boolean;
  reset?(reset: Reset): void;
}

export interface ReactionHandle {
  readonly cursor: number;
  /** Tries again after `stop`, or now. */
  resume(): void;
  /** Takes it off; the cursor stays stored. */
  stop(): void;
  /** Resolves when it has handled everything up to `seq`, or cannot at present. */
  settled(seq: number): Promise<void>;
}

/** A range of the log, for who keeps something current. */
export interface FollowedRange {
  /** The range is `(from, to]`. */
  readonly from: number;
  readonly to: number;
  /**
   * What happened to rows of watched tables since `from`, in commit order, as far as the reader shows it. That may be more than
   * the range: what another program has just committed is delivered later. Inside a read transaction it is what its state holds.
   * @param most the changes are not read when they are more rows of the log than this, and than the range
   */
  visible(most: number): { readonly end: number; readonly changes: readonly LoggedChange[] | undefined };
  /** The transaction that the last of the range belongs to. */
  readonly origin: Pick<ChangeEvent, 'transactionId' | 'source' | 'timestamp'>;
}

/** Follows the log as it is delivered: see {@link CapsuleService.follow}. */
export interface Follower {
  /** After the subscribers were given the range. Returns what of its own work is not done yet. */
  changed(range: FollowedRange): readonly Promise<void>[];
  /** Somebody's commit was looked at, which may have changed the schema and nothing else. */
  looked(): void;
  /** Resolves when it has handled everything up to `seq`. */
  settled(seq: number): Promise<void>;
}

export interface FollowHandle {
  /** Idempotent. */
  stop(): void;
}

/** What a piece of work is done for: how long the chain of reactions to reactions is, and who is in it. */
export interface Cause {
  readonly depth: number;
  /** Names of the latest in the chain, oldest first. */
  readonly chain: readonly string[];
  /** Shared by everything with the same beginning: changes and actions that it made itself, and those that came of them. */
  readonly root: { seeds: number; work: number };
}

/** Finds reactions that trigger each other without end, whether by changes or in other ways. */
export interface Causes {
  /** What the code that runs now is done for; undefined when nobody reacted to anything. */
  readonly current: Cause | undefined;
  /** The deepest cause of several changes, by `seq`. */
  causeOf(seqs: readonly number[]): Cause | undefined;
  /**
   * Runs `handle` for one cause, inside a transaction. What it returns is what `handle` wrote, for `remember` once that has
   * committed. `inSteps` allows a chain of any length that does not multiply: long work cut into steps, each of which waits for a
   * batch. @throws GC_CASCADE naming the loop
   */
  watch(name: string, cause: Cause | undefined, handle: () => void, inSteps?: boolean): readonly WrittenRange[];
  remember(written: readonly WrittenRange[]): void;
}

/** A range of `seq`, both ends included, that was written for a cause. */
export interface WrittenRange extends Cause {
  readonly first: number;
  readonly last: number;
}

/** A table as it is declared. */
export interface TableDescription {
  readonly layout: TableLayout;
  /** Unique over all rows: no partial ones, none over expressions. Columns are indexes into the layout's. */
  readonly uniqueKeys: readonly { readonly columns: readonly number[]; readonly binary: boolean }[];
  /** Indexes of columns that cannot be NULL. */
  readonly notNull: ReadonlySet<number>;
}

/** The service `capsule`. */
export interface CapsuleService {
  /**
   * Watches a table, or its rows for which a filter such as `status = ?` holds, and keeps its triggers in place until the last
   * watcher goes. @throws GC_NO_SUCH_TABLE, GC_NOT_WATCHABLE, GC_BAD_FILTER, GC_BAD_ARGUMENT, GC_BAD_VALUE, GC_LOCKED
   */
  watch(table: string, filter?: string, params?: readonly unknown[] | Readonly<Record<string, unknown>>): Watcher;
  /** Ends a watcher and its subscriptions. Idempotent. */
  unwatch(watcher: Watcher | string): void;
  /**
   * Calls a handler with the changes of a watcher, in commit order, whole transactions at a time; a promise it returns is awaited
   * before its next call. @throws GC_NO_SUCH_WATCHER, GC_BAD_ARGUMENT, GC_BAD_OPTION
   */
  subscribe(watcher: Watcher | string, handler: EventHandler, options?: SubscribeOptions): Subscription;
  /** Ends a subscription; the cursor of a durable one is forgotten. Idempotent. */
  unsubscribe(subscription: Subscription | string): void;
  /** Ends a subscription in this host; a durable one keeps its cursor, and goes on when it is made anew. */
  release(subscription: Subscription | string): void;
  /** A durable, exactly-once reaction; skills' `on_data_changed` is one. */
  react(reaction: Reaction): ReactionHandle;
  /** Which changes came of which, so that reactions that trigger each other without end are found. */
  readonly causes: Causes;
  /** Hands every range that is delivered from now on to a follower too; keeps the process alive meanwhile. */
  follow(follower: Follower): FollowHandle;
  /** Forgets a reaction that was stopped: its cursor, and the watchers only it needed. */
  forget(name: string): void;
  /** True when the table exists and can be watched; throws when it exists and cannot. */
  canWatch(table: string): boolean;
  /** What is declared of a table, as committed. @throws GC_NO_SUCH_TABLE, GC_NOT_WATCHABLE */
  describe(table: string): TableDescription;
  /** Keeps the table's triggers in place for good, as a schema's `watch: true` does. */
  keep(table: string, options?: { readonly batchSize?: number; readonly retentionDays?: number }): void;
  /** Puts a watched table's triggers right, and tells what it made and dropped. @throws GC_NO_SUCH_TABLE, GC_LOCKED */
  recreateTriggers(table: string): RepairReport;
  /** The newest committed `seq` this host has seen. */
  readonly end: number;
  /** How far the subscribers have been given changes. */
  readonly position: number;
  /** Looks for commits of other programs now; returns the end. */
  look(): number;
  /** The `seq` at which a batch that starts after `from` and holds about `size` rows ends, at most `end`. */
  boundary(from: number, size: number, end: number): number;
  /** Gives `(position, to]` to the subscribers. Resolves when those that are quick have handled it. */
  deliver(to: number): Promise<void> | undefined;
  /** Resolves when every subscriber has handled everything up to `seq`, or has failed and waits for its next attempt. */
  settled(seq: number): Promise<void>;
  /** The smallest batch size any watched table asks for. */
  readonly batchSize: number | undefined;
  /** Removes what retention allows from the log now, as happens at every start and daily. @throws GC_LOCKED */
  prune(): PruneReport;
  /** Watchers, batches, and how far each subscription is behind, in rows of the log. */
  stats(): CapsuleStats;
}
