/** The service `live`: query watchers and their subscriptions, by object and by id. */
import { randomUUID } from 'node:crypto';
import type { EventHandler, SubscribeOptions, Subscription, Watcher } from '../../sdk/capsule-types.ts';
import type { Lasting } from '../../sdk/lasting.ts';
import { GlyphError, toSqlParams } from '../../sdk/plugin.ts';
import type { Params } from '../../sdk/plugin.ts';
import { shorten } from './access.ts';
import type { Live } from './live.ts';
import type { Query } from './query.ts';
import { Subscriber, ToldSoFar } from './subscriber.ts';
import type { SubscriberParts } from './subscriber.ts';
import type { LiveService, LiveStats, QueryOptions, QuerySubscribeOptions, QueryWatcher, Standing } from './types.ts';
import { ownParams } from './values.ts';

interface WatcherEntry {
  readonly watcher: QueryWatcher;
  readonly query: Query;
}

interface SubscriptionEntry extends WatcherEntry {
  readonly subscriber: Subscriber;
  readonly release: () => void;
}

export class QueryWatchers implements LiveService {
  readonly #live: Live;
  readonly #parts: SubscriberParts;
  readonly #watchers = new Map<string, WatcherEntry>();
  readonly #subscriptions = new Map<string, SubscriptionEntry>();

  constructor(ctx: Lasting, live: Live, position: () => number) {
    this.#live = live;
    this.#parts = { db: ctx.db, clock: ctx.clock, logger: ctx.log, position };
  }

  watch(sql: string, params?: Params, { json = 'parsed', ...rest }: QueryOptions = {}): QueryWatcher {
    if (typeof sql !== 'string' || sql.trim() === '')
      throw new GlyphError('GC_BAD_ARGUMENT', 'watch() takes a table name or a SELECT');
    const bound = ownParams(toSqlParams(params, sql));
    const query = this.#live.query({ sql, json, ...rest }, bound);
    const id = randomUUID();
    const rows = <T>(): readonly T[] => {
      if (this.#watchers.get(id) === undefined)
        throw new GlyphError('GC_NO_SUCH_WATCHER', `The watcher of this query has ended: ${shorten(sql)}`);
      if (query.subscribers.size === 0 || query.at < 0) this.#live.bring(query);
      if (query.problem !== undefined) throw query.problem;
      return query.result.snapshot.data as readonly T[];
    };
    const watcher: QueryWatcher = {
      id,
      tableOrQuery: sql,
      description: `query ${shorten(sql)}`,
      subscriptions: new Set(),
      createdAt: new Date(this.#parts.clock.now()),
      rows,
      explain: () => query.shape.explain(query),
      [Symbol.dispose]: () => this.unwatch(id),
    };
    query.watchers.add(id);
    this.#watchers.set(id, { watcher, query });
    return watcher;
  }

  has(given: { readonly id: string } | string): boolean {
    const id = idOf(given);
    return this.#watchers.has(id) || this.#subscriptions.has(id);
  }

  subscribe(watcher: Watcher | string, handler: EventHandler, options: QuerySubscribeOptions = {}): Subscription {
    const entry = this.#watchers.get(idOf(watcher));
    if (entry === undefined)
      throw new GlyphError('GC_NO_SUCH_WATCHER', `There is no watcher ${JSON.stringify(idOf(watcher))}`);
    checkOptions(handler, options);
    const { query } = entry;
    this.#live.bring(query);
    const { filter, debounce, initial = false, after } = options;
    const id = randomUUID();
    const subscriber = new Subscriber(
      query,
      {
        id,
        watcherId: entry.watcher.id,
        handler,
        initial,
        ...(filter === undefined ? {} : { filter }),
        ...(debounce === undefined ? {} : { debounce }),
        ...(after instanceof ToldSoFar ? { after } : {}),
      },
      this.#parts,
    );
    const abort = (): void => this.unsubscribe(id);
    options.signal?.addEventListener('abort', abort, { once: true });
    const release = (): void => options.signal?.removeEventListener('abort', abort);
    this.#subscriptions.set(id, { ...entry, subscriber, release });
    entry.watcher.subscriptions.add(id);
    this.#live.add(query, subscriber);
    if ((initial || after !== undefined) && query.at >= 0) subscriber.giveSoon();
    return subscriptionOf(subscriber, handler, options, () => this.unsubscribe(id));
  }

  standing(given: Subscription | string, { unhandled = false } = {}): Standing | undefined {
    return this.#subscriptions.get(idOf(given))?.subscriber.standing(unhandled);
  }

  unsubscribe(given: Subscription | string): void {
    const id = idOf(given);
    const entry = this.#subscriptions.get(id);
    if (entry === undefined) return;
    this.#subscriptions.delete(id);
    entry.release();
    entry.subscriber.close();
    entry.watcher.subscriptions.delete(id);
    this.#live.remove(entry.query, entry.subscriber);
  }

  unwatch(given: Watcher | string): void {
    const id = idOf(given);
    const entry = this.#watchers.get(id);
    if (entry === undefined) return;
    for (const subscription of [...entry.watcher.subscriptions]) this.unsubscribe(subscription);
    this.#watchers.delete(id);
    entry.query.watchers.delete(id);
    if (entry.query.watchers.size === 0) this.#live.drop(entry.query);
  }

  stats(): LiveStats {
    const { runs, queries } = this.#live;
    const end = this.#parts.position();
    const subscriptions = [...this.#subscriptions.values()].map(({ subscriber }) => subscriber.stats(end));
    return { watchers: this.#watchers.size, queries, runs, subscriptions };
  }

  close(): void {
    for (const id of [...this.#watchers.keys()]) this.unwatch(id);
  }
}

function subscriptionOf(
  subscriber: Subscriber,
  handler: EventHandler,
  { filter, listenerId }: SubscribeOptions,
  unsubscribe: () => void,
): Subscription {
  const { id, watcherId } = subscriber;
  return {
    id,
    watcherId,
    listenerId: listenerId ?? id,
    handler,
    ...(filter === undefined ? {} : { filter }),
    get cursor() {
      return subscriber.cursor;
    },
    [Symbol.dispose]: unsubscribe,
  };
}

/** Types do not hold at run time: what is neither has no id that anybody knows. */
const idOf = (given: { readonly id: string } | string): string =>
  typeof given === 'string' ? given : ((given as { readonly id: string } | undefined)?.id ?? '');

function checkOptions(handler: unknown, options: SubscribeOptions): void {
  if (typeof handler !== 'function') throw new GlyphError('GC_BAD_ARGUMENT', 'subscribe() takes a handler function');
  if (typeof options !== 'object' || (options as SubscribeOptions | null) === null)
    throw new GlyphError('GC_BAD_ARGUMENT', 'The options of subscribe() are an object');
  const { name, from = 'now', debounce, filter, initial, signal } = options;
  if (signal?.aborted === true)
    throw new GlyphError('GC_BAD_ARGUMENT', 'The signal given to subscribe() is aborted already');
  if (name !== undefined)
    throw new GlyphError(
      'GC_BAD_OPTION',
      'subscribe(): a subscription on a query cannot be durable, so it takes no "name"',
      {
        hint: 'Results are not stored. Use { initial: true } to get the current rows, or a durable subscription on a table.',
      },
    );
  if (from !== 'now')
    throw new GlyphError('GC_BAD_OPTION', 'subscribe(): a subscription on a query begins now, so "from" takes no seq', {
      hint: 'Use { initial: true } to get the current rows first.',
    });
  const bad = (option: string, wanted: string, given: unknown): GlyphError =>
    new GlyphError('GC_BAD_OPTION', `subscribe(): "${option}" is ${wanted}, not ${JSON.stringify(given)}`);
  if (filter !== undefined && typeof filter !== 'function') throw bad('filter', 'a function', filter);
  if (initial !== undefined && typeof initial !== 'boolean') throw bad('initial', 'true or false', initial);
  if (debounce !== undefined && !(Number.isFinite(debounce) && debounce >= 0))
    throw bad('debounce', 'a number of ms', debounce);
}
