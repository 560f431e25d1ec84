/**
 * Which names an archive's entry may have.
 *
 * Invariant: a name that passes means the same place, inside the folder, on every file system: it is relative, has no `..`,
 * no drive, no backslash, nothing invisible, and no name that Windows reads in its own way.
 */
import { GlyphError } from '../../kernel/errors.ts';
import { isLeftover } from '../../plugins/skills/folder.ts';
import { MAX_DEPTH } from './limits.ts';

/** Bytes of one part of a path that every common file system takes. */
const LONGEST_PART = 255;
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029\uFFFD]/u;
const RESERVED = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i;

/** The error for an entry that may not be in a package. */
export const badEntry = (name: string, why: string): GlyphError =>
  new GlyphError('GC_BAD_PACKAGE', `The package holds the entry ${JSON.stringify(name)}, ${why}`);

/**
 * The path of an entry, without `./` before it and `/` behind it; empty for the top itself.
 * @throws GC_BAD_PACKAGE
 */
export function checkedPath(name: string): string {
  const path = name.replace(/^(\.\/)+/, '').replace(/\/+$/, '');
  if (path === '' || path === '.') {
    if (/^(\.\/?)+$/.test(name)) return '';
    throw badEntry(name, 'which has no name of its own');
  }
  const why = complaint(path);
  if (why !== undefined) throw badEntry(name, why);
  return path;
}

function complaint(path: string): string | undefined {
  if (UNSEEN.test(path)) return 'whose name holds a control or invisible character';
  if (path.includes('\\')) return 'whose name holds a backslash';
  if (path.startsWith('/')) return 'whose path is absolute';
  if (/^[A-Za-z]:/.test(path)) return 'whose path names a drive';
  const parts = path.split('/');
  if (parts.includes('..')) return 'whose path leads out of the folder';
  if (parts.some((part) => part === '' || part === '.')) return 'whose path has an empty part';
  const odd = parts.find((part) => /[:*?"<>|]/.test(part) || /[. ]$/.test(part) || RESERVED.test(part));
  if (odd !== undefined) return `where "${odd}" is not a file name on every system`;
  if (parts.some((part) => Buffer.byteLength(part) > LONGEST_PART)) return 'whose name is too long';
  return undefined;
}

/** The same for two paths that some file system takes for one: case and composition of letters do not count. */
export const collisionKey = (path: string): string => path.normalize('NFKC').toUpperCase().toLowerCase();

/** Whether a path is left out of what is installed: dotfiles, editors' leftovers, node_modules, what macOS adds to zips. */
export const isLeftOut = (path: string): boolean =>
  path.split('/').some((part) => isLeftover(part) || part === '__MACOSX');

/** @throws GC_BAD_PACKAGE for a file that a skill's folder is not read as deep as */
export function checkDepth(path: string): void {
  if (path.split('/').length > MAX_DEPTH + 1) throw badEntry(path, `which lies more than ${MAX_DEPTH} folders deep`);
}
