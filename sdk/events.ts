/**
 * The channels of the event bus: what the kernel, the host and the built-in plugins emit, and when.
 *
 * docs/plugin-reference.md is generated from this table. Invariant: every channel emitted in kernel/, plugins/ and sdk/ is
 * here, and every channel here is emitted; 92-plugin-reference.test.ts compares both ways, with the types of the payloads.
 */
import type { StateChange } from '../kernel/plugins/state.ts';
import type { UnitState } from '../kernel/plugins/types.ts';
import type { SchemaChange } from '../plugins/capsule/tables.ts';
import type { SkillReacted } from '../plugins/skills/reactions.ts';
import type { Uninstalling } from '../plugins/skills/uninstall.ts';

/** A term of the lease. */
export interface LeaseTerm {
  /** Grows with every change of holder. */
  readonly epoch: number;
}

/** A statement that took `slowQueryMs` or longer. */
export interface SlowStatement {
  readonly sql: string;
  readonly ms: number;
}

/** A skill went from one state to another. */
export interface SkillStateChange {
  readonly id: string;
  readonly from: UnitState;
  readonly to: UnitState;
}

/**
 * Channel → payload.
 *
 * @example
 * ```ts
 * ctx.on('capsule:end', (end: Events['capsule:end']) => ctx.log.debug(`the log ends at ${end}`));
 * ```
 */
export interface Events {
  /** A commit has been seen; the log now ends at this `seq`. */
  readonly 'capsule:end': number;
  /** The schema of a watched table has changed, or its triggers had to be repaired. */
  readonly 'capsule:schema': SchemaChange;
  /** This host begins to run skills' reactions and jobs. */
  readonly 'lease:held': LeaseTerm;
  /** Another host has taken over; this one ceases to run them. */
  readonly 'lease:lost': LeaseTerm;
  /** A plugin has changed its state. */
  readonly 'plugin:state': StateChange;
  /** What a skill's `on_data_changed` did has committed. */
  readonly 'skill:reacted': SkillReacted;
  /** A skill has changed its state. */
  readonly 'skill:state': SkillStateChange;
  /** A skill's data is being removed; emitted inside that transaction, so that what is kept for the skill goes with it. */
  readonly 'skill:uninstalling': Uninstalling;
  /** A statement of the host has taken `slowQueryMs` or longer. */
  readonly 'statement:slow': SlowStatement;
}
