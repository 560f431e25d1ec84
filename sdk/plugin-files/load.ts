/**
 * Loads a plugin from a file or folder: finds its entry, makes it ready, runs it, and looks at what it exports.
 *
 * Invariants: every plugin is given the host's own `glyphcase` and `glyphcase/sdk`; whatever is wrong with the file is a
 * GlyphError that names the file, the line where there is one, and what to do.
 */
import { checkDefinition } from '../../kernel/plugins/definition.ts';
import type { PluginDefinition } from '../../kernel/plugins/types.ts';
import { messageOf } from '../../kernel/errors.ts';
import type { PluginBuild } from './build.ts';
import { bundle } from './bundle.ts';
import type { KeptBundle } from './bundle.ts';
import { badFile, inFile } from './errors.ts';
import { holdEsbuild } from './esbuild.ts';
import { prepare } from './native.ts';
import { findSource, labelOf } from './source.ts';
import type { PluginSource } from './source.ts';
import { placeIn } from './stack.ts';

/** `esbuild` bundles; `node` takes prebuilt JavaScript, and TypeScript of which Node can take the types away. */
export type Bundler = 'esbuild' | 'node';

export interface LoadFileOptions {
  /** @defaultValue `esbuild` when it is installed */
  readonly bundler?: Bundler;
  /** How messages name the path. @defaultValue the path as it is given */
  readonly label?: string;
}

export interface PrepareOptions extends LoadFileOptions {
  /** For a plugin that is prepared at every edit, by whoever holds esbuild meanwhile. */
  readonly kept?: KeptBundle | undefined;
}

/** A plugin's files, made ready; nothing of it has run yet. */
export interface PreparedPlugin extends Pick<PluginBuild, 'inputs' | 'hash'> {
  readonly source: PluginSource;
  readonly bundler: Bundler;
  /** How long reading and compiling it took. */
  readonly loadedInMs: number;
  /** Runs the plugin's file, anew at every call. @throws GC_BAD_PLUGIN */
  load(): Promise<PluginDefinition>;
}

/** A plugin that has been loaded from a file or folder. */
export interface PluginFile extends Omit<PreparedPlugin, 'load' | 'loadedInMs'> {
  readonly definition: PluginDefinition;
}

/**
 * Loads the plugin at `path`, a file or a folder, relative to the current folder.
 *
 * @throws GC_BAD_PLUGIN: no such file, a syntax error with `file:line:column`, an import that leads nowhere, no default
 * export, or one that is no definition.
 * @example
 * ```ts
 * const { definition, inputs } = await loadPluginFile('./plugins/metrics.ts');
 * await db.plugins.reload(definition.name, definition);
 * ```
 */
export async function loadPluginFile(path: string, options: LoadFileOptions = {}): Promise<PluginFile> {
  const prepared = await preparePluginFile(path, options);
  const { source, bundler, inputs, hash } = prepared;
  return { source, bundler, inputs, hash, definition: await prepared.load() };
}

/** Reads and compiles the plugin at `path` and runs nothing of it. @throws GC_BAD_PLUGIN */
export async function preparePluginFile(path: string, options: PrepareOptions = {}): Promise<PreparedPlugin> {
  const begun = performance.now();
  const source = findSource(path, options.label);
  const held = options.bundler === 'node' ? undefined : holdEsbuild();
  if (options.bundler === 'esbuild' && held === undefined) throw withoutEsbuild(source.label);
  try {
    const build =
      held === undefined
        ? readable(source)
        : await (options.kept?.build(source, held.esbuild) ?? bundle(source, held.esbuild));
    return {
      source,
      bundler: held === undefined ? 'node' : 'esbuild',
      inputs: build.inputs,
      hash: build.hash,
      loadedInMs: performance.now() - begun,
      load: () => definitionOf(source, build),
    };
  } finally {
    held?.release();
  }
}

const withoutEsbuild = (label: string) =>
  badFile(label, 'esbuild is needed to load it and is not installed', { hint: 'npm install esbuild' });

function readable(source: PluginSource): PluginBuild {
  try {
    return prepare(source);
  } catch (error) {
    throw inFile(source.label, error, { hint: 'Check that its files may be read.' });
  }
}

async function definitionOf(source: PluginSource, build: PluginBuild): Promise<PluginDefinition> {
  const exported = await exportsOf(source, build);
  const definition = defaultOf(exported);
  if (definition === undefined) throw withoutDefault(source, exported);
  try {
    checkDefinition(definition);
  } catch (error) {
    throw inFile(source.label, error);
  }
  return withMappedErrors(definition, build);
}

async function exportsOf(source: PluginSource, build: PluginBuild): Promise<unknown> {
  try {
    return await build.run();
  } catch (error) {
    build.mapStack(error);
    const place = placeIn(source.root, error);
    const where = place === undefined ? source.label : `${labelOf(source, place.file)}:${place.at}`;
    const [message = ''] = messageOf(error).split('\n');
    const what = error instanceof SyntaxError || hasCode(error) ? message : `it throws as it is loaded: ${message}`;
    throw badFile(where, what, { hint: hintFor(error), cause: error });
  }
}

const hasCode = (error: unknown): error is Error & { readonly code: unknown } =>
  error instanceof Error && 'code' in error;

function hintFor(error: unknown): string {
  const code = hasCode(error) ? error.code : undefined;
  if (code === 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX' || code === 'ERR_UNSUPPORTED_NODE_MODULES_TYPE_STRIPPING') {
    return 'Node can only take types away: npm install esbuild, which compiles all of TypeScript.';
  }
  if (code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND')
    return 'Correct the import, which without esbuild names the whole file (./parts.ts), or install the package.';
  if (error instanceof SyntaxError && /outside a module|Unexpected token 'export'/.test(error.message))
    return 'Write "type": "module" into the package.json above it, or npm install esbuild, which does without.';
  return 'Correct the file; what is to happen when the plugin starts belongs in activate(ctx).';
}

function defaultOf(exported: unknown): unknown {
  if (exported === null || typeof exported !== 'object') return undefined;
  if ('default' in exported) return exported.default;
  // module.exports = definePlugin({ … })
  return 'activate' in exported || 'name' in exported ? exported : undefined;
}

function withoutDefault(source: PluginSource, exported: unknown): Error {
  const named = exported !== null && typeof exported === 'object' ? Object.entries(exported) : [];
  const [near] = named.find(([, value]) => value !== null && typeof value === 'object' && 'activate' in value) ?? [];
  return badFile(source.label, `it has no default export${near === undefined ? '' : `, only one named '${near}'`}`, {
    hint: 'Write: export default definePlugin({ name, version, activate(ctx) { … } });',
  });
}

/** The definition with phases whose errors name the lines of the sources, not of the bundle. */
function withMappedErrors(definition: PluginDefinition, { mapStack }: PluginBuild): PluginDefinition {
  const mapped = <Result>(run: () => Result): Result => {
    const rethrow = (error: unknown): never => {
      mapStack(error);
      throw error;
    };
    try {
      const result = run();
      return result instanceof Promise ? (result.catch(rethrow) as Result) : result;
    } catch (error) {
      return rethrow(error);
    }
  };
  const phases: Partial<PluginDefinition> = {
    deactivate: (ctx) => mapped(() => definition.deactivate?.(ctx)),
    snapshot: (ctx) => mapped(() => definition.snapshot?.(ctx)),
  };
  const given = Object.entries(phases).filter(([phase]) => phase in definition);
  return {
    ...definition,
    ...Object.fromEntries(given),
    activate: (ctx) => mapped(() => definition.activate(ctx)),
  };
}
