/** A source over a channel: the rows first, then what changed; values as they are; nothing but reads. */
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { GlyphCase } from '../sdk/index.ts';
import { decode, encode } from '../sdk/react/codec.ts';
import { connectLiveSource, liveSource, serveLiveSource } from '../sdk/react/index.ts';
import type { Channel, ConnectedSource, LiveQuery } from '../sdk/react/index.ts';
import { patched, patchOf } from '../sdk/react/patch.ts';
import { afterTest, fakeClock, settle, tempFile, until } from './support.ts';
import type { FakeClock } from './10-kernel-support.ts';

/** Both ends of a channel of texts that keeps what passed. */
class TextEnd extends EventTarget {
  readyState = 1;
  onmessage: ((event: { readonly data: string }) => unknown) | null = null;
  other: TextEnd | undefined;
  readonly sent: string[] = [];

  send(text: string): void {
    if (this.readyState !== 1) throw new Error('it is not open');
    this.sent.push(text);
    queueMicrotask(() => this.other?.onmessage?.({ data: text }));
  }

  static pair(): readonly [TextEnd, TextEnd] {
    const [a, b] = [new TextEnd(), new TextEnd()];
    [a.other, b.other] = [b, a];
    return [a, b];
  }
}

let db: GlyphCase;
let clock: FakeClock;

beforeEach(async () => {
  db = new GlyphCase(tempFile(), { capsule: { batchInterval: 0 } });
  afterTest(() => db.close());
  clock = fakeClock();
  await db.execute(`
    CREATE TABLE tasks(id INTEGER PRIMARY KEY, title TEXT);
    INSERT INTO tasks VALUES (1, 'one'), (2, 'two'), (3, 'three');`);
  await db.flush();
});

function joined(host: Channel, client: Channel): ConnectedSource {
  const stop = serveLiveSource(liveSource(db, { timers: clock, keep: 0 }), host);
  const source = connectLiveSource(client, { timers: clock, keep: 0 });
  afterTest(() => {
    source.close();
    stop();
  });
  return source;
}

function texts(): { readonly source: ConnectedSource; readonly host: TextEnd; readonly client: TextEnd } {
  const [host, client] = TextEnd.pair();
  return { source: joined(host, client), host, client };
}

const ports = (): ConnectedSource => {
  const { port1, port2 } = new MessageChannel();
  afterTest(() => port1.close());
  return joined(port1, port2);
};

const kinds = [
  ['texts', () => texts().source],
  ['objects', ports],
] as const;

async function loaded<T>(query: LiveQuery<T>): Promise<LiveQuery<T>> {
  afterTest(query.subscribe(() => undefined));
  await until(() => query.getSnapshot().status !== 'pending');
  return query;
}

const nothingIsOpen = (): boolean => db.stats().subscriptions.length === 0 && db.stats().watchers === 0;

const SELECT = { sql: 'SELECT id, title FROM tasks ORDER BY id' };

describe('what cannot be asked for', () => {
  test.each([
    'DELETE FROM tasks',
    "INSERT INTO tasks VALUES (9, 'x') RETURNING id",
    'PRAGMA user_version = 3',
    'DROP TABLE tasks',
  ])('a write is refused, as a query and as a watch: %s', async (sql) => {
    const { source } = texts();
    const query = await loaded(source.observe({ sql }));
    expect(query.getSnapshot().error?.code).toMatch(/^GC_(WRITE_IN_QUERY|NOT_WATCHABLE)$/);
    const failed: string[] = [];
    source.watch({ tableOrQuery: sql }, { changed: () => undefined, failed: ({ code }) => failed.push(code) });
    await until(() => failed.length > 0);
    expect(failed[0]).toMatch(/^GC_(WRITE_IN_QUERY|NOT_WATCHABLE)$/);
    expect(await db.query(SELECT.sql)).toHaveLength(3);
    expect(await db.queryScalar('PRAGMA user_version')).toBe(0);
  });

  test('what is not of the protocol is nobody’s', async () => {
    const { source, client, host } = texts();
    const bad = ['', '{', 'null', '[1]', '[{"type":"observe","id":"a"}]', '[{"type":"observe","id":1,"target":[]}]'];
    bad.push(
      '[{"type":"execute","id":1,"sql":"DELETE FROM tasks"}]',
      '[{"type":"__proto__","id":1}]',
      '{"$":"bytes","v":"*"}',
    );
    for (const text of bad) client.send(text);
    for (const text of bad.slice(0, 5)) host.send(text);
    await settle();
    expect(host.sent).toEqual(bad.slice(0, 5));
    expect((await loaded(source.observe(SELECT))).getSnapshot().rows).toHaveLength(3);
  });

  test('a table instead of a SELECT, a wrong row key', async () => {
    const { source } = texts();
    expect((await loaded(source.observe({ sql: 'tasks' }))).getSnapshot().error?.code).toBe('GC_BAD_ARGUMENT');
    const { error } = (await loaded(source.observe({ table: 'tasks', id: [1, 2] }))).getSnapshot();
    expect(error?.code).toBe('GC_BAD_ARGUMENT');
    expect(error?.hint).toContain('docs/api.md');
  });
});

describe.each(kinds)('over a channel of %s', (_, connect) => {
  test('a query has its rows, and unchanged ones stay the same objects', async () => {
    const source = connect();
    const query = source.observe(SELECT);
    expect(query.getSnapshot().status).toBe('pending');
    await loaded(query);
    const before = query.getSnapshot();
    expect(before.rows.map((row) => row['title'])).toEqual(['one', 'two', 'three']);
    await db.execute("UPDATE tasks SET title = 'zwei' WHERE id = 2; INSERT INTO tasks VALUES (0, 'zero')");
    await until(() => query.getSnapshot() !== before);
    const after = query.getSnapshot();
    expect(after.rows.map((row) => row['title'])).toEqual(['zero', 'one', 'zwei', 'three']);
    expect([after.rows[1] === before.rows[0], after.rows[3] === before.rows[2]]).toEqual([true, true]);
  });

  test('values arrive as they are', async () => {
    await db.execute('CREATE TABLE vals(id INTEGER PRIMARY KEY, v, "$" TEXT, "__proto__" TEXT, j JSON)');
    const values = [
      null,
      2n ** 62n,
      -5,
      1.5,
      'ünï\u2028',
      '',
      Uint8Array.from([0, 255, 10]),
      new Uint8Array(20_000).fill(7),
    ];
    for (const v of values)
      await db.execute('INSERT INTO vals(v, "$", "__proto__", j) VALUES (?, ?, ?, ?)', [v, '$', 'p', '{"a":[1]}']);
    await db.execute('INSERT INTO vals(v, "$", "__proto__", j) VALUES (9e999, \'$\', \'p\', \'{"a":[1]}\')');
    const sql = 'SELECT * FROM vals ORDER BY id';
    const { rows } = (await loaded(connect().observe({ sql }))).getSnapshot();
    const exact = (row: object): unknown[] =>
      Object.entries(row as Record<string, unknown>).map(([name, value]) => [
        name,
        value instanceof Uint8Array ? [...value] : value,
      ]);
    expect(rows.map(exact)).toEqual(liveSource(db).observe({ sql }).getSnapshot().rows.map(exact));
    expect(Object.is((rows[8] as { v: number }).v, Infinity)).toBe(true);
    expect(typeof (rows[1] as { v: bigint }).v).toBe('bigint');
  });

  test('parameters arrive as they are', async () => {
    const params = [2n ** 60n, Uint8Array.from([1, 2]), new Date(0), true, null, { a: 1 }];
    const query = await loaded(
      connect().observe({
        sql: 'SELECT ? = 1152921504606846976 AS a, hex(?) AS b, ? AS c, ? AS d, ? AS e, ? AS f FROM tasks LIMIT 1',
        params,
      }),
    );
    expect(query.getSnapshot().rows).toEqual([
      { a: 1, b: '0102', c: '1970-01-01T00:00:00.000Z', d: 1, e: null, f: '{"a":1}' },
    ]);
  });

  test('what nobody shows any more is closed at the other end', async () => {
    const source = connect();
    const stop = source.observe(SELECT).subscribe(() => undefined);
    const row = source.observe({ table: 'tasks', id: 1 }).subscribe(() => undefined);
    const stopWatch = source.watch({ tableOrQuery: 'tasks' }, { changed: () => undefined, failed: () => undefined });
    await until(() => db.stats().subscriptions.length === 3);
    for (const end of [stop, row, stopWatch]) end();
    // The clock has to pass the moment here, and then there.
    await until(() => {
      void clock.advance(0);
      return nothingIsOpen();
    });
    expect(clock.pending).toBe(0);
  });

  test('a table that is dropped is an error with its code, and comes back', async () => {
    const query = await loaded(connect().observe(SELECT));
    await db.execute('DROP TABLE tasks');
    await until(() => query.getSnapshot().status === 'error');
    expect(query.getSnapshot()).toMatchObject({ rows: [], error: { name: 'GlyphError', code: 'GC_NO_SUCH_TABLE' } });
    await db.execute("CREATE TABLE tasks(id INTEGER PRIMARY KEY, title TEXT); INSERT INTO tasks VALUES (7, 'x')");
    await until(() => query.getSnapshot().status === 'success');
    expect(query.getSnapshot().rows).toEqual([{ id: 7, title: 'x' }]);
  });

  test('actions are dispatched and answered, or say why not', async () => {
    const source = connect();
    const heard: unknown[] = [];
    db.onAction('note', (payload) => void heard.push(payload));
    db.onAction('sum', (payload) => (payload as number[]).reduce((a, b) => a + b));
    db.onAction('bad', () => () => undefined);
    expect(await source.dispatch('note', { at: new Date(5), big: 3n })).toBe(1);
    expect(heard).toEqual([{ at: new Date(5), big: 3n }]);
    expect(await source.request('sum', [1, 2])).toBe(3);
    await expect(source.request('nobody')).rejects.toMatchObject({ code: 'GC_NO_SUCH_FUNCTION' });
    await expect(source.dispatch('', 1)).rejects.toMatchObject({ code: 'GC_BAD_ARGUMENT' });
    await expect(source.dispatch('note', () => 1)).rejects.toMatchObject({ code: 'GC_BAD_VALUE' });
    await expect(source.request('bad')).rejects.toMatchObject({ name: 'GlyphError' });
    expect(await source.request('sum', [1, 3])).toBe(4);
  });

  test('a watch hears its events', async () => {
    const heard: unknown[] = [];
    connect().watch(
      { tableOrQuery: 'tasks', filter: 'id > ?', params: [1] },
      {
        changed: (events) =>
          heard.push(...events.map((event) => [event.operation, event.rowId, event.timestamp instanceof Date])),
        failed: (error) => heard.push(error),
      },
    );
    await until(() => db.stats().subscriptions.length === 1);
    await db.execute('DELETE FROM tasks');
    await until(() => heard.length === 2);
    expect(heard).toEqual([
      ['DELETE', 2, true],
      ['DELETE', 3, true],
    ]);
  });
});

test('asking again asks the host again', async () => {
  const { source } = texts();
  const query = await loaded(source.observe({ sql: 'SELECT * FROM later' }));
  expect(query.getSnapshot().error?.code).toBe('GC_NO_SUCH_TABLE');
  await db.execute('CREATE TABLE later(id INTEGER PRIMARY KEY)');
  query.retry();
  await until(() => query.getSnapshot().status !== 'pending');
  expect(query.getSnapshot().status).toBe('success');
});

describe('what is sent', () => {
  test('is the changed row, not the result', async () => {
    await db.execute(
      "WITH RECURSIVE n(i) AS (VALUES(10) UNION ALL SELECT i + 1 FROM n WHERE i < 1000) INSERT INTO tasks SELECT i, 'a task' FROM n",
    );
    const { source, host } = texts();
    const query = await loaded(source.observe(SELECT));
    const before = query.getSnapshot();
    host.sent.length = 0;
    await db.update('tasks', 500, { title: 'other' });
    await until(() => query.getSnapshot() !== before);
    expect(host.sent).toHaveLength(1);
    expect(host.sent[0]!.length).toBeLessThan(150);
  });

  test('of one commit comes as one message, so that two queries never show two states', async () => {
    const { source, host } = texts();
    const all = await loaded(source.observe(SELECT));
    const count = await loaded(source.observe({ sql: 'SELECT count(*) AS n FROM tasks' }));
    host.sent.length = 0;
    await db.execute("INSERT INTO tasks VALUES (4, 'four')");
    await until(() => all.getSnapshot().rows.length === 4);
    expect(count.getSnapshot().rows).toEqual([{ n: 4 }]);
    expect(host.sent).toHaveLength(1);
  });

  test('waits for a channel that is not open yet', async () => {
    const [host, client] = TextEnd.pair();
    client.readyState = 0;
    const query = joined(host, client).observe(SELECT);
    query.subscribe(() => undefined);
    await settle();
    client.readyState = 1;
    client.dispatchEvent(new Event('open'));
    await until(() => query.getSnapshot().status === 'success');
  });
});

describe('when the channel closes', () => {
  test('the host lets go of everything', async () => {
    const { source, host } = texts();
    await loaded(source.observe(SELECT));
    host.dispatchEvent(new Event('close'));
    await clock.advance(0);
    expect(nothingIsOpen()).toBe(true);
  });

  test('so do the ports of Node.js and of browsers', async () => {
    const { port1, port2 } = new MessageChannel();
    const source = joined(port1, port2);
    const query = await loaded(source.observe(SELECT));
    port1.close();
    await until(() => query.getSnapshot().status === 'error');
    await clock.advance(0);
    expect(nothingIsOpen()).toBe(true);
  });

  test('queries are errors, calls are refused, and what comes later too', async () => {
    const { source, client } = texts();
    const query = await loaded(source.observe(SELECT));
    db.onAction('slow', () => new Promise(() => undefined));
    const answer = source.request('slow');
    await settle();
    client.dispatchEvent(new Event('close'));
    expect(query.getSnapshot()).toMatchObject({ status: 'error', rows: [], error: { code: 'GC_CLOSED' } });
    await expect(answer).rejects.toMatchObject({ code: 'GC_CLOSED' });
    await expect(source.dispatch('x')).rejects.toMatchObject({ code: 'GC_CLOSED' });
    const later = await loaded(source.observe({ sql: 'SELECT 1 FROM tasks' }));
    expect(later.getSnapshot().error?.code).toBe('GC_CLOSED');
  });
});

describe('laws', () => {
  test('a patch leads from any result to any other, and keeps the objects', () => {
    const pool = Array.from({ length: 8 }, (_, id) => ({ id }));
    const result = fc.uniqueArray(fc.constantFrom(...pool)).map((rows) => rows);
    fc.assert(
      fc.property(result, result, (before, after) => {
        const got = patched(before, patchOf(before, after));
        expect(got).toHaveLength(after.length);
        expect(got.every((row, index) => row === after[index])).toBe(true);
      }),
    );
  });

  test('a patch names new rows only', () => {
    const rows = [{ id: 1 }, { id: 2 }, { id: 3 }, { id: 4 }];
    const [a, b, c, d] = rows as [object, object, object, object];
    const at = patchOf(rows, [c, d, a, { id: 9 }, b] as never);
    expect(at).toEqual([{ copy: [2, 2] }, { copy: [0, 1] }, { rows: [{ id: 9 }] }, { copy: [1, 1] }]);
  });

  test('any value survives being text', () => {
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        { depthSize: 'small' },
        fc.constant(null),
        fc.boolean(),
        fc.double().map((number) => (Object.is(number, -0) ? 0 : number)),
        fc.bigInt(),
        fc.string({ unit: 'binary' }),
        fc.uint8Array(),
        fc.date({ noInvalidDate: false }),
        fc.array(tie('any')),
        fc.dictionary(fc.oneof(fc.constantFrom('$', 'v', '__proto__'), fc.string()), tie('any')),
      ),
    })).any;
    const plain = (one: unknown): unknown => decode(JSON.parse(JSON.stringify(encode(one))));
    fc.assert(
      fc.property(value, (one) => {
        expect(structuredClone(plain(one))).toEqual(structuredClone(one));
      }),
    );
  });
});
