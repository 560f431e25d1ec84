/**
 * The files of a package while it is read, whatever it comes in.
 *
 * Invariants: only regular files under checked names get in, within the limits, each name once on every file system; they
 * are kept in memory, so a package that is refused has written nothing.
 */
import { GlyphError } from '../../kernel/errors.ts';
import { badEntry, checkDepth, checkedPath, collisionKey, isLeftOut } from './entry-names.ts';
import { MAX_ENTRIES, MAX_FILES, MAX_FILE_BYTES, MAX_TOTAL_BYTES } from './limits.ts';

/** Path within the skill's folder, with `/`, → content. */
export type SkillFiles = ReadonlyMap<string, Uint8Array>;

export class PackageFiles {
  readonly #files = new Map<string, Uint8Array>();
  /** Collision key → the name it was first seen under, and whether as a file. */
  readonly #seen = new Map<string, { readonly path: string; readonly isFile: boolean }>();
  #entries = 0;
  #bytes = 0;

  /** Bytes of the files that are installed, as far as they are known. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A folder. @throws GC_BAD_PACKAGE */
  addFolder(name: string): void {
    this.#count();
    const path = checkedPath(name);
    if (path !== '') this.#claim(path, false);
  }

  /**
   * Makes room for a file, before its content is read.
   * @returns its path, or undefined when it is not installed
   * @throws GC_BAD_PACKAGE
   */
  expectFile(name: string, size: number): string | undefined {
    this.#count();
    const path = checkedPath(name);
    if (path === '' || name.endsWith('/')) throw badEntry(name, 'a file that is named like a folder');
    this.#claim(path, true);
    if (isLeftOut(path)) return undefined;
    checkDepth(path);
    if (size > MAX_FILE_BYTES) throw badEntry(name, `which is larger than ${MAX_FILE_BYTES / 1024 ** 2} MiB`);
    this.#bytes += size;
    if (this.#bytes > MAX_TOTAL_BYTES) throw tooMuch(`more than ${MAX_TOTAL_BYTES / 1024 ** 2} MiB`);
    if (this.#files.size >= MAX_FILES) throw tooMuch(`more than ${MAX_FILES} files`);
    this.#files.set(path, new Uint8Array());
    return path;
  }

  /** The content of a file that was expected. */
  setContent(path: string, bytes: Uint8Array): void {
    this.#files.set(path, bytes);
  }

  /**
   * The skill's files: those beside manifest.json, which lies at the top, in `package/`, or in the only folder.
   * @throws GC_BAD_PACKAGE
   */
  skill(): SkillFiles {
    const tops = new Set([...this.#files.keys()].map((path) => path.slice(0, path.indexOf('/') + 1)));
    const [only = '', second] = tops;
    const root = ['', 'package/', ...(second === undefined ? [only] : [])].find((one) =>
      this.#files.has(`${one}manifest.json`),
    );
    if (root === undefined) {
      throw new GlyphError('GC_BAD_PACKAGE', 'The package holds no skill: there is no manifest.json', {
        hint: 'It must lie at the top, in package/, or in the only folder of the package.',
      });
    }
    const inside = [...this.#files].filter(([path]) => path.startsWith(root));
    return new Map(inside.map(([path, bytes]) => [path.slice(root.length), bytes]));
  }

  /** Every file, where it lies. */
  all(): SkillFiles {
    return this.#files;
  }

  #count(): void {
    this.#entries += 1;
    if (this.#entries > MAX_ENTRIES) throw tooMuch(`more than ${MAX_ENTRIES} entries`);
  }

  /** A folder may be named often, a file once; neither where the other is. */
  #claim(path: string, isFile: boolean): void {
    const parts = path.split('/');
    for (let length = 1; length <= parts.length; length += 1) {
      const part = parts.slice(0, length).join('/');
      const asFile = isFile && length === parts.length;
      const before = this.#seen.get(collisionKey(part));
      if (before === undefined) this.#seen.set(collisionKey(part), { path: part, isFile: asFile });
      else if (asFile || before.isFile || before.path !== part) throw badEntry(path, clash(part, before.path));
    }
  }
}

const clash = (part: string, before: string): string =>
  part === before ? `but "${part}" is there already` : `but "${before}" is the same name on some systems`;

const tooMuch = (what: string): GlyphError =>
  new GlyphError('GC_BAD_PACKAGE', `The package is too large for a skill: it holds ${what}`);
