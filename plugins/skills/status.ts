/**
 * Which state a skill is in, and why: what reports and the file say of it.
 *
 * Invariant: every change of state is told on the bus (`skill:state`) and written to the file, soon and in no one's transaction;
 * states that pass by themselves are told only.
 */
import type { UnitState } from '../../sdk/plugin.ts';
import type { Runtime } from './runtime.ts';
import type { Manifest } from './types.ts';

export class Status {
  readonly #id: string;
  readonly #runtime: Runtime;
  #state: UnitState = 'discovered';
  /** In sentences; empty when all is well. */
  reasons: readonly string[] = [];
  error: Error | undefined;
  /** The newest that could be read. */
  manifest: Manifest | undefined;
  /** Hash of the files that were last looked at, whatever came of it. */
  hash: string | undefined;
  /** In a row. */
  failures = 0;
  activatedInMs: number | undefined;

  constructor(id: string, runtime: Runtime) {
    this.#id = id;
    this.#runtime = runtime;
  }

  get state(): UnitState {
    return this.#state;
  }

  set(to: UnitState): void {
    const from = this.#state;
    this.#state = to;
    const { store, ctx } = this.#runtime;
    if (from !== to && !ctx.closed) ctx.emit('skill:state', { id: this.#id, from, to });
    if (to === 'activating' || to === 'deactivating') return;
    store.recordState(this.#id, {
      state: to,
      version: this.manifest?.version,
      hash: this.hash,
      // Other processes see what it waits for, too.
      error: this.error?.message ?? (to === 'waiting' ? this.reasons.join(' ') : undefined),
      attempts: this.failures,
      activatedMs: this.activatedInMs,
      now: ctx.clock.now(),
    });
  }

  /** It runs, and nothing is wrong with it. */
  well(): void {
    this.failures = 0;
    this.error = undefined;
    this.reasons = [];
  }

  quarantined(reason: string): void {
    this.reasons = [reason, `Correct its files, or let it try again: glyphcase skill enable ${this.#id}`];
    this.set('quarantined');
  }

  disabled(): void {
    this.reasons = [`It was disabled; glyphcase skill enable ${this.#id} lets it run again.`];
    this.set('disabled');
  }
}

/** "once", "3 times in a row". */
export const times = (failures: number): string => (failures === 1 ? 'once' : `${failures} times in a row`);
