/** Delivery: batches, order, subscribers that are slow, throw, wait or come back, and what each is given. */
import { describe, expect, test } from 'vitest';
import { collector, openHost, settle, shortly, thrownBy, until } from './support.ts';
import type { ChangeEvent } from '../plugins/capsule/types.ts';
import type { Host } from './support.ts';

const TABLE = 'CREATE TABLE t(id INTEGER PRIMARY KEY, v)';
const insert = (host: Host, ...ids: number[]): unknown =>
  host.db.sqlite.exec(`INSERT INTO t(id) VALUES ${ids.map((id) => `(${id})`).join(', ')}`);

interface Gate {
  readonly wait: Promise<void>;
  open(): void;
}

function gate(): Gate {
  let open = (): void => undefined;
  const wait = new Promise<void>((resolve) => (open = resolve));
  return { wait, open: () => open() };
}

describe('bad arguments', () => {
  test.each<[string, unknown, unknown, string]>([
    ['no handler', undefined, {}, 'GC_BAD_ARGUMENT'],
    ['a string for a handler', 'log', {}, 'GC_BAD_ARGUMENT'],
    ['options that are none', () => undefined, null, 'GC_BAD_ARGUMENT'],
    ['from: a date', () => undefined, { from: new Date() }, 'GC_BAD_OPTION'],
    ['from: −1', () => undefined, { from: -1 }, 'GC_BAD_OPTION'],
    ['from: 1.5', () => undefined, { from: 1.5 }, 'GC_BAD_OPTION'],
    ['an empty name', () => undefined, { name: '' }, 'GC_BAD_OPTION'],
    ['a filter that is no function', () => undefined, { filter: 'id = 1' }, 'GC_BAD_OPTION'],
    ['debounce: a string', () => undefined, { debounce: '1s' }, 'GC_BAD_OPTION'],
    ['a signal that is aborted', () => undefined, { signal: AbortSignal.abort() }, 'GC_BAD_ARGUMENT'],
  ])('%s', async (_, handler, options, code) => {
    const host = openHost({ schema: TABLE });
    const watcher = host.capsule.watch('t');
    expect((await thrownBy(() => host.capsule.subscribe(watcher, handler as never, options as never))).code).toBe(code);
    expect(watcher.subscriptions.size).toBe(0);
  });

  test('a name that runs already', async () => {
    const host = openHost({ schema: TABLE });
    const watcher = host.capsule.watch('t');
    host.collect(watcher, { name: 'mail' });
    const error = await thrownBy(() => host.collect(watcher, { name: 'mail' }));
    expect([error.code, error.message]).toEqual(['GC_BAD_ARGUMENT', expect.stringContaining('"mail"')]);
  });
});

describe('batches', () => {
  test('close after the interval, or at once when enough rows wait', async () => {
    const host = openHost({ schema: TABLE, batching: { batchInterval: 100, batchSize: 4 } });
    const got = host.collect(host.capsule.watch('t'));
    insert(host, 1);
    insert(host, 2);
    await host.clock.advance(99);
    expect(got.batches).toEqual([]);
    await host.clock.advance(1);
    expect(got.batches.map(({ events }) => events.map(shortly))).toEqual([['INSERT 1', 'INSERT 2']]);
    for (let id = 3; id <= 6; id += 1) insert(host, id);
    await settle();
    expect(got.batches.map(({ events }) => events.length)).toEqual([2, 4]);
    insert(host, 7);
    await host.clock.advance(100);
    expect(got.batches.map(({ events }) => events.length)).toEqual([2, 4, 1]);
  });

  test('hold about batchSize rows, never part of a transaction', async () => {
    const host = openHost({ schema: TABLE, batching: { batchInterval: 1000, batchSize: 3 } });
    const watcher = host.capsule.watch('t');
    insert(host, 1);
    insert(host, 2, 3, 4, 5);
    insert(host, 6);
    insert(host, 7);
    insert(host, 8);
    insert(host, 9);
    const got = host.collect(watcher, { from: 0 });
    await host.flush();
    await host.flush();
    expect(got.batches.map(({ events }) => events.map((event) => event.rowId))).toEqual([
      [1, 2, 3, 4, 5],
      [6, 7, 8],
      [9],
    ]);
    expect(got.batches.map(({ batch }) => [batch.from, batch.to])).toEqual([
      [0, 5],
      [5, 8],
      [8, 9],
    ]);
  });

  test('a table’s own batchSize', async () => {
    const host = openHost({ schema: TABLE, batching: { batchInterval: 1000, batchSize: 100 } });
    host.capsule.keep('t', { batchSize: 2 });
    const got = host.collect(host.capsule.watch('t'));
    insert(host, 1);
    await settle();
    expect(got.batches).toEqual([]);
    insert(host, 2);
    await settle();
    expect(got.batches.map(({ events }) => events.length)).toEqual([2]);
  });

  test('events say which transaction, when and by whom', async () => {
    const host = openHost({ schema: TABLE });
    const got = host.collect(host.capsule.watch('t'));
    await host.db.exclusive(() => host.db.exec('INSERT INTO t(id) VALUES (1)'), { source: 'sync' });
    await host.db.exclusive(() => host.db.exec('INSERT INTO t(id) VALUES (2), (3)'), { source: 'lua' });
    insert(host, 4);
    await host.flush();
    expect(got.events.map((event) => event.source)).toEqual(['sync', 'lua', 'lua', 'host']);
    const ids = got.events.map((event) => event.transactionId);
    expect([ids[0] === ids[1], ids[1] === ids[2], ids[2] === ids[3]]).toEqual([false, true, false]);
    const second = (ms: number): number => Math.floor(ms / 1000);
    expect(got.events.map((event) => second(event.timestamp.getTime()))).toEqual(
      Array(4).fill(second(host.clock.now())),
    );
    await host.flush();
    expect(
      host.db.all('SELECT transaction_id FROM _capsule_events ORDER BY id').map((row) => row['transaction_id']),
    ).toEqual(ids);
  });
});

describe('from', () => {
  test('now: nothing from before, not even what is still to be delivered', async () => {
    const host = openHost({ schema: TABLE, batching: { batchInterval: 100 } });
    const early = host.collect(host.capsule.watch('t'));
    insert(host, 1);
    const late = host.collect(host.capsule.watch('t'));
    insert(host, 2);
    await host.flush();
    expect([early.short, late.short]).toEqual([['INSERT 1', 'INSERT 2'], ['INSERT 2']]);
    insert(host, 3);
    await host.flush();
    expect(late.short).toEqual(['INSERT 2', 'INSERT 3']);
  });

  test('a seq: what came after it, then everything else, in order and once', async () => {
    const host = openHost({ schema: TABLE, batching: { batchSize: 2 } });
    const watcher = host.capsule.watch('t');
    for (let id = 1; id <= 6; id += 1) insert(host, id);
    await host.flush();
    const got = host.collect(watcher, { from: 3 });
    insert(host, 7);
    await host.flush();
    insert(host, 8);
    await host.flush();
    expect(got.events.map((event) => event.seq)).toEqual([4, 5, 6, 7, 8]);
  });

  test('a seq beyond the end is the end', async () => {
    const host = openHost({ schema: TABLE });
    const got = host.collect(host.capsule.watch('t'), { from: 1_000_000 });
    insert(host, 1);
    await host.flush();
    expect(got.short).toEqual(['INSERT 1']);
  });
});

describe('debounce', () => {
  test('waits until it has been quiet for so long, then gives everything at once', async () => {
    const host = openHost({ schema: TABLE, batching: { batchSize: 2 } });
    const got = host.collect(host.capsule.watch('t'), { debounce: 100 });
    for (let id = 1; id <= 5; id += 1) {
      insert(host, id);
      await host.clock.advance(60);
    }
    expect(got.batches).toEqual([]);
    await host.clock.advance(40);
    expect(got.batches.map(({ events }) => events.map(shortly))).toEqual([
      ['INSERT 1', 'INSERT 2', 'INSERT 3', 'INSERT 4', 'INSERT 5'],
    ]);
  });

  test('flush() does not wait', async () => {
    const host = openHost({ schema: TABLE });
    const got = host.collect(host.capsule.watch('t'), { debounce: 60_000 });
    insert(host, 1);
    await host.flush();
    expect(got.short).toEqual(['INSERT 1']);
  });
});

describe('flush', () => {
  test('resolves when asynchronous handlers have handled everything committed before it', async () => {
    const host = openHost({ schema: TABLE, batching: { batchInterval: 1000 } });
    const seen: unknown[] = [];
    host.capsule.subscribe(host.capsule.watch('t'), async (events) => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      seen.push(...events.map((event) => event.rowId));
    });
    insert(host, 1);
    await host.flush();
    expect(seen).toEqual([1]);
    insert(host, 2);
    insert(host, 3);
    await Promise.all([host.flush(), host.flush()]);
    expect(seen).toEqual([1, 2, 3]);
  });

  test('does not wait for what waits for its next attempt', async () => {
    const host = openHost({ schema: TABLE });
    host.capsule.subscribe(
      host.capsule.watch('t'),
      () => {
        throw new Error('no');
      },
      { name: 'x' },
    );
    insert(host, 1);
    await host.flush();
    expect(host.capsule.stats().subscriptions[0]).toMatchObject({ lag: 1, failures: 1, lastError: 'no' });
  });
});

test(
  'memory does not grow with a backlog: a slow subscriber reads the log for itself',
  { timeout: 60_000 },
  async () => {
    const host = openHost({ schema: TABLE });
    const slow = gate();
    const slowly = collector();
    let live = 0;
    const watcher = host.capsule.watch('t');
    host.capsule.subscribe(watcher, async (events, batch) => {
      await slow.wait;
      slowly.handler(events, batch);
    });
    host.capsule.subscribe(watcher, (events: ChangeEvent[]) => (live += events.length));
    for (let round = 0; round < 50; round += 1) {
      host.run(
        `WITH RECURSIVE n(i) AS (SELECT ${round * 1000 + 1} UNION ALL SELECT i + 1 FROM n WHERE i < ${(round + 1) * 1000}) INSERT INTO t(id) SELECT i FROM n`,
      );
      await until(() => live === (round + 1) * 1000);
    }
    slow.open();
    await host.flush();
    expect(slowly.events).toHaveLength(50_000);
    expect(Math.max(...slowly.batches.map(({ events }) => events.length))).toBe(1000);
  },
);
