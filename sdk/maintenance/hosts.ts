/** Which hosts are on a file, and whether they live: by the same rule as the host that clears dead ones away (capsule/registry). */
import { hostname } from 'node:os';
import type { Connection } from './connection.ts';

/** A host that has not been seen for so long is taken for dead even if its process id lives (it was used again). */
const STALE_SECONDS = 90;

export interface HostState {
  readonly id: string;
  readonly machine: string;
  readonly pid: number;
  readonly alive: boolean;
  /** The last `seq` its subscribers have been given. */
  readonly position: number;
  /** `YYYY-MM-DD HH:MM:SS`, UTC. */
  readonly startedAt: string;
  readonly seenAt: string;
  readonly seenSecondsAgo: number;
}

/** All hosts written down in a file that has a capsule. */
export function readHosts(connection: Connection): readonly HostState[] {
  const rows = connection
    .prepare(
      `SELECT id, machine, pid, position, started_at AS startedAt, seen_at AS seenAt,
         unixepoch('now') - unixepoch(seen_at) AS seenSecondsAgo
       FROM _capsule_hosts ORDER BY started_at, id`,
    )
    .all() as Omit<HostState, 'alive'>[];
  return rows.map((row) => ({ ...row, alive: isAlive(row) }));
}

function isAlive(host: Omit<HostState, 'alive'>): boolean {
  if (host.seenSecondsAgo >= STALE_SECONDS) return false;
  if (host.machine !== hostname()) return true;
  try {
    process.kill(host.pid, 0);
    return true;
  } catch (error) {
    // EPERM: it lives, and belongs to somebody else.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/** `process 4711 on this machine`. */
export function describeHost(host: HostState): string {
  return `process ${host.pid}${host.machine === hostname() ? '' : ` on ${host.machine}`}`;
}
