/**
 * What one Lua state listens to by `glyphcase.on`: live, for as long as the state lives.
 *
 * Invariants: each action is one transaction, a part of the one it was dispatched in if that is still open; a handler that fails
 * is logged, and hears of the next action all the same; what still waits when another state takes this one's place is for the
 * listener there that listens to the same. Handlers that wake each other without end are found, and stopped.
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
  /** False once the state was killed. */
  readonly usable: () => boolean;
  /** The state that took this one's place. Inside a transaction. */
  readonly heir: () => Hearing | undefined;
}

/** The part of a Lua state that is used here. */
export interface Hearing {
  hear(listener: ListenerPlace, heard: Heard): LuaValue;
}

/** Which one it is: of those with the same pattern, in the order in which they were made. */
export interface ListenerPlace {
  readonly pattern: string;
  readonly nth: number;
}

/** An action on its way. */
export interface Heard {
  readonly action: string;
  readonly payload: unknown;
  readonly cause: Cause | undefined;
}

interface Entry {
  readonly pattern: string;
  readonly fn: LuaFunction;
  /** A no-op before its transaction has committed. */
  end: Disposer;
}

export class Listeners {
  readonly #options: ListenersOptions;
  readonly #entries = new Map<string, Entry>();
  /** Those there were when another state was about to take this one's place. */
  #left: ReadonlyMap<string, Entry> | undefined;
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
    this.#entries.set(id, { pattern, fn, end: () => undefined });
    notes.add({ committed: () => this.#start(id), rolledBack: () => this.remove(id) });
    return id;
  }

  /** True when there was such a listener. */
  remove(id: string): boolean {
    this.#entries.get(id)?.end();
    return this.#entries.delete(id);
  }

  removeAll(): void {
    for (const id of [...this.#entries.keys()]) this.remove(id);
  }

  /** Another state is about to take this one's place: what still waits is for that one. */
  leave(): void {
    this.#left ??= new Map(this.#entries);
  }

  /** What waited for a listener of an older state. Inside a transaction. */
  hear({ pattern, nth }: ListenerPlace, heard: Heard): LuaValue {
    const entry = [...this.#entries.values()].filter((one) => one.pattern === pattern)[nth];
    return entry === undefined ? null : this.#call(entry, heard);
  }

  #start(id: string): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    const { actions } = this.#options.runtime;
    entry.end = actions.on(entry.pattern, (payload, action) => this.#deliver(id, payload, action));
  }

  /** Resolves to what the function returns: the answer to a host's `request`. */
  async #deliver(id: string, payload: unknown, action: string): Promise<LuaValue> {
    const { runtime, background } = this.#options;
    // Known only while the action is being handed out.
    const { cause } = runtime.actionQueue;
    try {
      return await background.run(() => inLua(runtime.ctx.db, () => this.#handle(id, { action, payload, cause })));
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

  #handle(id: string, heard: Heard): LuaValue {
    const { usable, heir } = this.#options;
    const entry = this.#entries.get(id);
    if (this.#left === undefined && usable()) return entry === undefined ? null : this.#call(entry, heard);
    const place = this.#placeOf(id);
    return (place === undefined ? undefined : heir()?.hear(place, heard)) ?? null;
  }

  #call({ fn }: Entry, { action, payload, cause }: Heard): LuaValue {
    return this.#options.call(fn, [toLua(payload), action], cause)[0] ?? null;
  }

  #placeOf(id: string): ListenerPlace | undefined {
    const entries = this.#left ?? this.#entries;
    const entry = entries.get(id);
    if (entry === undefined) return undefined;
    const { pattern } = entry;
    const same = [...entries.values()].filter((one) => one.pattern === pattern);
    return { pattern, nth: same.indexOf(entry) };
  }
}
