/** Transactions of the host: who is in one, who waits, what becomes of it, and what others see meanwhile. */
import { describe, expect, test } from 'vitest';
import { openHost, settle, start, thrownBy, until } from './support.ts';
import type { Host } from './support.ts';

const TABLE = 'CREATE TABLE t(id INTEGER PRIMARY KEY, v)';
const pause = (ms = 5): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const ids = (host: Host): unknown[] => host.db.all('SELECT id FROM t ORDER BY id').map((row) => row['id']);
const insert = (host: Host, id: number): void => host.db.exec(`INSERT INTO t VALUES (${id}, 'x')`);

/** Another process that holds the write lock until it is told to go on. */
async function holdLock(file: string): Promise<() => Promise<void>> {
  const script = `import sqlite3, sys
c = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=5)
c.execute('BEGIN IMMEDIATE'); print('held', flush=True); sys.stdin.readline(); c.execute('COMMIT')`;
  const child = start('python3', ['-c', script, file]);
  await until(() => child.output.includes('held'));
  return async () => {
    child.stdin?.write('\n');
    await child.ended;
  };
}

describe('an asynchronous transaction', () => {
  test('commits what it awaited, or undoes all of it and rethrows', async () => {
    const host = openHost({ schema: TABLE });
    const got = host.collect(host.capsule.watch('t'));
    const value = await host.db.transaction(async () => {
      insert(host, 1);
      await pause();
      insert(host, 2);
      return 'done';
    });
    expect(value).toBe('done');
    const failure = host.db.transaction(async () => {
      insert(host, 3);
      await pause();
      throw new Error('enough');
    });
    await expect(failure).rejects.toThrow('enough');
    await host.flush();
    expect(ids(host)).toEqual([1, 2]);
    expect(got.batches.map(({ events }) => events.length)).toEqual([2]);
    expect(new Set(got.events.map((event) => event.transactionId)).size).toBe(1);
  });

  test('is one batch whatever the batch size', async () => {
    const host = openHost({ schema: TABLE, batching: { batchSize: 3 } });
    const got = host.collect(host.capsule.watch('t'));
    await host.db.transaction(() => {
      for (let id = 1; id <= 10; id += 1) insert(host, id);
    });
    await host.flush();
    expect(got.batches.map(({ events }) => events.length)).toEqual([10]);
  });

  test('others do not see it before it commits, and wait their turn to write', async () => {
    const host = openHost({ schema: TABLE });
    const steps: string[] = [];
    const first = host.db.transaction(async () => {
      insert(host, 1);
      await pause(20);
      steps.push('first done');
    });
    const second = host.db.exclusive(() => {
      steps.push('second runs');
      insert(host, 2);
    });
    await pause();
    expect(ids(host)).toEqual([]);
    await Promise.all([first, second]);
    expect(steps).toEqual(['first done', 'second runs']);
    expect(ids(host)).toEqual([1, 2]);
  });

  test('sees its own writes', async () => {
    const host = openHost({ schema: TABLE });
    await host.db.transaction(async () => {
      insert(host, 1);
      await pause();
      expect(ids(host)).toEqual([1]);
    });
  });

  test('nested ones are savepoints', async () => {
    const host = openHost({ schema: TABLE });
    const got = host.collect(host.capsule.watch('t'));
    await host.db.transaction(async () => {
      insert(host, 1);
      await host.db.transaction(async () => {
        await pause();
        insert(host, 2);
      });
      await host.db
        .transaction(async () => {
          insert(host, 3);
          await host.db.transaction(() => insert(host, 4));
          throw new Error('undo');
        })
        .catch(() => undefined);
    });
    await host.flush();
    expect(ids(host)).toEqual([1, 2]);
    expect(got.short).toEqual(['INSERT 1', 'INSERT 2']);
  });

  test('siblings inside it are serialised: one that is undone takes nothing of the other along', async () => {
    const host = openHost({ schema: TABLE });
    await host.db.transaction(async () => {
      const failing = host.db.transaction(async () => {
        insert(host, 1);
        await pause(10);
        throw new Error('undo');
      });
      const working = host.db.transaction(async () => {
        insert(host, 2);
        await pause();
      });
      const third = host.db.exclusive(() => insert(host, 3));
      await Promise.allSettled([failing, working, third]);
    });
    expect(ids(host)).toEqual([2, 3]);
  });

  test('what it started and did not await is over before it ends', async () => {
    const host = openHost({ schema: TABLE });
    let inner: Promise<unknown> = Promise.resolve();
    const outer = host.db.transaction(() => {
      inner = host.db.transaction(async () => {
        await pause(10);
        insert(host, 1);
      });
      throw new Error('gave up');
    });
    await expect(outer).rejects.toThrow('gave up');
    await inner;
    expect(ids(host)).toEqual([]);
  });

  test('a timer set inside it does not belong to it once it has ended', async () => {
    const host = openHost({ schema: TABLE });
    const seen: unknown[] = [];
    await host.db.transaction(() => {
      expect(host.db.current).toBeDefined();
      setTimeout(() => {
        seen.push(host.db.current);
        // Dead code of the first transaction must not write into the second one.
        void host.db.transaction(() => insert(host, 2)).then(() => seen.push('written'));
      }, 5);
    });
    const second = host.db.transaction(async () => {
      insert(host, 1);
      await pause(20);
      throw new Error('undo');
    });
    await expect(second).rejects.toThrow('undo');
    await until(() => seen.length === 2);
    expect(seen).toEqual([undefined, 'written']);
    expect(ids(host)).toEqual([2]);
  });

  test('handlers run outside of it, and outside of whoever happens to be in one', async () => {
    const host = openHost({ schema: TABLE });
    const seen: unknown[] = [];
    host.capsule.subscribe(host.capsule.watch('t'), () => seen.push(host.db.current));
    await host.db.transaction(() => insert(host, 1));
    await host.db.transaction(async () => {
      // Delivery of the first one may happen while this one is open.
      await settle();
    });
    await host.flush();
    expect(seen).toEqual([undefined]);
  });

  test('flush() inside it throws rather than wait for itself', async () => {
    const host = openHost({ schema: TABLE });
    const error = await thrownBy(() => host.db.transaction(() => host.flush()));
    expect(error.code).toBe('GC_TRANSACTION');
    expect(error.message).toContain('flush()');
  });

  test('watch() while it is open survives its ROLLBACK', async () => {
    const host = openHost({ schema: `${TABLE}; CREATE TABLE other(id INTEGER PRIMARY KEY)` });
    const open = host.db.transaction(async () => {
      insert(host, 1);
      await pause(10);
      throw new Error('undo');
    });
    const got = host.collect(host.capsule.watch('other'));
    await expect(open).rejects.toThrow('undo');
    await settle();
    host.run('INSERT INTO other VALUES (7)');
    await host.flush();
    expect(got.short).toEqual(['INSERT 7']);
    expect(
      host.db.value(
        "SELECT count(*) FROM _capsule_events e JOIN _capsule_watchers w ON w.id = e.watcher_id WHERE table_name = 'other'",
      ),
    ).toBe(1);
  });
});

describe('a synchronous transaction', () => {
  test('an asynchronous function is refused, and what it wrote is undone', async () => {
    const host = openHost({ schema: TABLE });
    const work = async (): Promise<void> => {
      insert(host, 1);
      await Promise.resolve();
    };
    expect(() => host.db.write(work)).toThrow(expect.objectContaining({ code: 'GC_TRANSACTION' }) as Error);
    await expect(host.db.exclusive(work)).rejects.toMatchObject({ code: 'GC_TRANSACTION' });
    expect(ids(host)).toEqual([]);
  });

  test('a BEGIN through the raw handle that is still open is named', async () => {
    const host = openHost({ schema: TABLE });
    host.db.sqlite.exec('BEGIN');
    const error = await thrownBy(() => host.db.write(() => insert(host, 1)));
    expect(error.code).toBe('GC_TRANSACTION');
    expect(error.message).toContain('raw handle');
    host.db.sqlite.exec('ROLLBACK');
  });
});

describe('bystanders', () => {
  test('a raw write during somebody’s transaction is warned of, once for each transaction', async () => {
    const host = openHost({ schema: TABLE });
    const open = host.db.transaction(async () => {
      insert(host, 1);
      await pause(10);
      throw new Error('undo');
    });
    host.db.sqlite.exec("INSERT INTO t VALUES (2, 'bystander')");
    host.db.sqlite.exec("INSERT INTO t VALUES (3, 'bystander')");
    await expect(open).rejects.toThrow('undo');
    const warnings = host.logger.lines.filter((line) => line.level === 'warn');
    expect(warnings.map((line) => line.message)).toEqual([
      expect.stringContaining('raw handle landed in a transaction'),
    ]);
    expect(ids(host)).toEqual([]);
  });

  test('a raw write outside of transactions, or inside one’s own, is not', async () => {
    const host = openHost({ schema: TABLE });
    host.db.sqlite.exec("INSERT INTO t VALUES (1, 'x')");
    await host.db.transaction(() => host.db.sqlite.exec("INSERT INTO t VALUES (2, 'x')"));
    expect(host.logger.lines.filter((line) => line.level === 'warn')).toEqual([]);
  });
});

describe('another program’s lock', () => {
  test('is waited for without freezing the event loop', async () => {
    const host = openHost({ schema: TABLE });
    const release = await holdLock(host.file);
    let turns = 0;
    const counting = setInterval(() => (turns += 1), 1);
    const write = host.db.exclusive(() => insert(host, 1));
    const open = host.db.transaction(async () => insert(host, 2));
    await pause(300);
    expect(turns).toBeGreaterThan(10);
    await release();
    await Promise.all([write, open]);
    clearInterval(counting);
    expect(ids(host)).toEqual([1, 2]);
  });

  test('that stays longer than the busy timeout is GC_LOCKED', async () => {
    const host = openHost({ schema: TABLE, busyTimeout: 100 });
    const release = await holdLock(host.file);
    const started = Date.now();
    await expect(host.db.exclusive(() => insert(host, 1))).rejects.toMatchObject({ code: 'GC_LOCKED' });
    await expect(host.db.transaction(() => insert(host, 1))).rejects.toMatchObject({ code: 'GC_LOCKED' });
    expect((await thrownBy(() => host.db.write(() => insert(host, 1)))).code).toBe('GC_LOCKED');
    // Three times five seconds, if the option did not count.
    expect(Date.now() - started).toBeLessThan(10_000);
    await release();
    await host.db.exclusive(() => insert(host, 1));
    expect(ids(host)).toEqual([1]);
  });

  test('delays bookkeeping, and loses none of it', async () => {
    const host = openHost({ schema: TABLE });
    const watcher = host.capsule.watch('t');
    await host.flush();
    const release = await holdLock(host.file);
    host.collect(watcher, { name: 'later' });
    await settle();
    expect(host.db.value('SELECT count(*) FROM _capsule_subscriptions')).toBe(0);
    await release();
    await host.flush();
    expect(host.db.value('SELECT name FROM _capsule_subscriptions')).toBe('later');
  });
});

describe('an in-memory database', () => {
  test('delivers nothing that is not committed, and waits for open transactions', async () => {
    const host = openHost({ file: ':memory:', schema: TABLE });
    const got = host.collect(host.capsule.watch('t'));
    const filtered = host.collect(host.capsule.watch('t', 'id > 1'));
    host.db.sqlite.exec("INSERT INTO t VALUES (1, 'x')");
    await host.flush();
    const open = host.db.transaction(async () => {
      insert(host, 2);
      await pause(20);
      throw new Error('undo');
    });
    const late = host.collect(host.capsule.watch('t', "v = 'x'"));
    await pause(5);
    expect(got.short.includes('INSERT 2')).toBe(false);
    await expect(open).rejects.toThrow('undo');
    await host.flush();
    expect(got.short).toEqual(['INSERT 1']);
    host.run("INSERT INTO t VALUES (3, 'x')");
    await host.flush();
    expect(got.short).toEqual(['INSERT 1', 'INSERT 3']);
    expect(filtered.short).toEqual(['INSERT 3 enter']);
    // Its filter was set up on the only connection while the transaction that failed was open.
    expect(late.short).toEqual(['INSERT 3 enter']);
  });

  test('what waited for an open transaction is delivered when it ends, by itself', async () => {
    const host = openHost({ file: ':memory:', schema: TABLE });
    const got = host.collect(host.capsule.watch('t'));
    await host.db.transaction(() => insert(host, 1));
    const open = host.db.transaction(() => pause(20));
    await settle();
    await open;
    await settle();
    expect(got.short).toEqual(['INSERT 1']);
    host.db.sqlite.exec("BEGIN; INSERT INTO t VALUES (2, 'x')");
    await settle();
    expect(got.short).toEqual(['INSERT 1']);
    host.db.sqlite.exec('COMMIT');
    await settle();
    expect(got.short).toEqual(['INSERT 1', 'INSERT 2']);
  });
});
