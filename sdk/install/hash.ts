/**
 * One hash over a skill's files: what `skills.lock.json` remembers and a signature vouches for.
 *
 * Invariant: it depends on names and bytes only, not on where the files lie, in which order, or with which mode: no file of a
 * skill is ever executed by the system, so all are installed alike. `signature.json` does not count.
 */
import { createHash } from 'node:crypto';
import type { SkillFiles } from './package-files.ts';

/** The file that holds the signature. */
export const SIGNATURE_FILE = 'signature.json';

/** `sha256-` and base64, over `path NUL size NUL bytes` of each file, by path. */
export function hashOf(files: SkillFiles): string {
  const hash = createHash('sha256');
  const named = [...files].map(([path, bytes]) => [path.normalize('NFC'), bytes] as const);
  for (const [path, bytes] of named.sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (path === SIGNATURE_FILE) continue;
    hash.update(`${path}\0${bytes.length}\0`).update(bytes);
  }
  return `sha256-${hash.digest('base64')}`;
}

/** `sha512-` and base64 of an archive, as npm writes it. */
export const integrityOf = (archive: Uint8Array): string =>
  `sha512-${createHash('sha512').update(archive).digest('base64')}`;
