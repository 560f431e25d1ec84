/**
 * Reads and checks manifest.json.
 *
 * Invariant: what comes back is complete and valid; every complaint names the file, the line and the key.
 */
import semver from 'semver';
import schema from '../../skills.manifest.schema.json' with { type: 'json' };
import { GlyphError, messageOf, parseDuration, validate } from '../../sdk/plugin.ts';
import type { JsonSchema, Problem } from '../../sdk/plugin.ts';
import type { SkillFolder } from './folder.ts';
import { lineOfPath } from './source-lines.ts';
import { slowFilter } from './slow-filters.ts';
import { TimeIsOver, timeBoxed } from './time-boxed.ts';
import type { Manifest } from './types.ts';

/** Longest manifest, in characters, and how deep it may be nested. */
const MAX_TEXT = 64 * 1024;
const MAX_NESTING = 32;
/** Complaints that one message holds. */
const MAX_COMPLAINTS = 8;
/** Time that checking a config against its schema may take. */
const MAX_CONFIG_MS = 250;

/** `skills.manifest.schema.json`. Imported, not read from a file: a bundle has to hold it. */
export const manifestSchema = (): JsonSchema => schema;

/**
 * The manifest of a folder.
 * @param version the GlyphCase version that is running.
 * @throws GC_BAD_MANIFEST
 */
export function readManifest(folder: SkillFolder, version: string): Manifest {
  const text = folder.files.get('manifest.json');
  if (text === undefined) throw bad(folder, '', `manifest.json ${absence(folder, 'manifest.json')}`);
  if (text.length > MAX_TEXT) throw bad(folder, '', `it is longer than ${MAX_TEXT / 1024} KiB`);
  const complaint = (path: string, message: string): GlyphError => bad(folder, text, message, path);
  const value = parse(folder, text);
  if (isDeeperThan(value, MAX_NESTING)) throw bad(folder, '', `it is nested deeper than ${MAX_NESTING} levels`);
  const checked = validate<Manifest>(manifestSchema(), value, { what: 'manifest.json' });
  if (checked.problems !== undefined) throw complaints(folder, text, checked.problems);
  const manifest = { ...checked.value, name: (checked.value as Partial<Manifest>).name ?? checked.value.id };
  if (manifest.id !== folder.id) {
    throw complaint('id', `must be the folder's name, "${folder.id}", not "${manifest.id}"`);
  }
  if (semver.valid(manifest.version) === null) {
    throw complaint('version', `must be a semantic version such as 1.0.0, not "${manifest.version}"`);
  }
  const range = manifest.engines?.glyphcase;
  if (range !== undefined && semver.validRange(range) === null) {
    throw complaint('engines.glyphcase', `must be a version range such as ^1.0.0, not "${range}"`);
  }
  if (range !== undefined && !semver.satisfies(version, range, { includePrerelease: true })) {
    throw bad(folder, text, `it needs GlyphCase ${range}, this is ${version}`, 'engines.glyphcase', 'engines');
  }
  if (!folder.files.has(manifest.main)) throw complaint('main', noMain(folder, manifest.main));
  manifest.watches.forEach((watch, index) => {
    const why = typeof watch === 'string' ? undefined : slowFilter(watch.filter);
    if (why !== undefined) throw complaint(`watches[${index}].filter`, why);
  });
  for (const [id, wanted] of Object.entries(manifest.dependencies)) {
    if (semver.validRange(wanted) === null)
      throw complaint(`dependencies.${id}`, `must be a version range, not "${wanted}"`);
  }
  return manifest;
}

/** `glyphcase.config`: what the host gives, with the manifest's defaults. @throws GC_BAD_OPTION */
export function configOf(manifest: Manifest, given: unknown): unknown {
  if (manifest.config === undefined) return given ?? {};
  const checked = checkedConfig(manifest.id, manifest.config, given ?? {});
  if (checked.problems === undefined) return checked.value;
  const [first] = checked.problems;
  throw new GlyphError(
    'GC_BAD_OPTION',
    `The config of skill ${manifest.id}: ${first?.path ?? ''} ${first?.message ?? ''}`,
  );
}

/** The schema is a stranger's: it may hold an expression that never ends, or refer to itself. */
function checkedConfig(id: string, schema: JsonSchema, given: unknown): ReturnType<typeof validate> {
  try {
    return timeBoxed(MAX_CONFIG_MS, () => validate(schema, given, { what: `config of skill '${id}'` }));
  } catch (error) {
    const why = error instanceof TimeIsOver ? `checking it takes longer than ${MAX_CONFIG_MS} ms` : messageOf(error);
    throw new GlyphError('GC_BAD_MANIFEST', `${id}/manifest.json: config: the schema cannot be used: ${why}`, {
      skill: id,
      cause: error,
    });
  }
}

/** The limits a manifest asks for, in ms and bytes. */
export function limitsOf(manifest: Manifest): { readonly timeMs?: number; readonly memoryBytes?: number } {
  const { time, memory } = manifest.limits;
  return {
    ...(time === undefined ? {} : { timeMs: parseDuration(time, 'limits.time') }),
    ...(memory === undefined ? {} : { memoryBytes: Math.max(parseBytes(memory), LEAST_MEMORY) }),
  };
}

/** Below this the interpreter itself does not fit. */
const LEAST_MEMORY = 2 * 1024 * 1024;
const UNITS: Readonly<Record<string, number>> = { B: 1, KB: 1024, MB: 1024 ** 2, GB: 1024 ** 3 };

function parseBytes(size: string | number): number {
  if (typeof size === 'number') return size;
  const [, amount, unit] = /^([\d.]+) ?([A-Z]+)$/.exec(size) ?? [];
  return Math.floor(Number(amount) * (UNITS[unit ?? ''] ?? NaN));
}

/** Why a file of the folder is not there. */
const absence = (folder: SkillFolder, file: string): string =>
  folder.leftOut.has(file) ? 'is larger than 1 MiB, or a link or pipe and no file' : 'is missing';

const noMain = (folder: SkillFolder, main: string): string =>
  folder.leftOut.has(main) ? `the file "${main}" ${absence(folder, main)}` : `there is no file "${main}" in the folder`;

function isDeeperThan(value: unknown, levels: number): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > levels) return true;
    level = level.flatMap((one) =>
      typeof one === 'object' && one !== null ? Object.values(one as Record<string, unknown>) : [],
    );
  }
  return false;
}

function parse(folder: SkillFolder, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const message = messageOf(error);
    const position = /position (\d+)/.exec(message)?.[1];
    const line = position === undefined ? text.split('\n').length : text.slice(0, Number(position)).split('\n').length;
    throw new GlyphError('GC_BAD_MANIFEST', `${folder.id}/manifest.json:${line}: not valid JSON: ${message}`, {
      skill: folder.id,
      cause: error,
    });
  }
}

function complaints(folder: SkillFolder, text: string, problems: readonly Problem[]): GlyphError {
  const more = problems.length > MAX_COMPLAINTS ? [`and ${problems.length - MAX_COMPLAINTS} more`] : [];
  const sentences = problems.slice(0, MAX_COMPLAINTS).map(({ path, message, suggestion }) => {
    const meant = suggestion === undefined ? '' : ` (did you mean '${suggestion}'?)`;
    return `${place(folder, text, path)}${path === '' ? '' : `${path}: `}${message}${meant}`;
  });
  return new GlyphError('GC_BAD_MANIFEST', [...sentences, ...more].join('; '), { skill: folder.id });
}

function bad(folder: SkillFolder, text: string, message: string, path = '', phase = 'manifest'): GlyphError {
  const key = path === '' ? '' : `${path}: `;
  return new GlyphError('GC_BAD_MANIFEST', `${place(folder, text, path)}${key}${message}`, { skill: folder.id, phase });
}

const place = (folder: SkillFolder, text: string, path: string): string =>
  `${folder.id}/manifest.json:${lineOfPath(text, path)}: `;
