/** Checks what Lua passes to a host function. The messages name the function as the script wrote it. */
import type { LuaFunction, LuaService, LuaValue } from '../../../sdk/lua-types.ts';
import { GlyphError, toSqlValue } from '../../../sdk/plugin.ts';

type Argument = LuaValue | undefined;

export function textArgument(value: Argument, call: string, what: string): string {
  if (typeof value === 'string' && value !== '') return value;
  throw new GlyphError('GC_BAD_ARGUMENT', `${call}: ${what} must be a text, not ${describe(value)}`);
}

export function rowArgument(value: Argument, call: string): Readonly<Record<string, LuaValue>> {
  if (isObject(value)) return value;
  throw new GlyphError('GC_BAD_ARGUMENT', `${call}: the row must be a table of column values, not ${describe(value)}`);
}

export function functionArgument(value: Argument, lua: LuaService, call: string): LuaFunction {
  if (lua.isFunction(value)) return value;
  throw new GlyphError('GC_BAD_ARGUMENT', `${call}: a function is needed, not ${describe(value)}`);
}

/** Parameters as the script passed them: one table, or the remaining arguments. */
export function paramsArgument(
  args: readonly Argument[],
  sql: string,
): readonly LuaValue[] | Readonly<Record<string, LuaValue>> {
  const [first] = args;
  if (args.length === 1) {
    if (Array.isArray(first)) return first as readonly LuaValue[];
    if (isObject(first)) return Object.keys(first).length === 0 ? [] : first;
    // `query(sql, params)` with a params that is nil, unless there is something that nil could be for.
    if ((first === null || first === undefined) && !/[?:@$]/.test(sql)) return [];
  }
  return args.map((value) => value ?? null);
}

/** Parameters as better-sqlite3 takes them, to be spread. */
export function bound(
  params: readonly LuaValue[] | Readonly<Record<string, LuaValue>>,
  sql: string,
): readonly unknown[] {
  if (!Array.isArray(params)) return [convertAll(Object.entries(params))];
  const values = params as readonly LuaValue[];
  // ?1 and ?2 are names to better-sqlite3, which a list does not have.
  if (/\?\d/.test(sql)) return [convertAll(values.map((value, index) => [String(index + 1), value]))];
  return values.map((value, index) => toSqlValue(value, `parameter ${index + 1}`));
}

function convertAll(entries: readonly (readonly [string, LuaValue])[]): Record<string, unknown> {
  return Object.fromEntries(entries.map(([name, value]) => [name, toSqlValue(value, `parameter "${name}"`)]));
}

export function isObject(value: unknown): value is Readonly<Record<string, LuaValue>> {
  if (typeof value !== 'object' || value === null) return false;
  return Object.getPrototypeOf(value) === Object.prototype && !('kind' in value && value.kind === 'lua-function');
}

export function describe(value: unknown): string {
  if (value === null || value === undefined) return 'nil';
  if (value instanceof Uint8Array) return 'a blob';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'a table or function' : `a ${typeof value}`;
}
