/** Packages for the tests of installing: honest and hostile archives, made by Python's own tarfile and zipfile. */
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { once } from 'node:events';
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { installOnFile } from '../sdk/install/on-file.ts';
import type { InstallOptions, InstallResult } from '../sdk/install/types.ts';
import { tempDir } from './support.ts';

/** One entry of an archive. */
export interface Entry {
  readonly name: string;
  readonly content?: string;
  /** Bytes of `fill`, instead of content. */
  readonly size?: number;
  /** @defaultValue 'file' */
  readonly type?: 'file' | 'folder' | 'symlink' | 'hardlink' | 'device' | 'pipe';
  readonly target?: string;
}

const MAKE = `
import sys, json, io, tarfile, zipfile, random, warnings
warnings.simplefilter('ignore')
def data(e):
    if 'size' in e:
        return random.Random(1).randbytes(e['size']) if e.get('content') == 'random' else b'a' * e['size']
    return e.get('content', '').encode()
def make(kind, out, spec):
    if kind == 'tgz':
        types = {'symlink': tarfile.SYMTYPE, 'hardlink': tarfile.LNKTYPE, 'device': tarfile.CHRTYPE, 'pipe': tarfile.FIFOTYPE, 'folder': tarfile.DIRTYPE}
        with tarfile.open(out, 'w:gz') as tar:
            for e in spec:
                info = tarfile.TarInfo(e['name'])
                info.type = types.get(e.get('type', 'file'), tarfile.REGTYPE)
                info.linkname = e.get('target', '')
                content = data(e) if info.type == tarfile.REGTYPE else b''
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    else:
        modes = {'symlink': 0o120777, 'device': 0o020666, 'pipe': 0o010666, 'folder': 0o040755}
        with zipfile.ZipFile(out, 'w', zipfile.ZIP_DEFLATED) as archive:
            for e in spec:
                info = zipfile.ZipInfo('placeholder')
                info.filename = e['name']
                info.create_system = 3
                info.external_attr = modes.get(e.get('type', 'file'), 0o100644) << 16
                info.compress_type = zipfile.ZIP_DEFLATED
                content = e.get('target', '').encode() if e.get('type') == 'symlink' else data(e)
                archive.writestr(info, content)
for line in sys.stdin:
    try:
        make(*json.loads(line))
        print('made', flush=True)
    except Exception as error:
        print(error, flush=True)
`;

let maker: ChildProcessWithoutNullStreams | undefined;
let made: Promise<unknown> = Promise.resolve();

/** Makes `package.tgz` or `package.zip`; returns its path. One Python makes all archives of a test file, one after the other. */
export async function archiveOf(kind: 'tgz' | 'zip', entries: readonly Entry[]): Promise<string> {
  const out = join(tempDir(), `package.${kind}`);
  const python = (maker ??= spawn('python3', ['-c', MAKE]));
  made = made.then(async () => {
    python.stdin.write(`${JSON.stringify([kind, out, entries])}\n`);
    let answer = '';
    while (!answer.endsWith('\n')) answer += String((await once(python.stdout, 'data'))[0]);
    if (answer !== 'made\n') throw new Error(`no archive was made: ${answer}`);
  });
  await made;
  return out;
}

export type Files = Readonly<Record<string, string>>;

/** The files of a skill that does nothing; `manifest` adds to its manifest. */
export function skillFiles(id = 'tidy', version = '1.0.0', manifest: object = {}, main = '-- nothing'): Files {
  return { 'manifest.json': JSON.stringify({ id, version, ...manifest }), 'main.lua': main };
}

export const entriesOf = (files: Files, under = ''): readonly Entry[] =>
  Object.entries(files).map(([name, content]) => ({ name: `${under}${name}`, content }));

/** Writes files into a new folder, or into `folder`. */
export function folderOf(files: Files, folder = tempDir()): string {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  return folder;
}

/** Everything below a folder, with content. */
export function treeOf(folder: string): Files {
  if (!existsSync(folder)) return {};
  const names = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)));
  return Object.fromEntries(names.sort().map((name) => [name, readFileSync(join(folder, name), 'utf8')]));
}

/** Folders of a skills folder that are of no use to anybody. */
export const leftovers = (dir: string): readonly string[] =>
  existsSync(dir) ? readdirSync(dir).filter((name) => name.startsWith('.')) : [];

/** Installs, without a word. */
export const installTo = (dir: string, source: string, options: Partial<InstallOptions> = {}): Promise<InstallResult> =>
  installOnFile({ ...options, source, dir });

/** Whether a program is there. CI has them all; says loudly what is not tested otherwise. */
export function hasProgram(name: string): boolean {
  const isThere = spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0;
  if (!isThere)
    process.stderr.write(
      `\n*** NOT TESTED: the program "${name}" is not installed; its sources of skills are skipped ***\n`,
    );
  return isThere;
}

export const modeOf = (path: string): number => statSync(path).mode & 0o777;
