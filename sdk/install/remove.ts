/**
 * Removes a skill: its data, its folder, its entry in the lock.
 *
 * Invariant: what goes is shown first; if the data cannot be removed, the folder and the lock are as they were.
 */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { didYouMean } from '../../kernel/schema/problems.ts';
import { GlyphError } from '../../kernel/errors.ts';
import { quoteName } from '../../kernel/sql/identifiers.ts';
import { skillFolders } from '../../plugins/skills/folder.ts';
import { hasCapsule, reading, schemaNames } from '../maintenance/connection.ts';
import type { Connection } from '../maintenance/connection.ts';
import { describeHost, readHosts } from '../maintenance/hosts.ts';
import { readInstalled } from './candidate.ts';
import { readLock } from './lock-file.ts';
import { oneAtATime } from './one-at-a-time.ts';
import { Swap, repair } from './swap.ts';
import type { RemoveOptions, RemovePlan } from './types.ts';

/** How long a running host is given to let go of the folder, in ms. */
const PATIENCE_MS = 5000;
const LOOK_MS = 50;

/** The database that a skill's data goes from. */
export interface DataRemover {
  /** Whether the database knows the skill. */
  knows(id: string): boolean;
  tables(id: string): RemovePlan['tables'];
  /** @param folder where its files are; undefined when they are gone. */
  uninstall(id: string, folder: string | undefined): Promise<void>;
  /** The folder is moved away before, so that a host that watches it lets go. */
  readonly folderFirst: boolean;
  /** Stops it, when its data is kept. */
  letGo?(id: string): Promise<void>;
}

type Options = Omit<RemoveOptions, 'filename'>;

/** @throws GC_NO_SUCH_SKILL, GC_INSTALL_REFUSED, GC_HOST_RUNNING, GC_LOCKED */
export async function remove(options: Options, data?: DataRemover): Promise<RemovePlan> {
  const { id, confirm, keepData = false } = options;
  const dir = resolve(options.dir);
  const remover = keepData ? undefined : data;
  const work = async (): Promise<RemovePlan> => {
    if (existsSync(dir)) repair(dir);
    const plan = planOf(dir, id, keepData, data);
    if (confirm !== undefined && !(await confirm(plan))) {
      throw new GlyphError('GC_INSTALL_REFUSED', `The skill ${id} was not removed: it was not confirmed`, {
        hint: 'Nothing was changed.',
      });
    }
    if (keepData) await data?.letGo?.(id);
    await removeFrom(dir, id, remover?.knows(id) === true ? remover : undefined);
    return plan;
  };
  return existsSync(dir) ? await oneAtATime(dir, work) : await work();
}

function planOf(dir: string, id: string, keepData: boolean, data: DataRemover | undefined): RemovePlan {
  const installed = readInstalled(dir, id);
  const entry = readLock(dir)[id];
  if (installed === undefined && entry === undefined && data?.knows(id) !== true) throw noSuchSkill(dir, id);
  const version = installed?.manifest?.version ?? entry?.version;
  return {
    id,
    ...(installed === undefined ? {} : { dir: join(dir, id) }),
    ...(version === undefined ? {} : { version }),
    tables: keepData ? [] : (data?.tables(id) ?? []),
    keepData,
  };
}

async function removeFrom(dir: string, id: string, data: DataRemover | undefined): Promise<void> {
  if (!existsSync(dir)) {
    await data?.uninstall(id, undefined);
    return;
  }
  const entry = readLock(dir)[id];
  const hadFolder = existsSync(join(dir, id));
  const swap = Swap.begin(dir);
  try {
    if (data?.folderFirst === false) await data.uninstall(id, hadFolder ? join(dir, id) : undefined);
    swap.remove(id, entry);
    if (data?.folderFirst === true) await data.uninstall(id, hadFolder ? swap.aside(id) : undefined);
  } catch (error) {
    swap.undo();
    swap.end();
    throw error;
  }
  swap.end();
}

/** The tables a skill made, with their rows. */
export function tablesOf(connection: Connection, id: string): RemovePlan['tables'] {
  if (!schemaNames(connection).has('_skill_tables')) return [];
  const names = connection
    .prepare(
      `SELECT s.name FROM _skill_tables t JOIN sqlite_schema s ON s.type = 'table' AND s.name = t.name COLLATE NOCASE
       WHERE t.skill = ? ORDER BY s.name`,
    )
    .pluck()
    .all(id) as string[];
  const count = (name: string): number =>
    connection
      .prepare(`SELECT count(*) FROM ${quoteName(name)}`)
      .pluck()
      .get() as number;
  return names.map((name) => ({ name, rows: count(name) }));
}

export const knowsSkill = (connection: Connection, id: string): boolean =>
  schemaNames(connection).has('_skills') &&
  connection.prepare('SELECT 1 FROM _skills WHERE id = ?').get(id) !== undefined;

/** Waits until no running host runs the skill any more. @throws GC_HOST_RUNNING */
export async function untilLetGo(filename: string, id: string): Promise<void> {
  const holder = (): string | undefined =>
    reading(filename, (connection) => {
      if (!hasCapsule(connection)) return undefined;
      const state = connection.prepare('SELECT state FROM _skills WHERE id = ?').pluck().get(id);
      const host = readHosts(connection).find((one) => one.alive);
      return state === 'active' && host !== undefined ? describeHost(host) : undefined;
    });
  const until = performance.now() + PATIENCE_MS;
  for (let host = holder(); host !== undefined; host = holder()) {
    if (performance.now() > until) {
      throw new GlyphError('GC_HOST_RUNNING', `${id} is still running in ${host}, so its data was not removed`, {
        hint: 'Stop that host and try again, or keep the data: --keep-data',
      });
    }
    await sleep(LOOK_MS);
  }
}

function noSuchSkill(dir: string, id: string): GlyphError {
  const ids = skillFolders(dir).map((folder) => folder.slice(folder.lastIndexOf('/') + 1));
  const near = didYouMean(id, ids);
  const hint = ids.length === 0 ? 'Name the folder with --skills.' : `Skills: ${ids.join(', ')}.`;
  return new GlyphError(
    'GC_NO_SUCH_SKILL',
    `There is no skill "${id}"${near === undefined ? '' : ` (did you mean "${near}"?)`}`,
    { hint },
  );
}
