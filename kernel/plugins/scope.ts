/**
 * Ownership: everything that must be undone is deferred to a scope, and scopes form a tree.
 *
 * Invariants:
 * - A disposer runs once, whoever asks first. One that throws or hangs does not keep the others from running.
 * - Closing goes children first, then disposers, the last registered first, one after the other. Up to the first
 *   disposer that returns a promise it all happens before `close()` returns.
 * - A closed scope owns nothing: what is deferred to it is disposed at once.
 */
import type { Clock } from '../clock.ts';
import { GlyphError, messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { Span } from './timings.ts';
import type { Disposer, Scope, ScopeReport } from './types.ts';
import { isThenable, isTimeout, withTimeLimit } from '../time-limit.ts';

export interface ScopeOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Limit for each disposer in ms; 2,000 by default. */
  readonly disposeLimit?: number;
  /** Named in errors. */
  readonly plugin?: string;
  /** Told of a disposer that did not end in time. */
  abandoned?(label: string, work: PromiseLike<unknown>): void;
}

interface Entry {
  readonly label: string;
  /** Taken out when it runs, so it cannot run twice and its closure can be freed. */
  fn: (() => void | Promise<void>) | undefined;
  running?: Promise<void>;
}

type Report = (error: Error) => void;

/** A scope as the kernel has it: what could be undone at once need not be awaited. */
export interface KernelScope extends Scope {
  /** As `close()`; returns what failed without a promise when nothing had to be waited for. */
  closeNow(): readonly Error[] | Promise<readonly Error[]>;
  /** From now on, the scopes that are opened in it are timed in this span: how long each took to come by what it owns. */
  measure(span: Span): void;
}

/** A scope of its own, with no parent. */
export function createScope(label: string, options: ScopeOptions): KernelScope {
  return new OwningScope(label, options);
}

class OwningScope implements KernelScope {
  readonly label: string;
  readonly #options: ScopeOptions;
  readonly #parent: OwningScope | undefined;
  readonly #entries = new Set<Entry>();
  readonly #children = new Set<OwningScope>();
  #closing: Promise<readonly Error[]> | undefined;
  #controller: AbortController | undefined;
  #span: Span | undefined;

  constructor(label: string, options: ScopeOptions, parent?: OwningScope) {
    this.label = label;
    this.#options = options;
    this.#parent = parent;
  }

  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /** Made on demand: most scopes are never asked for it, and an AbortController costs more than all the rest of a scope. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.closed) this.#abort();
    }
    return this.#controller.signal;
  }

  defer(fn: () => void | Promise<void>, label = 'disposer'): Disposer {
    if (typeof fn !== 'function') {
      throw new GlyphError('GC_BAD_ARGUMENT', `${this.#path()}: defer() takes a function, not ${typeof fn}`);
    }
    const entry: Entry = { label, fn };
    this.#entries.add(entry);
    this.#span?.mark();
    const dispose = (): void => void this.#dispose(entry, (error) => this.#warn(error));
    if (this.closed) {
      this.#options.logger.warn(`${this.#path()} is closed; '${label}' was disposed at once`, this.#fields());
      dispose();
    }
    return dispose;
  }

  child(label: string): Scope {
    const child = new OwningScope(label, this.#options, this);
    if (this.closed) void child.close();
    else this.#children.add(child);
    child.#span = this.#span?.child(label);
    return child;
  }

  measure(span: Span): void {
    this.#span = span;
  }

  close(): Promise<readonly Error[]> {
    if (this.#closing === undefined) void this.#closeInto([]);
    return this.#closing as unknown as Promise<readonly Error[]>;
  }

  closeNow(): readonly Error[] | Promise<readonly Error[]> {
    const errors: Error[] = [];
    return this.#closeInto(errors) === undefined ? errors : this.close();
  }

  inspect(): ScopeReport {
    return {
      label: this.label,
      owned: [...this.#entries].map((entry) => entry.label),
      children: [...this.#children].map((child) => child.inspect()),
    };
  }

  /** Closes, adding what fails to `collected`. Returns undefined when everything could be undone synchronously. */
  #closeInto(collected: Error[]): Promise<void> | undefined {
    if (this.#closing !== undefined) return this.#closing.then(() => undefined);
    const errors: Error[] = [];
    const { promise, resolve } = Promise.withResolvers<readonly Error[]>();
    this.#closing = promise;
    this.#abort();
    const finish = (): undefined => {
      if (this.#parent !== undefined) this.#parent.#children.delete(this);
      this.#span?.mark();
      collected.push(...errors);
      resolve(errors);
    };
    const closeChildren = (): Promise<void> | undefined =>
      inTurn([...this.#children].reverse(), (child) => child.#closeInto(errors));
    const disposeOwn = (): Promise<void> | undefined =>
      inTurn([...this.#entries].reverse(), (entry) => this.#dispose(entry, (error) => errors.push(error)));
    return inTurn([closeChildren, disposeOwn, finish], (step) => step());
  }

  #dispose(entry: Entry, report: Report): Promise<void> | undefined {
    const { fn, label } = entry;
    if (fn === undefined) return entry.running;
    entry.fn = undefined;
    const finish = (): void => void this.#entries.delete(entry);
    let work: void | Promise<void>;
    const fail = (cause: unknown): void => {
      if (isTimeout(cause) && isThenable(work)) this.#options.abandoned?.(label, work);
      report(this.#failure(label, cause));
    };
    try {
      const result = withTimeLimit(() => (work = fn()), {
        ms: this.#options.disposeLimit ?? 2_000,
        clock: this.#options.clock,
        what: `${this.#path()}: disposing '${label}'`,
        details: { ...this.#fields(), phase: 'dispose' },
      });
      if (isThenable(result)) {
        entry.running = result.then(undefined, fail).then(finish);
        return entry.running;
      }
    } catch (cause) {
      fail(cause);
    }
    finish();
    return undefined;
  }

  #failure(label: string, cause: unknown): Error {
    if (isTimeout(cause)) return cause;
    const message = `${this.#path()}: disposing '${label}' failed: ${messageOf(cause)}`;
    return new GlyphError('GC_PLUGIN_FAILED', message, { ...this.#fields(), phase: 'dispose', cause });
  }

  #abort(): void {
    this.#controller?.abort(new GlyphError('GC_SCOPE_CLOSED', `${this.#path()} was closed`, this.#fields()));
  }

  #warn(error: Error): void {
    this.#options.logger.warn(error.message, { ...this.#fields(), error });
  }

  #fields(): { plugin?: string } {
    return this.#options.plugin === undefined ? {} : { plugin: this.#options.plugin };
  }

  #path(): string {
    return this.#parent === undefined ? this.label : `${this.#parent.#path()} › ${this.label}`;
  }
}

/** Runs `each` on one item after the other; goes on synchronously for as long as no promise comes back. */
function inTurn<T>(
  items: readonly T[],
  each: (item: T) => Promise<void> | undefined,
  from = 0,
): Promise<void> | undefined {
  for (let index = from; index < items.length; index++) {
    const pending = each(items[index] as T);
    if (pending !== undefined) return pending.then(() => inTurn(items, each, index + 1));
  }
  return undefined;
}
