/** A subscription on a query that takes the place of another one: it is told what that one was still to be told, and no more. */
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import type { Standing } from '../plugins/live/types.ts';
import type { Subscription } from '../plugins/capsule/types.ts';
import { openLiveHost, exactly, Replica } from './80-live-support.ts';
import type { LiveHost } from './80-live-support.ts';
import { collector, settle } from './support.ts';

const SCHEMA = `CREATE TABLE items(id INTEGER PRIMARY KEY, kind TEXT, n INTEGER);
  CREATE TABLE kinds(name TEXT PRIMARY KEY, label TEXT); INSERT INTO kinds VALUES ('a', 'A'), ('b', 'B')`;
const QUERIES = [
  { sql: 'SELECT id, kind, n FROM items', ordered: false },
  { sql: 'SELECT * FROM items WHERE n > 3 ORDER BY n DESC, id LIMIT 5', ordered: true },
  { sql: 'SELECT kind, count(*) AS many, sum(n) AS total FROM items GROUP BY kind', ordered: false },
  { sql: 'SELECT kind FROM items', ordered: false },
  { sql: 'SELECT i.id, k.label FROM items i LEFT JOIN kinds k ON k.name = i.kind', ordered: false },
];

const insert = (host: LiveHost, n: number): void => host.run(`INSERT INTO items(kind, n) VALUES ('a', ${n})`);
const ns = (events: readonly { readonly newData?: Record<string, unknown> }[]): unknown[] =>
  events.map(({ newData }) => newData?.['n']);

it('is none when there is no such subscription, and one of a stranger is no place to go on from', async () => {
  const host = openLiveHost({ schema: SCHEMA });
  insert(host, 1);
  await host.flush();
  const { subscription, watcher, events } = host.heard('SELECT n FROM items');
  for (const wrong of [undefined, null, {}, 'nobody', 5])
    expect(host.live.standing(wrong as Subscription)).toBeUndefined();
  const told = collector();
  host.live.subscribe(watcher, told.handler, { after: { kind: 'live-standing' } });
  host.live.unsubscribe(subscription);
  expect(host.live.standing(subscription)).toBeUndefined();
  insert(host, 2);
  await host.flush();
  expect([events, ns(told.events)]).toEqual([[], [2]]);
});

describe('a call that is under way', () => {
  it.each([
    ['is told again when it is unhandled', true, [[1], [1], [2]]],
    ['is not told again when it counts', false, [[1], [2]]],
  ])('%s', async (_what, unhandled, expected) => {
    const host = openLiveHost({ schema: SCHEMA });
    const calls: unknown[][] = [];
    const gate = Promise.withResolvers<void>();
    const first = host.live.watch('SELECT n FROM items');
    const subscription = host.live.subscribe(first, (events) => {
      calls.push(ns(events));
      return gate.promise;
    });
    insert(host, 1);
    void host.flush();
    await settle();
    insert(host, 2);
    const second = host.live.watch('SELECT n FROM items', [], { owner: { id: 'other', check: () => undefined } });
    const after = host.live.standing(subscription, { unhandled }) as Standing;
    host.live.subscribe(second, (events) => void calls.push(ns(events)), { after });
    host.live.unwatch(first);
    gate.resolve();
    await host.flush();
    await settle();
    expect(calls).toEqual(expected);
  });
});

it('stays what it was while the other query goes on', async () => {
  const host = openLiveHost({ schema: SCHEMA });
  for (let n = 1; n <= 50; n += 1) insert(host, n);
  await host.flush();
  const { subscription } = host.heard('SELECT id, n FROM items');
  insert(host, 51);
  await host.flush();
  const after = host.live.standing(subscription) as Standing;
  host.run('UPDATE items SET n = 0 WHERE id = 7');
  await host.flush();
  const told = collector();
  const owner = { id: 'other', check: () => undefined };
  host.live.subscribe(host.live.watch('SELECT id, n FROM items', [], { owner }), told.handler, { after });
  await settle();
  expect(told.short).toEqual(['UPDATE 7']);
});

it('of one that waits for its first call is told of an empty result, too', async () => {
  const host = openLiveHost({ schema: SCHEMA });
  const { subscription, watcher, batches } = host.heard('SELECT n FROM items', [], { initial: true });
  const after = host.live.standing(subscription) as Standing;
  host.live.unsubscribe(subscription);
  const told = collector();
  host.live.subscribe(watcher, told.handler, { after });
  await settle();
  expect([batches.length, told.batches.map(({ events }) => events)]).toEqual([0, [[]]]);
});

type Step = 'insert' | 'update' | 'delete' | 'flush' | 'hand over';
const step = fc.constantFrom<Step>('insert', 'insert', 'update', 'delete', 'flush', 'hand over', 'hand over');

async function play({ sql, ordered }: (typeof QUERIES)[number], steps: readonly Step[], slow: boolean): Promise<void> {
  const host = openLiveHost({ schema: SCHEMA });
  const replica = new Replica(ordered);
  let n = 0;
  let current: { readonly subscription: Subscription; left: boolean; busy: boolean } | undefined;
  const handOver = (): void => {
    const before = current;
    const after = before && host.live.standing(before.subscription, { unhandled: before.busy });
    const watcher = host.live.watch(sql, [], { owner: { id: String(n), check: () => undefined } });
    const handler = async (...args: Parameters<Replica['handler']>): Promise<void> => {
      own.busy = true;
      if (slow) await settle();
      if (!own.left) replica.handler(...args);
      own.busy = false;
    };
    const subscription = host.live.subscribe(watcher, handler, after === undefined ? { initial: true } : { after });
    const own = { subscription, left: false, busy: false };
    if (before !== undefined) {
      before.left = true;
      host.live.unwatch(before.subscription.watcherId);
    }
    current = own;
  };
  handOver();
  for (const one of steps) {
    n += 1;
    if (one === 'insert') host.run(`INSERT INTO items(kind, n) VALUES ('${'abc'[n % 3]}', ${n % 9})`);
    else if (one === 'update') host.run(`UPDATE items SET n = n + 1, kind = 'b' WHERE id % 3 = ${n % 3}`);
    else if (one === 'delete')
      host.run(`DELETE FROM items WHERE id = (SELECT max(id) FROM items WHERE n % 2 = ${n % 2})`);
    else if (one === 'hand over') handOver();
    else if (n % 2 === 0) await host.flush();
    else void host.flush();
  }
  await host.flush();
  await settle();
  await host.flush();
  const now = host.db.all(sql).map((row) => exactly(row));
  expect(replica.faults).toEqual([]);
  expect(ordered ? replica.rows : replica.rows.toSorted()).toEqual(ordered ? now : now.toSorted());
  await host.close();
}

test.each(QUERIES)('however often: $sql', { timeout: 60_000 }, async (query) => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), fc.boolean(), (steps, slow) =>
      play(query, steps, slow),
    ),
    { numRuns: 5 },
  );
});
