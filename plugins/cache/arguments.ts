/** Checks what Lua passes to the functions of `cache`, and measures it. */
import type { LuaService, LuaValue } from '../../sdk/lua-types.ts';
import { GlyphError, parseDuration } from '../../sdk/plugin.ts';

/** Most bytes of a key. */
const MAX_KEY = 1024;
/** What a value takes beside its contents: about what V8 needs for it. */
const OVERHEAD = 32;

type Argument = LuaValue | undefined;

/** The key in a form that keeps `1`, `"1"` and bytes that are no text apart. */
export function keyArgument(key: Argument, call: string): string {
  if (typeof key === 'number' || typeof key === 'bigint') return `n:${key}`;
  const isText = typeof key === 'string';
  if (!isText && !(key instanceof Uint8Array)) {
    throw new GlyphError('GC_BAD_ARGUMENT', `${call}: the key must be a string or a number, not ${describe(key)}`);
  }
  if (key.length > MAX_KEY) throw new GlyphError('GC_BAD_ARGUMENT', `${call}: the key is longer than ${MAX_KEY} bytes`);
  return isText ? `s:${key}` : `b:${Buffer.from(key).toString('base64')}`;
}

/** ms of a time to live: seconds, or a text such as `5m`; Infinity when there is none. */
export function ttlArgument(ttl: Argument, call: string): number {
  if (ttl === undefined || ttl === null) return Infinity;
  const ms = typeof ttl === 'number' ? ttl * 1000 : parseDuration(typeof ttl === 'string' ? ttl : '', `${call}: ttl`);
  if (ms > 0) return ms;
  throw new GlyphError('GC_BAD_ARGUMENT', `${call}: ttl must be more than 0`, {
    hint: 'Give seconds, or a text such as "500ms", "10s", "5m", "1h"; without it a value stays for as long as there is room.',
  });
}

/** Roughly the bytes that a value takes. @throws GC_BAD_ARGUMENT for a function */
export function sizeOf(value: LuaValue, lua: LuaService, call: string): number {
  if (typeof value === 'string') return OVERHEAD + value.length * 2;
  if (typeof value !== 'object' || value === null) return OVERHEAD;
  if (value instanceof Uint8Array) return OVERHEAD + value.length;
  if (lua.isFunction(value)) throw new GlyphError('GC_BAD_ARGUMENT', `${call}: a function cannot be kept in the cache`);
  let bytes = OVERHEAD;
  for (const [key, member] of Object.entries(value)) bytes += key.length * 2 + sizeOf(member, lua, call);
  return bytes;
}

/** The value as Lua gets it back: NULL inside tables is not lost. */
export function toLua(value: LuaValue, lua: LuaService): unknown {
  if (value === null) return lua.null;
  if (typeof value !== 'object' || value instanceof Uint8Array) return value;
  if (Array.isArray(value)) return (value as readonly LuaValue[]).map((member) => toLua(member, lua));
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, toLua(member as LuaValue, lua)]));
}

function describe(value: Argument): string {
  if (value === null || value === undefined) return 'nil';
  return typeof value === 'object' ? 'a table or function' : `a ${typeof value}`;
}
