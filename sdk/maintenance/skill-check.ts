/**
 * Checks a skill's folder without running it: manifest, syntax, names that nothing answers to, permissions that its scripts
 * will miss, and parts that need each other.
 *
 * Invariant: no line of the skill is executed; its files are compiled in the sandbox and nothing more.
 */
import { relative } from 'node:path';
import { createAccess } from '../../kernel/access/access.ts';
import { GlyphError, messageOf } from '../../kernel/errors.ts';
import { createLuaService } from '../../plugins/lua/index.ts';
import { parseLimits } from '../../plugins/lua/limits.ts';
import { readFolder } from '../../plugins/skills/folder.ts';
import type { SkillFolder } from '../../plugins/skills/folder.ts';
import { readManifest } from '../../plugins/skills/manifest.ts';
import type { Manifest } from '../../plugins/skills/types.ts';
import { VERSION } from '../version.ts';
import { reading } from './connection.ts';
import { namesIn } from './lua-names.ts';
import { checkHookNames, checkKnownNames } from './skill-check-names.ts';
import { checkPermissions } from './skill-check-permissions.ts';
import { checkMigrations, checkUse } from './skill-check-use.ts';
import { MANIFEST } from './skill-report.ts';
import type { LuaFile, Report, SkillProblem } from './skill-report.ts';

export type { SkillProblem } from './skill-report.ts';

export interface SkillCheck {
  readonly id: string;
  readonly dir: string;
  readonly version?: string;
  readonly luaFiles: number;
  readonly problems: readonly SkillProblem[];
}

const TEST_FILE = 'test.lua';

/**
 * @param db path of a database that the skill is meant for: its statements are then held against the tables there.
 * @throws GC_BAD_MANIFEST when the folder cannot be read; GC_CANNOT_OPEN, GC_NOT_A_DATABASE
 */
export function checkSkill(dir: string, db?: string): SkillCheck {
  const folder = readFolder(dir);
  const problems: SkillProblem[] = [];
  const report: Report = (level, file, line, message) => problems.push({ level, file: join(dir, file), line, message });
  const fatal: Report = (level, file, line, message) =>
    problems.push({ level, file: join(dir, file), line, message, keepsFromStarting: true });
  const manifest = checkManifest(folder, fatal);
  const lua = [...folder.files].filter(([file]) => file.endsWith('.lua'));
  const broken = checkSyntax(lua, fatal);
  const files = lua
    .filter(([file]) => !broken.has(file))
    .map(([file, source]): LuaFile => ({ file, names: namesIn(source) }));
  const scripts = files.filter(({ file }) => file !== TEST_FILE);
  checkHookNames(scripts, report);
  checkKnownNames(files, functionsOf(manifest), report);
  checkMigrations({ folder, report: fatal });
  if (manifest !== undefined) {
    checkUse({ manifest, folder, scripts, report });
    if (db === undefined) checkPermissions({ manifest, folder, scripts, report });
    else
      reading(db, (connection) =>
        checkPermissions({ manifest, folder, scripts, report, access: createAccess(connection) }),
      );
  }
  return {
    id: folder.id,
    dir,
    ...(manifest === undefined ? {} : { version: manifest.version }),
    luaFiles: lua.length,
    problems: problems.sort((a, b) => a.file.localeCompare(b.file) || a.line - b.line),
  };
}

/** The host's functions that scripts may call; undefined when that could be any. */
function functionsOf(manifest: Manifest | undefined): readonly string[] | undefined {
  const functions = manifest?.permissions.functions ?? [];
  return manifest === undefined || functions.includes('*') ? undefined : functions;
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
      report('error', MANIFEST, Number(match[1]), text);
    }
    if (parts.length === 0) report('error', MANIFEST, 1, error.message);
    return undefined;
  }
}

const escape = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** Returns the files that do not compile. */
function checkSyntax(files: readonly (readonly [string, string])[], report: Report): ReadonlySet<string> {
  const broken = new Set<string>();
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
        broken.add(file);
      }
    }
  } finally {
    service.closeAll();
  }
  return broken;
}

/** Takes `main.lua:3: ` off a message. */
function placeIn(file: string, message: string): { readonly line: number; readonly message: string } {
  const match = new RegExp(`^${escape(file)}:(\\d+): `).exec(message);
  return match === null ? { line: 1, message } : { line: Number(match[1]), message: message.slice(match[0].length) };
}

function join(dir: string, file: string): string {
  const path = dir.endsWith('/') ? `${dir}${file}` : `${dir}/${file}`;
  return relative('', path) || path;
}
