/**
 * Where a skill comes from, as it is written: `FOLDER`, `FILE.tgz`, `FILE.zip`, `npm:NAME@RANGE`, `git+file:…#ref:folder`.
 *
 * Invariant: what is not understood is refused before any program is started; nothing in it can become an option of npm or
 * git, or another kind of source than was named.
 */
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import semver from 'semver';
import { GlyphError } from '../../kernel/errors.ts';
import { checkedPath } from './entry-names.ts';

export type SkillSource =
  | { readonly kind: 'folder' | 'tgz' | 'zip'; readonly path: string }
  | { readonly kind: 'npm'; readonly name: string; readonly range: string }
  | {
      readonly kind: 'git';
      readonly protocol: 'file' | 'https' | 'ssh';
      readonly url: string;
      /** A branch, a tag or a full commit. */
      readonly ref: string;
      /** Folder within the repository; empty for its top. */
      readonly folder: string;
    };

const NPM_NAME = /^(@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~][a-z0-9._~-]*$/i;
const TAG = /^[a-z][a-z0-9._-]*$/i;
const REF = /^[a-z0-9_][a-z0-9_./+@-]*$/i;
const FORMS =
  'A folder, FILE.tgz, FILE.zip, npm:NAME@RANGE, git+file:PATH, git+https://… or git+ssh://… (#REF, #REF:FOLDER).';

/** @throws GC_BAD_ARGUMENT */
export function parseSource(source: unknown): SkillSource {
  if (typeof source !== 'string' || source === '') throw bad('The source of a skill must be a text');
  if (source.startsWith('npm:')) return npm(source.slice('npm:'.length), source);
  if (source.startsWith('git+')) return git(source.slice('git+'.length), source);
  if (/^[a-z][a-z0-9+.-]+:/i.test(source)) throw bad(`"${source}" is no source that skills are installed from`);
  return local(source);
}

function local(source: string): SkillSource {
  const path = resolve(source);
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) throw bad(`There is no file or folder ${source}`);
  if (stat.isDirectory()) return { kind: 'folder', path };
  if (/\.(tgz|tar\.gz)$/i.test(source)) return { kind: 'tgz', path };
  if (/\.zip$/i.test(source)) return { kind: 'zip', path };
  throw bad(`${source} is neither a folder nor a .tgz, .tar.gz or .zip file`);
}

function npm(text: string, source: string): SkillSource {
  const at = text.indexOf('@', 1);
  const name = at < 0 ? text : text.slice(0, at);
  const range = at < 0 ? 'latest' : text.slice(at + 1);
  if (!NPM_NAME.test(name)) throw bad(`"${source}": "${name}" is no name of an npm package`);
  if (semver.validRange(range) === null && !TAG.test(range)) {
    throw bad(`"${source}": "${range}" is neither a version range nor a tag`);
  }
  return { kind: 'npm', name, range: range === '' ? 'latest' : range };
}

function git(text: string, source: string): SkillSource {
  const [place = '', fragment = '', ...more] = text.split('#');
  const [ref = '', folder = ''] = fragment.split(/:(.*)/s);
  const protocol = /^(file|https|ssh):/.exec(place)?.[1];
  if (protocol === undefined || more.length > 0) throw bad(`"${source}" is no git source`);
  if (ref !== '' && (!REF.test(ref) || ref.includes('..'))) {
    throw bad(`"${source}": "${ref}" is no branch, tag or commit`);
  }
  const url = protocol === 'file' ? fileUrl(place) : place;
  if (protocol !== 'file' && !/^(https|ssh):\/\/[^-/][^/]*\/./.test(url)) throw bad(`"${source}" names no repository`);
  return {
    kind: 'git',
    protocol: protocol as 'file' | 'https' | 'ssh',
    url,
    ref: ref === '' ? 'HEAD' : ref,
    folder: folder === '' ? '' : checkedPath(folder),
  };
}

/** `file:../repository` is relative to the current folder. */
function fileUrl(place: string): string {
  const path = place.slice('file:'.length);
  if (path === '' || path === '//') throw bad('"git+file:" needs the path of a repository');
  return path.startsWith('//') ? place : pathToFileURL(resolve(path)).href;
}

const bad = (message: string): GlyphError => new GlyphError('GC_BAD_ARGUMENT', message, { hint: FORMS });
