/** What can go wrong with writing a backup, told so that somebody can do something about it. */
import { GlyphError, messageOf } from 'glyphcase/sdk';
import type { ErrorCode } from 'glyphcase/sdk';

/** Code of SQLite or the operating system → our code and what to do. */
const PROBLEMS: readonly (readonly [RegExp, ErrorCode, string])[] = [
  [/^(SQLITE_FULL|ENOSPC|EDQUOT)/, 'GC_DISK_FULL', 'Free space there, lower `keep`, or set `dir` to another disk.'],
  [
    /^(EACCES|EPERM|EROFS)/,
    'GC_CANNOT_OPEN',
    'Let the user that runs this program write there, or set `dir` to another folder.',
  ],
  [
    /^(ENOTDIR|EEXIST)/,
    'GC_CANNOT_OPEN',
    'A file stands where the folder should be: move it, or set `dir` to another folder.',
  ],
  [/^(SQLITE_CANTOPEN|SQLITE_READONLY|ENOENT)/, 'GC_CANNOT_OPEN', 'Check that the folder is there and may be written.'],
  [
    /^(SQLITE_IOERR|EFBIG|EIO)/,
    'GC_CANNOT_OPEN',
    'The disk refused to be written: look at its state, its free space and the limits on the size of files.',
  ],
  [/^SQLITE_BUSY/, 'GC_LOCKED', 'Another program keeps the database locked; end its transaction.'],
  [
    /^(SQLITE_NOTADB|SQLITE_CORRUPT)/,
    'GC_NOT_A_DATABASE',
    'Take an older backup, or run `glyphcase doctor` on the file.',
  ],
];

/** What was thrown, as an error that says what was being done and what to do. A GlyphError stays itself. */
export function explained(error: unknown, what: string): GlyphError {
  if (error instanceof GlyphError) return error;
  const systemCode = error instanceof Error && 'code' in error ? String(error.code) : '';
  const found = PROBLEMS.find(([pattern]) => pattern.test(systemCode));
  const message = `${what} failed: ${messageOf(error)}`;
  if (found === undefined) return new GlyphError('GC_PLUGIN_FAILED', message, { cause: error });
  const [, code, hint] = found;
  return new GlyphError(code, message, { hint, cause: error });
}
