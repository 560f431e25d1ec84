/**
 * What skills need of each other.
 *
 * Invariant: a skill runs only while every skill it depends on runs, in a version it accepts; skills that depend on each
 * other in a circle never start, and each says who is in it.
 */
import semver from 'semver';
import type { UnitState } from '../../sdk/plugin.ts';
import type { Manifest } from './types.ts';

/** A skill as those who depend on it see it. */
export interface Peer {
  readonly id: string;
  readonly state: UnitState;
  /** Of the version that runs; undefined while none does. */
  readonly runningVersion: string | undefined;
  /** Of the newest files that could be read. */
  readonly dependencies: Readonly<Record<string, string>>;
}

export type FindPeer = (id: string) => Peer | undefined;

/** What a manifest's dependencies still lack, as sentences. */
export function missingDependencies({ id, dependencies }: Manifest, find: FindPeer): readonly string[] {
  const needed = Object.entries(dependencies);
  if (needed.length === 0) return [];
  const cycle = cycleThrough(id, dependencies, find);
  if (cycle !== undefined) {
    return [
      `waiting (skill ${cycle[1] ?? ''}): these depend on each other, so that none can start: ${cycle.join(' → ')}`,
    ];
  }
  return needed.flatMap(([other, range]) => {
    const lack = lackOf(find(other), range);
    return lack === undefined ? [] : [`waiting (skill ${other}): it needs version ${range}, ${lack}`];
  });
}

function lackOf(peer: Peer | undefined, range: string): string | undefined {
  if (peer === undefined) return 'and there is no such skill';
  if (peer.runningVersion === undefined) return `which is ${peer.state}`;
  if (semver.satisfies(peer.runningVersion, range, { includePrerelease: true })) return undefined;
  return `and ${peer.runningVersion} runs`;
}

/** The ids of a circle that begins and ends with `start`; undefined when it is in none. */
function cycleThrough(
  start: string,
  dependencies: Readonly<Record<string, string>>,
  find: FindPeer,
): readonly string[] | undefined {
  const seen = new Set<string>();
  const search = (id: string, path: readonly string[]): readonly string[] | undefined => {
    const next = id === start ? dependencies : (find(id)?.dependencies ?? {});
    for (const other of Object.keys(next)) {
      if (other === start) return [...path, start];
      if (seen.has(other)) continue;
      seen.add(other);
      const found = search(other, [...path, other]);
      if (found !== undefined) return found;
    }
    return undefined;
  };
  return search(start, [start]);
}

/** Peers so that each comes after all it depends on; those in a circle last, in the order given. */
export function inOrder<T extends { readonly id: string; readonly dependencies: Readonly<Record<string, string>> }>(
  peers: readonly T[],
): readonly T[] {
  const known = new Set(peers.map(({ id }) => id));
  const placed = new Set<string>();
  const ordered: T[] = [];
  let left = [...peers];
  while (left.length > 0) {
    const isReady = ({ dependencies }: T): boolean =>
      Object.keys(dependencies).every((id) => placed.has(id) || !known.has(id));
    const ready = left.filter(isReady);
    for (const peer of ready.length > 0 ? ready : left) {
      placed.add(peer.id);
      ordered.push(peer);
    }
    left = left.filter(({ id }) => !placed.has(id));
  }
  return ordered;
}
