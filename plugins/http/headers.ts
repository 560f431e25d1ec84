/**
 * The headers a skill may send.
 *
 * Invariant: no header ends a line early or speaks for the connection; those GlyphCase sets itself cannot be replaced.
 */
import type { LuaValue } from '../../sdk/lua-types.ts';
import { GlyphError } from '../../sdk/plugin.ts';

const MAX_HEADERS = 100;
const MAX_BYTES = 16_384;
const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** Printable Latin-1 and tabs: what HTTP takes. */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
/** They belong to the connection, or say how long the message is. */
const RESERVED = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** The headers by lower-case name. @throws GC_BAD_ARGUMENT */
export function headersArgument(value: LuaValue | undefined): Record<string, string> {
  if (value === undefined || value === null) return {};
  if (typeof value !== 'object' || value instanceof Uint8Array || (Array.isArray(value) && value.length > 0)) {
    throw refused('headers must be a table of names and values');
  }
  const headers: Record<string, string> = {};
  let bytes = 0;
  for (const [name, given] of Object.entries(value)) {
    const text = typeof given === 'number' || typeof given === 'bigint' ? String(given) : (given as LuaValue);
    if (!NAME.test(name)) throw refused(`${JSON.stringify(name)} is not the name of a header`);
    if (RESERVED.has(name.toLowerCase())) throw refused(`the header ${name} is set by GlyphCase`);
    if (typeof text !== 'string' || !VALUE.test(text)) {
      throw refused(`the value of the header ${name} must be one line of Latin-1 text`);
    }
    bytes += name.length + text.length;
    Object.defineProperty(headers, name.toLowerCase(), {
      value: text,
      enumerable: true,
      configurable: true,
      writable: true,
    });
  }
  if (Object.keys(headers).length > MAX_HEADERS || bytes > MAX_BYTES) {
    throw refused(`there are more than ${MAX_HEADERS} headers, or more than ${MAX_BYTES} bytes of them`);
  }
  return headers;
}

const refused = (what: string): GlyphError => new GlyphError('GC_BAD_ARGUMENT', `http.request: ${what}`);
