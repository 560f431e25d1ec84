/**
 * Serves a source to whoever holds the other end of a channel: first the rows, then what changes in them.
 *
 * Invariants: nothing but SELECTs, watches and actions can be asked for, and of these what is allowed, and not too many; when the
 * channel closes nothing stays open; a client is never left with rows that nobody keeps current without being told, and one
 * that does not read holds up nobody.
 */
import { GlyphError } from '../../kernel/errors.ts';
import type { Row } from '../../kernel/database/types.ts';
import { Line } from './channel.ts';
import type { Channel } from './channel.ts';
import { liveSource } from './in-process.ts';
import type { LiveDatabase } from './in-process.ts';
import { listenerError } from './live-source.ts';
import type { LiveQuery, LiveSource, WatchRequest } from './live-source.ts';
import { EventLine, Pace } from './pace.ts';
import { patchOf } from './patch.ts';
import { readToHost, toWireError, unsendable } from './wire.ts';
import type { ChannelRequest, ToClient, ToHost } from './wire.ts';

export interface ServeOptions {
  /**
   * Asked about each query, watch and action; only `true` allows it, and what it throws refuses it. The client's query is an
   * error with the code GC_PERMISSION then. @defaultValue everything is allowed
   */
  readonly allow?: (request: ChannelRequest) => boolean;
  /** How many queries and watches a client may have open; any more are GC_TOO_MANY. @defaultValue 1000 */
  readonly maxQueries?: number;
  /** How many of a client's actions may wait for their answers; any more are GC_TOO_MANY. @defaultValue 1000 */
  readonly maxActions?: number;
}

const MAX_QUERIES = 1000;
const MAX_ACTIONS = 1000;

/**
 * Serves a database to the other end of a channel, where {@link connectLiveSource} makes a source of it. Gives whoever holds
 * that end the right to run any SELECT and to dispatch any action, and no other: without `allow`, hand it only to whom you would
 * show the whole database. Call what it returns to stop; the client is told.
 * @throws GC_BAD_ARGUMENT for what is no channel, GC_BAD_OPTION
 * @example
 * ```ts
 * const { port1, port2 } = new MessageChannel();
 * serveLiveSource(db, port1);
 * worker.postMessage({ port: port2 }, [port2]);
 * ```
 */
export function serveLiveSource(
  from: LiveDatabase | LiveSource,
  channel: Channel,
  options: ServeOptions = {},
): () => void {
  if (typeof from !== 'object' || (from as object | null) === null)
    throw new GlyphError('GC_BAD_ARGUMENT', 'serveLiveSource() takes a database or a source, and a channel');
  const server = new Server('observe' in from ? from : liveSource(from), channel, checked(options));
  return () => server.stop();
}

interface Limits {
  readonly allow: ServeOptions['allow'];
  readonly maxQueries: number;
  readonly maxActions: number;
}

/** @throws GC_BAD_OPTION */
function checked({ allow, maxQueries = MAX_QUERIES, maxActions = MAX_ACTIONS }: ServeOptions): Limits {
  if (allow !== undefined && typeof allow !== 'function')
    throw new GlyphError('GC_BAD_OPTION', 'serveLiveSource(): "allow" is a function');
  for (const [name, value] of Object.entries({ maxQueries, maxActions }))
    if (value !== Infinity && !(Number.isInteger(value) && value > 0))
      throw new GlyphError('GC_BAD_OPTION', `serveLiveSource(): "${name}" is a whole number from 1 on, or Infinity`);
  return { allow, maxQueries, maxActions };
}

/** Something a client observes or watches. */
interface Kept {
  readonly stop: () => void;
  /** What was sent did not arrive. */
  readonly unsent?: () => void;
}

class Server {
  readonly #source: LiveSource;
  readonly #limits: Limits;
  readonly #line: Line;
  readonly #pace = new Pace();
  /** What is observed and watched, by the client's id. */
  readonly #open = new Map<number, Kept>();
  /** Actions that wait for their answers. */
  #actions = 0;
  #isOver = false;

  constructor(source: LiveSource, channel: Channel, limits: Limits) {
    this.#source = source;
    this.#limits = limits;
    this.#line = new Line(channel, {
      receive: (message) => {
        const read = readToHost(message);
        if (read !== undefined) this.#receive(read);
      },
      closed: () => this.#close(),
      unsent: (message, error) => this.#unsent(message as ToClient, error),
      left: () => this.#pace.sent(),
    });
  }

  stop(): void {
    if (this.#isOver) return;
    this.#close(() => this.#line.end([{ type: 'closed', id: 0 } satisfies ToClient]));
  }

  #close(end = (): void => this.#line.close()): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const { stop } of this.#open.values()) stop();
    this.#open.clear();
    end();
  }

  #receive(message: ToHost): void {
    const { id } = message;
    try {
      switch (message.type) {
        case 'read':
          this.#pace.read();
          return;
        case 'release':
          this.#open.get(id)?.stop();
          this.#open.delete(id);
          return;
        default:
          this.#check(message);
      }
      switch (message.type) {
        case 'observe':
          this.#keep(id, this.#send(id, this.#source.observe(message.target)));
          break;
        case 'watch':
          this.#keep(id, this.#watch(id, message.request));
          break;
        default:
          this.#answer(id, this.#source[message.type](message.action, message.payload));
      }
    } catch (error) {
      this.#fail(id, error);
    }
  }

  /** @throws GC_TOO_MANY, GC_PERMISSION */
  #check({ id: _id, ...request }: Asked): void {
    const { allow } = this.#limits;
    if (request.type === 'observe' || request.type === 'watch') assertRoom(this.#open.size, this.#limits, 'maxQueries');
    else assertRoom(this.#actions, this.#limits, 'maxActions');
    // A promise is no answer.
    if (allow === undefined || (allow(request) as unknown) === true) return;
    throw new GlyphError('GC_PERMISSION', `The host does not allow this over the channel: ${nameOf(request)}`, {
      hint: 'What may be asked is decided by the `allow` that the host gave to serveLiveSource().',
    });
  }

  #keep(id: number, kept: Kept): void {
    this.#open.get(id)?.stop();
    this.#open.set(id, kept);
  }

  /** Sends a query's states; what it sent last stays its basis for the next. */
  #send(id: number, query: LiveQuery): Kept {
    let sent: readonly Row[] | undefined;
    const send = (): void => {
      const { status, rows, error } = query.getSnapshot();
      if (status === 'pending') return;
      if (this.#pace.isBehind) {
        this.#pace.wait(send);
        return;
      }
      const before = sent;
      sent = error === undefined ? rows : undefined;
      if (error !== undefined) this.#fail(id, error);
      else if (before === undefined) this.#say({ type: 'rows', id, rows });
      else this.#say({ type: 'patch', id, pieces: patchOf(before, rows) });
    };
    // What failed for others before is tried again for whoever asks now.
    if (query.getSnapshot().status === 'error') query.retry();
    const unsubscribe = query.subscribe(send);
    const stop = (): void => {
      unsubscribe();
      this.#pace.forget(send);
    };
    send();
    return { stop, unsent: () => (sent = undefined) };
  }

  #watch(id: number, request: WatchRequest): Kept {
    const line = new EventLine(this.#pace, (message) => this.#say(message));
    const end = this.#source.watch(request, {
      changed: (events, batch) => line.say({ type: 'events', id, events, batch }),
      failed: (error) => line.say({ type: 'failed', id, error: toWireError(error) }),
    });
    const stop = (): void => {
      end();
      line.end();
    };
    return { stop };
  }

  #answer(id: number, answer: Promise<unknown>): void {
    this.#actions += 1;
    answer
      .then((value) => this.#line.sendChecked({ type: 'answer', id, value } satisfies ToClient))
      .catch((error: unknown) => this.#fail(id, listenerError(error)))
      .finally(() => (this.#actions -= 1));
  }

  /** What the client has is not what it should have, so all of it is sent next time. */
  #unsent({ type, id }: ToClient, error: unknown): void {
    this.#open.get(id)?.unsent?.();
    if (type !== 'failed') this.#fail(id, unsendable(error));
  }

  #fail(id: number, error: unknown): void {
    this.#say({ type: 'failed', id, error: toWireError(error) });
  }

  #say(message: ToClient): void {
    this.#line.send(message);
  }
}

type Asked = Exclude<ToHost, { readonly type: 'release' | 'read' }>;

const COUNTED = { maxQueries: 'open queries and watches', maxActions: 'actions that wait for their answers' } as const;

/** @throws GC_TOO_MANY */
function assertRoom(count: number, limits: Limits, limit: keyof typeof COUNTED): void {
  if (count < limits[limit]) return;
  throw new GlyphError('GC_TOO_MANY', `This client has reached its limit of ${count} ${COUNTED[limit]}`, {
    hint: `End some, or raise the \`${limit}\` that the host gave to serveLiveSource().`,
  });
}

function nameOf(request: ChannelRequest): string {
  switch (request.type) {
    case 'observe':
      return 'sql' in request.target ? request.target.sql : `a row of ${request.target.table}`;
    case 'watch':
      return `watching ${request.request.tableOrQuery}`;
    default:
      return `the action ${request.action}`;
  }
}
