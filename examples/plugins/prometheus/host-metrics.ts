/**
 * What a host tells of itself, as metrics: from events as they happen, and from its services when somebody asks.
 *
 * Invariant: every logged change is counted once, also those made while the plugin is being reloaded: they are counted in
 * the change log itself, from where the last count ended.
 */
import { statSync } from 'node:fs';
import type { CapsuleService, CapsuleStats, LiveService, PluginContext, SkillsService } from 'glyphcase/sdk';
import type { CounterMetric, Metrics } from './metrics.ts';

/** What is carried over to the next instance beside the metrics. */
export interface Progress {
  /** Changes up to this `seq` have been counted. */
  countedTo: number | undefined;
  /** Totals of services as they were read last. */
  readonly totals: Map<string, number>;
}

export const newProgress = (): Progress => ({ countedTo: undefined, totals: new Map() });

/** One row per table, operation and source, of a range of the log. */
const COUNT = `SELECT table_name AS "table", operation, source, count(*) AS changes
  FROM _capsule_events WHERE id > ? AND id <= ? GROUP BY 1, 2, 3`;

/** Counting often keeps each count short, and ahead of the log's retention. */
const COUNT_EVERY = '1s';

type Definitions = ReturnType<typeof define>;

function define(metrics: Metrics, prefix: string) {
  const counter = (name: string, help: string, ...labels: string[]): CounterMetric =>
    metrics.counter(prefix + name, help, labels);
  const gauge = (name: string, help: string, ...labels: string[]) => metrics.gauge(prefix + name, help, labels);
  return {
    changes: counter('changes_total', 'Logged changes of rows.', 'table', 'operation', 'source'),
    batches: counter('batches_total', 'Batches delivered to subscriptions.'),
    events: counter('events_total', 'Changes delivered to subscriptions.'),
    queue: gauge('queue_depth', 'Logged changes that wait for delivery.'),
    watchers: gauge('watchers', 'Watchers of tables.'),
    lag: gauge(
      'subscription_lag',
      'Logged changes a subscription has not handled; the worst of a name.',
      'subscription',
    ),
    failures: gauge('subscription_failures', 'Deliveries that failed, of all subscriptions of a name.', 'subscription'),
    liveQueries: gauge('live_queries', 'Different queries that are kept current.'),
    liveRuns: counter('live_query_runs_total', 'Runs of live queries, whole or in part.'),
    skills: gauge('skills', 'Skills by state.', 'state'),
    plugins: gauge('plugins', 'Plugins by state.', 'state'),
    reactions: metrics.histogram(`${prefix}reaction_seconds`, 'Time of one call of on_data_changed.', ['skill']),
    slow: counter('slow_statements_total', 'Statements that took as long as slowQueryMs, or longer.'),
    bytes: gauge('database_bytes', 'Size of the database file.'),
    walBytes: gauge('database_wal_bytes', 'Size of its write-ahead log.'),
  };
}

export class HostMetrics {
  readonly #ctx: PluginContext<{ readonly prefix: string }>;
  readonly #progress: Progress;
  readonly #define: Definitions;
  #capsule: CapsuleService | undefined;
  #live: LiveService | undefined;
  #skills: SkillsService | undefined;

  constructor(ctx: PluginContext<{ readonly prefix: string }>, metrics: Metrics, progress: Progress) {
    this.#ctx = ctx;
    this.#progress = progress;
    this.#define = define(metrics, ctx.config.prefix);
  }

  /** Follows services and events for as long as the plugin runs. */
  listen(): void {
    const ctx = this.#ctx;
    const { reactions, slow } = this.#define;
    ctx.onService('capsule', (capsule) => {
      this.#capsule = capsule;
      this.#progress.countedTo ??= capsule.end;
      return () => (this.#capsule = undefined);
    });
    ctx.onService('live', (live) => {
      this.#live = live;
      return () => (this.#live = undefined);
    });
    ctx.onService('skills', (skills) => {
      this.#skills = skills;
      return () => (this.#skills = undefined);
    });
    ctx.on('skill:reacted', ({ id, ms }) => reactions.observe(ms / 1000, { skill: id }));
    ctx.on('statement:slow', () => slow.inc());
    ctx.every(COUNT_EVERY, () => this.#countChanges());
  }

  /** Reads what is not told by events. */
  observe(): void {
    this.#countChanges();
    this.#observeSize();
    const { liveQueries, skills, plugins } = this.#define;
    if (this.#capsule !== undefined) this.#observeDelivery(this.#capsule.stats());
    if (this.#live !== undefined) {
      const { queries, runs } = this.#live.stats();
      liveQueries.set(queries);
      this.#rise('liveRuns', runs);
    }
    skills.clear();
    for (const [state, count] of tally(this.#skills?.list().map((skill) => skill.state) ?? [])) {
      skills.set(count, { state });
    }
    plugins.clear();
    for (const [state, count] of tally(this.#ctx.plugins.list().map((plugin) => plugin.state)))
      plugins.set(count, { state });
  }

  #countChanges(): void {
    if (this.#capsule === undefined) return;
    const from = this.#progress.countedTo ?? 0;
    const end = this.#capsule.look();
    if (end <= from) return;
    const rows = this.#ctx.db.all(COUNT, [from, end]) as {
      table: string;
      operation: string;
      source: string;
      changes: number;
    }[];
    for (const { changes, ...labels } of rows) this.#define.changes.inc(labels, changes);
    this.#progress.countedTo = end;
  }

  #observeDelivery({ queued, batches, events, watchers, subscriptions }: CapsuleStats): void {
    const { queue, lag, failures } = this.#define;
    queue.set(queued);
    this.#define.watchers.set(watchers);
    this.#rise('batches', batches);
    this.#rise('events', events);
    lag.clear();
    failures.clear();
    const names = Map.groupBy(subscriptions, ({ name }) => name ?? 'unnamed');
    for (const [subscription, members] of names) {
      lag.set(Math.max(...members.map((member) => member.lag)), { subscription });
      failures.set(
        members.reduce((sum, member) => sum + member.failures, 0),
        { subscription },
      );
    }
  }

  #observeSize(): void {
    const { db } = this.#ctx;
    const pages = 'SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()';
    this.#define.bytes.set(Number(db.value(pages)));
    // Its size is asked of the file system; opening it would drop SQLite's locks.
    const wal = db.inMemory ? undefined : statSync(`${db.filename}-wal`, { throwIfNoEntry: false });
    this.#define.walBytes.set(wal?.size ?? 0);
  }

  /** Adds what a total of a service has grown by. A total that is smaller than before began anew, with its plugin. */
  #rise(metric: 'batches' | 'events' | 'liveRuns', total: number): void {
    const before = this.#progress.totals.get(metric) ?? 0;
    this.#progress.totals.set(metric, total);
    this.#define[metric].inc({}, total < before ? total : total - before);
  }
}

function tally(values: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}
