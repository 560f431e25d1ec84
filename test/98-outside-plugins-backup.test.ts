/** The outside plugin `sqlite-backup` while others write: copies of one moment, cursors that go on, disks that refuse. */
import { execFileSync, spawnSync } from 'node:child_process';
import { openSync, readdirSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { describe, expect, test, vi } from 'vitest';
import { verifyCopy } from '../examples/plugins/sqlite-backup/copy.ts';
import backupPlugin from '../examples/plugins/sqlite-backup/index.ts';
import type { BackupService } from '../examples/plugins/sqlite-backup/index.ts';
import { GlyphCase } from '../sdk/index.ts';
import { definePlugin } from '../sdk/plugin.ts';
import { afterTest, startNode, tempFile, until } from './support.ts';

const TABLE = 'CREATE TABLE t(id INTEGER PRIMARY KEY, who, n)';
const program = (name: string): string => join(import.meta.dirname, name);

interface Opened {
  readonly host: GlyphCase;
  readonly file: string;
  readonly dir: string;
  readonly backup: BackupService;
}

/** A host with the plugin, and the service as another plugin is given it. */
async function open(file = tempFile(), schema = TABLE): Promise<Opened> {
  let backup: BackupService | undefined;
  const user = definePlugin({
    name: 'user',
    version: '1.0.0',
    requires: { backup: '^1.0.0' },
    activate: (ctx) => void (backup = ctx.use<BackupService>('backup')),
  });
  const host = new GlyphCase(file, { plugins: [backupPlugin, user], capsule: { batchInterval: 0 } });
  afterTest(() => host.close());
  if (schema !== '') await host.execute(schema);
  return { host, file, dir: join(dirname(file), 'backups'), backup: backup! };
}

/** Some 8 MB, which take more than one turn to copy. */
const fill = (host: GlyphCase): Promise<unknown> =>
  host.execute(
    "WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < 8000) INSERT INTO t (who, n) SELECT 'big', hex(randomblob(500)) FROM s",
  );

/** Runs `fn` on a file that nobody else has open. */
function inspect<T>(file: string, fn: (db: BetterSqlite3.Database) => T): T {
  const db = new BetterSqlite3(file, { readonly: true });
  try {
    return fn(db);
  } finally {
    db.close();
  }
}

describe('while others write', () => {
  test('every copy is one moment of the database, and nobody misses a change', async () => {
    const { host, file, backup } = await open();
    await fill(host);
    const seen = new Set<number>();
    let doubled = 0;
    host.subscribe(host.watch('t', "who = 'out' OR who = 'host'"), (events) => {
      for (const { seq } of events) {
        if (seen.has(seq)) doubled += 1;
        seen.add(seq);
      }
    });
    const writer = startNode(program('32-outside-writer.ts'), file, 'out', 'plain', '60000');
    await until(() => writer.output.includes('ready'));
    let writes = 0;
    const stop = new AbortController();
    const writing = (async () => {
      while (!stop.signal.aborted) {
        await host.insert('t', { who: 'host', n: (writes += 1) });
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    const during: number[] = [];
    const made = [];
    for (let round = 0; round < 2; round++) {
      const before = writes;
      made.push(await backup.now());
      during.push(writes - before);
    }
    stop.abort();
    await writing;
    writer.kill('SIGKILL');
    await writer.ended;
    await host.flush();

    // The host went on writing during each of them.
    expect(during.every((count) => count > 0)).toBe(true);
    for (const { file: copy } of made) {
      // Both writers number what they commit.
      const rows = inspect(copy, (db) =>
        db.prepare("SELECT count(*) AS c, max(n) AS m FROM t WHERE who <> 'big' GROUP BY who").all(),
      );
      expect(rows.length).toBeGreaterThan(0);
      for (const { c, m } of rows as { c: number; m: number }[]) expect(c).toBe(m);
    }
    const total = await host.queryScalar<number>("SELECT count(*) FROM t WHERE who <> 'big'");
    expect({ seen: seen.size, doubled }).toEqual({ seen: total, doubled: 0 });
  });

  test('a copy is one file, and knows nothing of what an open transaction has written', async () => {
    const { host, dir, backup } = await open();
    await host.insert('t', { who: 'committed' });
    await host.transaction(async () => {
      await host.insert('t', { who: 'open' });
      await backup.now();
    });
    const [name, ...others] = readdirSync(dir);
    expect(others).toEqual([]);
    const who = inspect(join(dir, name!), (db) => db.prepare('SELECT who FROM t').pluck().all());
    expect(who).toEqual(['committed']);
  });
});

test('a restored file goes on where the copy was made: a durable subscription gets what it had not handled, once', async () => {
  const { host, file, backup } = await open();
  const handled: unknown[] = [];
  const mail = (to: unknown[], db: GlyphCase, down: () => boolean): unknown =>
    db.subscribe(
      db.watch('t'),
      (events) => {
        if (down()) throw new Error('the mail server is down');
        to.push(...events.map((event) => event.newData?.['who']));
      },
      { name: 'mailer' },
    );
  let down = false;
  mail(handled, host, () => down);
  await host.insert('t', { who: 'handled' });
  await host.flush();
  down = true;
  await host.insert('t', { who: 'waiting' });
  const { name } = await backup.now();
  await host.insert('t', { who: 'after the copy' });
  const to = join(dirname(file), 'restored.db');
  await backup.restore(name, to);

  await using restored = new GlyphCase(to, { capsule: { batchInterval: 0 } });
  const again: unknown[] = [];
  mail(again, restored, () => false);
  await restored.flush();
  await restored.insert('t', { who: 'new' });
  await restored.flush();
  expect({ handled, again }).toEqual({ handled: ['handled'], again: ['waiting', 'new'] });
});

describe('when it goes wrong', () => {
  test('a disk that refuses half way leaves nothing, and the host goes on', async () => {
    const { host, file } = await open();
    await fill(host);
    await host.close();
    const size = statSync(file).size;
    const blocks = Math.floor(size / 2 / 1024);
    const command = `ulimit -f ${blocks}; exec "$0" "$@"`;
    const output = execFileSync(
      'bash',
      ['-c', command, process.execPath, program('98-outside-plugins-full.ts'), file],
      {
        encoding: 'utf8',
        timeout: 20_000,
      },
    );
    const told = JSON.parse(output) as { code: string; message: string; hint: string; after: number; files: string[] };
    expect(told).toMatchObject({ code: 'GC_CANNOT_OPEN', after: 1, files: [] });
    expect(told.message).toMatch(/The backup to .*app-.*\.db failed/);
    expect(told.hint).toContain('limits on the size of files');
  });

  test('a full disk is told as that, and the backups that are there stay', async () => {
    const { dir, backup } = await open();
    const { name } = await backup.now();
    const full = vi.spyOn(BetterSqlite3.prototype, 'backup').mockImplementation((partial) => {
      writeFileSync(partial, 'half of it');
      return Promise.reject(new BetterSqlite3.SqliteError('database or disk is full', 'SQLITE_FULL'));
    });
    afterTest(() => full.mockRestore());
    await expect(backup.now()).rejects.toMatchObject({
      code: 'GC_DISK_FULL',
      hint: expect.stringContaining('lower `keep`'),
    });
    expect(readdirSync(dir)).toEqual([name]);
  });

  test('what a killed program left is removed, and what a running one is writing stays', async () => {
    const { dir, backup } = await open();
    await backup.now();
    const { pid: dead } = spawnSync(process.execPath, ['-e', '']);
    const alive = startNode('-e', 'setInterval(() => {}, 1000)');
    const partial = (pid: number): string => `.app-20260101T000000000Z.db.${pid}.partial`;
    for (const name of [
      partial(dead),
      `${partial(dead)}-journal`,
      partial(alive.pid!),
      'app-notes.db',
      '.hidden.partial',
    ]) {
      writeFileSync(join(dir, name), '');
    }
    const { name } = await backup.now();
    const left = readdirSync(dir).filter((entry) => entry.startsWith('.') || entry === 'app-notes.db');
    expect(left.sort()).toEqual([partial(alive.pid!), '.hidden.partial', 'app-notes.db'].sort());
    expect((await backup.list()).map((one) => one.name)).toContain(name);
  });

  test('a copy that is damaged or lacks rows is not taken for a good one', async () => {
    const { host, file, backup } = await open();
    await fill(host);
    const made = await backup.now();
    await expect(verifyCopy(host.sqlite, made.file, new Map([['t', 8001]]))).rejects.toThrow(
      't has 8000 rows instead of 8001',
    );
    await expect(verifyCopy(host.sqlite, made.file, new Map([['u', 1]]))).rejects.toThrow('u has no rows instead of 1');
    writeSync(openSync(made.file, 'r+'), Buffer.alloc(4096, 0xab), 0, 4096, 4096 * 20);
    const to = join(dirname(file), 'restored.db');
    await expect(backup.restore(made.name, to)).rejects.toMatchObject({ code: 'GC_NOT_A_DATABASE' });
    expect(readdirSync(dirname(file)).filter((entry) => entry.startsWith('restored'))).toEqual([]);
  });

  test('a host that closes ends the backup under way, which leaves nothing', async () => {
    const { host, dir, backup } = await open();
    await fill(host);
    const made = backup.now();
    const told = expect(made).rejects.toMatchObject({ code: 'GC_SCOPE_CLOSED' });
    await until(() => readdirSync(dirname(dir)).includes('backups') && readdirSync(dir).length > 0);
    await host.close();
    await told;
    expect(readdirSync(dir)).toEqual([]);
  });
});
