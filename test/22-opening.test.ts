/** Opening a file that cannot be used: an error that says what is wrong and what to do, and nothing left behind. */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { sqlError } from '../kernel/sql/errors.ts';
import { afterTest, openHost, sqlite3, tempDir, tempFile, thrownBy } from './support.ts';

const TABLE = 'CREATE TABLE t(id INTEGER PRIMARY KEY, v)';

describe('refused', () => {
  test('a file that is no database', async () => {
    const file = tempFile('notes.txt');
    writeFileSync(file, 'Dear diary, '.repeat(100));
    const error = await thrownBy(() => openHost({ file }));
    expect([error.code, error.message, error.hint]).toEqual([
      'GC_NOT_A_DATABASE',
      expect.stringContaining(file),
      expect.stringContaining('SQLite file'),
    ]);
  });

  test('a database that is damaged', async () => {
    const file = tempFile();
    sqlite3(
      file,
      TABLE,
      "INSERT INTO t SELECT value, hex(randomblob(500)) FROM json_each('[1,2,3,4,5,6,7,8,9,10,11,12]')",
    );
    const bytes = Buffer.alloc(100_000, 7);
    bytes.write('SQLite format 3\0', 0, 'latin1');
    writeFileSync(file, bytes);
    expect((await thrownBy(() => openHost({ file }))).code).toBe('GC_NOT_A_DATABASE');
  });

  test('a folder', async () => {
    const file = tempDir();
    const error = await thrownBy(() => openHost({ file }));
    expect([error.code, error.message]).toEqual(['GC_CANNOT_OPEN', expect.stringContaining('folder')]);
  });

  test('a file in a folder that does not exist; none is made', async () => {
    const folder = join(tempDir(), 'missing');
    const error = await thrownBy(() => openHost({ file: join(folder, 'app.db') }));
    expect([error.code, error.message]).toEqual(['GC_CANNOT_OPEN', expect.stringContaining(folder)]);
    expect(existsSync(folder)).toBe(false);
  });

  test('a file that a newer GlyphCase wrote; it is not touched', async () => {
    const host = openHost();
    await host.close();
    sqlite3(host.file, "UPDATE _capsule_meta SET value = 99 WHERE key = 'version'");
    const error = await thrownBy(() => openHost({ file: host.file }));
    expect(error.message).toContain('99');
    expect(
      sqlite3(
        host.file,
        "SELECT value FROM _capsule_meta WHERE key = 'version'",
        'SELECT count(*) FROM _capsule_hosts',
      ).trim(),
    ).toBe('99\n0');
  });

  test('a file that another program has locked for itself', async () => {
    const file = tempFile();
    sqlite3(file, TABLE);
    const other = new BetterSqlite3(file);
    afterTest(() => other.close());
    other.pragma('locking_mode = EXCLUSIVE');
    other.exec('BEGIN EXCLUSIVE; INSERT INTO t VALUES (1, 1); COMMIT');
    const started = Date.now();
    const error = await thrownBy(() => openHost({ file, busyTimeout: 100 }));
    expect(error.code).toBe('GC_LOCKED');
    expect(error.message).toContain(file);
    expect(Date.now() - started).toBeLessThan(20_000);
  });
});

describe('SQLite’s own errors, which nobody can provoke on every machine', () => {
  test.each([
    ['SQLITE_READONLY', 'GC_READ_ONLY'],
    ['SQLITE_READONLY_DIRECTORY', 'GC_READ_ONLY'],
    ['SQLITE_CANTOPEN', 'GC_CANNOT_OPEN'],
    ['SQLITE_FULL', 'GC_DISK_FULL'],
    ['SQLITE_BUSY_SNAPSHOT', 'GC_LOCKED'],
    ['SQLITE_CORRUPT', 'GC_NOT_A_DATABASE'],
  ])('%s is %s', (code, ours) => {
    expect(sqlError(Object.assign(new Error('what SQLite says'), { code }), '')).toMatchObject({
      code: ours,
      message: expect.stringContaining('what SQLite says') as string,
    });
  });

  test('a handle that SQLite opened read-only refuses to write, and says so', () => {
    const host = openHost({ schema: TABLE });
    let caught: unknown;
    try {
      host.db.reader.exec('INSERT INTO t VALUES (1, 1)');
    } catch (error) {
      caught = sqlError(error, 'INSERT INTO t VALUES (1, 1)');
    }
    expect(caught).toMatchObject({ code: 'GC_READ_ONLY' });
  });
});

describe('a full disk', () => {
  const fill = (pages: number) => {
    const host = openHost({ schema: TABLE });
    const got = host.collect(host.capsule.watch('t'), { name: 'mirror' });
    host.run("INSERT INTO t VALUES (1, 'before')");
    host.db.sqlite.pragma(`max_page_count = ${(host.db.value('PRAGMA page_count') as number) + pages}`);
    return { host, got };
  };

  test('a transaction that does not fit is GC_DISK_FULL, and is undone as a whole; what was committed before is delivered', async () => {
    const { host, got } = fill(2);
    await host.flush();
    const work = host.db.exclusive(() => {
      for (let id = 2; id < 1000; id += 1) host.db.run('INSERT INTO t VALUES (?, ?)', [id, 'x'.repeat(1000)]);
    });
    await expect(work).rejects.toMatchObject({ code: 'GC_DISK_FULL' });
    expect(host.db.value('SELECT count(*) FROM t')).toBe(1);
    expect(got.short).toEqual(['INSERT 1']);
  });

  test('when there is room again everything goes on', async () => {
    const { host, got } = fill(1);
    await host.db
      .exclusive(() => host.db.run('INSERT INTO t VALUES (2, ?)', ['x'.repeat(20_000)]))
      .catch(() => undefined);
    await host.flush();
    host.db.sqlite.pragma('max_page_count = 100000');
    host.run("INSERT INTO t VALUES (3, 'after')");
    await host.flush();
    expect(got.short).toEqual(['INSERT 1', 'INSERT 3']);
    expect(host.db.value("SELECT cursor FROM _capsule_subscriptions WHERE name = 'mirror'")).toBe(host.capsule.end);
  });
});

describe('opened and closed', () => {
  test('a file that is not there is made, in WAL mode; closing leaves no -wal and no handle', async () => {
    const file = tempFile('new.db');
    const host = openHost({ file });
    expect(host.db.value('PRAGMA journal_mode')).toBe('wal');
    await host.close();
    expect(readdirSync(join(file, '..'))).toEqual(['new.db']);
    const error = await thrownBy(() => host.db.all('SELECT 1'));
    expect(error.code).toBe('GC_CLOSED');
  });

  test('an existing database with tables and data of its own, in another journal mode', async () => {
    const file = tempFile();
    sqlite3(file, 'PRAGMA journal_mode = DELETE', TABLE, "INSERT INTO t VALUES (1, 'a')");
    const host = openHost({ file });
    const got = host.collect(host.capsule.watch('t'));
    host.run("UPDATE t SET v = 'b'");
    await host.flush();
    expect(got.short).toEqual(['UPDATE 1']);
  });

  test('an unusual folder and file name', async () => {
    const folder = join(tempDir(), "it's a 100% «папка» # ?");
    mkdirSync(folder);
    const host = openHost({ file: join(folder, 'данные 🎉.db'), schema: TABLE });
    const got = host.collect(host.capsule.watch('t'));
    sqlite3(host.file, 'INSERT INTO t VALUES (1, 2)');
    await host.flush();
    expect(got.short).toEqual(['INSERT 1']);
  });

  test('closing while a transaction is open waits for it, and takes everything out', async () => {
    const host = openHost({ schema: TABLE });
    host.collect(host.capsule.watch('t'));
    const open = host.db.transaction(async () => {
      host.db.exec('INSERT INTO t VALUES (1, 1)');
      await new Promise((resolve) => setTimeout(resolve, 30));
      host.db.exec('INSERT INTO t VALUES (2, 2)');
    });
    const closed = host.close();
    await open;
    await closed;
    const left = sqlite3(
      host.file,
      'SELECT count(*) FROM t',
      'SELECT count(*) FROM _capsule_hosts',
      "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 't'",
    );
    expect(left.trim().split('\n')).toEqual(['2', '0', '0']);
  });
});
