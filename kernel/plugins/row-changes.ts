/**
 * What watchers of rows are told, and how they ask for it: by `ctx.watch`, and by the services `capsule` and `live`.
 *
 * Invariant: types only. A batch covers a range of the change log, and batches follow each other without a gap unless a reset
 * says otherwise.
 */
import type { Params, Source } from '../database/types.ts';

/** How changes are watched. */
export interface WatchOptions {
  /** A filter over the table's columns, such as `status = ?`. */
  readonly where?: string;
  /** For the filter, or for the query. */
  readonly params?: Params;
  /** Tables: makes it durable, under this name, which no other subscription to the file has. */
  readonly name?: string;
  /** Tables: `now`, the default, or a `seq` after which to begin. */
  readonly from?: 'now' | number;
  /** Only events it returns true for. */
  readonly filter?: (event: RowChange<never>) => boolean;
  /** Queries: delivers the present rows first. */
  readonly initial?: boolean;
  /** Waits until nothing came for so many ms. */
  readonly debounce?: number;
}

/** A change of one row. Positions and `change` are only there for watchers that know them. */
export interface RowChange<Row = Record<string, unknown>> {
  /** Place in the change log; grows with commit order, never used twice. */
  readonly seq: number;
  readonly watcherId: string;
  readonly operation: 'INSERT' | 'UPDATE' | 'DELETE';
  /** Filtered watchers: whether the row came into the filter, left it, or stayed in it. */
  readonly change?: 'enter' | 'leave' | 'stay';
  readonly tableName: string;
  /** Primary key, an array for a composite one. A table without a usable key has its rowid, good within this event only. */
  readonly rowId: number | bigint | string | unknown[];
  /** The row before: UPDATE and DELETE. */
  readonly oldData?: Row;
  /** The row after: INSERT and UPDATE. */
  readonly newData?: Row;
  /** UPDATE: the columns whose value changed. */
  readonly changedColumns?: string[];
  /** Queries with an order: where the row is, and was. */
  readonly index?: number;
  readonly oldIndex?: number;
  /** When the transaction committed, to the second. */
  readonly timestamp: Date;
  readonly transactionId: string;
  readonly source: Source;
}

/** Why a subscriber must not rely on what it has seen so far. */
export interface Reset {
  /** `schema`: another program changed the table; `gap`: changes were pruned before they could be delivered; `query`: a live query cannot be run. */
  readonly reason: 'schema' | 'gap' | 'query';
  readonly message: string;
}

/** What a handler is told about the delivery beside its events. */
export interface RowBatch {
  /** The range `(from, to]` of the change log that this delivery covers. */
  readonly from: number;
  readonly to: number;
  /** Set when earlier knowledge is void; `events` is then empty. */
  readonly reset?: Reset;
  /**
   * Moves a durable subscription's cursor past this batch in the transaction that is open now, so that what the handler
   * wrote and the cursor commit together: exactly once, also through a crash.
   */
  acknowledge(): void;
}
