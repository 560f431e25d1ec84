/**
 * Retention: what leaves the log and when, and what never does because somebody needs it.
 */
import { describe, expect, test } from 'vitest';
import { fakeClock, settle, sqlite3 } from './support.ts';
import { DAY, SCHEMA, opened, later, seqs, ids, insert } from './34-retention-support.ts';

describe('by age', () => {
  test('seven days by default; the newest row and its transaction stay', async () => {
    const host = opened();
    await insert(host, 'a', 'b');
    later(host, 6.9);
    await insert(host, 'c');
    expect(host.capsule.prune()).toEqual({ removed: 0, archived: 0, oldest: 1 });
    later(host, 0.2);
    expect(host.capsule.prune()).toEqual({ removed: 2, archived: 0, oldest: 3 });
    expect([seqs(host), ids(host)]).toEqual([[3], ['tx-3']]);
    later(host, 365);
    expect(host.capsule.prune()).toEqual({ removed: 0, archived: 0, oldest: 3 });
  });

  test('no seq is used twice, also after everything was pruned and the host started anew', async () => {
    const host = opened();
    await insert(host, 'a', 'b', 'c');
    later(host, 30);
    host.capsule.prune();
    await host.close();
    sqlite3(host.file, 'DELETE FROM _capsule_log', "INSERT INTO users(name) VALUES ('d')");
    const again = opened({ file: host.file, clock: fakeClock(Date.now() + 30 * DAY) });
    await again.flush();
    expect(seqs(again)).toEqual([3, 4]);
    await insert(again, 'e');
    later(again, 30);
    again.capsule.prune();
    await insert(again, 'f');
    expect(seqs(again)).toEqual([5, 6]);
    expect(ids(again).at(-1)).toBe('tx-6');
  });

  test('an empty log has nothing to prune', () => {
    expect(opened().capsule.prune()).toEqual({ removed: 0, archived: 0, oldest: 0 });
  });

  test('a table may keep its rows for another time; so do the transactions that belong to them', async () => {
    const host = opened({ capsule: { retentionDays: 7 } });
    host.capsule.keep('orders', { retentionDays: 30 });
    host.run("INSERT INTO users(name) VALUES ('a')");
    host.run('INSERT INTO orders(total) VALUES (1)');
    host.run("INSERT INTO users(name) VALUES ('b'); INSERT INTO orders(total) VALUES (2)");
    host.run("INSERT INTO users(name) VALUES ('c')");
    host.run("INSERT INTO users(name) VALUES ('d')");
    await host.flush();
    later(host, 8);
    expect(host.capsule.prune().removed).toBe(3);
    expect([seqs(host), ids(host)]).toEqual([
      [2, 4, 6],
      ['tx-2', 'tx-3', 'tx-6'],
    ]);
    expect(host.db.all('SELECT id, transaction_id FROM _capsule_events ORDER BY id')).toEqual([
      { id: 2, transaction_id: 'tx-2' },
      { id: 4, transaction_id: 'tx-3' },
      { id: 6, transaction_id: 'tx-6' },
    ]);
    later(host, 30);
    expect(host.capsule.prune().removed).toBe(2);
    expect([seqs(host), ids(host)]).toEqual([[6], ['tx-6']]);
  });

  test('a shorter time too, and it follows the table to its new name', async () => {
    const host = opened();
    host.capsule.keep('orders', { retentionDays: 1 });
    host.run('INSERT INTO orders(total) VALUES (1)');
    await insert(host, 'a', 'b');
    host.db.write(() => {
      host.db.exec('ALTER TABLE orders RENAME TO sales');
      host.kernel.hooks.afterSchemaChange.call('ALTER TABLE orders RENAME TO sales');
    });
    await host.flush();
    later(host, 2);
    host.capsule.prune();
    expect(seqs(host)).toEqual([2, 3]);
  });

  test('a clock that was wrong for a moment does not make young rows go', async () => {
    const host = opened();
    await insert(host, 'a', 'b');
    later(host, -10_000);
    await insert(host, 'c');
    later(host, 10_000);
    await insert(host, 'd');
    expect(host.capsule.prune().removed).toBe(0);
    later(host, 8);
    expect(host.capsule.prune().removed).toBe(3);
  });

  test('rows of other programs that nobody recorded yet stay', async () => {
    const host = opened();
    await insert(host, 'a', 'b');
    later(host, 8);
    sqlite3(host.file, "INSERT INTO users(name) VALUES ('c'), ('d')");
    host.capsule.prune();
    expect(seqs(host)).toEqual([3, 4]);
  });

  test('a wide row goes as a whole, and the newest keeps its continuations', async () => {
    const names = Array.from({ length: 40 }, (_, index) => `c${index}`);
    const host = opened({ schema: `${SCHEMA}; CREATE TABLE wide(${names.join(', ')})` });
    const watcher = host.capsule.watch('wide');
    host.run('INSERT INTO wide(c39) VALUES (1)');
    host.run('INSERT INTO wide(c39) VALUES (2)');
    await host.flush();
    later(host, 8);
    expect(host.capsule.prune().removed).toBe(3);
    expect(seqs(host)).toEqual([4, 5, 6]);
    const got = host.collect(watcher, { from: 0 });
    await host.flush();
    await settle();
    expect(got.events.map((event) => event.newData?.['c39'])).toEqual([2]);
  });
});

describe('what somebody has yet to get', () => {
  test('a durable cursor holds the log back, whether its subscriber runs or not', async () => {
    const host = opened();
    const mailer = host.capsule.subscribe(host.capsule.watch('users'), () => Promise.reject(new Error('no')), {
      name: 'mailer',
    });
    await insert(host, 'a', 'b', 'c');
    later(host, 60);
    expect(host.capsule.prune().removed).toBe(0);
    expect(mailer.cursor).toBe(0);
    await host.close();
    const again = opened({ file: host.file, clock: fakeClock(Date.now() + 61 * DAY) });
    expect(again.capsule.prune().removed).toBe(0);
    const got = again.collect(again.capsule.watch('users'), { name: 'mailer' });
    await again.flush();
    expect(got.short).toEqual(['INSERT 1', 'INSERT 2', 'INSERT 3']);
    expect(got.batches.every(({ batch }) => batch.reset === undefined)).toBe(true);
    expect(again.capsule.prune().removed).toBe(2);
  });

  test('after the hard limit it no longer does: the subscriber is told of the gap, once', async () => {
    const host = opened();
    host.collect(host.capsule.watch('users'), { name: 'mailer' });
    await host.close();
    sqlite3(host.file, "INSERT INTO users(name) VALUES ('a'), ('b')");
    const second = opened({ file: host.file });
    second.run("INSERT INTO users(name) VALUES ('c')");
    await second.flush();
    later(second, 89);
    expect(second.capsule.prune().removed).toBe(0);
    await insert(second, 'd');
    later(second, 2);
    expect(second.capsule.prune().removed).toBe(3);
    expect(second.capsule.prune().removed).toBe(0);
    await second.close();
    const third = opened({ file: host.file, clock: fakeClock(Date.now() + 91 * DAY) });
    const got = third.collect(third.capsule.watch('users'), { name: 'mailer' });
    await third.flush();
    expect(got.batches.map(({ batch, events }) => [batch.reset?.reason, events.length])).toEqual([
      ['gap', 0],
      [undefined, 1],
    ]);
    expect(got.batches[0]?.batch.reset?.message).toContain('90 days');
    expect(got.short).toEqual(['INSERT 4']);
    await third.close();
    const fourth = opened({ file: host.file, clock: fakeClock(Date.now() + 91 * DAY) });
    const after = fourth.collect(fourth.capsule.watch('users'), { name: 'mailer' });
    await fourth.flush();
    expect(after.batches).toEqual([]);
  });

  test('a running subscriber that kept failing is told too, and goes on after the gap', async () => {
    const host = opened();
    const heard: string[] = [];
    let failing = true;
    const mailer = host.capsule.subscribe(
      host.capsule.watch('users'),
      (events, batch) => {
        if (failing) throw new Error('no');
        heard.push(batch.reset?.reason ?? events.map((event) => String(event.newData?.['name'])).join());
      },
      { name: 'mailer' },
    );
    await insert(host, 'a', 'b');
    later(host, 91);
    await insert(host, 'c');
    expect(host.capsule.prune().removed).toBe(2);
    expect(mailer.cursor).toBe(2);
    failing = false;
    await host.clock.advance(1000);
    await host.flush();
    expect(heard).toEqual(['gap', 'c']);
  });

  test('a reaction that was stopped is told too', async () => {
    const host = opened();
    const heard: string[] = [];
    const handle = host.capsule.react({
      name: 'skill:totals',
      watches: [{ table: 'users' }],
      listenerType: 'lua',
      handle: (events) => {
        if (heard.length === 0) throw new Error('no');
        heard.push(events.map((event) => String(event.newData?.['name'])).join());
      },
      failed: () => 'stop',
      mayRun: () => true,
      reset: ({ reason }) => void heard.push(reason),
    });
    await insert(host, 'a', 'b');
    later(host, 91);
    await insert(host, 'c');
    expect(host.capsule.prune().removed).toBe(2);
    expect(heard).toEqual(['gap']);
    handle.resume();
    await host.flush();
    expect(heard).toEqual(['gap', 'c']);
  });

  test('a cursor is not moved past what retention keeps anyway', async () => {
    const host = opened({ capsule: { retentionDays: 365, hardRetentionDays: 30 } });
    host.collect(host.capsule.watch('users'), { name: 'mailer' });
    await host.close();
    sqlite3(host.file, "INSERT INTO users(name) VALUES ('a')");
    const again = opened({ file: host.file, capsule: { retentionDays: 365, hardRetentionDays: 30 } });
    await insert(again, 'b');
    later(again, 60);
    again.capsule.prune();
    const got = again.collect(again.capsule.watch('users'), { name: 'mailer' });
    await again.flush();
    expect(got.short).toEqual(['INSERT 1', 'INSERT 2']);
    expect(got.batches.some(({ batch }) => batch.reset !== undefined)).toBe(false);
  });

  test('a subscriber of this host that is still busy', async () => {
    const host = opened();
    let release = (): void => undefined;
    host.capsule.subscribe(host.capsule.watch('users'), () => new Promise<void>((resolve) => (release = resolve)));
    host.run("INSERT INTO users(name) VALUES ('a')");
    host.run("INSERT INTO users(name) VALUES ('b')");
    const flushed = host.flush();
    await settle();
    later(host, 8);
    expect(host.capsule.prune().removed).toBe(0);
    release();
    await settle();
    release();
    await flushed;
    expect(host.capsule.prune().removed).toBe(1);
  });

  test("another live host's subscribers; a dead host's no longer", async () => {
    const host = opened();
    const other = opened({ file: host.file, batching: { batchSize: 100 } });
    let release = (): void => undefined;
    const subscription = other.capsule.subscribe(
      other.capsule.watch('users'),
      () => new Promise<void>((resolve) => (release = resolve)),
    );
    await insert(host, 'a', 'b');
    const flushed = other.flush();
    await settle();
    later(host, 8);
    expect(host.capsule.prune().removed).toBe(0);
    release();
    await flushed;
    other.capsule.unsubscribe(subscription);
    await other.flush();
    expect(host.capsule.prune().removed).toBe(1);
    sqlite3(
      host.file,
      "INSERT INTO _capsule_hosts(id, machine, pid, position) SELECT 'dead', machine, 2147483646, 0 FROM _capsule_hosts LIMIT 1",
    );
    await insert(host, 'c', 'd');
    await other.flush();
    later(host, 8);
    expect(host.capsule.prune().removed).toBe(2);
  });
});
