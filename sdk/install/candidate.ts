/**
 * Looks at a staged skill beside the one that is installed: is it whole, whose is it, what does it ask for.
 *
 * Invariant: nothing of it runs; its files are checked as `skill check` checks them.
 */
import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import semver from 'semver';
import { GlyphError, messageOf } from '../../kernel/errors.ts';
import { readFolder } from '../../plugins/skills/folder.ts';
import { readManifest } from '../../plugins/skills/manifest.ts';
import type { Manifest } from '../../plugins/skills/types.ts';
import { checkSkill } from '../maintenance/skill-check.ts';
import type { SkillProblem } from '../maintenance/skill-check.ts';
import { VERSION } from '../version.ts';
import { SIGNATURE_FILE, hashOf } from './hash.ts';
import { readLock } from './lock-file.ts';
import type { LockEntry } from './lock-file.ts';
import type { SkillFiles } from './package-files.ts';
import { readSkillFiles } from './read-folder.ts';

const ID = /^[a-z0-9]+(-[a-z0-9]+)*$/;
const LONGEST_ID = 64;

/** The id that a package's manifest gives. @throws GC_BAD_MANIFEST */
export function idOf(files: SkillFiles): string {
  let value: unknown;
  try {
    const text = Buffer.from(files.get('manifest.json') ?? []).toString('utf8');
    value = JSON.parse(text.replace(/^\ufeff/, ''));
  } catch (error) {
    throw new GlyphError('GC_BAD_MANIFEST', `manifest.json is not valid JSON: ${messageOf(error)}`, { cause: error });
  }
  const id = typeof value === 'object' && value !== null && 'id' in value ? value.id : undefined;
  if (typeof id === 'string' && ID.test(id) && id.length <= LONGEST_ID) return id;
  throw new GlyphError(
    'GC_BAD_MANIFEST',
    `manifest.json: id: must be lower-case letters, digits and single hyphens, at most ${LONGEST_ID}, not ${JSON.stringify(id)}`,
  );
}

export interface CheckedSkill {
  readonly manifest: Manifest;
  /** What `skill check` warns of. */
  readonly warnings: readonly string[];
}

/** @throws GC_BAD_MANIFEST, GC_BAD_PACKAGE with every error that `skill check` finds and that keeps the skill from starting */
export function checkStaged(folder: string, id: string): CheckedSkill {
  const { problems } = checkSkill(folder);
  // What else it finds may be wrong about: a table that an earlier version made, a function that is never called.
  const errors = problems.filter((problem) => problem.keepsFromStarting === true);
  const [first] = errors;
  if (first !== undefined) {
    const code = first.file.endsWith('manifest.json') ? 'GC_BAD_MANIFEST' : 'GC_BAD_PACKAGE';
    throw new GlyphError(code, errors.map((problem) => sentence(problem, id)).join('; '), { skill: id });
  }
  return {
    manifest: readManifest(readFolder(folder), VERSION),
    warnings: problems.filter(({ level }) => level !== 'note').map((problem) => sentence(problem, id)),
  };
}

function sentence({ file, line, message }: SkillProblem, id: string): string {
  const staged = `/new/${id}/`;
  return `${id}/${file.slice(file.lastIndexOf(staged) + staged.length)}:${line}: ${message}`;
}

/** The skill that is there now. */
export interface Installed {
  readonly files: SkillFiles | undefined;
  readonly hash: string | undefined;
  /** Undefined when it is broken. */
  readonly manifest: Manifest | undefined;
  readonly entry: LockEntry | undefined;
}

/** Undefined when there is no such folder. @throws GC_BAD_ARGUMENT for a link or a file of that name */
export function readInstalled(dir: string, id: string): Installed | undefined {
  const folder = join(dir, id);
  const stat = lstatSync(folder, { throwIfNoEntry: false });
  if (stat === undefined) return undefined;
  if (!stat.isDirectory()) {
    const what = stat.isSymbolicLink() ? 'a link' : 'no folder';
    throw new GlyphError('GC_BAD_ARGUMENT', `${folder} is ${what}, so no skill can be put in its place`, {
      hint: 'Move it away, or install into another folder: --skills DIR',
    });
  }
  const files = quietly(() => readSkillFiles(folder));
  return {
    files,
    hash: files === undefined ? undefined : hashOf(files),
    manifest: quietly(() => readManifest(readFolder(folder), VERSION)),
    entry: readLock(dir)[id],
  };
}

/** Whether these files are already there, the signature included. */
export function isSame(installed: Installed | undefined, files: SkillFiles): boolean {
  if (installed?.files === undefined || installed.hash !== hashOf(files)) return false;
  const [before, now] = [installed.files.get(SIGNATURE_FILE), files.get(SIGNATURE_FILE)];
  return before === undefined || now === undefined ? before === now : Buffer.from(before).equals(now);
}

/** Skills that are needed and not there in the right version, such as `currency ^2.0.0`. */
export function missingDependencies(dir: string, { dependencies }: Manifest): readonly string[] {
  return Object.entries(dependencies)
    .filter(([id, range]) => {
      const there = quietly(() => readManifest(readFolder(join(dir, id)), VERSION));
      return there === undefined || !semver.satisfies(there.version, range, { includePrerelease: true });
    })
    .map(([id, range]) => `${id} ${range}`);
}

/** Folders of the skills that one needs, those they need before them. */
export function dependencyFolders(
  dir: string,
  { dependencies }: Manifest,
  seen = new Set<string>(),
): readonly string[] {
  return Object.keys(dependencies).flatMap((id) => {
    if (seen.has(id)) return [];
    seen.add(id);
    const folder = join(dir, id);
    const manifest = quietly(() => readManifest(readFolder(folder), VERSION));
    return manifest === undefined ? [] : [...dependencyFolders(dir, manifest, seen), folder];
  });
}

function quietly<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
