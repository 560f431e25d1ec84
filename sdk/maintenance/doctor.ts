/**
 * Looks a file over without changing it, and says what is wrong and what to do.
 *
 * Invariant: a check that cannot be made is a finding, never an exception; nothing is created in a file that has no capsule.
 */
import { GlyphError, messageOf } from '../../kernel/errors.ts';
import { checkCursors, checkHosts, checkJobs, checkSkills, checkStore } from './check-capsule.ts';
import { checkAccess, checkIntegrity, checkMode, checkWal } from './check-file.ts';
import { checkDisk, checkMachine } from './check-machine.ts';
import { checkTables } from './check-tables.ts';
import { fail, ok } from './checks.ts';
import type { Finding } from './checks.ts';
import { guarded, hasCapsule, openToRead } from './connection.ts';
import type { Connection } from './connection.ts';
import { inspect } from './state.ts';

export type { Finding } from './checks.ts';

export interface DoctorOptions {
  /** Called before the check that takes long on a large file. */
  readonly onProgress?: (what: string) => void;
  /** How sizes are written. */
  readonly formatBytes: (bytes: number) => string;
}

/** All findings, for the machine alone when no file is given. */
export function examine(path: string | undefined, options: DoctorOptions): readonly Finding[] {
  const machine = checkMachine();
  if (path === undefined) return machine;
  return [...machine, checkDisk(path, options.formatBytes), checkAccess(path), ...examineFile(path, options)];
}

function examineFile(path: string, options: DoctorOptions): readonly Finding[] {
  let connection: Connection;
  try {
    connection = openToRead(path);
  } catch (error) {
    return [failure('file', error)];
  }
  const checks: readonly (() => readonly Finding[])[] = [
    () => [checkMode(connection), ...checkWal(path, options.formatBytes)],
    () => {
      options.onProgress?.('Checking the integrity of the file');
      return [checkIntegrity(connection)];
    },
    () =>
      hasCapsule(connection) ? examineCapsule(connection, path) : [ok('GlyphCase', 'not at work on this file yet')],
  ];
  try {
    return checks.flatMap((check) => {
      try {
        return guarded(path, check);
      } catch (error) {
        return [failure('check', error)];
      }
    });
  } finally {
    connection.close();
  }
}

function examineCapsule(connection: Connection, path: string): readonly Finding[] {
  const state = inspect(path);
  if (state === undefined) return [];
  if (state.version === 0) return [ok('GlyphCase', 'an archive of a change log')];
  return [
    checkStore(state.version),
    ...checkTables(connection),
    ...checkHosts(state),
    ...checkCursors(state, Date.now()),
    ...checkSkills(state),
    ...checkJobs(state, Date.now()),
  ];
}

function failure(topic: string, error: unknown): Finding {
  return fail(
    topic,
    messageOf(error),
    error instanceof GlyphError ? error.hint : 'Please report this: the check itself failed.',
  );
}
