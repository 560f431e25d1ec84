/**
 * The host that `glyphcase start` runs: the library's, with the skills plugin set up as a person at a terminal wants it.
 *
 * Invariant: permissions that reach beyond the database's own tables wait for a person's word, unless --grant gave it.
 */
import { definePlugin } from '../plugin.ts';
import { GlyphCase } from '../glyphcase.ts';
import type { GlyphCaseConfig } from '../config.ts';
import type { PluginReport } from '../../kernel/plugins/types.ts';
import skillsPlugin from '../../plugins/skills/index.ts';
import type { SkillReport, SkillsService } from '../../plugins/skills/types.ts';
import type { LeaseService } from '../../plugins/lease/types.ts';
import { readControlRows } from '../maintenance/skill-control.ts';
import { SkillFollower } from './follower.ts';
import type { Grants } from './grants.ts';
import { metered } from './reaction-meter.ts';
import type { ReactionReport } from './reaction-meter.ts';
import { VERSION } from '../version.ts';

const LOOK_MS = 250;

export interface HostOptions {
  readonly config: GlyphCaseConfig;
  readonly grants: Grants;
  readonly reacted: (reaction: ReactionReport) => void;
  readonly skillChanged: (now: SkillReport | undefined, before: SkillReport | undefined) => void;
}

export interface Host {
  readonly plugins: readonly PluginReport[];
  readonly skills: readonly SkillReport[];
  /** Whether this host runs the skills; another one on the file may do it. */
  readonly runsSkills: boolean;
  close(): Promise<void>;
}

/** Opens the database and starts what belongs to it; resolves when every skill is active or has said why not. */
export async function startHost({ config, grants, reacted, skillChanged }: HostOptions): Promise<Host> {
  const { skills, ...rest } = config;
  const db = new GlyphCase({ ...rest, skills: false });
  try {
    await db.ready;
    if (config.capsule?.enabled === false) return hostOf(db, [], false);
    // The library has no option for confirmation; the plugin has.
    await db.plugins.unload('skills');
    const { dir = [], watch = true, grants: most } = skills === undefined || skills === false ? {} : skills;
    db.plugins.load(metered(skillsPlugin, reacted), {
      dirs: [dir].flat(),
      watch,
      confirm: !grants.all,
      ...(most === undefined ? {} : { grants: most }),
    });
    const services = await new Promise<Services>((resolve) =>
      db.plugins.load(follower({ grants, skillChanged, resolve })),
    );
    await services.skills.ready();
    return hostOf(db, services.skills.list(), services.lease.held);
  } catch (error) {
    await db.close();
    throw error;
  }
}

function hostOf(db: GlyphCase, skills: readonly SkillReport[], runsSkills: boolean): Host {
  return {
    plugins: db.plugins.list().filter((plugin) => plugin.id !== NAME),
    skills,
    runsSkills,
    close: () => db.close(),
  };
}

const NAME = 'command-line';

interface Services {
  readonly skills: SkillsService;
  readonly lease: LeaseService;
}

interface FollowOptions extends Pick<HostOptions, 'grants' | 'skillChanged'> {
  readonly resolve: (services: Services) => void;
}

/** What the command line adds to a host, as a plugin like any other. */
function follower({ grants, skillChanged, resolve }: FollowOptions): ReturnType<typeof definePlugin> {
  return definePlugin({
    name: NAME,
    version: VERSION,
    requires: { skills: '^1.0.0', lease: '^1.0.0' },
    activate(ctx) {
      const skills = ctx.use<SkillsService>('skills');
      let following: SkillFollower | undefined;
      void skills.ready().then(() => {
        if (ctx.scope.closed) return;
        following = new SkillFollower({
          skills,
          grants,
          changed: skillChanged,
          read: () => readControlRows(ctx.db.reader),
        });
        following.look();
      });
      ctx.every(LOOK_MS, () => following?.look());
      resolve({ skills, lease: ctx.use<LeaseService>('lease') });
    },
  });
}
