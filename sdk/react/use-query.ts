/**
 * Components that show rows: `useQuery` and `useRow`.
 *
 * Invariants: what is returned belongs to the query of this render, never to the one before; it is the same object until
 * something changes; all components that show a query show the same state of it.
 */
import { useCallback, useMemo, useSyncExternalStore } from 'react';
import { GlyphError } from '../../kernel/errors.ts';
import type { Params, Row } from '../../kernel/database/types.ts';
import { PENDING } from './live-source.ts';
import type { LiveQuery, QueryState, Target } from './live-source.ts';
import { useSurroundings } from './provider.ts';
import { keyOf } from './target-key.ts';

export interface UseQueryOptions {
  /** Suspends the component until the rows are there, and throws errors to its error boundary. */
  readonly suspense?: boolean;
  /** `false`: nothing is asked yet, and the status is `pending`. @defaultValue true */
  readonly enabled?: boolean;
}

/** What a component knows of the data it shows. */
export interface LiveResult<Data> {
  readonly data: Data;
  readonly status: 'pending' | 'success' | 'error';
  /** Nothing is known yet. In-process only when it is not enabled. */
  readonly isPending: boolean;
  readonly isSuccess: boolean;
  readonly isError: boolean;
  /** Why there is no data at present. It goes away by itself when the query can be run again. */
  readonly error: GlyphError | undefined;
  /** Asks again now. */
  readonly retry: () => void;
}

export type QueryResult<T = Row> = LiveResult<readonly T[]>;
export type RowResult<T = Row> = LiveResult<T | undefined>;

/**
 * The rows of a SELECT, current. `data` is an empty array while there are none; an unchanged row stays the same object, so that
 * `memo` components render for their own row only. `params` are compared by value.
 *
 * Errors come as `error`, by code: GC_SQL, GC_NO_SUCH_TABLE, GC_NO_SUCH_COLUMN, GC_WRITE_IN_QUERY, GC_NOT_WATCHABLE,
 * GC_BAD_ARGUMENT, GC_BAD_VALUE, GC_LOCKED, GC_CLOSED.
 * @throws GC_BAD_ARGUMENT outside of a provider; with `suspense` also what would be in `error`
 * @example
 * ```ts
 * const { data, error } = useQuery<Task>('SELECT * FROM tasks WHERE user_id = ?', [userId]);
 * ```
 */
export function useQuery<T = Row>(sql: string, params?: Params, options?: UseQueryOptions): QueryResult<T> {
  if (typeof sql !== 'string') throw new GlyphError('GC_BAD_ARGUMENT', 'useQuery() takes a SELECT and its parameters');
  const { state, retry } = useObserved<T>('useQuery', { sql, params }, options);
  return useMemo(() => toResult(state, state.rows, retry), [state, retry]);
}

/**
 * The row of a table with this primary key (an array for a composite one), current. `data` is undefined while there is none.
 * @throws as {@link useQuery}
 * @example
 * ```ts
 * const { data: user } = useRow<User>('users', userId);
 * ```
 */
export function useRow<T = Row>(table: string, id: unknown, options?: UseQueryOptions): RowResult<T> {
  if (typeof table !== 'string')
    throw new GlyphError('GC_BAD_ARGUMENT', 'useRow() takes the name of a table and an id');
  const { state, retry } = useObserved<T>('useRow', { table, id }, options);
  return useMemo(() => toResult(state, state.rows[0], retry), [state, retry]);
}

interface Observed<T> {
  readonly state: QueryState<T>;
  readonly retry: () => void;
}

function useObserved<T>(hook: string, target: Target, options: UseQueryOptions = {}): Observed<T> {
  const { suspense = false, enabled = true } = options;
  const { source, snapshot } = useSurroundings(hook);
  const key = keyOf(target);
  // The key stands for the target, which is another object in each render.
  const query = useMemo<LiveQuery<T>>(
    () => (enabled ? source.observe<T>(target) : NOTHING_ASKED),
    [source, enabled, key],
  );
  const present = useCallback(() => {
    const state = query.getSnapshot();
    return snapshot === undefined || !enabled ? state : snapshot.until(key, state);
  }, [query, snapshot, enabled, key]);
  const served = useCallback(() => {
    if (snapshot === undefined || !enabled) return query.getSnapshot();
    return snapshot.asServed(key, query.getSnapshot);
  }, [query, snapshot, enabled, key]);
  const state = useSyncExternalStore(query.subscribe, present, served);
  const retry = useCallback(() => query.retry(), [query]);
  if (suspense && enabled) throwUnlessThere(query, state);
  return { state, retry };
}

/** Nobody can tell an error boundary's next attempt from the one that failed, so what failed is let go. */
function throwUnlessThere<T>(query: LiveQuery<T>, { status, error }: QueryState<T>): void {
  // React takes a promise that is thrown as something to wait for.
  if (status === 'pending') throw query.settled() as unknown;
  if (error === undefined) return;
  query.letGo();
  throw error;
}

const toResult = <Data>({ status, error }: QueryState<unknown>, data: Data, retry: () => void): LiveResult<Data> => ({
  data,
  status,
  isPending: status === 'pending',
  isSuccess: status === 'success',
  isError: status === 'error',
  error,
  retry,
});

const nothing = (): void => undefined;

const NOTHING_ASKED: LiveQuery<never> = {
  subscribe: () => nothing,
  getSnapshot: () => PENDING,
  settled: () => Promise.resolve(),
  retry: nothing,
  letGo: nothing,
};
