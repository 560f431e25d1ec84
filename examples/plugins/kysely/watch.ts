/**
 * Typed queries that stay current: a compiled query of Kysely, watched by the service `live`.
 *
 * Invariant: a watched query ends with whoever watches it (`signal`, `using`), and with this plugin at the latest.
 */
import type { ChangeEvent, LiveService, PluginContext } from 'glyphcase/sdk';
import type { Compilable } from 'kysely';

export interface WatchOptions {
  /** Calls the handler with the present rows first. @defaultValue true */
  readonly initial?: boolean;
  /** Ends it when aborted: pass `ctx.signal` of your plugin. */
  readonly signal?: AbortSignal;
}

/** Told of the result after every change of it, and of the changes that led there. */
export type RowsHandler<Row> = (rows: readonly Row[], changes: readonly ChangeEvent<Row>[]) => unknown;

export interface WatchedQuery<Row> {
  /** The result as the handler knows it. The same array until a row changes. */
  rows(): readonly Row[];
  /** Idempotent. */
  stop(): void;
  [Symbol.dispose](): void;
}

export type WatchQuery = <Row>(
  query: Compilable<Row>,
  handler: RowsHandler<Row>,
  options?: WatchOptions,
) => WatchedQuery<Row>;

export function createWatch(ctx: PluginContext, live: LiveService): WatchQuery {
  return <Row>(query: Compilable<Row>, handler: RowsHandler<Row>, options: WatchOptions = {}): WatchedQuery<Row> => {
    const { sql, parameters } = query.compile();
    const { initial = true, signal } = options;
    // Kysely gives JSON columns as the text that is stored, so that both ways to read a query give the same rows.
    const watcher = live.watch(sql, parameters, { json: 'text' });
    const stop = ctx.defer(
      () => {
        signal?.removeEventListener('abort', stop);
        live.unwatch(watcher);
      },
      `watch ${sql.slice(0, 60)}`,
    );
    try {
      live.subscribe(watcher, (events) => handler(watcher.rows<Row>(), events as unknown as ChangeEvent<Row>[]), {
        initial,
        ...(signal === undefined ? {} : { signal }),
      });
      signal?.addEventListener('abort', stop, { once: true });
    } catch (error) {
      stop();
      throw error;
    }
    return { rows: () => watcher.rows<Row>(), stop, [Symbol.dispose]: stop };
  };
}
