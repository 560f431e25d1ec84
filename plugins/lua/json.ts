/**
 * `json.encode` and `json.decode` for Lua, on JavaScript's own JSON.
 *
 * Invariant: integers of up to 64 bits survive both ways, and equal values give equal text. `{}` encodes as `{}`; an empty array is `json.array()`, and what was decoded
 * from `[]` stays one. `null` decodes to `json.null`, so that nothing is lost when it is encoded again.
 */
import { GlyphError, messageOf } from '../../sdk/plugin.ts';
import { isFunctionHandle } from './function-refs.ts';
import type { LuaValue } from './types.ts';
import { LUA_NULL } from './values-in.ts';

/** The part of the JSON source text proposal that Node ≥ 22 has and TypeScript's library does not. */
interface ExactJson {
  rawJSON(text: string): unknown;
  parse(
    text: string,
    reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown,
  ): unknown;
}
const exactJson = JSON as unknown as ExactJson;

/** Most values of a text: what crosses into Lua could not be more. */
const MAX_VALUES = 1_000_000;
/** Texts without these need no second look at every value. */
const NEEDS_REVIVER = /null|\d{16}/;

/** Text of a value that came from Lua. */
export function encodeJson(value: LuaValue = null): string {
  return JSON.stringify(value, (_, each: unknown) => {
    if (typeof each === 'bigint') return exactJson.rawJSON(String(each));
    if (typeof each === 'number' && !Number.isFinite(each)) throw refused('infinity and NaN have no JSON form');
    if (each instanceof Uint8Array)
      throw refused('bytes that are not UTF-8, and blobs, have no JSON form; encode them as text first');
    if (isFunctionHandle(each)) throw refused('a function has no JSON form');
    return typeof each === 'object' && each !== null && !Array.isArray(each) ? sorted(each) : each;
  });
}

/** Lua keeps no order of keys, and a different one in every process; sorted, equal tables give equal text. */
function sorted(object: object): object {
  const entries = Object.entries(object);
  return entries.length < 2 ? object : Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The value of a JSON text, ready to be passed to Lua. */
export function decodeJson(text: LuaValue | undefined): unknown {
  if (typeof text !== 'string') throw refused('json.decode needs a string (UTF-8)');
  if (text.length > MAX_VALUES && valuesIn(text) > MAX_VALUES)
    throw refused(`json.decode: more than ${MAX_VALUES} values`);
  try {
    return NEEDS_REVIVER.test(text) ? exactJson.parse(text, revive) : (JSON.parse(text) as unknown);
  } catch (thrown) {
    throw refused(`json.decode: ${messageOf(thrown)}`);
  }
}

/** How many values a text can hold at most: a short one makes many times its size of objects. */
function valuesIn(text: string): number {
  let values = 1;
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) quoted = !quoted;
    else if (quoted && code === BACKSLASH) at++;
    else if (!quoted && (code === COMMA || code === BRACKET || code === BRACE)) values++;
  }
  return values;
}

const [QUOTE, BACKSLASH, COMMA, BRACKET, BRACE] = [0x22, 0x5c, 0x2c, 0x5b, 0x7b];

function revive(_key: string, value: unknown, { source }: { readonly source?: string }): unknown {
  if (value === null) return LUA_NULL;
  if (typeof value !== 'number' || Number.isSafeInteger(value) || source === undefined) return value;
  if (!/^-?\d+$/.test(source)) return value;
  const exact = BigInt(source);
  return BigInt.asIntN(64, exact) === exact ? exact : value;
}

function refused(message: string): GlyphError {
  return new GlyphError('GC_LUA_VALUE', message);
}
