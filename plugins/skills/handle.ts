/**
 * The {@link SkillHandle} of one Lua state: what an extension may ask of it.
 *
 * Invariant: it outlives the state, and does nothing then.
 */
import type { Background } from './background.ts';
import type { CallLua, SkillHandle } from './extensions.ts';
import { inLua, notesOf } from './notes.ts';
import type { GrantedPermissions } from './permissions.ts';
import { missing } from './refusals.ts';
import type { Runtime } from './runtime.ts';
import { runningTransaction } from './api/context.ts';

/** The part of a Lua state that is used here. */
export interface HandledState {
  readonly live: boolean;
  has(name: string): boolean;
  inBackground<T>(phase: string, work: (call: CallLua) => T): T;
}

export interface HandleOptions {
  readonly id: string;
  readonly isHost: boolean;
  readonly runtime: Runtime;
  readonly permissions: GrantedPermissions;
  readonly background: Background;
  /** The state itself; made after its handle. */
  readonly state: () => HandledState;
}

export function createHandle({ id, isHost, runtime, permissions, background, state }: HandleOptions): SkillHandle {
  const { db } = runtime.ctx;
  const mayRun = (): boolean => state().live && (isHost || runtime.lease.mayRun());
  return {
    id,
    isHost,
    permissions,
    get live() {
      return state().live;
    },
    defines: (name) => state().has(name),
    mayRun,
    run: <T>(phase: string, work: (call: CallLua) => T) =>
      db.outside(() =>
        background.run(() => inLua(db, () => (mayRun() ? state().inBackground(phase, work) : undefined))),
      ),
    whenSettled: (then) => notesOf(runningTransaction(runtime, id)).add(then),
    log: (level, message, error) => runtime.logs.add(id, level, message, error),
    refusal: (what, wanted) => missing(id, what, wanted),
  };
}
