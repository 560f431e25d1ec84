/**
 * The commands that plugins add to `glyphcase`.
 *
 * Invariants: a command that is built in stays what it is; of two plugins that want one name neither gets it, and both are
 * named. Nothing of a plugin is started before its command runs.
 */
import type { Command } from 'commander';
import { GlyphError } from '../../kernel/errors.ts';
import type { PluginCommand } from '../../kernel/plugins/commands.ts';
import { examples, pluginsOption } from './options.ts';
import { DEFAULT_DB, DEFAULT_PLUGINS } from './paths.ts';
import { argumentOf, optionOf, valuesOf } from './plugin-parameters.ts';
import { findPlugins, placeOf } from './plugin-sources.ts';
import type { PluginSources, SourcedPlugin } from './plugin-sources.ts';

/** Why some commands of plugins are not there, in sentences. */
export interface MissingCommands {
  /** Files that could not be loaded: nobody knows which commands they have. */
  readonly unloaded: readonly string[];
  /** Commands whose name somebody else has. */
  readonly refused: readonly string[];
}

/** A command, and the plugin it belongs to. */
export interface OwnedCommand {
  readonly name: string;
  readonly command: PluginCommand;
  readonly plugin: SourcedPlugin;
}

interface HostOptions {
  readonly db?: string;
}

const HEADING = 'Commands of plugins:';
const HOST_HEADING = 'Options of the host:';

/** Adds the commands of the plugins that a command line names. @throws as {@link findPlugins} */
export async function addPluginCommands(program: Command, args: readonly string[]): Promise<MissingCommands> {
  const sources = await findPlugins({ plugins: valuesAfter('--plugins', args), ...lastAfter('--config', args) });
  const builtin = new Set(['help', ...program.commands.map((command) => command.name())]);
  const refused: string[] = [];
  for (const [name, owners] of commandsByName(sources.plugins)) {
    const [only, ...others] = owners;
    if (only === undefined) continue;
    if (builtin.has(name)) refused.push(...owners.map(({ plugin }) => hidden(name, plugin)));
    else if (others.length === 0) add(program, only, sources);
    else {
      refused.push(`${disputed(name, owners)}; neither has it`);
      addDisputed(program, name, owners);
    }
  }
  return { unloaded: sources.problems, refused };
}

function commandsByName(plugins: readonly SourcedPlugin[]): ReadonlyMap<string, readonly OwnedCommand[]> {
  const byName = new Map<string, OwnedCommand[]>();
  for (const plugin of plugins) {
    for (const [name, command] of Object.entries(plugin.definition.commands ?? {})) {
      byName.set(name, [...(byName.get(name) ?? []), { name, command, plugin }]);
    }
  }
  return byName;
}

function add(program: Command, owned: OwnedCommand, sources: PluginSources): void {
  const { name, command: declared, plugin } = owned;
  const { arguments: args = {}, options = {}, summary, description = summary } = declared;
  const { definition } = plugin;
  const command = program
    .command(name)
    .summary(summary)
    .description(
      `${description}\n\nA command of the plugin '${definition.name}' ${definition.version}, ${placeOf(plugin)}.`,
    )
    .helpGroup(HEADING);
  for (const [key, argument] of Object.entries(args)) command.addArgument(argumentOf(key, argument));
  for (const [key, option] of Object.entries(options)) command.addOption(optionOf(key, option));
  command
    .optionsGroup(HOST_HEADING)
    .option('--db <file>', `SQLite file (default: ${DEFAULT_DB})`)
    .addOption(pluginsOption(`folder with plugins; may be repeated (default: ${DEFAULT_PLUGINS})`))
    .option('--config <file>', 'options of the host: JSON, or a module with a default export; flags win');
  const lines = Object.entries(declared.examples ?? {});
  if (lines.length > 0) {
    command.addHelpText(
      'after',
      examples(...lines.map(([typed, meaning]) => [`glyphcase ${typed}`, meaning] as const)),
    );
  }
  command.action(async (...given: unknown[]) => {
    const typed = given[Object.keys(args).length] as HostOptions & Readonly<Record<string, unknown>>;
    const { runPluginCommand } = await import('./plugin-command-run.ts');
    await runPluginCommand(owned, sources, {
      args: valuesOf(args, (_, index) => given[index]),
      options: valuesOf(options, (key) => (Object.hasOwn(typed, key) ? typed[key] : undefined)),
      ...(typed.db === undefined ? {} : { db: typed.db }),
    });
  });
}

/** It is known, so that nobody takes it for a slip of the pen, but says who quarrels over it. */
function addDisputed(program: Command, name: string, owners: readonly OwnedCommand[]): void {
  program
    .command(name, { hidden: true })
    .argument('[words...]')
    .allowUnknownOption()
    .action(() => {
      throw new GlyphError('GC_BAD_PLUGIN', disputed(name, owners), {
        hint: 'Rename it in one of them, or take the other out of the folder.',
      });
    });
}

const titleOf = (plugin: SourcedPlugin): string => `'${plugin.definition.name}' (${placeOf(plugin)})`;

const disputed = (name: string, owners: readonly OwnedCommand[]): string =>
  `The command ${name} is declared by the plugins ${owners.map(({ plugin }) => titleOf(plugin)).join(' and ')}`;

const hidden = (name: string, plugin: SourcedPlugin): string =>
  `${placeOf(plugin)}: the plugin '${plugin.definition.name}' declares the command ${name}, which glyphcase has itself; rename it`;

/** Values of an option that may be repeated, before the command it belongs to is known. */
function valuesAfter(flag: string, args: readonly string[]): readonly string[] {
  const end = args.indexOf('--');
  const words = end < 0 ? args : args.slice(0, end);
  return words.flatMap((word, index) => {
    if (word.startsWith(`${flag}=`)) return [word.slice(flag.length + 1)];
    const next = words[index + 1];
    return word === flag && next !== undefined ? [next] : [];
  });
}

function lastAfter(flag: string, args: readonly string[]): { readonly config?: string } {
  const last = valuesAfter(flag, args).at(-1);
  return last === undefined ? {} : { config: last };
}
