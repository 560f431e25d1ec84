/**
 * Holds the lease, or waits for it.
 *
 * The side file's lock says quickly that a holder has died; the epoch in the database says who may write. A host that was
 * stopped for so long that another took over finds a newer epoch inside its next transaction, and runs nothing there.
 * Where the side file cannot be locked, holders renew their lease in the file, and others wait until it has expired.
 */
import { randomUUID } from 'node:crypto';
import type { Lasting } from '../../sdk/lasting.ts';
import { messageOf } from '../../sdk/plugin.ts';
import { SideLock } from './side-lock.ts';
import { LeaseStore } from './store.ts';
import type { LeaseMode, LeaseRow } from './store.ts';
import type { LeaseService } from './types.ts';

/** How often those who wait look, in ms. */
const POLL_MS = 100;
/** How often a holder renews, and for how long that counts, in ms. A locked side file is proof enough for most. */
const RENEW: Readonly<Record<LeaseMode, { readonly every: number; readonly lasts: number }>> = {
  lock: { every: 30_000, lasts: 90_000 },
  beat: { every: 5_000, lasts: 15_000 },
};

export class Lease implements Omit<LeaseService, 'want'> {
  readonly #ctx: Lasting;
  readonly #store: LeaseStore;
  readonly #host = randomUUID();
  #lock: SideLock | undefined;
  #held = false;
  #epoch = 0;
  #renewedAt = 0;
  #taking = false;
  #closed = false;

  /** @throws GC_LOCKED */
  constructor(ctx: Lasting) {
    this.#ctx = ctx;
    this.#store = new LeaseStore(ctx.db);
    this.#lock = this.#openLock();
  }

  get held(): boolean {
    return this.#held;
  }

  get epoch(): number {
    return this.#epoch;
  }

  mayRun(): boolean {
    if (!this.#held || !this.#ctx.db.sqlite.open) return false;
    if (this.#store.epoch() === this.#epoch) return true;
    this.#lost();
    return false;
  }

  start(): void {
    this.#look();
    this.#ctx.clock.interval(() => this.#look(), POLL_MS);
  }

  /** Gives everything back. The side file stays: another host may have it open. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const { db } = this.#ctx;
    if (this.#held && db.sqlite.open) {
      const epoch = this.#epoch;
      this.#held = false;
      db.deferWrite(() => this.#store.giveBack(epoch));
      db.flushDeferred();
    }
    this.#lock?.close();
  }

  get #mode(): LeaseMode {
    return this.#lock === undefined ? 'beat' : 'lock';
  }

  #openLock(): SideLock | undefined {
    const { db, log } = this.#ctx;
    try {
      return new SideLock(db.filename);
    } catch (error) {
      log.warn(
        `The file ${db.filename}-lock cannot be used (${messageOf(error)}); another host takes over skills only after ${RENEW.beat.lasts / 1000} s`,
        { error },
      );
      return undefined;
    }
  }

  #look(): void {
    if (this.#closed || !this.#ctx.db.sqlite.open) return;
    if (this.#held) this.#renew();
    else if (!this.#taking && this.#isFree()) this.#take();
  }

  #renew(): void {
    const { db, clock } = this.#ctx;
    if (!this.mayRun() || clock.now() - this.#renewedAt < RENEW[this.#mode].every) return;
    this.#renewedAt = clock.now();
    const [epoch, expiresAt] = [this.#epoch, clock.now() + RENEW[this.#mode].lasts];
    db.deferWrite(() => this.#store.renew(epoch, expiresAt));
  }

  #isFree(): boolean {
    try {
      if (this.#lock !== undefined && !this.#lock.tryTake()) return false;
    } catch (error) {
      this.#ctx.log.warn(`The file ${this.#lock?.path ?? ''} cannot be locked any more: ${messageOf(error)}`, {
        error,
      });
      this.#lock?.close();
      this.#lock = undefined;
    }
    return this.#mayTake(this.#store.read());
  }

  /** With the lock in hand only a holder that has none is waited for; without it, every holder. */
  #mayTake(row: LeaseRow | undefined): boolean {
    if (row === undefined || row.host === null || row.expiresAt <= this.#ctx.clock.now()) return true;
    return this.#lock !== undefined && row.mode === 'lock';
  }

  #take(): void {
    const { db, clock, log } = this.#ctx;
    const take = (): number => {
      // Somebody else may have taken it while we waited for the writer.
      if (this.#closed || !this.#mayTake(this.#store.read())) return 0;
      const now = clock.now();
      return this.#store.take({ host: this.#host, mode: this.#mode, now, expiresAt: now + RENEW[this.#mode].lasts });
    };
    if (!db.busy) {
      try {
        this.#taken(db.write(take));
      } catch (error) {
        log.debug(`The lease could not be taken yet: ${messageOf(error)}`);
      }
      return;
    }
    this.#taking = true;
    db.outside(() => db.exclusive(take))
      .then(
        (epoch) => this.#taken(epoch),
        (error: unknown) => log.debug(`The lease could not be taken yet: ${messageOf(error)}`),
      )
      .finally(() => (this.#taking = false));
  }

  #taken(epoch: number): void {
    if (epoch === 0 || this.#closed) return;
    this.#epoch = epoch;
    this.#held = true;
    this.#renewedAt = this.#ctx.clock.now();
    this.#ctx.log.info(`This host runs the skills of ${this.#ctx.db.filename} now (epoch ${epoch})`);
    this.#ctx.emit('lease:held', { epoch });
  }

  #lost(): void {
    if (!this.#held) return;
    const epoch = this.#epoch;
    this.#held = false;
    this.#lock?.release();
    this.#ctx.log.warn(
      `Another host has taken over the skills of ${this.#ctx.db.filename} (this one had epoch ${epoch})`,
    );
    this.#ctx.emit('lease:lost', { epoch });
  }
}
