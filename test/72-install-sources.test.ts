/** Where skills come from: npm through a registry of the test's own, git through a repository of the test's own; and what is no source. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import { withoutPassword } from '../sdk/install/fetch-git.ts';
import { parseSource } from '../sdk/install/source.ts';
import { installSkill, removeSkill, verifyLock } from '../sdk/index.ts';
import {
  archiveOf,
  entriesOf,
  folderOf,
  hasProgram,
  installTo,
  leftovers,
  skillFiles,
  treeOf,
} from './72-install-support.ts';
import { afterTest, tempDir, thrownBy } from './support.ts';

describe('installSkill, removeSkill', () => {
  test.each<[unknown, string]>([
    [undefined, 'takes an object'],
    [{}, 'source'],
    [{ source: 'x' }, 'dir'],
    [{ source: 'x', dir: 'y', fileneme: 'z' }, "did you mean 'filename'"],
    [{ source: 'x', dir: 'y', confirm: true }, 'confirm must be a function'],
    [{ source: 'x', dir: 'y', trustedKeys: 'k' }, 'trustedKeys'],
  ])('refuse %j', async (options, why) => {
    await expect(installSkill(options as never)).rejects.toMatchObject({
      code: 'GC_BAD_ARGUMENT',
      message: expect.stringContaining(why) as string,
    });
  });

  test('install, verify and remove', async () => {
    const dir = join(tempDir(), 'skills');
    expect(await verifyLock(dir)).toEqual([]);
    await installSkill({ source: folderOf(skillFiles()), dir });
    expect(await verifyLock(dir)).toMatchObject([{ id: 'tidy', state: 'unchanged' }]);
    await expect(removeSkill({ id: 'tidi', dir })).rejects.toMatchObject({
      code: 'GC_NO_SUCH_SKILL',
      message: expect.stringContaining('did you mean "tidy"') as string,
    });
    expect(await removeSkill({ id: 'tidy', dir })).toMatchObject({ id: 'tidy', version: '1.0.0', tables: [] });
    expect(treeOf(dir)).toEqual({});
  });
});

test.each([
  [''],
  ['nowhere'],
  ['https://example.com/x.tgz'],
  ['npm:'],
  ['npm:../folder'],
  ['npm:x@file:../y'],
  ['npm:x@git+ssh://host/x'],
  ['npm:--registry=evil'],
  ['npm:-x@1'],
  ['npm:x@1.0.0 --registry=evil'],
  ['git+ext:sh -c true'],
  ['git+http://example.com/x'],
  ['git+file:'],
  ['git+file:/x#--upload-pack=evil'],
  ['git+file:/x#a..b'],
  ['git+file:/x#a#b'],
  ['git+ssh://-oProxyCommand=evil/x'],
  ['git+https:///x'],
])('the source %j is refused before anything runs', async (source) => {
  expect(await thrownBy(() => parseSource(source))).toMatchObject({ code: 'GC_BAD_ARGUMENT' });
});

test('sources are read as they are written', async () => {
  expect(parseSource('npm:@acme/tidy@^1.0.0 || 2')).toEqual({ kind: 'npm', name: '@acme/tidy', range: '^1.0.0 || 2' });
  expect(parseSource('npm:tidy')).toEqual({ kind: 'npm', name: 'tidy', range: 'latest' });
  expect(parseSource('git+ssh://git@example.com/a/b.git#v1:skills/x')).toEqual({
    kind: 'git',
    protocol: 'ssh',
    url: 'ssh://git@example.com/a/b.git',
    ref: 'v1',
    folder: 'skills/x',
  });
  expect(parseSource('git+file:/a b')).toMatchObject({ url: 'file:///a%20b', ref: 'HEAD', folder: '' });
  expect(await thrownBy(() => parseSource('git+file:/x#main:../y'))).toMatchObject({ code: 'GC_BAD_PACKAGE' });
  expect(withoutPassword('https://me:secret@example.com/x')).toBe('https://example.com/x');
  expect(withoutPassword('ssh://git:secret@example.com/x')).toBe('ssh://git@example.com/x');
});

test('a skill is not installed onto itself, nor over a link', async () => {
  const dir = tempDir();
  folderOf(skillFiles(), join(dir, 'tidy'));
  await expect(installTo(dir, join(dir, 'tidy'))).rejects.toMatchObject({ code: 'GC_BAD_ARGUMENT' });
  const other = tempDir();
  symlinkSync(join(dir, 'tidy'), join(other, 'tidy'));
  await expect(installTo(other, folderOf(skillFiles()))).rejects.toThrow('is a link');
  expect(leftovers(dir)).toEqual([]);
});

/** Sets a variable of the environment until the test ends. */
function setVariable(key: string, value: string): void {
  const before = process.env[key];
  process.env[key] = value;
  afterTest(() => {
    if (before === undefined) Reflect.deleteProperty(process.env, key);
    else process.env[key] = before;
  });
}

describe.skipIf(!hasProgram('git'))('git', () => {
  const git = (cwd: string, ...args: readonly string[]): string =>
    execFileSync(
      'git',
      ['-c', 'user.name=t', '-c', 'user.email=t@example.com', '-c', 'init.defaultBranch=main', ...args],
      {
        cwd,
        encoding: 'utf8',
        stdio: 'pipe',
        env: { ...process.env, GIT_CONFIG_GLOBAL: '/dev/null' },
      },
    ).trim();

  /** A repository with version 1.0.0 tagged v1, 1.1.0 on main, and another skill below skills/. */
  function repository(): { readonly path: string; readonly first: string; readonly last: string } {
    const path = join(tempDir(), 'my repository');
    folderOf({ ...skillFiles('tidy', '1.0.0'), '.gitignore': 'x' }, path);
    git(path, 'init', '--quiet');
    git(path, 'add', '.');
    git(path, 'commit', '--quiet', '-m', 'one');
    git(path, 'tag', 'v1');
    folderOf({ ...skillFiles('tidy', '1.1.0') }, path);
    folderOf(skillFiles('inner', '2.0.0'), join(path, 'skills', 'inner'));
    git(path, 'add', '.');
    git(path, 'commit', '--quiet', '-m', 'two');
    return { path, first: git(path, 'rev-parse', 'v1'), last: git(path, 'rev-parse', 'HEAD') };
  }

  test('branches, tags, commits and subfolders', async () => {
    const { path, first, last } = repository();
    const dir = tempDir();
    expect(await installTo(dir, `git+file:${path}#v1`)).toMatchObject({ version: '1.0.0', resolved: first });
    expect(await installTo(dir, `git+file:${path}`)).toMatchObject({
      version: '1.1.0',
      previous: '1.0.0',
      resolved: last,
    });
    expect(Object.keys(treeOf(join(dir, 'tidy')))).toEqual([
      'main.lua',
      'manifest.json',
      'skills/inner/main.lua',
      'skills/inner/manifest.json',
    ]);
    expect(await installTo(dir, `git+${pathToFileURL(path).href}#main:skills/inner`)).toMatchObject({
      id: 'inner',
      version: '2.0.0',
    });
    expect(await installTo(tempDir(), `git+file:${path}#${first}`)).toMatchObject({ version: '1.0.0' });
    expect(JSON.parse(readFileSync(join(dir, 'skills.lock.json'), 'utf8'))).toMatchObject({
      tidy: { source: `git+${pathToFileURL(path).href}#HEAD`, resolved: last },
      inner: { source: `git+${pathToFileURL(path).href}#main:skills/inner` },
    });
    expect(leftovers(dir)).toEqual([]);
  });

  test('what is not there is said in git’s words', async () => {
    const { path } = repository();
    const dir = tempDir();
    for (const source of [`git+file:${path}#nowhere`, `git+file:${path}#main:nowhere`, 'git+file:/nowhere/at/all']) {
      await expect(installTo(dir, source)).rejects.toMatchObject({
        code: 'GC_FETCH_FAILED',
        message: expect.stringMatching(/nowhere/) as string,
      });
    }
    expect(treeOf(dir)).toEqual({});
  });

  test('a link in it is refused, hooks and filters do not run, submodules are not fetched', async () => {
    const { path } = repository();
    const trace = join(tempDir(), 'trace');
    // As hostile as a repository can be: hooks of its own, a filter, line ends, a submodule.
    for (const hook of ['post-checkout', 'reference-transaction', 'post-index-change']) {
      writeFileSync(join(path, '.git', 'hooks', hook), `#!/bin/sh\ntouch "${trace}"\n`, { mode: 0o755 });
    }
    git(path, 'config', 'filter.evil.smudge', `touch "${trace}"; cat`);
    folderOf({ '.gitattributes': '*.lua filter=evil\n' }, path);
    git(path, 'add', '.gitattributes');
    git(path, 'update-index', '--add', '--cacheinfo', `160000,${git(path, 'rev-parse', 'HEAD')},sub`);
    git(path, 'commit', '--quiet', '-m', 'three');
    const dir = tempDir();
    // The user's own settings know that filter and have hooks, too: not for strangers' repositories.
    const settings = join(tempDir(), 'gitconfig');
    writeFileSync(
      settings,
      `[filter "evil"]\n smudge = touch ${trace}; cat\n[core]\n hooksPath = ${join(path, '.git', 'hooks')}\n`,
    );
    setVariable('GIT_CONFIG_GLOBAL', settings);
    // The commits above ran them.
    rmSync(trace, { force: true });
    await installTo(dir, `git+file:${path}`);
    expect(existsSync(trace)).toBe(false);
    symlinkSync('/etc/passwd', join(path, 'secret.lua'));
    git(path, 'add', 'secret.lua');
    git(path, 'commit', '--quiet', '-m', 'four');
    await expect(installTo(dir, `git+file:${path}`)).rejects.toThrow('"secret.lua", which is a symbolic link');
    expect(leftovers(dir)).toEqual([]);
  });
});

describe.skipIf(!hasProgram('npm'))('npm', () => {
  /** A registry with one package; npm finds it through its own settings. */
  async function registry(name: string, versions: Readonly<Record<string, string>>): Promise<void> {
    const archives = Object.fromEntries(
      Object.entries(versions).map(([version, file]) => [version, readFileSync(file)]),
    );
    const server = createServer((request, response) => {
      const { port } = server.address() as AddressInfo;
      const wanted = /\/-\/(.+)\.tgz$/.exec(request.url ?? '')?.[1];
      if (wanted !== undefined) {
        response.end(archives[wanted]);
      } else if (decodeURIComponent(request.url ?? '') === `/${name}`) {
        const entries = Object.entries(archives).map(
          ([version, bytes]) =>
            [
              version,
              {
                name,
                version,
                scripts: { preinstall: 'exit 1', prepack: 'exit 1', prepare: 'exit 1' },
                dist: {
                  tarball: `http://127.0.0.1:${port}/${name}/-/${version}.tgz`,
                  integrity: `sha512-${createHash('sha512').update(bytes).digest('base64')}`,
                },
              },
            ] as const,
        );
        const latest = Object.keys(archives).at(-1);
        response.setHeader('content-type', 'application/json');
        response.end(JSON.stringify({ name, 'dist-tags': { latest }, versions: Object.fromEntries(entries) }));
      } else {
        response.statusCode = 404;
        response.end('{}');
      }
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    setVariable('npm_config_registry', `http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    setVariable('npm_config_cache', tempDir());
    setVariable('npm_config_fetch_retries', '0');
    afterTest(() => {
      server.closeAllConnections();
      server.close();
    });
  }

  const packed = (version: string, trace: string): Promise<string> =>
    archiveOf(
      'tgz',
      entriesOf(
        {
          ...skillFiles('tidy', version),
          'package.json': JSON.stringify({
            name: '@acme/tidy',
            version,
            scripts: { prepack: `touch ${trace}`, prepare: `touch ${trace}`, postinstall: `touch ${trace}` },
          }),
        },
        'package/',
      ),
    );

  test('the version in the range is taken, and no script runs', async () => {
    const trace = join(tempDir(), 'trace');
    const [one, newer, two] = [
      await packed('1.0.0', trace),
      await packed('1.2.0', trace),
      await packed('2.0.0', trace),
    ];
    const files = { '1.0.0': one, '1.2.0': newer, '2.0.0': two };
    await registry('@acme/tidy', files);
    const dir = tempDir();
    const { version, resolved } = await installTo(dir, 'npm:@acme/tidy@^1.0.0');
    const integrity = createHash('sha512').update(readFileSync(files['1.2.0'])).digest('base64');
    expect({ version, resolved }).toEqual({ version: '1.2.0', resolved: `@acme/tidy@1.2.0 sha512-${integrity}` });
    expect(await installTo(dir, 'npm:@acme/tidy')).toMatchObject({ version: '2.0.0', previous: '1.2.0' });
    expect(existsSync(trace)).toBe(false);
    expect(leftovers(dir)).toEqual([]);
  }, 60_000);

  test('what is not there is said in npm’s words; a hostile package is refused', async () => {
    await registry('evil', {
      '1.0.0': await archiveOf('tgz', [
        ...entriesOf(skillFiles('evil'), 'package/'),
        { name: 'package/x', type: 'symlink', target: '/etc' },
      ]),
    });
    const dir = tempDir();
    await expect(installTo(dir, 'npm:nothing@1')).rejects.toMatchObject({
      code: 'GC_FETCH_FAILED',
      message: expect.stringContaining('404') as string,
    });
    await expect(installTo(dir, 'npm:evil@^2')).rejects.toMatchObject({ code: 'GC_FETCH_FAILED' });
    await expect(installTo(dir, 'npm:evil')).rejects.toMatchObject({ code: 'GC_BAD_PACKAGE' });
    expect(treeOf(dir)).toEqual({});
  }, 60_000);
});

test('a program that is missing is named', async () => {
  setVariable('PATH', tempDir());
  await expect(installTo(tempDir(), 'npm:x')).rejects.toMatchObject({
    code: 'GC_FETCH_FAILED',
    message: expect.stringContaining('needs the program npm') as string,
  });
  await expect(installTo(tempDir(), 'git+file:/x')).rejects.toThrow('needs the program git');
});
