/**
 * A source over a database of this process.
 *
 * Invariants: a component has its rows in the first render, with nothing to wait for; each target is one watcher of the
 * database, which ends with its last component; when the database is closed, whoever has something open is told.
 */
import { GlyphError, messageOf } from '../../kernel/errors.ts';
import type { EventHandler, Watcher } from '../capsule-types.ts';
import type { GlyphCase } from '../glyphcase.ts';
import { whenClosed } from './closing.ts';
import { failure, success } from './live-source.ts';
import type { LiveSource, QueryState, Target, WatchListener, WatchRequest } from './live-source.ts';
import { Observations } from './observations.ts';
import { rowQuery } from './row-query.ts';
import { ownTimers } from './timers.ts';
import type { Timers } from './timers.ts';

/** What of the host API a source uses. */
export type LiveDatabase = Pick<GlyphCase, 'watch' | 'subscribe' | 'dispatch' | 'request' | 'sqlite' | 'plugins'>;

export interface LiveSourceOptions {
  /** How long a query is kept open after its last component went, in ms. @defaultValue 1000 */
  readonly keep?: number;
  /** For tests. @defaultValue the machine's */
  readonly timers?: Timers;
}

const KEEP_MS = 1000;
/** A query that waits for its table is tried again after so many ms. */
const RETRY_MS = 1000;
/** Errors that pass when somebody changes the schema, or lets go of the file. */
const PASSING = new Set(['GC_NO_SUCH_TABLE', 'GC_NO_SUCH_COLUMN', 'GC_LOCKED']);

const sources = new WeakMap<LiveDatabase, LiveSource>();

/**
 * The source of a database in this process, which `<GlyphCaseProvider db={db}>` makes by itself. The same one for the same
 * database, unless options are given.
 * @example
 * ```ts
 * const query = liveSource(db).observe({ sql: 'SELECT * FROM tasks WHERE done = ?', params: [false] });
 * const stop = query.subscribe(() => console.log(query.getSnapshot().rows));
 * ```
 */
export function liveSource(db: LiveDatabase, options?: LiveSourceOptions): LiveSource {
  if (options !== undefined) return new InProcessSource(db, options);
  const source = sources.get(db) ?? new InProcessSource(db, {});
  sources.set(db, source);
  return source;
}

class InProcessSource implements LiveSource {
  readonly #db: LiveDatabase;
  readonly #timers: Timers;
  readonly #observations: Observations;
  readonly observe: LiveSource['observe'];

  constructor(db: LiveDatabase, { keep = KEEP_MS, timers = ownTimers }: LiveSourceOptions) {
    this.#db = db;
    this.#timers = timers;
    const open = (target: Target, tell: (state: QueryState) => void): (() => void) => this.#open(target, tell);
    this.#observations = new Observations({ open, timers, keep });
    this.observe = (target) => this.#observations.observe(target);
  }

  watch(request: WatchRequest, { changed, failed }: WatchListener): () => void {
    const { tableOrQuery, filter, params, initial, debounce } = request;
    const ends: (() => void)[] = [];
    const stop = (): void => {
      for (const end of ends.splice(0)) end();
    };
    try {
      ends.push(whenClosed(this.#db, failed));
      if (filter !== undefined && typeof filter !== 'string')
        throw new GlyphError('GC_BAD_ARGUMENT', 'The filter of a watch is a text, such as "status = ?"');
      const watcher = this.#db.watch(tableOrQuery, filter ?? params, filter === undefined ? undefined : params);
      ends.push(() => watcher[Symbol.dispose]());
      const handler: EventHandler = (events, { from, to, reset }) =>
        changed(events, { from, to, ...(reset === undefined ? {} : { reset }) });
      this.#db.subscribe(watcher, handler, {
        listenerType: 'react',
        ...(initial === undefined ? {} : { initial }),
        ...(debounce === undefined ? {} : { debounce }),
      });
    } catch (error) {
      stop();
      failed(toGlyphError(error));
    }
    return stop;
  }

  async dispatch(action: string, payload?: unknown): Promise<number> {
    return Promise.resolve(this.#db.dispatch(action, payload));
  }

  /** A listener may never answer; once the database is closed nobody waits for it any more. */
  async request<T = unknown>(action: string, payload?: unknown): Promise<T> {
    const { promise, reject } = Promise.withResolvers<never>();
    const stop = whenClosed(this.#db, reject);
    try {
      return await Promise.race([this.#db.request<T>(action, payload), promise]);
    } finally {
      stop();
    }
  }

  #open(target: Target, tell: (state: QueryState) => void): () => void {
    let close = (): void => undefined;
    const begin = (): void => {
      try {
        const unhear = whenClosed(this.#db, (error) => tell(failure(error)));
        close = unhear;
        const watcher = this.#watched(target);
        close = () => {
          unhear();
          watcher[Symbol.dispose]();
        };
        const look = (): void => tell(stateOf(watcher));
        this.#db.subscribe(watcher, look, { listenerType: 'react' });
        look();
      } catch (error) {
        const problem = toGlyphError(error);
        close();
        const timer = PASSING.has(problem.code) ? this.#timers.timeout(begin, RETRY_MS) : undefined;
        close = () => timer?.cancel();
        tell(failure(problem));
      }
    };
    begin();
    return () => close();
  }

  #watched(target: Target): Watcher {
    const { sql, params } = 'sql' in target ? target : rowQuery(this.#db.sqlite, target);
    const watcher = this.#db.watch(sql, params);
    if (watcher.rows !== undefined) return watcher;
    watcher[Symbol.dispose]();
    throw new GlyphError('GC_BAD_ARGUMENT', `useQuery() takes a SELECT, not the name of a table: ${sql}`, {
      hint: `Write SELECT * FROM ${sql}, or take useRow() for one row and useWatch() for changes.`,
    });
  }
}

function stateOf(watcher: Watcher): QueryState {
  try {
    return success(watcher.rows?.() ?? []);
  } catch (error) {
    return failure(toGlyphError(error));
  }
}

const toGlyphError = (error: unknown): GlyphError =>
  error instanceof GlyphError ? error : new GlyphError('GC_INTERNAL', messageOf(error), { cause: error });
