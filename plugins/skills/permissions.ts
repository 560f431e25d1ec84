/**
 * What a skill may do: what its manifest asks for, up to what the host grants.
 *
 * Invariant: nothing is allowed that is not listed. `"*"` never stands for internal tables, which are granted by name only.
 */
import { isIP } from 'node:net';
import { sameName } from '../../sdk/plugin.ts';
import type { Permissions } from './types.ts';

/** `permissions` with every list present. */
export interface GrantedPermissions {
  readonly database: {
    readonly read: readonly string[];
    readonly write: readonly string[];
    readonly schema: readonly string[];
    readonly recursive: boolean;
  };
  readonly actions: { readonly dispatch: readonly string[]; readonly listen: readonly string[] };
  readonly functions: readonly string[];
  readonly network: readonly string[];
  readonly schedule: boolean;
  readonly hooks: readonly string[];
}

/** GlyphCase's own tables, and SQLite's. */
export const isInternal = (table: string): boolean =>
  /^(sqlite_|_(capsule|skills?|sync|scheduler|cache|glyphcase)(_|$))/i.test(table);

/** Whether a list of table names covers one. */
export function coversTable(list: readonly string[], table: string): boolean {
  if (list.some((name) => sameName(name, table))) return true;
  return list.includes('*') && !isInternal(table);
}

/** Whether a list of patterns (`order:*`, `*`) covers an action, or another pattern. */
export const coversAction = (list: readonly string[], action: string): boolean =>
  list.some((pattern) => (pattern.endsWith('*') ? action.startsWith(pattern.slice(0, -1)) : pattern === action));

const coversName = (list: readonly string[], name: string): boolean => list.includes(name) || list.includes('*');

/**
 * Whether a list of hosts covers one of a manifest: `*.example.com` all below example.com, a name without a port all its ports, `*`
 * every name that is not the machine's own. Addresses and `localhost` are covered only by themselves.
 */
function coversHost(list: readonly string[], host: string): boolean {
  const wanted = host.toLowerCase();
  const name = wanted.replace(/:\d+$/, '');
  const isName = isIP(name.replace(/^\[|\]$/g, '')) === 0 && !/(^|\.)localhost$/.test(name);
  return list.some((item) => {
    const own = item.toLowerCase();
    if (own === wanted || own === name) return true;
    return isName && (own === '*' || (own.startsWith('*.') && name.endsWith(own.slice(1))));
  });
}

/** The same lists, none missing. */
export function complete(permissions: Permissions): GrantedPermissions {
  const { database = {}, actions = {} } = permissions;
  return {
    database: {
      read: database.read ?? [],
      write: database.write ?? [],
      schema: database.schema ?? [],
      recursive: database.recursive ?? false,
    },
    actions: { dispatch: actions.dispatch ?? [], listen: actions.listen ?? [] },
    functions: permissions.functions ?? [],
    network: permissions.network ?? [],
    schedule: permissions.schedule ?? false,
    hooks: permissions.hooks ?? [],
  };
}

/**
 * What of the permissions asked for lies beyond the host's grants, as sentences; empty when all is granted.
 * @param cap undefined grants everything.
 */
export function notGranted(asked: Permissions, cap: Permissions | undefined): readonly string[] {
  if (cap === undefined) return [];
  const [want, have] = [complete(asked), complete(cap)];
  const lists: readonly [string, readonly string[], (item: string) => boolean][] = [
    ['database.read', want.database.read, (table) => coversTable(have.database.read, table)],
    ['database.write', want.database.write, (table) => coversTable(have.database.write, table)],
    ['database.schema', want.database.schema, (table) => coversTable(have.database.schema, table)],
    ['actions.dispatch', want.actions.dispatch, (action) => coversAction(have.actions.dispatch, action)],
    ['actions.listen', want.actions.listen, (action) => coversAction(have.actions.listen, action)],
    ['functions', want.functions, (name) => coversName(have.functions, name)],
    ['network', want.network, (host) => coversHost(have.network, host)],
    ['hooks', want.hooks, (table) => coversTable(have.hooks, table)],
  ];
  const missing = lists.flatMap(([key, items, covered]) =>
    items
      .filter((item) => !covered(item))
      .map((item) => `It asks for permissions.${key} "${item}", which this host does not grant.`),
  );
  if (want.schedule && !have.schedule)
    missing.push('It asks for permissions.schedule, which this host does not grant.');
  if (want.database.recursive && !have.database.recursive) {
    missing.push('It asks for permissions.database.recursive, which this host does not grant.');
  }
  return missing;
}
