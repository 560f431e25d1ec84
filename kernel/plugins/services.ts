/**
 * The register of services: what plugins offer each other, by name and version.
 *
 * Invariants:
 * - A name has one provider at a time.
 * - The object a provider registered is the object a user gets: calling a service costs what calling an object costs.
 */
import semver from 'semver';
import { GlyphError } from '../errors.ts';
import type { Disposer } from './types.ts';

export interface ServiceEntry {
  readonly name: string;
  /** Semver version. */
  readonly version: string;
  /** Name of the plugin that provides it. */
  readonly provider: string;
  readonly service: unknown;
}

/** Told when a service comes and goes. */
export interface ServiceWatch {
  came(entry: ServiceEntry): void;
  gone(entry: ServiceEntry): void;
}

export interface Services {
  /** @throws GC_BAD_PLUGIN when another plugin provides the name; the message names both. */
  publish(entry: ServiceEntry): Disposer;
  get(name: string): ServiceEntry | undefined;
  /** Watches one name, from now on. Watchers must not throw. */
  watch(name: string, watch: ServiceWatch): Disposer;
  list(): readonly ServiceEntry[];
}

/** Whether a version is in a range. Pre-releases count as what they are: `1.2.0-rc.1` is in `^1.0.0`. */
export function inRange(version: string, range: string): boolean {
  const both = `${version} ${range}`;
  let known = answers.get(both);
  if (known === undefined) {
    known = semver.satisfies(version, range, { includePrerelease: true });
    if (answers.size >= MOST_ANSWERS) answers.clear();
    answers.set(both, known);
  }
  return known;
}

/** Services are asked for in every call of a host, with the same few ranges. */
const answers = new Map<string, boolean>();
const MOST_ANSWERS = 500;

/** An empty register. */
export function createServices(): Services {
  const entries = new Map<string, ServiceEntry>();
  const watches = new Map<string, Set<ServiceWatch>>();
  const watchersOf = (name: string): readonly ServiceWatch[] => [...(watches.get(name) ?? [])];

  return {
    publish(entry) {
      const holder = entries.get(entry.name);
      if (holder !== undefined) {
        throw new GlyphError('GC_BAD_PLUGIN', conflict(entry.name, entry.provider, holder.provider), {
          plugin: entry.provider,
          hint: `Unload '${holder.provider}' first, or give one of the two services another name.`,
        });
      }
      entries.set(entry.name, entry);
      for (const watch of watchersOf(entry.name)) watch.came(entry);
      return () => {
        if (entries.get(entry.name) !== entry) return;
        entries.delete(entry.name);
        for (const watch of watchersOf(entry.name)) watch.gone(entry);
      };
    },
    get: (name) => entries.get(name),
    watch(name, watch) {
      const set = watches.get(name) ?? new Set();
      watches.set(name, set.add(watch));
      return () => {
        set.delete(watch);
        if (set.size === 0 && watches.get(name) === set) watches.delete(name);
      };
    },
    list: () => [...entries.values()],
  };
}

/** The sentence for two plugins that want one name. */
export function conflict(service: string, plugin: string, holder: string): string {
  return `plugin '${plugin}' provides the service '${service}', which plugin '${holder}' provides already`;
}
