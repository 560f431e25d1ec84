/**
 * The kernel's extension points, on tapable.
 *
 * tapable has no untap: this module is the one place that knows how to take a tap back (filter `taps`, reset the compiled
 * call, drop `_x` so the removed closure is not kept alive), and a test fails if tapable changes what it relies on.
 * Invariants:
 * - `tap()` returns a disposer; after it ran, the tapped function is never called again, even by a call under way.
 * - *Deciding* hooks (veto, change, refuse) let an error of a tap through to the caller, and must be synchronous.
 *   *Notifications* are isolated: a tap that throws or rejects is reported, the others still run.
 */
import { SyncBailHook, SyncHook, SyncWaterfallHook } from 'tapable';
import type { Transaction } from './database/types.ts';
import { GlyphError, messageOf } from './errors.ts';
import type { Disposer } from './plugins/types.ts';
import { isThenable } from './time-limit.ts';

/** Lower stages run first; taps of one stage run in the order of registration. */
export interface TapOptions {
  readonly stage?: number;
}

/** One extension point: listeners tap it, the kernel calls it. */
export interface Hook<Args extends unknown[], Result> {
  /** `name` says who taps; plugins' taps carry the plugin's name whatever they pass. */
  tap(name: string, fn: (...args: Args) => Result, options?: TapOptions): Disposer;
  call(...args: Args): Result;
  /** False when nobody taps it, so that callers can skip preparing arguments. */
  readonly used: boolean;
  /** Number of taps, or of the taps of one name. */
  count(name?: string): number;
}

/** Which tap failed. */
export interface TapPlace {
  readonly hook: string;
  readonly tap: string;
}

export interface HookOptions {
  /** Told of the errors of notification taps. Without it they become process warnings. */
  onError?(error: unknown, place: TapPlace): void;
}

interface TapableHook<Args extends unknown[], Result> {
  readonly name?: string;
  taps: { readonly name: string; readonly fn: unknown }[];
  tap(options: { name: string; stage?: number }, fn: (...args: Args) => Result): void;
  call(...args: Args): Result;
  /** tapable's own, not in its types: forgets the compiled call. */
  _resetCompilation(): void;
  _x?: unknown;
}

type AnyFunction<Args extends unknown[], Result> = (...args: Args) => Result;
type Guard = <Args extends unknown[], Result>(
  fn: AnyFunction<Args, Result>,
  place: TapPlace,
) => AnyFunction<Args, Result>;

function wrap<Args extends unknown[], Result>(inner: TapableHook<Args, Result>, guard: Guard): Hook<Args, Result> {
  return {
    tap(name, fn, options = {}) {
      const hook = inner.name ?? 'hook';
      if (typeof name !== 'string' || name.trim() === '') {
        throw new GlyphError('GC_BAD_ARGUMENT', `hooks.${hook}.tap(name, fn): the name says who taps, and is missing`);
      }
      if (typeof fn !== 'function') {
        throw new GlyphError('GC_BAD_ARGUMENT', `hooks.${hook}.tap(name, fn): fn of '${name}' is not a function`);
      }
      // The guard sits outside the closure that is dropped below: tapable, or a call under way, may hold on to the tap.
      let target: AnyFunction<Args, Result> | undefined = guard(fn, { hook, tap: name });
      const tapped = (...args: Args): Result => (target === undefined ? (undefined as Result) : target(...args));
      inner.tap({ name, stage: options.stage ?? 0 }, tapped);
      return () => {
        if (target === undefined) return;
        target = undefined;
        inner.taps = inner.taps.filter((tap) => tap.fn !== tapped);
        inner._resetCompilation();
        inner._x = undefined;
      };
    },
    call: (...args) => inner.call(...args),
    get used() {
      return inner.taps.length > 0;
    },
    count: (name) => (name === undefined ? inner.taps.length : inner.taps.filter((tap) => tap.name === name).length),
  };
}

/** Lets errors through. A promise is refused: the caller decides now, and would take the promise for the answer. */
const deciding: Guard =
  (fn, { hook, tap }) =>
  (...args) => {
    const result = fn(...args);
    if (result !== undefined && isThenable(result)) {
      result.then(undefined, () => undefined);
      throw new GlyphError('GC_BAD_ARGUMENT', `the tap '${tap}' of hook ${hook} returned a promise`, {
        hint: `Taps of ${hook} must be synchronous: drop the async, or do the waiting elsewhere.`,
      });
    }
    return result;
  };

function isolating(report: (error: unknown, place: TapPlace) => void): Guard {
  return (fn, place) =>
    (...args) => {
      let result: unknown;
      try {
        result = fn(...args);
      } catch (error) {
        report(error, place);
      }
      if (isThenable(result)) result.then(undefined, (error: unknown) => report(error, place));
      return undefined as never;
    };
}

type Data = Record<string, unknown>;
/** A row operation that hooks may see before it happens. `id` is the primary key. */
export interface RowTarget {
  readonly table: string;
  readonly id?: unknown;
}

/** All extension points of the kernel. The row hooks run for the CRUD functions of host and Lua, never for raw SQL. */
export interface KernelHooks {
  /** Every built-in plugin is active; user code may run. Isolated. */
  readonly boot: Hook<[], void>;
  /** The kernel is about to close; everything still works. Isolated. */
  readonly shutdown: Hook<[], void>;
  /** A transaction of the host has begun (BEGIN IMMEDIATE is done, nothing is written); what throws rolls it back. */
  readonly begin: Hook<[Transaction], void>;
  /** The host's transaction is about to commit; what is written here commits with it, what throws rolls it back. */
  readonly preCommit: Hook<[Transaction], void>;
  /** It has committed. Isolated: the commit cannot be taken back. */
  readonly committed: Hook<[Transaction], void>;
  /** It was rolled back. Isolated. */
  readonly rolledBack: Hook<[Transaction], void>;
  /** A statement through the raw handle may have committed something. Isolated. */
  readonly rawCommit: Hook<[], void>;
  /** A schema-changing script is about to run through the host, inside its transaction. */
  readonly beforeSchemaChange: Hook<[string], void>;
  /** The schema-changing script has run; still inside its transaction. */
  readonly afterSchemaChange: Hook<[string], void>;
  /** A row is about to be inserted. Returns the data to insert; a tap that returns undefined leaves it as it was. */
  readonly beforeInsert: Hook<[Data, RowTarget], Data>;
  /** A row is about to be updated. Returns the columns to write; a tap that returns undefined leaves them as they were. */
  readonly beforeUpdate: Hook<[Data, RowTarget], Data>;
  /** A row is about to be inserted, as `beforeInsert` left it. Refuses by throwing, or by returning a sentence that says why. */
  readonly validateInsert: Hook<[RowTarget, Data], string | undefined>;
  /** A row is about to be updated, as `beforeUpdate` left it. Refuses like `validateInsert`. */
  readonly validateUpdate: Hook<[RowTarget, Data], string | undefined>;
  /** A row is about to be deleted. Refuses like `validateInsert`. */
  readonly beforeDelete: Hook<[RowTarget], string | undefined>;
  /** A plugin has become active, for the first time or again. Isolated. */
  readonly pluginActivated: Hook<[string], void>;
  /** A plugin has stopped. Isolated. */
  readonly pluginDeactivated: Hook<[string], void>;
}

/** A fresh set of hooks; one per kernel. */
export function createHooks(options: HookOptions = {}): KernelHooks {
  const isolated = isolating((error, place) => (options.onError ?? warn)(error, place));
  const notice = <Args extends unknown[]>(name: string, ...args: string[]): Hook<Args, void> =>
    wrap(new SyncHook(args as never, name) as unknown as TapableHook<Args, void>, isolated);
  const veto = <Args extends unknown[]>(name: string, ...args: string[]): Hook<Args, void> =>
    wrap(new SyncHook(args as never, name) as unknown as TapableHook<Args, void>, deciding);
  const bail = <Args extends unknown[], Result>(name: string, ...args: string[]): Hook<Args, Result | undefined> =>
    wrap(new SyncBailHook(args as never, name) as unknown as TapableHook<Args, Result | undefined>, deciding);
  const waterfall = <First, Rest extends unknown[]>(name: string, ...args: string[]): Hook<[First, ...Rest], First> =>
    wrap(new SyncWaterfallHook(args as never, name) as unknown as TapableHook<[First, ...Rest], First>, deciding);
  return {
    boot: notice('boot'),
    shutdown: notice('shutdown'),
    begin: veto('begin', 'transaction'),
    preCommit: veto('preCommit', 'transaction'),
    committed: notice('committed', 'transaction'),
    rolledBack: notice('rolledBack', 'transaction'),
    rawCommit: notice('rawCommit'),
    beforeSchemaChange: veto('beforeSchemaChange', 'sql'),
    afterSchemaChange: veto('afterSchemaChange', 'sql'),
    beforeInsert: waterfall('beforeInsert', 'data', 'target'),
    beforeUpdate: waterfall('beforeUpdate', 'data', 'target'),
    validateInsert: bail('validateInsert', 'target', 'data'),
    validateUpdate: bail('validateUpdate', 'target', 'data'),
    beforeDelete: bail('beforeDelete', 'target'),
    pluginActivated: notice('pluginActivated', 'name'),
    pluginDeactivated: notice('pluginDeactivated', 'name'),
  };
}

function warn(error: unknown, { hook, tap }: TapPlace): void {
  process.emitWarning(`the tap '${tap}' of hook ${hook} failed: ${messageOf(error)}`, 'GlyphCaseWarning');
}

/** How many taps somebody has on all hooks together. */
export function tapsOf(hooks: KernelHooks, name: string): number {
  return (Object.values(hooks) as Hook<never, unknown>[]).reduce((sum, hook) => sum + hook.count(name), 0);
}
