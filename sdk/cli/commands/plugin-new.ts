/** `glyphcase plugin new`: a folder with everything a plugin needs, that works as it is. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { GlyphError, messageOf } from '../../../kernel/errors.ts';
import { UsageError } from '../errors.ts';
import { examples, withDefault } from '../options.ts';
import { paint, print, printable } from '../output.ts';
import { DEFAULT_PLUGINS } from '../paths.ts';
import { folderOf, pluginFilesOf } from '../plugin-templates.ts';

export function addPluginNew(plugin: Command): void {
  plugin
    .command('new')
    .summary('make the folder of a new plugin')
    .description(
      'Makes the folder of a new plugin in TypeScript, with options, a service and an event it listens to: index.ts, a test that passes, package.json, ' +
        'tsconfig.json for editors, README.md; or the same in JavaScript. What is there already is never written over.',
    )
    .argument('<name>', 'name of the plugin: small letters, digits and hyphens; also "@scope/name"')
    .addOption(withDefault('--dir <dir>', 'where plugins live; the folder is made inside', DEFAULT_PLUGINS))
    .option('--js', 'in JavaScript')
    .addHelpText(
      'after',
      examples(
        ['glyphcase plugin new slow-log', 'plugins/slow-log'],
        ['glyphcase plugin new slow-log --dir .', 'in the current folder'],
      ),
    )
    .action(create);
}

interface NewOptions {
  readonly dir: string;
  readonly js?: true;
}

async function create(name: string, { dir: parent, js }: NewOptions): Promise<void> {
  await checkName(name);
  const dir = join(parent, folderOf(name));
  if (existsSync(dir)) {
    throw new GlyphError('GC_BAD_ARGUMENT', `${dir} exists already`, {
      hint: 'Choose another name, or remove the folder.',
    });
  }
  const files = pluginFilesOf(name, js === true ? 'js' : 'ts');
  mkdirSync(parent, { recursive: true });
  mkdirSync(dir);
  // Its entry last: a host that watches the folder then finds all of it.
  for (const [file, text] of Object.entries(files).reverse()) writeFileSync(join(dir, file), text, { flag: 'wx' });
  for (const file of Object.keys(files)) print(`${paint('green', 'created')}  ${join(dir, file)}`);
  print();
  // Each to be typed where this was, in any order.
  const [entry = ''] = Object.keys(files);
  const steps = [...(findsGlyphcase(dir) ? [] : ['install']), 'test'].map((step) => `npm ${step} --prefix ${dir}`);
  print(`Test it:  ${steps.join(' && ')}`);
  print(`Edit ${join(dir, entry)}, then: ${typed()} plugin check ${dir}`);
  print(`Run it:   ${typed()} start --plugins ${parent}`);
}

/** How this program was called: where it is installed in a project, its bare name is nothing a shell finds. */
const typed = (): string => (process.env['npm_command'] === 'exec' ? 'npx glyphcase' : 'glyphcase');

/** The name has to be one that the plugin host takes, and not that of a plugin every host has. */
async function checkName(name: string): Promise<void> {
  const [definitions, { BUILTINS }] = await Promise.all([
    import('../../../kernel/plugins/definition.ts'),
    import('../../testing/providers.ts'),
  ]);
  const check: (value: unknown) => void = definitions.checkDefinition;
  try {
    check({ name, version: '1.0.0', activate: () => undefined });
  } catch (error) {
    const slug = slugOf(name);
    const hint = slug === '' ? undefined : `glyphcase plugin new ${slug}`;
    throw new UsageError(printable(messageOf(error)).replace(/^.*?: `name`/, 'The name of the plugin'), hint);
  }
  if (Object.hasOwn(BUILTINS, name)) {
    throw new UsageError(`"${name}" is a plugin that comes with GlyphCase`, `glyphcase plugin new my-${name}`);
  }
}

const slugOf = (name: string): string =>
  name
    .replace(/([a-z0-9])([A-Z])/g, '$1-$2')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^[-0-9]+|-+$/g, '');

/** Whether the package is installed where the new folder looks for it. */
function findsGlyphcase(dir: string): boolean {
  try {
    createRequire(resolve(dir, 'index.ts')).resolve('glyphcase/package.json');
    return true;
  } catch {
    return false;
  }
}
