/**
 * Actions that Lua code has dispatched, on their way to whoever listens.
 *
 * Invariants: in the order of the commits they belong to; the event loop turns between them, however many there are; an action
 * knows what it was dispatched for, so that listeners that wake each other without end are found.
 */
import type { Cause } from '../../sdk/capsule-types.ts';
import type { Database } from '../../sdk/plugin.ts';
import { GlyphError } from '../../sdk/plugin.ts';
import { Breath } from './breath.ts';
import type { Actions } from './runtime.ts';

/** Actions that one transaction may dispatch, and what all their payloads may hold: characters, and values of other kinds. */
export const MAX_ACTIONS = 50_000;
const MAX_PAYLOAD = 16 * 1024 * 1024;

interface Waiting {
  readonly action: string;
  readonly payload: unknown;
  readonly cause: Cause | undefined;
}

export class ActionQueue {
  readonly #db: Database;
  readonly #actions: Actions;
  #waiting: Waiting[] = [];
  #draining = false;
  #cause: Cause | undefined;

  constructor(db: Database, actions: Actions) {
    this.#db = db;
    this.#actions = actions;
  }

  /** Whether actions wait to be handed out. */
  get busy(): boolean {
    return this.#draining;
  }

  /** What the action that is being handed out was dispatched for; undefined for a host's own. */
  get cause(): Cause | undefined {
    return this.#cause;
  }

  /** Hands it to its listeners, soon. */
  add(action: string, payload: unknown, cause: Cause | undefined): void {
    // Counted here and not when it is heard: what multiplies is stopped before it fills the queue.
    if (cause?.depth === 1) cause.root.seeds += 1;
    else if (cause !== undefined) cause.root.work += 1;
    this.#waiting.push({ action, payload, cause });
    if (this.#draining) return;
    this.#draining = true;
    // Not within the transaction that has just committed.
    this.#db.outside(() => queueMicrotask(() => void this.#drain()));
  }

  async #drain(): Promise<void> {
    const breath = new Breath();
    breath.begin();
    while (this.#waiting.length > 0) {
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const { action, payload, cause } of waiting) {
        this.#cause = cause;
        this.#actions.dispatch(action, payload);
        this.#cause = undefined;
        const pause = breath.take();
        if (pause !== undefined) await pause;
      }
    }
    this.#draining = false;
  }
}

/** Counts what one transaction dispatches. */
export class ActionBudget {
  #actions = 0;
  #payload = 0;

  /** @throws GC_BAD_ARGUMENT */
  spend(skill: string, payload: unknown): void {
    this.#actions += 1;
    this.#payload += sizeOf(payload);
    const actions = this.#actions > MAX_ACTIONS;
    if (!actions && this.#payload <= MAX_PAYLOAD) return;
    const what = actions ? `${MAX_ACTIONS} actions` : `${MAX_PAYLOAD / 1024 / 1024} MiB`;
    throw new GlyphError('GC_BAD_ARGUMENT', `glyphcase.dispatch: more than ${what} in one transaction`, {
      hint: 'Dispatch one action for many rows, and let its listener read them.',
      skill,
    });
  }
}

function sizeOf(value: unknown): number {
  if (typeof value === 'string' || value instanceof Uint8Array) return value.length + 8;
  if (typeof value !== 'object' || value === null) return 8;
  let size = 8;
  for (const [key, member] of Object.entries(value)) size += key.length + sizeOf(member);
  return size;
}
