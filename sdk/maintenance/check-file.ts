/** Checks of the file as a SQLite database: can it be opened and written, is it sound, in which mode is it. */
import { accessSync, constants, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { messageOf } from '../../kernel/errors.ts';
import { fail, ok, warn } from './checks.ts';
import type { Finding } from './checks.ts';
import type { Connection } from './connection.ts';

const WAL_WARN_BYTES = 256 * 1024 * 1024;
const SHOWN_ERRORS = 3;

/** GlyphCase writes its log into the file, and SQLite its -wal beside it. */
export function checkAccess(path: string): Finding {
  for (const [place, what] of [
    [path, 'the file'],
    [dirname(path), 'its folder'],
  ] as const) {
    try {
      accessSync(place, constants.R_OK | constants.W_OK);
    } catch {
      return fail(
        'access',
        `this user may not write ${what} (${place})`,
        'Change the owner or the mode; GlyphCase keeps its log in the file.',
      );
    }
  }
  return ok('access', 'the file and its folder can be written');
}

export function checkMode(connection: Connection): Finding {
  const mode = String(connection.pragma('journal_mode', { simple: true }));
  if (mode === 'wal') return ok('journal', 'WAL');
  return warn(
    'journal',
    `"${mode}", not WAL`,
    'The next host that opens the file changes it; a network drive may not allow that.',
  );
}

/** A -wal that only grows means that somebody keeps a read transaction open. */
export function checkWal(path: string, format: (bytes: number) => string): readonly Finding[] {
  const size = statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0;
  if (size < WAL_WARN_BYTES) return [];
  return [
    warn(
      'WAL',
      `${path}-wal has ${format(size)}`,
      'Some program keeps a transaction open; find and end it, then PRAGMA wal_checkpoint(TRUNCATE).',
    ),
  ];
}

export function checkIntegrity(connection: Connection): Finding {
  const errors = quickCheck(connection).filter((line) => line !== 'ok');
  if (errors.length === 0) return ok('integrity', 'quick_check found nothing wrong');
  const more = errors.length > SHOWN_ERRORS ? `; and ${errors.length - SHOWN_ERRORS} more` : '';
  return fail(
    'integrity',
    `the file is damaged: ${errors.slice(0, SHOWN_ERRORS).join('; ')}${more}`,
    'Restore a backup, or save what is readable with the sqlite3 shell: .recover',
  );
}

function quickCheck(connection: Connection): readonly string[] {
  try {
    return connection.prepare('PRAGMA quick_check').pluck().all() as string[];
  } catch (error) {
    // Damage of some kinds keeps SQLite from looking at all.
    return [messageOf(error)];
  }
}
