/**
 * Those who follow the log as it is delivered, beside the subscribers: live queries.
 *
 * Invariant: a follower that fails keeps nobody else from getting the range, and gets the next one all the same.
 */
import { messageOf } from '../../sdk/plugin.ts';
import type { Logger } from '../../sdk/plugin.ts';
import type { CommitWatch } from './commits.ts';
import { toDate } from './events.ts';
import type { Ledger, Span } from './ledger.ts';
import type { LogReader } from './log-reader.ts';
import { withGrace } from './subscriber.ts';
import type { FollowedRange, Follower, FollowHandle } from './types.ts';

export interface FollowersOptions {
  readonly reader: LogReader;
  readonly ledger: Ledger;
  readonly commits: CommitWatch;
  readonly logger: Logger;
}

export class Followers {
  readonly #options: FollowersOptions;
  readonly #all = new Set<Follower>();

  constructor(options: FollowersOptions) {
    this.#options = options;
  }

  add(follower: Follower): FollowHandle {
    const release = this.#options.commits.hold();
    this.#all.add(follower);
    return {
      stop: () => {
        this.#all.delete(follower);
        release();
      },
    };
  }

  /** Gives them `(from, to]`. `waiting` is what the subscribers still have to do; resolves with theirs. */
  deliver(from: number, to: number, waiting: Promise<void> | undefined): Promise<void> | undefined {
    if (this.#all.size === 0) return waiting;
    const range = this.#range(from, to);
    const pending: Promise<void>[] = [];
    for (const follower of this.#all)
      for (const one of this.#isolated(() => follower.changed(range)) ?? []) pending.push(one);
    if (pending.length === 0) return waiting;
    const theirs = withGrace(pending);
    return waiting === undefined ? theirs : Promise.all([waiting, theirs]).then(() => undefined);
  }

  looked(): void {
    for (const follower of this.#all) this.#isolated(() => follower.looked());
  }

  async settled(seq: number): Promise<void> {
    await Promise.all([...this.#all].map((follower) => follower.settled(seq)));
  }

  #range(from: number, to: number): FollowedRange {
    const { reader, ledger } = this.#options;
    return {
      from,
      to,
      visible(most) {
        const read = to - from > most ? undefined : reader.readOn(from, most);
        if (read !== undefined) return { end: Math.max(to, read.end), changes: read.changes };
        const end = Math.max(to, reader.end());
        return { end, changes: end > to ? undefined : reader.read(from, end) };
      },
      get origin() {
        const { id, source, completedAt } = ledger.spans(from, to).at(-1) as Span;
        return { transactionId: id, source, timestamp: toDate(completedAt) };
      },
    };
  }

  #isolated<T>(call: () => T): T | undefined {
    try {
      return call();
    } catch (error) {
      this.#options.logger.error(`A follower of the log failed: ${messageOf(error)}`, { error });
      return undefined;
    }
  }
}
