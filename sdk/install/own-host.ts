/**
 * Runs a skill on a database for a moment, in a host of its own: to install or upgrade it there, or to take its data out.
 *
 * Invariant: what a failure leaves in the file is what was there before; only the skill and those it needs are loaded.
 */
import type { GlyphCaseOptions, SkillsOptions } from '../config.ts';
import { GlyphCase } from '../glyphcase.ts';
import { guarded, openToWrite, reading, schemaNames } from '../maintenance/connection.ts';
import type { Connection } from '../maintenance/connection.ts';
import type { SkillsManager } from '../manager-types.ts';
import { activated } from './activated.ts';
import { disableSkill } from '../maintenance/skill-control.ts';
import { approvalOf } from '../../plugins/skills/requirements.ts';
import type { Manifest, SkillReport } from '../../plugins/skills/types.ts';

/** Options of the host, as far as they matter to one skill: no file, no folders. */
export interface OwnHostOptions extends Omit<GlyphCaseOptions, 'skills'> {
  readonly skills?: Omit<SkillsOptions, 'dir' | 'watch' | 'confirm'>;
}

/** Opens the database, and closes it whatever happens. */
async function inOwnHost<T>(
  filename: string,
  options: OwnHostOptions,
  work: (skills: SkillsManager) => Promise<T>,
): Promise<T> {
  const db = new GlyphCase({ ...options, filename, skills: { ...options.skills, dir: [], watch: false } });
  try {
    await db.ready;
    return await work(db.skills);
  } finally {
    await db.close();
  }
}

export interface ActivateOptions {
  readonly host: OwnHostOptions;
  readonly force: boolean;
  /** Folders of the skills it needs, in order. */
  readonly dependencies: readonly string[];
}

/** Installs or upgrades the skill of a folder on a database. @throws GC_SKILL_FAILED, GC_DOWNGRADE …, with the row of the skill as it was */
export async function activateOn(
  filename: string,
  id: string,
  folder: string,
  options: ActivateOptions,
): Promise<SkillReport> {
  const before = readRow(filename, id);
  try {
    return await inOwnHost(filename, options.host, async (skills) => {
      for (const dependency of options.dependencies) await skills.load(dependency);
      return activated(await skills.load(folder, { force: options.force }));
    });
  } catch (error) {
    writeRow(filename, id, before);
    throw error;
  }
}

/** Takes a skill's data out of a database: `on_uninstall`, tables, everything known of it. */
export async function uninstallOn(
  filename: string,
  id: string,
  folder: string | undefined,
  host: OwnHostOptions,
): Promise<void> {
  const before = readRow(filename, id);
  try {
    // A skill that may not run is loaded without being started, so that only on_uninstall is called.
    disableSkill(filename, id);
    await inOwnHost(filename, host, async (skills) => {
      if (folder !== undefined) await skills.load(folder);
      await skills.uninstall(id);
    });
  } catch (error) {
    writeRow(filename, id, before);
    throw error;
  }
}

/** Writes down that a person has seen what the skill asks for. */
export function approveOn(filename: string, manifest: Pick<Manifest, 'id' | 'permissions'>): void {
  changing(filename, (connection) =>
    connection
      .prepare('UPDATE _skills SET approved = ? WHERE id = ?')
      .run(approvalOf(manifest as Manifest), manifest.id),
  );
}

type Row = Readonly<Record<string, unknown>>;

function readRow(filename: string, id: string): Row | undefined {
  return reading(filename, (connection) =>
    schemaNames(connection).has('_skills')
      ? (connection.prepare('SELECT * FROM _skills WHERE id = ?').get(id) as Row | undefined)
      : undefined,
  );
}

function writeRow(filename: string, id: string, row: Row | undefined): void {
  changing(filename, (connection) => {
    connection.prepare('DELETE FROM _skills WHERE id = ?').run(id);
    if (row === undefined) return;
    const columns = Object.keys(row);
    const values = columns.map((column) => `@${column}`);
    connection.prepare(`INSERT INTO _skills (${columns.join(', ')}) VALUES (${values.join(', ')})`).run(row);
  });
}

function changing(filename: string, change: (connection: Connection) => unknown): void {
  const connection = openToWrite(filename);
  try {
    guarded(filename, () => {
      if (schemaNames(connection).has('_skills')) connection.transaction(() => change(connection)).immediate();
    });
  } finally {
    connection.close();
  }
}
