/** Whose a skill is and what it may do: signatures, keys, permissions, versions, edits. */
import { createHash, generateKeyPairSync } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { readPublicKey, toBase64, writeNewKey } from '../sdk/install/keys.ts';
import { verifyLock } from '../sdk/install/lock-file.ts';
import { diffPermissions, linesOf } from '../sdk/install/permission-diff.ts';
import { signFolder } from '../sdk/install/signature.ts';
import type { InstallPlan } from '../sdk/install/types.ts';
import {
  archiveOf,
  entriesOf,
  folderOf,
  installTo,
  leftovers,
  modeOf,
  skillFiles,
  treeOf,
} from './72-install-support.ts';
import { tempDir, thrownBy } from './support.ts';

interface Key {
  readonly file: string;
  readonly publicFile: string;
  readonly keyId: string;
}

function newKey(): Key {
  const file = join(tempDir(), 'me.key');
  return { file, ...writeNewKey(file) };
}

/** A signed skill's folder. */
function signed(key: Key, files = skillFiles()): string {
  const folder = folderOf(files);
  signFolder(folder, key.file);
  return folder;
}

const outcome = (dir: string, source: string, options = {}): Promise<unknown> =>
  installTo(dir, source, options).then(
    ({ signature }) => signature ?? 'unsigned',
    (error: unknown) => (error as { code: string }).code,
  );

describe('keys', () => {
  test('are written once, the private one for its owner alone', async () => {
    const key = newKey();
    expect(modeOf(key.file)).toBe(0o600);
    expect(readFileSync(key.publicFile, 'utf8')).toMatch(/^-----BEGIN PUBLIC KEY-----/);
    expect(await thrownBy(() => writeNewKey(key.file))).toMatchObject({ code: 'GC_BAD_ARGUMENT' });
  });

  test('are read as PEM, base64, the bare 32 bytes, or a file', () => {
    const { publicFile } = newKey();
    const pem = readFileSync(publicFile, 'utf8');
    const base64 = toBase64(readPublicKey(publicFile));
    const bare = Buffer.from(base64, 'base64').subarray(-32).toString('base64');
    for (const form of [pem, base64, bare]) expect(toBase64(readPublicKey(form))).toBe(base64);
  });

  test('that are none, of another kind, or private are refused', async () => {
    const { file } = newKey();
    const rsa = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ type: 'spki', format: 'pem' });
    for (const [key, why] of [
      [file, 'private key'],
      [rsa, 'not an ed25519'],
      ['nowhere.pub', 'ENOENT'],
      ['abcd', 'ENOENT'],
    ] as const)
      expect(await thrownBy(() => readPublicKey(key))).toMatchObject({
        code: 'GC_BAD_OPTION',
        message: expect.stringContaining(why) as string,
      });
    expect(await thrownBy(() => signFolder(folderOf(skillFiles()), 'nowhere'))).toMatchObject({
      code: 'GC_BAD_ARGUMENT',
    });
  });
});

describe('a signature', () => {
  let mine: Key;
  beforeEach(() => {
    mine = newKey();
  });

  /** What becomes of a package without a list of keys, with an empty one, with the right key, and with force. */
  async function matrix(source: string): Promise<readonly unknown[]> {
    const lists = [
      {},
      { trustedKeys: [] },
      { trustedKeys: [mine.publicFile] },
      { trustedKeys: [mine.publicFile], force: true },
    ];
    return await Promise.all(lists.map((options) => outcome(tempDir(), source, options)));
  }

  test('that is not there', async () => {
    expect(await matrix(folderOf(skillFiles()))).toEqual(['unsigned', 'GC_NOT_TRUSTED', 'GC_NOT_TRUSTED', 'unsigned']);
  });

  test('by a trusted key', async () => {
    const [known, unknown] = [true, false].map((trusted) => ({ keyId: mine.keyId, trusted }));
    expect(await matrix(signed(mine))).toEqual([unknown, 'GC_NOT_TRUSTED', known, known]);
  });

  test('by another key', async () => {
    const other = newKey();
    const by = { keyId: other.keyId, trusted: false };
    expect(await matrix(signed(other))).toEqual([by, 'GC_NOT_TRUSTED', 'GC_NOT_TRUSTED', by]);
  });

  test.each<[string, (folder: string) => void]>([
    ['a changed file', (folder) => writeFileSync(join(folder, 'main.lua'), '-- evil')],
    ['a changed manifest', (folder) => writeFileSync(join(folder, 'manifest.json'), '{"id":"tidy","version":"1.0.1"}')],
    ['an added file', (folder) => writeFileSync(join(folder, 'more.lua'), '')],
    ['a removed file', (folder) => rmSync(join(folder, 'util.lua'))],
    [
      'another hash',
      (folder) =>
        edit(folder, (one) => ({ ...one, hash: `sha256-${createHash('sha256').update('x').digest('base64')}` })),
    ],
    [
      'another key named',
      (folder) => edit(folder, (one) => ({ ...one, publicKey: toBase64(readPublicKey(newKey().publicFile)) })),
    ],
    [
      'a signature of something else',
      (folder) => edit(folder, (one) => ({ ...one, signature: Buffer.alloc(64).toString('base64') })),
    ],
    ['another algorithm', (folder) => edit(folder, (one) => ({ ...one, algorithm: 'none' }))],
    ['a missing key', (folder) => edit(folder, ({ publicKey: _, ...one }) => one)],
    ['no JSON', (folder) => writeFileSync(join(folder, 'signature.json'), 'signed, honestly')],
  ])('that does not hold, for %s, is refused whatever is trusted, also with force', async (_, change) => {
    const folder = signed(mine, { ...skillFiles(), 'util.lua': 'return {}' });
    expect(await outcome(tempDir(), folder, { trustedKeys: [mine.publicFile] })).toMatchObject({ trusted: true });
    change(folder);
    expect(await matrix(folder)).toEqual(Array(4).fill('GC_NOT_TRUSTED'));
  });

  test('holds wherever the files lie, and is remembered', async () => {
    const files = treeOf(signed(mine));
    const dir = tempDir();
    for (const kind of ['tgz', 'zip'] as const)
      expect(
        await outcome(dir, await archiveOf(kind, entriesOf(files, 'package/')), { trustedKeys: [mine.publicFile] }),
      ).toMatchObject({ trusted: true });
    expect(verifyLock(dir)).toMatchObject([{ id: 'tidy', state: 'unchanged', entry: { signedBy: mine.keyId } }]);
    const plans: InstallPlan[] = [];
    await installTo(dir, folderOf(skillFiles('tidy', '1.1.0')), { confirm: (plan) => plans.push(plan) > 0 });
    expect(plans[0]?.warnings).toEqual([
      `The version that is here was signed by ${mine.keyId}; this one is not signed.`,
    ]);
  });
});

function edit(folder: string, change: (one: Record<string, unknown>) => object): void {
  const file = join(folder, 'signature.json');
  writeFileSync(file, JSON.stringify(change(JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>)));
}

describe('permissions', () => {
  const before = { database: { read: ['orders', 'users'], write: ['orders'] }, schedule: true };
  const after = {
    database: { read: ['orders', '*'], recursive: true },
    network: ['a.example.com'],
    actions: { dispatch: ['x:*'] },
  };

  test('that came and went are told, the sensitive ones marked', () => {
    const short = (lines: ReturnType<typeof linesOf>): readonly string[] =>
      lines.map(({ key, value, sensitive }) => `${key} ${value}${sensitive ? ' (!)' : ''}`);
    const { added, removed } = diffPermissions(before, after);
    expect(short(added)).toEqual([
      'database.read * (!)',
      'database.recursive true (!)',
      'network a.example.com (!)',
      'actions.dispatch x:*',
    ]);
    expect(short(removed)).toEqual(['database.read users', 'database.write orders', 'schedule true']);
    expect(diffPermissions(before, before)).toEqual({ added: [], removed: [] });
    expect(short(diffPermissions(undefined, before).added)).toHaveLength(4);
    expect(linesOf({ schedule: false })).toEqual([]);
  });

  test('are what confirm is asked about; a no changes nothing', async () => {
    const dir = tempDir();
    await installTo(dir, folderOf(skillFiles('tidy', '1.0.0', { permissions: before })));
    const tree = treeOf(dir);
    const plans: InstallPlan[] = [];
    const next = folderOf(skillFiles('tidy', '1.1.0', { permissions: after, dependencies: { currency: '^2.0.0' } }));
    await expect(installTo(dir, next, { confirm: async (plan) => plans.push(plan) === 0 })).rejects.toMatchObject({
      code: 'GC_INSTALL_REFUSED',
    });
    expect(plans).toMatchObject([
      {
        id: 'tidy',
        previous: '1.0.0',
        version: '1.1.0',
        missing: ['currency ^2.0.0'],
        diff: diffPermissions(before, after),
      },
    ]);
    expect(treeOf(dir)).toEqual(tree);
    expect(leftovers(dir)).toEqual([]);
    await expect(
      installTo(dir, next, {
        confirm: () => {
          throw new Error('no terminal');
        },
      }),
    ).rejects.toThrow('no terminal');
    expect(treeOf(dir)).toEqual(tree);
    await installTo(dir, next, { confirm: () => true });
    expect(treeOf(dir)['tidy/manifest.json']).toContain('1.1.0');
  });
});

describe('what is there already', () => {
  test('is left alone when it is the same', async () => {
    const dir = tempDir();
    const source = folderOf(skillFiles());
    await installTo(dir, source);
    const tree = treeOf(dir);
    expect(
      await installTo(dir, source, {
        confirm: () => {
          throw new Error('asked');
        },
      }),
    ).toMatchObject({ changed: false });
    expect(treeOf(dir)).toEqual(tree);
  });

  test('is not replaced by an older version without force', async () => {
    const dir = tempDir();
    await installTo(dir, folderOf(skillFiles('tidy', '2.0.0')));
    for (const older of ['1.9.9', '2.0.0-beta.1']) {
      const source = folderOf(skillFiles('tidy', older));
      await expect(installTo(dir, source)).rejects.toMatchObject({ code: 'GC_DOWNGRADE' });
    }
    expect(treeOf(dir)['tidy/manifest.json']).toContain('2.0.0');
    expect(await installTo(dir, folderOf(skillFiles('tidy', '1.0.0')), { force: true })).toMatchObject({
      previous: '2.0.0',
      version: '1.0.0',
    });
  });

  test('is not overwritten without force when it was changed by hand', async () => {
    const dir = tempDir();
    await installTo(dir, folderOf(skillFiles()));
    writeFileSync(join(dir, 'tidy', 'main.lua'), '-- mine');
    expect(verifyLock(dir)).toMatchObject([{ id: 'tidy', state: 'changed' }]);
    const next = folderOf(skillFiles('tidy', '1.1.0'));
    await expect(installTo(dir, next)).rejects.toMatchObject({ code: 'GC_INSTALL_REFUSED' });
    expect(treeOf(dir)['tidy/main.lua']).toBe('-- mine');
    expect((await installTo(dir, next, { force: true })).warnings).toContain(
      'What was changed since it was installed is lost.',
    );
    rmSync(join(dir, 'tidy'), { recursive: true });
    expect(verifyLock(dir)).toMatchObject([{ id: 'tidy', state: 'missing' }]);
  });

  test('and was made by hand is replaced with a warning', async () => {
    const dir = tempDir();
    folderOf(skillFiles('tidy', '1.0.0', {}, '-- mine'), join(dir, 'tidy'));
    const { warnings } = await installTo(dir, folderOf(skillFiles()));
    expect(warnings.join()).toMatch(/was not installed by this command.*other files than version 1\.0\.0/);
  });

  test('a lock that cannot be read stops everything, and says where it is', async () => {
    const dir = tempDir();
    writeFileSync(join(dir, 'skills.lock.json'), '{"tidy": 1}');
    await expect(installTo(dir, folderOf(skillFiles()))).rejects.toMatchObject({
      code: 'GC_BAD_MANIFEST',
      message: expect.stringContaining('skills.lock.json') as string,
    });
    expect(leftovers(dir)).toEqual([]);
  });
});
