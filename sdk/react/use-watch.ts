/**
 * Components that do something when data changes.
 *
 * Invariant: the handler that is called is that of the latest render, and a new one changes nothing about the subscription.
 */
import { useEffect, useRef, useState } from 'react';
import { GlyphError } from '../../kernel/errors.ts';
import type { Row } from '../../kernel/database/types.ts';
import type { ChangeEvent } from '../capsule-types.ts';
import type { WatchBatch, WatchRequest } from './live-source.ts';
import { useSurroundings } from './provider.ts';
import { codeOfParams } from './target-key.ts';

export interface UseWatchOptions extends Omit<WatchRequest, 'tableOrQuery'> {
  /** `false`: nothing is watched yet. @defaultValue true */
  readonly enabled?: boolean;
}

export type WatchHandler<T = Row> = (events: ChangeEvent<T>[], batch: WatchBatch) => void;

/**
 * Calls `handler` with the changes of a table, of a table with a filter, or of the result of a SELECT, while the component is
 * there. `error` says why it cannot be watched.
 * @throws GC_BAD_ARGUMENT outside of a provider, or without a handler
 * @example
 * ```ts
 * useWatch('orders', (events) => toast(`${events.length} orders changed`), { filter: 'total > ?', params: [100] });
 * ```
 */
export function useWatch<T = Row>(
  tableOrQuery: string,
  handler: WatchHandler<T>,
  options: UseWatchOptions = {},
): { readonly error: GlyphError | undefined } {
  if (typeof handler !== 'function')
    throw new GlyphError('GC_BAD_ARGUMENT', 'useWatch() takes a table or a SELECT, and a handler function');
  const { filter, params, initial, debounce, enabled = true } = options;
  const { source } = useSurroundings('useWatch');
  const [error, setError] = useState<GlyphError>();
  const latest = useRef(handler);
  useEffect(() => {
    latest.current = handler;
  });
  const code = codeOfParams(params);
  useEffect(() => {
    setError(undefined);
    if (!enabled) return undefined;
    const request: WatchRequest = {
      tableOrQuery,
      ...(filter === undefined ? {} : { filter }),
      ...(params === undefined ? {} : { params }),
      ...(initial === undefined ? {} : { initial }),
      ...(debounce === undefined ? {} : { debounce }),
    };
    let isOver = false;
    const stop = source.watch(request, {
      changed: (events, batch) => {
        if (!isOver) latest.current(events as ChangeEvent<T>[], batch);
      },
      failed: (problem) => {
        if (!isOver) setError(problem);
      },
      restored: () => {
        if (!isOver) setError(undefined);
      },
    });
    return () => {
      isOver = true;
      stop();
    };
    // The code stands for the parameters, which are another object in each render.
  }, [source, tableOrQuery, filter, code, initial, debounce, enabled]);
  return { error };
}
