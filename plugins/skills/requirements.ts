/** What a skill still waits for, as sentences: tables, host functions, other skills, permissions. Empty when it may start. */
import { missingDependencies } from './dependencies.ts';
import type { SkillFolder } from './folder.ts';
import { GlyphError } from '../../sdk/plugin.ts';
import { notGranted } from './permissions.ts';
import type { Runtime } from './runtime.ts';
import type { SkillRow } from './store.ts';
import type { Manifest, Permissions } from './types.ts';

/** What is only run by `glyphcase skill test`. */
const TEST_FILE = 'test.lua';

export interface Candidate {
  readonly manifest: Manifest;
  readonly folder: SkillFolder;
  /** What is known of the skill in the file. */
  readonly row: Pick<SkillRow, 'approved' | 'installedAt'> | undefined;
}

/** @throws GC_NOT_WATCHABLE for a watched table that exists and cannot be watched */
export function unmet(runtime: Runtime, { manifest, folder, row }: Candidate): readonly string[] {
  const { capsule, functions, ctx } = runtime;
  const approved = row?.approved;
  const isNew = (row?.installedAt ?? null) === null;
  const missingTables = tablesOf(manifest).filter(
    (table) => !capsule.canWatch(table) && !(isNew && mayCreate(folder, table)),
  );
  const missingFunctions = (manifest.permissions.functions ?? []).filter(
    (name) => name !== '*' && !functions.has(name),
  );
  return [
    ...missingTables.map(waitingForTable),
    ...missingFunctions.map(
      (name) => `waiting (function ${name}): the host has not registered it with registerLuaFunction()`,
    ),
    ...missingDependencies(manifest, runtime.peers.find),
    ...notGranted(manifest.permissions, ctx.config.grants),
    ...(ctx.config.confirm ? notApproved(manifest, approved) : []),
  ];
}

const tablesOf = ({ watches }: Manifest): readonly string[] => [
  ...new Set(watches.map((watch) => (typeof watch === 'string' ? watch : watch.table))),
];

const waitingForTable = (table: string): string => `waiting (table ${table}): it is watched and does not exist yet`;

/** The tables that a skill waits for after all, as sentences: it looked as if it made them, was started, and did not. */
export function missingAfterAll(runtime: Runtime, manifest: Manifest, error: unknown): readonly string[] {
  if (!(error instanceof GlyphError) || error.code !== 'GC_NO_SUCH_TABLE') return [];
  return tablesOf(manifest)
    .filter((table) => !runtime.capsule.canWatch(table))
    .map(waitingForTable);
}

/**
 * Whether a skill that is about to be installed looks as if it made the table itself, so that it is worth a try. If it does
 * not, starting it fails for want of the table, and it waits after all.
 */
function mayCreate({ files }: SkillFolder, table: string): boolean {
  const name = table.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const pattern = new RegExp(`\\bcreate\\s+(virtual\\s+)?table\\s+(if\\s+not\\s+exists\\s+)?["'\`[]?${name}\\b`, 'i');
  return [...files].some(([path, text]) => /\.(lua|sql)$/i.test(path) && path !== TEST_FILE && pattern.test(text));
}

/** Approval is for exactly these permissions: when an edit asks for more, it is asked again. */
export const approvalOf = ({ permissions }: Manifest): string => JSON.stringify(sensitive(permissions));

function notApproved(manifest: Manifest, approved: string | null | undefined): readonly string[] {
  const known = new Set(approved === null || approved === undefined ? [] : (JSON.parse(approved) as string[]));
  return sensitive(manifest.permissions)
    .filter((one) => !known.has(one))
    .map((one) => `It asks for permissions.${one}, which waits for approval: glyphcase skill enable ${manifest.id}`);
}

/** What a person should have seen: the network, the host's functions, the schema, and everything at once. */
function sensitive(permissions: Permissions): string[] {
  const { database = {}, functions = [], network = [], hooks = [] } = permissions;
  const all = (key: string, list: readonly string[] = []): string[] => list.map((item) => `${key} "${item}"`);
  const stars = (key: string, list: readonly string[] = []): string[] =>
    all(
      key,
      list.filter((item) => item === '*'),
    );
  return [
    ...all('network', network),
    ...all('functions', functions),
    ...all('database.schema', database.schema),
    ...stars('database.read', database.read),
    ...stars('database.write', database.write),
    ...stars('hooks', hooks),
    ...(database.recursive === true ? ['database.recursive "true"'] : []),
  ];
}
