/**
 * A source at the other end of a channel.
 *
 * Invariant: results are kept by applying what changed, so an unchanged row stays the same object; when the channel closes,
 * every query is an error and every call that waits is refused.
 */
import { GlyphError } from '../../kernel/errors.ts';
import type { Row } from '../../kernel/database/types.ts';
import { Line } from './channel.ts';
import type { Channel } from './channel.ts';
import type { LiveSourceOptions } from './in-process.ts';
import { failure, success } from './live-source.ts';
import type { LiveSource, QueryState, Target, WatchListener, WatchRequest } from './live-source.ts';
import { Observations } from './observations.ts';
import { patched } from './patch.ts';
import { ownTimers } from './timers.ts';
import { fromWireError, toWireError } from './wire.ts';
import type { ToClient, ToHost } from './wire.ts';

/** Told of what the host says to one id. */
type Receiver = (message: ToClient) => void;
/** A message without its id. */
type Asked = ToHost extends infer One ? (One extends ToHost ? Omit<One, 'id'> : never) : never;

const KEEP_MS = 1000;

/** A source whose database is elsewhere. */
export interface ConnectedSource extends LiveSource {
  /** Ends it: queries are errors with the code GC_CLOSED from then on. The channel itself is left open. */
  close(): void;
}

/**
 * The source that {@link serveLiveSource} serves at the other end of a channel: a MessagePort, a Worker or a WebSocket, whose
 * `onmessage` it takes. It does not connect again: give the provider a new source with a new channel.
 * @example
 * ```ts
 * const source = connectLiveSource(new WebSocket('ws://localhost:4000'));
 * ```
 */
export function connectLiveSource(channel: Channel, options: LiveSourceOptions = {}): ConnectedSource {
  return new Connection(channel, options);
}

class Connection implements ConnectedSource {
  readonly observe: LiveSource['observe'];
  readonly #line: Line;
  readonly #receivers = new Map<number, Receiver>();
  #lastId = 0;
  #ended: GlyphError | undefined;

  constructor(channel: Channel, { keep = KEEP_MS, timers = ownTimers }: LiveSourceOptions) {
    const open = (target: Target, tell: (state: QueryState) => void): (() => void) => this.#open(target, tell);
    const observations = new Observations({ open, timers, keep });
    this.observe = (target) => observations.observe(target);
    this.#line = new Line(channel, {
      receive: (message) => this.#receivers.get((message as ToClient).id)?.(message as ToClient),
      closed: () => this.close(),
    });
  }

  watch(request: WatchRequest, { changed, failed }: WatchListener): () => void {
    return this.#ask({ type: 'watch', request }, (message) => {
      if (message.type === 'events') changed(message.events, message.batch);
      else if (message.type === 'failed') failed(fromWireError(message.error));
    });
  }

  dispatch(action: string, payload?: unknown): Promise<number> {
    return this.#call('dispatch', action, payload) as Promise<number>;
  }

  request<T = unknown>(action: string, payload?: unknown): Promise<T> {
    return this.#call('request', action, payload) as Promise<T>;
  }

  close(): void {
    if (this.#ended !== undefined) return;
    this.#ended = new GlyphError('GC_CLOSED', 'The channel to the database is closed', {
      hint: 'Open a channel anew, and give the provider a source over it.',
    });
    const error = toWireError(this.#ended);
    for (const [id, receiver] of this.#receivers) receiver({ type: 'failed', id, error });
    this.#receivers.clear();
    this.#line.close();
  }

  #open(target: Target, tell: (state: QueryState) => void): () => void {
    let rows: readonly Row[] = [];
    return this.#ask({ type: 'observe', target }, (message) => {
      if (message.type === 'failed') {
        tell(failure(fromWireError(message.error)));
        return;
      }
      if (message.type === 'rows') rows = Object.freeze(message.rows);
      else if (message.type === 'patch') rows = patched(rows, message.pieces);
      tell(success(rows));
    });
  }

  #call(type: 'dispatch' | 'request', action: string, payload: unknown): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const done = this.#ask({ type, action, payload }, (message) => {
        done();
        if (message.type === 'answer') resolve(message.value);
        else if (message.type === 'failed') reject(fromWireError(message.error));
      });
    });
  }

  /** Says something that is answered; call what it returns to hear no more. */
  #ask(message: Asked, receiver: Receiver): () => void {
    const id = (this.#lastId += 1);
    const sent = { ...message, id } as ToHost;
    try {
      if (this.#ended !== undefined) throw this.#ended;
      this.#receivers.set(id, receiver);
      this.#line.sendChecked(sent);
    } catch (thrown) {
      this.#receivers.delete(id);
      const error = thrown instanceof GlyphError ? thrown : unsendable(thrown);
      queueMicrotask(() => receiver({ type: 'failed', id, error: toWireError(error) }));
      return () => undefined;
    }
    return () => {
      if (!this.#receivers.delete(id) || sent.type === 'dispatch' || sent.type === 'request') return;
      this.#line.send({ type: 'release', id } satisfies ToHost);
    };
  }
}

const unsendable = (cause: unknown): GlyphError =>
  new GlyphError('GC_BAD_VALUE', `This cannot be sent over a channel: ${String(cause)}`, { cause });
