/** The plugin `scheduler`: jobs that skills plan by `scheduler.every`, `after` and `cron`, run by the host that holds the lease. */
import type { LuaService } from '../../sdk/lua-types.ts';
import { definePlugin } from '../../sdk/plugin.ts';
import type { PluginContext, PluginDefinition } from '../../sdk/plugin.ts';
import type { SkillHandle, SkillsService } from '../../sdk/skills-types.ts';
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

/** The plugin, with the chance that jitter depends on. */
export function createSchedulerPlugin(random: () => number = Math.random): PluginDefinition<SchedulerConfig> {
  return definePlugin<SchedulerConfig>({
    name: 'scheduler',
    version: '1.0.0',
    requires: { skills: '^1.0.0', lua: '^1.0.0' },
    provides: { scheduler: '1.0.0' },
    // Two instances would each run every job that has no name.
    reload: 'restart',
    config: { type: 'object', properties: { timezone: { type: 'string', minLength: 1 } } },
    activate: (ctx) => activate(ctx, random),
  });
}

function activate(ctx: PluginContext<SchedulerConfig>, random: () => number): void {
  const { db, clock } = ctx;
  let { timezone } = ctx.config;
  if (timezone !== undefined) checkTimezone(timezone, 'The option scheduler.timezone', 'GC_BAD_OPTION');
  const lua = ctx.use<LuaService>('lua');
  const store = new JobStore(db);
  const scheduler = new Scheduler({ db, clock, store, random });
  let ids = 0;
  const create = (skill: SkillHandle) => {
    const table = new JobTable(skill, () => scheduler.arm());
    const functions = functionsOf(table, {
      lua,
      clock,
      store,
      // Asking for the process's own loads the time zones, some 25 ms that a host without cron jobs need not pay.
      timezone: () => (timezone ??= new Intl.DateTimeFormat().resolvedOptions().timeZone),
      newId: () => `#${(ids += 1)}`,
      plan: (scheduledAt, jitterMs) => scheduler.plan(scheduledAt, jitterMs),
    });
    return { functions, live: () => scheduler.begin(table), closed: () => scheduler.end(table) };
  };
  ctx.defer(ctx.use<SkillsService>('skills').extend({ name: 'scheduler', create }), 'scheduler in Lua');
  ctx.on('lease:held', () => scheduler.leaseHeld());
  ctx.on('skill:uninstalling', ({ id }: { readonly id: string }) => store.remove(id));
  ctx.provide<SchedulerService>('scheduler', { jobs: () => jobReports(store, scheduler) });
  // The last to be entered is the first to go: nothing below it may set a timer any more.
  ctx.defer(() => scheduler.close(), 'scheduler');
}

export default createSchedulerPlugin();
