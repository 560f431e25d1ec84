/**
 * Reads a skill's folder: its files, and one hash over all of them.
 *
 * Invariants: symbolic links are not followed and editors' leftovers (dotfiles, `~`, `.tmp`) do not count; what is read is
 * what runs, so that a skill whose files are being edited can be started again from the text it was loaded with.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { GlyphError, messageOf } from '../../sdk/plugin.ts';

/** Files larger than this are no part of a skill, in bytes. */
const MAX_FILE_BYTES = 1024 * 1024;
const MAX_FILES = 500;
/** Of all files together, in bytes: they are read as one, and their texts stay in memory. */
const MAX_BYTES = 16 * 1024 * 1024;
/** Names of any kind, folders too, that are looked at. */
const MAX_ENTRIES = 5_000;
const MAX_DEPTH = 8;
/** What is kept as text; other files only count for the hash. */
const TEXT = /\.(lua|json|sql|md)$/i;

/** A skill's folder at one moment. */
export interface SkillFolder {
  readonly dir: string;
  /** The folder's name: the skill's id. */
  readonly id: string;
  readonly hash: string;
  /** Path within the folder, with `/`, → content. */
  readonly files: ReadonlyMap<string, string>;
  /** Files that are too large, or no plain files (links, pipes), and so no part of it. */
  readonly leftOut: ReadonlySet<string>;
}

/** True for names that editors and systems leave behind. */
export const isLeftover = (name: string): boolean =>
  name.startsWith('.') ||
  name.endsWith('~') ||
  name.startsWith('#') ||
  /\.(tmp|part|swp)$/i.test(name) ||
  name === 'node_modules';

/** @throws GC_BAD_MANIFEST when the folder cannot be read or holds too much. */
export function readFolder(dir: string): SkillFolder {
  const path = resolve(dir);
  const hash = createHash('sha256');
  const files = new Map<string, string>();
  const listing: Listing = { root: path, found: [], leftOut: new Set(), entries: 0, bytes: 0 };
  try {
    listFiles(listing, '', 0);
    for (const file of listing.found) {
      const bytes = readFileSync(join(path, file));
      hash.update(`${file}\0${bytes.length}\0`).update(bytes);
      if (TEXT.test(file)) files.set(file, bytes.toString('utf8').replace(/^\ufeff/, ''));
    }
  } catch (error) {
    if (error instanceof GlyphError) throw error;
    throw new GlyphError('GC_BAD_MANIFEST', `The skill folder ${path} cannot be read: ${messageOf(error)}`, {
      hint: 'Check that the folder and its files exist and may be read.',
      cause: error,
    });
  }
  return { dir: path, id: basename(path), hash: hash.digest('hex'), files, leftOut: listing.leftOut };
}

/** True when a folder looks like a skill's. */
export function isSkillFolder(dir: string): boolean {
  return statSync(join(dir, 'manifest.json'), { throwIfNoEntry: false })?.isFile() === true;
}

/** The folders of a skills folder that hold a skill, by name. A folder that is not there holds none. */
export function skillFolders(dir: string): readonly string[] {
  let names: string[];
  try {
    names = readdirSync(dir);
  } catch {
    return [];
  }
  return names
    .filter((name) => !isLeftover(name))
    .map((name) => join(resolve(dir), name))
    .filter(isSkillFolder)
    .sort();
}

interface Listing {
  readonly root: string;
  readonly found: string[];
  readonly leftOut: Set<string>;
  entries: number;
  bytes: number;
}

/** @throws GC_BAD_MANIFEST as soon as there is too much */
function listFiles(listing: Listing, under: string, depth: number): void {
  const { root, found, leftOut } = listing;
  const entries = readdirSync(join(root, under), { withFileTypes: true });
  listing.entries += entries.length;
  if (listing.entries > MAX_ENTRIES) throw tooMuch(root, `${MAX_ENTRIES} files and folders`);
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (isLeftover(entry.name)) continue;
    const path = under === '' ? entry.name : `${under}/${entry.name}`;
    if (entry.isDirectory()) {
      if (depth < MAX_DEPTH) listFiles(listing, path, depth + 1);
      continue;
    }
    const size = entry.isFile() ? statSync(join(root, path)).size : Infinity;
    if (size > MAX_FILE_BYTES) {
      leftOut.add(path);
      continue;
    }
    found.push(path);
    listing.bytes += size;
    if (found.length > MAX_FILES) throw tooMuch(root, `${MAX_FILES} files`);
    if (listing.bytes > MAX_BYTES) throw tooMuch(root, `${MAX_BYTES / 1024 / 1024} MiB`);
  }
}

const tooMuch = (root: string, what: string): GlyphError =>
  new GlyphError('GC_BAD_MANIFEST', `The skill folder ${root} holds more than ${what}`);
