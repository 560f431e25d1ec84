/**
 * Checks a skill's folder without a database: manifest, Lua syntax, and the slips that would only show when it runs.
 *
 * Invariant: no line of the skill is executed; its files are compiled in the sandbox and nothing more.
 */
import { relative } from 'node:path';
import { GlyphError, messageOf } from '../../kernel/errors.ts';
import { didYouMean } from '../../kernel/schema/problems.ts';
import { createLuaService } from '../../plugins/lua/index.ts';
import { parseLimits } from '../../plugins/lua/limits.ts';
import { readFolder } from '../../plugins/skills/folder.ts';
import type { SkillFolder } from '../../plugins/skills/folder.ts';
import { readManifest } from '../../plugins/skills/manifest.ts';
import { coversTable } from '../../plugins/skills/permissions.ts';
import { lineOfPath } from '../../plugins/skills/source-lines.ts';
import type { Manifest } from '../../plugins/skills/types.ts';
import { VERSION } from '../version.ts';

export interface SkillProblem {
  /** An error keeps the skill, or a part of it, from working. */
  readonly level: 'error' | 'warning';
  /** Path of the file, as the folder was given. */
  readonly file: string;
  readonly line: number;
  readonly message: string;
}

export interface SkillCheck {
  readonly id: string;
  readonly dir: string;
  readonly version?: string;
  readonly luaFiles: number;
  readonly problems: readonly SkillProblem[];
}

type Report = (level: SkillProblem['level'], file: string, line: number, message: string) => void;

/** The globals GlyphCase calls, if a skill defines them. */
const CALLED = [
  'on_install',
  'on_upgrade',
  'on_activate',
  'on_deactivate',
  'on_uninstall',
  'on_data_changed',
  'before_insert',
  'validate_insert',
  'before_update',
  'validate_update',
  'before_delete',
];
const ROW_HOOKS = /^(before_(insert|update|delete)|validate_(insert|update))$/;

/** @throws GC_BAD_MANIFEST when the folder cannot be read */
export function checkSkill(dir: string): SkillCheck {
  const folder = readFolder(dir);
  const problems: SkillProblem[] = [];
  const report: Report = (level, file, line, message) => problems.push({ level, file: join(dir, file), line, message });
  const manifest = checkManifest(folder, report);
  const lua = [...folder.files].filter(([file]) => file.endsWith('.lua'));
  checkSyntax(lua, report);
  const globals = lua.flatMap(([file, source]) => globalFunctions(file, source));
  checkNames(globals, folder, report);
  if (manifest !== undefined) {
    checkWatches(manifest, folder, report);
    checkUse(manifest, globals, folder, report);
  }
  return {
    id: folder.id,
    dir,
    ...(manifest === undefined ? {} : { version: manifest.version }),
    luaFiles: lua.length,
    problems: problems.sort((a, b) => a.file.localeCompare(b.file) || a.line - b.line),
  };
}

function checkManifest(folder: SkillFolder, report: Report): Manifest | undefined {
  try {
    return readManifest(folder, VERSION);
  } catch (error) {
    if (!(error instanceof GlyphError)) throw error;
    // One message may hold several complaints, each with its place before it.
    const place = new RegExp(`(?:^|; )${escape(folder.id)}/manifest\\.json:(\\d+): `, 'g');
    const parts = [...error.message.matchAll(place)];
    for (const [index, match] of parts.entries()) {
      const text = error.message.slice(match.index + match[0].length, parts[index + 1]?.index);
      report('error', 'manifest.json', Number(match[1]), text);
    }
    if (parts.length === 0) report('error', 'manifest.json', 1, error.message);
    return undefined;
  }
}

const escape = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

function checkSyntax(files: readonly (readonly [string, string])[], report: Report): void {
  const service = createLuaService(parseLimits({ time: '5s', memory: '64MB' }), () => Date.now());
  const state = service.createState({ name: 'check', functions: {} });
  try {
    for (const [file, source] of files) {
      try {
        // Compiled as a whole, left at its first instruction; on the same line, so that line numbers stay true.
        state.load(`do return end ${source}`, file);
      } catch (error) {
        const { line, message } = placeIn(file, messageOf(error));
        report('error', file, line, message);
      }
    }
  } finally {
    service.closeAll();
  }
}

/** Takes `main.lua:3: ` off a message. */
function placeIn(file: string, message: string): { readonly line: number; readonly message: string } {
  const match = new RegExp(`^${escape(file)}:(\\d+): `).exec(message);
  return match === null ? { line: 1, message } : { line: Number(match[1]), message: message.slice(match[0].length) };
}

interface GlobalFunction {
  readonly name: string;
  readonly file: string;
  readonly line: number;
}

/** `function name(` and `name = function` at the beginning of a line: how a script defines what others call. */
function globalFunctions(file: string, source: string): readonly GlobalFunction[] {
  return source.split('\n').flatMap((text, index) => {
    const match = /^function\s+([A-Za-z_]\w*)\s*\(|^([A-Za-z_]\w*)\s*=\s*function\b/.exec(text);
    const name = match?.[1] ?? match?.[2];
    return name === undefined ? [] : [{ name, file, line: index + 1 }];
  });
}

/** A global that is nearly one of ours, and that the skill itself never calls, was meant to be it. */
function checkNames(globals: readonly GlobalFunction[], folder: SkillFolder, report: Report): void {
  const defined = new Set(globals.map((one) => one.name));
  for (const { name, file, line } of globals) {
    if (CALLED.includes(name) || !/^(on|before|after|validate)_?/i.test(name)) continue;
    const meant = didYouMean(
      name,
      CALLED.filter((one) => !defined.has(one)),
    );
    if (meant === undefined || isUsed(name, folder)) continue;
    report('error', file, line, `nothing calls ${name}() (did you mean '${meant}'?)`);
  }
}

function isUsed(name: string, folder: SkillFolder): boolean {
  const mention = new RegExp(`\\b${name}\\b`, 'g');
  const mentions = [...folder.files]
    .filter(([file]) => file.endsWith('.lua'))
    .flatMap(([, source]) => source.match(mention) ?? []);
  return mentions.length > 1;
}

function checkWatches(manifest: Manifest, folder: SkillFolder, report: Report): void {
  const text = folder.files.get('manifest.json') ?? '';
  const readable = manifest.permissions.database?.read ?? [];
  for (const [index, watch] of manifest.watches.entries()) {
    const table = typeof watch === 'string' ? watch : watch.table;
    if (coversTable(readable, table)) continue;
    report(
      'error',
      'manifest.json',
      lineOfPath(text, `watches[${index}]`),
      `watches[${index}]: it watches "${table}" but may not read it: add it to permissions.database.read`,
    );
  }
}

/** Permissions and functions that need each other. */
function checkUse(manifest: Manifest, globals: readonly GlobalFunction[], folder: SkillFolder, report: Report): void {
  const text = folder.files.get('manifest.json') ?? '';
  const definition = (name: string): GlobalFunction | undefined => globals.find((one) => one.name === name);
  // Defined in some other way than a scan can see (a table of handlers, _G[…]): then nothing is said.
  const mentions = (name: string): boolean =>
    [...folder.files].some(([file, source]) => file.endsWith('.lua') && source.includes(name));
  const handler = definition('on_data_changed');
  if (manifest.watches.length > 0 && !mentions('on_data_changed')) {
    report(
      'warning',
      'manifest.json',
      lineOfPath(text, 'watches'),
      'watches: no script defines on_data_changed(), so nothing is called',
    );
  }
  if (manifest.watches.length === 0 && handler !== undefined) {
    report(
      'warning',
      handler.file,
      handler.line,
      'on_data_changed() is never called: manifest.json names no tables in "watches"',
    );
  }
  const hooks = manifest.permissions.hooks ?? [];
  for (const { name, file, line } of globals) {
    if (ROW_HOOKS.test(name) && hooks.length === 0) {
      report('error', file, line, `${name}() is never called: manifest.json names no tables in permissions.hooks`);
    }
  }
}

function join(dir: string, file: string): string {
  const path = dir.endsWith('/') ? `${dir}${file}` : `${dir}/${file}`;
  return relative('', path) || path;
}
