/**
 * The capsule itself: puts log, ledger, watchers, delivery and reactions together.
 *
 * Data flows one way: trigger → log → ledger (whose transaction) → commit seen → router (whose watcher) → delivery.
 */
import type { Lasting } from '../../sdk/lasting.ts';
import type { Params, PluginContext } from '../../sdk/plugin.ts';
import { CommitWatch } from './commits.ts';
import type { CapsuleConfig } from './config.ts';
import { describeTable } from './describe.ts';
import { Delivery } from './delivery.ts';
import { Followers } from './followers.ts';
import { canWatch } from './layout.ts';
import { Ledger } from './ledger.ts';
import { LogReader } from './log-reader.ts';
import { startReaction } from './react.ts';
import { Reactions } from './reactions.ts';
import { Registry } from './registry.ts';
import { Router } from './router.ts';
import { SchemaWatch } from './schema-watch.ts';
import { createStore } from './store.ts';
import { AllTableOptions, type TableOptions } from './table-options.ts';
import { Subscriptions } from './subscriptions.ts';
import { WatchedTables, type SchemaChange } from './tables.ts';
import type {
  CapsuleService,
  ChangeEvent,
  CapsuleStats,
  EventHandler,
  Follower,
  FollowHandle,
  PruneReport,
  Reaction,
  ReactionHandle,
  RepairReport,
  SubscribeOptions,
  Subscription,
  Watcher,
} from './types.ts';
import { Upkeep } from './upkeep.ts';
import { Watchers } from './watchers.ts';

export class Capsule implements CapsuleService {
  readonly #ctx: Lasting<CapsuleConfig>;
  readonly #tables: WatchedTables;
  readonly #registry: Registry;
  readonly #ledger: Ledger;
  readonly #reader: LogReader;
  readonly #router: Router;
  readonly #delivery: Delivery;
  readonly #reactions: Reactions;
  readonly causes: CapsuleService['causes'];
  readonly describe: CapsuleService['describe'];
  readonly #watchers: Watchers;
  readonly #commits: CommitWatch;
  readonly #subscriptions: Subscriptions;
  readonly #schema: SchemaWatch;
  readonly #upkeep: Upkeep;
  readonly #followers: Followers;
  readonly #tableOptions = new AllTableOptions();
  #end: number;

  constructor(ctx: Lasting<CapsuleConfig>) {
    this.#ctx = ctx;
    const { db, clock, log } = ctx;
    createStore(db);
    this.describe = (table) => describeTable(db, table);
    this.#registry = new Registry(db);
    this.#tables = new WatchedTables(db, (names) => this.#registry.setTables(names));
    this.#ledger = new Ledger(db, () => clock.now());
    this.#reader = new LogReader({
      db,
      layout: (id) => this.#tables.layout(id),
      foreignTriggers: () => this.#tables.foreignTriggers,
      spans: (from, to) => this.#ledger.spans(from, to),
      confirm: (logSeqs) => db.deferWrite(() => this.#registry.confirm(logSeqs)),
    });
    this.#router = new Router({
      db,
      reader: this.#reader,
      ledger: this.#ledger,
      currentLayout: (table) => this.#tables.current(table),
      logger: log,
    });
    this.#end = this.#reader.end();
    const boundary = (from: number, end: number, size?: number): number =>
      this.boundary(from, size ?? this.batchSize ?? ctx.config.batchSize, end);
    const [router, registry] = [this.#router, this.#registry];
    this.#delivery = new Delivery({ db, clock, logger: log, router, registry, boundary }, this.#end);
    this.#reactions = new Reactions({
      db,
      clock,
      logger: log,
      router,
      registry,
      boundary,
      position: () => this.#delivery.position,
    });
    this.causes = this.#reactions.causes;
    this.#watchers = new Watchers({
      db,
      tables: this.#tables,
      registry,
      router,
      reader: this.#reader,
      now: () => clock.now(),
      unsubscribeAll: (watcher) => this.#subscriptions.unsubscribeAll(watcher),
    });
    this.#commits = new CommitWatch({ db, clock, onCommit: () => this.look() });
    const [delivery, commits, tables, reactions] = [this.#delivery, this.#commits, this.#tables, this.#reactions];
    this.#subscriptions = new Subscriptions({ db, registry, delivery, commits, look: () => this.look() });
    this.#followers = new Followers({ reader: this.#reader, ledger: this.#ledger, commits, logger: log });
    this.#schema = new SchemaWatch({
      db,
      logger: log,
      tables,
      registry,
      onChange: (change) => this.#onSchemaChange(change),
      onTold: (marks) => [delivery, reactions].forEach((one) => one.tell(marks)),
    });
    this.#upkeep = new Upkeep({
      ctx,
      delivery,
      reactions,
      registry,
      tables,
      tableDays: () => this.#tableOptions.retentionDays,
      restore: () => this.#restore(),
    });
    this.#enter();
    this.#upkeep.start();
    this.#commits.start();
  }

  get end(): number {
    return this.#end;
  }

  get position(): number {
    return this.#delivery.position;
  }

  get batchSize(): number | undefined {
    return this.#tableOptions.batchSize;
  }

  watch(table: string, filter?: string, params?: Params): Watcher {
    return this.#watchers.watch(table, filter, params, false);
  }

  unwatch(watcher: Watcher | string): void {
    this.#watchers.unwatch(watcher);
  }

  subscribe(watcher: Watcher | string, handler: EventHandler, options: SubscribeOptions = {}): Subscription {
    return this.#subscriptions.subscribe(this.#watchers.get(watcher), handler, options);
  }

  unsubscribe(subscription: Subscription | string): void {
    this.#subscriptions.unsubscribe(typeof subscription === 'string' ? subscription : subscription.id);
  }

  release(subscription: Subscription | string): void {
    this.#subscriptions.release(typeof subscription === 'string' ? subscription : subscription.id);
  }

  react(reaction: Reaction): ReactionHandle {
    return startReaction(reaction, {
      db: this.#ctx.db,
      registry: this.#registry,
      reactions: this.#reactions,
      watchers: this.#watchers,
      look: () => this.look(),
    });
  }

  follow(follower: Follower): FollowHandle {
    return this.#followers.add(follower);
  }

  forget(name: string): void {
    this.#watchers.forget(name);
  }

  canWatch(table: string): boolean {
    return canWatch(this.#ctx.db, table);
  }

  keep(table: string, options: TableOptions = {}): void {
    const layout = this.#tables.attach(table);
    this.#reader.widen(layout);
    const text = Object.keys(options).length === 0 ? null : JSON.stringify(options);
    this.#ctx.db.write(() => this.#registry.keep(this.#registry.tableWatcher(layout.table), layout.table, text));
    this.#tableOptions.set(layout.table, options);
  }

  recreateTriggers(table: string): RepairReport {
    const report = this.#tables.repair(table);
    this.#router.invalidate(report.table);
    return report;
  }

  look(): number {
    const { db } = this.#ctx;
    if (db.inMemory ? db.busy : !db.reader.open) return this.#end;
    this.#commits.seen();
    const end = this.#reader.end();
    if (end > this.#end) {
      this.#ledger.noteExternal(this.#end, end);
      this.#advance(end);
    }
    if (!db.busy) {
      this.#ledger.looked();
      // In an open transaction it would be that one's own change.
      this.#schema.lookSoon('outside');
    }
    this.#followers.looked();
    return this.#end;
  }

  boundary(from: number, size: number, end: number): number {
    return this.#ledger.boundary(from, size, end);
  }

  deliver(to: number): Promise<void> | undefined {
    const from = this.#delivery.position;
    if (to <= from) return undefined;
    const listens = { has: (id: string): boolean => this.#delivery.has(id) || this.#reactions.has(id) };
    const nobody = this.#delivery.empty && this.#reactions.empty;
    const routed = nobody ? new Map<string, ChangeEvent[]>() : this.#router.route(from, to, { only: listens });
    this.#reactions.hold(from, routed);
    const waiting = this.#delivery.deliver(to, routed);
    this.#reactions.wakeAll();
    this.#upkeep.storeSoon();
    return this.#followers.deliver(from, to, waiting);
  }

  async settled(seq: number): Promise<void> {
    await this.#delivery.settled(seq);
    await this.#reactions.allSettled(seq);
    await this.#followers.settled(seq);
    this.#upkeep.storeNow();
  }

  /** The lease moved here: reactions may run. */
  resumeReactions(): void {
    this.#reactions.wakeAll();
  }

  prune(): PruneReport {
    return this.#upkeep.prune();
  }

  stats(): CapsuleStats {
    return {
      end: this.#end,
      queued: this.#end - this.#delivery.position,
      watchers: this.#watchers.size,
      watchedTables: this.#tables.names,
      batches: this.#delivery.batches,
      events: this.#delivery.events,
      subscriptions: [...this.#delivery.stats(this.#end), ...this.#reactions.stats(this.#end)],
    };
  }

  /** Takes everything of this host out of the file. Waits while somebody else holds the writer. */
  async close(): Promise<void> {
    const { db } = this.#ctx;
    this.#commits.stop();
    this.#upkeep.storeNow();
    const names = this.#tables.names;
    this.#reactions.close();
    this.#subscriptions.close();
    this.#router.close();
    this.#watchers.clear();
    db.deferWrite(() => {
      this.#registry.leave();
      this.#watchers.releaseUnwanted(names);
    });
    await this.#upkeep.written();
  }

  /** Enters this host in the file, and attaches what earlier runs want watched. */
  #enter(): void {
    const { db } = this.#ctx;
    const orphans = this.#registry.enter(this.#end);
    const demanded = this.#registry.demanded();
    this.#tableOptions.load(demanded);
    this.#schema.resume(demanded);
    for (const table of this.#tables.names) this.#reader.widen(this.#tables.current(table));
    db.write(() => {
      for (const table of orphans) if (!this.#registry.isDemanded(table)) this.#tables.clearAway(table);
    });
  }

  /** Has the kernel tell it of transactions and schema changes, for as long as the instance of the plugin lives. */
  listen({ hooks, db }: PluginContext<CapsuleConfig>): void {
    hooks.begin.tap('capsule', (transaction) => {
      this.#ledger.begin(transaction);
      this.#schema.lookNow();
    });
    hooks.preCommit.tap('capsule', (transaction) => this.#ledger.preCommit(transaction));
    hooks.committed.tap('capsule', (transaction) => {
      const end = this.#ledger.committed(transaction);
      if (end !== undefined) this.#advance(end);
      this.#schema.lookSoon('host');
      this.#schema.tell();
    });
    hooks.rolledBack.tap('capsule', () => {
      if (!this.#tables.schemaMoved()) return;
      this.#tables.forget();
      this.#schema.lookSoon('undone');
      db.deferWrite(() => this.#watchers.restore());
    });
    hooks.rawCommit.tap('capsule', () => {
      const end = this.#ledger.rawCommit();
      if (end !== undefined) this.#advance(end);
      this.#schema.lookSoon('host');
    });
    hooks.beforeSchemaChange.tap('capsule', (sql) => this.#schema.beforeChange(sql));
    hooks.afterSchemaChange.tap('capsule', () => this.#schema.verify('host'));
  }

  #onSchemaChange(change: SchemaChange): void {
    const { table, newName } = change;
    this.#router.invalidate(table, newName);
    if (newName !== undefined) {
      this.#watchers.renamed(table, newName);
      this.#tableOptions.rename(table, newName);
    }
    this.#reader.widen(this.#tables.current(newName ?? table));
    this.#ctx.emit('capsule:schema', change);
  }

  /** The log has grown. */
  #advance(end: number): void {
    if (end <= this.#end) return;
    this.#end = end;
    this.#ctx.emit('capsule:end', end);
  }

  /** Another host took this one for dead and removed its rows. Inside a transaction. */
  #restore(): void {
    this.#registry.enter(this.#delivery.hostPosition);
    this.#registry.setTables(this.#tables.names);
    this.#watchers.restore();
    this.#subscriptions.restore();
    this.#schema.verify('outside');
  }
}
