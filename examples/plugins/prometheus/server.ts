/**
 * A server of its own for the metrics, for hosts that have none to mount them on.
 *
 * Invariants: it answers GET of one path and nothing else, and does not keep the process alive; an instance of the plugin that
 * takes over takes the server with it, so that no request is refused during a reload.
 */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { GlyphError, messageOf } from 'glyphcase/sdk';

export interface ServerOptions {
  readonly port: number;
  readonly host: string;
}

/** What is answered; rejects when the metrics cannot be read. */
export type Answer = () => Promise<{ readonly type: string; readonly text: string }>;

interface Holder {
  readonly path: string;
  readonly answer: Answer;
}

/** Listens for as long as anybody holds it; who came last answers. */
export class MetricsServer {
  readonly #server: Server;
  readonly #asked: ServerOptions;
  #holders: readonly Holder[] = [];

  private constructor(options: ServerOptions) {
    this.#asked = options;
    this.#server = createServer((request, response) => this.#respond(request, response));
    this.#server.unref();
  }

  /** Resolves when it listens. @throws GC_BAD_OPTION when it cannot */
  static async listen(options: ServerOptions): Promise<MetricsServer> {
    const metrics = new MetricsServer(options);
    await new Promise<void>((resolve, reject) => {
      metrics.#server.on('error', (error) => reject(cannotListen(error, options)));
      metrics.#server.listen(options.port, options.host, resolve);
    });
    return metrics;
  }

  /** Whether it listens where these options want it to. */
  fits({ port, host }: ServerOptions): boolean {
    return this.#server.listening && port === this.#asked.port && host === this.#asked.host;
  }

  urlOf(path: string): string {
    const { address, family, port } = this.#server.address() as AddressInfo;
    return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}${path}`;
  }

  /** Answers from now on. What it returns gives the server back, and closes it when nobody else has it. */
  hold(path: string, answer: Answer): () => Promise<void> {
    const holder = { path, answer };
    this.#holders = [...this.#holders, holder];
    return async () => {
      this.#holders = this.#holders.filter((other) => other !== holder);
      if (this.#holders.length > 0) return;
      await new Promise((resolve) => {
        this.#server.close(resolve);
        this.#server.closeAllConnections();
      });
    };
  }

  #respond(request: IncomingMessage, response: ServerResponse): void {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    const holder = this.#holders.at(-1);
    if (holder === undefined || pathname !== holder.path) {
      end(response, 404, 'Not Found');
    } else if (request.method !== 'GET' && request.method !== 'HEAD') {
      end(response, 405, 'Method Not Allowed');
    } else {
      holder.answer().then(
        ({ type, text }) => end(response, 200, text, type),
        (error: unknown) => end(response, 500, messageOf(error)),
      );
    }
  }
}

function end(response: ServerResponse, status: number, text: string, type = 'text/plain; charset=utf-8'): void {
  response.writeHead(status, { 'content-type': type });
  response.end(text);
}

const cannotListen = (error: Error, { host, port }: ServerOptions): GlyphError =>
  new GlyphError('GC_BAD_OPTION', `The metrics cannot be served at ${host}:${port}: ${error.message}`, {
    hint: 'Give another `port` or `host`, or none, and mount the route of the host on your own server.',
    cause: error,
  });
