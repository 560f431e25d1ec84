/** What can go wrong with taking the writer, and how it is told. */
import type BetterSqlite3 from 'better-sqlite3';
import { GlyphError } from '../errors.ts';
import { isThenable } from '../time-limit.ts';

/** A rejection has an error for its reason, whatever was thrown. */
export const asError = (thrown: unknown): Error => (thrown instanceof Error ? thrown : new Error(String(thrown)));

/** A promise would go on after the COMMIT. */
export function assertSynchronous(result: unknown): void {
  if (!isThenable(result)) return;
  result.then(undefined, () => undefined);
  const message = 'A function for a synchronous transaction returned a promise; nothing was written';
  throw new GlyphError('GC_TRANSACTION', message, { hint: 'Use transaction(), which takes asynchronous functions.' });
}

/** Something other than the transaction's owner ended it. */
export function assertOpen(sqlite: BetterSqlite3.Database): void {
  if (sqlite.inTransaction) return;
  if (!sqlite.open) throw closedInside();
  throw new GlyphError('GC_TRANSACTION', 'A statement ended the transaction by itself', {
    hint: 'Leave COMMIT, ROLLBACK and "OR ROLLBACK" to transaction().',
  });
}

/** The database was closed, and the transaction that was open is gone. */
export function closedInside(): GlyphError {
  return new GlyphError('GC_CLOSED', 'The database was closed while a transaction was open; nothing of it was written');
}

/** True for SQLITE_BUSY in all its kinds. */
export function isBusy(error: unknown): boolean {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('SQLITE_BUSY');
}

/** Another process kept the lock for longer than `waited` ms. */
export function locked(waited: number): GlyphError {
  return new GlyphError('GC_LOCKED', `The database is locked by another writer (waited ${waited} ms)`);
}
