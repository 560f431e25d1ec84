/**
 * What the tests of the ready-made skills share: a host on a real file with copies of skills from `skills/`.
 *
 * A test may change a copy (its manifest, its config) as a user would. Hosts are closed when the test ends.
 */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import BetterSqlite3 from 'better-sqlite3';
import { GlyphCase } from '../sdk/index.ts';
import type { GlyphCaseOptions } from '../sdk/index.ts';
import { afterTest, memoryLogger, tempDir, tempFile } from './support.ts';

const READY_MADE = fileURLToPath(new URL('../skills/', import.meta.url));

export type Json = Record<string, unknown>;

export interface SkillHostOptions {
  /** @defaultValue a new file */
  readonly file?: string;
  /** SQL to run before the host opens the file. */
  readonly schema?: string;
  /** Ids of skills in `skills/`, each with what its manifest says instead. */
  readonly skills?: Readonly<Record<string, Json>>;
  /** A folder of skills made before, instead of `skills`. */
  readonly dir?: string;
  readonly options?: GlyphCaseOptions;
  /** False: returns as soon as the skills are active. @defaultValue true */
  readonly settle?: boolean;
}

export interface SkillHost {
  readonly db: GlyphCase;
  readonly file: string;
  readonly dir: string;
  /** All rows of a SELECT. */
  rows<T = Json>(sql: string, ...params: unknown[]): Promise<T[]>;
  /** First column of the first row. */
  scalar(sql: string, ...params: unknown[]): Promise<unknown>;
  /** Fails the test when a skill is not active, or has failed. */
  healthy(): void;
}

/** A folder with copies of ready-made skills. */
export function skillsFolder(skills: Readonly<Record<string, Json>>): string {
  const dir = tempDir();
  for (const [id, changes] of Object.entries(skills)) {
    cpSync(join(READY_MADE, id), join(dir, id), { recursive: true });
    editManifest(dir, id, changes);
  }
  return dir;
}

/** Writes other values for some of a manifest's keys, as a user who points a skill at other tables. */
export function editManifest(dir: string, id: string, changes: Json): void {
  const path = join(dir, id, 'manifest.json');
  const manifest = JSON.parse(readFileSync(path, 'utf8')) as Json;
  writeFileSync(path, JSON.stringify({ ...manifest, ...changes }, null, 2));
}

/** What a skill's README tells a user to write into the manifest, as it stands there. */
export function manifestInReadme(id: string): Json {
  const [, block] = /```json\n([^]*?)```/.exec(readFileSync(join(READY_MADE, id, 'README.md'), 'utf8')) ?? [];
  if (block === undefined) throw new Error(`the README of ${id} has no manifest`);
  return JSON.parse(`{${block}}`) as Json;
}

/** Takes out of a file all that is GlyphCase's, as `glyphcase detach` does: tables, views and triggers; the user's tables stay. */
export function detach(file: string): void {
  const raw = new BetterSqlite3(file);
  raw.pragma('foreign_keys = OFF');
  const internal =
    "name GLOB '_capsule*' OR name GLOB '_skill*' OR name GLOB '_lease*' OR name GLOB '_scheduler*' OR name GLOB '_glyphcase*'";
  for (const type of ['trigger', 'view', 'table']) {
    const names = raw
      .prepare(`SELECT name FROM sqlite_schema WHERE type = ? AND (${internal})`)
      .pluck()
      .all(type) as string[];
    for (const name of names) raw.exec(`DROP ${type} IF EXISTS "${name}"`);
  }
  const left = raw.prepare("SELECT name FROM sqlite_schema WHERE substr(name, 1, 1) = '_'").pluck().all();
  raw.close();
  if (left.length > 0) throw new Error(`left behind: ${left.join(', ')}`);
}

/** The config schema of a search-index whose defaults are these values. */
export const searchConfig = (defaults: Json): Json => ({
  type: 'object',
  properties: Object.fromEntries(Object.entries(defaults).map(([key, value]) => [key, { default: value }])),
});

export async function openSkills(options: SkillHostOptions): Promise<SkillHost> {
  const file = options.file ?? tempFile();
  const dir = options.dir ?? skillsFolder(options.skills ?? {});
  if (options.schema !== undefined) {
    const raw = new BetterSqlite3(file);
    raw.exec(options.schema);
    raw.close();
  }
  const logger = memoryLogger();
  const db = new GlyphCase(file, {
    capsule: { batchInterval: 0 },
    skills: { dir, watch: false },
    // Lua's limit is one of time that passes, and the machine may have other work to do.
    lua: { limits: { time: '20s' } },
    logger,
    ...options.options,
  });
  afterTest(() => db.close());
  await db.ready;
  if (options.settle !== false) await db.flush();
  const host: SkillHost = {
    db,
    file,
    dir,
    rows: (sql, ...params) => db.query(sql, params),
    scalar: (sql, ...params) => db.queryScalar(sql, params),
    healthy() {
      const ill = db.skills
        .list()
        .filter(({ state, failures, error }) => state !== 'active' || failures > 0 || error !== undefined);
      if (ill.length > 0)
        throw new Error(
          ill
            .map(({ id, state, reasons, error }) => `${id} is ${state}: ${reasons.join('; ')} ${String(error)}`)
            .join('\n'),
        );
    },
  };
  host.healthy();
  return host;
}
