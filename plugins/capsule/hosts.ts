/** Which of the hosts that stand in the file are gone. */
import { hostname } from 'node:os';
import type { Database } from '../../sdk/plugin.ts';

/** A host that has not been seen for so long is taken for dead even if its process id lives (it was used again). */
const STALE_SECONDS = 90;

interface HostRow {
  readonly id: string;
  readonly machine: string;
  readonly pid: number;
  /** Seconds since it was last seen. */
  readonly age: number;
}

/** Ids of hosts whose process has died, or that have given no sign of life. Of another machine only the latter can be known. */
export function deadHosts(db: Database): readonly string[] {
  const hosts = db
    .prepare("SELECT id, machine, pid, unixepoch('now') - unixepoch(seen_at) AS age FROM _capsule_hosts")
    .all() as HostRow[];
  return hosts.filter((host) => !isAlive(host)).map(({ id }) => id);
}

function isAlive({ machine, pid, age }: HostRow): boolean {
  if (age >= STALE_SECONDS) return false;
  return machine !== hostname() || hasProcess(pid);
}

function hasProcess(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it lives, and belongs to somebody else.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
