/**
 * One installation or removal at a time in a skills folder, whichever process does it.
 *
 * Invariant: the right to work is a lock of the operating system (SQLite's, on a file of its own), so it ends with the process
 * that holds it: whatever a dead one left half done may be put right by whoever comes next.
 */
import { rmSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import BetterSqlite3 from 'better-sqlite3';
import { GlyphError } from '../../kernel/errors.ts';

const LOCK = '.install.lock';
/** How often somebody else's lock is tried again, and how long it is waited for, in ms. */
const AGAIN_MS = 50;
const PATIENCE_MS = 5000;

/** @throws GC_LOCKED when another program is at work there, and goes on with it */
export async function oneAtATime<T>(dir: string, work: () => Promise<T>): Promise<T> {
  const path = join(resolve(dir), LOCK);
  const until = performance.now() + PATIENCE_MS;
  for (;;) {
    const lock = take(path);
    if (lock !== undefined) {
      try {
        return await work();
      } finally {
        // While it is held: whoever opens the name from now on makes a file of its own.
        rmSync(path, { force: true });
        lock.close();
      }
    }
    if (performance.now() > until) {
      throw new GlyphError('GC_LOCKED', `Another program is installing or removing a skill in ${dir}`, {
        hint: 'Let it end, or answer what it asks, and try again.',
      });
    }
    await sleep(AGAIN_MS);
  }
}

/** Undefined when it is held, or was given up while it was being taken. */
function take(path: string): BetterSqlite3.Database | undefined {
  writeFileSync(path, '', { flag: 'a' });
  const before = statSync(path, { throwIfNoEntry: false });
  const lock = new BetterSqlite3(path, { timeout: 0 });
  try {
    lock.exec('BEGIN EXCLUSIVE');
    // The file may have been removed, and another made, between its opening and its locking.
    const now = statSync(path, { throwIfNoEntry: false });
    if (before !== undefined && now?.ino === before.ino) return lock;
  } catch (error) {
    if (!(error instanceof BetterSqlite3.SqliteError) || !error.code.startsWith('SQLITE_BUSY')) {
      lock.close();
      throw error;
    }
  }
  lock.close();
  return undefined;
}
