/**
 * Installs a skill: fetched, staged, checked, shown, swapped in, activated.
 *
 * Invariant: until the swap nothing in the skills folder has changed but a staging folder; if the activation fails, folder,
 * lock and database go back together. Nothing of the package has run before it was confirmed.
 */
import { mkdirSync, realpathSync, rmdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { GlyphError } from '../../kernel/errors.ts';
import type { SkillReport } from '../../plugins/skills/types.ts';
import { checkStaged, dependencyFolders, idOf, isSame, readInstalled } from './candidate.ts';
import { describeSource, fetchSkill } from './fetch.ts';
import { readLock, setLockEntry } from './lock-file.ts';
import type { LockEntry } from './lock-file.ts';
import { oneAtATime } from './one-at-a-time.ts';
import { planOf } from './plan.ts';
import { parseSource } from './source.ts';
import type { SkillSource } from './source.ts';
import { Swap, repair } from './swap.ts';
import type { OnStep } from './swap.ts';
import type { InstallOptions, InstallPlan, InstallResult } from './types.ts';

/** Where an installed skill is started at once. */
export interface Activator {
  /** @throws what keeps it from starting; then everything is taken back. */
  activate(plan: InstallPlan, dependencies: readonly string[]): Promise<SkillReport>;
  /** The folder is again as it was: `hadOld` says whether there is one. */
  takenBack?(plan: InstallPlan, hadOld: boolean): Promise<void>;
}

type Options = Omit<InstallOptions, 'filename'>;

/** @throws see docs/api.md: GC_BAD_ARGUMENT, GC_BAD_PACKAGE, GC_BAD_MANIFEST, GC_FETCH_FAILED, GC_NOT_TRUSTED, GC_DOWNGRADE, GC_INSTALL_REFUSED, GC_SKILL_FAILED … */
export async function install(options: Options, activator?: Activator, onStep?: OnStep): Promise<InstallResult> {
  const source = parseSource(options.source);
  const dir = resolve(options.dir);
  const made = mkdirSync(dir, { recursive: true });
  try {
    return await oneAtATime(dir, () => installInto(dir, source, options, activator, onStep));
  } catch (error) {
    if (made !== undefined) removeEmpty(dir, made);
    throw error;
  }
}

async function installInto(
  dir: string,
  source: SkillSource,
  options: Options,
  activator: Activator | undefined,
  onStep: OnStep | undefined,
): Promise<InstallResult> {
  repair(dir);
  const swap = Swap.begin(dir, onStep);
  try {
    const result = await installWith(swap, dir, source, options, activator);
    swap.end();
    return result;
  } catch (error) {
    swap.undo();
    swap.end();
    throw error;
  }
}

async function installWith(
  swap: Swap,
  dir: string,
  source: SkillSource,
  options: Options,
  activator: Activator | undefined,
): Promise<InstallResult> {
  // One that cannot be read is said before anything is fetched, let alone moved.
  const lock = readLock(dir);
  const fetched = await fetchSkill(source, swap.root);
  const id = idOf(fetched.files);
  refuseItself(source, join(dir, id));
  const installed = readInstalled(dir, id);
  const checked = checkStaged(swap.stage(id, fetched.files), id);
  const plan = planOf({ options, dir, source: describeSource(source, dir), fetched, checked, installed });
  const isThere = isSame(installed, fetched.files);
  if (isThere && activator === undefined) {
    if (installed?.entry === undefined) setLockEntry(dir, id, entryOf(plan));
    return { ...plan, changed: false };
  }
  await ask(plan, options);
  if (isThere) setLockEntry(dir, id, installed?.entry ?? entryOf(plan));
  else swap.install(id, lock[id], entryOf(plan));
  if (activator === undefined) return { ...plan, changed: !isThere };
  try {
    const report = await activator.activate(plan, dependencyFolders(dir, checked.manifest));
    return { ...plan, changed: !isThere, report };
  } catch (error) {
    swap.undo();
    await activator.takenBack?.(plan, installed !== undefined);
    throw error;
  }
}

async function ask(plan: InstallPlan, { confirm }: Options): Promise<void> {
  if (confirm === undefined || (await confirm(plan))) return;
  throw new GlyphError('GC_INSTALL_REFUSED', `The skill ${plan.id} was not installed: it was not confirmed`, {
    hint: 'Nothing was changed.',
  });
}

function entryOf({ version, source, resolved, hash, signature }: InstallPlan): LockEntry {
  return {
    version,
    source,
    ...(resolved === undefined ? {} : { resolved }),
    hash,
    ...(signature === undefined ? {} : { signedBy: signature.keyId }),
    installedAt: new Date().toISOString(),
  };
}

function refuseItself(source: SkillSource, target: string): void {
  if (source.kind !== 'folder') return;
  const isItself = [target, join(target, '..')].some((path) => realpathOf(path) === realpathOf(source.path));
  if (!isItself) return;
  throw new GlyphError('GC_BAD_ARGUMENT', `${source.path} is where it would be installed to`, {
    hint: 'A skill that lies in the skills folder needs no installation; name another folder with --skills DIR.',
  });
}

function realpathOf(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

/** Removes the folders that were made for nothing. */
function removeEmpty(dir: string, made: string): void {
  try {
    for (let path = dir; path.startsWith(made); path = dirname(path)) rmdirSync(path);
  } catch {
    // Somebody has put something there meanwhile.
  }
}
