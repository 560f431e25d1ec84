/** Subscribers: none holds up another, each runs serially, and each can be taken away at any moment. */
import { describe, expect, test } from 'vitest';
import { openHost } from './support.ts';
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

describe('subscribers', () => {
  test('one that throws, or is slow, holds up nobody', async () => {
    const host = openHost({ schema: TABLE });
    const watcher = host.capsule.watch('t');
    const slow = gate();
    const slowSaw: number[] = [];
    host.capsule.subscribe(watcher, () => {
      throw new Error('broken');
    });
    host.capsule.subscribe(watcher, async (events) => {
      await slow.wait;
      slowSaw.push(...events.map((event) => event.rowId as number));
    });
    const got = host.collect(watcher);
    for (let id = 1; id <= 5; id += 1) {
      insert(host, id);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(got.events.map((event) => event.rowId)).toEqual([1, 2, 3, 4, 5]);
    expect(slowSaw).toEqual([]);
    slow.open();
    await host.flush();
    expect(slowSaw).toEqual([1, 2, 3, 4, 5]);
    expect(host.logger.lines.filter((line) => line.level === 'error')).toHaveLength(5);
    expect(host.capsule.stats().subscriptions.map((one) => one.failures)).toEqual([5, 0, 0]);
  });

  test('a handler runs serially, in order', async () => {
    const host = openHost({ schema: TABLE, batching: { batchSize: 1 } });
    const steps: string[] = [];
    host.capsule.subscribe(host.capsule.watch('t'), async (events) => {
      const id = String(events[0]?.rowId);
      steps.push(`+${id}`);
      await new Promise((resolve) => setTimeout(resolve, 3));
      steps.push(`-${id}`);
    });
    for (let id = 1; id <= 4; id += 1) insert(host, id);
    await host.flush();
    expect(steps).toEqual(['+1', '-1', '+2', '-2', '+3', '-3', '+4', '-4']);
  });

  test('a rejected promise of one without a name is logged, and the next batch comes', async () => {
    const host = openHost({ schema: TABLE });
    const seen: unknown[] = [];
    host.capsule.subscribe(host.capsule.watch('t'), (events) => {
      seen.push(events[0]?.rowId);
      return Promise.reject(new Error('broken'));
    });
    insert(host, 1);
    await host.flush();
    insert(host, 2);
    await host.flush();
    expect(seen).toEqual([1, 2]);
    expect(host.logger.lines.filter((line) => line.level === 'error').map((line) => line.message)).toEqual([
      expect.stringContaining('broken (the batch is skipped)'),
      expect.stringContaining('broken (the batch is skipped)'),
    ]);
  });

  test('a filter of its own', async () => {
    const host = openHost({ schema: TABLE });
    const got = host.collect(host.capsule.watch('t'), { filter: (event) => (event.rowId as number) % 2 === 0 });
    insert(host, 1, 2, 3, 4);
    insert(host, 5);
    await host.flush();
    expect(got.short).toEqual(['INSERT 2', 'INSERT 4']);
  });

  test('what a handler writes is delivered too, and a loop of no-ops ends', async () => {
    const host = openHost({
      schema: 'CREATE TABLE t(id INTEGER PRIMARY KEY, v); CREATE TABLE total(id INTEGER PRIMARY KEY, n)',
    });
    const totals = host.collect(host.capsule.watch('total'));
    const sum = (): unknown =>
      host.db.exclusive(() =>
        host.db.exec('INSERT INTO total SELECT 1, count(*) FROM t WHERE true ON CONFLICT DO UPDATE SET n = excluded.n'),
      );
    host.capsule.subscribe(host.capsule.watch('t'), sum);
    host.capsule.subscribe(host.capsule.watch('total'), sum);
    insert(host, 1);
    insert(host, 2);
    await host.flush();
    await host.flush();
    expect(totals.events.at(-1)?.newData).toEqual({ id: 1, n: 2 });
    const count = totals.events.length;
    await host.flush();
    expect(totals.events).toHaveLength(count);
  });

  test('unsubscribing: by handle, id, dispose, signal or watcher; a handler may do it to another in the middle of a batch', async () => {
    const host = openHost({ schema: TABLE });
    const watcher = host.capsule.watch('t');
    const seen: string[] = [];
    const subscribe = (name: string, options = {}) => host.capsule.subscribe(watcher, () => seen.push(name), options);
    const byHandle = subscribe('handle');
    const byId = subscribe('id');
    const byDispose = subscribe('dispose');
    const abort = new AbortController();
    subscribe('signal', { signal: abort.signal });
    const victims: { [Symbol.dispose](): void }[] = [];
    host.capsule.subscribe(watcher, () => {
      seen.push('killer');
      for (const victim of victims) victim[Symbol.dispose]();
    });
    victims.push(subscribe('victim'));
    host.capsule.unsubscribe(byHandle);
    host.capsule.unsubscribe(byHandle);
    host.capsule.unsubscribe(byId.id);
    byDispose[Symbol.dispose]();
    abort.abort();
    insert(host, 1);
    await host.flush();
    expect(seen).toEqual(['killer']);
    expect(watcher.subscriptions.size).toBe(1);
    host.capsule.unwatch(watcher);
    insert(host, 2);
    await host.flush();
    expect(seen).toEqual(['killer']);
    expect(host.db.value('SELECT count(*) FROM _capsule_subscriptions')).toBe(0);
  });

  test('rows and counts of subscriptions are in the file while they live', async () => {
    const host = openHost({ schema: TABLE });
    const watcher = host.capsule.watch('t');
    const first = host.capsule.subscribe(watcher, () => undefined, { listenerId: 'screen', listenerType: 'react' });
    host.capsule.subscribe(watcher, () => undefined);
    await host.flush();
    expect(host.db.value('SELECT subscription_count FROM _capsule_watchers')).toBe(2);
    expect(
      host.db.get('SELECT watcher_id, listener_id, listener_type, is_active FROM _capsule_subscriptions WHERE id = ?', [
        first.id,
      ]),
    ).toEqual({
      watcher_id: watcher.id,
      listener_id: 'screen',
      listener_type: 'react',
      is_active: 1,
    });
    host.capsule.unsubscribe(first);
    await host.flush();
    expect(host.db.value('SELECT subscription_count FROM _capsule_watchers')).toBe(1);
  });
});
