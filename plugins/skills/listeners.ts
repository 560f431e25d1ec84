/**
 * What one Lua state listens to by `glyphcase.on`: live, for as long as the state lives.
 *
 * Invariant: each action is one transaction, a part of the one it was dispatched in if that is still open; a handler that fails
 * is logged, and hears of the next action all the same. Handlers that wake each other without end are found, and stopped.
 */
import type { Cause } from '../../sdk/capsule-types.ts';
import type { LuaFunction, LuaValue } from '../../sdk/lua-types.ts';
import { GlyphError, messageOf } from '../../sdk/plugin.ts';
import type { Disposer } from '../../sdk/plugin.ts';
import type { Background } from './background.ts';
import { inLua } from './notes.ts';
import type { Notes } from './notes.ts';
import type { Runtime } from './runtime.ts';
import { toLua } from './values.ts';

/** Actions one state may listen to. */
const MAX_LISTENERS = 100;

export interface ListenersOptions {
  readonly id: string;
  readonly runtime: Runtime;
  readonly background: Background;
  /** Calls the function, inside a transaction. */
  readonly call: (fn: LuaFunction, args: readonly unknown[], cause: Cause | undefined) => readonly LuaValue[];
}

export class Listeners {
  readonly #options: ListenersOptions;
  /** What ends each; a no-op before its transaction has committed. */
  readonly #entries = new Map<string, Disposer>();
  #count = 0;

  constructor(options: ListenersOptions) {
    this.#options = options;
  }

  /** Listens from the commit of the transaction that asks. Returns an id. */
  add(pattern: string, fn: LuaFunction, notes: Notes): string {
    if (this.#entries.size >= MAX_LISTENERS) {
      throw new GlyphError(
        'GC_BAD_ARGUMENT',
        `glyphcase.on: more than ${MAX_LISTENERS} listeners; end some with glyphcase.unwatch(id)`,
      );
    }
    this.#count += 1;
    const id = `action-${this.#count}`;
    this.#entries.set(id, () => undefined);
    notes.add({ committed: () => this.#start(id, pattern, fn), rolledBack: () => this.remove(id) });
    return id;
  }

  /** True when there was such a listener. */
  remove(id: string): boolean {
    this.#entries.get(id)?.();
    return this.#entries.delete(id);
  }

  removeAll(): void {
    for (const id of [...this.#entries.keys()]) this.remove(id);
  }

  #start(id: string, pattern: string, fn: LuaFunction): void {
    if (!this.#entries.has(id)) return;
    const { actions } = this.#options.runtime;
    this.#entries.set(
      id,
      actions.on(pattern, (payload, action) => this.#deliver(id, fn, payload, action)),
    );
  }

  /** Resolves to what the function returns: the answer to a host's `request`. */
  async #deliver(id: string, fn: LuaFunction, payload: unknown, action: string): Promise<LuaValue> {
    const { runtime, call, background } = this.#options;
    // Known only while the action is being handed out.
    const { cause } = runtime.actionQueue;
    try {
      return await background.run(() =>
        inLua(runtime.ctx.db, () =>
          this.#entries.has(id) ? (call(fn, [toLua(payload), action], cause)[0] ?? null) : null,
        ),
      );
    } catch (error) {
      runtime.logs.add(
        this.#options.id,
        'error',
        `The listener to the action ${action} failed: ${messageOf(error)}`,
        error,
      );
      throw error;
    }
  }
}
