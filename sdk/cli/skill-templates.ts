/**
 * The files of a new skill, by template.
 *
 * Invariant: what is written passes `skill check` without a word and `skill test` as it stands.
 */

export interface TemplateValues {
  readonly id: string;
  readonly table: string;
  /** Where the manifest's schema is, for editors. */
  readonly schema: string;
  /** Folder of the Lua definition files, for editors. */
  readonly types: string;
}

interface Template {
  /** What the template shows, in a few words. */
  readonly summary: string;
  readonly description: (table: string) => string;
  readonly manifest: (table: string) => Readonly<Record<string, unknown>>;
  readonly main: (table: string) => string;
  readonly test: (table: string) => string;
}

const lua = (text: string): string => JSON.stringify(text);
const sql = (name: string): string => `"${name.replaceAll('"', '""')}"`;

const reaction: Template = {
  summary: 'reacts to changes of a table',
  description: (table) => `Reacts to changes of ${table}.`,
  manifest: (table) => ({ watches: [table], permissions: { database: { read: [table], write: [] } } }),
  main: (
    table,
  ) => `-- Called once for each change of ${table}, whichever program made it. What it writes and the fact that the change was
-- handled are one transaction: after a crash nothing is lost and nothing runs twice.
function on_data_changed(table_name, operation, row, event)
  log.info(operation, table_name, event.row_id)

  -- To write, name the table under "write" in manifest.json; then:
  -- glyphcase.update(${lua(table)}, event.row_id, { status = "seen" })
end
`,
  test: (table) => `setup(function()
  glyphcase.execute([[CREATE TABLE ${sql(table)} (id INTEGER PRIMARY KEY, status TEXT)]])
end)

test("hears of a new row", function()
  glyphcase.insert(${lua(table)}, { status = "new" })
  flush() -- until the skill has handled it
  expect(skill.logs("info")).to_have_length(1)
  expect(skill.logs("info")[1].message).to_match("^INSERT")
end)
`,
};

const hooks: Template = {
  summary: 'changes or refuses rows before they are written',
  description: (table) => `Looks after the rows of ${table} before they are written.`,
  manifest: (table) => ({ permissions: { hooks: [table] } }),
  main: (table) => `-- Both run in the transaction that writes the row of ${table}, so whoever writes it waits for them.
function before_insert(table_name, data)
  if data.name then data.name = data.name:match("^%s*(.-)%s*$") end
  return data
end

function validate_insert(table_name, data)
  if not data.name or #data.name < 2 then return false, "a name has two letters or more" end
end
`,
  test: (table) => `setup(function()
  glyphcase.execute([[CREATE TABLE ${sql(table)} (id INTEGER PRIMARY KEY, name TEXT)]])
end)

test("takes spaces off a name", function()
  glyphcase.insert(${lua(table)}, { name = "  Alice " })
  expect(glyphcase.queryScalar([[SELECT name FROM ${sql(table)}]])).to_be("Alice")
end)

test("refuses a name that is too short", function()
  expect(function() glyphcase.insert(${lua(table)}, { name = "A" }) end).to_fail("two letters or more")
  expect(glyphcase.query([[SELECT * FROM ${sql(table)}]])).to_equal({})
end)
`,
};

const schedule: Template = {
  summary: 'does something at times',
  description: (table) => `Counts the rows of ${table} once an hour.`,
  manifest: (table) => ({ permissions: { database: { read: [table] }, schedule: true } }),
  main: (table) => `function on_install()
  glyphcase.execute([[CREATE TABLE hourly_counts (at INTEGER PRIMARY KEY, count INTEGER)]])
end

-- A job with a name keeps its time across reloads and restarts.
function on_activate()
  scheduler.every("1h", "count_rows", { name = "count" })
end

function count_rows()
  local count = glyphcase.queryScalar([[SELECT count(*) FROM ${sql(table)}]])
  glyphcase.insert("hourly_counts", { at = os.time(), count = count })
end
`,
  test: (table) => `setup(function()
  glyphcase.execute([[CREATE TABLE ${sql(table)} (id INTEGER PRIMARY KEY)]])
end)

test("counts once an hour", function()
  glyphcase.execute([[INSERT INTO ${sql(table)} DEFAULT VALUES]])
  clock.advance("2h")
  local counts = glyphcase.query("SELECT count FROM hourly_counts")
  expect(counts).to_equal({ { count = 1 }, { count = 1 } })
end)
`,
};

export const TEMPLATES = { reaction, hooks, schedule } as const satisfies Readonly<Record<string, Template>>;
export type TemplateName = keyof typeof TEMPLATES;

/** Path → content, in the order in which they are worth reading. */
export function filesOf(name: TemplateName, values: TemplateValues): Readonly<Record<string, string>> {
  const template: Template = TEMPLATES[name];
  const { table } = values;
  return {
    'manifest.json': manifestText(template, values),
    'main.lua': template.main(table),
    'test.lua': template.test(table),
    'README.md': readme(template, values),
    '.luarc.json': editorSettings(values),
  };
}

function manifestText(template: Template, { id, table, schema }: TemplateValues): string {
  const title = id.replaceAll('-', ' ');
  const value = {
    $schema: schema,
    id,
    name: title.charAt(0).toUpperCase() + title.slice(1),
    version: '0.1.0',
    description: template.description(table),
    engines: { glyphcase: '^1.0.0' },
    ...template.manifest(table),
  };
  return `${JSON.stringify(value, null, 2).replace(/\[\s+("[^"]*")\s+\]/g, '[$1]')}\n`;
}

/** lua-language-server reads it in the folder that an editor has opened. */
function editorSettings({ types }: TemplateValues): string {
  const settings = {
    'runtime.version': 'Lua 5.4',
    'runtime.builtin': { io: 'disable', package: 'disable', debug: 'disable' },
    'runtime.path': ['?.lua'],
    'workspace.library': [types],
  };
  return `${JSON.stringify(settings, null, 2)}\n`;
}

const readme = (template: Template, { id, table }: TemplateValues): string => `# ${id}

${template.description(table)}

| file | holds |
|---|---|
| \`manifest.json\` | what wakes the skill, and what it may do |
| \`main.lua\` | what it does |
| \`test.lua\` | what it must do: \`glyphcase skill test\` |

Check it with \`glyphcase skill check\`; see what it says with \`glyphcase skill logs ${id} -f\`.
`;
