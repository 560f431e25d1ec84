/**
 * The host that `glyphcase start` runs: the library's, as a person at a terminal wants it.
 *
 * Invariant: permissions that reach beyond the database's own tables wait for a person's word, unless --grant gave it.
 */
import type { PluginReport } from '../../kernel/plugins/types.ts';
import type { SkillReport } from '../../plugins/skills/types.ts';
import type { GlyphCaseConfig } from '../config.ts';
import { GlyphCase } from '../glyphcase.ts';
import { OBSERVER, skillObserver } from './skill-observer.ts';
import type { ObserverOptions } from './skill-observer.ts';

export interface HostOptions extends Omit<ObserverOptions, 'found'> {
  readonly config: GlyphCaseConfig;
}

export interface Host {
  readonly plugins: readonly PluginReport[];
  readonly skills: readonly SkillReport[];
  /** Whether this host runs the skills; another one on the file may do it. */
  readonly runsSkills: boolean;
  close(): Promise<void>;
}

/** Opens the database and starts what belongs to it; resolves when every skill is active or has said why not. */
export async function startHost({ config, ...options }: HostOptions): Promise<Host> {
  let services: Parameters<ObserverOptions['found']>[0] | undefined;
  const observer = skillObserver({ ...options, found: (found) => (services = found) });
  const { skills } = config;
  const db = new GlyphCase({
    ...config,
    ...(skills === undefined || skills === false ? {} : { skills: { confirm: !options.grants.all, ...skills } }),
    plugins: [...(config.plugins ?? []), ...(config.capsule?.enabled === false ? [] : [observer])],
  });
  try {
    await db.ready;
    return {
      plugins: db.plugins.list().filter((plugin) => plugin.id !== OBSERVER),
      skills: services?.skills.list() ?? [],
      runsSkills: services?.lease.held ?? false,
      close: () => db.close(),
    };
  } catch (error) {
    await db.close();
    throw error;
  }
}
