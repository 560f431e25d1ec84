/**
 * What a host does now and then: says that it lives, stores cursors, clears away dead hosts, prunes the log.
 *
 * Invariant: none of it blocks the event loop while another program holds the lock; it is done later.
 */
import type { Lasting } from '../../sdk/lasting.ts';
import { messageOf } from '../../sdk/plugin.ts';
import type { CapsuleConfig } from './config.ts';
import type { Delivery } from './delivery.ts';
import type { Reactions } from './reactions.ts';
import type { Registry } from './registry.ts';
import { prune } from './retention.ts';
import type { WatchedTables } from './tables.ts';
import type { PruneReport } from './types.ts';

const BEAT_MS = 30_000;
const PRUNE_MS = 3_600_000;
/** After the start, and again when another program holds the lock. */
const PRUNE_SOON_MS = 60_000;
/** How often cursors and the host's position are written while they move; in ms. */
const STORE_MS = 1000;

export interface UpkeepOptions {
  readonly ctx: Lasting<CapsuleConfig>;
  readonly delivery: Delivery;
  readonly reactions: Reactions;
  readonly registry: Registry;
  readonly tables: WatchedTables;
  /** Tables that keep their rows for another time than the rest, in days. */
  readonly tableDays: () => ReadonlyMap<string, number>;
  /** Another host took this one for dead: everything it has in the file has to be written again. Inside a transaction. */
  readonly restore: () => void;
}

export class Upkeep {
  readonly #options: UpkeepOptions;
  #storing = false;

  constructor(options: UpkeepOptions) {
    this.#options = options;
  }

  start(): void {
    const { ctx } = this.#options;
    ctx.clock.interval(() => ctx.db.deferWrite(() => this.store()), BEAT_MS);
    ctx.clock.interval(() => this.#pruneQuietly(), PRUNE_MS);
    ctx.clock.timeout(() => this.#pruneQuietly(), 0);
  }

  /** Cursors have moved. */
  storeSoon(): void {
    const { ctx } = this.#options;
    if (this.#storing || ctx.signal.aborted) return;
    this.#storing = true;
    ctx.clock.timeout(() => {
      this.#storing = false;
      if (ctx.db.sqlite.open) ctx.db.deferWrite(() => this.store());
    }, STORE_MS);
  }

  /** Inside a transaction. */
  store(): void {
    const { delivery, reactions, registry, restore } = this.#options;
    if (!registry.beat(delivery.hostPosition)) restore();
    delivery.storeCursors();
    reactions.storeCursors();
  }

  /** Now, when the database is free. */
  storeNow(): void {
    const { db } = this.#options.ctx;
    db.deferWrite(() => this.store());
    db.flushDeferred();
  }

  /** Waits until what was to be written is written, while somebody else holds the writer. */
  async written(): Promise<void> {
    const { db, log } = this.#options.ctx;
    if (db.flushDeferred()) return;
    try {
      await db.exclusive(() => undefined);
      db.flushDeferred();
    } catch (error) {
      log.warn(`What this host has in ${db.filename} is left for the next one to clear away: ${messageOf(error)}`);
    }
  }

  /** @throws GC_LOCKED, GC_CANNOT_OPEN (the archive) */
  prune(): PruneReport {
    const { ctx, delivery, reactions, registry, tables, tableDays } = this.#options;
    const { db, config, clock } = ctx;
    db.flushDeferred();
    db.write(() => {
      this.store();
      for (const table of registry.clearDead()) if (!registry.isDemanded(table)) tables.clearAway(table);
    });
    const report = prune({
      db,
      registry,
      config,
      now: () => clock.now(),
      tableDays,
      hostPosition: () => delivery.hostPosition,
    });
    db.flushDeferred();
    delivery.tell(registry.marks());
    reactions.tell(registry.marks());
    return report;
  }

  #pruneQuietly(): void {
    const { ctx } = this.#options;
    const { db, log } = ctx;
    db.deferWrite(() => this.store());
    if (!db.flushDeferred()) {
      ctx.clock.timeout(() => this.#pruneQuietly(), PRUNE_SOON_MS);
      return;
    }
    try {
      const report = this.prune();
      if (report.removed > 0) log.info(`Removed ${report.removed} old rows from the change log`, { ...report });
    } catch (error) {
      log.error(`Retention failed: ${messageOf(error)}`, { error });
    }
  }
}
