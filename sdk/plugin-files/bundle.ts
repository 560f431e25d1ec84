/**
 * Bundles a plugin by esbuild: TypeScript or JavaScript, any number of files, into one CommonJS text in memory.
 *
 * Measured against jiti, tsx, vite's runner and import() with a version: nothing else sees the edits of every file, takes a
 * few milliseconds, keeps stack traces, and leaves less than a KiB behind at each reload.
 */
import { createHash } from 'node:crypto';
import { dirname, join, relative, sep } from 'node:path';
import type { BuildContext, BuildFailure, BuildOptions, BuildResult, Message } from 'esbuild';
import type { GlyphError } from '../../kernel/errors.ts';
import type { PluginBuild } from './build.ts';
import { asksForPlaces, bundleRules, PLACE_DEFINES } from './bundle-rules.ts';
import type { BundleRules } from './bundle-rules.ts';
import { badFile } from './errors.ts';
import { hasEnded, recoverEsbuild } from './esbuild.ts';
import type { holdEsbuild } from './esbuild.ts';
import { evaluate } from './evaluate.ts';
import { hostModules } from './host-modules.ts';
import { labelOf } from './source.ts';
import type { PluginSource } from './source.ts';
import { bundleName, stackMapper } from './stack.ts';

type Esbuild = NonNullable<ReturnType<typeof holdEsbuild>>['esbuild'];
type Options = ReturnType<typeof optionsFor>;
type Output = BuildResult<Options>;

/** @throws GC_BAD_PLUGIN with file, line and column of the first mistake. */
export async function bundle(source: PluginSource, esbuild: Esbuild): Promise<PluginBuild> {
  const build = (rules: BundleRules): Promise<Output> =>
    output(source, esbuild, () => esbuild.build(optionsFor(source, rules)));
  const simple = await build({ places: false });
  return buildOf(source, asksForPlaces(textOf(simple)) ? await build({ places: true }) : simple);
}

/**
 * Bundles the same plugin again and again, and from the second time on only compiles what has changed: half the time.
 *
 * Invariants: what comes out is what {@link bundle} makes of the files as they are; builds are not asked for at the same time.
 */
export class KeptBundle {
  #source: PluginSource | undefined;
  #esbuild: Esbuild | undefined;
  #context: BuildContext<Options> | undefined;
  #places = false;

  /** Somebody has to hold `esbuild` from the first call until {@link dispose}. @throws as {@link bundle} */
  async build(source: PluginSource, esbuild: Esbuild): Promise<PluginBuild> {
    const isSame =
      this.#esbuild === esbuild && this.#source?.entry === source.entry && this.#source.root === source.root;
    if (!isSame) this.dispose();
    this.#source = source;
    this.#esbuild = esbuild;
    // Most plugins are never edited while they run: nothing is kept of those.
    if (!isSame) return await bundle(source, esbuild);
    const simple = await this.#rebuild(source, esbuild);
    if (this.#places || !asksForPlaces(textOf(simple))) return buildOf(source, simple);
    this.#letGo();
    this.#places = true;
    return buildOf(source, await this.#rebuild(source, esbuild));
  }

  /** Frees what esbuild keeps for it. */
  dispose(): void {
    this.#letGo();
    this.#source = undefined;
    this.#places = false;
  }

  #rebuild(source: PluginSource, esbuild: Esbuild): Promise<Output> {
    return output(source, esbuild, async () => {
      this.#context ??= await esbuild.context(optionsFor(source, { places: this.#places }));
      try {
        return await this.#context.rebuild();
      } catch (error) {
        if (hasEnded(error)) this.#letGo();
        throw error;
      }
    });
  }

  #letGo(): void {
    // Where the process has ended, there is nothing to free.
    this.#context?.dispose().catch(() => undefined);
    this.#context = undefined;
  }
}

function buildOf({ root, entry }: PluginSource, built: Output): PluginBuild {
  const { outputFiles, metafile } = built;
  const text = textOf(built);
  const map = outputFiles.find(({ path }) => path.endsWith('.map'))?.text ?? '';
  const external = Object.values(metafile.outputs).flatMap(({ imports }) => imports.map(({ path }) => path));
  return {
    inputs: Object.keys(metafile.inputs)
      .filter((input) => !input.includes(':') && !input.split(/[/\\]/).includes('node_modules'))
      .map((input) => join(root, input)),
    hash: createHash('sha256').update(text).digest('hex'),
    mapStack: stackMapper(entry, () => map),
    async run() {
      const modules = await hostModules(external);
      // Where Node does not look at source maps, the text is the shorter without.
      const comment = process.sourceMapsEnabled ? `\n//# sourceMappingURL=${dataUrl(map)}` : '';
      return evaluate({
        text: `${text}${comment}`,
        filename: bundleName(entry),
        from: entry,
        require: (specifier) => modules.get(specifier),
      });
    },
  };
}

const textOf = ({ outputFiles }: Output): string => outputFiles.find(({ path }) => path.endsWith('.js'))?.text ?? '';

const dataUrl = (map: string): string => `data:application/json;base64,${Buffer.from(map).toString('base64')}`;

/** Runs a build; once more when it was lost with esbuild's process. @throws GC_BAD_PLUGIN for a mistake in the files */
async function output(source: PluginSource, esbuild: Esbuild, build: () => Promise<Output>): Promise<Output> {
  try {
    return await build().catch(async (error: unknown) => {
      if (!hasEnded(error)) throw error;
      await recoverEsbuild(esbuild);
      return await build();
    });
  } catch (error) {
    throw isBuildFailure(error) ? faultOf(source, error) : error;
  }
}

const optionsFor = ({ root, entry }: PluginSource, rules: BundleRules) =>
  ({
    // Relative, so that esbuild need not ask where it leads.
    entryPoints: [`./${relative(root, entry).split(sep).join('/')}`],
    absWorkingDir: root,
    outdir: dirname(entry),
    bundle: true,
    write: false,
    metafile: true,
    format: 'cjs',
    platform: 'node',
    target: `node${process.versions.node}`,
    sourcemap: 'external',
    sourcesContent: false,
    define: PLACE_DEFINES,
    plugins: [bundleRules(root, rules)],
    logLevel: 'silent',
  }) as const satisfies BuildOptions;

const isBuildFailure = (error: unknown): error is BuildFailure => error instanceof Error && 'errors' in error;

function faultOf(source: PluginSource, failure: BuildFailure): GlyphError {
  const [first, ...rest] = failure.errors;
  if (first === undefined) return badFile(source.label, failure.message, { cause: failure });
  const more = rest.length === 0 ? '' : `; and at ${rest.map((message) => whereIn(source, message)).join(', ')}`;
  return badFile(whereIn(source, first), `${first.text}${more}`, { hint: hintFor(first), cause: failure });
}

function whereIn(source: PluginSource, { location }: Message): string {
  if (location === null) return source.label;
  return `${labelOf(source, join(source.root, location.file))}:${location.line}:${location.column + 1}`;
}

function hintFor({ text, location }: Message): string {
  const [, wanted] = /^Could not resolve "(.+)"/.exec(text) ?? [];
  if (wanted !== undefined) {
    return /^[./]/.test(wanted)
      ? 'Correct the path, or write the file.'
      : `Install it beside the plugin: npm install ${wanted
          .split('/')
          .slice(0, wanted.startsWith('@') ? 2 : 1)
          .join('/')}`;
  }
  if (text.startsWith('Top-level await')) return 'Await it in activate(ctx), which may be asynchronous.';
  const line = location?.lineText.trim() ?? '';
  return line === '' ? 'Correct the file.' : `Correct the line: ${line.slice(0, 120)}`;
}
