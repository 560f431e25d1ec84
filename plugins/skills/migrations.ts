/**
 * `migrations/*.sql` of a skill: which have not run yet, and running them.
 *
 * Invariants: they run in the order of their numbers, each once per database, inside the transaction that installs or upgrades
 * the skill and with the skill's own permissions; a file that has run never changes.
 */
import { createHash } from 'node:crypto';
import { GlyphError } from '../../sdk/plugin.ts';
import type { SkillFolder } from './folder.ts';

/** One file of `migrations/`. */
export interface Migration {
  readonly number: number;
  /** Path within the skill's folder: `migrations/001_tables.sql`. */
  readonly path: string;
  readonly sql: string;
  readonly hash: string;
}

/** One that has run, as it is stored. */
export interface AppliedMigration {
  readonly number: number;
  readonly path: string;
  readonly hash: string;
}

const FILE = /^migrations\/(\d{1,9})([^/]*)\.sql$/i;

/** The migrations of a folder, by number. @throws GC_BAD_MIGRATION for a name without a number, or a number twice */
export function readMigrations({ id, files }: SkillFolder): readonly Migration[] {
  const found: Migration[] = [];
  for (const [path, sql] of files) {
    if (!/^migrations\/.*\.sql$/i.test(path)) continue;
    const number = FILE.exec(path)?.[1];
    if (number === undefined) {
      throw bad(id, `${path}: the name must begin with a number, as in migrations/001.sql`);
    }
    found.push({ number: Number(number), path, sql, hash: createHash('sha256').update(sql).digest('hex') });
  }
  found.sort((a, b) => a.number - b.number);
  for (const [index, { number, path }] of found.entries()) {
    const before = found[index - 1];
    if (before?.number === number) throw bad(id, `${before.path} and ${path} have the same number`);
  }
  return found;
}

/**
 * Those that have not run yet, in order.
 * @throws GC_BAD_MIGRATION when one that has run was changed, or a new one comes before one that has run
 */
export function pendingMigrations(folder: SkillFolder, applied: readonly AppliedMigration[]): readonly Migration[] {
  const known = new Map(applied.map((one) => [one.number, one]));
  const last = Math.max(-1, ...known.keys());
  return readMigrations(folder).filter((migration) => {
    const done = known.get(migration.number);
    if (done !== undefined && done.hash !== migration.hash) {
      throw bad(folder.id, `${migration.path} has run already and was changed since`);
    }
    if (done === undefined && migration.number < last) {
      throw bad(folder.id, `${migration.path} comes before ${known.get(last)?.path ?? ''}, which has run already`);
    }
    return done === undefined;
  });
}

const bad = (skill: string, message: string): GlyphError =>
  new GlyphError('GC_BAD_MIGRATION', `${skill}/${message}`, { skill, phase: 'migrations' });
