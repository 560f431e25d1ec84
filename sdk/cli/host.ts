/**
 * The host that `glyphcase start` runs: the library's, as a person at a terminal wants it.
 *
 * Invariant: permissions that reach beyond the database's own tables wait for a person's word, unless --grant gave it.
 */
import { resolve } from 'node:path';
import type { SkillReport } from '../../plugins/skills/types.ts';
import { builtinDefinitions } from '../builtin.ts';
import type { GlyphCaseConfig } from '../config.ts';
import { GlyphCase } from '../glyphcase.ts';
import { kernelOf } from '../kernel-of.ts';
import type { FilePluginReport } from '../manager-types.ts';
import { announcePhases, observePlugins } from './plugin-observer.ts';
import type { PluginObserverOptions } from './plugin-observer.ts';
import type { KnownPlugins } from './reporter.ts';
import { OBSERVER, skillObserver } from './skill-observer.ts';
import type { ObserverOptions } from './skill-observer.ts';
import { culprit } from './strays.ts';
import type { PluginPlace } from './strays.ts';
import type { StallWatch } from './stall-watch.ts';

export interface HostOptions extends Omit<ObserverOptions, 'found'> {
  readonly config: GlyphCaseConfig;
  readonly pluginChanged: PluginObserverOptions['changed'];
  readonly stalls: StallWatch | undefined;
}

export interface Host {
  /** Resolves when every plugin and skill is active or has said why not. */
  readonly ready: Promise<StartedHost>;
  readonly plugins: () => readonly FilePluginReport[];
  /** Something of a plugin that nothing guards has thrown. False when it was not running. */
  crashed(name: string, what: string, error: unknown): boolean;
  close(): Promise<void>;
}

export interface StartedHost {
  readonly plugins: readonly FilePluginReport[];
  readonly skills: readonly SkillReport[];
  /** Whether this host runs the skills; another one on the file may do it. */
  readonly runsSkills: boolean;
}

const builtin = new Set([OBSERVER, ...builtinDefinitions().map(({ name }) => name)]);

/** The plugins of a host that come from files, and where they lie. */
export const placesOf = (host: Host | undefined): readonly PluginPlace[] =>
  (host?.plugins() ?? []).flatMap(({ id, file }) => (file === undefined ? [] : [{ name: id, path: resolve(file) }]));

/** What is known of the plugins of a host that `of` returns, once it does. */
export const knownPlugins = (of: () => Host | undefined): KnownPlugins => ({
  isBuiltin: (name) => builtin.has(name),
  get: (name) => (of()?.plugins() ?? []).find(({ id }) => id === name),
  culprit: (error) => culprit(error, placesOf(of())),
});

/** Opens the database and starts what belongs to it. @throws what the database cannot be opened for, GC_BAD_OPTION, GC_BAD_PLUGIN */
export function startHost({ config, pluginChanged, stalls, ...options }: HostOptions): Host {
  let services: Parameters<ObserverOptions['found']>[0] | undefined;
  const observer = skillObserver({ ...options, found: (found) => (services = found) });
  const { skills } = config;
  const db = new GlyphCase({
    ...config,
    ...(skills === undefined || skills === false ? {} : { skills: { confirm: !options.grants.all, ...skills } }),
    plugins: [...(config.plugins ?? []), ...(config.capsule?.enabled === false ? [] : [observer])],
  });
  const { bus, plugins: host } = kernelOf(db);
  const plugins = (): readonly FilePluginReport[] => db.plugins.list().filter(({ id }) => id !== OBSERVER);
  if (stalls !== undefined) announcePhases(bus, stalls);
  let stopObserving: (() => void) | undefined;
  const ready = async (): Promise<StartedHost> => {
    await db.ready;
    const list = (): readonly FilePluginReport[] => plugins().filter(({ id }) => !builtin.has(id));
    stopObserving = observePlugins(bus, { list, changed: pluginChanged });
    return { plugins: plugins(), skills: services?.skills.list() ?? [], runsSkills: services?.lease.held ?? false };
  };
  return {
    ready: ready(),
    plugins,
    crashed: (name, what, error) => host.crashed(name, what, error),
    close() {
      stopObserving?.();
      return db.close();
    },
  };
}
