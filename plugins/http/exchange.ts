/**
 * One request and its answer, redirects included.
 *
 * Invariants: every hop is held against the list of hosts; at most 1 MiB is read, counted after decoding, so a small answer that
 * unpacks into a large one is cut off too; all of it is under one time limit, by the host's clock.
 */
import type { fetch as undiciFetch, RequestInit, Response } from 'undici';
import { isIP } from 'node:net';
import { formatDuration, GlyphError, messageOf } from '../../sdk/plugin.ts';
import type { Clock } from '../../sdk/plugin.ts';
import { VERSION } from '../../sdk/version.ts';
import { placeOf } from './hosts.ts';
import type { HostList, Place } from './hosts.ts';
import { MAX_BODY, readUrl } from './request.ts';
import type { HttpAnswer, HttpRequest } from './types.ts';

export type Fetch = (url: URL, init: RequestInit) => ReturnType<typeof undiciFetch>;

export interface ExchangeOptions {
  readonly fetch: Fetch;
  readonly hosts: HostList;
  readonly clock: Clock;
  /** Gives up without an answer. */
  readonly signal: AbortSignal;
}

const MAX_REDIRECTS = 5;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
/** Meant for the host they were written for. */
const FOR_ONE_HOST = ['authorization', 'cookie'];

interface Hop {
  readonly url: URL;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | undefined;
}

/** Resolves to an answer, or to why there is none. @throws GC_CLOSED when `signal` was aborted */
export async function exchange(request: HttpRequest, options: ExchangeOptions): Promise<HttpAnswer> {
  const { clock, signal } = options;
  const limit = new AbortController();
  const timer = clock.timeout(() => limit.abort(), request.timeoutMs);
  const at = { url: request.url };
  try {
    return await follow(request, { ...options, signal: AbortSignal.any([signal, limit.signal]) }, at);
  } catch (error) {
    if (signal.aborted) throw new GlyphError('GC_CLOSED', 'The request was given up', { cause: error });
    const late = `no complete answer within ${formatDuration(request.timeoutMs)}`;
    return { url: at.url, error: limit.signal.aborted ? late : reasonOf(error) };
  } finally {
    timer.cancel();
  }
}

/** `at.url` is where it is, for messages. */
async function follow(request: HttpRequest, options: ExchangeOptions, at: { url: string }): Promise<HttpAnswer> {
  const { fetch, hosts, signal } = options;
  let hop: Hop = { ...request, url: readUrl(request.url) };
  for (let redirects = 0; ; redirects++) {
    const { url, method, headers, body } = hop;
    const place = placeOf(url);
    if (!hosts.covers(place)) {
      const why = redirects === 0 ? 'may not be reached any more' : 'is where it was redirected to';
      throw new Error(
        `${url.origin} ${why}; the manifest would need "permissions": { "network": ["${shown(place)}"] }`,
      );
    }
    at.url = url.href;
    const response = await fetch(url, {
      method,
      headers: { 'user-agent': `glyphcase/${VERSION}`, ...headers },
      body: body ?? null,
      redirect: 'manual',
      signal,
    });
    const location = REDIRECTS.has(response.status) ? response.headers.get('location') : null;
    if (location === null) return read(response, url.href);
    await response.body?.cancel();
    if (redirects === MAX_REDIRECTS) throw new Error(`there are more than ${MAX_REDIRECTS} redirects`);
    hop = redirected(hop, response.status, location);
  }
}

/** The next hop, by the rules of the fetch standard. */
function redirected(hop: Hop, status: number, location: string): Hop {
  const target = URL.parse(location, hop.url);
  if (target === null)
    throw new Error(`it was redirected to ${JSON.stringify(location.slice(0, 100))}, which is no URL`);
  const url = readUrl(target.href);
  const becomesGet =
    (status === 303 && hop.method !== 'GET' && hop.method !== 'HEAD') || (status < 303 && hop.method === 'POST');
  const left = Object.entries(hop.headers).filter(
    ([name]) =>
      !(becomesGet && name.startsWith('content-')) && !(url.origin !== hop.url.origin && FOR_ONE_HOST.includes(name)),
  );
  return {
    url,
    method: becomesGet ? 'GET' : hop.method,
    headers: Object.fromEntries(left),
    body: becomesGet ? undefined : hop.body,
  };
}

async function read(response: Response, url: string): Promise<HttpAnswer> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    length += chunk.length;
    // Leaving the loop cancels the rest.
    if (length > MAX_BODY) throw new Error(`the answer is larger than ${MAX_BODY} bytes`);
    chunks.push(chunk);
  }
  const headers: Record<string, string | readonly string[]> = Object.fromEntries(response.headers);
  const cookies = response.headers.getSetCookie();
  if (cookies.length > 0) headers['set-cookie'] = cookies;
  return { url, status: response.status, headers, body: Buffer.concat(chunks) };
}

/** A place as `permissions.network` has it. */
export const shown = ({ host }: Place): string => (isIP(host) === 6 ? `[${host}]` : host);

/** fetch says "fetch failed"; the cause says why. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0]);
  if (error instanceof Error && error.cause !== undefined) return reasonOf(error.cause);
  return messageOf(error).replace(/^http\.request: /, '');
}
