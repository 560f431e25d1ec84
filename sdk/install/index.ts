/** What programs install and remove skills with. What it needs is loaded when it is called. */
import { resolve } from 'node:path';
import { GlyphError } from '../../kernel/errors.ts';
import { describe } from '../../kernel/database/values.ts';
import { validate, describeProblems } from '../../kernel/schema/validate.ts';
import type { LockCheck } from './lock-file.ts';
import type { InstallOptions, InstallResult, RemoveOptions, RemovePlan } from './types.ts';

export type { LockCheck, LockEntry } from './lock-file.ts';
export type { PermissionDiff, PermissionLine } from './permission-diff.ts';
export type { Signature } from './signature.ts';
export type { InstallOptions, InstallPlan, InstallResult, RemoveOptions, RemovePlan } from './types.ts';

const text = { type: 'string', minLength: 1 } as const;
const flag = { type: 'boolean' } as const;
const INSTALL = {
  type: 'object',
  required: ['source', 'dir'],
  properties: { source: text, dir: text, filename: text, force: flag, trustedKeys: { type: 'array', items: text } },
} as const;
const REMOVE = {
  type: 'object',
  required: ['id', 'dir'],
  properties: { id: text, dir: text, filename: text, keepData: flag },
} as const;

/**
 * Installs a skill into a skills folder from a folder, an archive, npm or git, and starts it on a database if one is named.
 *
 * @example
 * ```ts
 * const { id, diff } = await installSkill({ source: 'npm:@acme/invoices@^1.0.0', dir: 'skills', confirm: (plan) => plan.diff.added.every((one) => !one.sensitive) });
 * ```
 * @throws GC_BAD_ARGUMENT, GC_BAD_PACKAGE, GC_BAD_MANIFEST, GC_FETCH_FAILED, GC_NOT_TRUSTED, GC_DOWNGRADE, GC_INSTALL_REFUSED,
 *   GC_LOCKED, and what keeps the skill from starting; nothing is changed then
 */
export async function installSkill(options: InstallOptions): Promise<InstallResult> {
  check('installSkill', INSTALL, options);
  const { installOnFile } = await import('./on-file.ts');
  return await installOnFile(options);
}

/**
 * Removes a skill's folder and its entry in the lock, and its data from the database if one is named.
 * @throws GC_BAD_ARGUMENT, GC_NO_SUCH_SKILL, GC_INSTALL_REFUSED, GC_HOST_RUNNING, GC_LOCKED
 */
export async function removeSkill(options: RemoveOptions): Promise<RemovePlan> {
  check('removeSkill', REMOVE, options);
  const { removeOnFile } = await import('./on-file.ts');
  return await removeOnFile(options);
}

/** Compares the skills of a folder with what was installed there. @throws GC_BAD_MANIFEST when `skills.lock.json` cannot be read */
export async function verifyLock(dir: string): Promise<readonly LockCheck[]> {
  const lock = await import('./lock-file.ts');
  return lock.verifyLock(resolve(dir));
}

/** @throws GC_BAD_ARGUMENT */
export function check(what: string, schema: Readonly<Record<string, unknown>>, options: unknown): void {
  if (typeof options !== 'object' || options === null) {
    throw new GlyphError('GC_BAD_ARGUMENT', `${what}() takes an object with options, not ${describe(options)}`);
  }
  const { confirm, ...rest } = options as { readonly confirm?: unknown };
  if (confirm !== undefined && typeof confirm !== 'function') {
    throw new GlyphError('GC_BAD_ARGUMENT', `${what}(): confirm must be a function, not ${describe(confirm)}`);
  }
  const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
  const { problems } = validate(schema, given, { what: 'option' });
  if (problems !== undefined) throw new GlyphError('GC_BAD_ARGUMENT', `${what}(): ${describeProblems(problems)}`);
}
