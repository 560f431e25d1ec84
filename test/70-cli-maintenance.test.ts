/** `glyphcase inspect`, `doctor` and `detach`: what is in a file, whether it is well, and how it all comes out again. */
import { readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { describe, expect, test } from 'vitest';
import { cliHere, startCli } from './70-cli-support.ts';
import { openHost, sqlite3, tempDir, tempFile } from './support.ts';
import type { Host } from './support.ts';

const SCHEMA =
  'CREATE TABLE orders (id INTEGER PRIMARY KEY, status TEXT UNIQUE, note TEXT); CREATE TABLE other (id INTEGER PRIMARY KEY)';
const objects = (file: string): string => sqlite3(file, 'SELECT group_concat(name) FROM sqlite_schema').trim();

/** A host that was closed: one kept table, one durable subscription, some rows. */
async function closedHost(): Promise<Host> {
  const host = openHost({ schema: SCHEMA });
  host.capsule.keep('orders');
  host.collect(host.capsule.watch('orders'), { name: 'mirror' });
  host.run("INSERT INTO orders (status) VALUES ('a'), ('b')");
  await host.flush();
  await host.close();
  return host;
}

const plain = (file: string): string => {
  sqlite3(file, SCHEMA);
  return file;
};

describe('inspect', () => {
  test('says so of a file without GlyphCase, and creates nothing in it', async () => {
    const file = plain(tempFile());
    const before = objects(file);
    const { code, stdout } = await cliHere(['inspect', '--db', file]);
    expect(stdout).toContain('GlyphCase has not been at work on this file');
    expect(code).toBe(0);
    expect(JSON.parse((await cliHere(['inspect', '--db', file, '--json'])).stdout)).toEqual({ file, attached: false });
    expect(objects(file)).toBe(before);
  });

  test('shows a running host, its watchers, and how far subscriptions are', async () => {
    const host = openHost({ schema: SCHEMA });
    host.collect(host.capsule.watch('orders', "status = 'x'"), { name: 'mirror' });
    host.run("INSERT INTO orders (status) VALUES ('a'), ('x')");
    await host.flush();
    sqlite3(host.file, "INSERT INTO orders (status) VALUES ('b')");
    const state = JSON.parse((await cliHere(['inspect', '--db', host.file, '--json'])).stdout) as Record<
      string,
      unknown
    >;
    expect(state).toMatchObject({
      attached: true,
      log: { rows: 3, first: 1, end: 3 },
      hosts: [{ pid: process.pid, machine: hostname(), alive: true }],
      tables: ['orders'],
      watchers: [{ table: 'orders', filter: "status = 'x'", kept: false, subscriptions: 1 }],
      subscriptions: [{ name: 'mirror', table: 'orders', cursor: 2, lag: 1 }],
      skills: [],
    });
    const { stdout } = await cliHere(['inspect', '--db', host.file]);
    expect(stdout).toMatch(new RegExp(`${process.pid} +\\S+ +alive`));
    expect(stdout).toMatch(/mirror +custom +orders +2 +1/);
  });

  test('shows a host that has died as gone', async () => {
    const { file } = await closedHost();
    sqlite3(file, `INSERT INTO _capsule_hosts(id, machine, pid, position) VALUES ('x', '${hostname()}', 999999, 0)`);
    expect((await cliHere(['inspect', '--db', file])).stdout).toMatch(/999999 +\S+ +gone/);
  });
});

interface Finding {
  readonly level: string;
  readonly topic: string;
  readonly message: string;
  readonly advice?: string;
}

async function examine(
  file: string,
): Promise<{ readonly code: number | null; readonly bad: readonly Finding[]; readonly all: readonly Finding[] }> {
  const { code, stdout } = await cliHere(['doctor', file, '--json']);
  const { findings } = JSON.parse(stdout) as { findings: Finding[] };
  return { code, all: findings, bad: findings.filter((finding) => finding.level !== 'ok') };
}

describe('doctor', () => {
  test('without a file looks at the machine alone', async () => {
    const { code, stdout } = await cliHere(['doctor'], { cwd: tempDir() });
    expect(stdout).toMatch(/ok +Node\.js/);
    expect(stdout).toMatch(/ok +SQLite +3\./);
    expect(stdout).toMatch(/ok +recursive triggers/);
    expect(stdout).toContain('All is well.');
    expect(code).toBe(0);
  });

  test('finds nothing wrong with a file that is well, and changes none of it', async () => {
    const { file } = await closedHost();
    const before = objects(file);
    const { code, bad, all } = await examine(file);
    expect(bad).toEqual([]);
    expect(code).toBe(0);
    const topics = ['disk', 'access', 'journal', 'integrity', 'store', 'triggers', 'hosts', 'cursors'];
    expect(all.map((finding) => finding.topic)).toEqual(expect.arrayContaining(topics));
    expect(objects(file)).toBe(before);
    const untouched = plain(tempFile());
    expect((await examine(untouched)).code).toBe(0);
    expect(objects(untouched)).not.toContain('_capsule');
  });

  test('fails when triggers are missing or not as they should be', async () => {
    const { file } = await closedHost();
    const names = sqlite3(file, "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'orders'")
      .trim()
      .split('\n');
    sqlite3(file, `DROP TRIGGER "${names[0] ?? ''}"`);
    expect(await examine(file)).toMatchObject({
      code: 1,
      bad: [
        { level: 'fail', topic: 'table orders', message: expect.stringContaining('some of its triggers') as string },
      ],
    });
    // The same name, but it does nothing.
    sqlite3(file, `CREATE TRIGGER "${names[0] ?? ''}" AFTER INSERT ON orders BEGIN SELECT 1; END`);
    expect((await examine(file)).bad).toMatchObject([
      { message: expect.stringContaining('not as they should be') as string },
    ]);
    sqlite3(file, `DROP TRIGGER "${names[0] ?? ''}"`);
    sqlite3(file, ...names.slice(1).map((name) => `DROP TRIGGER "${name}"`));
    const { bad } = await examine(file);
    expect(bad).toMatchObject([
      { level: 'fail', message: expect.stringContaining('changes made now are not recorded') as string },
    ]);
    const human = await cliHere(['doctor', file]);
    expect(human.stdout).toMatch(/fail +table orders/);
    expect(human.stdout).toContain('→ The next host puts it right');
    expect(human.stdout).toContain('1 failed');
  });

  test('sees a schema that another program has changed', async () => {
    const { file } = await closedHost();
    sqlite3(file, 'ALTER TABLE orders ADD COLUMN extra TEXT');
    expect(await examine(file)).toMatchObject({
      code: 1,
      bad: [{ topic: 'table orders', message: expect.stringContaining('another program changed') as string }],
    });
    sqlite3(file, 'DROP TABLE orders');
    expect(await examine(file)).toMatchObject({
      code: 0,
      bad: [{ level: 'warn', message: expect.stringContaining('does not exist') as string }],
    });
  });

  test("warns of another program's trigger that is newer than ours", async () => {
    const { file } = await closedHost();
    sqlite3(file, 'CREATE TRIGGER mine AFTER INSERT ON orders BEGIN DELETE FROM other; END');
    expect(await examine(file)).toMatchObject({
      code: 0,
      bad: [{ level: 'warn', message: expect.stringContaining('mine is newer') as string }],
    });
  });

  test('warns of hosts that died and cursors that hold the log', async () => {
    const { file } = await closedHost();
    sqlite3(
      file,
      `INSERT INTO _capsule_hosts(id, machine, pid, position) VALUES ('x', '${hostname()}', 999999, 0)`,
      "UPDATE _capsule_subscriptions SET cursor = 0, updated_at = datetime('now', '-30 days')",
    );
    const { code, bad } = await examine(file);
    expect(bad.map((finding) => finding.topic)).toEqual(['hosts', 'cursors']);
    expect(bad[1]?.message).toContain('"mirror" is 2 rows behind');
    expect(code).toBe(0);
  });

  test('fails for a damaged file, a newer one, and one that is none', async () => {
    const { file } = await closedHost();
    sqlite3(file, "UPDATE _capsule_meta SET value = 99 WHERE key = 'version'");
    expect(await examine(file)).toMatchObject({ code: 1, bad: [{ topic: 'store' }] });
    const damaged = (await closedHost()).file;
    sqlite3(damaged, 'INSERT INTO other SELECT value FROM generate_series(1, 20000)', 'PRAGMA journal_mode = DELETE');
    const bytes = readFileSync(damaged);
    bytes.fill(0xaa, bytes.length - 8192, bytes.length - 4096);
    writeFileSync(damaged, bytes);
    const { code, bad } = await examine(damaged);
    expect(code).toBe(1);
    expect(bad).toContainEqual(expect.objectContaining({ level: 'fail', topic: 'integrity' }));
    const none = tempFile('none.db');
    writeFileSync(none, 'This is no database, but a text of some length.'.repeat(50));
    expect(await examine(none)).toMatchObject({
      code: 1,
      bad: [{ topic: 'file', message: expect.stringContaining('not a SQLite database') as string }],
    });
  });
});

describe('detach', () => {
  test('takes everything out and leaves what is the user’s', async () => {
    const { file } = await closedHost();
    expect(() => sqlite3(file, 'ALTER TABLE orders DROP COLUMN note')).toThrow();
    sqlite3(file, 'CREATE VIEW mine AS SELECT * FROM orders', 'CREATE VIEW history AS SELECT * FROM _capsule_events');
    const { code, stdout } = await cliHere(['detach', file]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/removed \d+ triggers, 1 view and \d+ internal tables/);
    expect(stdout).toContain('warning: your view history names a table that is gone now');
    expect(objects(file)).toBe('orders,sqlite_autoindex_orders_1,other,mine,history');
    expect(sqlite3(file, 'SELECT count(*) FROM orders').trim()).toBe('2');
    expect((await cliHere(['detach', file])).stdout).toContain('there is nothing of GlyphCase to take out');
    // What it is for: SQLite refused this while the triggers were there.
    sqlite3(file, 'DROP VIEW history', 'ALTER TABLE orders DROP COLUMN note');
    const again = openHost({ file });
    again.capsule.watch('orders');
    again.run("INSERT INTO orders (status) VALUES ('c')");
    expect((await cliHere(['log', file])).stdout).toContain("status='c'");
  });

  test('refuses while a host lives, unless it is forced', async () => {
    const host = openHost({ schema: SCHEMA });
    host.capsule.keep('orders');
    const refused = await cliHere(['detach', host.file]);
    expect(refused.stderr).toContain(`process ${process.pid} [GC_HOST_RUNNING]`);
    expect(refused.stderr).toContain('--force');
    expect(refused.code).toBe(1);
    expect(objects(host.file)).toContain('_capsule_log');
    await host.close();
    sqlite3(
      host.file,
      `INSERT INTO _capsule_hosts(id, machine, pid, position) VALUES ('x', '${hostname()}', ${process.pid}, 0)`,
    );
    expect((await cliHere(['detach', host.file, '--force'])).code).toBe(0);
    expect(objects(host.file)).not.toContain('_capsule');
  });

  test('keeps what is known of skills, but with --all', async () => {
    const folder = tempDir();
    const host = startCli(['start', '--no-sample'], { cwd: folder });
    await host.shows('Ready');
    await host.stop();
    const first = await cliHere(['detach', 'glyphcase.db'], { cwd: folder });
    expect(first.stdout).toContain('Kept, because skills need it to know what they are: _skills');
    expect(objects(`${folder}/glyphcase.db`)).toMatch(/_skills/);
    expect(objects(`${folder}/glyphcase.db`)).not.toMatch(/_capsule/);
    await cliHere(['detach', 'glyphcase.db', '--all'], { cwd: folder });
    expect(objects(`${folder}/glyphcase.db`)).toBe('');
  });
});
