/**
 * Two-way channels of messages, as browsers and Node.js have them, made alike.
 *
 * Invariants: messages arrive in the order in which they were sent; what is sent in one turn of the event loop arrives in one;
 * a message that cannot be sent, or whose receiver throws, takes no other message with it.
 */
import { GlyphError } from '../../kernel/errors.ts';
import { decode, encodeStrictly } from './codec.ts';

/** Passes objects: a MessagePort, a Worker, or whatever has these two. */
export interface ObjectChannel {
  postMessage(message: unknown): void;
  onmessage: ((event: never) => unknown) | null;
}

/** Passes texts: a WebSocket, or whatever has these. */
export interface TextChannel {
  send(text: string): void;
  onmessage: ((event: never) => unknown) | null;
  /** 0 while it is not open yet; then it says so by an event `open`. */
  readonly readyState?: number;
}

export type Channel = ObjectChannel | TextChannel;

export interface LineHandlers {
  readonly receive: (message: unknown) => void;
  /** The other end is gone, as far as the channel tells. */
  readonly closed: () => void;
  /** The channel cannot pass this one. */
  readonly unsent: (message: object, error: unknown) => void;
  /** One message of the channel, of however many of ours, has left. */
  readonly left?: () => void;
  /** One has come. */
  readonly came?: () => void;
}

const CONNECTING = 0;
/** No engine makes texts much longer than twice this. */
const MOST_CHARACTERS = 200_000_000;

/** One end of a channel. */
export class Line {
  readonly #channel: Channel;
  readonly #handlers: LineHandlers;
  readonly #events = new AbortController();
  /** Texts for a channel of texts. */
  #waiting: (object | string)[] = [];
  #isConnecting: boolean;

  /** @throws GC_BAD_ARGUMENT for what is no channel */
  constructor(channel: Channel, handlers: LineHandlers) {
    assertChannel(channel);
    this.#channel = channel;
    this.#handlers = handlers;
    this.#isConnecting = 'send' in channel && channel.readyState === CONNECTING;
    (channel as { onmessage: unknown }).onmessage = ({ data }: { readonly data: unknown }) => this.#receive(data);
    this.#on('close', handlers.closed);
    this.#on('open', () => {
      this.#isConnecting = false;
      this.#flush();
    });
  }

  send(message: object): void {
    try {
      this.#add('send' in this.#channel ? textOf(message) : message);
    } catch (error) {
      this.#handlers.unsent(message, error);
    }
  }

  /** For what strangers put into a message. @throws why no channel, or not this one, can pass it; then nothing is sent */
  sendChecked(message: object): void {
    this.#add('send' in this.#channel ? textOf(message) : structuredClone(message));
  }

  /** The last words, if they still can be said. */
  end(messages: readonly object[]): void {
    for (const message of messages) this.send(message);
    this.#flush();
    this.close();
  }

  close(): void {
    this.#waiting = [];
    this.#events.abort();
    this.#channel.onmessage = null;
  }

  #add(message: object | string): void {
    if (this.#waiting.push(message) === 1) queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    if (this.#isConnecting || this.#waiting.length === 0) return;
    const messages = this.#waiting;
    this.#waiting = [];
    if ('send' in this.#channel) this.#sendTexts(this.#channel, messages as string[]);
    else this.#post(this.#channel, messages as object[]);
  }

  #sendTexts(channel: TextChannel, texts: readonly string[]): void {
    const length = texts.reduce((sum, text) => sum + text.length + 1, 2);
    const parts = length <= MOST_CHARACTERS ? [texts] : texts.map((text) => [text]);
    try {
      for (const part of parts) {
        channel.send(`[${part.join(',')}]`);
        this.#handlers.left?.();
      }
    } catch {
      // A channel that takes no texts has no other end.
      this.#handlers.closed();
    }
  }

  #post(channel: ObjectChannel, messages: readonly object[]): void {
    try {
      channel.postMessage(messages);
      this.#handlers.left?.();
      return;
    } catch (error) {
      if (messages.length === 1) {
        this.#handlers.unsent(messages[0] as object, error);
        return;
      }
    }
    for (const message of messages) this.#post(channel, [message]);
  }

  /** @throws what a receiver threw, after all of them have been given theirs */
  #receive(data: unknown): void {
    const thrown: unknown[] = [];
    const messages = this.#read(data);
    if (messages.length > 0) this.#handlers.came?.();
    for (const message of messages) {
      try {
        this.#handlers.receive(message);
      } catch (error) {
        thrown.push(error);
      }
    }
    if (thrown.length > 0) throw thrown[0];
  }

  /** What is not of this protocol is nobody's. */
  #read(data: unknown): readonly unknown[] {
    if (!('send' in this.#channel)) return Array.isArray(data) ? data : [];
    try {
      const messages: unknown = JSON.parse(String(data));
      return Array.isArray(messages) ? messages.flatMap(decoded) : [];
    } catch {
      return [];
    }
  }

  #on(event: string, listener: () => void): void {
    const { addEventListener } = this.#channel as Partial<EventTarget>;
    addEventListener?.call(this.#channel, event, listener, { signal: this.#events.signal });
  }
}

const textOf = (message: object): string => JSON.stringify(encodeStrictly(message));

function decoded(message: unknown): readonly unknown[] {
  try {
    return [decode(message)];
  } catch {
    return [];
  }
}

/** Types do not hold at run time; and what has no `onmessage` would never be heard. @throws GC_BAD_ARGUMENT */
export function assertChannel(channel: unknown): void {
  const isObject = typeof channel === 'object' && channel !== null;
  const { postMessage, send } = (isObject ? channel : {}) as {
    readonly postMessage?: unknown;
    readonly send?: unknown;
  };
  if (isObject && (typeof postMessage === 'function' || typeof send === 'function') && 'onmessage' in channel) return;
  throw new GlyphError(
    'GC_BAD_ARGUMENT',
    'A channel is an object with onmessage and either postMessage() or send(): a MessagePort, a web Worker or a WebSocket',
    { hint: 'A Worker of Node.js has no onmessage: give it a port of a MessageChannel, and take the other one.' },
  );
}
