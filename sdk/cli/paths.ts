/** Where the command line looks for its files. */
import { existsSync, statSync } from 'node:fs';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { GlyphError } from '../../kernel/errors.ts';

/** The database of the current folder, unless `--db` says otherwise. */
export const DEFAULT_DB = 'glyphcase.db';
/** The skills of the current folder, unless `--skills` says otherwise. */
export const DEFAULT_SKILLS = 'skills';
/** The plugins of the current folder, where a command needs a folder and `--plugins` names none. */
export const DEFAULT_PLUGINS = 'plugins';

/**
 * The path of a database that is there. Where a command can do without, `otherwise` ends the hint with how.
 * @throws GC_CANNOT_OPEN
 */
export function existingDatabase(file: string, otherwise = ''): string {
  if (file === ':memory:') {
    throw new GlyphError(
      'GC_CANNOT_OPEN',
      'There is nothing to see in ":memory:": such a database lives in one process only',
      {
        hint: 'Name a SQLite file.',
      },
    );
  }
  const path = resolve(file);
  if (!existsSync(path)) {
    throw new GlyphError('GC_CANNOT_OPEN', `There is no database ${file}`, {
      hint: `${hintFor(file, path)}${otherwise}`,
    });
  }
  if (statSync(path).isDirectory()) {
    throw new GlyphError('GC_CANNOT_OPEN', `${file} is a folder, not a database file`, {
      hint: existsSync(join(path, DEFAULT_DB)) ? `Did you mean ${join(file, DEFAULT_DB)}?` : 'Name a SQLite file.',
    });
  }
  return path;
}

function hintFor(file: string, path: string): string {
  if (!existsSync(dirname(path))) return `The folder ${dirname(path)} does not exist either.`;
  if (basename(path) === DEFAULT_DB) return 'Name the file, or create it: glyphcase start';
  return `Correct the name, or create it: glyphcase start --db ${file}`;
}

/** A path as it is shortest to read: relative to the current folder when it lies below it. */
export function shown(path: string): string {
  const fromHere = relative(process.cwd(), path);
  if (fromHere === '') return '.';
  return fromHere.startsWith(`..${sep}`) || fromHere === '..' ? path : fromHere;
}

/** True for an existing folder. */
export function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** A folder of plugins that was named. @throws GC_BAD_OPTION when it is not there */
export function pluginFolder(dir: string): { readonly dir: string } {
  assertFolder(dir, 'plugins');
  return { dir };
}

/** @throws GC_BAD_OPTION for a folder that was named and is not there */
export function assertFolder(folder: string, what: string): void {
  if (isFolder(folder)) return;
  throw new GlyphError('GC_BAD_OPTION', `There is no folder ${shown(folder)} to take ${what} from`, {
    hint: 'Correct the path, or make the folder.',
  });
}
