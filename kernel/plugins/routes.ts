/**
 * The HTTP routes of all plugins, and who answers a request.
 *
 * The kernel opens no port: a host passes requests on from whatever server it has.
 * Invariants: no two routes fit a request equally well; what a handler throws is logged and never shown to the client.
 */
import { GlyphError, messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { Disposer, RouteHandler, RouteParams } from './types.ts';

/** A route as a plugin registers it. */
export interface Route {
  readonly method: string;
  /** `/metrics`, `/orders/:id`, `/files/*`. */
  readonly path: string;
  readonly plugin: string;
  readonly handler: RouteHandler;
}

interface Entry extends Route {
  readonly segments: readonly string[];
  /** The path with the names of its parameters left out: two routes of one shape fit the same requests. */
  readonly shape: string;
}

const METHOD = /^[A-Z]+$/;
const SEGMENT = /^(?:[^/:*?#\s]+|:[A-Za-z_][A-Za-z0-9_]*)$/;

export class Routes {
  readonly #logger: Logger;
  #entries: readonly Entry[] = [];

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** @throws GC_BAD_ARGUMENT for a wrong method, path or handler; GC_BAD_PLUGIN when another plugin has the route, naming both */
  check(route: Route): void {
    this.#assertFree(entryOf(route));
  }

  /** @throws as {@link check}; GC_BAD_PLUGIN when the plugin itself has the route already */
  add(route: Route): Disposer {
    const entry = entryOf(route);
    this.#assertFree(entry);
    const twin = this.#entries.find((other) => isSame(other, entry));
    if (twin !== undefined) throw conflict(entry, twin);
    // The most particular first, so that the first that fits is the one that answers.
    this.#entries = [...this.#entries, entry].sort((a, b) => compareSegments(a.segments, b.segments));
    return () => {
      this.#entries = this.#entries.filter((other) => other !== entry);
    };
  }

  /** Answers a request. Never rejects: 404 when no path fits, 405 when only the method does not, 500 when the handler fails. */
  async handle(request: Request): Promise<Response> {
    const segments = new URL(request.url).pathname.split('/').slice(1);
    const fitting = this.#entries.filter((entry) => fits(entry.segments, segments));
    if (fitting.length === 0) return plain(404, 'Not Found');
    const found = fitting.find(({ method }) => method === request.method);
    const entry = found ?? (request.method === 'HEAD' ? fitting.find(({ method }) => method === 'GET') : undefined);
    if (entry === undefined) {
      const allow = [...new Set(fitting.flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : [method])))];
      return plain(405, 'Method Not Allowed', { allow: allow.join(', ') });
    }
    const response = await this.#answer(entry, request, paramsOf(entry.segments, segments));
    return found === undefined ? new Response(null, response) : response;
  }

  async #answer({ plugin, method, path, handler }: Entry, request: Request, params: RouteParams): Promise<Response> {
    try {
      const response = (await handler(request, params)) as unknown;
      if (response instanceof Response) return response;
      throw new GlyphError(
        'GC_BAD_PLUGIN',
        `it returned ${response === null ? 'null' : typeof response}, which is no Response`,
        { plugin },
      );
    } catch (error) {
      this.#logger.error(`plugin '${plugin}': the route ${method} ${path} failed: ${messageOf(error)}`, {
        plugin,
        error,
      });
      return plain(500, 'Internal Server Error');
    }
  }

  #assertFree(entry: Entry): void {
    const holder = this.#entries.find((other) => other.plugin !== entry.plugin && isSame(other, entry));
    if (holder !== undefined) throw conflict(entry, holder);
  }
}

function entryOf(route: Route): Entry {
  const { method, path, handler } = route;
  if (typeof method !== 'string' || !METHOD.test(method)) {
    throw new GlyphError('GC_BAD_ARGUMENT', `route(method, path, handler): ${JSON.stringify(method)} is no method`, {
      hint: "Write it in capital letters: 'GET', 'POST', 'DELETE'.",
    });
  }
  const segments = typeof path === 'string' && path.startsWith('/') ? path.split('/').slice(1) : undefined;
  const last = (segments?.length ?? 0) - 1;
  const wrong = segments?.find((segment, index) => !isSegment(segment, index === last));
  if (segments === undefined || wrong !== undefined) {
    throw new GlyphError('GC_BAD_ARGUMENT', `route(method, path, handler): ${JSON.stringify(path)} is no path`, {
      hint: "Paths are such as '/metrics', '/orders/:id' and, for all below a folder, '/files/*'.",
    });
  }
  if (typeof handler !== 'function') {
    throw new GlyphError('GC_BAD_ARGUMENT', `route('${method}', '${path}', handler): the handler is not a function`);
  }
  return { ...route, segments, shape: segments.map((part) => (part.startsWith(':') ? ':' : part)).join('/') };
}

function isSegment(segment: string, isLast: boolean): boolean {
  return SEGMENT.test(segment) || (isLast && (segment === '' || segment === '*'));
}

const isSame = (a: Entry, b: Entry): boolean => a.method === b.method && a.shape === b.shape;

function conflict(wanted: Entry, holder: Entry): GlyphError {
  const route = `${wanted.method} ${wanted.path}`;
  const message = `plugin '${wanted.plugin}' routes ${route}, which plugin '${holder.plugin}' routes already`;
  return new GlyphError('GC_BAD_PLUGIN', message, { plugin: wanted.plugin, hint: 'Give one of the two another path.' });
}

/** Literal before parameter before rest, from the left; the longer of two that begin alike. */
function compareSegments(a: readonly string[], b: readonly string[]): number {
  const rank = (segment: string | undefined): number => {
    if (segment === undefined || segment === '*') return 2;
    return segment.startsWith(':') ? 1 : 0;
  };
  for (let index = 0; index < Math.max(a.length, b.length); index++) {
    const order = rank(a[index]) - rank(b[index]);
    if (order !== 0) return order;
  }
  return 0;
}

function fits(pattern: readonly string[], segments: readonly string[]): boolean {
  const isOpen = pattern.at(-1) === '*';
  const fixed = isOpen ? pattern.slice(0, -1) : pattern;
  if (isOpen ? segments.length <= fixed.length : segments.length !== fixed.length) return false;
  return fixed.every((part, index) => {
    const segment = segments[index] ?? '';
    return part.startsWith(':') ? segment !== '' : part === segment || part === decoded(segment);
  });
}

function paramsOf(pattern: readonly string[], segments: readonly string[]): RouteParams {
  const named = pattern.flatMap((part, index): [string, string][] => {
    if (part === '*') return [['*', segments.slice(index).map(decoded).join('/')]];
    return part.startsWith(':') ? [[part.slice(1), decoded(segments[index] ?? '')]] : [];
  });
  return Object.fromEntries(named);
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

function plain(status: number, text: string, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(`${text}\n`, { status, headers: { 'content-type': 'text/plain; charset=utf-8', ...headers } });
}
