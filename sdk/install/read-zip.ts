/**
 * Reads a zip archive.
 *
 * Invariants: nothing is extracted; sizes are checked as announced, before anything is unpacked, and as unpacked, with the
 * checksum; an entry that is no file and no folder refuses the whole package.
 */
import { crc32 } from 'node:zlib';
import { fromBufferPromise, getFileNameLowLevel } from 'yauzl';
import type { Entry, ZipFile } from 'yauzl';
import { GlyphError, messageOf } from '../../kernel/errors.ts';
import { badEntry } from './entry-names.ts';
import { PackageFiles } from './package-files.ts';
import type { SkillFiles } from './package-files.ts';
import { checkRatio } from './read-tar.ts';

/** The part of a Unix mode that says what a thing is, and the two that may be in a package. */
const TYPE = 0o170000;
const FOLDER = 0o040000;
const FILE = 0o100000;
const LINK = 0o120000;

/** @throws GC_BAD_PACKAGE */
export async function readZip(archive: Uint8Array): Promise<SkillFiles> {
  try {
    // Names are decoded and judged here, by the same rules as those of other archives.
    const zip = await fromBufferPromise(Buffer.from(archive), { decodeStrings: false });
    const files = new PackageFiles();
    for await (const entry of zip.eachEntry()) {
      await take(zip, entry, files);
      checkRatio(archive.length, files.bytes);
    }
    return files.skill();
  } catch (error) {
    if (error instanceof GlyphError) throw error;
    throw new GlyphError('GC_BAD_PACKAGE', `The archive cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

/** In the old character set of zip, control characters stand for pictures; nobody means those. */
function nameOf({ generalPurposeBitFlag, fileNameRaw, extraFields }: Entry): string {
  const name = getFileNameLowLevel(generalPurposeBitFlag, fileNameRaw, extraFields, true);
  if (fileNameRaw.some((byte) => byte < 0x20 || byte === 0x7f))
    throw badEntry(name, 'whose name holds a control character');
  return name;
}

async function take(zip: ZipFile, entry: Entry, files: PackageFiles): Promise<void> {
  const name = nameOf(entry);
  const type = (entry.externalFileAttributes >>> 16) & TYPE;
  if (type !== 0 && type !== FILE && type !== FOLDER) {
    throw badEntry(
      name,
      `which is ${type === LINK ? 'a symbolic link' : 'no file'}; a skill has files and folders only`,
    );
  }
  if (name.endsWith('/')) {
    if (entry.uncompressedSize !== 0) throw badEntry(name, 'a folder that holds data');
    files.addFolder(name);
    return;
  }
  if (type === FOLDER) throw badEntry(name, 'a folder that is named like a file');
  const place = files.expectFile(name, entry.uncompressedSize);
  if (place === undefined) return;
  if (entry.isEncrypted()) throw badEntry(name, 'which is encrypted');
  if (!entry.canDecodeFileData()) throw badEntry(name, 'which is packed in a way that is not supported');
  const chunks: Buffer[] = [];
  for await (const chunk of await zip.openReadStreamPromise(entry)) chunks.push(chunk as Buffer);
  const bytes = Buffer.concat(chunks);
  if (crc32(bytes) !== entry.crc32) throw badEntry(name, 'whose checksum is wrong');
  files.setContent(place, bytes);
}
