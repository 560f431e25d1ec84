/**
 * Components that tell the host to do something.
 *
 * Invariant: what is shown belongs to the latest call; an earlier one that ends later changes nothing.
 */
import { useCallback, useMemo, useRef, useState } from 'react';
import { GlyphError } from '../../kernel/errors.ts';
import { listenerError } from './live-source.ts';
import { useSurroundings } from './provider.ts';

/** What a component knows of an action, and how it starts one. */
export interface ActionState<Result = unknown> {
  /** Tells everybody who listens to the action; resolves to how many there are. */
  readonly dispatch: (payload?: unknown) => Promise<number>;
  /** Asks whoever listens to the action; resolves to the answer. */
  readonly request: (payload?: unknown) => Promise<Result>;
  readonly pending: boolean;
  /** Of the latest call, when it failed. */
  readonly error: GlyphError | undefined;
  /** The latest answer to a request. */
  readonly result: Result | undefined;
}

interface Shown<Result> {
  readonly pending: boolean;
  readonly error: GlyphError | undefined;
  readonly result: Result | undefined;
}

/**
 * An action by its name, as `db.dispatch` and `db.request` know it. What fails is in `error` and rejects the promise, which
 * nobody has to await.
 * @throws GC_BAD_ARGUMENT outside of a provider
 * @example
 * ```ts
 * const { request, pending } = useAction('order:pay');
 * <button disabled={pending} onClick={() => request({ id })}>Pay</button>
 * ```
 */
export function useAction<Result = unknown>(name: string): ActionState<Result> {
  if (typeof name !== 'string') throw new GlyphError('GC_BAD_ARGUMENT', 'useAction() takes the name of an action');
  const { source } = useSurroundings('useAction');
  const [shown, show] = useState<Shown<Result>>({ pending: false, error: undefined, result: undefined });
  const calls = useRef(0);
  const track = useCallback(<T>(call: Promise<T>, resultOf: (value: T) => Partial<Shown<Result>>): Promise<T> => {
    const own = (calls.current += 1);
    const showOwn = (part: Partial<Shown<Result>>): void => {
      if (own === calls.current) show((before) => ({ ...before, ...part }));
    };
    showOwn({ pending: true, error: undefined });
    call.then(
      (value) => showOwn({ pending: false, ...resultOf(value) }),
      (error: unknown) => showOwn({ pending: false, error: listenerError(error) }),
    );
    return call;
  }, []);
  const dispatch = useCallback(
    (payload?: unknown) => track(source.dispatch(name, payload), () => ({})),
    [source, name, track],
  );
  const request = useCallback(
    (payload?: unknown) => track(source.request<Result>(name, payload), (result) => ({ result })),
    [source, name, track],
  );
  return useMemo(() => ({ dispatch, request, ...shown }), [dispatch, request, shown]);
}
