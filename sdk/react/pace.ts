/**
 * How far a client is behind in reading what its host sends, and what waits for it meanwhile.
 *
 * Invariants: to a client that does not read, so many messages are under way and no more; what waits for it is bounded, whatever
 * happens in the database; within one turn of the event loop the answer to {@link Pace.isBehind} does not change, so that what one
 * commit changed stays together.
 */
import type { ToClient } from './wire.ts';
import { READ_AT_ONCE } from './wire.ts';

/** Messages on their way to a client. */
const MOST_UNREAD = 2 * READ_AT_ONCE;
/** Events that wait for one client, in all its watches. */
const MOST_EVENTS = 1000;

type Events = ToClient & { readonly type: 'events' };

export class Pace {
  #unread = 0;
  #events = 0;
  readonly #waiting = new Set<() => void>();

  get isBehind(): boolean {
    return this.#unread >= MOST_UNREAD;
  }

  /** A message has left. */
  sent(): void {
    this.#unread += 1;
  }

  /** The client has read some more: what waited is said now. */
  read(): void {
    // Who says to have read what was never sent gets nothing by it.
    this.#unread = Math.max(0, this.#unread - READ_AT_ONCE);
    if (this.isBehind) return;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const say of waiting) say();
  }

  /** Calls `say` once, when the client has read. */
  wait(say: () => void): void {
    this.#waiting.add(say);
  }

  /** Does so no more. */
  forget(say: () => void): void {
    this.#waiting.delete(say);
  }

  /** Whether so many more events may wait. A negative number gives room back. */
  hold(events: number): boolean {
    if (this.#events + events > MOST_EVENTS) return false;
    this.#events += events;
    return true;
  }
}

/** The events of one watch, in order. */
export class EventLine {
  readonly #pace: Pace;
  readonly #say: (message: ToClient) => void;
  #held: ToClient[] = [];
  #count = 0;

  constructor(pace: Pace, say: (message: ToClient) => void) {
    this.#pace = pace;
    this.#say = say;
  }

  readonly say = (message: ToClient): void => {
    if (!this.#pace.isBehind) {
      this.#say(message);
      return;
    }
    this.#pace.wait(this.#catchUp);
    if (message.type === 'events' && !this.#hasRoom(message)) this.#miss(message);
    else this.#held.push(message);
  };

  readonly end = (): void => {
    this.#pace.forget(this.#catchUp);
    this.#take();
  };

  #hasRoom({ events: { length } }: Events): boolean {
    // A batch that has no events is something too.
    const room = Math.max(1, length);
    if (!this.#pace.hold(room)) return false;
    this.#count += room;
    return true;
  }

  /** One message stands for those that wait, and for this one. */
  #miss(message: Events): void {
    const { from } = (this.#take().find(({ type }) => type === 'events') as Events | undefined)?.batch ?? message.batch;
    this.#held.push({ ...message, events: [], batch: { from, to: message.batch.to, reset: MISSED } });
  }

  readonly #catchUp = (): void => {
    for (const message of this.#take()) this.#say(message);
  };

  #take(): readonly ToClient[] {
    const held = this.#held;
    this.#held = [];
    this.#pace.hold(-this.#count);
    this.#count = 0;
    return held;
  }
}

const MISSED = {
  reason: 'gap',
  message: `The client did not read what it was sent, and more than ${MOST_EVENTS} changes waited for it`,
} as const;
