/**
 * Loads a plugin without esbuild, by Node's own means: prebuilt JavaScript, or TypeScript whose types need only be taken away.
 *
 * CommonJS files are run outside Node's cache and leave nothing behind. ES modules cannot be taken out of Node's cache
 * (https://github.com/nodejs/node/issues/49442): each reload leaves the old code in memory, about 10 KiB for two small files.
 * Invariant: every file inside the plugin's folder is read anew at each run; what is outside is the application's.
 */
import { createHash, randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { dirname, extname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { PluginBuild } from './build.ts';
import { evaluate } from './evaluate.ts';
import { hostModules, isHostModule } from './host-modules.ts';
import { isInside } from './source.ts';
import type { PluginSource } from './source.ts';

const IMPORTS = /^\s*(?:import\b|export\b)|\bimport\.meta\b/m;
/** Relative specifiers of imports, exports and require(); read from the text, so one in a comment counts too. */
const SPECIFIERS = /(?:\bfrom|\bimport|\brequire\s*\(|\bimport\s*\()\s*(['"])(\.\.?\/[^'"]+|glyphcase(?:\/\w+)?)\1/g;
/** Node keeps modules by their URLs, for the whole process: those of another copy of GlyphCase are not to be met there. */
const COPY = randomUUID();
const HOST_SCHEME = `glyphcase-host-${COPY}:`;
let generation = 0;
let importing = 0;
const handedOver = new Map<string, object>();

/** Node's own import(), which a bundler or a test runner that the host has gone through cannot turn into something else. */
const importByNode = evaluate({
  text: 'module.exports = (url) => import(url);',
  filename: import.meta.filename,
  from: import.meta.filename,
}) as (url: string) => Promise<unknown>;

/** Reads what the plugin is made of. */
export function prepare(source: PluginSource): PluginBuild {
  const files = new Map<string, string>();
  const specifiers = new Set<string>();
  collect(source, source.entry, files, specifiers);
  const hash = createHash('sha256');
  for (const [file, text] of files) hash.update(`${file}\0${text.length}\0${text}`);
  return {
    inputs: [...files.keys()],
    hash: hash.digest('hex'),
    mapStack: () => undefined,
    async run() {
      const modules = await hostModules(specifiers);
      return isModule(source.entry, files.get(source.entry) ?? '')
        ? await importAnew(source, modules)
        : requireAnew(source.entry, files, modules, new Map());
    },
  };
}

/** Reads a file and those it imports inside the plugin's folder. */
function collect(source: PluginSource, file: string, files: Map<string, string>, specifiers: Set<string>): void {
  if (files.has(file)) return;
  const text = readFileSync(file, 'utf8');
  files.set(file, text);
  for (const match of text.matchAll(SPECIFIERS)) {
    const specifier = match[2] ?? '';
    specifiers.add(specifier);
    const target = specifier.startsWith('.') ? fileAt(resolve(dirname(file), specifier)) : undefined;
    if (target !== undefined && isInside(source.root, target)) collect(source, target, files, specifiers);
  }
}

/** What a relative path means to require(), which knows endings and folders; import() wants the whole name. */
function fileAt(path: string): string | undefined {
  const candidates = [path, ...['.js', '.cjs'].map((end) => path + end), join(path, 'index.js')];
  return candidates.find((candidate) => /\.[cm]?[jt]s$/.test(candidate) && existsSync(candidate));
}

function isModule(file: string, text: string): boolean {
  const end = extname(file);
  if (end !== '.js') return end !== '.cjs';
  for (let dir = dirname(file); ; dir = dirname(dir)) {
    const manifest = join(dir, 'package.json');
    if (existsSync(manifest)) {
      const { type } = JSON.parse(readFileSync(manifest, 'utf8')) as { type?: unknown };
      if (type === 'module' || type === 'commonjs') return type === 'module';
      break;
    }
    if (dir === dirname(dir)) break;
  }
  return IMPORTS.test(text);
}

function requireAnew(
  file: string,
  files: ReadonlyMap<string, string>,
  modules: ReadonlyMap<string, object>,
  run: Map<string, unknown>,
): unknown {
  if (run.has(file)) return run.get(file);
  // A circle of modules sees an empty object, as in Node, until the first of them is done.
  run.set(file, {});
  const exports = evaluate({
    text: files.get(file) ?? '',
    filename: file,
    from: file,
    require(specifier) {
      if (isHostModule(specifier)) return modules.get(specifier);
      const target = specifier.startsWith('.') ? fileAt(resolve(dirname(file), specifier)) : undefined;
      const text = target === undefined ? undefined : files.get(target);
      if (target === undefined || text === undefined || isModule(target, text)) return undefined;
      return requireAnew(target, files, modules, run);
    },
  });
  run.set(file, exports);
  return exports;
}

/** Imports the entry under a name that no import has had, and hands the same mark on to every file it imports in its folder. */
async function importAnew(source: PluginSource, modules: ReadonlyMap<string, object>): Promise<unknown> {
  const mark = `?glyphcase=${COPY}.${++generation}`;
  const handOver = Symbol.for(HOST_SCHEME);
  const hooks = registerHooks({
    resolve(specifier, context, next) {
      if (context.parentURL?.endsWith(mark) !== true) return next(specifier, context);
      if (modules.has(specifier)) return { url: HOST_SCHEME + specifier, shortCircuit: true };
      const found = next(specifier, context);
      const inside = found.url.startsWith('file:') && isInside(source.root, fileURLToPath(found.url));
      return inside ? { ...found, url: found.url + mark } : found;
    },
    load(url, context, next) {
      if (!url.startsWith(HOST_SCHEME)) return next(url, context);
      return { format: 'module', source: shim(url.slice(HOST_SCHEME.length), modules), shortCircuit: true };
    },
  });
  for (const [name, module] of modules) handedOver.set(name, module);
  Reflect.set(globalThis, handOver, handedOver);
  importing += 1;
  try {
    return await importByNode(pathToFileURL(source.entry).href + mark);
  } finally {
    hooks.deregister();
    importing -= 1;
    if (importing === 0) Reflect.deleteProperty(globalThis, handOver);
  }
}

/** An ES module that exports what the host's module does: there is no other way to give Node a module that exists. */
function shim(name: string, modules: ReadonlyMap<string, object>): string {
  const keys = Object.keys(modules.get(name) ?? {}).filter((key) => key !== 'default');
  return [
    `const host = globalThis[Symbol.for(${JSON.stringify(HOST_SCHEME)})].get(${JSON.stringify(name)});`,
    ...keys.map((key) => `export const ${key} = host.${key};`),
  ].join('\n');
}
