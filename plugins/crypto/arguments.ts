/** Checks what Lua passes to the functions of `crypto`. */
import type { LuaValue } from '../../sdk/lua-types.ts';
import { GlyphError } from '../../sdk/plugin.ts';

/** A Lua string: its bytes, or the text when they are UTF-8. @throws GC_BAD_ARGUMENT */
export function bytesArgument(value: LuaValue | undefined, call: string, what: string): string | Uint8Array {
  if (typeof value === 'string' || value instanceof Uint8Array) return value;
  throw new GlyphError('GC_BAD_ARGUMENT', `${call}: ${what} must be a string, not ${describe(value)}`);
}

function describe(value: LuaValue | undefined): string {
  if (value === null || value === undefined) return 'nil';
  return typeof value === 'object' ? 'a table or function' : `a ${typeof value}`;
}
