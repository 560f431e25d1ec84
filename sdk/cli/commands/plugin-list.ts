/** `glyphcase plugin list`: the plugins in folders, and what a host would make of them. */
import type { Command } from 'commander';
import type { Surveyed } from '../../plugin-files/survey.ts';
import { examples, pluginsOption, repeated } from '../options.ts';
import { print, printPrettyJson, printable, table } from '../output.ts';
import { assertFolder, DEFAULT_PLUGINS, isFolder, shown } from '../paths.ts';
import { stateText } from '../states.ts';

interface ListOptions {
  readonly plugins?: readonly string[];
  readonly packages?: readonly string[];
  readonly json?: true;
}

export function addPluginList(plugin: Command): void {
  plugin
    .command('list')
    .summary('list the plugins of a folder')
    .description(
      'Lists the plugins of folders: what they are, provide and require, and whether a host could start them. ' +
        'Their files are run for it, their activate is not; a database is not needed.',
    )
    .addOption(pluginsOption(`folder with plugins; may be repeated (default: ${DEFAULT_PLUGINS})`))
    .option('--packages <dir>', 'node_modules folder, of which the plugin packages are listed too', repeated)
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      examples(
        ['glyphcase plugin list', 'the plugins in ./plugins'],
        ['glyphcase plugin list --packages node_modules', 'and the installed ones'],
      ),
    )
    .action(list);
}

async function list({ plugins, packages = [], json }: ListOptions): Promise<void> {
  const folders = plugins ?? (packages.length === 0 || isFolder(DEFAULT_PLUGINS) ? [DEFAULT_PLUGINS] : []);
  for (const folder of [...(plugins ?? []), ...packages]) assertFolder(folder, 'plugins');
  const [{ survey }, { pluginPackages, pluginsIn }] = await Promise.all([
    import('../../plugin-files/survey.ts'),
    import('../../plugin-files/folders.ts'),
  ]);
  const found = await survey([...folders.flatMap(pluginsIn), ...packages.flatMap(pluginPackages)]);
  if (json === true) printPrettyJson(found);
  else if (found.length > 0) printList(found);
  else print(`No plugins in ${[...folders, ...packages].map(shown).join(', ')}.`);
}

function printList(found: readonly Surveyed[]): void {
  const versions = (services: Readonly<Record<string, string>>): string =>
    Object.entries(services)
      .map(([name, version]) => `${name} ${version}`)
      .join(', ');
  const rows = found.map((plugin) => [
    printable(plugin.name ?? '–'),
    printable(plugin.version ?? ''),
    stateText(plugin.state),
    printable(versions(plugin.provides)),
    printable(versions(plugin.requires)),
    printable(shown(plugin.file)),
    printable(plugin.reasons.join(' ')),
  ]);
  const head = ['name', 'version', 'state', 'provides', 'requires', 'file', 'reason'];
  for (const line of table({ head, rows })) print(line);
}
