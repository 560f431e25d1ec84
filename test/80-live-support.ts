/**
 * What tests of live queries share: a host with the plugin, a subscriber that replays what it is told, and the full run it is
 * compared with. The comparison knows nothing of how the plugin compares.
 */
import type { Batch, ChangeEvent, SubscribeOptions, Subscription } from '../plugins/capsule/types.ts';
import livePlugin from '../plugins/live/index.ts';
import type { LiveService, QueryWatcher } from '../plugins/live/types.ts';
import type { Params, Row } from '../kernel/database/types.ts';
import { collector, openHost } from './support.ts';
import type { Collected, Host, HostOptions } from './support.ts';

export interface LiveHost extends Host {
  readonly live: LiveService;
  /** Watches, subscribes and collects. */
  heard(sql: string, params?: Params, options?: SubscribeOptions): Heard;
}

export interface Heard extends Collected {
  readonly watcher: QueryWatcher;
  readonly subscription: Subscription;
}

export function openLiveHost(options: HostOptions = {}): LiveHost {
  const host = openHost({ ...options, plugins: [livePlugin, ...(options.plugins ?? [])] });
  const live = host.kernel.plugins.use<LiveService>('live');
  return {
    ...host,
    live,
    heard(sql, params, subscribeOptions) {
      const watcher = live.watch(sql, params);
      const collected = collector();
      const subscription = live.subscribe(watcher, collected.handler, subscribeOptions);
      return Object.defineProperties({} as Heard, {
        ...Object.getOwnPropertyDescriptors(collected),
        watcher: { value: watcher },
        subscription: { value: subscription },
      });
    },
  };
}

/** A row as text; two rows have the same exactly when they are the same. */
export function exactly(row: Row): string {
  return Object.entries(row)
    .map(([name, value]) => `${name}=${exactValue(value)}`)
    .join('|');
}

function exactValue(value: unknown): string {
  if (value === null) return 'null';
  if (value instanceof Uint8Array) return `blob:${Buffer.from(value).toString('hex')}`;
  return typeof value === 'bigint' ? `bigint:${value}` : `${typeof value}:${JSON.stringify(value)}`;
}

/** What a program has that knows only what it was told. */
export class Replica {
  readonly #ordered: boolean;
  rows: string[] = [];
  batches = 0;
  /** What was told that cannot be, as sentences. */
  readonly faults: string[] = [];

  constructor(ordered: boolean) {
    this.#ordered = ordered;
  }

  readonly handler = (events: ChangeEvent[], batch: Batch): void => {
    this.batches += 1;
    if (batch.reset !== undefined) this.rows = [];
    if (this.#ordered) this.#inOrder(events);
    else this.#asMultiset(events);
  };

  #asMultiset(events: readonly ChangeEvent[]): void {
    for (const { oldData } of events)
      if (oldData !== undefined) this.#take(this.rows.indexOf(exactly(oldData)), oldData);
    for (const { newData } of events) if (newData !== undefined) this.rows.push(exactly(newData));
  }

  #inOrder(events: readonly ChangeEvent[]): void {
    const going = events.filter((event) => event.oldData !== undefined);
    for (const { oldData = {}, oldIndex = -1 } of going.toSorted((a, b) => (b.oldIndex ?? 0) - (a.oldIndex ?? 0)))
      this.#take(this.rows[oldIndex] === exactly(oldData) ? oldIndex : -1, oldData);
    for (const { newData, index = -1 } of events.toSorted((a, b) => (a.index ?? 0) - (b.index ?? 0))) {
      if (newData === undefined) continue;
      if (index < 0 || index > this.rows.length) this.faults.push(`no place ${index} for ${exactly(newData)}`);
      this.rows.splice(index, 0, exactly(newData));
    }
  }

  #take(at: number, row: Row): void {
    if (at < 0) this.faults.push(`not there: ${exactly(row)}`);
    else this.rows.splice(at, 1);
  }
}
