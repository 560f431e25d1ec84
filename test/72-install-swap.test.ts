/** All or nothing: an installation that dies at any step, that fails on the database, that somebody else is at as well. */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { GlyphCase } from '../sdk/index.ts';
import { verifyLock } from '../sdk/install/lock-file.ts';
import { oneAtATime } from '../sdk/install/one-at-a-time.ts';
import { removeOnFile } from '../sdk/install/on-file.ts';
import { folderOf, installTo, leftovers, skillFiles, treeOf } from './72-install-support.ts';
import { afterTest, sqlite3, startNode, tempDir, until } from './support.ts';

const STEPS = ['staged', 'written down', 'old aside', 'new in place', 'locked', 'forgotten'];
const FIRST = skillFiles('tidy', '1.0.0', {}, '-- one');
const SECOND = skillFiles('tidy', '2.0.0', {}, '-- two');

/** The version whose files, all of them, are there; the lock must agree. */
function versionIn(dir: string): string | undefined {
  const { 'tidy/main.lua': main, 'tidy/manifest.json': manifest } = treeOf(dir);
  for (const { state } of verifyLock(dir)) expect(state).toBe('unchanged');
  if (main === undefined) return undefined;
  const version = main === '-- one' ? '1.0.0' : '2.0.0';
  expect(manifest).toContain(version);
  expect(verifyLock(dir).map((one) => one.entry.version)).toEqual([version]);
  return version;
}

async function dieAt(step: string, source: string, dir: string, ...more: readonly string[]): Promise<string> {
  const child = startNode(join(import.meta.dirname, '72-install-killed.ts'), source, dir, step, ...more);
  await child.ended;
  return child.signalCode ?? child.output;
}

describe('an installation that is killed', () => {
  test.each(STEPS.filter((step) => step !== 'old aside'))(
    'at "%s", the first of its skill, is repaired by the next',
    async (step) => {
      const dir = tempDir();
      expect(await dieAt(step, folderOf(FIRST), dir)).toBe('SIGKILL');
      await installTo(dir, folderOf(skillFiles('other')));
      expect(leftovers(dir)).toEqual([]);
      const entry = verifyLock(dir).filter((one) => one.id === 'tidy');
      const isThere = readdirSync(dir).includes('tidy');
      expect(isThere).toBe(['new in place', 'locked', 'forgotten'].includes(step));
      expect(entry).toHaveLength(isThere ? 1 : 0);
      for (const one of entry) expect(one.state).toBe('unchanged');
    },
  );

  test.each(STEPS)('at "%s" leaves the old version or the new one after repair', async (step) => {
    const dir = tempDir();
    await installTo(dir, folderOf(FIRST));
    expect(await dieAt(step, folderOf(SECOND), dir)).toBe('SIGKILL');
    // Another one, which fails for reasons of its own, repairs all the same.
    await expect(installTo(dir, folderOf(skillFiles('Not an id')))).rejects.toMatchObject({ code: 'GC_BAD_MANIFEST' });
    expect(leftovers(dir)).toEqual([]);
    expect(versionIn(dir)).toBe(['new in place', 'locked', 'forgotten'].includes(step) ? '2.0.0' : '1.0.0');
    await installTo(dir, folderOf(SECOND));
    expect(versionIn(dir)).toBe('2.0.0');
  });

  const BROKEN = { ...skillFiles('tidy', '2.0.0', {}, '-- two\nfunction on_upgrade() error("no") end') };
  test.each(['undo written down', 'new out', 'old back', 'lock back'])(
    'at "%s", while it is taken back, is taken back by the next',
    async (step) => {
      const dir = tempDir();
      const db = join(tempDir(), 'app.db');
      sqlite3(db, 'CREATE TABLE t (id)');
      await installTo(dir, folderOf(FIRST), { filename: db });
      expect(await dieAt(step, folderOf(BROKEN), dir, db)).toBe('SIGKILL');
      await installTo(dir, folderOf(skillFiles('other')));
      expect(leftovers(dir)).toEqual([]);
      expect(treeOf(dir)).toMatchObject({ 'tidy/main.lua': '-- one' });
      expect(verifyLock(dir)).toMatchObject([
        { id: 'other' },
        { id: 'tidy', state: 'unchanged', entry: { version: '1.0.0' } },
      ]);
    },
  );

  test('and repaired does not touch what was put there by hand meanwhile', async () => {
    const dir = tempDir();
    expect(await dieAt('written down', folderOf(FIRST), dir)).toBe('SIGKILL');
    folderOf(skillFiles('tidy', '3.0.0', {}, '-- by hand'), join(dir, 'tidy'));
    await installTo(dir, folderOf(skillFiles('other')));
    expect(treeOf(dir)['tidy/main.lua']).toBe('-- by hand');
    expect(verifyLock(dir).map((one) => one.id)).toEqual(['other']);
  });
});

describe('on a database', () => {
  const ORDERS = 'CREATE TABLE orders (id INTEGER PRIMARY KEY, note TEXT)';
  const V1 = `function on_install() glyphcase.execute("CREATE TABLE notes (text)") glyphcase.insert("notes", { text = "one" }) end`;

  function database(): string {
    const file = join(tempDir(), 'app.db');
    sqlite3(file, ORDERS);
    return file;
  }
  /** All that installing may change. */
  const stateOf = (db: string): string =>
    sqlite3(
      db,
      `SELECT id, version, hash, enabled, error, approved FROM _skills; SELECT sql FROM sqlite_schema WHERE name NOT LIKE '\\_%' ESCAPE '\\' AND name NOT LIKE 'idx%'; SELECT * FROM notes`,
    );

  test('it is installed, upgraded and approved there at once', async () => {
    const [dir, db] = [tempDir(), database()];
    const first = await installTo(
      dir,
      folderOf(skillFiles('tidy', '1.0.0', { permissions: { network: ['a.example.com'] } }, V1)),
      { filename: db, confirm: () => true },
    );
    expect(first.report).toMatchObject({ state: 'active', version: '1.0.0' });
    expect(sqlite3(db, 'SELECT text FROM notes; SELECT version, approved FROM _skills')).toBe(
      'one\n1.0.0|["network \\"a.example.com\\""]\n',
    );
    const up = `${V1}\nfunction on_upgrade(from) glyphcase.insert("notes", { text = "from " .. from }) end`;
    await installTo(dir, folderOf(skillFiles('tidy', '1.1.0', {}, up)), { filename: db });
    expect(sqlite3(db, 'SELECT text FROM notes; SELECT version FROM _skills')).toBe('one\nfrom 1.0.0\n1.1.0\n');
  });

  test.each<[string, string]>([
    ['on_upgrade fails', `${V1}\nfunction on_upgrade() glyphcase.insert("notes", { text = "half" }) error("no") end`],
    [
      'on_activate fails',
      'function on_upgrade() glyphcase.execute("DROP TABLE notes") end function on_activate() error("no") end',
    ],
    ['the script fails', 'error("no")'],
  ])('when %s, folder, lock and database are as they were', async (_, main) => {
    const [dir, db] = [tempDir(), database()];
    await installTo(dir, folderOf(skillFiles('tidy', '1.0.0', {}, V1)), { filename: db });
    const before = [treeOf(dir), stateOf(db)];
    const error = await installTo(dir, folderOf(skillFiles('tidy', '2.0.0', {}, main)), { filename: db }).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toMatchObject({
      message: expect.stringMatching(/^Version 2\.0\.0 of the skill tidy does not start.*no/s) as string,
    });
    expect([treeOf(dir), stateOf(db)]).toEqual(before);
    expect(leftovers(dir)).toEqual([]);
    // And nothing stands in the way of the next try.
    await installTo(dir, folderOf(skillFiles('tidy', '2.0.0')), { filename: db });
    expect(stateOf(db)).toContain('tidy|2.0.0');
  });

  test('when a first on_install or a migration fails, nothing is left', async () => {
    const [dir, db] = [tempDir(), database()];
    const failing = skillFiles('tidy', '1.0.0', {}, `${V1}\nfunction on_activate() error("no") end`);
    await expect(installTo(dir, folderOf(failing), { filename: db })).rejects.toThrow('no');
    const migration = {
      ...skillFiles('tidy'),
      'migrations/001.sql': 'CREATE TABLE notes (text); CREATE TABLE orders (x);',
    };
    await expect(installTo(dir, folderOf(migration), { filename: db })).rejects.toThrow('orders');
    expect(treeOf(dir)).toEqual({});
    expect(sqlite3(db, "SELECT count(*) FROM _skills; SELECT count(*) FROM sqlite_schema WHERE name = 'notes'")).toBe(
      '0\n0\n',
    );
  });

  test('what it waits for does not keep it from being installed', async () => {
    const [dir, db] = [tempDir(), database()];
    const needy = skillFiles(
      'tidy',
      '1.0.0',
      { watches: ['later'], permissions: { database: { read: ['later'] } } },
      'function on_data_changed() end',
    );
    const { report } = await installTo(dir, folderOf(needy), { filename: db });
    expect(report).toMatchObject({ state: 'waiting' });
    expect(Object.keys(treeOf(dir))).toContain('tidy/main.lua');
  });

  test('a skill it needs, which lies there, is started before it', async () => {
    const [dir, db] = [tempDir(), database()];
    await installTo(dir, folderOf(skillFiles('currency')));
    const { report, missing } = await installTo(
      dir,
      folderOf(skillFiles('tidy', '1.0.0', { dependencies: { currency: '^1.0.0' } })),
      { filename: db },
    );
    expect({ state: report?.state, missing }).toEqual({ state: 'active', missing: [] });
  });

  test('an older version than has run there is refused, unless forced', async () => {
    const [dir, db] = [tempDir(), database()];
    await installTo(dir, folderOf(skillFiles('tidy', '2.0.0')), { filename: db });
    await removeOnFile({ id: 'tidy', dir });
    const older = folderOf(skillFiles('tidy', '1.0.0'));
    await expect(installTo(dir, older, { filename: db })).rejects.toMatchObject({ code: 'GC_DOWNGRADE' });
    expect(treeOf(dir)).toEqual({});
    expect(await installTo(dir, older, { filename: db, force: true })).toMatchObject({ report: { state: 'active' } });
  });

  test('removing it calls on_uninstall and takes its tables; a database that fails keeps everything', async () => {
    const [dir, db] = [tempDir(), database()];
    const main = `${V1}\nfunction on_uninstall() glyphcase.execute("INSERT INTO orders (note) VALUES ('bye')") end`;
    const manifest = { permissions: { database: { write: ['orders'] } } };
    await installTo(dir, folderOf(skillFiles('tidy', '1.0.0', manifest, main)), { filename: db });
    const tree = treeOf(dir);
    await expect(removeOnFile({ id: 'tidy', dir, filename: db, confirm: () => false })).rejects.toMatchObject({
      code: 'GC_INSTALL_REFUSED',
    });
    expect(treeOf(dir)).toEqual(tree);
    await expect(removeOnFile({ id: 'tidy', dir, filename: db }, { busyTimeout: -1 })).rejects.toMatchObject({
      code: 'GC_BAD_OPTION',
    });
    expect(treeOf(dir)).toEqual(tree);
    expect(sqlite3(db, 'SELECT enabled FROM _skills; SELECT text FROM notes')).toBe('1\none\n');
    expect(await removeOnFile({ id: 'tidy', dir, filename: db })).toMatchObject({
      tables: [{ name: 'notes', rows: 1 }],
    });
    expect(
      sqlite3(
        db,
        "SELECT note FROM orders; SELECT count(*) FROM _skills; SELECT count(*) FROM sqlite_schema WHERE name = 'notes'",
      ),
    ).toBe('bye\n0\n0\n');
    expect(treeOf(dir)).toEqual({});
    expect(leftovers(dir)).toEqual([]);
  });

  test('a host that does not let go of it keeps its data from being removed', async () => {
    const [dir, db] = [tempDir(), database()];
    await installTo(dir, folderOf(skillFiles('tidy', '1.0.0', {}, V1)), { filename: db });
    const tree = treeOf(dir);
    const host = new GlyphCase(db, { skills: { dir, watch: false } });
    afterTest(() => host.close());
    await host.ready;
    await expect.poll(() => sqlite3(db, 'SELECT state FROM _skills')).toBe('active\n');
    await expect(removeOnFile({ id: 'tidy', dir, filename: db })).rejects.toMatchObject({ code: 'GC_HOST_RUNNING' });
    expect(treeOf(dir)).toEqual(tree);
    expect(host.skills.get('tidy')?.state).toBe('active');
    expect(sqlite3(db, 'SELECT text FROM notes')).toBe('one\n');
  });

  test('its data may stay, and may go when the folder is long gone', async () => {
    const [dir, db] = [tempDir(), database()];
    await installTo(dir, folderOf(skillFiles('tidy', '1.0.0', {}, V1)), { filename: db });
    expect(await removeOnFile({ id: 'tidy', dir, filename: db, keepData: true })).toMatchObject({
      tables: [],
      keepData: true,
    });
    expect(sqlite3(db, 'SELECT text FROM notes')).toBe('one\n');
    await removeOnFile({ id: 'tidy', dir, filename: db });
    expect(sqlite3(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'notes'")).toBe('0\n');
  });
});

describe('in a running host', () => {
  async function host(dir: string): Promise<GlyphCase> {
    const db = new GlyphCase(join(tempDir(), 'app.db'), { skills: { dir, watch: false } });
    afterTest(() => db.close());
    await db.ready;
    return db;
  }

  test('install starts it, an upgrade that fails leaves the old one running, remove ends it', async () => {
    const dir = tempDir();
    const db = await host(dir);
    const main = (word: string): string => `function say() return "${word}" end`;
    expect(await db.skills.install(folderOf(skillFiles('tidy', '1.0.0', {}, main('one'))))).toMatchObject({
      id: 'tidy',
      report: { state: 'active' },
    });
    expect(await db.skills.call('tidy', 'say')).toBe('one');
    const tree = treeOf(dir);
    const failing = folderOf(skillFiles('tidy', '2.0.0', {}, `${main('two')} function on_upgrade() error("no") end`));
    await expect(db.skills.install(failing)).rejects.toThrow('no');
    expect(treeOf(dir)).toEqual(tree);
    expect(await db.skills.call('tidy', 'say')).toBe('one');
    expect(db.skills.get('tidy')).toMatchObject({ state: 'active', version: '1.0.0', reasons: [] });
    const table = skillFiles(
      'tidy',
      '2.0.0',
      {},
      `${main('two')} function on_upgrade() glyphcase.execute("CREATE TABLE notes (a)") end`,
    );
    await db.skills.install(folderOf(table));
    expect(await db.skills.call('tidy', 'say')).toBe('two');
    expect(await db.skills.remove('tidy')).toMatchObject({ tables: [{ name: 'notes', rows: 0 }] });
    expect([db.skills.list(), treeOf(dir)]).toEqual([[], {}]);
  });

  test('a first version that fails is gone again', async () => {
    const dir = tempDir();
    const db = await host(dir);
    await expect(db.skills.install(folderOf(skillFiles('tidy', '1.0.0', {}, 'error("no")')))).rejects.toThrow('no');
    expect([db.skills.list(), treeOf(dir)]).toEqual([[], {}]);
  });

  test('without a skills folder it says so', async () => {
    const db = new GlyphCase(':memory:');
    afterTest(() => db.close());
    await expect(db.skills.install(folderOf(skillFiles()))).rejects.toMatchObject({ code: 'GC_BAD_ARGUMENT' });
  });
});

describe('two at once', () => {
  test('in one process come one after the other', async () => {
    const dir = tempDir();
    await Promise.all(['a', 'b', 'c'].map((id) => installTo(dir, folderOf(skillFiles(id)))));
    expect(verifyLock(dir).map((one) => `${one.id} ${one.state}`)).toEqual([
      'a unchanged',
      'b unchanged',
      'c unchanged',
    ]);
    expect(leftovers(dir)).toEqual([]);
  });

  test('never work at the same time', async () => {
    const dir = tempDir();
    let inside = 0;
    let most = 0;
    const work = async (): Promise<void> => {
      most = Math.max(most, (inside += 1));
      await new Promise((resolve) => setTimeout(resolve, 2));
      inside -= 1;
    };
    await Promise.all(Array.from({ length: 12 }, () => oneAtATime(dir, work)));
    expect(most).toBe(1);
  });

  test('in two processes: who comes second waits, then says who holds it up; a dead one holds nobody up', async () => {
    const dir = tempDir();
    const script = join(tempDir(), 'hold.ts');
    writeFileSync(
      script,
      `import { oneAtATime } from ${JSON.stringify(join(import.meta.dirname, '../sdk/install/one-at-a-time.ts'))};
      await oneAtATime(${JSON.stringify(dir)}, () => { process.stdout.write('held'); return new Promise((resolve) => setTimeout(resolve, 60_000)); });`,
    );
    const child = startNode(script);
    await until(() => child.output.includes('held'));
    mkdirSync(join(dir, 'x'));
    await expect(installTo(dir, folderOf(skillFiles()))).rejects.toMatchObject({ code: 'GC_LOCKED' });
    child.kill('SIGKILL');
    await child.ended;
    await installTo(dir, folderOf(skillFiles()));
    expect(leftovers(dir)).toEqual([]);
  });
});
