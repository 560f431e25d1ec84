/** The documents are true: every example compiles, runs and prints what it says; links lead somewhere; lists are complete. */
import { mkdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { GlyphCase } from '../sdk/index.ts';
import { readConfig } from '../sdk/config.ts';
import { pluginsOf, skillsOf } from '../sdk/managers.ts';
import { afterTest, tempDir } from './support.ts';
import {
  blocksOf,
  brokenLinks,
  documents,
  examplesOf,
  layPrograms,
  resolved,
  root,
  runProgram,
  tableRows,
  typeErrors,
  uncheckedBlocks,
} from './92-docs-support.ts';

const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const examples = documents.flatMap((document) => examplesOf(document));

/** Writes an example with its files into a new folder; returns the program's path. */
function lay(example: (typeof examples)[number]): string {
  const folder = realpathSync(tempDir());
  const files = {
    ...example.files,
    'package.json': '{ "type": "module" }',
    [`${example.name}.ts`]: resolved(example.source),
  };
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), `${text}\n`);
  }
  // Its reader has installed it.
  if (/from 'react/.test(example.source)) symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  return join(folder, `${example.name}.ts`);
}

describe('the reader of documents', () => {
  const fence = '```';

  test('finds blocks that nothing checks, and markers that nobody knows', () => {
    expect(uncheckedBlocks('x.md', `${fence}ts\n1\n${fence}\n\n${fence}sh\nls\n${fence}\n`)).toEqual([
      'x.md:1: a ts block without a marker',
    ]);
    expect(uncheckedBlocks('x.md', `<!-- exmaple: a -->\n${fence}ts\n1\n${fence}`)).toEqual([
      'x.md:2: unknown marker "exmaple: a"',
    ]);
    expect(uncheckedBlocks('x.md', `<!-- example: a -->\nText between.\n\n${fence}lua\n1\n${fence}`)).toHaveLength(1);
    expect(uncheckedBlocks('x.md', `<!-- example: a -->\n\n${fence}ts\n1\n${fence}`)).toEqual([]);
  });

  test('refuses what cannot be meant', () => {
    expect(() => blocksOf('x.md', `${fence}ts\n1`)).toThrow('x.md:1: the fenced block is never closed');
    expect(() => examplesOf('x.md', `<!-- prints -->\n${fence}\n1\n${fence}`)).toThrow(
      'x.md:2: nothing runs before this output',
    );
    const twice = `<!-- example: a -->\n${fence}ts\n1\n${fence}\n`;
    expect(() => examplesOf('x.md', twice + twice)).toThrow('x.md:6: the name a is used twice');
  });

  test('finds links to files and headings that are not there', () => {
    const text =
      '# One thing\n[a](docs/nowhere.md) [b](#two) [c](#one-thing) [d](LICENSE) [e](https://x.y) `[f](no.md)`';
    expect(brokenLinks('README.md', text)).toEqual(['README.md: docs/nowhere.md', 'README.md: #two']);
  });

  test('notices an example that does not compile', () => {
    const source =
      "import { GlyphCase } from 'glyphcase';\nexport const n: string = new GlyphCase(':memory:').filename.length;";
    const file = lay({ name: 'wrong', place: 'x.md:1', source, files: {}, prints: undefined });
    expect(typeErrors([file])).toEqual(["wrong.ts:2: Type 'number' is not assignable to type 'string'."]);
  });
});

describe('README and docs', () => {
  test('have a marker on every block of code', () => {
    expect(documents.flatMap((document) => uncheckedBlocks(document))).toEqual([]);
  });

  test('link to files and headings that exist', () => {
    expect(documents.flatMap((document) => brokenLinks(document))).toEqual([]);
  });

  test('name their examples differently', () => {
    const names = examples.map(({ name }) => name);
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
    expect(names.length).toBeGreaterThan(15);
  });
});

describe('the examples', () => {
  test('compile', () => {
    expect(
      typeErrors([
        ...examples.map(lay),
        ...documents.flatMap((document) => layPrograms(document, realpathSync(tempDir()))),
      ]),
    ).toEqual([]);
  }, 60_000);

  test.each(examples)('$place $name runs', async (example) => {
    const file = lay(example);
    const { code, stdout, stderr } = await runProgram(file, dirname(file));
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    if (example.prints !== undefined) expect(tidy(stdout)).toBe(tidy(example.prints));
  });
});

/** Spaces at the ends of lines do not survive editors. */
const tidy = (text: string): string => text.replaceAll(/[ \t]+$/gm, '').trim();

describe('the Lua examples', () => {
  const blocks = documents.flatMap((document) => blocksOf(document).filter(({ marker }) => marker === 'lua'));

  test.each(blocks)('$place print what the comments say', async ({ text }) => {
    // Lua's limit is one of time that passes, and the machine may have other work to do.
    const db = new GlyphCase(':memory:', { lua: { limits: { time: '20s' } } });
    afterTest(() => db.close());
    await db.executeLuaScript(
      `glyphcase.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, status TEXT, picture BLOB, extra JSON)")`,
    );
    await db.executeLuaScript(
      `glyphcase.insertMultiple("users", {{ name = "Alice", status = "active" }, { name = "Bob", status = "gone" }})`,
    );
    const expected = [...text.matchAll(/--> (.*)$/gm)].map((match) => match[1]);
    expect(expected.length).toBeGreaterThan(0);
    const printed = await db.executeLuaScript(`
      local lines = {}
      local function print(...)
        local parts = table.pack(...)
        for i = 1, parts.n do parts[i] = tostring(parts[i]) end
        lines[#lines + 1] = table.concat(parts, " ")
      end
      do\n${text}\nend
      return json.array(lines)`);
    expect(printed).toEqual(expected);
  });
});

describe('the lists', () => {
  const api = read('docs/api.md');

  test('of the host API name every member of GlyphCase', () => {
    const inherited = ['constructor'];
    const members = Object.getOwnPropertyNames(GlyphCase.prototype).filter((name) => !inherited.includes(name));
    expect(
      [...members, 'ready', 'plugins', 'skills'].filter((name) => !new RegExp(`\`(db\\.)?${name}[(\`]`).test(api)),
    ).toEqual([]);
    const nobody = (() => undefined) as never;
    const managed = [...Object.keys(pluginsOf(nobody, nobody, nobody)), ...Object.keys(skillsOf(nobody, nobody))];
    expect(managed.filter((name) => !api.includes(`\`${name}(`))).toEqual([]);
  });

  test('of options have the defaults of the code', () => {
    const rows = tableRows('docs/api.md', '## Options');
    const defaults = readConfig(':memory:', { skills: { dir: 'skills' } }) as unknown as Record<
      string,
      Record<string, unknown>
    >;
    const written = rows.filter(([, value]) => value?.startsWith('`') === true);
    expect(written.length).toBeGreaterThan(5);
    for (const [name = '', value = ''] of written) {
      const [group = '', key] = name.replaceAll('`', '').split('.');
      if (group === 'lua') continue; // the plugin's own, below
      expect([name, `\`${String(key === undefined ? defaults[group] : defaults[group]?.[key])}\``]).toEqual([
        name,
        value,
      ]);
    }
  });

  test('of options name all of them', () => {
    const source = read('sdk/config.ts');
    const named = tableRows('docs/api.md', '## Options').map(([name = '']) => name.replaceAll('`', ''));
    const names = (type: string): string[] => {
      const body = new RegExp(`export interface ${type} \\{([\\s\\S]*?)\\n\\}`).exec(source)?.[1] ?? '';
      return [...body.matchAll(/^ {2}readonly (\w+)\??:/gm)].map((match) => match[1] ?? '');
    };
    const grouped = ['capsule', 'skills', 'scheduler', 'lua', 'pluginLimits'];
    const expected = [
      ...names('GlyphCaseOptions').filter((name) => !grouped.includes(name)),
      ...names('CapsuleOptions').map((name) => `capsule.${name}`),
      ...names('SkillsOptions').map((name) => `skills.${name}`),
      ...names('SchedulerOptions').map((name) => `scheduler.${name}`),
      ...names('PluginLimitOptions').map((name) => `pluginLimits.${name}`),
      'lua.limits.time',
      'lua.limits.memory',
    ];
    expect(expected.length).toBeGreaterThan(15);
    expect([...named].sort()).toEqual(expected.sort());
  });
});

describe('the manual of skills', () => {
  test('names every key of the manifest, and no other', () => {
    interface Schema {
      readonly properties?: Readonly<Record<string, Schema>>;
      readonly default?: unknown;
    }
    const schema = JSON.parse(read('skills.manifest.schema.json')) as Schema & { readonly required: readonly string[] };
    const keys = new Map<string, Schema>();
    const collect = ({ properties = {} }: Schema, under: string): void => {
      for (const [key, value] of Object.entries(properties)) {
        keys.set(under + key, value);
        collect(value, `${under}${key}.`);
      }
    };
    collect(schema, '');
    const rows = tableRows('docs/skills.md', '## The manifest');
    const written = rows.flatMap(([names = '', value = '']) =>
      names.split(', ').map((name): [string, string] => [name.replaceAll('`', ''), value]),
    );
    expect(written.map(([name]) => name).sort()).toEqual([...keys.keys()].sort());
    for (const [name, value] of written) {
      const fallback = keys.get(name)?.default;
      expect(value === 'needed', `${name} is needed`).toBe(schema.required.includes(name));
      if (fallback !== undefined)
        expect([name, value]).toEqual([
          name,
          `\`${typeof fallback === 'string' ? fallback : JSON.stringify(fallback)}\``,
        ]);
    }
  });

  test('names every function that Lua can call, and no other', async () => {
    const db = new GlyphCase(':memory:');
    afterTest(() => db.close());
    const groups = ['glyphcase', 'json', 'log', 'os', 'scheduler', 'crypto', 'cache', 'http'];
    const offered = await db.executeLuaScript<string[]>(`
      local names = json.array()
      for _, group in ipairs({ ${groups.map((name) => `"${name}"`).join(', ')} }) do
        for name, value in pairs(_G[group] or {}) do
          if type(value) == "function" then names[#names + 1] = group .. "." .. name end
        end
      end
      return names`);
    const manual = read('docs/skills.md').split('## What Lua can call')[1]?.split('\n## ')[0] ?? '';
    const isNamed = (name: string): boolean => {
      const [group = '', short = ''] = name.split('.');
      return (
        manual.includes(name) ||
        manual.split('\n').some((line) => line.startsWith(`| \`${group}\``) && new RegExp(`\`${short}[(\`]`).test(line))
      );
    };
    expect(offered.length).toBeGreaterThan(20);
    expect(offered.filter((name) => !isNamed(name))).toEqual([]);
    const named = [...manual.matchAll(/\b(glyphcase|scheduler|crypto|cache|http)\.(\w+)\(/g)].map(
      ([, group, name]) => `${group}.${name}`,
    );
    expect(named.filter((name) => !offered.includes(name))).toEqual([]);
  });
});
