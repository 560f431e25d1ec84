/** Durable subscriptions: they go on where they stopped, try again what failed, and move their cursor with what the handler writes. */
import { describe, expect, test } from 'vitest';
import { openHost, settle, thrownBy } from './support.ts';
import type { Host } from './support.ts';

const TABLE = 'CREATE TABLE t(id INTEGER PRIMARY KEY, v)';
const insert = (host: Host, ...ids: number[]): void =>
  host.db.write(() => host.db.exec(`INSERT INTO t(id) VALUES ${ids.map((id) => `(${id})`).join(', ')}`));
const stored = (host: Host, name: string): unknown =>
  host.db.value('SELECT cursor FROM _capsule_subscriptions WHERE name = ?', [name]);

describe('durable subscriptions', () => {
  const name = 'mailer';

  test('go on where they stopped, after what happened while nobody ran', async () => {
    const first = openHost({ schema: TABLE });
    const one = first.collect(first.capsule.watch('t'), { name });
    insert(first, 1);
    await first.flush();
    await first.close();
    const between = openHost({ file: first.file });
    insert(between, 2);
    await between.close();
    const second = openHost({ file: first.file });
    const watcher = second.capsule.watch('t');
    const two = second.collect(watcher, { name, from: 0 });
    insert(second, 3);
    await second.flush();
    expect([one.short, two.short]).toEqual([['INSERT 1'], ['INSERT 2', 'INSERT 3']]);
    expect(stored(second, name)).toBe(3);
  });

  test('keep their ids, and their table its triggers', async () => {
    const first = openHost({ schema: TABLE });
    const watcher = first.capsule.watch('t', 'v = 1');
    const { id } = first.capsule.subscribe(watcher, () => undefined, { name });
    await first.close();
    const second = openHost({ file: first.file });
    expect(second.db.value("SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 't'")).toBe(5);
    const again = second.capsule.watch('t', 'v = 1');
    expect(again.id).toBe(watcher.id);
    expect(second.capsule.subscribe(again, () => undefined, { name }).id).toBe(id);
  });

  test('unsubscribing ends them: no row, no triggers', async () => {
    const host = openHost({ schema: TABLE });
    const watcher = host.capsule.watch('t');
    const subscription = host.capsule.subscribe(watcher, () => undefined, { name });
    host.capsule.unsubscribe(subscription);
    host.capsule.unwatch(watcher);
    await host.flush();
    expect(
      host.db.value('SELECT (SELECT count(*) FROM _capsule_watchers) + (SELECT count(*) FROM _capsule_subscriptions)'),
    ).toBe(0);
    expect(host.db.value("SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 't'")).toBe(0);
  });

  test('a batch that fails comes again after a pause that grows, and nothing behind it before', async () => {
    const host = openHost({ schema: TABLE, batching: { batchSize: 1 } });
    const seen: string[] = [];
    let failures = 3;
    host.capsule.subscribe(
      host.capsule.watch('t'),
      (events) => {
        seen.push(...events.map((event) => String(event.rowId)));
        if (failures > 0) {
          failures -= 1;
          throw new Error('not yet');
        }
      },
      { name },
    );
    insert(host, 1);
    insert(host, 2);
    await host.flush();
    expect(seen).toEqual(['1']);
    await host.clock.advance(999);
    expect(seen).toEqual(['1']);
    await host.clock.advance(1);
    expect(seen).toEqual(['1', '1']);
    await host.clock.advance(2000);
    expect(seen).toEqual(['1', '1', '1']);
    expect(stored(host, name)).toBe(0);
    await host.clock.advance(4000);
    await host.flush();
    expect(seen).toEqual(['1', '1', '1', '1', '2']);
    expect(stored(host, name)).toBe(2);
    expect(
      host.logger.lines
        .filter((line) => line.level === 'error')
        .map((line) => /tried again in (\d+) s/.exec(line.message)?.[1]),
    ).toEqual(['1', '2', '4']);
  });

  test('the cursor is stored when the batch was handled, before the next one', async () => {
    const host = openHost({ schema: TABLE, batching: { batchSize: 1 } });
    const cursors: unknown[] = [];
    host.capsule.subscribe(host.capsule.watch('t'), () => cursors.push(stored(host, name)), { name });
    for (let id = 1; id <= 3; id += 1) insert(host, id);
    await host.flush();
    expect([...cursors, stored(host, name)]).toEqual([0, 1, 2, 3]);
  });

  test('cursors move over what did not concern them, in time', async () => {
    const host = openHost({ schema: `${TABLE}; CREATE TABLE other(id INTEGER PRIMARY KEY)` });
    host.capsule.watch('other');
    host.collect(host.capsule.watch('t'), { name });
    host.run('INSERT INTO other VALUES (1), (2), (3)');
    await settle();
    expect(stored(host, name)).toBe(0);
    await host.clock.advance(1000);
    expect(stored(host, name)).toBe(3);
  });
});

describe('acknowledge', () => {
  test('moves the cursor in the handler’s own transaction', async () => {
    const host = openHost({ schema: `${TABLE}; CREATE TABLE done(seq INTEGER PRIMARY KEY)` });
    let fail = true;
    host.capsule.subscribe(
      host.capsule.watch('t'),
      (events, batch) =>
        host.db.transaction(() => {
          for (const { seq } of events) host.db.run('INSERT INTO done VALUES (?)', [seq]);
          batch.acknowledge();
          if (fail) throw new Error('undo');
        }),
      { name: 'once' },
    );
    insert(host, 1);
    await host.flush();
    expect([stored(host, 'once'), host.db.value('SELECT count(*) FROM done')]).toEqual([0, 0]);
    fail = false;
    await host.clock.advance(1000);
    await host.flush();
    expect([stored(host, 'once'), host.db.value('SELECT count(*) FROM done')]).toEqual([1, 1]);
  });

  test('a handler that fails after its transaction committed is not given the batch again', async () => {
    const host = openHost({ schema: TABLE });
    const seen: unknown[] = [];
    host.capsule.subscribe(
      host.capsule.watch('t'),
      async (events, batch) => {
        seen.push(...events.map((event) => event.rowId));
        await host.db.transaction(() => batch.acknowledge());
        throw new Error('afterwards');
      },
      { name: 'once' },
    );
    insert(host, 1);
    await host.flush();
    await host.clock.advance(120_000);
    insert(host, 2);
    await host.flush();
    expect(seen).toEqual([1, 2]);
  });

  test('needs a name and a transaction', async () => {
    const host = openHost({ schema: TABLE });
    const codes: unknown[] = [];
    const note = async (fn: () => unknown): Promise<void> => void codes.push((await thrownBy(fn)).code);
    host.capsule.subscribe(host.capsule.watch('t'), (_, batch) =>
      note(() => host.db.transaction(() => batch.acknowledge())),
    );
    host.capsule.subscribe(host.capsule.watch('t'), (_, batch) => note(() => batch.acknowledge()), { name: 'x' });
    insert(host, 1);
    await host.flush();
    expect(codes.toSorted()).toEqual(['GC_BAD_ARGUMENT', 'GC_TRANSACTION']);
  });
});
