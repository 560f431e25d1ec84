/**
 * Reads a tar archive, packed with gzip or not.
 *
 * Invariants: nothing is extracted; an entry that is no file and no folder refuses the whole package; what it unpacks to is
 * bounded before it is read.
 */
import { gunzipSync } from 'node:zlib';
import { Parser } from 'tar';
import type { ReadEntry } from 'tar';
import { GlyphError, messageOf } from '../../kernel/errors.ts';
import { badEntry } from './entry-names.ts';
import { MAX_RATIO, MAX_UNPACKED_BYTES, RATIO_FROM_BYTES } from './limits.ts';
import { PackageFiles } from './package-files.ts';
import type { SkillFiles } from './package-files.ts';

/** The types of entries that are read; everything else is a link, a device or unknown. */
const FILES = ['File', 'OldFile', 'ContiguousFile'];
const WORDS: Readonly<Record<string, string>> = {
  SymbolicLink: 'a symbolic link',
  Link: 'a hard link',
  CharacterDevice: 'a device',
  BlockDevice: 'a device',
  FIFO: 'a pipe',
};

/** @throws GC_BAD_PACKAGE */
export async function readTgz(archive: Uint8Array): Promise<SkillFiles> {
  if (archive[0] !== 0x1f || archive[1] !== 0x8b) throw broken('it is not packed with gzip');
  let tar: Uint8Array;
  try {
    tar = gunzipSync(archive, { maxOutputLength: MAX_UNPACKED_BYTES });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE') {
      throw broken(`it unpacks to more than ${MAX_UNPACKED_BYTES / 1024 ** 2} MiB`);
    }
    throw broken(messageOf(error), error);
  }
  checkRatio(archive.length, tar.length);
  return await readTar(tar);
}

/** @throws GC_BAD_PACKAGE */
export function checkRatio(packed: number, unpacked: number): void {
  if (unpacked > RATIO_FROM_BYTES && unpacked > packed * MAX_RATIO) {
    throw broken(`it unpacks to more than ${MAX_RATIO} times its size`);
  }
}

/** @throws GC_BAD_PACKAGE */
export async function readTar(tar: Uint8Array): Promise<SkillFiles> {
  const files = new PackageFiles();
  await new Promise<void>((resolve, reject) => {
    const parser = new Parser({ strict: true, filter: () => true });
    const onEntry = (entry: ReadEntry): void => {
      try {
        take(entry, files);
      } catch (error) {
        reject(error instanceof Error ? error : new Error(messageOf(error)));
        entry.resume();
      }
    };
    parser.on('entry', onEntry);
    // Of a type that tar does not know, or a header of names that is too long to be one.
    parser.on('ignoredEntry', onEntry);
    parser.on('error', (error: Error) => reject(broken(error.message.replace(/^TAR_\w+: /, ''), error)));
    parser.on('end', () => resolve());
    parser.end(Buffer.from(tar));
  });
  return files.skill();
}

function take(entry: ReadEntry, files: PackageFiles): void {
  const { type, path } = entry;
  if (type === 'Directory') {
    files.addFolder(path);
    entry.resume();
    return;
  }
  if (!FILES.includes(type)) {
    // Its name first: a link called ../x is both, and the name is what to look for.
    throw badEntry(path, `which is ${WORDS[type] ?? `of the type ${type}`}; a skill has files and folders only`);
  }
  const place = files.expectFile(path, entry.size);
  if (place === undefined) {
    entry.resume();
    return;
  }
  const chunks: Buffer[] = [];
  entry.on('data', (chunk: Buffer) => chunks.push(chunk));
  entry.on('end', () => files.setContent(place, Buffer.concat(chunks)));
}

const broken = (why: string, cause?: unknown): GlyphError =>
  new GlyphError('GC_BAD_PACKAGE', `The archive cannot be read: ${why}`, cause === undefined ? {} : { cause });
