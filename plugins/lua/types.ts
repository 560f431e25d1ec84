/**
 * The public contract of the `lua` service: what a host gives a sandboxed Lua state and what it gets back.
 *
 * Invariant: only copies cross. Nothing in these types lets Lua see a JavaScript object, or the host a live Lua table.
 */

/**
 * A Lua function as the host holds it: opaque, valid until `release`d or until its state dies.
 * Pass it to {@link LuaState.callRef}; passing it back into the same state gives Lua the same function.
 */
export interface LuaFunction {
  readonly kind: 'lua-function';
  /** Name of the state it lives in. */
  readonly state: string;
}

/**
 * What arrives from Lua.
 *
 * | Lua | host |
 * |---|---|
 * | nil, `json.null` | null |
 * | boolean | boolean |
 * | integer | number, or bigint beyond ±(2^53 − 1) |
 * | float | number |
 * | string | string, or Uint8Array when it is not valid UTF-8 |
 * | `blob(s)` | Uint8Array |
 * | table with keys 1..n | array |
 * | table with string keys, `{}` | plain object (`json.array()` is an empty array) |
 * | function, as a direct argument | {@link LuaFunction} |
 *
 * Anything else (holes, mixed keys, userdata, threads, functions inside tables, cycles, more than 32 levels) is `GC_LUA_VALUE`.
 */
export type LuaValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | LuaFunction
  | readonly LuaValue[]
  | { readonly [key: string]: LuaValue };

/**
 * A function that Lua may call; an argument that was not given is undefined. Synchronous: a promise as a result is refused with `GC_LUA_VALUE`.
 *
 * It returns nothing, one value, or several by `lua.results(a, b)`. Accepted values: null and undefined (nil),
 * booleans, numbers (whole ones up to 2^53 − 1 become Lua integers, others floats), bigints of 64 bits, strings, Uint8Array (a Lua string), arrays, plain
 * objects (null members are left out), a LuaFunction of the same state, and `lua.null` (`json.null`).
 * What it throws becomes a Lua error, a string that begins with the caller's file and line; when the script does not
 * catch it, the host gets a `GlyphError` with the code of the one that was thrown.
 */
export type HostFunction = (...args: (LuaValue | undefined)[]) => unknown;

/** Opaque: a host function's several results. Made by {@link LuaService.results}. */
export interface LuaResults {
  readonly kind: 'lua-results';
  readonly values: readonly unknown[];
}

/** Opaque: arrives in Lua as `json.null` where a plain null would be nil. It is {@link LuaService.null}. */
export interface LuaNull {
  readonly kind: 'lua-null';
}

export interface LuaStateOptions {
  /** Whose state it is, for messages: a skill's id. */
  readonly name: string;
  /** Folder that `require` may load `.lua` files from. Without it there is no `require`. */
  readonly root?: string;
  /** Sources that `require` may load instead, by path: `lib/util.lua`. What was read once keeps running when the files change. */
  readonly modules?: ReadonlyMap<string, string>;
  /** Most memory the state may take, in bytes. At least 2 MiB; never above the plugin's own limit (64 MiB by default). */
  readonly memoryBytes?: number;
  /** Longest time one guard may take, in ms of wall-clock, host functions included. Never above the plugin's own limit (1000). */
  readonly timeMs?: number;
  /**
   * What Lua may call: `'glyphcase.query'` becomes `query` in the global table `glyphcase`, `'notify'` a global function.
   * A name that the sandbox has already (`json.encode`, `print`) is replaced. They stay what they are when the script edits its tables.
   */
  readonly functions: Readonly<Record<string, HostFunction>>;
  /** Constants placed in the same way: `{ 'glyphcase.skill': 'order-totals' }`. */
  readonly values?: Readonly<Record<string, unknown>>;
  /** Receives what `print` prints, one call per line, at most 64 KiB per guard. */
  readonly onPrint?: (text: string) => void;
  /** The time for `os.time` and `os.date`, in ms since the epoch. Default: the plugin's clock. */
  readonly now?: () => number;
}

/** The cause of a `GlyphError` that came out of Lua: `error.cause`. */
export interface LuaErrorCause {
  readonly kind: 'lua-error';
  /** Lua's own traceback, one frame a line; empty when there is none. */
  readonly traceback: string;
  /** What the script raised, copied out: a string, or the table given to `error{…}`. */
  readonly value: LuaValue | undefined;
  /** The error a host function threw, when that is where it came from. */
  readonly hostError?: unknown;
}

/**
 * One sandboxed Lua 5.4 with a memory of its own.
 *
 * Every call throws `GlyphError`: `GC_LUA` (the script failed, `cause` is a {@link LuaErrorCause}), `GC_LUA_SYNTAX`,
 * `GC_LUA_TIME`, `GC_LUA_MEMORY`, `GC_LUA_VALUE` (a value that cannot cross), the code of a host function's own error, or
 * `GC_CLOSED`. After a kill (`GC_LUA_TIME`, or a fault inside the interpreter) the state is dead: `dead` says why, and
 * every later call throws that same code. Close it, to free its memory, and make a new one; that takes about a millisecond.
 */
export interface LuaState {
  readonly name: string;
  /** Why it can no longer be used: the kill's message, or `closed`. */
  readonly dead: string | undefined;
  /** Memory held by the state now, in bytes. It never shrinks before `close`. */
  readonly memoryBytes: number;
  /** Runs a script for its effect (its functions become globals). `chunkName` is the file that messages name: `main.lua`. */
  load(source: string, chunkName: string): void;
  /** Runs a script and returns its first result. */
  run(source: string, chunkName: string): LuaValue;
  /** Whether a global function of that name exists. Runs no Lua. */
  has(name: string): boolean;
  /** Calls a global function; returns its first result. `GC_NO_SUCH_FUNCTION` when there is none. */
  call(name: string, ...args: readonly unknown[]): LuaValue;
  /** Calls a function that was passed to a host function; returns its first result. */
  callRef(ref: LuaFunction, ...args: readonly unknown[]): LuaValue;
  /** As `call` or `callRef`, with all results: for `return false, "why"`. */
  callAll(target: string | LuaFunction, ...args: readonly unknown[]): readonly LuaValue[];
  /** Gives a function back to Lua's garbage collector. Idempotent. Refs the host merely drops are collected too, later. */
  release(ref: LuaFunction): void;
  /**
   * Puts one time limit (and one print limit) around many calls. Calls outside a guard each get their own; guards nest, the outer one
   * counts. Time the host itself spends between the calls counts too. JavaScript `catch` and `finally` blocks run as usual when the limit strikes.
   */
  guard<T>(fn: () => T): T;
  /** Gives the guard that is under way so many ms more: for work that is handed over in parts. */
  addTime(ms: number): void;
  /** Throws `GC_LUA_TIME` when the time is over. For host functions that take long: their time counts. */
  checkTime(): void;
  /** Drops the instance and its memory. Idempotent. Inside a call of this state it takes effect when control returns to Lua. */
  close(): void;
}

/** The service `lua`. */
export interface LuaService {
  /** Makes a sandboxed Lua state with the functions and limits it is given; close it to free its memory. @throws GC_BAD_OPTION, GC_CLOSED */
  createState(options: LuaStateOptions): LuaState;
  /** Several results of a host function: `return lua.results(false, 'no such row')`. */
  results(...values: readonly unknown[]): LuaResults;
  /** Becomes `json.null` in Lua. */
  readonly null: LuaNull;
  /** Whether a value that came from Lua is a function. */
  isFunction(value: unknown): value is LuaFunction;
}
