/** Other processes on the same file: what they write arrives, is told apart from our own, and nothing is lost when somebody is killed. */
import { describe, expect, test } from 'vitest';
import { join } from 'node:path';
import { openHost, python, sqlite3, start, startNode, systemClock, until } from './support.ts';
import type { Host } from './support.ts';
import type { ChangeEvent } from '../plugins/capsule/types.ts';

const TABLE = 'CREATE TABLE t(id INTEGER PRIMARY KEY, who, n)';
const program = (name: string): string => join(import.meta.dirname, name);
const ready = (child: { readonly output: string }): Promise<void> => until(() => child.output.includes('ready'));
const KILLS = Number(process.env['GLYPHCASE_KILLS'] ?? 4);

describe('other programs', () => {
  test('what sqlite3 and python write arrives by itself, soon', async () => {
    const host = openHost({ schema: TABLE, clock: systemClock });
    const got = host.collect(host.capsule.watch('t'));
    sqlite3(host.file, "INSERT INTO t(who) VALUES ('shell')", 'UPDATE t SET n = 1');
    await until(() => got.events.length === 2, 2000);
    python(
      "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1])\nc.executemany('INSERT INTO t(who) VALUES (?)', [('py',)] * 3)\nc.commit()",
      host.file,
    );
    await until(() => got.events.length === 5, 2000);
    expect(got.events.map((event) => event.source)).toEqual(Array(5).fill('external'));
    expect(got.short).toEqual(['INSERT 1', 'UPDATE 1', 'INSERT 2', 'INSERT 3', 'INSERT 4']);
    await host.close();
  });

  test('the last commit of a burst is seen too, and none of them twice', async () => {
    const host = openHost({ schema: TABLE, clock: systemClock });
    const got = host.collect(host.capsule.watch('t'));
    const script = `import sqlite3, sys
c = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=10)
for i in range(500): c.execute('INSERT INTO t(n) VALUES (?)', (i,))`;
    for (let burst = 1; burst <= 4; burst += 1) {
      python(script, host.file);
      await until(() => got.events.length === burst * 500, 2000);
    }
    expect(new Set(got.events.map((event) => event.seq)).size).toBe(2000);
    await host.close();
  });

  test('a program that deletes the newest rows of the log, or all of it, makes no seq come twice', async () => {
    const host = openHost({ schema: TABLE });
    const got = host.collect(host.capsule.watch('t'));
    host.run("INSERT INTO t(who) VALUES ('a'), ('b')");
    await host.flush();
    sqlite3(host.file, 'DELETE FROM _capsule_log');
    host.run("INSERT INTO t(who) VALUES ('c')");
    await host.flush();
    expect(got.events.map((event) => event.seq)).toEqual([1, 2, 3]);
  });

  test('a checkpoint, a VACUUM and a restart by another program change nothing', async () => {
    const host = openHost({ schema: TABLE });
    const got = host.collect(host.capsule.watch('t'));
    host.run("INSERT INTO t(who) VALUES ('a')");
    await host.flush();
    sqlite3(host.file, 'PRAGMA wal_checkpoint(TRUNCATE)', 'VACUUM', "INSERT INTO t(who) VALUES ('b')");
    await host.flush();
    expect(got.short).toEqual(['INSERT 1', 'INSERT 2']);
  });
});

/** Every row of the log with the writer it names and the source its transaction was recorded with. */
function attributions(host: Host): { readonly who: unknown; readonly source: unknown; readonly rows: unknown }[] {
  return host.db.all(
    `SELECT n1 AS who, count(*) AS rows,
       (SELECT source FROM _capsule_transactions x WHERE x.first_seq <= l.seq ORDER BY x.first_seq DESC LIMIT 1) AS source
     FROM _capsule_log l GROUP BY 1, 3 ORDER BY 1, 3`,
  ) as { who: unknown; source: unknown; rows: unknown }[];
}

/** Gaps and overlaps between recorded transactions. */
function seams(host: Host): unknown {
  return host.db.value(
    `SELECT count(*) FROM (SELECT first_seq, lag(last_seq) OVER (ORDER BY first_seq) AS previous FROM _capsule_transactions)
     WHERE first_seq <> previous + 1`,
  );
}

describe('sources and ranges under two writers', () => {
  test(
    'host transactions are the host’s, another program’s are external; they tile the log',
    { timeout: 30_000 },
    async () => {
      const host = openHost({ schema: TABLE, busyTimeout: 20_000 });
      const got = host.collect(host.capsule.watch('t'));
      const writer = startNode(program('32-outside-writer.ts'), host.file, 'plain', 'plain', '800');
      await ready(writer);
      while (writer.exitCode === null) {
        await host.db.exclusive(() => host.db.exec("INSERT INTO t(who) VALUES ('us'), ('us')"));
        await new Promise((resolve) => setImmediate(resolve));
      }
      await host.flush();
      expect(attributions(host).map(({ who, source }) => [who, source])).toEqual([
        ['plain', 'external'],
        ['us', 'host'],
      ]);
      expect(seams(host)).toBe(0);
      expect(host.db.value('SELECT max(last_seq) FROM _capsule_transactions')).toBe(
        host.db.value('SELECT max(seq) FROM _capsule_log'),
      );
      // What was delivered agrees with what was recorded.
      expect(got.events.filter((event) => (event.newData?.['who'] === 'us') !== (event.source === 'host'))).toEqual([]);
      expect(got.events).toHaveLength(host.db.value('SELECT count(*) FROM t') as number);
      const recorded = new Map(
        host.db.all('SELECT id, first_seq, last_seq FROM _capsule_transactions').map((row) => [row['id'], row]),
      );
      const elsewhere = got.events.filter(({ source, transactionId, seq }) => {
        const row = recorded.get(transactionId) as { first_seq: number; last_seq: number } | undefined;
        return source === 'host' && !(row !== undefined && seq >= row.first_seq && seq <= row.last_seq);
      });
      expect(elsewhere).toEqual([]);
    },
  );

  test(
    'a raw write is the host’s only when no other program can have had a part in it',
    { timeout: 30_000 },
    async () => {
      const host = openHost({ schema: TABLE, busyTimeout: 20_000 });
      host.capsule.watch('t');
      const writer = startNode(program('32-outside-writer.ts'), host.file, 'plain', 'plain', '800');
      await ready(writer);
      const insert = host.db.sqlite.prepare("INSERT INTO t(who) VALUES ('us')");
      while (writer.exitCode === null) {
        insert.run();
        await new Promise((resolve) => setImmediate(resolve));
      }
      await host.flush();
      const rows = attributions(host);
      expect(rows.filter(({ who, source }) => who === 'plain' && source !== 'external')).toEqual([]);
      expect(rows.some(({ who, source }) => who === 'us' && source === 'host')).toBe(true);
      expect(seams(host)).toBe(0);
    },
  );

  test('raw writes are the host’s again once another program’s have been looked at', async () => {
    const host = openHost({ schema: TABLE });
    const got = host.collect(host.capsule.watch('t'));
    for (let round = 0; round < 3; round += 1) {
      sqlite3(host.file, "INSERT INTO t(who) VALUES ('shell')");
      await host.flush();
      host.db.sqlite.exec("INSERT INTO t(who) VALUES ('us')");
      await host.flush();
    }
    expect(got.events.map((event) => event.source)).toEqual([
      'external',
      'host',
      'external',
      'host',
      'external',
      'host',
    ]);
  });

  test(
    'two hosts in two processes: both see everything, in the same order, with the same sources',
    { timeout: 30_000 },
    async () => {
      const host = openHost({ schema: TABLE, clock: systemClock, busyTimeout: 20_000 });
      const got = host.collect(host.capsule.watch('t'));
      const other = startNode(program('32-outside-writer.ts'), host.file, 'them', 'host', '800');
      await ready(other);
      while (other.exitCode === null) {
        await host.db.exclusive(() => host.db.exec("INSERT INTO t(who) VALUES ('us')"));
        await new Promise((resolve) => setImmediate(resolve));
      }
      await host.flush();
      expect(other.output).toMatch(/made \d+/);
      expect(got.events).toHaveLength(host.db.value('SELECT count(*) FROM t') as number);
      expect(got.events.map((event) => event.source)).not.toContain('external');
      expect(seams(host)).toBe(0);
      await host.close();
    },
  );

  test('the host that leaves takes no triggers that another one needs', async () => {
    const first = openHost({ schema: TABLE });
    first.collect(first.capsule.watch('t'));
    await first.flush();
    const second = openHost({ file: first.file });
    second.capsule.watch('t');
    const got = second.collect(second.capsule.watch('t', 'id > 0'));
    await second.flush();
    await first.close();
    second.run("INSERT INTO t(who) VALUES ('a')");
    await second.flush();
    expect(got.short).toEqual(['INSERT 1 enter']);
    expect(
      second.db.value('SELECT count(*) FROM _capsule_events e JOIN _capsule_watchers w ON w.id = e.watcher_id'),
    ).toBe(1);
    await second.close();
    const left = sqlite3(
      first.file,
      "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 't'",
      'SELECT count(*) FROM _capsule_watchers',
    );
    expect(left.trim().split('\n')).toEqual(['0', '0']);
  });
});

describe('kill -9', () => {
  test('a host that was killed leaves triggers and rows; the next start clears them', async () => {
    const host = openHost({ schema: `${TABLE}; CREATE TABLE handled(seq INTEGER PRIMARY KEY, who, n)` });
    await host.close();
    const child = startNode(program('32-outside-watcher.ts'), host.file);
    await ready(child);
    const count = "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 't'";
    expect(sqlite3(host.file, count, 'SELECT count(*) FROM _capsule_hosts').trim().split('\n')).toEqual(['5', '1']);
    child.kill('SIGKILL');
    await child.ended;
    const next = openHost({ file: host.file });
    expect(next.db.value(count)).toBe(0);
    expect(next.db.value('SELECT count(*) FROM _capsule_hosts')).toBe(1);
    expect(next.db.value('SELECT count(*) FROM _capsule_watchers')).toBe(0);
  });

  test('writers killed at random: every committed row is in the log, and no other', { timeout: 120_000 }, async () => {
    const host = openHost({ schema: TABLE, busyTimeout: 20_000 });
    const got = host.collect(host.capsule.watch('t'));
    for (let kill = 0; kill < KILLS; kill += 1) {
      const writer = startNode(
        program('32-outside-writer.ts'),
        host.file,
        `w${kill}`,
        kill % 2 === 0 ? 'plain' : 'host',
      );
      await ready(writer);
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 120));
      writer.kill('SIGKILL');
      await writer.ended;
    }
    await host.flush();
    const rows = host.db.all('SELECT id, who, n FROM t ORDER BY id');
    expect(got.events.map((event) => event.newData)).toEqual(rows);
    expect(host.db.value('PRAGMA integrity_check')).toBe('ok');
  });

  test(
    'a host with a durable subscriber, killed at random: everything is handled exactly once',
    { timeout: 240_000 },
    async () => {
      const host = openHost({ schema: `${TABLE}; CREATE TABLE handled(seq INTEGER PRIMARY KEY, who, n)` });
      await host.close();
      const script = `import sqlite3, sys, time
c = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
n = 0
print('ready', flush=True)
while True:
  c.execute('BEGIN IMMEDIATE')
  for i in range(1 + n % 5):
    c.execute("INSERT INTO t(who, n) VALUES ('py', ?)", (n,)); n += 1
  c.execute('COMMIT'); time.sleep(0.001)`;
      // The first run makes the subscription: from then on everything counts.
      const first = startNode(program('32-outside-host.ts'), host.file);
      await ready(first);
      const writer = start('python3', ['-c', script, host.file]);
      await ready(writer);
      let child = first;
      for (let kill = 0; kill < KILLS; kill += 1) {
        await new Promise((resolve) => setTimeout(resolve, 30 + Math.random() * 200));
        child.kill('SIGKILL');
        await child.ended;
        expect(child.output).not.toMatch(/Error/);
        child = startNode(program('32-outside-host.ts'), host.file);
        await ready(child);
      }
      writer.kill('SIGKILL');
      await writer.ended;
      const handled = (): number => Number(sqlite3(host.file, 'SELECT count(*) FROM handled'));
      const total = Number(sqlite3(host.file, 'SELECT count(*) FROM t'));
      await until(() => handled() >= total, 20_000);
      child.kill('SIGKILL');
      await child.ended;
      expect(child.output).not.toMatch(/Error/);
      const differences = sqlite3(
        host.file,
        'SELECT count(*) FROM (SELECT who, n FROM t EXCEPT SELECT who, n FROM handled)',
        'SELECT count(*) - count(DISTINCT n) FROM handled',
      );
      expect(differences.trim().split('\n')).toEqual(['0', '0']);
      expect(total).toBeGreaterThan(100);
    },
  );

  test('a host that was taken for dead while it slept comes back', async () => {
    const sleeper = openHost({ schema: TABLE });
    const got = sleeper.collect(sleeper.capsule.watch('t'));
    const durable = sleeper.collect(sleeper.capsule.watch('t', 'n = 1'), { name: 'd' });
    await sleeper.flush();
    sqlite3(sleeper.file, "UPDATE _capsule_hosts SET seen_at = datetime('now', '-1 hour')");
    const other = openHost({ file: sleeper.file });
    expect(sleeper.db.value('SELECT count(*) FROM _capsule_hosts')).toBe(1);
    await other.close();
    await sleeper.clock.advance(30_000);
    await sleeper.flush();
    expect(sleeper.db.value('SELECT count(*) FROM _capsule_hosts')).toBe(1);
    sqlite3(sleeper.file, 'INSERT INTO t(n) VALUES (1)');
    await sleeper.flush();
    expect(got.events.filter((event: ChangeEvent) => event.newData?.['n'] === 1)).toHaveLength(1);
    expect(durable.events).toHaveLength(1);
    expect(sleeper.db.value('SELECT count(*) FROM _capsule_subscriptions')).toBe(2);
  });
});
