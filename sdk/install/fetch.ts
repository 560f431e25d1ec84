/** Gets a skill's files from wherever they are, into memory. */
import { mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { GlyphError } from '../../kernel/errors.ts';
import { fetchGit, withoutPassword } from './fetch-git.ts';
import { fetchNpm } from './fetch-npm.ts';
import { integrityOf } from './hash.ts';
import { MAX_ARCHIVE_BYTES } from './limits.ts';
import type { SkillFiles } from './package-files.ts';
import { readPackageFolder } from './read-folder.ts';
import { readTgz } from './read-tar.ts';
import { readZip } from './read-zip.ts';
import type { SkillSource } from './source.ts';

/** A package as it was got. */
export interface Fetched {
  readonly files: SkillFiles;
  /** What exactly was found: a commit, or an archive's integrity. */
  readonly resolved?: string;
}

/**
 * @param staging a folder for what npm and git leave behind; it is removed again.
 * @throws GC_BAD_PACKAGE, GC_FETCH_FAILED
 */
export async function fetchSkill(source: SkillSource, staging: string): Promise<Fetched> {
  if (source.kind !== 'npm' && source.kind !== 'git') return await readLocal(source.kind, source.path);
  const work = join(staging, 'fetched');
  mkdirSync(work);
  try {
    return await (source.kind === 'npm' ? fetchNpm(source.name, source.range, work) : fetchGit(source, work));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

async function readLocal(kind: 'folder' | 'tgz' | 'zip', path: string): Promise<Fetched> {
  if (kind === 'folder') return { files: readPackageFolder(path) };
  const archive = readArchive(path);
  return { files: await (kind === 'tgz' ? readTgz(archive) : readZip(archive)), resolved: integrityOf(archive) };
}

/** The source as the lock remembers it. @param dir the skills folder, which paths are relative to */
export function describeSource(source: SkillSource, dir: string): string {
  if (source.kind === 'npm') return `npm:${source.name}@${source.range}`;
  if (source.kind === 'git') {
    const folder = source.folder === '' ? '' : `:${source.folder}`;
    return `git+${withoutPassword(source.url)}#${source.ref}${folder}`;
  }
  return `file:${relative(dir, source.path).split(sep).join('/')}`;
}

function readArchive(path: string): Buffer {
  if (statSync(path).size > MAX_ARCHIVE_BYTES) {
    throw new GlyphError('GC_BAD_PACKAGE', `${path} is larger than ${MAX_ARCHIVE_BYTES / 1024 ** 2} MiB`);
  }
  return readFileSync(path);
}
