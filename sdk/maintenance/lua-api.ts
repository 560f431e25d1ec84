/**
 * The names a skill's Lua finds, read from types/glyphcase.d.lua: one list for editors and for `skill check`.
 *
 * Invariant: a test holds the file against what the code offers, both ways.
 */
import { existsSync, readFileSync } from 'node:fs';
import { namesIn } from './lua-names.ts';

/** Lua's own globals in the sandbox, and the members of its libraries. */
const STANDARD: Readonly<Record<string, string>> = {
  '': '_G _VERSION assert collectgarbage error getmetatable ipairs load next pairs pcall print rawequal rawget rawlen rawset require select setmetatable tonumber tostring type xpcall',
  os: 'clock date difftime time',
  string: 'byte char find format gmatch gsub len lower match pack packsize rep reverse sub unpack upper',
  table: 'concat insert move pack remove sort unpack',
  math: 'abs acos asin atan ceil cos deg exp floor fmod huge log max maxinteger min mininteger modf pi rad random randomseed sin sqrt tan tointeger type ult',
  utf8: 'char charpattern codepoint codes len offset',
  coroutine: 'close create isyieldable resume running status wrap yield',
};

export interface LuaApi {
  /** Global functions and tables. */
  readonly globals: ReadonlySet<string>;
  /** `glyphcase.query`, of tables whose members are all known. */
  readonly members: ReadonlySet<string>;
}

/** What is there in every script, and with `tests` what is there in test.lua too. */
export function luaApi({ tests = false } = {}): LuaApi {
  const globals = new Set<string>();
  const members = new Set<string>();
  for (const [table, names] of Object.entries(STANDARD)) {
    if (table !== '') globals.add(table);
    for (const name of names.split(' '))
      (table === '' ? globals : members).add(table === '' ? name : `${table}.${name}`);
  }
  for (const file of tests ? ['glyphcase.d.lua', 'glyphcase-test.d.lua'] : ['glyphcase.d.lua']) {
    const text = readFileSync(definitions(file), 'utf8');
    const { sets, ownMembers } = namesIn(text);
    for (const { name } of sets) globals.add(name);
    for (const name of ownMembers) members.add(name);
    for (const name of fieldsOfGlobals(text)) members.add(name);
  }
  return { globals, members };
}

/** `---@class json` with `---@field null …` above `json = {}`. */
function fieldsOfGlobals(text: string): readonly string[] {
  const found: string[] = [];
  for (const [, comments = '', table = ''] of text.matchAll(/((?:^---.*\n)+)(\w+) = \{\}$/gm)) {
    for (const [, field = ''] of comments.matchAll(/^---@field (\w+)/gm)) found.push(`${table}.${field}`);
  }
  return found;
}

/** Path of a definition file of the package, from the sources as from dist/. */
export function definitions(file = ''): URL {
  const near = new URL(`../../types/${file}`, import.meta.url);
  return existsSync(near) ? near : new URL(`../../../types/${file}`, import.meta.url);
}
