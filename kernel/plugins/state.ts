/**
 * The state machine of a unit (a plugin or a skill), one method per transition.
 *
 * Invariants:
 * - Only the transitions listed here happen; any other is a defect and throws.
 * - Every transition emits exactly one `plugin:state` event, after the state has changed, and records how long the state
 *   before it lasted.
 */
import type { Clock } from '../clock.ts';
import { GlyphError } from '../errors.ts';
import type { Bus, UnitState } from './types.ts';

/** Payload of the bus channel `plugin:state`. */
export interface StateChange {
  readonly id: string;
  readonly from: UnitState;
  readonly to: UnitState;
  /** Why, in a sentence; empty when there is nothing to say. */
  readonly reason: string;
  /** How long the unit was in `from`, in ms. */
  readonly afterMs: number;
  /** Unix epoch in ms. */
  readonly at: number;
}

export const STATE_CHANNEL = 'plugin:state';
/** Transitions remembered per unit. */
const HISTORY = 20;

const NEXT: Readonly<Record<UnitState, readonly UnitState[]>> = {
  discovered: ['resolved', 'waiting', 'incompatible', 'disabled'],
  resolved: ['activating', 'waiting', 'quarantined', 'incompatible', 'disabled'],
  activating: ['active', 'failed', 'deactivating'],
  active: ['draining', 'active'],
  draining: ['deactivating'],
  deactivating: ['resolved'],
  waiting: ['resolved', 'waiting', 'incompatible', 'disabled'],
  incompatible: ['resolved', 'waiting', 'disabled'],
  failed: ['resolved', 'waiting', 'quarantined', 'incompatible', 'disabled'],
  quarantined: ['resolved', 'incompatible', 'disabled'],
  disabled: ['resolved', 'waiting', 'incompatible'],
};

/** State of one unit. */
export interface Lifecycle {
  readonly state: UnitState;
  /** Why it is not active, in sentences; empty when it is, or is on its way. */
  readonly reasons: readonly string[];
  /** Since when it is in this state, Unix epoch in ms. */
  readonly since: number;
  /** The latest transitions, oldest first. */
  readonly history: readonly StateChange[];

  /** Everything it requires is there, or it is to be tried again. */
  resolve(reason?: string): void;
  /** It needs something that is not there; `reasons` say what. Called again while waiting, it only renews the reasons. */
  wait(reasons: readonly string[]): void;
  /** It can never run on this host. */
  refuse(reason: string): void;
  activate(): void;
  activated(): void;
  /** A new instance took over from the old one without a gap. */
  replaced(reason: string): void;
  fail(reason: string): void;
  /** It takes no new work; what it registered is being taken back. */
  drain(reason: string): void;
  deactivate(reason: string): void;
  /** It has stopped and could start again. */
  deactivated(reason: string): void;
  quarantine(reason: string): void;
  disable(reason: string): void;
}

/** A lifecycle in state `discovered`. */
export function createLifecycle(id: string, options: { bus: Bus; clock: Clock }): Lifecycle {
  const { bus, clock } = options;
  let state: UnitState = 'discovered';
  let reasons: readonly string[] = [];
  let since = clock.now();
  const history: StateChange[] = [];

  function go(to: UnitState, reason: string, why: readonly string[] = []): void {
    if (!NEXT[state].includes(to)) {
      throw new GlyphError('GC_INTERNAL', `${id} cannot go from ${state} to ${to}`, { plugin: id });
    }
    const at = clock.now();
    const change: StateChange = { id, from: state, to, reason, afterMs: at - since, at };
    [state, reasons, since] = [to, why, at];
    history.push(change);
    if (history.length > HISTORY) history.shift();
    bus.emit(STATE_CHANNEL, change);
  }

  return {
    get state() {
      return state;
    },
    get reasons() {
      return reasons;
    },
    get since() {
      return since;
    },
    get history() {
      return [...history];
    },
    resolve: (reason = '') => go('resolved', reason),
    wait(why) {
      if (state === 'waiting') reasons = why;
      else go('waiting', why.join(' '), why);
    },
    refuse: (reason) => go('incompatible', reason, [reason]),
    activate: () => go('activating', ''),
    activated: () => go('active', ''),
    replaced: (reason) => go('active', reason),
    fail: (reason) => go('failed', reason, [reason]),
    drain: (reason) => go('draining', reason),
    deactivate: (reason) => go('deactivating', reason),
    deactivated: (reason) => go('resolved', reason),
    quarantine: (reason) => go('quarantined', reason, [reason]),
    disable: (reason) => go('disabled', reason, [reason]),
  };
}
