/**
 * Two-way channels of messages, as browsers and Node.js have them, made alike.
 *
 * Invariants: messages arrive in the order in which they were sent; what is sent in one turn of the event loop arrives in one.
 */
import { decode, encode } from './codec.ts';

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
}

const CONNECTING = 0;

/** One end of a channel. */
export class Line {
  readonly #channel: Channel;
  readonly #events = new AbortController();
  #waiting: unknown[] = [];
  #isConnecting: boolean;

  constructor(channel: Channel, { receive, closed }: LineHandlers) {
    this.#channel = channel;
    this.#isConnecting = 'send' in channel && channel.readyState === CONNECTING;
    (channel as { onmessage: unknown }).onmessage = ({ data }: { readonly data: unknown }) => {
      for (const message of this.#read(data)) receive(message);
    };
    this.#on('close', closed);
    this.#on('open', () => {
      this.#isConnecting = false;
      this.#flush();
    });
  }

  send(message: object): void {
    if (this.#waiting.push(message) === 1) queueMicrotask(() => this.#flush());
  }

  /** For what strangers put into a message. @throws a DataCloneError for what no channel can pass; then nothing is sent */
  sendChecked(message: object): void {
    this.send(structuredClone(message));
  }

  close(): void {
    this.#waiting = [];
    this.#events.abort();
    this.#channel.onmessage = null;
  }

  #flush(): void {
    if (this.#isConnecting || this.#waiting.length === 0) return;
    const messages = this.#waiting;
    this.#waiting = [];
    if ('send' in this.#channel) this.#channel.send(JSON.stringify(encode(messages)));
    else this.#channel.postMessage(messages);
  }

  /** What is not of this protocol is nobody's. */
  #read(data: unknown): readonly unknown[] {
    if (!('send' in this.#channel)) return Array.isArray(data) ? data : [];
    try {
      const messages: unknown = decode(JSON.parse(String(data)));
      return Array.isArray(messages) ? messages : [];
    } catch {
      return [];
    }
  }

  #on(event: string, listener: () => void): void {
    const { addEventListener } = this.#channel as Partial<EventTarget>;
    addEventListener?.call(this.#channel, event, listener, { signal: this.#events.signal });
  }
}
