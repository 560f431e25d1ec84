/**
 * What Lua code has asked for in a transaction, to be done when the transaction has committed.
 *
 * Invariant: what was asked for inside a part that is rolled back is dropped with it.
 */
import type { Database, Transaction } from '../../sdk/plugin.ts';

const KEY = 'skills';

interface Note {
  readonly committed?: () => void;
  readonly rolledBack?: () => void;
}

/** Notes of one transaction. */
export class Notes {
  #notes: Note[] = [];

  /** Runs one of the two when it is known what became of the transaction. */
  add(note: Note): void {
    this.#notes.push(note);
  }

  /** A place to roll back to. */
  mark(): number {
    return this.#notes.length;
  }

  /** What was added after the mark is rolled back. */
  rollBackTo(mark: number): void {
    for (const note of this.#notes.splice(mark).reverse()) note.rolledBack?.();
  }

  settle(how: 'committed' | 'rolledBack'): void {
    const notes = this.#notes;
    this.#notes = [];
    for (const note of notes) note[how]?.();
  }
}

/** The notes of a transaction. */
export function notesOf(transaction: Transaction): Notes {
  let notes = transaction.notes.get(KEY) as Notes | undefined;
  if (notes === undefined) {
    notes = new Notes();
    transaction.notes.set(KEY, notes);
  }
  return notes;
}

/** Ends the notes of a transaction, if anybody made any. */
export function settleNotes(transaction: Transaction, how: 'committed' | 'rolledBack'): void {
  (transaction.notes.get(KEY) as Notes | undefined)?.settle(how);
}

/** Runs `fn` inside the open transaction; what it asked for is dropped if it throws, for then the caller rolls its part back. */
export function withNotes<T>(db: Database, fn: () => T): T {
  const notes = db.current === undefined ? undefined : notesOf(db.current);
  const mark = notes?.mark() ?? 0;
  try {
    return fn();
  } catch (error) {
    notes?.rollBackTo(mark);
    throw error;
  }
}

/** Runs Lua code in a transaction as soon as the writer is free; inside one, as a part of it. */
export function inLua<T>(db: Database, fn: () => T): Promise<T> {
  return db.exclusive(() => withNotes(db, fn), { source: 'lua' });
}
