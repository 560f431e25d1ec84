/** `glyphcase skill new`: a folder with everything a skill needs, that works as it is. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { isAbsolute, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { GlyphError } from '../../../kernel/errors.ts';
import { UsageError } from '../errors.ts';
import { examples, withDefault } from '../options.ts';
import { paint, print } from '../output.ts';
import { DEFAULT_SKILLS, shown } from '../paths.ts';
import { filesOf, TEMPLATES } from '../skill-templates.ts';
import type { TemplateName } from '../skill-templates.ts';

const ID = /^[a-z0-9]+(-[a-z0-9]+)*$/;
const LONGEST_ID = 64;
const SCHEMA = 'skills.manifest.schema.json';

const TEMPLATE_TEXT = Object.values(TEMPLATES)
  .map(({ summary }) => summary)
  .join('; ');

export function addSkillNew(skill: Command): void {
  skill
    .command('new')
    .summary('make the folder of a new skill')
    .description(
      'Makes the folder of a new skill: manifest.json, main.lua, a test that passes, README.md, and settings for editors with lua-language-server. ' +
        'A running host picks it up at once.',
    )
    .argument('<id>', 'name of the skill and its folder: lower-case letters, digits and single hyphens')
    .addOption(withDefault('--skills <dir>', 'where skills live', DEFAULT_SKILLS))
    .addOption(withDefault('--table <name>', 'table that it is about', 'orders'))
    .addOption(
      withDefault('--template <name>', `what it does at first: ${TEMPLATE_TEXT}`, 'reaction').choices(
        Object.keys(TEMPLATES),
      ),
    )
    .addHelpText(
      'after',
      examples(
        ['glyphcase skill new order-mail', 'skills/order-mail, which watches orders'],
        ['glyphcase skill new stock-alert --table products', 'another table'],
        ['glyphcase skill new tidy-users --table users --template hooks', 'rows before they are written'],
      ),
    )
    .action(create);
}

interface NewOptions {
  readonly skills: string;
  readonly table: string;
  readonly template: TemplateName;
}

function create(id: string, options: NewOptions): void {
  checkId(id);
  if (options.table.trim() === '') throw new UsageError('The name of the table is empty');
  const dir = join(options.skills, id);
  if (existsSync(dir)) {
    throw new GlyphError('GC_BAD_ARGUMENT', `${dir} exists already`, {
      hint: 'Choose another id, or remove the folder.',
    });
  }
  const values = { id, table: options.table, schema: forEditors(dir, SCHEMA, `https://glyphcase.dev/${SCHEMA}`) };
  const files = filesOf(options.template, { ...values, types: forEditors(dir, 'types') });
  mkdirSync(dir, { recursive: true });
  // The manifest last: a host that watches the folder then finds all of it.
  for (const name of Object.keys(files).reverse()) writeFileSync(join(dir, name), files[name] ?? '');
  for (const name of Object.keys(files)) print(`${paint('green', 'created')}  ${join(dir, name)}`);
  print();
  print(`Edit ${join(dir, 'main.lua')}, then: glyphcase skill check ${dir} && glyphcase skill test ${dir}`);
}

function checkId(id: string): void {
  if (ID.test(id) && id.length <= LONGEST_ID) return;
  const slug = id
    .replace(/([a-z0-9])([A-Z])/g, '$1-$2')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, LONGEST_ID);
  throw new UsageError(
    `"${id}" is no id for a skill: lower-case letters, digits and single hyphens, at most ${LONGEST_ID}`,
    ID.test(slug) ? `glyphcase skill new ${slug}` : undefined,
  );
}

/** A file or folder of the package as an editor finds it: relative when it lies in this project, else `elsewhere` or its path. */
function forEditors(dir: string, name: string, elsewhere?: string): string {
  const path = ['../../../', '../../../../']
    .map((up) => fileURLToPath(new URL(up + name, import.meta.url)))
    .find((candidate) => existsSync(candidate));
  if (path === undefined) return elsewhere ?? name;
  if (isAbsolute(shown(path))) return elsewhere ?? path;
  return relative(resolve(dir), path).split(sep).join('/');
}
