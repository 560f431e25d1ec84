/**
 * What the hooks need of a database, wherever it is: in this process, or at the other end of a channel.
 *
 * Invariants of a source:
 * - a state is another object exactly when something changed, and a row that did not change is the same object;
 * - what one commit changed is told in one go, so that nothing renders between two of its queries.
 */
import type { Batch, ChangeEvent } from '../capsule-types.ts';
import { GlyphError, messageOf } from '../../kernel/errors.ts';
import type { Params, Row } from '../../kernel/database/types.ts';

/** What is observed: the result of a SELECT, or the row of a table that has this primary key (an array for a composite one). */
export type Target =
  { readonly sql: string; readonly params?: Params | undefined } | { readonly table: string; readonly id: unknown };

/** What is known of a result. */
export interface QueryState<T = Row> {
  /** `pending`: not there yet. `error`: it cannot be had at present, and `rows` is empty. */
  readonly status: 'pending' | 'success' | 'error';
  readonly rows: readonly T[];
  readonly error: GlyphError | undefined;
}

/** One query as the components that show it share it. */
export interface LiveQuery<T = Row> {
  /** Calls `listener` after the state became another. Call what it returns to stop. */
  readonly subscribe: (listener: () => void) => () => void;
  /** The same object until something changes. */
  readonly getSnapshot: () => QueryState<T>;
  /** Resolves when the state is no longer `pending`; never rejects. The query is kept for whoever waits. */
  settled(): Promise<void>;
  /** Begins again, as after an error that does not go away by itself. */
  retry(): void;
  /** Is not kept for a next subscriber when nobody subscribes: an error that was thrown should not be thrown again. */
  letGo(): void;
}

/** What is watched: a table, a table with a filter, or the result of a SELECT. */
export interface WatchRequest {
  readonly tableOrQuery: string;
  /** Over the columns of the table, as in `db.watch(table, filter, params)`. */
  readonly filter?: string;
  readonly params?: Params;
  /** Queries only: the rows there are come first, as INSERTs. */
  readonly initial?: boolean;
  /** In ms. */
  readonly debounce?: number;
}

/** A batch as it reaches a component: nothing to acknowledge. */
export type WatchBatch = Omit<Batch, 'acknowledge'>;

export interface WatchListener {
  readonly changed: (events: ChangeEvent[], batch: WatchBatch) => void;
  /** It cannot be watched, or no longer. */
  readonly failed: (error: GlyphError) => void;
  /** It is watched anew after it failed, from now on. */
  readonly restored?: () => void;
}

/** Where components get their data from. */
export interface LiveSource {
  observe<T = Row>(target: Target): LiveQuery<T>;
  /** Call what it returns to stop. */
  watch(request: WatchRequest, listener: WatchListener): () => void;
  /** Resolves to the number of listeners. */
  dispatch(action: string, payload?: unknown): Promise<number>;
  /** Resolves to the listener's answer. */
  request<T = unknown>(action: string, payload?: unknown): Promise<T>;
}

export const PENDING: QueryState<never> = Object.freeze({
  status: 'pending',
  rows: Object.freeze([]),
  error: undefined,
});

export const success = <T>(rows: readonly T[]): QueryState<T> => ({ status: 'success', rows, error: undefined });

export const failure = (error: GlyphError): QueryState<never> => ({ status: 'error', rows: PENDING.rows, error });

/** What a listener to an action threw. It is the program's own, and no defect of ours. */
export const listenerError = (thrown: unknown): GlyphError =>
  thrown instanceof GlyphError
    ? thrown
    : new GlyphError('GC_HANDLER_FAILED', messageOf(thrown), {
        hint: 'The listener to the action threw this.',
        cause: thrown,
      });
