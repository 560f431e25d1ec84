/**
 * The plugins that a command line names, loaded but not started: those of `--plugins` and `--config`, or of ./plugins.
 *
 * Invariant: a file that cannot be loaded, or brings a plugin that is there already, keeps no other from being found.
 */
import { checkConfig, checkDefinition } from '../../kernel/plugins/definition.ts';
import type { PluginDefinition } from '../../kernel/plugins/types.ts';
import { GlyphError } from '../../kernel/errors.ts';
import { inFile } from '../plugin-files/errors.ts';
import { pluginPackages, pluginsIn } from '../plugin-files/folders.ts';
import { loadPluginFile } from '../plugin-files/load.ts';
import { readPlugins } from '../plugin-files/options.ts';
import type { PluginSource } from '../plugin-files/source.ts';
import { readConfigFile } from './config-file.ts';
import type { FileConfig } from './config-file.ts';
import { DEFAULT_PLUGINS, isFolder, pluginFolder } from './paths.ts';

/** A plugin, and where it comes from. */
export interface SourcedPlugin {
  readonly definition: PluginDefinition;
  /** Its options as they were given. */
  readonly config: unknown;
  /** Path of the file or folder, as it was given; undefined when the configuration file holds the plugin itself. */
  readonly file?: string;
  /** The same, for places in its files. */
  readonly source?: PluginSource;
}

export interface PluginSources {
  readonly plugins: readonly SourcedPlugin[];
  /** What could not be loaded, in sentences that name the file. */
  readonly problems: readonly string[];
  /** The rest of the configuration file. */
  readonly config: FileConfig;
}

/** Where plugins come from, by the options of a command. */
export interface SourceOptions {
  readonly plugins: readonly string[];
  readonly config?: string;
}

interface Wanted {
  readonly file: string;
  readonly configOf: (name: string) => unknown;
}

/** @throws GC_BAD_OPTION for a folder or an option that is wrong, GC_CANNOT_OPEN for a configuration file that is not there */
export async function findPlugins({ plugins: dirs, config: file }: SourceOptions): Promise<PluginSources> {
  const config = file === undefined ? {} : await readConfigFile(file);
  const isDefault = dirs.length === 0 && config.plugins === undefined && isFolder(DEFAULT_PLUGINS);
  const named = [...dirs.map(pluginFolder), ...(isDefault ? [{ dir: DEFAULT_PLUGINS }] : [])];
  const { definitions, paths, folders } = readPlugins([...(config.plugins ?? []), ...named]);
  const wanted: readonly Wanted[] = [
    ...paths.map(({ path, config: given }) => ({ file: path, configOf: () => given })),
    ...folders.flatMap(({ dir, packages, configs }) =>
      (packages ? pluginPackages(dir) : pluginsIn(dir)).map((path) => ({
        file: path,
        configOf: (name: string) => configs[name],
      })),
    ),
  ];
  // Stack traces of plugins then name the lines of their sources.
  if (wanted.length > 0) process.setSourceMapsEnabled(true);
  const loaded = await Promise.all(wanted.map((one) => load(one)));
  const given = definitions.map(({ definition, config: options }) => ({ definition, config: options }));
  return { ...withoutTwins([...given, ...loaded]), config };
}

async function load({ file, configOf }: Wanted): Promise<SourcedPlugin | GlyphError> {
  try {
    const { definition, source } = await loadPluginFile(file);
    return { definition, config: configOf(definition.name), file, source };
  } catch (error) {
    return inFile(file, error);
  }
}

function withoutTwins(found: readonly (SourcedPlugin | GlyphError)[]): Pick<PluginSources, 'plugins' | 'problems'> {
  const plugins = new Map<string, SourcedPlugin>();
  const problems: string[] = [];
  for (const one of found) {
    if (one instanceof GlyphError) {
      problems.push(one.message);
      continue;
    }
    checkDefinition(one.definition);
    const { name } = one.definition;
    const other = plugins.get(name);
    if (other === undefined) plugins.set(name, one);
    else problems.push(`${placeOf(one)}: the plugin '${name}' comes from ${placeOf(other)} already`);
  }
  return { plugins: [...plugins.values()], problems };
}

/** Where a plugin comes from, for messages. */
export const placeOf = ({ file }: SourcedPlugin): string => file ?? 'the configuration file';

/** A plugin's options with defaults. @throws GC_BAD_PLUGIN naming the file and the option */
export function configOf(plugin: SourcedPlugin): unknown {
  try {
    return checkConfig(plugin.definition, plugin.config);
  } catch (error) {
    throw inFile(placeOf(plugin), error);
  }
}
