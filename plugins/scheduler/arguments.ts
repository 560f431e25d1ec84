/** Checks what Lua passes to `scheduler.…`. The messages name the function, the value, and what is allowed. */
import type { LuaFunction, LuaService, LuaValue } from '../../sdk/lua-types.ts';
import { didYouMean, GlyphError } from '../../sdk/plugin.ts';
import type { SkillHandle } from '../../sdk/skills-types.ts';
import { duration } from './schedule.ts';

type Argument = LuaValue | undefined;

export interface JobOptions {
  readonly name: string | undefined;
  /** In ms; 0 for none. */
  readonly jitterMs: number;
  readonly timezone: Argument;
}

const MAX_NAME = 100;
const MAX_JITTER_MS = 86_400_000;

/** A function, or the name of a global one. */
export function targetArgument(
  value: Argument,
  lua: LuaService,
  skill: SkillHandle,
  call: string,
): LuaFunction | string {
  if (lua.isFunction(value)) return value;
  if (typeof value !== 'string') {
    throw bad(`${call}: the second argument must be a function or the name of a global one, not ${describe(value)}`);
  }
  if (skill.defines(value)) return value;
  throw new GlyphError('GC_NO_SUCH_FUNCTION', `${call}: there is no global function "${value}"`, {
    hint: 'Define it above the call, without `local`; its name is text: "send_reminder".',
  });
}

/** @param known the options this function has */
export function optionsArgument(value: Argument, known: readonly string[], call: string): JobOptions {
  const options = (value ?? {}) as Readonly<Record<string, LuaValue>>;
  if (Object.getPrototypeOf(options) !== Object.prototype || options['kind'] === 'lua-function') {
    throw bad(`${call}: the options must be a table such as { name = "nightly" }, not ${describe(value)}`);
  }
  for (const key of Object.keys(options)) {
    if (known.includes(key)) continue;
    const near = didYouMean(key, known);
    throw bad(
      `${call}: there is no option "${key}"${near === undefined ? `; it takes ${known.join(', ')}` : `; did you mean "${near}"?`}`,
    );
  }
  const { name, jitter, timezone } = options;
  return {
    name: name === undefined || name === null ? undefined : nameArgument(name, call),
    jitterMs: jitter === undefined || jitter === null ? 0 : jitterArgument(jitter, call),
    timezone,
  };
}

/** The id of a job: its name, or `#` and a number. */
export function idArgument(value: Argument, call: string): string {
  if (typeof value === 'string' && value !== '') return value;
  throw bad(`${call}: it takes the id of a job, as scheduler.every returned it, or its name, not ${describe(value)}`);
}

function jitterArgument(value: LuaValue, call: string): number {
  const ms = duration(value, call, 'jitter');
  if (ms > MAX_JITTER_MS) throw bad(`${call}: the jitter is ${describe(value)}; the longest is "1d"`);
  return ms;
}

function nameArgument(value: LuaValue, call: string): string {
  if (typeof value === 'string' && value !== '' && value.length <= MAX_NAME && !value.startsWith('#')) return value;
  const shown = typeof value === 'string' ? `"${value.slice(0, MAX_NAME)}"` : describe(value);
  throw bad(`${call}: the name is ${shown}; it must be a text of 1 to ${MAX_NAME} letters that does not begin with #`);
}

function describe(value: unknown): string {
  if (value === null || value === undefined) return 'nil';
  if (typeof value === 'string') return `"${value.slice(0, MAX_NAME)}"`;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (value instanceof Uint8Array) return 'a blob';
  if (Array.isArray(value)) return 'a list';
  return (value as { readonly kind?: unknown }).kind === 'lua-function' ? 'a function' : 'a table';
}

const bad = (message: string): GlyphError => new GlyphError('GC_BAD_ARGUMENT', message);
