/**
 * A page in the system's Chromium, served from here, and the host it talks to.
 *
 * Each page has a channel of its own: what the host says goes out as server-sent events, what the page says comes by POST.
 */
import { build } from 'esbuild';
import { execFileSync } from 'node:child_process';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { chromium } from 'playwright-core';
import type { Browser, Page } from 'playwright-core';
import type { GlyphCase } from '../sdk/index.ts';
import { liveSource, serveLiveSource } from '../sdk/react/index.ts';
import type { TextChannel } from '../sdk/react/index.ts';
import { afterTest } from './support.ts';

/** The path of Chromium; undefined where there is none, which is said and, where all tests have to run, is an error. */
export const chromiumPath = ((): string | undefined => {
  for (const name of ['chromium', 'chromium-browser', 'google-chrome']) {
    try {
      return execFileSync('which', [name], { encoding: 'utf8', stdio: 'pipe' }).trim();
    } catch {
      continue;
    }
  }
  const message = 'There is no Chromium here (apt-get install chromium), so the hooks are not tested in a page.';
  if (process.env['GLYPHCASE_NO_SKIP'] !== undefined) throw new Error(message);
  console.warn(`\n*** ${message}\n`);
  return undefined;
})();

export const launch = (): Promise<Browser> =>
  chromium.launch({ executablePath: chromiumPath!, args: ['--disable-gpu'] });

/** The page's program, with React as it is in development. */
export async function bundle(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, '82-react-page.ts')],
    bundle: true,
    write: false,
    format: 'esm',
    define: { 'process.env.NODE_ENV': '"development"' },
  });
  return outputFiles[0]!.text;
}

class HostEnd extends EventTarget implements TextChannel {
  onmessage: ((event: { readonly data: string }) => unknown) | null = null;
  readonly #response: ServerResponse;

  constructor(response: ServerResponse) {
    super();
    this.#response = response;
  }

  send(message: string): void {
    this.#response.write(`data: ${message}\n\n`);
  }
}

export interface Opened {
  readonly page: Page;
  /** What the page's console complained of. */
  readonly complaints: readonly string[];
}

export interface PageOptions {
  readonly script: string;
  /** What stands in the page before its program runs. */
  readonly html?: string;
  readonly rows?: string;
}

/** Serves a database to a new page, and opens it. */
export async function openPage(browser: Browser, db: GlyphCase, options: PageOptions): Promise<Opened> {
  const server = createServer((request, response) => void answer(request, response, db, options));
  afterTest(() => closed(server));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const page = await browser.newPage();
  afterTest(() => page.close());
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  await page.waitForFunction(() => 'page' in window);
  return { page, complaints };
}

const ends = new Map<string, HostEnd>();

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  db: GlyphCase,
  { script, html = '', rows = '{}' }: PageOptions,
): Promise<void> {
  const url = request.url ?? '/';
  if (url === '/app.js') {
    response.setHeader('content-type', 'text/javascript; charset=utf-8').end(script);
  } else if (!url.startsWith('/channel/')) {
    const body = `<div id="root">${html}</div><script>window.rows = ${rows}</script><script type="module" src="/app.js"></script>`;
    response
      .setHeader('content-type', 'text/html; charset=utf-8')
      .end(`<!doctype html><link rel="icon" href="data:,">${body}`);
  } else if (request.method === 'POST') {
    ends.get(url)?.onmessage?.({ data: await text(request) });
    response.writeHead(204).end();
  } else {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
    const end = new HostEnd(response);
    ends.set(url, end);
    serveLiveSource(liveSource(db, { keep: 0 }), end);
    response.on('close', () => {
      ends.delete(url);
      end.dispatchEvent(new Event('close'));
    });
  }
}

const closed = (server: Server): Promise<void> =>
  new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
