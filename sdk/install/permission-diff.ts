/** What a version of a skill asks for that the installed one did not, and the other way round. */
import { approvalOf } from '../../plugins/skills/requirements.ts';
import type { Manifest, Permissions } from '../../plugins/skills/types.ts';

/** One permission, such as `database.read "orders"`. */
export interface PermissionLine {
  readonly key: string;
  readonly value: string;
  /** Reaches beyond the tables it names: a person should have seen it. */
  readonly sensitive: boolean;
}

export interface PermissionDiff {
  readonly added: readonly PermissionLine[];
  readonly removed: readonly PermissionLine[];
}

/** @param before undefined when nothing is installed: then everything is added. */
export function diffPermissions(before: Permissions | undefined, after: Permissions): PermissionDiff {
  const [old, now] = [linesOf(before ?? {}), linesOf(after)];
  return { added: without(now, old), removed: without(old, now) };
}

/** Every permission, in the manifest's order; whatever keys there are. */
export function linesOf(permissions: Permissions): readonly PermissionLine[] {
  const sensitive = new Set(JSON.parse(approvalOf({ permissions } as Manifest)) as string[]);
  return flatten(permissions, '').map(([key, value]) => ({
    key,
    value,
    sensitive: sensitive.has(`${key} "${value}"`),
  }));
}

function flatten(value: unknown, key: string): readonly (readonly [string, string])[] {
  if (Array.isArray(value)) return value.map((item) => [key, textOf(item)] as const);
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value).flatMap(([name, inner]) => flatten(inner, key === '' ? name : `${key}.${name}`));
  }
  return value === false || value === undefined ? [] : [[key, textOf(value)]];
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

function without(lines: readonly PermissionLine[], others: readonly PermissionLine[]): readonly PermissionLine[] {
  const known = new Set(others.map(({ key, value }) => `${key}\0${value}`));
  return lines.filter(({ key, value }) => !known.has(`${key}\0${value}`));
}
