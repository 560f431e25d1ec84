/**
 * SQLite's errors as GlyphErrors.
 *
 * Invariant: whatever is passed in, a GlyphError comes out, with the original as its cause; a GlyphError stays itself.
 */
import { GlyphError, messageOf } from '../errors.ts';
import type { ErrorCode } from '../errors.ts';
import { didYouMean } from '../schema/problems.ts';
import { sameName } from './identifiers.ts';

/** Longer statements are cut in messages. */
const SHOWN_SQL = 160;

/** SQLite's primary result code → ours and, where SQLite's text does not say enough, the sentence to begin with. */
const BY_CODE: Readonly<Record<string, readonly [ErrorCode, string?]>> = {
  SQLITE_BUSY: ['GC_LOCKED', 'Another connection is using the database'],
  SQLITE_LOCKED: ['GC_LOCKED', 'A statement of this connection is still using the table'],
  SQLITE_READONLY: ['GC_READ_ONLY', 'The database cannot be written'],
  SQLITE_FULL: ['GC_DISK_FULL', 'The disk is full'],
  SQLITE_NOTADB: ['GC_NOT_A_DATABASE', 'The file is not a SQLite database'],
  SQLITE_CORRUPT: ['GC_NOT_A_DATABASE', 'The database file is damaged'],
  SQLITE_CANTOPEN: ['GC_CANNOT_OPEN', 'The database file cannot be opened'],
  SQLITE_CONSTRAINT: ['GC_CONSTRAINT'],
};

const HINTS: Readonly<Record<string, string>> = {
  SQLITE_CORRUPT: 'Restore a backup, or save what is readable with the sqlite3 shell: .recover',
};

type Names = () => readonly string[];

/**
 * Maps an error that better-sqlite3 threw.
 *
 * @param sql the statement, for the message; '' when there is none to show.
 * @param tables names to look for a "did you mean" in, when a table is missing; called only then.
 * @param columns the same for a missing column.
 */
export function sqlError(error: unknown, sql: string, tables?: Names, columns?: Names): GlyphError {
  if (error instanceof GlyphError) return error;
  const message = messageOf(error);
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const shown = sql === '' ? '' : ` in: ${shorten(sql)}`;

  const [primary, mapped] =
    Object.entries(BY_CODE).find(([name]) => code === name || code.startsWith(`${name}_`)) ?? [];
  if (primary !== undefined && mapped !== undefined) {
    const [ours, sentence] = mapped;
    const hint = HINTS[primary];
    const text = sentence === undefined || sentence === message ? message : `${sentence}: ${message}`;
    return new GlyphError(ours, text + shown, { cause: error, ...(hint === undefined ? {} : { hint }) });
  }
  if (error instanceof TypeError && /database connection is not open/.test(message)) {
    return new GlyphError('GC_CLOSED', 'The database is closed', { cause: error });
  }
  if (error instanceof RangeError && /parameter/.test(message)) {
    return new GlyphError('GC_BAD_ARGUMENT', message + shown, { cause: error });
  }
  const missing = missingName(message);
  if (missing === undefined) return new GlyphError('GC_SQL', message + shown, { cause: error });
  const guess = didYouMean(missing.name, candidatesFor(missing, tables, columns));
  const question = guess === undefined ? '' : ` (did you mean ${JSON.stringify(guess)}?)`;
  return new GlyphError(missing.code, message + question + shown, { cause: error });
}

interface Missing {
  readonly code: 'GC_NO_SUCH_TABLE' | 'GC_NO_SUCH_COLUMN';
  readonly name: string;
}

function missingName(message: string): Missing | undefined {
  const table = /^no such (?:table|view): (.+)$/s.exec(message)?.[1];
  if (table !== undefined) return { code: 'GC_NO_SUCH_TABLE', name: table.replace(/^(?:main|temp)\./, '') };
  const column =
    /^no such column: "([^]+)" - should this be/.exec(message)?.[1] ??
    /no such column: (.+)$/s.exec(message)?.[1]?.replace(/^.*\./s, '') ??
    /has no column named (.+)$/s.exec(message)?.[1];
  return column === undefined ? undefined : { code: 'GC_NO_SUCH_COLUMN', name: column };
}

function candidatesFor({ code, name }: Missing, tables?: Names, columns?: Names): readonly string[] {
  if (code === 'GC_NO_SUCH_TABLE') return safely(tables);
  // They are the columns of all tables: another table may have the very name that this one has not.
  return safely(columns).filter((column) => !sameName(column, name));
}

/** A suggestion is not worth a second error. */
function safely(names: Names | undefined): readonly string[] {
  try {
    return names?.() ?? [];
  } catch {
    return [];
  }
}

function shorten(sql: string): string {
  const line = sql.trim().replace(/\s+/g, ' ');
  return line.length > SHOWN_SQL ? `${line.slice(0, SHOWN_SQL)}…` : line;
}
