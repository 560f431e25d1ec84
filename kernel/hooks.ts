/**
 * The kernel's extension points, on tapable.
 *
 * tapable has no untap: this module is the one place that knows how to take a tap back (filter `taps`, reset the compiled
 * call, drop `_x` so the removed closure is not kept alive), and a test fails if tapable changes what it relies on.
 * Invariant: `tap()` returns a disposer; after it ran, the tapped function is never called again, even by a call under way.
 */
import { SyncBailHook, SyncHook, SyncWaterfallHook } from 'tapable';
import type { Transaction } from './database-types.ts';
import type { Disposer } from './plugin-types.ts';

/** Lower stages run first; taps of one stage run in the order of registration. */
export interface TapOptions {
  readonly stage?: number;
}

/** One extension point: listeners tap it, the kernel calls it. */
export interface Hook<Args extends unknown[], Result> {
  tap(name: string, fn: (...args: Args) => Result, options?: TapOptions): Disposer;
  call(...args: Args): Result;
  /** False when nobody taps it, so that callers can skip preparing arguments. */
  readonly used: boolean;
}

interface TapableHook<Args extends unknown[], Result> {
  taps: { fn: unknown }[];
  tap(options: { name: string; stage?: number }, fn: (...args: Args) => Result): void;
  call(...args: Args): Result;
  /** tapable's own, not in its types: forgets the compiled call. */
  _resetCompilation?(): void;
  _x?: unknown;
}

function wrap<Args extends unknown[], Result>(inner: TapableHook<Args, Result>): Hook<Args, Result> {
  return {
    tap(name, fn, options = {}) {
      let live = true;
      const guarded = (...args: Args): Result => (live ? fn(...args) : (undefined as Result));
      inner.tap({ name, ...options }, guarded);
      return () => {
        if (!live) return;
        live = false;
        inner.taps = inner.taps.filter((tap) => tap.fn !== guarded);
        inner._resetCompilation?.();
        inner._x = undefined;
      };
    },
    call: (...args) => inner.call(...args),
    get used() {
      return inner.taps.length > 0;
    },
  };
}

const sync = <Args extends unknown[]>(...names: string[]): Hook<Args, void> =>
  wrap(new SyncHook(names as never) as unknown as TapableHook<Args, void>);
const bail = <Args extends unknown[], Result>(...names: string[]): Hook<Args, Result | undefined> =>
  wrap(new SyncBailHook(names as never) as unknown as TapableHook<Args, Result | undefined>);
const waterfall = <First, Rest extends unknown[]>(...names: string[]): Hook<[First, ...Rest], First> =>
  wrap(new SyncWaterfallHook(names as never) as unknown as TapableHook<[First, ...Rest], First>);

type Data = Record<string, unknown>;
/** A row operation that hooks may see before it happens. `id` is the primary key. */
export interface RowTarget {
  readonly table: string;
  readonly id?: unknown;
}

/** All extension points of the kernel. The row hooks run for the CRUD functions of host and Lua, never for raw SQL. */
export interface KernelHooks {
  /** Every built-in plugin is active; user code may run. */
  readonly boot: Hook<[], void>;
  /** The kernel is about to close; everything still works. */
  readonly shutdown: Hook<[], void>;
  /** A transaction of the host has begun (BEGIN IMMEDIATE is done, nothing is written). */
  readonly begin: Hook<[Transaction], void>;
  /** The host's transaction is about to commit; what is written here commits with it, what throws rolls it back. */
  readonly preCommit: Hook<[Transaction], void>;
  readonly committed: Hook<[Transaction], void>;
  readonly rolledBack: Hook<[Transaction], void>;
  /** A statement through the raw handle may have committed something. */
  readonly rawCommit: Hook<[], void>;
  /** A schema-changing script is about to run through the host, inside its transaction. */
  readonly beforeSchemaChange: Hook<[string], void>;
  /** The schema-changing script has run; still inside its transaction. */
  readonly afterSchemaChange: Hook<[string], void>;
  /** Returns the data to insert; a tap that returns undefined leaves it as it was. */
  readonly beforeInsert: Hook<[Data, RowTarget], Data>;
  readonly beforeUpdate: Hook<[Data, RowTarget], Data>;
  /** Refuses by throwing, or by returning a sentence that says why. */
  readonly validateInsert: Hook<[RowTarget, Data], string | undefined>;
  readonly validateUpdate: Hook<[RowTarget, Data], string | undefined>;
  readonly beforeDelete: Hook<[RowTarget], string | undefined>;
  readonly pluginActivated: Hook<[string], void>;
  readonly pluginDeactivated: Hook<[string], void>;
}

/** A fresh set of hooks; one per kernel. */
export function createHooks(): KernelHooks {
  return {
    boot: sync(),
    shutdown: sync(),
    begin: sync('transaction'),
    preCommit: sync('transaction'),
    committed: sync('transaction'),
    rolledBack: sync('transaction'),
    rawCommit: sync(),
    beforeSchemaChange: sync('sql'),
    afterSchemaChange: sync('sql'),
    beforeInsert: waterfall('data', 'target'),
    beforeUpdate: waterfall('data', 'target'),
    validateInsert: bail('target', 'data'),
    validateUpdate: bail('target', 'data'),
    beforeDelete: bail('target'),
    pluginActivated: sync('name'),
    pluginDeactivated: sync('name'),
  };
}
