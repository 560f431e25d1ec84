/** `glyphcase skill new`: a folder with everything a skill needs, that works as it is. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { GlyphError } from '../../../kernel/errors.ts';
import { UsageError } from '../errors.ts';
import { examples, withDefault } from '../options.ts';
import { paint, print } from '../output.ts';
import { DEFAULT_SKILLS, shown } from '../paths.ts';

const ID = /^[a-z0-9]+(-[a-z0-9]+)*$/;
const LONGEST_ID = 64;
const SCHEMA = 'skills.manifest.schema.json';

export function addSkillNew(skill: Command): void {
  skill
    .command('new')
    .summary('make the folder of a new skill')
    .description(
      'Makes the folder of a new skill: manifest.json, main.lua and README.md. A running host picks it up at once.',
    )
    .argument('<id>', 'name of the skill and its folder: lower-case letters, digits and single hyphens')
    .addOption(withDefault('--dir <folder>', 'where skills live', DEFAULT_SKILLS))
    .addOption(withDefault('--table <name>', 'table that it watches', 'orders'))
    .addHelpText(
      'after',
      examples(
        ['glyphcase skill new order-mail', 'skills/order-mail, which watches orders'],
        ['glyphcase skill new stock-alert --table products', 'another table'],
      ),
    )
    .action(create);
}

function create(id: string, options: { readonly dir: string; readonly table: string }): void {
  checkId(id);
  const dir = join(options.dir, id);
  if (existsSync(dir)) {
    throw new GlyphError('GC_BAD_ARGUMENT', `${dir} exists already`, {
      hint: 'Choose another id, or remove the folder.',
    });
  }
  const files: Readonly<Record<string, string>> = {
    'manifest.json': manifest(id, options.table, dir),
    'main.lua': script(options.table),
    'README.md': readme(id, options.table),
  };
  mkdirSync(dir, { recursive: true });
  // The manifest last: a host that watches the folder then finds all of it.
  for (const name of ['README.md', 'main.lua', 'manifest.json']) writeFileSync(join(dir, name), files[name] ?? '');
  for (const name of Object.keys(files)) print(`${paint('green', 'created')}  ${join(dir, name)}`);
  print();
  print(`Edit ${join(dir, 'main.lua')}; check it with: glyphcase skill check ${dir}`);
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

function manifest(id: string, table: string, dir: string): string {
  const title = id.replaceAll('-', ' ');
  const value = {
    $schema: schemaFor(dir),
    id,
    name: title.charAt(0).toUpperCase() + title.slice(1),
    version: '0.1.0',
    description: `Reacts to changes of ${table}.`,
    engines: { glyphcase: '^1.0.0' },
    watches: [table],
    permissions: { database: { read: [table], write: [] } },
  };
  return `${JSON.stringify(value, null, 2).replace(/\[\s+("[^"]*")\s+\]/g, '[$1]')}\n`;
}

/** The schema as an editor finds it: the package's own file when it lies in this project, else its address. */
function schemaFor(dir: string): string {
  for (const up of ['../../../', '../../../../']) {
    const file = fileURLToPath(new URL(`${up}${SCHEMA}`, import.meta.url));
    if (existsSync(file) && !shown(file).startsWith(sep)) return relative(resolve(dir), file).split(sep).join('/');
  }
  return `https://glyphcase.dev/${SCHEMA}`;
}

function script(table: string): string {
  return `-- Called once for each change of ${table}, whichever program made it. What it writes and the fact that the change was
-- handled are one transaction: after a crash nothing is lost and nothing runs twice.
function on_data_changed(table_name, operation, row, event)
  log.info(operation, table_name, event.row_id)

  -- To write, name the table under "write" in manifest.json; then:
  -- glyphcase.update("${table}", event.row_id, { status = "seen" })
end
`;
}

function readme(id: string, table: string): string {
  return `# ${id}

Reacts to changes of \`${table}\`.

| file | holds |
|---|---|
| \`manifest.json\` | what wakes the skill, and what it may do |
| \`main.lua\` | what it does |

Check it with \`glyphcase skill check\`; see what it says with \`glyphcase skill logs ${id} -f\`.
`;
}
