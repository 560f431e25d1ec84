/**
 * `skills.lock.json`, in the skills folder: where each installed skill came from, and what it was.
 *
 * Invariant: it is replaced as a whole, so a reader finds the old text or the new one. It lies in the folder it speaks of, so
 * that both are copied, committed and put back together.
 */
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { GlyphError, messageOf } from '../../kernel/errors.ts';
import { describeProblems, validate } from '../../kernel/schema/validate.ts';
import { hashOf } from './hash.ts';
import { readSkillFiles } from './read-folder.ts';

export const LOCK_FILE = 'skills.lock.json';

/** What is remembered of one skill. */
export interface LockEntry {
  readonly version: string;
  /** As it was named: `npm:NAME@RANGE`, `git+…`, or `file:` and a path relative to the skills folder. */
  readonly source: string;
  /** What exactly was found there: a commit, or the integrity of an archive. Of a folder there is nothing to say. */
  readonly resolved?: string;
  /** Over all files but `signature.json`. */
  readonly hash: string;
  /** Fingerprint of the key that signed it. */
  readonly signedBy?: string;
  /** ISO-8601, UTC. */
  readonly installedAt: string;
}

export type Lock = Readonly<Record<string, LockEntry>>;

/** Whether a skill is still what was installed. */
export interface LockCheck {
  readonly id: string;
  readonly state: 'unchanged' | 'changed' | 'missing';
  readonly entry: LockEntry;
}

const text = { type: 'string' } as const;
const SCHEMA = {
  type: 'object',
  additionalProperties: {
    type: 'object',
    required: ['version', 'source', 'hash', 'installedAt'],
    additionalProperties: true,
    properties: { version: text, source: text, resolved: text, hash: text, signedBy: text, installedAt: text },
  },
} as const;

/** The lock of a skills folder; empty when there is none. @throws GC_BAD_MANIFEST when it cannot be read */
export function readLock(dir: string): Lock {
  const path = join(dir, LOCK_FILE);
  if (!existsSync(path)) return {};
  try {
    const checked = validate<Lock>(SCHEMA, JSON.parse(readFileSync(path, 'utf8')), { what: LOCK_FILE });
    if (checked.problems !== undefined) throw new Error(describeProblems(checked.problems));
    return checked.value;
  } catch (error) {
    throw new GlyphError('GC_BAD_MANIFEST', `${path} cannot be read: ${messageOf(error)}`, {
      hint: 'Correct the file, or remove it: the skills in the folder go on without it.',
      cause: error,
    });
  }
}

/** Puts one entry into the lock, or takes it out. @throws GC_BAD_MANIFEST */
export function setLockEntry(dir: string, id: string, entry: LockEntry | undefined): void {
  const lock = Object.entries(readLock(dir)).filter(([key]) => key !== id);
  if (entry !== undefined) lock.push([id, entry]);
  const path = join(dir, LOCK_FILE);
  if (lock.length === 0) {
    rmSync(path, { force: true });
    return;
  }
  const sorted = Object.fromEntries(lock.sort(([a], [b]) => (a < b ? -1 : 1)));
  // A dotfile: what is left of it by a crash is nobody's skill, and is written over by the next one.
  const next = join(dir, `.${LOCK_FILE}`);
  writeFileSync(next, `${JSON.stringify(sorted, null, 2)}\n`, { flush: true });
  renameSync(next, path);
}

/**
 * Compares the skills of a folder with what was installed.
 * @example verifyLock('skills').filter((one) => one.state === 'changed')
 * @throws GC_BAD_MANIFEST when the lock cannot be read
 */
export function verifyLock(dir: string): readonly LockCheck[] {
  return Object.entries(readLock(dir)).map(([id, entry]) => ({ id, entry, state: stateOf(join(dir, id), entry) }));
}

function stateOf(folder: string, entry: LockEntry): LockCheck['state'] {
  if (!existsSync(join(folder, 'manifest.json'))) return 'missing';
  try {
    return hashOf(readSkillFiles(folder)) === entry.hash ? 'unchanged' : 'changed';
  } catch {
    // A link or too large a file: it was not there when it was installed.
    return 'changed';
  }
}
