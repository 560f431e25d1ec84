/**
 * Gets a package with the user's own npm: its registry, proxies and credentials are as npm is set up.
 *
 * Invariant: npm is asked for the archive only; no script of the package runs, and none of its dependencies is fetched.
 */
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { GlyphError } from '../../kernel/errors.ts';
import { runChild } from './child.ts';
import { integrityOf } from './hash.ts';
import { MAX_ARCHIVE_BYTES } from './limits.ts';
import { readTgz } from './read-tar.ts';
import type { SkillFiles } from './package-files.ts';

/** @param work an empty folder. @throws GC_FETCH_FAILED, GC_BAD_PACKAGE */
export async function fetchNpm(
  name: string,
  range: string,
  work: string,
): Promise<{ readonly files: SkillFiles; readonly resolved: string }> {
  const spec = `${name}@${range}`;
  const printed = await runChild(
    'npm',
    ['pack', '--ignore-scripts', '--json', '--loglevel=error', '--pack-destination', work, '--', spec],
    { what: `Getting npm:${spec}`, maxBytes: MAX_ARCHIVE_BYTES },
  );
  const file = readdirSync(work).find((one) => one.endsWith('.tgz'));
  if (file === undefined) throw new GlyphError('GC_FETCH_FAILED', `Getting npm:${spec}: npm packed nothing`);
  if (statSync(join(work, file)).size > MAX_ARCHIVE_BYTES) {
    throw new GlyphError('GC_BAD_PACKAGE', `npm:${spec} is too large for a skill`);
  }
  const archive = readFileSync(join(work, file));
  return { files: await readTgz(archive), resolved: `${name}@${versionIn(printed)} ${integrityOf(archive)}` };
}

/** npm prints a list with one package. */
function versionIn(printed: Buffer): string {
  try {
    const value = JSON.parse(printed.toString('utf8')) as unknown;
    const [first] = Object.values(value as object) as { readonly version?: unknown }[];
    return typeof first?.version === 'string' ? first.version : 'unknown';
  } catch {
    return 'unknown';
  }
}
