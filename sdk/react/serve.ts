/**
 * Serves a source to whoever holds the other end of a channel: first the rows, then what changes in them.
 *
 * Invariants: nothing but SELECTs, watches and actions can be asked for; when the channel closes nothing stays open.
 */
import type { Row } from '../../kernel/database/types.ts';
import { Line } from './channel.ts';
import type { Channel } from './channel.ts';
import { liveSource } from './in-process.ts';
import type { LiveDatabase } from './in-process.ts';
import { listenerError } from './live-source.ts';
import type { LiveQuery, LiveSource } from './live-source.ts';
import { patchOf } from './patch.ts';
import { readToHost, toWireError } from './wire.ts';
import type { ToClient, ToHost } from './wire.ts';

/**
 * Serves a database to the other end of a channel, where {@link connectLiveSource} makes a source of it. Gives whoever holds
 * that end the right to run any SELECT and to dispatch any action, and no other: hand it only to whom you would show the
 * whole database. Call what it returns to stop.
 * @example
 * ```ts
 * const { port1, port2 } = new MessageChannel();
 * serveLiveSource(db, port1);
 * worker.postMessage({ port: port2 }, [port2]);
 * ```
 */
export function serveLiveSource(from: LiveDatabase | LiveSource, channel: Channel): () => void {
  const server = new Server('observe' in from ? from : liveSource(from), channel);
  return () => server.close();
}

class Server {
  readonly #source: LiveSource;
  readonly #line: Line;
  /** What is observed and watched, by the client's id. */
  readonly #open = new Map<number, () => void>();

  constructor(source: LiveSource, channel: Channel) {
    this.#source = source;
    this.#line = new Line(channel, {
      receive: (message) => {
        const read = readToHost(message);
        if (read !== undefined) this.#receive(read);
      },
      closed: () => this.close(),
    });
  }

  close(): void {
    for (const stop of this.#open.values()) stop();
    this.#open.clear();
    this.#line.close();
  }

  #receive(message: ToHost): void {
    const { id } = message;
    try {
      switch (message.type) {
        case 'release':
          this.#open.get(id)?.();
          this.#open.delete(id);
          break;
        case 'observe':
          this.#keep(id, this.#send(id, this.#source.observe(message.target)));
          break;
        case 'watch':
          this.#keep(
            id,
            this.#source.watch(message.request, {
              changed: (events, batch) => this.#say({ type: 'events', id, events, batch }),
              failed: (error) => this.#fail(id, error),
            }),
          );
          break;
        default:
          this.#answer(id, this.#source[message.type](message.action, message.payload));
      }
    } catch (error) {
      this.#fail(id, error);
    }
  }

  #keep(id: number, stop: () => void): void {
    this.#open.get(id)?.();
    this.#open.set(id, stop);
  }

  /** Sends a query's states; what it sent last stays its basis for the next. */
  #send(id: number, query: LiveQuery): () => void {
    let sent: readonly Row[] | undefined;
    const send = (): void => {
      const { status, rows, error } = query.getSnapshot();
      if (status === 'pending') return;
      if (error !== undefined) this.#fail(id, error);
      else if (sent === undefined) this.#say({ type: 'rows', id, rows });
      else this.#say({ type: 'patch', id, pieces: patchOf(sent, rows) });
      sent = error === undefined ? rows : undefined;
    };
    // What failed for others before is tried again for whoever asks now.
    if (query.getSnapshot().status === 'error') query.retry();
    const stop = query.subscribe(send);
    send();
    return stop;
  }

  #answer(id: number, answer: Promise<unknown>): void {
    answer
      .then((value) => this.#line.sendChecked({ type: 'answer', id, value } satisfies ToClient))
      .catch((error: unknown) => this.#fail(id, listenerError(error)));
  }

  #fail(id: number, error: unknown): void {
    this.#say({ type: 'failed', id, error: toWireError(error) });
  }

  #say(message: ToClient): void {
    this.#line.send(message);
  }
}
