/**
 * The option `plugins` of a host: definitions, files, folders of plugins, packages.
 *
 * Invariant: what cannot be meant is refused at once, naming its place in the list; nothing is taken from node_modules
 * unless a `packages` entry asks for it.
 */
import { resolve } from 'node:path';
import { GlyphError } from '../../kernel/errors.ts';
import { describe } from '../../kernel/database/values.ts';
import type { PluginEntry } from '../../kernel/plugins/host.ts';
import type { JsonSchema, PluginDefinition } from '../../kernel/plugins/types.ts';
import { describeProblems, validate } from '../../kernel/schema/validate.ts';
import { findSource } from './source.ts';

interface Watching {
  /** Takes edits over as they are saved. @defaultValue true */
  readonly watch?: boolean;
  /** Quiet time after a save before it is taken over, in ms. @defaultValue 100 */
  readonly debounce?: number;
}

/** A plugin in a file or folder. */
export interface PluginPath extends Watching {
  /** A .ts, .mts, .js, .mjs or .cjs file, or a folder with an index file or a package.json; relative to the current folder. */
  readonly path: string;
  /** The plugin's options. */
  readonly config?: unknown;
}

/** A folder whose files and folders are plugins, those that come later too. */
export interface PluginFolder extends Watching {
  readonly dir: string;
  /** Options of the plugins, by their names. */
  readonly configs?: Readonly<Record<string, unknown>>;
}

/** A node_modules folder, of which the packages with the keyword `glyphcase-plugin` are loaded. */
export interface PluginPackages {
  readonly packages: string;
  /** Options of the plugins, by their names. */
  readonly configs?: Readonly<Record<string, unknown>>;
}

/** A definition with its options. */
export interface DefinedPlugin {
  readonly definition: PluginDefinition<never> | PluginDefinition;
  readonly config?: unknown;
}

/** One entry of the option `plugins`; a text is a path. */
export type PluginOption =
  PluginDefinition<never> | PluginDefinition | string | DefinedPlugin | PluginPath | PluginFolder | PluginPackages;

/** Entries that name something on disk, with defaults. */
export type PathSource = Required<Watching> & PluginPath;
export type FolderSource = Required<Watching & Pick<PluginFolder, 'dir' | 'configs'>> & { readonly packages: boolean };

export interface CheckedPlugins {
  readonly definitions: readonly PluginEntry[];
  readonly paths: readonly PathSource[];
  readonly folders: readonly FolderSource[];
}

const watching = { watch: { type: 'boolean', default: true }, debounce: { type: 'number', minimum: 0, default: 100 } };
const byName = { type: 'object', default: {} };
const text = { type: 'string', minLength: 1 };
const SCHEMAS = {
  path: { type: 'object', properties: { path: text, config: {}, ...watching } },
  dir: { type: 'object', properties: { dir: text, configs: byName, ...watching } },
  packages: { type: 'object', properties: { packages: text, configs: byName } },
} as const satisfies Record<string, JsonSchema>;

/** @throws GC_BAD_OPTION; GC_BAD_PLUGIN for a path at which there is nothing */
export function readPlugins(plugins: readonly PluginOption[] | undefined): CheckedPlugins {
  const definitions: PluginEntry[] = [];
  const paths: PathSource[] = [];
  const folders: FolderSource[] = [];
  for (const [index, option] of [...(plugins ?? [])].entries()) {
    const place = `plugins[${index}]`;
    if (isPath(option)) paths.push(readPath(option, place));
    else if (hasKey(option, 'dir')) {
      const checked = read<Omit<FolderSource, 'packages'>>('dir', option, place);
      folders.push({ ...checked, packages: false });
    } else if (hasKey(option, 'packages')) {
      const { packages: dir, configs } = read<Required<PluginPackages>>('packages', option, place);
      folders.push({ dir, configs, packages: true, watch: false, debounce: 0 });
    } else
      definitions.push(
        hasKey(option, 'definition') ? (option as PluginEntry) : { definition: asPlugin(option, place) },
      );
  }
  return { definitions, paths, folders };
}

/** Whether what is to be loaded is named by its path. */
export const isPath = (option: unknown): option is string | PluginPath =>
  typeof option === 'string' || hasKey(option, 'path');

/** A path with defaults. @throws GC_BAD_OPTION, GC_BAD_PLUGIN */
export function readPath(option: string | PluginPath, place: string): PathSource {
  const checked = read<PathSource>('path', typeof option === 'string' ? { path: option } : option, place);
  findSource(checked.path);
  return checked;
}

/** The same list with absolute paths; `at` makes them. For configuration files, whose paths begin where they lie. */
export function withPaths(plugins: readonly PluginOption[], at: (path: string) => string): readonly PluginOption[] {
  return plugins.map((option) => {
    if (typeof option === 'string') return at(option);
    const key = ['path', 'dir', 'packages'].find((each) => hasKey(option, each));
    const value: unknown = key === undefined ? undefined : Reflect.get(option, key);
    return key === undefined || typeof value !== 'string' ? option : { ...option, [key]: at(value) };
  });
}

function read<Checked>(kind: keyof typeof SCHEMAS, value: unknown, place: string): Checked {
  const checked = validate<Checked>(SCHEMAS[kind], value, { what: place });
  if (checked.problems === undefined) return checked.value;
  throw new GlyphError('GC_BAD_OPTION', `new GlyphCase(): ${place}: ${describeProblems(checked.problems)}`);
}

/** What is wrong with an object as a definition, the plugin host says better. */
function asPlugin(option: unknown, place: string): PluginDefinition {
  if (typeof option === 'object' && option !== null) return option as PluginDefinition;
  throw new GlyphError('GC_BAD_OPTION', `new GlyphCase(): ${place} cannot be ${describe(option)}`, {
    hint: "Give a definition, a path, { path }, { dir: 'plugins' } or { packages: 'node_modules' }.",
  });
}

const hasKey = (option: unknown, key: string): boolean =>
  typeof option === 'object' && option !== null && key in option && !('activate' in option);

/** Where a folder lies. */
export const folderPath = ({ dir }: FolderSource): string => resolve(dir);
