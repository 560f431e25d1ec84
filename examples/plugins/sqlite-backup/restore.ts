/**
 * Putting a backup back, as a new file.
 *
 * Invariant: it writes over nothing. A file that is there, or the write-ahead log of one that was, is refused: SQLite would
 * play a stale log into the restored database.
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { GlyphError } from 'glyphcase/sdk';
import { copyDatabase, verifyCopy } from './copy.ts';
import { explained } from './problems.ts';
import type { Connection } from './sqlite.ts';

export interface Restored {
  readonly file: string;
  /** Rows of all tables together, those of GlyphCase included. */
  readonly rows: number;
}

/** @throws GC_BAD_ARGUMENT, GC_CANNOT_OPEN, GC_DISK_FULL, GC_NOT_A_DATABASE */
export async function restoreBackup(host: Connection, from: string, target: string): Promise<Restored> {
  const to = resolve(target);
  if (!existsSync(from)) {
    throw new GlyphError('GC_BAD_ARGUMENT', `There is no backup ${from}`, {
      hint: 'list() names those that are there.',
    });
  }
  const inTheWay = [to, `${to}-wal`, `${to}-shm`, `${to}-journal`].find((path) => existsSync(path));
  if (inTheWay !== undefined) {
    throw new GlyphError('GC_BAD_ARGUMENT', `restore(): ${inTheWay} is there already`, {
      hint: 'Restore to a new name. To put it in the place of a database, stop everything that uses that one and move it away, with its -wal and -shm.',
    });
  }
  try {
    await verifyCopy(host, from);
    await copyDatabase({ host, from, partial: `${to}.${process.pid}.partial`, to, verify: true });
    const counts = await verifyCopy(host, to);
    return { file: to, rows: [...counts.values()].reduce((sum, count) => sum + count, 0) };
  } catch (error) {
    throw explained(error, `Restoring ${from} to ${to}`);
  }
}
