/**
 * Opening a SQLite file: the two connections, their pragmas, and errors a person can act on.
 *
 * Invariant: nothing in this process opens or copies the file, its -wal or its -shm by other means; POSIX would drop
 * SQLite's locks (https://sqlite.org/howtocorrupt.html §2.2).
 */
import BetterSqlite3 from 'better-sqlite3';
import { existsSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { GlyphError, messageOf } from '../errors.ts';
import { sqlError } from '../sql/errors.ts';

/** How long one attempt to take the write lock may block the event loop, in ms. Longer waits are made of such attempts. */
export const ATTEMPT_MS = 10;

/**
 * After so many pages in the -wal file (16 MB) SQLite moves them into the database; at its own 1,000 a commit of 10,000 rows
 * pays for that each time, and pages that are written often are moved often.
 */
const CHECKPOINT_PAGES = 4000;

export interface Connections {
  readonly filename: string;
  readonly inMemory: boolean;
  readonly writer: BetterSqlite3.Database;
  /** Read-only; the writer itself for an in-memory database. */
  readonly reader: BetterSqlite3.Database;
}

/**
 * Opens both connections to `filename` (or `:memory:`), creating the file when it is not there.
 * @throws GC_CANNOT_OPEN, GC_NOT_A_DATABASE, GC_READ_ONLY, GC_LOCKED
 */
export function openConnections(filename: string): Connections {
  const inMemory = filename === ':memory:' || filename === '';
  if (inMemory) {
    const writer = openOne(':memory:', false);
    setUp(writer);
    return { filename: ':memory:', inMemory, writer, reader: writer };
  }
  const path = resolve(filename);
  checkPlace(filename, path);
  const writer = openOne(path, false);
  try {
    const mode = setUp(writer);
    if (mode !== 'wal') {
      throw new GlyphError(
        'GC_CANNOT_OPEN',
        `Cannot use ${filename}: SQLite keeps its journal mode "${String(mode)}"`,
        {
          hint: 'GlyphCase needs WAL mode, which needs a local file system and no other program in exclusive mode.',
        },
      );
    }
    const reader = openOne(path, true);
    reader.pragma('busy_timeout = 5000');
    reader.pragma('temp_store = memory');
    return { filename: path, inMemory, writer, reader };
  } catch (error) {
    writer.close();
    throw error instanceof GlyphError ? error : openError(error, filename);
  }
}

function checkPlace(filename: string, path: string): void {
  if (existsSync(path)) {
    if (statSync(path).isDirectory()) {
      throw new GlyphError('GC_CANNOT_OPEN', `Cannot open ${filename}: it is a folder, not a database file`);
    }
  } else if (!existsSync(dirname(path))) {
    throw new GlyphError('GC_CANNOT_OPEN', `Cannot open ${filename}: the folder ${dirname(path)} does not exist`);
  }
}

function openOne(path: string, readonly: boolean): BetterSqlite3.Database {
  try {
    return new BetterSqlite3(path, { readonly, timeout: ATTEMPT_MS });
  } catch (error) {
    throw openError(error, path);
  }
}

/** Sets the writer's pragmas; returns the journal mode in force. */
function setUp(writer: BetterSqlite3.Database): unknown {
  writer.pragma('busy_timeout = 5000');
  const mode = writer.pragma('journal_mode = WAL', { simple: true });
  writer.pragma('synchronous = NORMAL');
  writer.pragma(`wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
  writer.pragma('foreign_keys = ON');
  // Off on purpose: ON breaks users' own "AFTER UPDATE … UPDATE same row" triggers (docs/decisions/001).
  writer.pragma('recursive_triggers = OFF');
  writer.pragma('temp_store = memory');
  // Fails now, rather than at the first write, when the file or its folder cannot be written.
  writer.exec('BEGIN IMMEDIATE; ROLLBACK');
  writer.pragma(`busy_timeout = ${ATTEMPT_MS}`);
  return mode;
}

function openError(error: unknown, filename: string): GlyphError {
  const mapped = sqlError(error, '');
  if (mapped.code === 'GC_SQL') {
    return new GlyphError('GC_CANNOT_OPEN', `Cannot open ${filename}: ${messageOf(error)}`, { cause: error });
  }
  return new GlyphError(mapped.code, `Cannot open ${filename}: ${messageOf(error)}`, { cause: error });
}
