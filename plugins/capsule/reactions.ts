/**
 * Reactions: durable consumers whose work and cursor commit in one transaction.
 *
 * Invariants:
 * - Exactly once: a batch's calls, all they write, and the cursor's move are one SQLite transaction.
 * - A transaction of the host or of another skill is never split; other programs' work may be, since its inner boundaries
 *   are unknown. Where boundaries allow, a reaction's transaction ends within 2 ms, because other writers may not wait.
 * - The stored cursor is the truth: a host that was not the one to run finds it moved, and starts from there.
 */
import type { Clock, Database, Logger, Timer } from '../../sdk/plugin.ts';
import { Cascade } from './cascade.ts';
import type { Origin } from './cascade.ts';
import type { Mark, Registry } from './registry.ts';
import type { Routed, Router } from './router.ts';
import type { ChangeEvent, Reaction, ReactionHandle, SubscriptionStats } from './types.ts';

const MAX_TRANSACTION_MS = 2;
/** Events between two looks at the clock. */
const SLICE = 64;

export interface ReactionsOptions {
  readonly db: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly router: Router;
  readonly registry: Registry;
  readonly position: () => number;
  readonly boundary: (from: number, end: number) => number;
}

/** A reaction as it runs. `watcherIds` are the watchers that wake it. */
export interface RunningReaction {
  readonly id: string;
  readonly reaction: Reaction;
  readonly watcherIds: ReadonlySet<string>;
  /** Where it goes on; undefined while live: its cursor is then the common position. */
  at: number | undefined;
  state: 'idle' | 'running' | 'paused' | 'stopped' | 'closed';
  /** Failures in a row. */
  attempts: number;
  /** Events handled since the start. */
  delivered: number;
  timer: Timer | undefined;
  batch?: PendingBatch | undefined;
}

/** Changes that were read and not handled yet; `to` is the end of the range they were read from. */
interface PendingBatch {
  readonly slices: Slice[];
  readonly to: number;
}

export class Reactions {
  readonly #options: ReactionsOptions;
  readonly #byWatcher = new Map<string, RunningReaction>();
  readonly #all = new Set<RunningReaction>();
  readonly #cascade: Cascade;
  readonly #waiters: (() => void)[] = [];

  constructor(options: ReactionsOptions) {
    this.#options = options;
    this.#cascade = new Cascade(options.db);
  }

  get causes(): Cascade {
    return this.#cascade;
  }

  get all(): Iterable<RunningReaction> {
    return this.#all;
  }

  /** Whether a watcher wakes a reaction. */
  has(watcherId: string): boolean {
    return this.#byWatcher.has(watcherId);
  }

  get empty(): boolean {
    return this.#all.size === 0;
  }

  add(running: RunningReaction): ReactionHandle {
    this.#all.add(running);
    for (const id of running.watcherIds) this.#byWatcher.set(id, running);
    const cursor = (): number => this.#cursorOf(running);
    this.#wake(running);
    return {
      get cursor() {
        return cursor();
      },
      resume: () => {
        if (running.state === 'stopped' || running.state === 'paused') {
          running.timer?.cancel();
          running.attempts = 0;
          running.state = 'idle';
        }
        this.#wake(running);
      },
      stop: () => this.remove(running),
      settled: (seq) => this.settled(seq, running),
    };
  }

  remove(running: RunningReaction): void {
    running.state = 'closed';
    running.timer?.cancel();
    this.#all.delete(running);
    for (const id of running.watcherIds) this.#byWatcher.delete(id);
    this.#idle();
  }

  /**
   * The changes after `from` concern these watchers. Told before the common position moves over them: a cursor that is not
   * held back would go along, and might be stored there by whoever writes meanwhile.
   */
  hold(from: number, routed: Routed): void {
    for (const id of routed.keys()) {
      const running = this.#byWatcher.get(id);
      if (running !== undefined) running.at ??= from;
    }
  }

  /** Lets everybody look again: there are new changes, or this host has become the one that runs reactions. */
  wakeAll(): void {
    for (const running of this.#all) this.#wake(running);
  }

  isBehind(seq: number, running: RunningReaction): boolean {
    if (running.state === 'running') return true;
    return running.state === 'idle' && running.at !== undefined && running.at < seq && running.reaction.mayRun();
  }

  /** Resolves when none is behind `seq` but those that cannot go on at present. */
  async allSettled(seq: number): Promise<void> {
    while ([...this.#all].some((running) => this.isBehind(seq, running))) {
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    }
  }

  #idle(): void {
    for (const wake of this.#waiters.splice(0)) wake();
  }

  settled(seq: number, running: RunningReaction): Promise<void> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (!this.isBehind(seq, running)) resolve();
        else setImmediate(check);
      };
      check();
    });
  }

  /** Stores cursors that moved over ranges that did not concern their reaction. Inside a transaction. */
  storeCursors(): void {
    const { registry } = this.#options;
    for (const running of this.#all) {
      if (running.state !== 'idle' || !running.reaction.mayRun()) continue;
      const stored = registry.storedCursor(running.id);
      const cursor = this.#cursorOf(running);
      if (stored !== undefined && cursor > stored) registry.moveCursor(running.id, cursor);
    }
  }

  /** Tells reactions that what they saw is void, or that what they lag behind was removed. */
  tell(marks: ReadonlyMap<string, Mark>): void {
    const { db, registry } = this.#options;
    for (const running of this.#all) {
      const mark = marks.get(running.id);
      if (mark === undefined) continue;
      if (running.at !== undefined) running.at = Math.max(running.at, mark.cursor);
      running.reaction.reset?.(mark.reset);
      db.deferWrite(() => registry.clearReset(running.id, mark.reset));
    }
  }

  stats(end: number): SubscriptionStats[] {
    return [...this.#all].map((running) => {
      const cursor = this.#cursorOf(running);
      return {
        id: running.id,
        name: running.reaction.name,
        watcherId: [...running.watcherIds][0] ?? '',
        cursor,
        lag: end - cursor,
        delivered: running.delivered,
        failures: running.attempts,
      };
    });
  }

  close(): void {
    for (const running of [...this.#all]) this.remove(running);
  }

  #cursorOf(running: RunningReaction): number {
    return running.at ?? this.#options.position();
  }

  #wake(running: RunningReaction): void {
    if (running.state !== 'idle' || running.at === undefined) return;
    const { position } = this.#options;
    if (running.at === position()) running.at = undefined;
    if (running.at === undefined || running.at > position() || !running.reaction.mayRun()) return;
    running.state = 'running';
    this.#options.db.outside(() => queueMicrotask(() => void this.#run(running)));
  }

  async #run(running: RunningReaction): Promise<void> {
    const { db, position } = this.#options;
    let since = performance.now();
    while (running.state === 'running' && db.sqlite.open) {
      if (this.#cursorOf(running) === position()) running.at = undefined;
      // One that was moved on by another host may be ahead of what this one has delivered.
      if (running.at === undefined || running.at > position() || !running.reaction.mayRun()) {
        running.state = 'idle';
        break;
      }
      try {
        await this.#step(running);
        running.attempts = 0;
      } catch (error) {
        this.#failed(running, error);
      }
      if (performance.now() - since > 10) {
        await new Promise((resolve) => setImmediate(resolve));
        since = performance.now();
      }
    }
    this.#idle();
  }

  /** One transaction's worth. Reading comes first, so that the write lock is held only for the reaction's own work. */
  async #step(running: RunningReaction): Promise<void> {
    const { db, registry } = this.#options;
    const from = this.#cursorOf(running);
    const batch = (running.batch ??= this.#read(running, from));
    if (batch.slices.length === 0) {
      running.batch = undefined;
      running.at = batch.to;
      return;
    }
    let done = 0;
    const written: Origin[] = [];
    const handled = await db
      .exclusive(
        () => {
          if (!running.reaction.mayRun() || running.state !== 'running') return undefined;
          const stored = registry.storedCursor(running.id) ?? from;
          // Another host ran it meanwhile; what it handled is not handled again.
          if (stored > from) return stored;
          const until = performance.now() + MAX_TRANSACTION_MS;
          do {
            const part = batch.slices[done] as Slice;
            written.push(
              ...this.#cascade.watch(running.reaction.name, part.origin, () => running.reaction.handle(part.events)),
            );
            done += 1;
          } while (
            done < batch.slices.length &&
            (batch.slices[done - 1]?.mayEnd === false || performance.now() < until)
          );
          const cursor = done === batch.slices.length ? batch.to : (batch.slices[done - 1] as Slice).last;
          registry.moveCursor(running.id, cursor);
          return cursor;
        },
        { source: 'lua' },
      )
      .catch((error: unknown) => {
        running.batch = undefined;
        throw error;
      });
    if (handled === undefined) return;
    running.at = handled;
    if (done === 0) {
      running.batch = undefined;
      return;
    }
    this.#cascade.remember(written);
    const taken = batch.slices.splice(0, done);
    if (batch.slices.length === 0) running.batch = undefined;
    for (const part of taken) running.delivered += part.events.length;
    running.reaction.committed?.();
  }

  /** The next changes that concern it. What one transaction leaves of them is kept for the next. */
  #read(running: RunningReaction, from: number): PendingBatch {
    const { router, boundary, position } = this.#options;
    const to = boundary(from, position());
    return {
      slices: slice(
        merge(router.route(from, to, { only: running.watcherIds, json: running.reaction.json ?? 'parsed' })),
        this.#cascade,
      ),
      to,
    };
  }

  #failed(running: RunningReaction, error: unknown): void {
    if (running.state === 'closed') return;
    running.attempts += 1;
    const next = running.reaction.failed(error, running.attempts);
    if (next === 'stop') {
      running.state = 'stopped';
      return;
    }
    running.state = 'paused';
    running.timer = this.#options.clock.timeout(() => {
      if (running.state !== 'paused') return;
      running.state = 'idle';
      this.#wake(running);
    }, next);
  }
}

/** The events of several watchers in order, each change once. */
function merge(routed: ReadonlyMap<string, ChangeEvent[]>): ChangeEvent[] {
  if (routed.size <= 1) return [...routed.values()][0] ?? [];
  const bySeq = new Map<number, ChangeEvent>();
  for (const events of routed.values())
    for (const event of events) if (!bySeq.has(event.seq)) bySeq.set(event.seq, event);
  return [...bySeq.values()].sort((a, b) => a.seq - b.seq);
}

interface Slice {
  readonly events: ChangeEvent[];
  readonly last: number;
  /** What the events came from; equally deep for all of them. */
  readonly origin: Origin | undefined;
  /** False where the next slice belongs to the same transaction. */
  readonly mayEnd: boolean;
}

/** Parts that are handled at one go: long enough to be quick, and equally deep in a cascade. */
function slice(events: readonly ChangeEvent[], cascade: Cascade): Slice[] {
  const slices: Slice[] = [];
  let part: ChangeEvent[] = [];
  let origin = events[0] === undefined ? undefined : cascade.originOf(events[0].seq);
  events.forEach((event, index) => {
    part.push(event);
    const next = events[index + 1];
    const nextOrigin = next === undefined ? undefined : cascade.originOf(next.seq);
    const mayEnd = event.source === 'external' || next?.transactionId !== event.transactionId;
    if (next !== undefined && (part.length < SLICE || !mayEnd) && nextOrigin?.depth === origin?.depth) return;
    slices.push({ events: part, last: event.seq, origin, mayEnd });
    part = [];
    origin = nextOrigin;
  });
  return slices;
}
