/**
 * The door through which other plugins give functions to Lua: `skills.extend({ name: 'scheduler', create(skill) { … } })`.
 *
 * Invariants: an extension sees one Lua state at a time, by its handle, and never another plugin's; what it asks of a state
 * that is gone does nothing. The skills plugin knows no extension by name.
 */
import type { HostFunction, LuaFunction, LuaValue } from '../../sdk/lua-types.ts';
import type { GrantedPermissions } from './permissions.ts';
import type { LogLevel } from './types.ts';

/** Calls a Lua function, or a global one by its name, inside a {@link SkillHandle.run}; all its results. */
export type CallLua = (target: LuaFunction | string, ...args: readonly unknown[]) => readonly LuaValue[];

/** One Lua state of a skill, or the host's own, as an extension sees it. A reload makes a new state, and a new handle. */
export interface SkillHandle {
  /** The skill's id; of the host's own state `host_state`, which no skill can have. */
  readonly id: string;
  /** Whether it is the operator's own state, which needs no permissions. */
  readonly isHost: boolean;
  /** What it was granted; meaningless for the host's own state. */
  readonly permissions: GrantedPermissions;
  /** Whether the state takes part: its activation has committed and it has not been stopped, replaced or killed. */
  readonly live: boolean;
  /** Whether a global function of that name exists. */
  defines(name: string): boolean;
  /**
   * Whether the skill may do it in this host now: the state is live and, for a skill, this host holds the lease.
   * Inside a transaction the answer holds until its end.
   */
  mayRun(): boolean;
  /**
   * Runs `work` in a transaction of its own (source `lua`) as soon as the writer is free, under the skill's time limit: what Lua
   * writes there and what `work` writes itself commit together, or not at all. Resolves to undefined, without calling
   * `work`, when {@link mayRun} says no. Rejects with what failed, which is not logged here; a state that was killed is made anew by itself.
   * @param phase names the call in errors: `scheduler.every`.
   */
  run<T>(phase: string, work: (call: CallLua) => T): Promise<T | undefined>;
  /**
   * Does one of the two when it is known what became of the transaction that Lua runs in now; a part that was rolled back
   * by `glyphcase.transaction` counts as rolled back.
   * @throws GC_TRANSACTION outside one
   */
  whenSettled(then: { readonly committed?: () => void; readonly rolledBack?: () => void }): void;
  /** Writes a line to the skill's log; with the error it tells of, its Lua traceback too. */
  log(level: LogLevel, message: string, error?: unknown): void;
  /**
   * The error for an undeclared use: `The skill x may not <what>. Its manifest.json would need "permissions": { <wanted> }`.
   * @example skill.refusal('use timers', '"schedule": true')
   */
  refusal(what: string, wanted: string): Error;
}

/** What an extension gives one Lua state. */
export interface LuaExtensionInstance {
  /** By their Lua names: `'scheduler.every'`. They run inside the transaction that Lua runs in. */
  readonly functions: Readonly<Record<string, HostFunction>>;
  /** The state takes part from now on; outside any transaction. */
  live?(): void;
  /** The state is gone: functions that came from it cannot be called any more. What is stored stays. */
  closed?(): void;
}

export interface LuaExtension {
  /** The plugin's name, for messages. */
  readonly name: string;
  create(skill: SkillHandle): LuaExtensionInstance;
  /**
   * For a Lua state that has this extension already, in an earlier version: what it gets in place of that, with what it keeps
   * for the state taken over, so that the state goes on as it is. Without it, with undefined, or with functions of other
   * names, the skill is started again instead. `live` is called as for a new state.
   */
  adopt?(skill: SkillHandle): LuaExtensionInstance | undefined;
}
