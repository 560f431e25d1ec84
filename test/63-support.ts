/** Hosts with `crypto`, `cache` and `http` for their tests, and servers on this machine to ask. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import { connect, createServer as createTcpServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import cachePlugin from '../plugins/cache/index.ts';
import cryptoPlugin from '../plugins/crypto/index.ts';
import { createHttpPlugin } from '../plugins/http/index.ts';
import type { HttpPluginOptions } from '../plugins/http/index.ts';
import { skillHost } from './60-skills-support.ts';
import type { SkillHost, SkillHostOptions } from './60-skills-support.ts';
import { afterTest } from './support.ts';

/** A host whose skills have `crypto`, `cache` and `http`. */
export async function fullHost(options: SkillHostOptions & HttpPluginOptions = {}): Promise<SkillHost> {
  const host = await skillHost(options);
  const reports = host.kernel.plugins.loadAll([
    { definition: cryptoPlugin, config: {} },
    { definition: cachePlugin, config: {} },
    { definition: createHttpPlugin(options), config: {} },
  ]);
  for (const report of reports) if (report.error !== undefined) throw report.error;
  await host.skills.settled();
  return host;
}

/** What a request brought. */
export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export interface TestServer {
  /** `127.0.0.1:12345` */
  readonly host: string;
  readonly port: number;
  /** `http://127.0.0.1:12345` */
  readonly origin: string;
  readonly seen: Seen[];
  /** Requests that are being answered now. */
  readonly open: number;
  close(): Promise<void>;
}

/** Answers every request with `answer`, once its body has come. */
export async function serve(
  answer: (seen: Seen, response: ServerResponse, request: IncomingMessage) => unknown,
): Promise<TestServer> {
  const seen: Seen[] = [];
  let open = 0;
  const listener: RequestListener = (request, response) => {
    const chunks: Buffer[] = [];
    open += 1;
    response.once('close', () => (open -= 1));
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method = '', url = '', headers } = request;
      const one = { method, url, headers, body: Buffer.concat(chunks).toString() };
      seen.push(one);
      void answer(one, response, request);
    });
  };
  const server = await listening(createServer(listener));
  const { port } = server.address() as AddressInfo;
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    server.close();
    if (server.listening) await once(server, 'close');
  };
  afterTest(close);
  return {
    host: `127.0.0.1:${port}`,
    port,
    origin: `http://127.0.0.1:${port}`,
    seen,
    get open() {
      return open;
    },
    close,
  };
}

/** A server that speaks as it likes. */
export async function serveRaw(
  talk: (socket: Socket) => void,
): Promise<{ readonly host: string; readonly origin: string }> {
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).once('data', () => talk(socket));
  });
  await listening(server);
  afterTest(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { host, origin: `http://${host}` };
}

async function listening<S extends Server | ReturnType<typeof createTcpServer>>(server: S): Promise<S> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

/** Whether anything listens there. */
export async function answers(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** A manifest that may reach these, and write the tables. */
export const reach = (
  network: readonly string[],
  ...tables: readonly string[]
): { readonly permissions: Readonly<Record<string, unknown>> } => ({
  permissions: { network, database: { read: tables, write: tables } },
});
