/** What is in an archive: honest ones are installed, hostile ones refused with the entry's name, and nothing is left of them. */
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { collisionKey, checkedPath } from '../sdk/install/entry-names.ts';
import { archiveOf, entriesOf, folderOf, installTo, modeOf, skillFiles, treeOf } from './72-install-support.ts';
import type { Entry } from './72-install-support.ts';
import { tempDir, thrownBy } from './support.ts';

const GOOD = entriesOf(skillFiles());
const KINDS = ['tgz', 'zip'] as const;

/** Installs into a folder that does not exist yet; after a failure it must not exist still. */
async function refused(source: string): Promise<string> {
  const parent = tempDir();
  const dir = join(parent, 'deep', 'skills');
  const error = await installTo(dir, source).then(
    () => undefined,
    (thrown: unknown) => thrown as Error & { code: string },
  );
  expect(treeOf(parent)).toEqual({});
  expect(() => readFileSync(join(parent, 'deep'))).toThrow('ENOENT');
  return error === undefined ? 'installed' : `${error.code} ${error.message}`;
}

describe.each(KINDS)('an honest %s', (kind) => {
  test.each([
    ['', 'at the top'],
    ['package/', 'in package/'],
    ['tidy-1.0.0/', 'in the only folder'],
    ['./', 'after ./'],
  ])('with the skill %j (%s) is installed', async (under) => {
    const dir = tempDir();
    const lib: Entry = { name: `${under}lib/util.lua`, content: 'return {}' };
    const { id, version, changed } = await installTo(
      dir,
      await archiveOf(kind, [...entriesOf(skillFiles(), under), lib]),
    );
    expect({ id, version, changed }).toEqual({ id: 'tidy', version: '1.0.0', changed: true });
    const { 'skills.lock.json': lock, ...files } = treeOf(dir);
    expect(files).toEqual({
      'tidy/main.lua': '-- nothing',
      'tidy/manifest.json': '{"id":"tidy","version":"1.0.0"}',
      'tidy/lib/util.lua': 'return {}',
    });
    expect(JSON.parse(lock!)).toMatchObject({
      tidy: { version: '1.0.0', resolved: expect.stringMatching(/^sha512-/) },
    });
  });

  test('leaves dotfiles, node_modules and editors’ leftovers out', async () => {
    const dir = tempDir();
    const more = ['.env', '.git/config', 'node_modules/x/index.js', 'main.lua~', 'a.tmp', '__MACOSX/._main.lua'];
    await installTo(dir, await archiveOf(kind, [...GOOD, ...more.map((name) => ({ name, content: 'x' }))]));
    expect(Object.keys(treeOf(join(dir, 'tidy'))).sort()).toEqual(['main.lua', 'manifest.json']);
  });

  test('installs no mode: nothing becomes executable', async () => {
    const dir = tempDir();
    await installTo(dir, await archiveOf(kind, GOOD));
    expect(modeOf(join(dir, 'tidy', 'main.lua')) & 0o111).toBe(0);
  });
});

describe.each(KINDS)('a hostile %s', (kind) => {
  test.each<[string, readonly Entry[], string]>([
    ['a path upwards', [{ name: '../evil.lua' }], '"../evil.lua", whose path leads out'],
    ['a path upwards in the middle', [{ name: 'lib/../../evil.lua' }], '"lib/../../evil.lua", whose path leads out'],
    ['an absolute path', [{ name: '/tmp/evil.lua' }], '"/tmp/evil.lua", whose path is absolute'],
    ['a drive letter', [{ name: 'C:/evil.lua' }], '"C:/evil.lua", whose path names a drive'],
    ['a drive letter without a slash', [{ name: 'c:evil.lua' }], '"c:evil.lua", whose path names a drive'],
    ['a backslash', [{ name: '..\\evil.lua' }], 'backslash'],
    ['a control character', [{ name: 'a\u0007b.lua' }], 'whose name holds a control'],
    ['a line break', [{ name: 'a\nb.lua' }], 'whose name holds a control'],
    ['a name that reads backwards', [{ name: 'a\u202eb.lua' }], 'whose name holds a control or invisible'],
    [
      'a symbolic link',
      [{ name: 'main2.lua', type: 'symlink', target: '/etc/passwd' }],
      '"main2.lua", which is a symbolic link',
    ],
    ['a device', [{ name: 'tty', type: 'device' }], '"tty", which is'],
    ['a pipe', [{ name: 'pipe', type: 'pipe' }], '"pipe", which is'],
    ['a name twice', [{ name: 'main.lua', content: 'other' }], '"main.lua", but "main.lua" is there already'],
    ['a name that differs in case', [{ name: 'Main.LUA' }], '"Main.LUA", but "main.lua" is the same name'],
    [
      'a folder that differs in case',
      [{ name: 'lib/a.lua' }, { name: 'LIB/b.lua' }],
      '"LIB/b.lua", but "lib" is the same',
    ],
    ['a composed name twice', [{ name: 'é.lua' }, { name: 'e\u0301.lua' }], 'is the same name on some systems'],
    ['a file below a file', [{ name: 'main.lua/x.lua' }], '"main.lua/x.lua", but "main.lua" is there already'],
    ['a name that Windows reserves', [{ name: 'aux.lua' }], '"aux.lua" is not a file name on every system'],
    ['a stream of a file', [{ name: 'main.lua:x' }], '"main.lua:x" is not a file name'],
    ['an empty part', [{ name: 'lib//a.lua' }], '"lib//a.lua", whose path has an empty part'],
    ['too deep a path', [{ name: `${'a/'.repeat(9)}x.lua` }], 'more than 8 folders deep'],
    [
      'too large a file',
      [{ name: 'big.lua', content: 'random', size: 1024 * 1024 + 1 }],
      '"big.lua", which is larger than 1 MiB',
    ],
    ['too many files', Array.from({ length: 500 }, (_, n) => ({ name: `f${n}.lua` })), 'more than 500 files'],
    ['too many entries', Array.from({ length: 5001 }, (_, n) => ({ name: `.f${n}` })), 'more than 5000 entries'],
    [
      'too much altogether',
      Array.from({ length: 21 }, (_, n) => ({ name: `f${n}.md`, content: 'random', size: 1024 * 1024 })),
      'too large|more than 20 MiB|larger than 20 MiB',
    ],
    [
      'a bomb',
      Array.from({ length: 20 }, (_, n) => ({ name: `f${n}.md`, size: 1024 * 1024 - 1 })),
      'more than 100 times its size',
    ],
    [
      'a bomb in what is left out',
      [{ name: '.bomb', size: 70 * 1024 * 1024 }],
      kind === 'tgz' ? 'more than 64 MiB' : 'installed',
    ],
  ])('with %s is refused', async (_, entries, why) => {
    const archive = await archiveOf(kind, [...GOOD, ...entries]);
    if (why === 'installed') {
      // A zip says beforehand what an entry holds, so what is left out is not even unpacked.
      expect(await installTo(tempDir(), archive)).toMatchObject({ files: 2 });
      return;
    }
    expect(await refused(archive)).toMatch(new RegExp(`^GC_BAD_PACKAGE .*(${why.replace(/[.\\+()[\]]/g, '\\$&')})`));
  });

  test.each<[string, readonly Entry[], string]>([
    ['without a manifest', [{ name: 'main.lua' }], 'GC_BAD_PACKAGE The package holds no skill'],
    [
      'with two folders',
      [...entriesOf(skillFiles(), 'a/'), ...entriesOf(skillFiles(), 'b/')],
      'GC_BAD_PACKAGE The package holds no skill',
    ],
    ['whose id leads elsewhere', entriesOf(skillFiles('../../evil')), 'GC_BAD_MANIFEST manifest.json: id: must be'],
    [
      'whose manifest is broken',
      [{ name: 'manifest.json', content: '{' }],
      'GC_BAD_MANIFEST manifest.json is not valid JSON',
    ],
    [
      'whose manifest has a misspelt key',
      entriesOf(skillFiles('tidy', '1.0.0', { wacthes: [] })),
      "GC_BAD_MANIFEST tidy/manifest.json:1: .*did you mean 'watches'",
    ],
    [
      'for another GlyphCase',
      entriesOf(skillFiles('tidy', '1.0.0', { engines: { glyphcase: '^9.0.0' } })),
      'GC_BAD_MANIFEST .*needs GlyphCase \\^9',
    ],
    [
      'with a syntax error',
      entriesOf(skillFiles('tidy', '1.0.0', {}, 'function (')),
      'GC_BAD_PACKAGE tidy/main.lua:1: ',
    ],
  ])('%s is refused', async (_, entries, why) => {
    expect(await refused(await archiveOf(kind, entries))).toMatch(new RegExp(why));
  });
});

test('a hard link in a tgz is refused', async () => {
  const archive = await archiveOf('tgz', [...GOOD, { name: 'x.lua', type: 'hardlink', target: 'main.lua' }]);
  expect(await refused(archive)).toContain('"x.lua", which is a hard link');
});

test('archives that are none, cut short, or damaged are refused', async () => {
  const folder = tempDir();
  const file = (name: string, bytes: Uint8Array): string => {
    writeFileSync(join(folder, name), bytes);
    return join(folder, name);
  };
  const tgz = readFileSync(await archiveOf('tgz', GOOD));
  const zip = readFileSync(await archiveOf('zip', GOOD));
  const flipped = Buffer.from(zip);
  // The checksum of the first entry, in the central directory.
  flipped[zip.indexOf('PK\x01\x02') + 16]! ^= 0xff;
  expect(await refused(file('a.tgz', zip))).toContain('it is not packed with gzip');
  expect(await refused(file('b.tgz', tgz.subarray(0, tgz.length - 20)))).toContain(
    'GC_BAD_PACKAGE The archive cannot be read',
  );
  expect(await refused(file('c.tgz', gzipSync('no archive at all, '.repeat(100))))).toContain('GC_BAD_PACKAGE');
  expect(await refused(file('d.zip', tgz))).toContain('GC_BAD_PACKAGE The archive cannot be read');
  expect(await refused(file('e.zip', zip.subarray(0, zip.length - 30)))).toContain(
    'GC_BAD_PACKAGE The archive cannot be read',
  );
  expect(await refused(file('f.zip', flipped))).toContain('whose checksum is wrong');
  expect(await refused(file('g.tgz', new Uint8Array()))).toContain('GC_BAD_PACKAGE');
});

test('a zip with NUL in a name is refused', async () => {
  const archive = await archiveOf('zip', [...GOOD, { name: 'evil~~~.lua' }]);
  writeFileSync(archive, Buffer.from(readFileSync(archive, 'latin1').replaceAll('~~~', '\0\0\0'), 'latin1'));
  expect(await refused(archive)).toContain('control');
});

test('a folder is held to the same rules', async () => {
  const linked = folderOf(skillFiles());
  symlinkSync('/etc/passwd', join(linked, 'secret.lua'));
  expect(await refused(linked)).toContain('"secret.lua", which is a symbolic link');
  const large = folderOf({ ...skillFiles(), 'big.md': 'x'.repeat(1024 * 1024 + 1) });
  expect(await refused(large)).toContain('"big.md", which is larger than 1 MiB');
  const fine = folderOf({ ...skillFiles(), '.git/config': 'x' });
  mkdirSync(join(fine, 'node_modules'));
  symlinkSync('/etc', join(fine, 'node_modules', 'x'));
  const dir = tempDir();
  await installTo(dir, fine);
  expect(Object.keys(treeOf(join(dir, 'tidy')))).toEqual(['main.lua', 'manifest.json']);
});

test('names: what is one place, and what collides', async () => {
  expect(checkedPath('./a/b.lua')).toBe('a/b.lua');
  expect(checkedPath('a/')).toBe('a');
  expect(checkedPath('./')).toBe('');
  for (const bad of ['', '/', 'a/./b', 'a/..', 'nul', 'a ', 'a.', '\ud800'])
    expect(await thrownBy(() => checkedPath(bad)), JSON.stringify(bad)).toMatchObject({ code: 'GC_BAD_PACKAGE' });
  expect(collisionKey('STRASSE')).toBe(collisionKey('straße'));
});
