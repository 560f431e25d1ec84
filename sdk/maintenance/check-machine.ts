/** Checks of the machine: Node.js, the SQLite that GlyphCase brings, and the disk. */
import { statfsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { assertNodeVersion } from '../../kernel/node-version.ts';
import { messageOf } from '../../kernel/errors.ts';
import { fail, ok, warn } from './checks.ts';
import type { Finding } from './checks.ts';

const MB = 1024 * 1024;
/** Below this a transaction of some size cannot be committed. */
const LEAST_FREE = 64 * MB;

export function checkMachine(): readonly Finding[] {
  return [checkNode(), ...checkSqlite()];
}

function checkNode(): Finding {
  const version = process.versions.node;
  try {
    assertNodeVersion(version);
    return ok('Node.js', version);
  } catch (error) {
    return fail('Node.js', messageOf(error), 'Install a current Node.js from https://nodejs.org.');
  }
}

function checkSqlite(): readonly Finding[] {
  const memory = new BetterSqlite3(':memory:');
  try {
    const version = String(memory.prepare('SELECT sqlite_version()').pluck().get());
    const recursive = memory.pragma('recursive_triggers', { simple: true });
    const triggers =
      recursive === 0
        ? ok('recursive triggers', 'off in this build of SQLite, as they should be')
        : warn(
            'recursive triggers',
            'on by default in this build of SQLite',
            'Hosts switch them off for themselves; other programs with such a build should run PRAGMA recursive_triggers = OFF.',
          );
    return [ok('SQLite', version), triggers];
  } finally {
    memory.close();
  }
}

/** Free space where the file lies; a WAL, a VACUUM or a backup may need as much again as the file has. */
export function checkDisk(path: string, format: (bytes: number) => string): Finding {
  const { bavail, bsize } = statfsSync(dirname(path));
  const free = bavail * bsize;
  const size = statSync(path).size + (statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0);
  const message = `${format(free)} free, the database has ${format(size)}`;
  if (free < LEAST_FREE) return fail('disk', message, 'Free some space: a commit that does not fit fails.');
  if (free < size + LEAST_FREE)
    return warn('disk', message, 'Free some space: VACUUM and backups need as much again as the file has.');
  return ok('disk', message);
}
