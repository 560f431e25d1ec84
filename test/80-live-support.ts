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

/** What a program has that knows only what it was told. Linear in what is told: a cross join has millions of rows. */
export class Replica {
  readonly #ordered: boolean;
  #sequence: readonly string[] = [];
  /** Without an order: how often there is each row. */
  readonly #counts = new Map<string, number>();
  batches = 0;
  /** What was told that cannot be, as sentences. */
  readonly faults: string[] = [];

  constructor(ordered: boolean) {
    this.#ordered = ordered;
  }

  get rows(): readonly string[] {
    if (this.#ordered) return this.#sequence;
    return [...this.#counts].flatMap(([row, count]) => Array<string>(count).fill(row));
  }

  readonly handler = (events: ChangeEvent[], batch: Batch): void => {
    this.batches += 1;
    if (batch.reset !== undefined) {
      this.#sequence = [];
      this.#counts.clear();
    }
    if (this.#ordered) this.#inOrder(events);
    else this.#asMultiset(events);
  };

  #asMultiset(events: readonly ChangeEvent[]): void {
    for (const { oldData } of events) if (oldData !== undefined) this.#take(exactly(oldData));
    for (const { newData } of events) {
      if (newData === undefined) continue;
      const row = exactly(newData);
      this.#counts.set(row, (this.#counts.get(row) ?? 0) + 1);
    }
  }

  #take(row: string): void {
    const count = this.#counts.get(row) ?? 0;
    if (count === 0) this.faults.push(`not there: ${row}`);
    else if (count === 1) this.#counts.delete(row);
    else this.#counts.set(row, count - 1);
  }

  /** What goes, by its place before; then what comes, by its place after. */
  #inOrder(events: readonly ChangeEvent[]): void {
    const gone = new Set<number>();
    for (const { oldData, oldIndex = -1 } of events) {
      if (oldData === undefined) continue;
      const row = exactly(oldData);
      if (this.#sequence[oldIndex] !== row || gone.has(oldIndex)) this.faults.push(`not there: ${row}`);
      gone.add(oldIndex);
    }
    const stay = this.#sequence.filter((_, index) => !gone.has(index));
    const after: string[] = [];
    let taken = 0;
    for (const { newData, index = -1 } of events.toSorted((a, b) => (a.index ?? 0) - (b.index ?? 0))) {
      if (newData === undefined) continue;
      while (after.length < index && taken < stay.length) after.push(stay[taken++] as string);
      if (after.length !== index) this.faults.push(`no place ${index} for ${exactly(newData)}`);
      after.push(exactly(newData));
    }
    this.#sequence = [...after, ...stay.slice(taken)];
  }
}
