/**
 * What the command line adds to a host, as a plugin like any other: it tells what becomes of skills, and approves what
 * `--grant` names.
 *
 * Invariant: a skill that somebody has approved or refused by hand is left alone.
 */
import type { UnitState } from '../../kernel/plugins/types.ts';
import type { LeaseService } from '../../plugins/lease/types.ts';
import type { SkillReacted } from '../../plugins/skills/reactions.ts';
import type { SkillReport, SkillsService } from '../../plugins/skills/types.ts';
import { readControlRows } from '../maintenance/skill-control.ts';
import { definePlugin } from '../plugin.ts';
import { VERSION } from '../version.ts';
import type { Grants } from './grants.ts';

export const OBSERVER = 'command-line';
const LOOK_MS = 250;

export interface ObserverOptions {
  readonly grants: Grants;
  readonly reacted: (reaction: SkillReacted) => void;
  /** A skill has come, gone, or changed. `before` is undefined for one that has come, `now` for one that has gone. */
  readonly skillChanged: (now: SkillReport | undefined, before: SkillReport | undefined) => void;
  /** Given once, when the plugin is active. */
  readonly found: (services: { readonly skills: SkillsService; readonly lease: LeaseService }) => void;
}

export function skillObserver(options: ObserverOptions): ReturnType<typeof definePlugin> {
  return definePlugin({
    name: OBSERVER,
    version: VERSION,
    requires: { skills: '^1.0.0', lease: '^1.0.0' },
    activate(ctx) {
      const skills = ctx.use<SkillsService>('skills');
      let reports: ReadonlyMap<string, SkillReport> | undefined;
      const approvedByHand = (): ReadonlySet<string> =>
        new Set(readControlRows(ctx.db.reader).flatMap(({ id, approved }) => (approved === null ? [] : [id])));
      const look = (): void => {
        if (reports === undefined || !ctx.db.reader.open) return;
        const now = byId(skills.list());
        tell(now, reports, options.skillChanged);
        reports = now;
        const waiting = [...now.values()].filter(
          ({ state, permissions }) => state === WAITING && options.grants.cover(permissions),
        );
        if (waiting.length === 0) return;
        const decided = approvedByHand();
        // What goes wrong is in the skill's report and log.
        for (const { id } of waiting) if (!decided.has(id)) void skills.enable(id).catch(() => undefined);
      };
      void skills.ready().then(() => {
        reports = byId(skills.list());
        look();
      });
      ctx.every(LOOK_MS, look);
      ctx.on('skill:reacted', options.reacted);
      options.found({ skills, lease: ctx.use<LeaseService>('lease') });
    },
  });
}

const WAITING: UnitState = 'waiting';

const byId = (reports: readonly SkillReport[]): ReadonlyMap<string, SkillReport> =>
  new Map(reports.map((report) => [report.id, report]));

function tell(
  now: ReadonlyMap<string, SkillReport>,
  before: ReadonlyMap<string, SkillReport>,
  changed: ObserverOptions['skillChanged'],
): void {
  for (const [id, report] of before) if (!now.has(id)) changed(undefined, report);
  for (const [id, report] of now) {
    const old = before.get(id);
    if (old === undefined || differs(report, old)) changed(report, old);
  }
}

const differs = (now: SkillReport, before: SkillReport): boolean =>
  now.state !== before.state ||
  now.version !== before.version ||
  now.activatedInMs !== before.activatedInMs ||
  now.reasons.join() !== before.reasons.join();
