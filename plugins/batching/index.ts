/**
 * The plugin `batching`: decides when a range of the log is delivered.
 *
 * A batch closes after `batchInterval` ms, or at once when `batchSize` rows wait; with an interval of 0, at the next
 * microtask. It keeps nothing but a time: what waits is in the log, so the plugin can be replaced at any moment.
 */
import { definePlugin, GlyphError, messageOf } from '../../sdk/plugin.ts';
import type { PluginContext, Timer } from '../../sdk/plugin.ts';

/** What one instance leaves to the next: when the batch that waits is due. */
interface Left {
  readonly dueAt: number | undefined;
}

interface BatchingConfig {
  readonly batchInterval: number;
  readonly batchSize: number;
}

/** What it needs of the service `capsule`. */
interface Capsule {
  readonly end: number;
  readonly position: number;
  readonly batchSize: number | undefined;
  look(): number;
  boundary(from: number, size: number, end: number): number;
  deliver(to: number): Promise<void> | undefined;
  settled(seq: number): Promise<void>;
}

/** The service `batching`. */
export interface BatchingService {
  /** Resolves when everything committed so far has been handled. @throws GC_TRANSACTION inside a transaction. */
  flush(): Promise<void>;
}

/** A delivery that takes longer than this lets other work have its turn, in ms. */
const TURN_MS = 10;
const RETRY_MS = 1000;

class Batching implements BatchingService {
  readonly #ctx: PluginContext<BatchingConfig, Left>;
  readonly #capsule: Capsule;
  #timer: Timer | undefined;
  /** When the timer is due; set while a batch waits for it, or a predecessor's waited. */
  #dueAt: number | undefined;
  #scheduled = false;
  #delivering: Promise<void> | undefined;
  #draining = false;
  #failure: unknown;

  constructor(ctx: PluginContext<BatchingConfig, Left>) {
    this.#ctx = ctx;
    this.#capsule = ctx.use<Capsule>('capsule');
    this.#dueAt = ctx.state?.dueAt;
  }

  get dueAt(): number | undefined {
    return this.#dueAt;
  }

  /** The log has grown, or may have before we came. */
  wake(): void {
    const { end, position, batchSize } = this.#capsule;
    const { batchInterval, batchSize: size } = this.#ctx.config;
    if (end <= position) this.#dueAt = undefined;
    // A delivery may outlast its plugin; the successor is the one who goes on then.
    if (this.#ctx.signal.aborted) return;
    if (end <= position || this.#scheduled || this.#draining) return;
    if (batchInterval === 0 || end - position >= Math.min(size, batchSize ?? size)) {
      this.#schedule();
    } else if (this.#timer === undefined) {
      const { clock } = this.#ctx;
      this.#dueAt ??= clock.now() + batchInterval;
      const pause = Math.min(batchInterval, Math.max(0, this.#dueAt - clock.now()));
      this.#timer = clock.timeout(() => this.#schedule(), pause);
    }
  }

  async flush(): Promise<void> {
    if (this.#ctx.db.current !== undefined) {
      throw new GlyphError('GC_TRANSACTION', 'flush() inside a transaction would wait for itself', {
        hint: 'Call flush() after the transaction has committed.',
      });
    }
    const end = this.#capsule.look();
    this.#failure = undefined;
    this.#drain();
    await this.#delivering;
    if (this.#failure !== undefined) throw this.#failure as Error;
    await this.#capsule.settled(end);
  }

  close(): void {
    this.#stopTimer();
  }

  #schedule(): void {
    this.#stopTimer();
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#ctx.db.outside(() => {
      queueMicrotask(() => {
        this.#scheduled = false;
        if (this.#ctx.signal.aborted) return;
        this.#drain();
        // Who has just committed may not have let go of the writer yet; who goes on holding it wakes us when done.
        const { db } = this.#ctx;
        if (db.inMemory && db.busy) setImmediate(() => this.#drain());
      });
    });
  }

  #stopTimer(): void {
    this.#timer?.cancel();
    this.#timer = this.#dueAt = undefined;
  }

  #drain(): void {
    this.#stopTimer();
    if (this.#draining) return;
    this.#draining = true;
    const done = this.#deliverAll();
    if (done === undefined) this.#draining = false;
    else {
      this.#delivering = done.finally(() => {
        this.#draining = false;
        this.#delivering = undefined;
        this.wake();
      });
    }
  }

  /** Delivers batch after batch. Stays synchronous while it can: a lone write reaches its handler without an extra turn. */
  #deliverAll(): Promise<void> | undefined {
    const started = performance.now();
    try {
      while (this.#mayDeliver()) {
        const waiting = this.#deliverOne();
        if (waiting !== undefined || performance.now() - started > TURN_MS) return this.#deliverRest(waiting);
      }
    } catch (error) {
      this.#failed(error);
    }
    return undefined;
  }

  async #deliverRest(first: Promise<void> | undefined): Promise<void> {
    try {
      await first;
      let since = performance.now();
      while (this.#mayDeliver()) {
        if (performance.now() - since > TURN_MS) {
          await new Promise((resolve) => setImmediate(resolve));
          since = performance.now();
          if (!this.#mayDeliver()) break;
        }
        await this.#deliverOne();
      }
    } catch (error) {
      this.#failed(error);
    }
  }

  /** A delivery that cannot be made is tried again: the changes are in the log. */
  #failed(error: unknown): void {
    this.#failure = error;
    this.#ctx.log.error(`Delivery failed: ${messageOf(error)}`, { error });
    this.#timer ??= this.#ctx.clock.timeout(() => this.#schedule(), RETRY_MS);
  }

  /** An in-memory database has no second connection: matching waits until no transaction is open. */
  #mayDeliver(): boolean {
    const { db, signal } = this.#ctx;
    if (signal.aborted || !db.sqlite.open || this.#capsule.position >= this.#capsule.end) return false;
    return !(db.inMemory && db.busy);
  }

  #deliverOne(): Promise<void> | undefined {
    const { position, end, batchSize } = this.#capsule;
    const size = Math.min(this.#ctx.config.batchSize, batchSize ?? this.#ctx.config.batchSize);
    return this.#capsule.deliver(this.#capsule.boundary(position, size, end));
  }
}

const running = new WeakMap<object, Batching>();

export default definePlugin<BatchingConfig, Left>({
  name: 'batching',
  version: '1.0.0',
  requires: { capsule: '^1.0.0' },
  provides: { batching: '1.0.0' },
  config: {
    type: 'object',
    properties: {
      batchInterval: { type: 'number', minimum: 0, default: 100 },
      batchSize: { type: 'integer', minimum: 1, default: 100 },
    },
  },
  snapshot: (ctx) => ({ dueAt: running.get(ctx)?.dueAt }),
  activate(ctx) {
    const batching = new Batching(ctx);
    running.set(ctx, batching);
    ctx.on('capsule:end', () => batching.wake());
    if (ctx.db.inMemory) {
      // Without a second connection a delivery waits for the open transaction, whatever becomes of it.
      ctx.hooks.committed.tap('batching', () => batching.wake());
      ctx.hooks.rolledBack.tap('batching', () => batching.wake());
      ctx.hooks.rawCommit.tap('batching', () => batching.wake());
    }
    ctx.defer(() => batching.close(), 'timer');
    ctx.provide<BatchingService>('batching', batching);
    // In the step in which it takes over: until then its predecessor is the one who hears of commits.
    ctx.onService('capsule', () => batching.wake());
  },
});
