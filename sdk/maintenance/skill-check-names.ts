/**
 * Names that nothing answers to: hooks that are misspelt, functions and globals that do not exist.
 *
 * Invariant: a name that the skill gives a meaning anywhere, in any of its scripts, is never complained of.
 */
import { didYouMean } from '../../kernel/schema/problems.ts';
import { luaApi } from './lua-api.ts';
import type { LuaFile, Report } from './skill-report.ts';

/** The globals GlyphCase calls, if a skill defines them. */
export const CALLED = [
  'on_install',
  'on_upgrade',
  'on_activate',
  'on_deactivate',
  'on_uninstall',
  'on_data_changed',
  'on_http_response',
  'before_insert',
  'validate_insert',
  'before_update',
  'validate_update',
  'before_delete',
] as const;

const TEST_FILE = 'test.lua';

/** A global that is nearly one of ours, and that the skill itself never calls, was meant to be it. */
export function checkHookNames(scripts: readonly LuaFile[], report: Report): void {
  const sets = scripts.flatMap(({ file, names }) => names.sets.map((one) => ({ ...one, file })));
  const defined = new Set(sets.map(({ name }) => name));
  const used = new Set(scripts.flatMap(({ names }) => names.reads.map(({ name }) => name)));
  const free = CALLED.filter((name) => !defined.has(name));
  for (const { name, file, line } of sets) {
    if ((CALLED as readonly string[]).includes(name) || !/^(on|before|after|validate)_?/i.test(name)) continue;
    const meant = didYouMean(name, free);
    if (meant === undefined || used.has(name)) continue;
    report('error', file, line, `nothing calls ${name}() (did you mean '${meant}'?)`);
  }
}

/**
 * Globals and members of the API's tables that do not exist.
 * @param functions of the host, by name; undefined for whatever it has
 */
export function checkKnownNames(
  all: readonly LuaFile[],
  functions: readonly string[] | undefined,
  report: Report,
): void {
  const isDynamic = all.some(({ names }) => names.isDynamic);
  const own = new Set(all.flatMap(({ names }) => names.sets.map(({ name }) => name)));
  const ownMembers = new Set(all.flatMap(({ names }) => [...names.ownMembers]));
  for (const { file, names } of all) {
    const api = luaApi({ tests: file === TEST_FILE });
    for (const { name, line } of unique(names.members)) {
      const [table = '', member = ''] = name.split('.');
      const known = [...api.members].filter((one) => one.startsWith(`${table}.`)).map((one) => one.split('.')[1] ?? '');
      if (known.length === 0 || known.includes(member) || ownMembers.has(name) || own.has(table)) continue;
      const near = meant(member, known, (one) => `${table}.${one}`);
      // A plugin of the host may have added a function; hardly one that is nearly ours.
      report(near === '' ? 'warning' : 'error', file, line, `${table} has no ${member}${near}`);
    }
    if (isDynamic || functions === undefined) continue;
    for (const { name, line } of unique(names.reads)) {
      if (api.globals.has(name) || own.has(name) || functions.includes(name)) continue;
      const near = meant(name, [...api.globals, ...own, ...functions], (one) => one);
      report(
        'warning',
        file,
        line,
        near === '' ? `no script sets the global ${name}` : `there is no global ${name}${near}`,
      );
    }
  }
}

function meant(name: string, known: readonly string[], full: (near: string) => string): string {
  const near = didYouMean(name, known);
  return near === undefined ? '' : ` (did you mean '${full(near)}'?)`;
}

/** Each name once, where it comes first. */
function unique<T extends { readonly name: string }>(places: readonly T[]): readonly T[] {
  return [...new Map([...places].reverse().map((place) => [place.name, place])).values()].reverse();
}
