/**
 * The events of the bus: what the host and the built-in plugins emit beside the kernel, and when.
 *
 * docs/plugin-reference.md is generated from this table and the kernel's. Invariant: every event emitted in kernel/, plugins/
 * and sdk/ is there, and every event there is emitted; 92-plugin-reference.test.ts compares both ways, with the payloads.
 */
import type { UnitState } from '../kernel/plugins/types.ts';
import type { SchemaChange } from '../plugins/capsule/tables.ts';
import type { SkillReacted } from '../plugins/skills/reactions.ts';
import type { Uninstalling } from '../plugins/skills/uninstall.ts';

export type { EventName, EventPayload, Events } from '../kernel/plugins/catalogue.ts';

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

declare module '../kernel/plugins/catalogue.ts' {
  interface Events {
    /** A commit has been seen; the log now ends at this `seq`. */
    readonly 'capsule:end': number;
    /** The schema of a watched table has changed, or its triggers had to be repaired. */
    readonly 'capsule:schema': SchemaChange;
    /** This host begins to run skills' reactions and jobs. */
    readonly 'lease:held': LeaseTerm;
    /** Another host has taken over; this one ceases to run them. */
    readonly 'lease:lost': LeaseTerm;
    /** What a skill's `on_data_changed` did has committed. */
    readonly 'skill:reacted': SkillReacted;
    /** A skill has changed its state. */
    readonly 'skill:state': SkillStateChange;
    /** A skill's data is being removed; emitted inside that transaction, so that what is kept for the skill goes with it. */
    readonly 'skill:uninstalling': Uninstalling;
    /** A statement of the host has taken `slowQueryMs` or longer. */
    readonly 'statement:slow': SlowStatement;
  }
}
