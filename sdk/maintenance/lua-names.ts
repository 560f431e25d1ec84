/**
 * What a Lua script names: the globals it sets and reads, the members of tables it uses, and the calls whose first arguments
 * are plain texts.
 *
 * Invariant: it looks at tokens, not at what happens when they run; where it cannot be sure it leaves out, so that what it says
 * is so.
 */
import { tokenizeLua } from './lua-lexer.ts';
import type { LuaToken } from './lua-lexer.ts';

/** A name at a place. */
export interface NamedPlace {
  readonly name: string;
  readonly line: number;
}

/** `glyphcase.insert("orders", …)`. */
export interface LuaCall extends NamedPlace {
  /** Texts that are whole arguments, by position; undefined for anything else. */
  readonly texts: readonly (string | undefined)[];
  /** Plain texts of the table in the first argument: `{ url = "…" }`. */
  readonly fields: Readonly<Record<string, string>>;
}

export interface LuaNames {
  /** Names that are local somewhere: variables, parameters, loop variables. */
  readonly locals: ReadonlySet<string>;
  /** Globals that are set, functions first of all. */
  readonly sets: readonly NamedPlace[];
  /** Names that are read and are local nowhere in the script. */
  readonly reads: readonly NamedPlace[];
  /** `glyphcase.query`: a global's member that is used, and those that the script itself sets. */
  readonly members: readonly NamedPlace[];
  readonly ownMembers: ReadonlySet<string>;
  readonly calls: readonly LuaCall[];
  /** It can make globals that nobody sees: `_G`, `_ENV`, `load`, `setmetatable(_G, …)`. */
  readonly isDynamic: boolean;
}

export function namesIn(source: string): LuaNames {
  const tokens = tokenizeLua(source);
  const locals = localsOf(tokens);
  const sets: NamedPlace[] = [];
  const reads: NamedPlace[] = [];
  const members: NamedPlace[] = [];
  const ownMembers = new Set<string>();
  const calls: LuaCall[] = [];
  for (const [index, token] of tokens.entries()) {
    if (token.kind !== 'name' || !isVariable(tokens, index)) continue;
    const { text: name, line } = token;
    const path = pathAt(tokens, index);
    const isDefined = is(tokens[index - 1], 'function');
    const isSet = isDefined || setsAt(tokens, index);
    if (locals.has(name)) continue;
    if (path.members.length === 0 && isSet) sets.push({ name, line });
    else reads.push({ name, line });
    const [first] = path.members;
    if (first === undefined) {
      if (!isDefined) calls.push(...callAt(tokens, path.next, name, line));
      continue;
    }
    const full = `${name}.${first}`;
    if (isDefined || is(tokens[path.next], '=')) ownMembers.add(full);
    else {
      members.push({ name: full, line });
      if (path.members.length === 1) calls.push(...callAt(tokens, path.next, full, line));
    }
  }
  const isDynamic = tokens.some(({ kind, text }) => kind === 'name' && ['_G', '_ENV', 'load'].includes(text));
  return { locals, sets, reads, members, ownMembers, calls, isDynamic };
}

const is = (token: LuaToken | undefined, text: string): boolean =>
  token !== undefined && token.kind !== 'string' && token.text === text;

const isVariable = (tokens: readonly LuaToken[], index: number): boolean =>
  ![isField, isKey, isLabel, isAttribute].some((isOther) => isOther(tokens, index));

/** The name after a dot or colon. */
const isField = (tokens: readonly LuaToken[], index: number): boolean =>
  is(tokens[index - 1], '.') || is(tokens[index - 1], ':');

/** `{ name = value }`; an assignment begins a statement, which a brace or comma inside a table does not. */
function isKey(tokens: readonly LuaToken[], index: number): boolean {
  if (!is(tokens[index + 1], '=')) return false;
  if (is(tokens[index - 1], '{')) return true;
  if (!is(tokens[index - 1], ',') && !is(tokens[index - 1], ';')) return false;
  return innermostOpen(tokens, index) === '{';
}

const isLabel = (tokens: readonly LuaToken[], index: number): boolean =>
  is(tokens[index - 1], 'goto') || (is(tokens[index - 1], '::') && is(tokens[index + 1], '::'));

/** `local x <const>`. */
const isAttribute = (tokens: readonly LuaToken[], index: number): boolean =>
  ['const', 'close'].includes(tokens[index]?.text ?? '') && is(tokens[index - 1], '<') && is(tokens[index + 1], '>');

/** The bracket or block that a place stands in. */
function innermostOpen(tokens: readonly LuaToken[], index: number): string | undefined {
  let depth = 0;
  for (let at = index - 1; at >= 0; at--) {
    const token = tokens[at];
    if (token === undefined || token.kind === 'string') continue;
    if (['}', ')', ']', 'end', 'until'].includes(token.text)) depth += 1;
    else if (['{', '(', '[', 'function', 'if', 'do', 'repeat'].includes(token.text)) {
      if (depth === 0) return token.text;
      depth -= 1;
    }
  }
  return undefined;
}

/** `a, b = …` and `a = …`, as statements. */
function setsAt(tokens: readonly LuaToken[], index: number): boolean {
  let at = index + 1;
  while (is(tokens[at], ',') && tokens[at + 1]?.kind === 'name') at += 2;
  if (!is(tokens[at], '=')) return false;
  const before = innermostOpen(tokens, index);
  return before !== '{' && before !== '(' && before !== '[';
}

interface Path {
  readonly members: readonly string[];
  /** Index of the token after it. */
  readonly next: number;
}

function pathAt(tokens: readonly LuaToken[], index: number): Path {
  const members: string[] = [];
  let at = index + 1;
  while (is(tokens[at], '.') && tokens[at + 1]?.kind === 'name') {
    members.push(tokens[at + 1]?.text ?? '');
    at += 2;
  }
  return { members, next: at };
}

/** The call that begins at a token: `(…)`, `"…"` or `{…}`. */
function callAt(tokens: readonly LuaToken[], at: number, name: string, line: number): readonly LuaCall[] {
  const token = tokens[at];
  if (token?.kind === 'string') return [{ name, line, texts: [token.text], fields: {} }];
  if (is(token, '{')) return [{ name, line, texts: [undefined], fields: fieldsAt(tokens, at) }];
  if (!is(token, '(')) return [];
  const texts: (string | undefined)[] = [];
  let depth = 0;
  let start = at + 1;
  for (let end = at + 1; end < tokens.length; end++) {
    const one = tokens[end];
    const closes = depth === 0 && is(one, ')');
    if (closes || (depth === 0 && is(one, ','))) {
      const only = end === start + 1 ? tokens[start] : undefined;
      if (end > start) texts.push(only?.kind === 'string' ? only.text : undefined);
      start = end + 1;
    }
    if (closes) break;
    if (one !== undefined && one.kind !== 'string') depth += depthOf(one.text);
  }
  return [{ name, line, texts, fields: is(tokens[at + 1], '{') ? fieldsAt(tokens, at + 1) : {} }];
}

const OPENS = new Set(['(', '{', '[', 'function', 'if', 'do', 'repeat']);
const CLOSES = new Set([')', '}', ']', 'end', 'until']);

const depthOf = (text: string): number => (OPENS.has(text) ? 1 : CLOSES.has(text) ? -1 : 0);

function fieldsAt(tokens: readonly LuaToken[], at: number): Readonly<Record<string, string>> {
  const fields: Record<string, string> = {};
  let depth = 0;
  for (let index = at; index < tokens.length; index++) {
    const token = tokens[index];
    if (token === undefined) break;
    if (token.kind !== 'string') depth += depthOf(token.text);
    if (depth === 0) break;
    const value = tokens[index + 2];
    const ends = is(tokens[index + 3], ',') || is(tokens[index + 3], ';') || is(tokens[index + 3], '}');
    if (depth === 1 && token.kind === 'name' && is(tokens[index + 1], '=') && value?.kind === 'string' && ends)
      fields[token.text] = value.text;
  }
  return fields;
}

/** Every name that is declared local, a parameter or a loop variable anywhere in the script. */
function localsOf(tokens: readonly LuaToken[]): ReadonlySet<string> {
  const locals = new Set(['self']);
  for (const [index, token] of tokens.entries()) {
    if (token.kind !== 'keyword') continue;
    if (token.text === 'local' && is(tokens[index + 1], 'function')) locals.add(tokens[index + 2]?.text ?? '');
    else if (token.text === 'local' || token.text === 'for') addList(tokens, index + 1, locals);
    else if (token.text === 'function') {
      let at = index + 1;
      while (at < tokens.length && !is(tokens[at], '(')) at += 1;
      addList(tokens, at + 1, locals);
    }
  }
  return locals;
}

/** `a, b <const>, c`. */
function addList(tokens: readonly LuaToken[], from: number, into: Set<string>): void {
  for (let at = from; tokens[at]?.kind === 'name'; at += 1) {
    into.add(tokens[at]?.text ?? '');
    if (is(tokens[at + 1], '<')) at += 3;
    if (!is(tokens[at + 1], ',')) return;
    at += 1;
  }
}
