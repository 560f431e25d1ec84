/**
 * One backup: a consistent copy of a database that goes on being written, checked before it gets its name.
 *
 * Invariants: the copy is one moment of the database, whoever writes meanwhile; a file with a backup's name is complete,
 * verified and on the disk; what fails or is interrupted leaves nothing.
 */
import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { GlyphError } from 'glyphcase/sdk';
import { countRows, withConnection } from './sqlite.ts';
import type { Connection, Counts } from './sqlite.ts';

export interface CopyParts {
  /** Any connection of the host; it makes ours. */
  readonly host: Connection;
  readonly from: string;
  /** Where the copy grows; removed when it fails. */
  readonly partial: string;
  readonly to: string;
  readonly verify: boolean;
  readonly signal?: AbortSignal;
}

/** Pages copied before other work has its turn; 400 KB with pages of the usual size. */
const PAGES = 100;

/** @throws what SQLite and the file system throw; GC_NOT_A_DATABASE when the copy is not what was copied */
export async function copyDatabase(parts: CopyParts): Promise<void> {
  const { host, partial, to, verify, signal } = parts;
  try {
    const expected = await copySnapshot(parts);
    await standAlone(host, partial);
    signal?.throwIfAborted();
    if (verify) await verifyCopy(host, partial, expected);
    await rename(partial, to);
    await syncFolder(dirname(to));
  } catch (error) {
    for (const suffix of ['', '-journal', '-wal', '-shm']) await rm(partial + suffix, { force: true });
    throw error;
  }
}

/** Copies what one read transaction sees, and counts in it. SQLite never starts over, as it would without one. */
function copySnapshot({ host, from, partial, verify, signal }: CopyParts): Promise<Counts> {
  return withConnection(host, from, 'read', async (source) => {
    source.exec('BEGIN');
    source.prepare('SELECT count(*) FROM sqlite_schema').get();
    await source.backup(partial, {
      progress: () => {
        signal?.throwIfAborted();
        return PAGES;
      },
    });
    signal?.throwIfAborted();
    return verify ? await countRows(source) : new Map<string, number>();
  });
}

/** Makes the copy one file that needs no -wal and no -shm beside it. */
function standAlone(host: Connection, file: string): Promise<void> {
  return withConnection(host, file, 'write', (copy) => void copy.pragma('journal_mode = DELETE'));
}

/** Opens a copy as who restores it will, and looks at all of it. */
export async function verifyCopy(host: Connection, file: string, expected?: Counts): Promise<Counts> {
  return await withConnection(host, file, 'read', async (copy) => {
    const [first, ...more] = copy.prepare('PRAGMA integrity_check(10)').pluck().all() as string[];
    if (first !== 'ok' || more.length > 0) throw damaged(file, [first, ...more].join('; '));
    const counts = await countRows(copy);
    for (const [table, count] of expected ?? []) {
      if (counts.get(table) === count) continue;
      throw damaged(file, `${table} has ${counts.get(table) ?? 'no'} rows instead of ${count}`);
    }
    return counts;
  });
}

const damaged = (file: string, why: string): GlyphError =>
  new GlyphError('GC_NOT_A_DATABASE', `The copy ${file} is not a good one: ${why}`, {
    hint: 'Check the disk it was written to, and run `glyphcase doctor` on the database itself.',
  });

/** A new name is on the disk only when its folder is. Windows has no such call, and needs none. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
