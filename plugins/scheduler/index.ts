/**
 * The plugin `scheduler`: jobs that skills plan by `scheduler.every`, `after` and `cron`, run by the host that holds the lease.
 *
 * Invariant: a reload hands the jobs on as they stand, those that are running included, so that none is skipped or run twice.
 */
import { handedOn } from '../../sdk/lasting.ts';
import type { Handed } from '../../sdk/lasting.ts';
import type { LuaService } from '../../sdk/lua-types.ts';
import { definePlugin } from '../../sdk/plugin.ts';
import type { PluginContext, PluginDefinition } from '../../sdk/plugin.ts';
import type { LuaExtensionInstance, SkillHandle, SkillsService } from '../../sdk/skills-types.ts';
import { JobTable } from './job-table.ts';
import { functionsOf } from './lua.ts';
import { jobReports } from './report.ts';
import { checkTimezone } from './schedule.ts';
import { Scheduler } from './scheduler.ts';
import { JobStore } from './store.ts';
import type { SchedulerService } from './types.ts';

/** The plugin's options. */
export interface SchedulerConfig {
  /** Of cron jobs without one of their own, an IANA name; that of the process by default. */
  readonly timezone?: string;
}

interface Running {
  readonly skills: SkillsService;
  readonly scheduler: Scheduler;
  /** Of the Lua states that are open. */
  readonly tables: WeakMap<SkillHandle, JobTable>;
  /** Unique in this host. */
  readonly newId: () => string;
  /** Whether another instance is about to take over. */
  readonly kept: () => boolean;
}

/** The plugin, with the chance that jitter depends on. */
export function createSchedulerPlugin(random: () => number = Math.random): PluginDefinition<SchedulerConfig> {
  const handed = handedOn<SchedulerConfig, Running>({
    label: 'scheduler',
    begin(lasting) {
      const { db, clock } = lasting;
      let ids = 0;
      return {
        skills: lasting.use<SkillsService>('skills'),
        scheduler: new Scheduler({ db, clock, store: new JobStore(db), random }),
        tables: new WeakMap(),
        newId: () => `#${(ids += 1)}`,
        kept: () => lasting.kept,
      };
    },
    // With other skills come other Lua states, and jobs hold functions of theirs.
    fits: ({ skills }, ctx) => skills === ctx.use<SkillsService>('skills'),
    end: ({ scheduler }) => scheduler.close(),
  });
  return definePlugin<SchedulerConfig>({
    name: 'scheduler',
    version: '1.0.0',
    requires: { skills: '^1.0.0', lua: '^1.0.0' },
    provides: { scheduler: '1.0.0' },
    // Two instances would each run every job that has no name.
    reload: 'restart',
    config: { type: 'object', properties: { timezone: { type: 'string', minLength: 1 } } },
    activate: (ctx) => activate(ctx, handed),
    snapshot: handed.snapshot,
  });
}

function activate(ctx: PluginContext<SchedulerConfig>, handed: Handed<SchedulerConfig, Running>): void {
  let { timezone } = ctx.config;
  if (timezone !== undefined) checkTimezone(timezone, 'The option scheduler.timezone', 'GC_BAD_OPTION');
  const lua = ctx.use<LuaService>('lua');
  const { skills, scheduler, tables, newId, kept } = handed.take(ctx);
  const { store, clock } = scheduler;
  const open = (table: JobTable): LuaExtensionInstance => ({
    functions: functionsOf(table, {
      lua,
      clock,
      store,
      // Asking for the process's own loads the time zones, some 25 ms that a host without cron jobs need not pay.
      timezone: () => (timezone ??= new Intl.DateTimeFormat().resolvedOptions().timeZone),
      newId,
      plan: (scheduledAt, jitterMs) => scheduler.plan(scheduledAt, jitterMs),
    }),
    live: () => scheduler.begin(table),
    closed() {
      if (!kept()) scheduler.end(table);
    },
  });
  const create = (skill: SkillHandle): LuaExtensionInstance => {
    const table = new JobTable(skill, () => scheduler.arm());
    tables.set(skill, table);
    return open(table);
  };
  const adopt = (skill: SkillHandle): LuaExtensionInstance | undefined => {
    const table = tables.get(skill);
    return table === undefined ? undefined : open(table);
  };
  ctx.defer(skills.extend({ name: 'scheduler', create, adopt }), 'scheduler in Lua');
  ctx.on('lease:held', () => scheduler.leaseHeld());
  ctx.on('skill:uninstalling', ({ id }: { readonly id: string }) => store.remove(id));
  ctx.provide<SchedulerService>('scheduler', { jobs: () => jobReports(store, scheduler) });
}

export default createSchedulerPlugin();
