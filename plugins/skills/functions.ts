/**
 * The functions that the host registers for Lua.
 *
 * Invariant: a function is looked up when it is called, so registering, replacing and taking back work at any time.
 */
import { GlyphError } from '../../sdk/plugin.ts';
import type { Disposer } from '../../sdk/plugin.ts';
import type { RegisteredFunction } from './types.ts';

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** Names that a script could not call, or that it needs for something else. */
const TAKEN = new Set([
  ...'and break do else elseif end false for function goto if in local nil not or repeat return then true until while'.split(
    ' ',
  ),
  ...'glyphcase log json print error pcall require string table math utf8 os coroutine scheduler crypto cache http'.split(
    ' ',
  ),
  ...'_G assert ipairs load next pairs rawequal rawget rawlen rawset select setmetatable tonumber tostring type xpcall blob'.split(
    ' ',
  ),
]);

export class Functions {
  readonly #functions = new Map<string, RegisteredFunction>();
  readonly #changed: (name: string) => void;

  /** `changed` is told of every name that was registered. */
  constructor(changed: (name: string) => void) {
    this.#changed = changed;
  }

  get names(): readonly string[] {
    return [...this.#functions.keys()];
  }

  has(name: string): boolean {
    return this.#functions.has(name);
  }

  /** @throws GC_BAD_ARGUMENT */
  register(name: string, fn: RegisteredFunction): Disposer {
    if (typeof name !== 'string' || !NAME.test(name) || TAKEN.has(name) || name.startsWith('__')) {
      throw new GlyphError(
        'GC_BAD_ARGUMENT',
        `registerLuaFunction(): ${JSON.stringify(name)} cannot be the name of a Lua function`,
        {
          hint: 'Use letters, digits and _, and no name that Lua or GlyphCase uses already.',
        },
      );
    }
    if (typeof fn !== 'function') {
      throw new GlyphError('GC_BAD_ARGUMENT', `registerLuaFunction('${name}'): the second argument must be a function`);
    }
    this.#functions.set(name, fn);
    this.#changed(name);
    return () => {
      if (this.#functions.get(name) === fn) this.#functions.delete(name);
    };
  }

  /** @throws GC_NO_SUCH_FUNCTION, and what the function throws */
  call(name: string, args: readonly unknown[]): unknown {
    const fn = this.#functions.get(name);
    if (fn === undefined) throw new GlyphError('GC_NO_SUCH_FUNCTION', `The host has no function "${name}" (any more)`);
    return fn(...args);
  }
}

/**
 * What a script gets that calls a host function its manifest does not list. Lua finds nil there, so that it may ask whether a
 * function is there; the error says what would help.
 */
export function explainMissing(error: unknown, isWithheld: (name: string) => boolean): unknown {
  if (!(error instanceof GlyphError) || error.code !== 'GC_LUA') return error;
  const name = /attempt to call a nil value \(global '(\w+)'\)/.exec(error.message)?.[1];
  if (name === undefined || !isWithheld(name)) return error;
  const message = `${error.message}. The host has this function; to call it, manifest.json would need "permissions": { "functions": ["${name}"] }`;
  return new GlyphError('GC_PERMISSION', message, { cause: error.cause });
}
