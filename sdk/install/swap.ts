/**
 * Puts a skill's folder in place of another, or away, and its entry in the lock with it.
 *
 * Invariants: every move is a rename within the skills folder, and is written down before it is made, so that after a crash
 * {@link repair} finishes it or takes it back; until the new folder is in place the old state counts, from then on the new one.
 */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { setLockEntry } from './lock-file.ts';
import type { LockEntry } from './lock-file.ts';
import type { SkillFiles } from './package-files.ts';

const STAGING = '.staging-';
const JOURNAL = 'journal.json';

/** Told after every step; tests let the process die there. */
export type OnStep = (step: string) => void;

interface Journal {
  readonly id: string;
  readonly operation: 'install' | 'remove';
  /** There was a folder before. */
  readonly hadOld: boolean;
  /** It failed and is being taken back. */
  readonly undo: boolean;
  readonly before?: LockEntry;
  readonly after?: LockEntry;
}

/** One change of one skill's folder, in a folder of its own beside it. */
export class Swap {
  readonly #dir: string;
  /** Dotfolders are ignored by whoever looks for skills. */
  readonly root: string;
  readonly #step: OnStep;
  #journal: Journal | undefined;

  private constructor(dir: string, root: string, step: OnStep) {
    this.#dir = dir;
    this.root = root;
    this.#step = step;
  }

  static begin(dir: string, step: OnStep = () => {}): Swap {
    return new Swap(dir, mkdtempSync(join(dir, STAGING)), step);
  }

  /** Puts right what an earlier swap left when its process died. @returns false when there was nothing to put right. */
  static repair(dir: string, root: string): boolean {
    const swap = new Swap(dir, root, () => {});
    swap.#journal = readJournal(root);
    const isBegun = swap.#journal !== undefined;
    if (isBegun) swap.#finish();
    swap.end();
    return isBegun;
  }

  /** Where a skill is staged; named as it will be. */
  staged(id: string): string {
    return join(this.root, 'new', id);
  }

  /** Where the folder that is replaced or removed waits. */
  aside(id: string): string {
    return join(this.root, 'old', id);
  }

  /** Writes files where {@link staged} says. */
  stage(id: string, files: SkillFiles): string {
    const folder = this.staged(id);
    for (const [path, bytes] of files) {
      const file = join(folder, path);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, bytes, { flag: 'wx', flush: true });
    }
    this.#step('staged');
    return folder;
  }

  /** Moves the staged folder in, and what was there aside. */
  install(id: string, before: LockEntry | undefined, after: LockEntry): void {
    const live = join(this.#dir, id);
    const hadOld = existsSync(live);
    this.#write({ id, operation: 'install', hadOld, undo: false, after, ...(before === undefined ? {} : { before }) });
    this.#step('written down');
    if (hadOld) this.#move(live, this.aside(id), 'old aside');
    this.#move(this.staged(id), live, 'new in place');
    setLockEntry(this.#dir, id, after);
    this.#step('locked');
  }

  /** Moves the folder aside. */
  remove(id: string, before: LockEntry | undefined): void {
    const live = join(this.#dir, id);
    const hadOld = existsSync(live);
    this.#write({ id, operation: 'remove', hadOld, undo: false, ...(before === undefined ? {} : { before }) });
    this.#step('written down');
    if (hadOld) this.#move(live, this.aside(id), 'old aside');
    setLockEntry(this.#dir, id, undefined);
    this.#step('locked');
  }

  /** Takes back what {@link install} or {@link remove} did. */
  undo(): void {
    if (this.#journal === undefined) return;
    this.#write({ ...this.#journal, undo: true });
    this.#step('undo written down');
    this.#finish();
  }

  /** Nothing can be taken back from here on. */
  end(): void {
    rmSync(join(this.root, JOURNAL), { force: true });
    this.#step('forgotten');
    rmSync(this.root, { recursive: true, force: true });
  }

  /** Forward or back, from wherever it stands; may be done twice. */
  #finish(): void {
    const journal = this.#journal;
    if (journal === undefined) return;
    const { id, operation, hadOld, undo, before, after } = journal;
    const isReached = operation === 'install' ? !existsSync(this.staged(id)) : !hadOld || existsSync(this.aside(id));
    const live = join(this.#dir, id);
    if (isReached && !undo) {
      // A folder that somebody took away meanwhile is not installed.
      if (operation === 'remove' || existsSync(live)) setLockEntry(this.#dir, id, after);
      return;
    }
    const discarded = join(this.root, 'discarded');
    const isNewThere = operation === 'install' && isReached && (!hadOld || existsSync(this.aside(id)));
    if (isNewThere && existsSync(live) && !existsSync(discarded)) this.#move(live, discarded, 'new out');
    if (existsSync(this.aside(id)) && !existsSync(live)) this.#move(this.aside(id), live, 'old back');
    setLockEntry(this.#dir, id, before);
    this.#step('lock back');
  }

  #move(from: string, to: string, step: string): void {
    mkdirSync(dirname(to), { recursive: true });
    renameSync(from, to);
    this.#step(step);
  }

  #write(journal: Journal): void {
    const path = join(this.root, JOURNAL);
    writeFileSync(`${path}.next`, JSON.stringify(journal), { flush: true });
    renameSync(`${path}.next`, path);
    this.#journal = journal;
  }
}

/** Puts right whatever died in a skills folder. Only while nobody else works there. @returns whether anything had to be. */
export function repair(dir: string): boolean {
  const left = readdirSync(dir).filter((name) => name.startsWith(STAGING));
  return left.map((name) => Swap.repair(resolve(dir), join(resolve(dir), name))).includes(true);
}

function readJournal(root: string): Journal | undefined {
  try {
    return JSON.parse(readFileSync(join(root, JOURNAL), 'utf8')) as Journal;
  } catch {
    // It died before the first move.
    return undefined;
  }
}
