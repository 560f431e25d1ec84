/**
 * The {@link SkillHandle} of one Lua state: what an extension may ask of it.
 *
 * Invariant: it outlives the state, and does nothing then.
 */
import type { CallLua, SkillHandle } from './extensions.ts';
import type { Instance } from './instance.ts';
import { inLua, notesOf } from './notes.ts';
import type { GrantedPermissions } from './permissions.ts';
import { missing } from './refusals.ts';
import type { Runtime } from './runtime.ts';
import { runningTransaction } from './api/context.ts';

export interface HandleOptions {
  readonly id: string;
  readonly isHost: boolean;
  readonly runtime: Runtime;
  readonly permissions: GrantedPermissions;
  /** The state itself; made after its handle. */
  readonly instance: () => Instance;
}

export function createHandle({ id, isHost, runtime, permissions, instance }: HandleOptions): SkillHandle {
  const { db } = runtime.ctx;
  const mayRun = (): boolean => instance().live && (isHost || runtime.lease.mayRun());
  return {
    id,
    isHost,
    permissions,
    get live() {
      return instance().live;
    },
    defines: (name) => instance().has(name),
    mayRun,
    run: <T>(phase: string, work: (call: CallLua) => T) =>
      db.outside(() => inLua(db, () => (mayRun() ? instance().inBackground(phase, work) : undefined))),
    whenSettled: (then) => notesOf(runningTransaction(runtime, id)).add(then),
    log: (level, message) => runtime.logs.add(id, level, message),
    refusal: (what, wanted) => missing(id, what, wanted),
  };
}
