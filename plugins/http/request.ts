/**
 * Reads the table that Lua passes to `http.request`.
 *
 * Invariant: what comes out can be sent as it stands: the URL is one that fetch takes, the body fits, the headers are harmless.
 */
import type { LuaValue } from '../../sdk/lua-types.ts';
import { didYouMean, GlyphError, parseDuration } from '../../sdk/plugin.ts';
import { headersArgument } from './headers.ts';
import { placeOf } from './hosts.ts';
import { encode } from './json.ts';
import type { PlannedRequest } from './types.ts';

const DEFAULT_TIMEOUT_MS = 10_000;
const MAX_TIMEOUT_MS = 60_000;
const MAX_URL = 8192;
const MAX_CONTEXT = 65_536;
/** Of a request's body, and of an answer's when decoded. */
export const MAX_BODY = 1024 * 1024;

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;
const OPTIONS = ['url', 'method', 'headers', 'body', 'json', 'timeout', 'context'] as const;

type Argument = LuaValue | undefined;
type Given = Readonly<Record<string, LuaValue>>;

/** @throws GC_BAD_ARGUMENT */
export function readRequest(value: Argument): PlannedRequest {
  const given = optionsArgument(value);
  const { url, method, headers, timeout, context } = given;
  const body = bodyOf(given);
  const named = headersArgument(headers);
  if ('json' in given && named['content-type'] === undefined) named['content-type'] = 'application/json';
  const verb = methodOf(method, body !== undefined);
  if (body !== undefined && (verb === 'GET' || verb === 'HEAD')) throw refused(`${verb} takes no body`);
  if (context !== undefined && encode(context, 'context').length > MAX_CONTEXT) {
    throw refused(`context takes more than ${MAX_CONTEXT} bytes as JSON`);
  }
  return {
    method: verb,
    url: readUrl(url).href,
    headers: named,
    body,
    timeoutMs: timeoutOf(timeout),
    context,
  };
}

/** The URL as it is used: http or https, without credentials, fragment and a dot at the end of the host. @throws GC_BAD_ARGUMENT */
export function readUrl(value: Argument): URL {
  if (typeof value !== 'string' || value === '')
    throw refused('url must be a text, such as "https://api.example.com/"');
  if (value.length > MAX_URL) throw refused(`url is longer than ${MAX_URL} characters`);
  const url = URL.parse(value);
  if (url === null) throw refused(`${shown(value)} is not a URL`);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw refused(`${shown(value)} is not http or https`);
  if (url.username !== '' || url.password !== '') {
    throw refused(`the URL to ${url.host} contains a user name; send an Authorization header instead`);
  }
  const { host } = placeOf(url);
  if (host === '' || host.split('.').includes('')) throw refused(`${shown(value)} names no host`);
  url.hash = '';
  if (url.hostname.endsWith('.')) url.hostname = host;
  return url;
}

function optionsArgument(value: Argument): Given {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array) {
    throw refused('a table is needed: http.request({ url = "https://…" }, callback)');
  }
  const given = value as Given;
  for (const name of Object.keys(given)) {
    if ((OPTIONS as readonly string[]).includes(name)) continue;
    const near = didYouMean(name, OPTIONS);
    throw refused(`there is no option ${JSON.stringify(name)}${near === undefined ? '' : `; did you mean "${near}"?`}`);
  }
  return given;
}

function methodOf(value: Argument, hasBody: boolean): string {
  if (value === undefined) return hasBody ? 'POST' : 'GET';
  const method = typeof value === 'string' ? value.toUpperCase() : '';
  if ((METHODS as readonly string[]).includes(method)) return method;
  throw refused(`method must be one of ${METHODS.join(', ')}`);
}

function bodyOf(given: Given): Buffer | undefined {
  const { body } = given;
  if ('json' in given) {
    if (body !== undefined) throw refused('give either body or json');
    return sized(Buffer.from(encode(given['json'] ?? null, 'json')));
  }
  if (body === undefined) return undefined;
  if (typeof body !== 'string' && !(body instanceof Uint8Array)) {
    throw refused('body must be a string; a table goes into json');
  }
  return sized(Buffer.from(body));
}

function sized(body: Buffer): Buffer {
  if (body.length <= MAX_BODY) return body;
  throw refused(`the body has ${body.length} bytes; at most ${MAX_BODY} are sent`);
}

function timeoutOf(value: Argument): number {
  if (value === undefined) return DEFAULT_TIMEOUT_MS;
  const ms =
    typeof value === 'number' ? value * 1000 : parseDuration(typeof value === 'string' ? value : '', 'timeout');
  if (ms > 0 && ms <= MAX_TIMEOUT_MS) return ms;
  throw refused(`timeout must be more than 0 and at most ${MAX_TIMEOUT_MS / 1000} s; a number is seconds`);
}

const shown = (text: string): string => JSON.stringify(text.length > 100 ? `${text.slice(0, 99)}…` : text);

const refused = (what: string): GlyphError => new GlyphError('GC_BAD_ARGUMENT', `http.request: ${what}`);
