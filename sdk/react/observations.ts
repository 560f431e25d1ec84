/**
 * The queries that components observe, each open once.
 *
 * Invariants: the same target is the same observation for all; one that nobody subscribes to is closed after a moment, so that
 * StrictMode, Suspense and moving between pages do not open it anew, and nothing stays open for a render that never commits.
 */
import type { Timer } from '../../kernel/clock.ts';
import type { Row } from '../../kernel/database/types.ts';
import { PENDING } from './live-source.ts';
import type { LiveQuery, QueryState, Target } from './live-source.ts';
import { keyOf } from './target-key.ts';
import type { Timers } from './timers.ts';

/** Opens a target. `tell` may be called at once and ever after, until what is returned is called. Never throws. */
export type Open = (target: Target, tell: (state: QueryState) => void) => () => void;

export interface ObservationParts {
  readonly open: Open;
  readonly timers: Timers;
  /** How long one that nobody subscribes to is kept, in ms. */
  readonly keep: number;
}

/** One that suspended a component is kept as long as what else that component waits for may take, in ms. */
const KEEP_FOR_SUSPENDED = 30_000;

export class Observations {
  readonly #parts: ObservationParts;
  readonly #open = new Map<string, Observation>();

  constructor(parts: ObservationParts) {
    this.#parts = parts;
  }

  /** How many are open. */
  get size(): number {
    return this.#open.size;
  }

  observe<T = Row>(target: Target): LiveQuery<T> {
    const key = keyOf(target);
    // Looked up each time: what a component holds on to may have been closed and opened again since.
    const current = (): Observation => this.#open.get(key) ?? this.#begin(key, target);
    return {
      subscribe: (listener) => current().subscribe(listener),
      getSnapshot: () => current().state as QueryState<T>,
      settled: () => current().settled(),
      retry: () => current().retry(),
      letGo: () => current().letGo(),
    };
  }

  #begin(key: string, target: Target): Observation {
    const observation = new Observation(target, this.#parts, () => this.#open.delete(key));
    this.#open.set(key, observation);
    return observation;
  }
}

class Observation {
  state: QueryState = PENDING;
  readonly #target: Target;
  readonly #parts: ObservationParts;
  readonly #closed: () => void;
  readonly #listeners = new Set<() => void>();
  #stop: () => void = () => undefined;
  #idle: Timer | undefined;
  #waiting: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;
  #keep: number;

  constructor(target: Target, parts: ObservationParts, closed: () => void) {
    this.#target = target;
    this.#parts = parts;
    this.#closed = closed;
    this.#keep = parts.keep;
    this.#begin();
    this.#closeLater(this.#keep);
  }

  subscribe(listener: () => void): () => void {
    // The same function may subscribe twice.
    const own = (): void => listener();
    this.#listeners.add(own);
    this.#idle?.cancel();
    this.#keep = this.#parts.keep;
    return () => {
      if (this.#listeners.delete(own) && this.#listeners.size === 0) this.#closeLater(this.#keep);
    };
  }

  settled(): Promise<void> {
    if (this.state.status !== 'pending') return Promise.resolve();
    if (this.#listeners.size === 0) this.#keep = Math.max(this.#keep, KEEP_FOR_SUSPENDED);
    this.#waiting ??= withResolve();
    return this.#waiting.promise;
  }

  retry(): void {
    this.#stop();
    this.#tell(PENDING);
    this.#begin();
  }

  letGo(): void {
    if (this.#listeners.size === 0) this.#closeLater(0);
  }

  #begin(): void {
    let isOver = false;
    const stop = this.#parts.open(this.#target, (state) => {
      if (!isOver) this.#tell(state);
    });
    this.#stop = () => {
      isOver = true;
      stop();
    };
  }

  /** @throws what a listener threw, after all of them were told */
  #tell(state: QueryState): void {
    if (isSame(this.state, state)) return;
    this.state = state;
    if (this.#waiting !== undefined && state.status !== 'pending') {
      this.#waiting.resolve();
      this.#waiting = undefined;
      if (this.#listeners.size === 0) this.#closeLater(this.#keep);
    }
    const thrown: unknown[] = [];
    for (const listener of [...this.#listeners]) {
      if (!this.#listeners.has(listener)) continue;
      try {
        listener();
      } catch (error) {
        thrown.push(error);
      }
    }
    if (thrown.length > 0) throw thrown[0];
  }

  #closeLater(ms: number): void {
    this.#idle?.cancel();
    this.#idle = this.#parts.timers.timeout(() => {
      // Somebody waits: what comes then sets the time anew.
      if (this.#waiting !== undefined) return;
      this.#stop();
      this.#closed();
    }, ms);
  }
}

const isSame = (a: QueryState, b: QueryState): boolean =>
  a.status === b.status &&
  a.rows === b.rows &&
  a.error?.code === b.error?.code &&
  a.error?.message === b.error?.message;

function withResolve(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
