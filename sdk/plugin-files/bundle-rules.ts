/**
 * What goes into a plugin's bundle: everything inside its folder, its own node_modules too, and nothing else.
 *
 * What is outside stays what it is for the application, one instance shared by all; so do Node's modules and native addons.
 * Invariant: each file keeps its own `__dirname`, `__filename` and `import.meta`, wherever its code ends up.
 */
import { existsSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { basename, dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Loader, OnLoadResult, OnResolveArgs, OnResolveResult, Plugin, PluginBuild } from 'esbuild';
import { isHostModule } from './host-modules.ts';
import { isInside, SCRIPT } from './source.ts';

/** Names that stand for a file's own place inside the bundle. */
const PLACES = {
  'import.meta.url': '__pluginFileUrl',
  'import.meta.filename': '__pluginFileName',
  'import.meta.dirname': '__pluginFileDir',
  __filename: '__pluginFileName',
  __dirname: '__pluginFileDir',
} as const;

export const PLACE_DEFINES: Readonly<Record<string, string>> = PLACES;

/** Whether a bundle asks where its files are, so that it has to be built by rules that answer. */
export const asksForPlaces = (text: string): boolean => text.includes('__pluginFile');

export interface BundleRules {
  /** Looks into every file for questions where it is. Off unless needed: each file is a message there and one back. */
  readonly places: boolean;
}

/** Marks a question that this plugin itself has asked. */
const ASKED = Symbol('asked');
/** A module that an `import()` of one of the host's modules becomes: require() finds the host's, import() would not. */
const HOST = 'glyphcase-host';

export function bundleRules(root: string, { places }: BundleRules): Plugin {
  return {
    name: 'glyphcase',
    setup(build) {
      build.onResolve({ filter: /^[^.]|\.\./ }, (args) => whereTo(args, root, build));
      build.onLoad({ filter: /.*/, namespace: HOST }, ({ path }) => ({
        contents: `module.exports = require(${JSON.stringify(path)});`,
        loader: 'js',
      }));
      if (places) build.onLoad({ filter: SCRIPT, namespace: 'file' }, ({ path }) => withPlaces(path));
    },
  };
}

async function whereTo(args: OnResolveArgs, root: string, build: PluginBuild): Promise<OnResolveResult | undefined> {
  const { path, kind, importer, namespace, resolveDir } = args;
  if (kind === 'entry-point' || args.pluginData === ASKED) return undefined;
  if (isHostModule(path)) {
    return kind === 'dynamic-import' && namespace !== HOST ? { path, namespace: HOST } : { path, external: true };
  }
  if (isBuiltin(path)) return { path, external: true };
  if (/^\.\.?\//.test(path) && isInside(root, resolve(resolveDir, path)) && !path.endsWith('.node')) return undefined;
  const found = await build.resolve(path, { kind, importer, namespace, resolveDir, pluginData: ASKED });
  // esbuild says it again, with the place.
  if (found.errors.length > 0 || found.external || found.path === '') return undefined;
  if (isInside(root, found.path) && !isNative(found.path, root)) return undefined;
  return { path: found.path, external: true };
}

/** Whether a file is a native addon, or belongs to a package that loads one by looking around itself. */
function isNative(file: string, root: string): boolean {
  if (file.endsWith('.node')) return true;
  for (let dir = dirname(file); isInside(root, dir) && dir !== root; dir = dirname(dir)) {
    if (basename(dir) === 'node_modules') return false;
    if (!existsSync(join(dir, 'package.json'))) continue;
    return existsSync(join(dir, 'binding.gyp')) || existsSync(join(dir, 'prebuilds'));
  }
  return false;
}

/** The text of a file that asks where it is, with the answer on its first line; undefined for others. */
function withPlaces(path: string): OnLoadResult | undefined {
  const text = readFileSync(path, 'utf8');
  if (!/\b__(?:dir|file)name\b|\bimport\.meta\b/.test(text)) return undefined;
  const places = [
    ['__pluginFileUrl', pathToFileURL(path).href],
    ['__pluginFileName', path],
    ['__pluginFileDir', dirname(path)],
  ].map(([name, value]) => `${name} = ${JSON.stringify(value)}`);
  const contents = text.replace(/^(#!.*)?/, (first) => (first === '' ? `const ${places.join(', ')};` : `//${first}`));
  return { contents, loader: path.endsWith('ts') ? 'ts' : ('js' satisfies Loader), resolveDir: dirname(path) };
}
