/** types/*.d.lua name what Lua finds, and nothing else: for editors, and for `skill check`. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { GlyphCase } from '../sdk/index.ts';
import { root } from './92-docs-support.ts';
import { definitions, luaApi } from '../sdk/maintenance/lua-api.ts';
import { CALLED } from '../sdk/maintenance/skill-check-names.ts';
import { run } from './71-skill-support.ts';
import { afterTest } from './support.ts';

/** Global names, and `table.member` of the tables among them. */
const DUMP = `
  local names = json.array()
  for name, value in pairs(_G) do
    if not name:find("^__") then
      names[#names + 1] = name
      if type(value) == "table" and value ~= _G then
        for member in pairs(value) do names[#names + 1] = name .. "." .. tostring(member) end
      end
    end
  end
  return names`;

const sorted = (...parts: readonly ReadonlySet<string>[]): readonly string[] =>
  parts.flatMap((part) => [...part]).sort();

test('the definitions name what a skill finds', async () => {
  const db = new GlyphCase(':memory:');
  afterTest(() => db.close());
  const offered = await db.executeLuaScript<string[]>(DUMP);
  // Those that the host's own state does not have.
  const { globals, members } = luaApi();
  expect([...offered, 'require', 'glyphcase.skill', 'glyphcase.config'].sort()).toEqual(sorted(globals, members));
});

test('the definitions name what a test finds', async () => {
  const { tests } = await run(
    `test("it", function() for _, name in ipairs((function() ${DUMP} end)()) do print(name) end end)`,
  );
  const found = tests[0]?.logs.map(({ message }) => message) ?? [];
  const { globals, members } = luaApi({ tests: true });
  expect([...found, 'glyphcase.skill', 'glyphcase.config'].sort()).toEqual(sorted(globals, members));
});

test('the manual names every function and matcher of a test, and no other', () => {
  const manual =
    readFileSync(join(root, 'docs/skills.md'), 'utf8').split('\n## Testing a skill\n')[1]?.split('\n## ')[0] ?? '';
  const cells = manual.split('\n').filter((line) => line.startsWith('| `')).map((line) => line.split(' | ')[0] ?? ''); // prettier-ignore
  const named = cells.flatMap((cell) =>
    [...cell.matchAll(/`([a-z_.]+)(?=\(|\.send_email)/g)].map((match) => match[1] ?? ''),
  );
  const { globals, members } = luaApi({ tests: true });
  const skills = luaApi();
  const own = [...globals, ...members].filter((name) => !skills.globals.has(name) && !skills.members.has(name));
  const tables = ['clock', 'skill', 'actions', 'host'];
  const matchers = readFileSync(definitions('glyphcase-test.d.lua'), 'utf8').matchAll(/^---@field (to_\w+)/gm);
  const expected = [...own.filter((name) => !tables.includes(name)), ...[...matchers].map(([, name]) => `.${name}`)];
  expect([...new Set(named)].filter((name) => name !== '.never.to_').sort()).toEqual(expected.sort());
});

test('the definitions name every function a skill may define', () => {
  const text = readFileSync(definitions('glyphcase.d.lua'), 'utf8');
  const aliases = [...text.matchAll(/^---@alias glyphcase\.((?:on|before|validate)_\w+) fun/gm)].map(
    ([, name]) => name,
  );
  expect(aliases.sort()).toEqual([...CALLED].sort());
});

test('the definitions describe every parameter, in Lua that compiles', async () => {
  const db = new GlyphCase(':memory:');
  afterTest(() => db.close());
  for (const file of ['glyphcase.d.lua', 'glyphcase-test.d.lua']) {
    const text = readFileSync(definitions(file), 'utf8');
    await db.executeLuaScript(`local _ENV = setmetatable({}, { __index = function() return {} end })\n${text}`);
    for (const [, comments = '', name = '', parameters = ''] of text.matchAll(
      /((?:^---.*\n)*)^function ([\w.]+)\((.*)\) end$/gm,
    )) {
      const described = [...comments.matchAll(/^---@param (\S+?)\??\s/gm)].map((match) => match[1]);
      expect([name, described]).toEqual([name, parameters === '' ? [] : parameters.split(', ')]);
    }
  }
});

test('the definitions are in the package', () => {
  const { files } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { files: string[] };
  expect(files).toContain('types');
  expect(readdirSync(join(root, 'types')).sort()).toEqual(['glyphcase-test.d.lua', 'glyphcase.d.lua']);
});
