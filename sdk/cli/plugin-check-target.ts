/**
 * What `glyphcase plugin check` is given, where the file system tells that it is no plugin: a skill, a folder of plugins, a
 * name that is not quite right.
 *
 * Invariant: whatever may be a plugin passes; what is wrong inside it is for the loader to say.
 */
import { existsSync, readdirSync } from 'node:fs';
import { basename, dirname, extname, join, parse } from 'node:path';
import { GlyphError } from '../../kernel/errors.ts';
import { didYouMean } from '../../kernel/schema/validate.ts';
import { skillFolders } from '../../plugins/skills/folder.ts';
import { pluginsIn } from '../plugin-files/folders.ts';
import { isPluginFolder } from '../plugin-files/source.ts';
import { UsageError } from './errors.ts';
import { DEFAULT_PLUGINS, isFolder } from './paths.ts';

/** How many plugins of a folder are named. */
const NAMED = 5;

/** @throws GC_BAD_PLUGIN that says what the path is instead, and what to type */
export function assertMayBePlugin(path: string): void {
  if (path.trim() === '')
    throw new UsageError('The path of the plugin is empty', 'glyphcase plugin check plugins/slow-log');
  if (!existsSync(path)) throw absent(path);
  if (isFolder(path)) {
    if (!isPluginFolder(path)) assertNotOther(path);
  } else if (extname(path) === '.lua' || basename(path) === 'manifest.json') {
    const folder = dirname(path);
    if (isSkill(folder))
      throw otherThan(path, `this belongs to a skill, ${folder}, not to a plugin`, `glyphcase skill check ${folder}`);
    throw otherThan(
      path,
      'this is Lua, of which skills are made, not plugins',
      'glyphcase skill new NAME makes a skill.',
    );
  }
}

function assertNotOther(folder: string): void {
  if (isSkill(folder)) throw otherThan(folder, 'this is a skill, not a plugin', `glyphcase skill check ${folder}`);
  const plugins = pluginsIn(folder);
  const [first] = plugins;
  if (first !== undefined) {
    const named = plugins.slice(0, NAMED).map((file) => basename(file));
    const more = plugins.length > NAMED ? ', …' : '';
    throw otherThan(
      folder,
      `the folder is no plugin; ${plugins.length === 1 ? 'one is' : `${plugins.length} are`} in it: ${named.join(', ')}${more}`,
      `${plugins.length === 1 ? '' : 'Check one at a time: '}glyphcase plugin check ${first}`,
    );
  }
  if (skillFolders(folder).length > 0) {
    throw otherThan(folder, 'the folder holds skills, no plugin', `glyphcase skill check ${folder}`);
  }
}

const isSkill = (folder: string): boolean =>
  existsSync(join(folder, 'manifest.json')) && existsSync(join(folder, 'main.lua'));

const otherThan = (path: string, what: string, hint: string): GlyphError =>
  new GlyphError('GC_BAD_PLUGIN', `${path}: ${what}`, { phase: 'load', hint });

function absent(path: string): GlyphError {
  const meant = nearest(path);
  const hint =
    meant === undefined
      ? `Correct the path; relative ones begin at the current folder, ${process.cwd()}.`
      : `Did you mean ${meant}? glyphcase plugin check ${meant}`;
  return otherThan(path, 'there is no such file or folder', hint);
}

/** A path that is there and much like one that is not: a plugin by its name alone, or each part corrected. */
function nearest(path: string): string | undefined {
  const byName = pluginsIn(DEFAULT_PLUGINS).find((file) => parse(file).name === path || basename(file) === path);
  if (byName !== undefined) return byName;
  const { root, dir, base } = parse(path);
  const folder = dir === '' ? '.' : existsSync(dir) ? dir : dir === root ? undefined : nearest(dir);
  if (folder === undefined || !isFolder(folder)) return undefined;
  const there = new Map(
    readdirSync(folder).flatMap((name) => [[name, name] as const, [parse(name).name, name] as const]),
  );
  const name = there.get(base) ?? there.get(didYouMean(base, there.keys()) ?? '');
  return name === undefined ? undefined : join(folder, name);
}
