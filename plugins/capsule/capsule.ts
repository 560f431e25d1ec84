/**
 * The capsule itself: puts log, ledger, watchers, delivery and reactions together.
 *
 * Data flows one way: trigger → log → ledger (whose transaction) → commit seen → router (whose watcher) → delivery.
 */
import { randomUUID } from 'node:crypto';
import { GlyphError, alteredTable, messageOf, statements } from '../../sdk/plugin.ts';
import type { Params, PluginContext } from '../../sdk/plugin.ts';
import { CommitWatch } from './commits.ts';
import type { CapsuleConfig } from './config.ts';
import { Delivery } from './delivery.ts';
import type { Subscriber } from './delivery.ts';
import { findTable, readLayout } from './layout.ts';
import { Ledger } from './ledger.ts';
import { LogReader } from './log-reader.ts';
import { Reactions } from './reactions.ts';
import { Registry } from './registry.ts';
import { prune } from './retention.ts';
import { Router } from './router.ts';
import { createStore } from './store.ts';
import { WatchedTables } from './tables.ts';
import type { SchemaChange } from './tables.ts';
import type {
  CapsuleService,
  CapsuleStats,
  EventHandler,
  PruneReport,
  Reaction,
  ReactionHandle,
  RepairReport,
  Reset,
  SubscribeOptions,
  Subscription,
  Watcher,
} from './types.ts';
import { Watchers } from './watchers.ts';

const BEAT_MS = 30_000;
const DAY_MS = 86_400_000;
/** How often cursors and the host's position are written while they move; in ms. */
const STORE_MS = 1000;

interface TableOptions {
  readonly batchSize?: number;
  readonly retentionDays?: number;
}

export class Capsule implements CapsuleService {
  readonly #ctx: PluginContext<CapsuleConfig>;
  readonly #tables: WatchedTables;
  readonly #registry: Registry;
  readonly #ledger: Ledger;
  readonly #reader: LogReader;
  readonly #router: Router;
  readonly #delivery: Delivery;
  readonly #reactions: Reactions;
  readonly #watchers: Watchers;
  readonly #commits: CommitWatch;
  readonly #tableOptions = new Map<string, TableOptions>();
  readonly #releases = new Map<string, () => void>();
  readonly #reactionWaiters: (() => void)[] = [];
  #end: number;

  constructor(ctx: PluginContext<CapsuleConfig>) {
    this.#ctx = ctx;
    const { db, clock, log } = ctx;
    const now = (): number => clock.now();
    createStore(db);
    this.#tables = new WatchedTables(db);
    this.#registry = new Registry(db);
    this.#ledger = new Ledger(db, now);
    this.#reader = new LogReader({
      db,
      layout: (id) => this.#tables.layout(id),
      foreignTriggers: () => this.#tables.foreignTriggers,
      spans: (from, to) => this.#ledger.spans(from, to),
      confirm: (logSeqs) => {
        const list = JSON.stringify(logSeqs);
        db.deferWrite(() => {
          db.run('UPDATE _capsule_log SET op = 3 WHERE op IN (8, 9) AND seq IN (SELECT value FROM json_each(?))', [
            list,
          ]);
        });
      },
    });
    this.#router = new Router({
      db,
      reader: this.#reader,
      ledger: this.#ledger,
      currentLayout: (table) => this.#tables.current(table),
    });
    this.#end = this.#readEnd();
    const boundary = (from: number, end: number): number =>
      this.boundary(from, this.batchSize ?? ctx.config.batchSize, end);
    const { router, registry } = { router: this.#router, registry: this.#registry };
    this.#delivery = new Delivery({ db, clock, logger: log, router, registry, boundary }, this.#end);
    this.#reactions = new Reactions({
      db,
      clock,
      logger: log,
      router,
      registry,
      boundary,
      position: () => this.#delivery.position,
      onIdle: () => this.#wakeReactionWaiters(),
    });
    this.#watchers = new Watchers({
      db,
      tables: this.#tables,
      registry,
      router,
      reader: this.#reader,
      now,
      unsubscribeAll: (id) => this.#unsubscribeAll(id),
    });
    this.#commits = new CommitWatch({ db, clock, onCommit: () => this.look() });
    this.#enter();
    this.#listen();
  }

  get end(): number {
    return this.#end;
  }

  get position(): number {
    return this.#delivery.position;
  }

  get batchSize(): number | undefined {
    let smallest: number | undefined;
    for (const { batchSize } of this.#tableOptions.values()) {
      if (batchSize !== undefined) smallest = Math.min(smallest ?? batchSize, batchSize);
    }
    return smallest;
  }

  watch(table: string, filter?: string, params?: Params): Watcher {
    return this.#watchers.watch(table, filter, params, false);
  }

  unwatch(watcher: Watcher | string): void {
    this.#watchers.unwatch(watcher);
  }

  subscribe(watcherOrId: Watcher | string, handler: EventHandler, options: SubscribeOptions = {}): Subscription {
    const watcher = this.#watchers.get(watcherOrId);
    if (typeof handler !== 'function') throw new GlyphError('GC_BAD_ARGUMENT', 'subscribe() takes a handler function');
    if (options.signal?.aborted === true)
      throw new GlyphError('GC_BAD_ARGUMENT', 'The signal given to subscribe() is aborted already');
    this.look();
    const stored = options.name === undefined ? undefined : this.#storedSubscription(options.name);
    const start = stored?.cursor ?? this.#startOf(options.from);
    const subscriber: Subscriber = {
      id: stored?.id ?? randomUUID(),
      watcherId: watcher.id,
      handler,
      ...(options.name === undefined ? {} : { name: options.name }),
      ...(options.filter === undefined ? {} : { filter: options.filter }),
      ...(options.debounce === undefined ? {} : { debounce: options.debounce }),
      at: start,
      stored: start,
      state: 'idle',
      timer: undefined,
      reset: parseReset(stored?.reset ?? null),
      delivered: 0,
      failures: 0,
      attempts: 0,
      lastError: undefined,
    };
    return this.#start(subscriber, watcher, options);
  }

  unsubscribe(subscription: Subscription | string): void {
    const id = typeof subscription === 'string' ? subscription : subscription.id;
    const subscriber = this.#delivery.remove(id);
    if (subscriber === undefined) return;
    this.#releases.get(id)?.();
    this.#releases.delete(id);
    const { watcherId } = subscriber;
    this.#ctx.db.deferWrite(() => this.#registry.removeSubscription(id, watcherId));
  }

  react(reaction: Reaction): ReactionHandle {
    const watchers = reaction.watches.map((one) => this.#watchers.watch(one.table, one.filter, undefined, true));
    const stored = this.#registry.findSubscription(reaction.name);
    const id = stored?.id ?? randomUUID();
    const [first] = watchers;
    if (first === undefined) throw new GlyphError('GC_BAD_ARGUMENT', `The reaction ${reaction.name} watches nothing`);
    this.look();
    const cursor = stored?.cursor ?? this.#end;
    this.#ctx.db.deferWrite(() => {
      for (const watcher of watchers) this.#registry.makeDurable(watcher.id);
      this.#registry.addSubscription({
        id,
        watcherId: first.id,
        listenerId: reaction.name,
        listenerType: reaction.listenerType,
        name: reaction.name,
        cursor,
      });
    });
    this.#ctx.db.flushDeferred();
    const reset = parseReset(stored?.reset ?? null);
    if (reset !== undefined) {
      reaction.reset?.(reset);
      this.#ctx.db.deferWrite(() => this.#registry.clearReset(id));
    }
    const handle = this.#reactions.add({
      id,
      reaction,
      watcherIds: new Set(watchers.map((watcher) => watcher.id)),
      at: cursor < this.#delivery.position ? cursor : undefined,
      state: 'idle',
      attempts: 0,
      delivered: 0,
      timer: undefined,
    });
    return {
      get cursor() {
        return handle.cursor;
      },
      resume: () => handle.resume(),
      settled: (seq) => handle.settled(seq),
      stop: () => {
        handle.stop();
        for (const watcher of watchers) this.#watchers.unwatch(watcher);
      },
    };
  }

  canWatch(table: string): boolean {
    if (findTable(this.#ctx.db, table) === undefined) return false;
    readLayout(this.#ctx.db, table);
    return true;
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
    const end = this.#readEnd();
    if (end > this.#end) {
      this.#ledger.noteExternal(this.#end, end);
      this.#advance(end);
    }
    if (this.#tables.schemaMoved()) this.#verify('outside');
    return this.#end;
  }

  boundary(from: number, size: number, end: number): number {
    return this.#ledger.boundary(from, size, end);
  }

  deliver(to: number): Promise<void> | undefined {
    const from = this.#delivery.position;
    if (to <= from) return undefined;
    const routed = this.#router.route(from, to);
    const waiting = this.#delivery.deliver(to, routed);
    this.#reactions.deliver(from, routed);
    this.#storeSoon();
    return waiting;
  }

  async settled(seq: number): Promise<void> {
    await this.#delivery.settled(seq);
    while (this.#reactions.anyBehind(seq)) {
      await new Promise<void>((resolve) => this.#reactionWaiters.push(resolve));
    }
    this.#ctx.db.deferWrite(() => this.#store());
    this.#ctx.db.flushDeferred();
  }

  /** The lease moved here: reactions may run. */
  resumeReactions(): void {
    this.#reactions.wakeAll();
  }

  prune(): PruneReport {
    const { db, config, clock } = this.#ctx;
    db.flushDeferred();
    db.write(() => this.#store());
    return prune({
      db,
      registry: this.#registry,
      config,
      now: () => clock.now(),
      tableDays: () =>
        new Map(
          [...this.#tableOptions].flatMap(([table, { retentionDays }]) =>
            retentionDays === undefined ? [] : [[table, retentionDays]],
          ),
        ),
      hostPosition: () => this.#delivery.hostPosition,
    });
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

  close(): void {
    const { db } = this.#ctx;
    this.#commits.stop();
    db.deferWrite(() => this.#store());
    db.flushDeferred();
    const names = this.#tables.names;
    this.#reactions.close();
    this.#delivery.close();
    for (const release of this.#releases.values()) release();
    this.#releases.clear();
    this.#router.close();
    this.#watchers.clear();
    db.deferWrite(() => {
      this.#registry.leave();
      this.#watchers.releaseUnwanted(names);
    });
    db.flushDeferred();
  }

  /** Enters this host in the file, and attaches what earlier runs want watched. */
  #enter(): void {
    const { db } = this.#ctx;
    const orphans = this.#registry.enter(this.#end);
    for (const { table, options } of this.#registry.demanded()) {
      if (findTable(db, table) === undefined) continue;
      try {
        this.#reader.widen(this.#tables.attach(table));
      } catch (error) {
        this.#ctx.log.warn(`Cannot watch "${table}": ${messageOf(error)}`);
        continue;
      }
      if (options !== null) this.#tableOptions.set(table, JSON.parse(options) as TableOptions);
    }
    db.write(() => {
      for (const table of orphans) if (!this.#registry.isDemanded(table)) this.#tables.clearAway(table);
    });
  }

  #listen(): void {
    const { hooks, db } = this.#ctx;
    hooks.begin.tap('capsule', (transaction) => this.#ledger.begin(transaction));
    hooks.preCommit.tap('capsule', (transaction) => {
      const span = this.#ledger.preCommit(transaction);
      if (span !== undefined) this.#reactions.noteOrigin(span.id);
    });
    hooks.committed.tap('capsule', (transaction) => {
      const end = this.#ledger.committed(transaction);
      if (end !== undefined) this.#advance(end);
    });
    hooks.rolledBack.tap('capsule', () => {
      if (this.#tables.schemaMoved()) this.#verify('host');
    });
    hooks.rawCommit.tap('capsule', () => {
      const end = this.#ledger.rawCommit();
      if (end !== undefined) this.#advance(end);
      if (this.#tables.schemaMoved()) this.#verify('host');
    });
    hooks.beforeSchemaChange.tap('capsule', (sql) => {
      for (const statement of statements(sql)) {
        const altered = alteredTable(statement);
        if (altered?.kind === 'alter' && altered.action === 'drop column') this.#tables.suspend(altered.table);
      }
    });
    hooks.afterSchemaChange.tap('capsule', () => this.#verify('host'));
    this.#ctx.defer(() => this.close(), 'capsule');
    this.#ctx.every(BEAT_MS, () => db.deferWrite(() => this.#store()));
    this.#ctx.every(DAY_MS, () => this.#pruneQuietly());
    this.#ctx.timeout(0, () => this.#pruneQuietly());
    this.#commits.start();
  }

  #pruneQuietly(): void {
    try {
      const report = this.prune();
      if (report.removed > 0)
        this.#ctx.log.info(`Removed ${report.removed} old rows from the change log`, { ...report });
    } catch (error) {
      this.#ctx.log.error(`Retention failed: ${messageOf(error)}`, { error });
    }
  }

  /** The log has grown. */
  #advance(end: number): void {
    if (end <= this.#end) return;
    this.#end = end;
    this.#ctx.emit('capsule:end', end);
  }

  #readEnd(): number {
    this.#endStatement ??= this.#ctx.db.prepareRead('SELECT ifnull(max(seq), 0) FROM main._capsule_log').pluck();
    return this.#endStatement.get() as number;
  }
  #endStatement: ReturnType<PluginContext['db']['prepare']> | undefined;

  /** Repairs what a schema change did to watched tables, and tells those who have to know. */
  #verify(by: 'host' | 'outside'): void {
    for (const change of this.#tables.verify()) {
      this.#router.invalidate(change.table, change.newName);
      if (change.newName !== undefined) {
        const { table, newName } = change;
        this.#ctx.db.deferWrite(() => this.#registry.rename(table, newName));
      }
      const layout = this.#tables.current(change.newName ?? change.table);
      if (layout !== undefined) this.#reader.widen(layout);
      this.#ctx.log.info(`Table "${change.table}" was ${describe(change)}`, { ...change });
      this.#ctx.emit('capsule:schema', change);
      if (by === 'outside' && change.kind !== 'renamed') this.#tellReset(change);
    }
  }

  #tellReset(change: SchemaChange): void {
    const reset: Reset = {
      reason: 'schema',
      message: `Another program changed the table "${change.table}" (${describe(change)}); changes around that moment may be missing`,
    };
    this.#ctx.db.deferWrite(() => this.#registry.markReset(change.table, JSON.stringify(reset)));
    for (const watcher of this.#watchers.on(change.table)) {
      this.#delivery.reset(watcher.id, reset);
      this.#reactions.reset(watcher.id, reset);
    }
  }

  #start(subscriber: Subscriber, watcher: Watcher, options: SubscribeOptions): Subscription {
    const { db } = this.#ctx;
    const { id, name, filter, handler } = subscriber;
    const listenerId = options.listenerId ?? name ?? id;
    watcher.subscriptions.add(id);
    this.#delivery.add(subscriber);
    db.deferWrite(() => {
      if (name !== undefined) this.#registry.makeDurable(watcher.id);
      this.#registry.addSubscription({
        id,
        watcherId: watcher.id,
        listenerId,
        listenerType: options.listenerType ?? 'custom',
        ...(name === undefined ? {} : { name, cursor: subscriber.stored }),
      });
    });
    // A durable subscription is a promise: from now on nothing is missed, so it must be in the file.
    if (name !== undefined) db.flushDeferred();
    const hold = this.#commits.hold();
    const abort = (): void => this.unsubscribe(id);
    options.signal?.addEventListener('abort', abort, { once: true });
    this.#releases.set(id, () => {
      hold();
      watcher.subscriptions.delete(id);
      options.signal?.removeEventListener('abort', abort);
    });
    const cursor = (): number => this.#delivery.cursorOf(subscriber);
    return {
      id,
      watcherId: watcher.id,
      listenerId,
      handler,
      ...(name === undefined ? {} : { name }),
      ...(filter === undefined ? {} : { filter }),
      get cursor() {
        return cursor();
      },
      [Symbol.dispose]: () => this.unsubscribe(id),
    };
  }

  #storedSubscription(name: string): ReturnType<Registry['findSubscription']> {
    this.#ctx.db.flushDeferred();
    const stored = this.#registry.findSubscription(name);
    if (stored !== undefined && this.#delivery.get(stored.id) !== undefined) {
      throw new GlyphError('GC_BAD_ARGUMENT', `A durable subscription named "${name}" is running already`);
    }
    return stored;
  }

  #startOf(from: SubscribeOptions['from']): number {
    if (from === undefined || from === 'now') return this.#end;
    if (typeof from !== 'number' || !Number.isSafeInteger(from) || from < 0) {
      throw new GlyphError('GC_BAD_OPTION', `subscribe(): "from" is 'now' or a seq, not ${JSON.stringify(from)}`);
    }
    return Math.min(from, this.#end);
  }

  #unsubscribeAll(watcherId: string): void {
    for (const subscriber of [...this.#delivery.subscribers]) {
      if (subscriber.watcherId === watcherId) this.unsubscribe(subscriber.id);
    }
  }

  #storeSoon(): void {
    if (this.#storing) return;
    this.#storing = true;
    this.#ctx.clock.timeout(() => {
      this.#storing = false;
      if (this.#ctx.db.sqlite.open) this.#ctx.db.deferWrite(() => this.#store());
    }, STORE_MS);
  }
  #storing = false;

  /** Inside a transaction. */
  #store(): void {
    this.#delivery.storeCursors();
    this.#reactions.storeCursors();
    this.#registry.beat(this.#delivery.hostPosition);
  }

  #wakeReactionWaiters(): void {
    const waiters = this.#reactionWaiters.splice(0);
    for (const wake of waiters) wake();
  }
}

function parseReset(stored: string | null): Reset | undefined {
  return stored === null ? undefined : (JSON.parse(stored) as Reset);
}

function describe(change: SchemaChange): string {
  switch (change.kind) {
    case 'renamed':
      return `renamed to "${change.newName ?? ''}"`;
    case 'changed':
      return 'given another layout';
    case 'dropped':
      return 'dropped';
    case 'returned':
      return 'created again';
    case 'repaired':
      return 'left without its triggers, which were put back';
  }
}
