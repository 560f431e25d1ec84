/**
 * The services of the built-in plugins by their names, so that `ctx.use('capsule')` knows what it gives.
 *
 * Invariant: every service of a built-in plugin is in this table, with the interface it is provided as;
 * 92-plugin-reference.test.ts compares both ways.
 */
import type { ActionsService } from '../plugins/actions/index.ts';
import type { BatchingService } from '../plugins/batching/index.ts';
import type { CapsuleService } from '../plugins/capsule/types.ts';
import type { LeaseService } from '../plugins/lease/types.ts';
import type { LiveService } from '../plugins/live/types.ts';
import type { LuaService } from '../plugins/lua/types.ts';
import type { SchedulerService } from '../plugins/scheduler/types.ts';
import type { SkillsService } from '../plugins/skills/types.ts';

export type { Services } from '../kernel/plugins/catalogue.ts';
export type { ActionsService, BatchingService, LeaseService, LuaService, SchedulerService };

declare module '../kernel/plugins/catalogue.ts' {
  interface Services {
    /** Messages by name between host code, plugins and skills. */
    readonly actions: ActionsService;
    /** When changes are delivered. */
    readonly batching: BatchingService;
    /** The change log: watchers and subscriptions of tables. */
    readonly capsule: CapsuleService;
    /** Which of several hosts on one file runs skills. */
    readonly lease: LeaseService;
    /** Watchers and subscriptions of queries. */
    readonly live: LiveService;
    /** Sandboxed Lua states. */
    readonly lua: LuaService;
    /** The jobs of skills. */
    readonly scheduler: SchedulerService;
    /** Skills, and the host's own Lua. */
    readonly skills: SkillsService;
  }
}
