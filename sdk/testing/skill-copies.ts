/**
 * Copies of the skill under test and of what it depends on, in a folder of the run's own.
 *
 * Invariant: a test that changes the skill's config or version changes the copy, never the author's files.
 */
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { GlyphError } from '../../kernel/errors.ts';
import { readFolder } from '../../plugins/skills/folder.ts';
import type { SkillFolder } from '../../plugins/skills/folder.ts';
import { readManifest } from '../../plugins/skills/manifest.ts';
import type { Manifest } from '../../plugins/skills/types.ts';
import { VERSION } from '../version.ts';

type Json = Record<string, unknown>;

export interface SkillCopies extends Disposable {
  /** The files of the skill under test. */
  readonly folder: SkillFolder;
  readonly manifest: Manifest;
  /** Folders to load, those that others need first; the skill under test is the last. */
  readonly dirs: readonly string[];
  /** Functions of the host that any of them may call. */
  readonly functions: readonly string[];
  /** Writes other values for the config, or another version, into the copied manifest; nothing undoes what was changed before. */
  change(change: { readonly config?: Json; readonly version?: string }): void;
  /** The copy is as the author's files again. */
  restore(): void;
}

/** @throws GC_BAD_MANIFEST for a skill that cannot be read, or a dependency that is nowhere */
export function copySkills(dir: string, more: readonly string[]): SkillCopies {
  const folder = readFolder(dir);
  const manifest = readManifest(folder, VERSION);
  const found = withDependencies(folder, manifest, [dirname(resolve(dir)), ...more]);
  const root = mkdtempSync(join(tmpdir(), 'glyphcase-skill-test-'));
  const dirs = found.map(({ folder: { dir: from, id } }) => {
    const to = join(root, id);
    cpSync(from, to, { recursive: true, filter: (path) => basename(path) !== 'node_modules' });
    return to;
  });
  const path = join(root, folder.id, 'manifest.json');
  const original = readFileSync(path, 'utf8');
  return {
    folder,
    manifest,
    dirs,
    functions: [...new Set(found.flatMap((one) => one.manifest.permissions.functions ?? []))].filter(
      (name) => name !== '*',
    ),
    change({ config, version }) {
      const value = JSON.parse(readFileSync(path, 'utf8')) as Json;
      if (config !== undefined) value['config'] = withDefaults((value['config'] ?? {}) as Json, config);
      if (version !== undefined) value['version'] = version;
      writeFileSync(path, JSON.stringify(value, null, 2));
    },
    restore: () => writeFileSync(path, original),
    [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }),
  };
}

/** A config schema whose defaults are these values, as a user writes them into the manifest. */
function withDefaults(schema: Json, values: Json): Json {
  const properties = { ...((schema['properties'] ?? {}) as Record<string, Json>) };
  for (const [key, value] of Object.entries(values)) properties[key] = { ...properties[key], default: value };
  return { type: 'object', ...schema, properties };
}

interface Found {
  readonly folder: SkillFolder;
  readonly manifest: Manifest;
}

/** A skill and all it needs, those that others need first. */
function withDependencies(folder: SkillFolder, manifest: Manifest, places: readonly string[]): readonly Found[] {
  const ordered = new Map<string, Found>();
  const visit = (one: Found, path: readonly string[]): void => {
    const { id } = one.folder;
    if (path.includes(id)) {
      throw new GlyphError('GC_BAD_MANIFEST', `These skills depend on each other: ${[...path, id].join(' → ')}`);
    }
    for (const needed of Object.keys(one.manifest.dependencies)) {
      if (!ordered.has(needed)) visit(find(needed, id, places), [...path, id]);
    }
    ordered.set(id, one);
  };
  visit({ folder, manifest }, []);
  return [...ordered.values()];
}

function find(id: string, neededBy: string, places: readonly string[]): Found {
  const dir = places.map((place) => join(place, id)).find((path) => existsSync(join(path, 'manifest.json')));
  if (dir === undefined) {
    throw new GlyphError(
      'GC_BAD_MANIFEST',
      `${neededBy}/manifest.json: it depends on "${id}", which is not in ${places.join(', ')}`,
      { hint: 'A test takes dependencies from the folder beside the skill; name other folders with --skills.' },
    );
  }
  const folder = readFolder(dir);
  return { folder, manifest: readManifest(folder, VERSION) };
}
