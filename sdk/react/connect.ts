/**
 * A source at the other end of a channel.
 *
 * Invariants: results are kept by applying what changed, so an unchanged row stays the same object; when the channel closes,
 * every query is an error and every call that waits is refused; over another channel, what is still shown is asked for again.
 */
import { GlyphError } from '../../kernel/errors.ts';
import type { Row } from '../../kernel/database/types.ts';
import { assertChannel, Line } from './channel.ts';
import type { Channel } from './channel.ts';
import type { LiveSourceOptions } from './in-process.ts';
import { failure, success } from './live-source.ts';
import type { LiveSource, QueryState, Target, WatchListener, WatchRequest } from './live-source.ts';
import { Observations } from './observations.ts';
import { kept, patched } from './patch.ts';
import { ownTimers } from './timers.ts';
import { fromWireError, READ_AT_ONCE, readToClient, toWireError, unsendable } from './wire.ts';
import type { ToClient, ToHost } from './wire.ts';

/** Told of what the host says to one id. */
type Receiver = (message: ToClient) => void;
/** A message without its id. */
type Asked = ToHost extends infer One ? (One extends ToHost ? Omit<One, 'id'> : never) : never;

/** What the host was asked, and owes an answer to. */
interface Open {
  readonly message: ToHost;
  readonly receiver: Receiver;
  /** It was asked again over another channel. */
  readonly again: (() => void) | undefined;
}

const KEEP_MS = 1000;

/** A source whose database is elsewhere. */
export interface ConnectedSource extends LiveSource {
  /**
   * Goes on over another channel, or over the same one after the host served it anew. What is shown is asked for again, and rows
   * that are as they were stay the same objects; they are shown meanwhile, unless the channel before was closed. Watches begin
   * anew: what changed in between is not told. Actions that wait for an answer are refused with GC_CLOSED, as they may have been
   * heard. @throws GC_CLOSED after `close()`, GC_BAD_ARGUMENT for what is no channel
   */
  reconnect(channel: Channel): void;
  /** Ends it for good: queries are errors with the code GC_CLOSED from then on. The channel itself is left open. */
  close(): void;
}

/**
 * The source that {@link serveLiveSource} serves at the other end of a channel: a MessagePort, a web Worker or a WebSocket, whose
 * `onmessage` it takes. It does not connect again by itself: see {@link ConnectedSource.reconnect}.
 * @throws GC_BAD_ARGUMENT for what is no channel
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
  readonly #open = new Map<number, Open>();
  #line: Line;
  #lastId = 0;
  /** Why nothing can be asked at present. */
  #down: GlyphError | undefined;
  #isOver = false;

  constructor(channel: Channel, { keep = KEEP_MS, timers = ownTimers }: LiveSourceOptions) {
    const open = (target: Target, tell: (state: QueryState) => void): (() => void) => this.#observe(target, tell);
    const observations = new Observations({ open, timers, keep });
    this.observe = (target) => observations.observe(target);
    this.#line = this.#join(channel);
  }

  watch(request: WatchRequest, { changed, failed, restored }: WatchListener): () => void {
    const receiver: Receiver = (message) => {
      if (message.type === 'events') changed(message.events, message.batch);
      else if (message.type === 'failed') failed(fromWireError(message.error));
    };
    return this.#ask({ type: 'watch', request }, receiver, restored);
  }

  dispatch(action: string, payload?: unknown): Promise<number> {
    return this.#call('dispatch', action, payload) as Promise<number>;
  }

  request<T = unknown>(action: string, payload?: unknown): Promise<T> {
    return this.#call('request', action, payload) as Promise<T>;
  }

  reconnect(channel: Channel): void {
    if (this.#isOver) throw this.#down as GlyphError;
    assertChannel(channel);
    if (this.#down === undefined) this.#leave();
    this.#down = undefined;
    this.#line = this.#join(channel);
    this.#refuse(isCall, closed());
    for (const { message, again } of [...this.#open.values()]) {
      this.#line.send(message);
      again?.();
    }
  }

  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#down === undefined) {
      this.#leave();
      this.#ended();
    }
    this.#open.clear();
  }

  #join(channel: Channel): Line {
    let read = 0;
    const line: Line = new Line(channel, {
      receive: (message) => this.#receive(message),
      closed: () => this.#ended(),
      unsent: (message, error) => this.#fail((message as ToHost).id, unsendable(error)),
      came: () => {
        read += 1;
        if (read % READ_AT_ONCE === 0) line.send({ type: 'read', id: 0 } satisfies ToHost);
      },
    });
    return line;
  }

  /** The host need not keep current what nobody hears. */
  #leave(): void {
    const asked = [...this.#open.values()].filter(({ message }) => !isCall(message));
    this.#line.end(asked.map(({ message: { id } }) => ({ type: 'release', id }) satisfies ToHost));
  }

  #receive(given: unknown): void {
    const message = readToClient(given);
    if (message?.type === 'closed') this.#ended();
    else if (message !== undefined) this.#open.get(message.id)?.receiver(message);
  }

  #ended(): void {
    if (this.#down !== undefined) return;
    this.#down = closed();
    this.#line.close();
    this.#refuse(() => true, this.#down);
  }

  /** @throws what a listener threw, after all of them were told */
  #refuse(which: (message: ToHost) => boolean, reason: GlyphError): void {
    const error = toWireError(reason);
    const thrown: unknown[] = [];
    for (const [id, { message, receiver }] of [...this.#open]) {
      if (!which(message)) continue;
      try {
        receiver({ type: 'failed', id, error });
      } catch (problem) {
        thrown.push(problem);
      }
    }
    if (thrown.length > 0) throw thrown[0];
  }

  #fail(id: number, error: GlyphError): void {
    this.#open.get(id)?.receiver({ type: 'failed', id, error: toWireError(error) });
  }

  #observe(target: Target, tell: (state: QueryState) => void): () => void {
    let rows: readonly Row[] = [];
    return this.#ask({ type: 'observe', target }, (message) => {
      if (message.type === 'failed') {
        tell(failure(fromWireError(message.error)));
        return;
      }
      if (message.type === 'rows') rows = kept(rows, message.rows);
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
  #ask(message: Asked, receiver: Receiver, again?: () => void): () => void {
    const id = (this.#lastId += 1);
    let isOver = false;
    const refused = (error: GlyphError): void => {
      if (!isOver) receiver({ type: 'failed', id, error: toWireError(error) });
    };
    try {
      // It may be asked again later, when the caller has done something else with what it holds.
      const sent = structuredClone({ ...message, id }) as ToHost;
      if (this.#down === undefined) this.#line.sendChecked(sent);
      else this.#askLater(sent, refused);
      if (this.#down === undefined || !isCall(sent)) this.#open.set(id, { message: sent, receiver, again });
    } catch (thrown) {
      queueMicrotask(() => refused(unsendable(thrown)));
    }
    return () => {
      isOver = true;
      if (
        !this.#open.delete(id) ||
        this.#down !== undefined ||
        message.type === 'dispatch' ||
        message.type === 'request'
      )
        return;
      this.#line.send({ type: 'release', id } satisfies ToHost);
    };
  }

  /** Nothing can be asked at present: refused now, and asked with everything else when there is another channel. */
  #askLater(message: ToHost, refused: (error: GlyphError) => void): void {
    const down = this.#down as GlyphError;
    queueMicrotask(() => {
      if (this.#down === down || isCall(message)) refused(down);
    });
  }
}

const isCall = ({ type }: ToHost): boolean => type === 'dispatch' || type === 'request';

const closed = (): GlyphError =>
  new GlyphError('GC_CLOSED', 'The channel to the database is closed', {
    hint: 'Open a channel anew, and go on with source.reconnect(channel), or give the provider a source over it.',
  });
