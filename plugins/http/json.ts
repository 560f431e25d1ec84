/**
 * JSON of values that come from Lua and go to it.
 *
 * Invariant: integers of up to 64 bits survive both ways, and null becomes `json.null` in Lua. What a stranger's server sends is
 * bounded before it reaches Lua.
 */
import type { LuaService, LuaValue } from '../../sdk/lua-types.ts';
import { GlyphError } from '../../sdk/plugin.ts';

/** The part of the JSON source text proposal that Node ≥ 22 has and TypeScript's library does not. */
interface ExactJson {
  rawJSON(text: string): unknown;
  parse(text: string, revive: (key: string, value: unknown, context: { readonly source?: string }) => unknown): unknown;
}
const exactJson = JSON as unknown as ExactJson;

/** Deepest nesting and most values that are passed to Lua ready made; it takes 32 levels, the answer around it included. */
const MAX_DEPTH = 28;
const MAX_VALUES = 50_000;

/** @throws GC_BAD_ARGUMENT for what has no JSON form; `what` names the value. */
export function encode(value: LuaValue, what: string): string {
  return JSON.stringify(value, (_key, each: unknown) => {
    if (typeof each === 'bigint') return exactJson.rawJSON(String(each));
    const isStrange = typeof each === 'number' && !Number.isFinite(each);
    if (!isStrange && !(each instanceof Uint8Array)) return each;
    throw new GlyphError(
      'GC_BAD_ARGUMENT',
      `http.request: ${what} contains ${isStrange ? 'infinity or NaN' : 'bytes that are not UTF-8'}, which have no JSON form`,
    );
  });
}

/** A value for Lua; undefined for a text that is no JSON, or too deep or large to pass on. */
export function decode(text: string, lua: LuaService): unknown {
  let parsed: unknown;
  try {
    parsed = exactJson.parse(text, exactInteger);
  } catch {
    return undefined;
  }
  return isSmall(parsed) ? withNull(parsed, lua) : undefined;
}

function isSmall(value: unknown): boolean {
  let count = 0;
  const fits = (one: unknown, depth: number): boolean => {
    count += 1;
    if (count > MAX_VALUES || depth > MAX_DEPTH) return false;
    return typeof one !== 'object' || one === null || Object.values(one).every((member) => fits(member, depth + 1));
  };
  return fits(value, 0);
}

function withNull(value: unknown, lua: LuaService): unknown {
  if (value === null) return lua.null;
  if (typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map((member) => withNull(member, lua));
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, withNull(member, lua)]));
}

function exactInteger(_key: string, value: unknown, { source }: { readonly source?: string }): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value) || source === undefined) return value;
  if (!/^-?\d+$/.test(source)) return value;
  const exact = BigInt(source);
  return BigInt.asIntN(64, exact) === exact ? exact : value;
}
