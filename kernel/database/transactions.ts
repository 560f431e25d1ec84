/**
 * Transactions on the writer: who is in one, who waits, and what becomes of it.
 *
 * Invariants:
 * - BEGIN IMMEDIATE only: a deferred transaction that turns into a write can fail with BUSY_SNAPSHOT half way.
 * - Code inside an asynchronous transaction is known by its AsyncLocalStorage. Everybody else waits in line.
 * - Siblings inside one transaction are serialised, so that one's ROLLBACK TO never undoes the other.
 * - A frame whose transaction has ended is dead: code that still carries it (a timer) counts as being outside.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type BetterSqlite3 from 'better-sqlite3';
import type { Clock } from '../clock.ts';
import { ATTEMPT_MS } from './connection.ts';
import type { Transaction, TransactionOptions } from './types.ts';
import { GlyphError } from '../errors.ts';
import type { KernelHooks } from '../hooks.ts';
import { sqlError } from '../sql/errors.ts';
import { asError, assertOpen, assertSynchronous, closedInside, isBusy, locked } from './errors.ts';
import { Turn } from './turn.ts';

/** One level of nesting: the outside (no transaction), a transaction, or a savepoint in it. */
interface Frame {
  readonly turn: Turn;
  readonly depth: number;
  transaction: Transaction | undefined;
  live: boolean;
}

export interface WriterOptions {
  readonly sqlite: BetterSqlite3.Database;
  readonly hooks: KernelHooks;
  readonly clock: Clock;
  /** How long to wait for another process's write lock, in ms. */
  readonly busyTimeout: number;
  /** Runs the queued bookkeeping writes; called when the writer is free and about to be used. */
  readonly beforeBegin: () => void;
}

export class Writer {
  readonly #options: WriterOptions;
  readonly #storage = new AsyncLocalStorage<Frame>();
  readonly #outside: Frame = { turn: new Turn(), depth: 0, transaction: undefined, live: true };
  readonly #inRoot = AsyncLocalStorage.snapshot();
  #open: Frame | undefined;
  readonly #begin: BetterSqlite3.Statement;
  readonly #commit: BetterSqlite3.Statement;
  readonly #rollback: BetterSqlite3.Statement;

  constructor(options: WriterOptions) {
    this.#options = options;
    this.#begin = options.sqlite.prepare('BEGIN IMMEDIATE');
    this.#commit = options.sqlite.prepare('COMMIT');
    this.#rollback = options.sqlite.prepare('ROLLBACK');
  }

  /** True while somebody holds the writer, or a raw BEGIN left a transaction open. */
  get busy(): boolean {
    return this.#outside.turn.taken || this.#options.sqlite.inTransaction;
  }

  /** The transaction that the calling code runs in. */
  get current(): Transaction | undefined {
    return this.#frame().transaction;
  }

  /** True when a transaction is open and the calling code is not in it. */
  get isBystander(): boolean {
    return this.#open !== undefined && this.#frame().transaction === undefined;
  }

  get openTransaction(): Transaction | undefined {
    return this.#open?.transaction;
  }

  /** Runs `fn` outside every transaction, in the async context in which the database was opened. */
  outside<T>(fn: () => T): T {
    return this.#inRoot(fn);
  }

  /** Resolves when no transaction of anybody else is open; undefined when that is so now. */
  whenFree(): Promise<void> | undefined {
    return this.isBystander ? this.#outside.turn.idle() : undefined;
  }

  /** See {@link Database.write}. */
  write<T>(fn: (transaction: Transaction) => T, options: TransactionOptions = {}): T {
    const open = this.#open;
    if (open?.transaction !== undefined) {
      const { transaction } = open;
      return this.savepoint(() => fn(transaction));
    }
    if (this.#options.sqlite.inTransaction) {
      throw new GlyphError('GC_TRANSACTION', 'A transaction begun through the raw handle is still open', {
        hint: 'Commit or roll back what was begun with sqlite.exec("BEGIN") first.',
      });
    }
    // Who holds the turn has no transaction open: it waits for another process's lock, and this is over before it looks again.
    const taken = this.#outside.turn.tryTake();
    try {
      this.#options.beforeBegin();
      this.#beginWaiting();
      return this.#runAndEnd(fn, options);
    } finally {
      if (taken) this.#outside.turn.give();
    }
  }

  /** See {@link Database.exclusive}. Inside a transaction `fn` runs in a savepoint, unless it is one statement and says so. */
  exclusive<T>(
    fn: (transaction: Transaction) => T,
    options: TransactionOptions & { readonly oneStatement?: boolean } = {},
  ): Promise<T> {
    const frame = this.#frame();
    if (frame.transaction === undefined) return this.#exclusiveOutside(fn, options);
    if (!this.#options.sqlite.open) return Promise.reject(closedInside());
    const { transaction } = frame;
    const run = (): T => (options.oneStatement === true ? fn(transaction) : this.savepoint(() => fn(transaction)));
    return this.#inTurn(frame, run);
  }

  /** See {@link Database.transaction}. */
  async transaction<T>(fn: (transaction: Transaction) => T | Promise<T>, options: TransactionOptions = {}): Promise<T> {
    const parent = this.#frame();
    if (!parent.turn.tryTake()) await parent.turn.take();
    try {
      if (parent.transaction !== undefined) return await this.#nested(parent, parent.transaction, fn);
      this.#options.beforeBegin();
      if (this.#tryBegin()) return await this.#outermost(fn, options);
      return await this.#beginRetrying(() => this.#outermost(fn, options));
    } finally {
      parent.turn.give();
    }
  }

  /**
   * Runs bookkeeping in a transaction of its own, without the hooks: what it writes is in no log. The caller holds the
   * writer, or knows that it is free. Returns false when another process holds the lock.
   */
  bookkeeping(fn: () => void): boolean {
    if (!this.#tryBegin()) return false;
    const frame = this.#opened(-1, {});
    try {
      fn();
      assertOpen(this.#options.sqlite);
      this.#commit.run();
    } catch (error) {
      if (this.#options.sqlite.inTransaction) this.#rollback.run();
      throw error;
    } finally {
      this.#closed(frame);
    }
    return true;
  }

  /** Runs `fn` with the writer to itself and no transaction open. @throws GC_TRANSACTION inside a transaction */
  async alone<T>(fn: () => T): Promise<T> {
    const frame = this.#frame();
    if (frame.transaction !== undefined) {
      throw new GlyphError('GC_TRANSACTION', 'This statement cannot run inside a transaction', {
        hint: 'Run VACUUM, PRAGMA, ATTACH and their kin outside of transaction().',
      });
    }
    return await this.#inTurn(frame, () => {
      this.#options.beforeBegin();
      return fn();
    });
  }

  /** See {@link Database.savepoint}. */
  savepoint<T>(fn: () => T): T {
    const { sqlite } = this.#options;
    sqlite.exec('SAVEPOINT gc_sync');
    let result: T;
    try {
      result = fn();
    } catch (error) {
      if (sqlite.inTransaction) sqlite.exec('ROLLBACK TO gc_sync; RELEASE gc_sync');
      throw error;
    }
    assertOpen(this.#options.sqlite);
    sqlite.exec('RELEASE gc_sync');
    return result;
  }

  #frame(): Frame {
    const frame = this.#storage.getStore();
    if (frame?.live === true) return frame;
    // A synchronous transaction does not enter the storage: nothing else can run while it is open.
    return this.#open?.depth === -1 ? this.#open : this.#outside;
  }

  #inTurn<T>(frame: Frame, run: () => T): Promise<T> {
    if (frame.turn.tryTake()) return settle(run, () => frame.turn.give());
    return frame.turn.take().then(() => settle(run, () => frame.turn.give()));
  }

  #exclusiveOutside<T>(fn: (transaction: Transaction) => T, options: TransactionOptions): Promise<T> {
    const { turn } = this.#outside;
    if (!turn.tryTake()) return turn.take().then(() => this.#exclusiveHeld(fn, options));
    return this.#exclusiveHeld(fn, options);
  }

  #exclusiveHeld<T>(fn: (transaction: Transaction) => T, options: TransactionOptions): Promise<T> {
    const release = (): void => this.#outside.turn.give();
    const run = (): T => this.#runAndEnd(fn, options);
    try {
      this.#options.beforeBegin();
      if (this.#tryBegin()) return settle(run, release);
    } catch (error) {
      release();
      return Promise.reject(asError(error));
    }
    return this.#beginRetrying(run).finally(release);
  }

  /** Runs a synchronous `fn` in the transaction just begun, and ends it. */
  #runAndEnd<T>(fn: (transaction: Transaction) => T, options: TransactionOptions): T {
    const frame = this.#opened(-1, options);
    try {
      const transaction = frame.transaction as Transaction;
      this.#options.hooks.begin.call(transaction);
      const result = fn(transaction);
      assertSynchronous(result);
      this.#finish(frame);
      return result;
    } catch (error) {
      this.#abandon(frame);
      throw error;
    }
  }

  async #outermost<T>(fn: (transaction: Transaction) => T | Promise<T>, options: TransactionOptions): Promise<T> {
    const frame = this.#opened(1, options);
    try {
      const transaction = frame.transaction as Transaction;
      this.#options.hooks.begin.call(transaction);
      const result = await this.#storage.run(frame, () => fn(transaction));
      await frame.turn.idle();
      this.#finish(frame);
      return result;
    } catch (error) {
      // What the callback started and did not await must not write into the next transaction.
      await frame.turn.idle();
      this.#abandon(frame);
      throw error;
    }
  }

  async #nested<T>(
    parent: Frame,
    transaction: Transaction,
    fn: (transaction: Transaction) => T | Promise<T>,
  ): Promise<T> {
    const { sqlite } = this.#options;
    const frame: Frame = { turn: new Turn(), depth: parent.depth + 1, transaction, live: true };
    const name = `gc_${frame.depth}`;
    sqlite.exec(`SAVEPOINT ${name}`);
    try {
      const result = await this.#storage.run(frame, () => fn(transaction));
      await frame.turn.idle();
      assertOpen(this.#options.sqlite);
      sqlite.exec(`RELEASE ${name}`);
      return result;
    } catch (error) {
      await frame.turn.idle();
      if (sqlite.inTransaction) sqlite.exec(`ROLLBACK TO ${name}; RELEASE ${name}`);
      throw error;
    } finally {
      frame.live = false;
    }
  }

  /** Depth −1 marks a synchronous transaction, which needs no storage. */
  #opened(depth: number, options: TransactionOptions): Frame {
    const transaction: Transaction = {
      source: options.source ?? 'host',
      startedAt: this.#options.clock.now(),
      notes: new Map(),
    };
    const frame: Frame = { turn: new Turn(), depth, transaction, live: true };
    this.#open = frame;
    return frame;
  }

  #finish(frame: Frame): void {
    const transaction = frame.transaction as Transaction;
    assertOpen(this.#options.sqlite);
    this.#options.hooks.preCommit.call(transaction);
    try {
      this.#commit.run();
    } catch (error) {
      throw sqlError(error, 'COMMIT');
    }
    this.#closed(frame);
    this.#options.hooks.committed.call(transaction);
  }

  #abandon(frame: Frame): void {
    if (!frame.live) return;
    const transaction = frame.transaction as Transaction;
    if (this.#options.sqlite.inTransaction) this.#rollback.run();
    this.#closed(frame);
    this.#options.hooks.rolledBack.call(transaction);
  }

  #closed(frame: Frame): void {
    frame.live = false;
    this.#open = undefined;
  }

  #tryBegin(): boolean {
    try {
      this.#begin.run();
      return true;
    } catch (error) {
      if (isBusy(error)) return false;
      throw sqlError(error, 'BEGIN IMMEDIATE');
    }
  }

  /** Blocks the event loop, in short attempts, until the lock is ours. */
  #beginWaiting(): void {
    const until = performance.now() + this.#options.busyTimeout;
    while (!this.#tryBegin()) {
      if (performance.now() >= until) throw locked(this.#options.busyTimeout);
    }
  }

  /** Leaves the event loop free between attempts. `run` follows at once: nobody may see a transaction that has no frame. */
  async #beginRetrying<T>(run: () => T | Promise<T>): Promise<T> {
    const until = performance.now() + this.#options.busyTimeout;
    for (let pause = 2; ; pause = Math.min(pause * 2, 50)) {
      if (performance.now() >= until) throw locked(this.#options.busyTimeout);
      // eslint-disable-next-line no-restricted-globals -- real time: another process does not follow the injected clock
      await new Promise((resolve) => setTimeout(resolve, pause + ATTEMPT_MS * Math.random()));
      if (this.#tryBegin()) return await run();
    }
  }
}

function settle<T>(run: () => T, release: () => void): Promise<T> {
  try {
    return Promise.resolve(run());
  } catch (error) {
    return Promise.reject(asError(error));
  } finally {
    release();
  }
}
