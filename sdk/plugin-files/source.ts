/**
 * Where a plugin begins: the path of a file or folder becomes its entry file and the folder that holds it.
 *
 * Invariant: what lies inside the folder `root` is the plugin's own, is loaded anew with it and watched; what lies outside is
 * the application's. In a single-file plugin that is the folder the file lies in.
 */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join, normalize, relative, resolve, sep } from 'node:path';
import { messageOf } from '../../kernel/errors.ts';
import { badFile } from './errors.ts';

/** A plugin on disk. */
export interface PluginSource {
  /** The file or folder, absolute. */
  readonly path: string;
  /** The same as it was given, for messages. */
  readonly label: string;
  readonly root: string;
  readonly entry: string;
}

/** What a plugin may be written in. */
export const SCRIPT = /\.[cm]?[jt]s$/;
/** Names of what is no plugin, whatever it holds. */
const PASSED_OVER = /^[._#]|~$|^node_modules$/;
const DECLARATION = /\.d\.[cm]?ts$/;
/** In this order a folder without package.json is looked through. */
const INDEX = ['index.ts', 'index.mts', 'index.js', 'index.mjs', 'index.cjs'];
/** Conditions of `exports` that are taken, in the order in which the package lists them. */
const CONDITIONS = ['node', 'module-sync', 'import', 'require', 'default'];

/** The parts of a package.json that matter here. */
export interface PackageJson {
  readonly name?: unknown;
  readonly keywords?: unknown;
  readonly main?: unknown;
  readonly exports?: unknown;
}

/**
 * Finds the entry of the plugin at `path`, which is relative to the current folder unless it is absolute. Messages name it as `shown`.
 *
 * @throws GC_BAD_PLUGIN when nothing is there, or nothing that can be a plugin.
 */
export function findSource(path: string, shown = path): PluginSource {
  const full = resolve(path);
  const label = normalize(shown).replace(/[/\\]$/, '');
  const stat = statSync(full, { throwIfNoEntry: false });
  if (stat === undefined) {
    throw badFile(label, 'there is no such file or folder', {
      hint: `Correct the path; relative ones begin at the current folder, ${process.cwd()}.`,
    });
  }
  if (stat.isDirectory()) return { path: full, label, root: full, entry: entryOf(full, label) };
  if (!SCRIPT.test(full) || DECLARATION.test(full)) {
    throw badFile(label, 'this is no plugin file', {
      hint: 'A plugin is a .ts, .mts, .js, .mjs or .cjs file, or a folder.',
    });
  }
  return { path: full, label, root: dirname(full), entry: full };
}

/** Whether an entry of a plugins folder can be a plugin, by its name; `_shared.ts`, `a.test.ts` and `a.d.ts` are not. */
export const isPluginName = (name: string): boolean =>
  !PASSED_OVER.test(name) && SCRIPT.test(name) && !DECLARATION.test(name) && !/\.(test|spec)\./.test(name);

/** Whether a folder looks like a plugin: it has a package.json with an entry, or an index file. */
export function isPluginFolder(dir: string): boolean {
  if (PASSED_OVER.test(basename(dir))) return false;
  if (INDEX.some((name) => existsSync(join(dir, name)))) return true;
  try {
    return mainOf(packageOf(dir, dir)) !== undefined;
  } catch {
    // A broken package.json is a plugin whose fault is to be told.
    return true;
  }
}

/** The package.json of a folder; undefined when it has none. @throws GC_BAD_PLUGIN when it is not JSON. */
export function packageOf(dir: string, label: string): PackageJson | undefined {
  const file = join(dir, 'package.json');
  if (!existsSync(file)) return undefined;
  try {
    const value: unknown = JSON.parse(readFileSync(file, 'utf8'));
    return value !== null && typeof value === 'object' ? value : {};
  } catch (error) {
    throw badFile(join(label, 'package.json'), messageOf(error), { hint: 'Correct the JSON.', cause: error });
  }
}

function entryOf(root: string, label: string): string {
  const main = mainOf(packageOf(root, label));
  if (main !== undefined) {
    const entry = resolve(root, main);
    if (statSync(entry, { throwIfNoEntry: false })?.isFile() === true) return entry;
    throw badFile(join(label, 'package.json'), `it names ${main} as the entry, which is not there`, {
      hint: 'Build the plugin, or correct `exports` or `main`.',
    });
  }
  const index = INDEX.find((name) => existsSync(join(root, name)));
  if (index !== undefined) return join(root, index);
  throw badFile(label, 'the folder holds no plugin', {
    hint: `Give it one of ${INDEX.join(', ')}, or a package.json with "exports" or "main".`,
  });
}

function mainOf(manifest: PackageJson | undefined): string | undefined {
  const { exports, main } = manifest ?? {};
  const fromExports = targetOf(
    typeof exports === 'object' && exports !== null && '.' in exports ? exports['.'] : exports,
  );
  return fromExports ?? (typeof main === 'string' && main !== '' ? main : undefined);
}

function targetOf(target: unknown): string | undefined {
  if (typeof target === 'string') return target;
  if (Array.isArray(target)) return targetOf(target[0]);
  if (typeof target !== 'object' || target === null) return undefined;
  for (const [condition, inner] of Object.entries(target)) {
    const found = CONDITIONS.includes(condition) ? targetOf(inner) : undefined;
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Whether a path lies in a folder, or is it. */
export function isInside(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== '..' && !way.startsWith(`..${sep}`) && resolve(folder, way) === resolve(path);
}

/** A file of a plugin as messages name it: as the plugin's path was given. */
export function labelOf({ path, label, root }: PluginSource, file: string): string {
  if (!isInside(root, file)) return file;
  return join(path === root ? label : dirname(label), relative(root, file));
}
