/** `glyphcase plugin list`: the plugins in folders, and what a host would make of them. */
import { statSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, relative } from 'node:path';
import type { Command } from 'commander';
import { GlyphError } from '../../../kernel/errors.ts';
import type { Surveyed } from '../../plugin-files/survey.ts';
import { examples, pluginsOption, repeated } from '../options.ts';
import { note, print, printPrettyJson, printable, table } from '../output.ts';
import { assertFolder, DEFAULT_PLUGINS, isFolder, shown } from '../paths.ts';
import { stateText } from '../states.ts';

/** Columns that a path outside of the current folder may take. */
const LONGEST = 30;

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
      'Lists the plugins of folders: what they are, provide and require, the commands they add, and whether a host could start them. ' +
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
  for (const folder of [...(plugins ?? []), ...packages]) assertIsFolder(folder);
  const [{ survey }, { pluginPackages, pluginsIn }] = await Promise.all([
    import('../../plugin-files/survey.ts'),
    import('../../plugin-files/folders.ts'),
  ]);
  const found = await survey([...folders.flatMap(pluginsIn), ...packages.flatMap(pluginPackages)]);
  if (json === true) printPrettyJson(found);
  else if (found.length > 0) printList(found);
  else {
    print(`No plugins in ${[...folders, ...packages].map(shown).join(', ')}.`);
    note('Name the folder they are in: glyphcase plugin list --plugins DIR');
    note('Or make one: glyphcase plugin new NAME');
  }
}

function assertIsFolder(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isFile() === true) {
    throw new GlyphError('GC_BAD_OPTION', `${path} is a file, not a folder with plugins`, {
      hint: `Name the folder it is in: --plugins ${dirname(path)}`,
    });
  }
  assertFolder(path, 'plugins');
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
    printable(plugin.commands.join(', ')),
    printable(placeOf(plugin.file)),
  ]);
  const head = ['name', 'version', 'state', 'provides', 'requires', 'commands', 'file'];
  for (const line of table({ head, rows })) print(line);
  // Below, where there is room for whole sentences.
  const reasons = found.filter((plugin) => plugin.reasons.length > 0).map(reasonOf);
  if (reasons.length > 0) print();
  for (const reason of reasons) print(printable(reason));
}

/** Relative to the current folder, or by its end where that is long: the rest of the table needs the room. */
function placeOf(file: string): string {
  const place = relative(process.cwd(), file);
  const isFar = place.startsWith('..') || isAbsolute(place);
  return isFar && place.length > LONGEST ? join('…', basename(dirname(file)), basename(file)) : place;
}

function reasonOf({ name, file, reasons }: Surveyed): string {
  const text = reasons.join(' ');
  return text.startsWith(file) ? text : `${name ?? shown(file)}: ${text}`;
}
