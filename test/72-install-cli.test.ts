/** `glyphcase skill install`, `remove` and `sign`, as a person and as a program run them. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { cliHere, root, startCli } from './70-cli-support.ts';
import { archiveOf, entriesOf, folderOf, leftovers, skillFiles, treeOf } from './72-install-support.ts';
import { sqlite3, tempDir } from './support.ts';

const NETWORK = { permissions: { database: { read: ['orders'] }, network: ['api.example.com'] } };
const NOTES =
  'function on_install() glyphcase.execute("CREATE TABLE notes (a)") glyphcase.execute("INSERT INTO notes VALUES (1), (2)") end';

describe('mistakes', () => {
  test.each([
    [['install'], "missing required argument 'source'", 2],
    [['install', 'nowhere'], 'There is no file or folder nowhere [GC_BAD_ARGUMENT]', 1],
    [['install', 'https://example.com/x.tgz'], 'no source that skills are installed from', 1],
    [['install', '.', '--yes', '--db', 'no.db'], 'There is no database no.db', 1],
    [['install', '.', '--skils', 'x'], "unknown option '--skils'", 2],
    [['remove'], "missing required argument 'id'", 2],
    [['remove', 'tidy'], 'There is no skill "tidy"', 1],
    [['sign'], 'There is nothing to sign', 2],
    [['sign', '.'], 'A signature needs a key: --key FILE', 2],
    [['sign', '.', '--key', 'a', '--new-key', 'b'], 'exclude each other', 2],
    [['sign', 'nowhere', '--key', 'a'], 'There is no folder nowhere', 1],
    [['sign', '.', '--key', 'a'], 'manifest.json is missing', 1],
  ])('in %j are explained', async (args, why, code) => {
    const folder = tempDir();
    const result = await cliHere(['skill', ...args], { cwd: folder });
    expect(result.stderr).toContain(why);
    expect(result).toMatchObject({ code, stdout: '' });
    expect(treeOf(folder)).toEqual({});
  });
});

test('without a terminal and without --yes it shows what it would do, and does nothing', async () => {
  const cwd = tempDir();
  const source = await archiveOf('zip', entriesOf(skillFiles('tidy', '1.0.0', NETWORK)));
  const { code, stdout, stderr } = await cliHere(['skill', 'install', source], { cwd });
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toContain('network: api.example.com (!)');
  expect(stderr).toContain('signed    by nobody');
  expect(stderr).toMatch(/it must be confirmed, and this is no terminal \[GC_INSTALL_REFUSED\]\n {2}hint: .*--yes/);
  expect(existsSync(join(cwd, 'skills'))).toBe(false);
});

test('installed, again, upgraded with the difference shown, and removed with its data', async () => {
  const cwd = tempDir();
  sqlite3(join(cwd, 'glyphcase.db'), 'CREATE TABLE orders (id INTEGER PRIMARY KEY)');
  const run = (...args: readonly string[]): ReturnType<typeof cliHere> => cliHere(['skill', ...args], { cwd });
  const first = folderOf(skillFiles('tidy', '1.0.0', {}, NOTES));
  expect(await run('install', first, '--yes', '--db', 'glyphcase.db')).toMatchObject({
    code: 0,
    stdout: 'installed tidy 1.0.0 in skills/tidy\ntidy is active on glyphcase.db\n',
  });
  expect(await run('install', first)).toMatchObject({
    code: 0,
    stdout: 'already installed: tidy 1.0.0 in skills/tidy\n',
  });
  const next = await run('install', folderOf(skillFiles('tidy', '1.1.0', NETWORK, NOTES)), '--yes', '--json');
  expect(next.stderr).toMatch(
    /tidy 1\.0\.0 → 1\.1\.0[\s\S]*\+ database\.read: orders\n.*\+ network: api\.example\.com \(!\)/,
  );
  expect(JSON.parse(next.stdout)).toMatchObject({
    id: 'tidy',
    changed: true,
    previous: '1.0.0',
    diff: { added: [{ key: 'database.read' }, { key: 'network', sensitive: true }] },
  });
  writeFileSync(join(cwd, 'skills', 'tidy', 'main.lua'), '-- edited');
  expect((await run('check', 'skills/tidy')).stdout).toContain('tidy');
  expect(await run('remove', 'tidy')).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/notes, 2 rows: goes[\s\S]*GC_INSTALL_REFUSED/) as string,
  });
  expect(await run('remove', 'tidy', '--yes')).toMatchObject({ code: 0, stdout: 'removed tidy\n' });
  expect(treeOf(join(cwd, 'skills'))).toEqual({});
  expect(sqlite3(join(cwd, 'glyphcase.db'), "SELECT count(*) FROM sqlite_schema WHERE name = 'notes'")).toBe('0\n');
});

test('--keep-data leaves the tables', async () => {
  const cwd = tempDir();
  sqlite3(join(cwd, 'app.db'), 'CREATE TABLE orders (id)');
  await cliHere(['skill', 'install', folderOf(skillFiles('tidy', '1.0.0', {}, NOTES)), '--yes', '--db', 'app.db'], {
    cwd,
  });
  expect(await cliHere(['skill', 'remove', 'tidy', '--keep-data', '--yes', '--db', 'app.db'], { cwd })).toMatchObject({
    code: 0,
  });
  expect(sqlite3(join(cwd, 'app.db'), 'SELECT count(*) FROM notes')).toBe('2\n');
});

test('signed by a key of its own, and trusted by whoever names it, also in a configuration file', async () => {
  const cwd = tempDir();
  const run = (...args: readonly string[]): ReturnType<typeof cliHere> => cliHere(['skill', ...args], { cwd });
  folderOf(skillFiles(), join(cwd, 'work', 'tidy'));
  const made = await run('sign', '--new-key', 'me.key', 'work/tidy');
  expect(made).toMatchObject({ code: 0 });
  const keyId = /key {6}(SHA256:\S+)/.exec(made.stdout)?.[1] ?? '';
  expect(await run('sign', '--new-key', 'me.key')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('me.key exists already') as string,
  });
  writeFileSync(join(cwd, 'host.json'), JSON.stringify({ skills: { dir: 'there', trustedKeys: ['me.key.pub'] } }));
  const trusted = await run('install', 'work/tidy', '--yes', '--config', 'host.json');
  expect(trusted).toMatchObject({ code: 0, stdout: 'installed tidy 1.0.0 in there/tidy\n' });
  expect(trusted.stderr).toContain(`signed    ${keyId}, trusted`);
  writeFileSync(join(cwd, 'work', 'tidy', 'main.lua'), '-- evil');
  expect(await run('install', 'work/tidy', '--yes', '--force')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('GC_NOT_TRUSTED') as string,
  });
  folderOf(skillFiles('other'), join(cwd, 'work', 'other'));
  const unsigned = await run('install', 'work/other', '--yes', '--trusted-key', 'me.key.pub');
  expect(unsigned).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/is not signed.*\[GC_NOT_TRUSTED\]/) as string,
  });
});

test('what fails on the database is said, with code 1 and everything as it was', async () => {
  const cwd = tempDir();
  sqlite3(join(cwd, 'app.db'), 'CREATE TABLE orders (id)');
  const source = folderOf(skillFiles('tidy', '1.0.0', {}, 'function on_install()\n  error("no such luck")\nend'));
  const { code, stdout, stderr } = await cliHere(['skill', 'install', source, '--yes', '--db', 'app.db'], { cwd });
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toMatch(/does not start on the database: .*main\.lua:2: no such luck/);
  expect(stderr).toContain('Folder, lock and database are as they were before.');
  expect(leftovers(join(cwd, 'skills'))).toEqual([]);
});

test('what a package says of itself cannot move the cursor', async () => {
  const source = folderOf(skillFiles('tidy', '1.0.0', { name: 'x\u001b[2J', description: 'a\nerror: b' }));
  const { stderr } = await cliHere(['skill', 'install', source], { cwd: tempDir() });
  expect(stderr).not.toContain('\u001b');
  expect(stderr).toContain('a\\nerror: b');
});

test('a running host takes over what is installed, and lets go of what is removed', async () => {
  const cwd = tempDir();
  sqlite3(join(cwd, 'glyphcase.db'), 'CREATE TABLE orders (id INTEGER PRIMARY KEY)');
  const run = (...args: readonly string[]): ReturnType<typeof cliHere> => cliHere(['skill', ...args], { cwd });
  await run('install', folderOf(skillFiles('first')), '--yes');
  const host = startCli(['start'], { cwd });
  await host.shows('Ready');
  await run('install', folderOf(skillFiles('tidy', '1.0.0', {}, NOTES)), '--yes');
  await host.shows(/tidy.*active/);
  await run(
    'install',
    folderOf(skillFiles('tidy', '1.1.0', {}, `${NOTES}\nfunction on_activate() print("one one is here") end`)),
    '--yes',
  );
  await host.shows('one one is here');
  expect(await run('remove', 'tidy', '--yes')).toMatchObject({ code: 0, stdout: 'removed tidy\n' });
  expect(
    sqlite3(
      join(cwd, 'glyphcase.db'),
      "SELECT id FROM _skills; SELECT count(*) FROM sqlite_schema WHERE name = 'notes'",
    ),
  ).toBe('first\n0\n');
  expect(await host.stop()).toBe(0);
});

describe('on a terminal', () => {
  /** Runs a command on a pseudo-terminal and types an answer to its question. */
  const PTY = `
import os, pty, sys
answer, argv = sys.argv[1], sys.argv[2:]
pid, fd = pty.fork()
if pid == 0: os.execv(argv[0], argv)
out = b''
typed = False
while True:
    try: data = os.read(fd, 4096)
    except OSError: break
    if not data: break
    out += data
    if b'[y/N]' in out and not typed:
        typed = True
        os.write(fd, answer.encode())
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
print(out.decode())
`;
  test.each([
    ['y\n', 0],
    ['yes\n', 0],
    ['n\n', 1],
    ['\n', 1],
    ['yep\n', 1],
    ['\u0003', 1],
    ['\u0004', 1],
  ])('the answer %j ends with %i', (answer, code) => {
    const cwd = tempDir();
    const source = folderOf(skillFiles('tidy', '1.0.0', NETWORK));
    const args = ['-c', PTY, answer, process.execPath, join(root, 'bin', 'glyphcase.js'), 'skill', 'install', source];
    const output = execFileSync('python3', args, { cwd, encoding: 'utf8', timeout: 60_000 });
    expect(output).toContain('Install it into skills/tidy? [y/N]');
    expect(Number(output.split('\n')[0])).toBe(code);
    expect(existsSync(join(cwd, 'skills', 'tidy', 'main.lua'))).toBe(code === 0);
    if (code === 0) expect(readFileSync(join(cwd, 'skills', 'skills.lock.json'), 'utf8')).toContain('"tidy"');
    else expect(existsSync(join(cwd, 'skills'))).toBe(false);
  });
});

test('a skill that check doubts is installed with a warning, and check says when its files were changed', async () => {
  const cwd = tempDir();
  const run = (...args: readonly string[]): ReturnType<typeof cliHere> => cliHere(['skill', ...args], { cwd });
  const source = folderOf(skillFiles('tidy', '1.0.0', {}, 'function f() glyphcase.insert("orders", { id = 1 }) end'));
  const installed = await run('install', source, '--yes');
  expect(installed.code).toBe(0);
  expect(installed.stderr).toContain('orders');
  expect((await run('check', 'skills/tidy')).stdout).not.toContain('differ');
  writeFileSync(join(cwd, 'skills/tidy/extra.lua'), 'return 1\n');
  expect((await run('check', 'skills/tidy')).stdout).toMatch(
    /note: its files differ from version 1\.0\.0 that was installed/,
  );
});
