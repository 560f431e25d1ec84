/**
 * Finds the files that `require` may load.
 *
 * Invariant: only regular `.lua` files whose real path lies under the root's real path are read; names are checked before any path is
 * made of them.
 */
import { readFileSync, realpathSync, statSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { GlyphError } from '../../sdk/plugin.ts';
import type { LuaValue } from './types.ts';

/** Largest file, in bytes. */
export const MAX_MODULE_BYTES = 262_144;
const NAME = /^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*){0,7}$/;

export interface ModuleSource {
  readonly source: string;
  /** Path relative to the root, with `/`: what messages name. */
  readonly chunkName: string;
}

/**
 * Reads module `name` (`util`, `lib.util`) of the folder `root`.
 *
 * Throws `GC_LUA`: a name that is not allowed, no such file, a file outside the folder, or a file above 256 KiB.
 */
export function readModule(root: string, name: LuaValue | undefined): ModuleSource {
  checkName(name);
  const path = realPath(join(root, ...name.split('.')) + '.lua');
  const base = realPath(root);
  if (path === undefined || base === undefined || !path.startsWith(base + sep) || !path.endsWith('.lua')) {
    throw notFound(name);
  }
  const status = statSync(path);
  if (!status.isFile()) throw new GlyphError('GC_LUA', `module '${name}' is not a file`);
  if (status.size > MAX_MODULE_BYTES) {
    throw new GlyphError('GC_LUA', `module '${name}' is too large: ${status.size} bytes, at most ${MAX_MODULE_BYTES}`);
  }
  const text = readFileSync(path, 'utf8');
  const source = text.startsWith('\ufeff') ? text.slice(1) : text;
  return { source, chunkName: relative(base, path).split(sep).join('/') };
}

/** Module `name` of sources that lie in memory. Throws `GC_LUA` as {@link readModule} does. */
export function findModule(modules: ReadonlyMap<string, string>, name: LuaValue | undefined): ModuleSource {
  checkName(name);
  const chunkName = `${name.replaceAll('.', '/')}.lua`;
  const source = modules.get(chunkName);
  if (source === undefined) throw notFound(name);
  return { source, chunkName };
}

function checkName(name: LuaValue | undefined): asserts name is string {
  if (typeof name === 'string' && NAME.test(name)) return;
  const shown = typeof name === 'string' ? name.slice(0, 60) : '';
  throw new GlyphError('GC_LUA', `invalid module name '${shown}': words joined by dots, such as 'lib.util'`);
}

function notFound(name: string): GlyphError {
  return new GlyphError(
    'GC_LUA',
    `module '${name}' not found: there is no ${name.replaceAll('.', '/')}.lua in the script's own folder`,
  );
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}
