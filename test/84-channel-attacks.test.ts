/** The channel as a stranger meets it: wrong messages, what cannot be sent, handlers that throw, ends that go away, limits, another channel. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Row } from '../kernel/database/types.ts';
import { connectLiveSource, liveSource, serveLiveSource } from '../sdk/channel.ts';
import type { Channel, ChannelRequest, ConnectedSource, LiveQuery, LiveSource, ServeOptions } from '../sdk/channel.ts';
import { GlyphCase } from '../sdk/index.ts';
import { kept } from '../sdk/react/patch.ts';
import { afterTest, fakeClock, settle, tempFile, thrownBy, until } from './support.ts';
import type { FakeClock } from './10-kernel-support.ts';

let db: GlyphCase;
let clock: FakeClock;
/** What reached the process itself, as an exception does that nobody handles. */
const unhandled: unknown[] = [];
const note = (error: unknown): void => void unhandled.push(error);

beforeEach(async () => {
  unhandled.length = 0;
  process.on('uncaughtException', note);
  process.on('unhandledRejection', note);
  clock = fakeClock();
  db = new GlyphCase(tempFile(), { capsule: { batchInterval: 0 } });
  afterTest(() => db.close());
  await db.execute(`CREATE TABLE tasks(id INTEGER PRIMARY KEY, title TEXT);
    CREATE TABLE secrets(id INTEGER PRIMARY KEY, text TEXT);
    INSERT INTO tasks VALUES (1, 'one'), (2, 'two'); INSERT INTO secrets VALUES (1, 'hidden')`);
  await db.flush();
});
afterEach(() => {
  process.off('uncaughtException', note);
  process.off('unhandledRejection', note);
});

const SELECT = { sql: 'SELECT id, title FROM tasks ORDER BY id' };
const COUNT = { sql: 'SELECT count(*) AS n FROM tasks' };

interface Joined {
  readonly source: ConnectedSource;
  readonly host: MessagePort;
  readonly client: MessagePort;
  readonly stop: () => void;
}

function ports(): { readonly host: MessagePort; readonly client: MessagePort } {
  const { port1: host, port2: client } = new MessageChannel();
  afterTest(() => host.close());
  return { host, client };
}

function joined(options: ServeOptions = {}, from: LiveSource = liveSource(db, { timers: clock, keep: 0 })): Joined {
  const { host, client } = ports();
  const stop = serveLiveSource(from, host, options);
  const source = connectLiveSource(client, { timers: clock, keep: 0 });
  afterTest(() => source.close());
  return { source, host, client, stop };
}

async function loaded<T>(query: LiveQuery<T>): Promise<LiveQuery<T>> {
  afterTest(query.subscribe(() => undefined));
  await until(() => query.getSnapshot().status !== 'pending');
  return query;
}

const codeOf = (query: LiveQuery): string | undefined => query.getSnapshot().error?.code;
const rowsOf = async (query: LiveQuery, count: number): Promise<void> =>
  await until(() => query.getSnapshot().rows.length === count);
const nothingIsOpen = (): boolean => db.stats().subscriptions.length === 0 && db.stats().watchers === 0;
const add = (title = 'more'): Promise<unknown> => db.insert('tasks', { title });

describe('what is no channel', () => {
  test.each([[undefined], [null], [{}], [{ postMessage: () => undefined }], [{ onmessage: null }], ['ws://x']])(
    '%j',
    (channel) => {
      for (const connect of [
        () => connectLiveSource(channel as unknown as Channel),
        () => serveLiveSource(db, channel as unknown as Channel),
      ])
        expect(connect).toThrow(expect.objectContaining({ code: 'GC_BAD_ARGUMENT' }) as Error);
    },
  );

  test('what is no database, no limit', () => {
    const { host } = ports();
    expect(() => serveLiveSource(undefined as unknown as GlyphCase, host)).toThrow(/takes a database/);
    expect(() => serveLiveSource(db, host, { allow: true as never })).toThrow(/"allow" is a function/);
  });
});

describe('a stranger’s messages', () => {
  const objects = [null, undefined, 1, 'x', [], {}, { id: 1 }, { type: 'rows' }, new Map([['id', 1]])];

  test('to the client change nothing, whatever they are', async () => {
    const { source, host } = joined();
    const query = await loaded(source.observe(SELECT));
    const before = query.getSnapshot();
    for (const one of objects) host.postMessage([one]);
    for (const one of objects) host.postMessage(one);
    const wrong = [
      { type: 'rows', id: 1 },
      { type: 'rows', id: 1, rows: 'none' },
      { type: 'patch', id: 1, pieces: null },
      { type: 'events', id: 1, events: 1 },
      { type: 'failed', id: 1, error: null },
      { type: 'unheard', id: 1 },
    ];
    host.postMessage(wrong);
    await add();
    await rowsOf(query, 3);
    expect([before.rows.length, unhandled]).toEqual([2, []]);
  });

  test('to the host are nobody’s', async () => {
    const { source, client } = joined();
    for (const one of objects) client.postMessage([one]);
    for (const one of objects) client.postMessage(one);
    client.postMessage([
      { type: 'observe', id: 90, target: null },
      { type: 'observe', id: 91, target: { sql: SELECT.sql, table: 'tasks', id: 1 } },
      { type: 'watch', id: 92 },
      { type: 'watch', id: 93, request: { tableOrQuery: 5, filter: {} } },
      { type: 'watch', id: 94, request: { tableOrQuery: 'tasks', filter: ['id'] } },
      { type: 'dispatch', id: 95, action: { x: 1 } },
      { type: 'release', id: 999 },
    ]);
    expect((await loaded(source.observe(COUNT))).getSnapshot().rows).toEqual([{ n: 2 }]);
    expect([db.stats().subscriptions.length, unhandled]).toEqual([1, []]);
  });
});

describe('a handler', () => {
  test('that throws takes nothing from the others, whose rows stay right', async () => {
    const { source } = joined();
    const heard: unknown[] = [];
    const bad = source.observe(SELECT);
    afterTest(
      bad.subscribe(() => {
        throw new Error('a listener of the page');
      }),
    );
    afterTest(bad.subscribe(() => heard.push('told too')));
    afterTest(
      source.watch(
        { tableOrQuery: 'tasks' },
        {
          changed: () => {
            throw new Error('a handler of the page');
          },
          failed: () => undefined,
        },
      ),
    );
    const good = await loaded(source.observe({ sql: 'SELECT title FROM tasks ORDER BY id' }));
    for (let n = 3; n <= 5; n += 1) {
      await add(`n${n}`);
      await rowsOf(good, n);
    }
    expect(bad.getSnapshot().rows).toHaveLength(5);
    expect(good.getSnapshot().rows.map(({ title }) => title)).toEqual(['one', 'two', 'n3', 'n4', 'n5']);
    expect(heard.length).toBeGreaterThan(0);
    // They are the page's own, and not to be hidden from it.
    expect(new Set(unhandled.map(String))).toEqual(
      new Set(['Error: a listener of the page', 'Error: a handler of the page']),
    );
  });

  test('that ends itself, or another, is called no more', async () => {
    const { source } = joined();
    const query = await loaded(source.observe(SELECT));
    const heard: string[] = [];
    const stopOther: (() => void)[] = [];
    const stop = query.subscribe(() => {
      heard.push('first');
      stop();
      stopOther[0]?.();
    });
    stopOther.push(query.subscribe(() => heard.push('second')));
    const stopWatch = source.watch(
      { tableOrQuery: 'tasks' },
      {
        changed: () => {
          heard.push('watch');
          stopWatch();
        },
        failed: () => undefined,
      },
    );
    await until(() => db.stats().subscriptions.length === 2);
    for (let n = 3; n <= 4; n += 1) {
      await add();
      await rowsOf(query, n);
    }
    expect(heard.toSorted()).toEqual(['first', 'watch']);
  });
});

/** A source of somebody's own, whose rows may be anything. */
function sourceOf(state: { rows: readonly unknown[] }): LiveSource & { tell(): void } {
  const listeners = new Set<() => void>();
  return {
    observe: <T = Row>() =>
      ({
        subscribe: (listener: () => void) => {
          listeners.add(listener);
          return () => void listeners.delete(listener);
        },
        getSnapshot: () => ({ status: 'success', rows: state.rows as readonly T[], error: undefined }),
        settled: () => Promise.resolve(),
        retry: () => undefined,
        letGo: () => undefined,
      }) satisfies LiveQuery<T>,
    watch: () => () => undefined,
    dispatch: () => Promise.resolve(0),
    request: <T>() => Promise.resolve(new Map([[1, 2]]) as T),
    tell: () => {
      for (const listener of listeners) listener();
    },
  };
}

/** Texts, both ways. */
class TextEnd extends EventTarget {
  readyState = 1;
  onmessage: ((event: { readonly data: string }) => unknown) | null = null;
  other: TextEnd | undefined;
  broken = false;

  send(text: string): void {
    if (this.broken) throw new Error('it is not open');
    queueMicrotask(() => this.other?.onmessage?.({ data: text }));
  }

  static pair(): readonly [TextEnd, TextEnd] {
    const [a, b] = [new TextEnd(), new TextEnd()];
    [a.other, b.other] = [b, a];
    return [a, b];
  }
}

describe('what cannot be sent', () => {
  test.each(['objects', 'texts'])(
    'is an error of its own query, and the rows come when they can (%s)',
    async (kind) => {
      const state = { rows: [{ id: 1, bad: () => 1 }] as readonly unknown[] };
      const own = sourceOf(state);
      const [host, client] = kind === 'texts' ? TextEnd.pair() : Object.values(ports());
      afterTest(serveLiveSource(own, host));
      const source = connectLiveSource(client);
      afterTest(() => source.close());
      const query = await loaded(source.observe(SELECT));
      expect(codeOf(query)).toBe('GC_BAD_VALUE');
      for (const rows of [[{ id: 1 }], [{ id: 1 }, { id: 2n, bytes: Uint8Array.from([0, 255]), x: -0, y: Infinity }]]) {
        state.rows = rows;
        own.tell();
        await rowsOf(query, rows.length);
        expect(query.getSnapshot().rows).toEqual(rows);
      }
      expect(unhandled).toEqual([]);
    },
  );

  test('a map in an answer or a payload is refused where texts cannot say it', async () => {
    const [host, client] = TextEnd.pair();
    afterTest(serveLiveSource(sourceOf({ rows: [] }), host));
    const source = connectLiveSource(client);
    await expect(source.dispatch('x', new Set([1]))).rejects.toMatchObject({ code: 'GC_BAD_VALUE' });
    await expect(source.request('x')).rejects.toMatchObject({ code: 'GC_BAD_VALUE' });
    source.close();
  });

  test('a channel that throws has no other end: the host lets go, and lives', async () => {
    const [host, client] = TextEnd.pair();
    serveLiveSource(liveSource(db, { timers: clock, keep: 0 }), host);
    const source = connectLiveSource(client, { timers: clock, keep: 0 });
    await loaded(source.observe(SELECT));
    host.broken = true;
    await add();
    await db.flush();
    await settle();
    await clock.advance(0);
    expect([nothingIsOpen(), unhandled]).toEqual([true, []]);
    client.broken = true;
    await expect(source.dispatch('x')).rejects.toMatchObject({ code: 'GC_CLOSED' });
    expect(unhandled).toEqual([]);
  });

  test('a large result comes whole, with values as they are', async () => {
    await db.execute(`CREATE TABLE wide(id INTEGER PRIMARY KEY, big, bytes BLOB);
      WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 50000)
      INSERT INTO wide SELECT i, 4611686018427387904 + i, CAST('x' || i AS BLOB) FROM n`);
    const query = await loaded(joined().source.observe({ sql: 'SELECT * FROM wide ORDER BY id' }));
    const { rows } = query.getSnapshot();
    expect([rows.length, rows[49_999]]).toEqual([
      50_000,
      { id: 50_000, big: 4611686018427387904n + 50_000n, bytes: new Uint8Array(Buffer.from('x50000')) },
    ]);
  });
});

describe('an end that goes away', () => {
  test('in the middle of rows under way: the other one lets go', async () => {
    const { source, client } = joined();
    await loaded(source.observe(SELECT));
    for (let n = 0; n < 20; n += 1) void add(String(n));
    client.close();
    await until(() => {
      void clock.advance(0);
      return nothingIsOpen();
    });
    expect(codeOf(source.observe(SELECT))).toBe('GC_CLOSED');
    expect(unhandled).toEqual([]);
  });

  test('a host that stops tells the client, who would show old rows for ever', async () => {
    const { source, stop } = joined();
    const query = await loaded(source.observe(SELECT));
    stop();
    stop();
    await until(() => codeOf(query) === 'GC_CLOSED');
    await expect(source.request('x')).rejects.toMatchObject({ code: 'GC_CLOSED' });
  });

  test('a client that ends its source keeps nothing open at the host, though the channel stays', async () => {
    const { source } = joined();
    await loaded(source.observe(SELECT));
    source.watch({ tableOrQuery: 'tasks' }, { changed: () => undefined, failed: () => undefined });
    await until(() => db.stats().subscriptions.length === 2);
    source.close();
    await until(() => {
      void clock.advance(0);
      return nothingIsOpen();
    });
  });

  test('of two clients one may go, and the other one stays current', async () => {
    const [first, second] = [joined(), joined()];
    const queries = [await loaded(first.source.observe(SELECT)), await loaded(second.source.observe(SELECT))];
    first.client.close();
    await until(() => codeOf(queries[0] as LiveQuery) === 'GC_CLOSED');
    await add();
    await rowsOf(queries[1] as LiveQuery, 3);
  });
});

test('plugins that are reloaded while a channel is open are not noticed', async () => {
  const { source } = joined();
  const query = await loaded(source.observe(SELECT));
  const seen: number[] = [];
  source.watch(
    { tableOrQuery: 'tasks' },
    { changed: (events) => seen.push(...events.map(({ seq }) => seq)), failed: note },
  );
  await until(() => db.stats().subscriptions.length === 2);
  const states: string[] = [];
  afterTest(query.subscribe(() => states.push(query.getSnapshot().status)));
  let count = 2;
  for (const plugin of ['live', 'capsule', 'batching', 'actions', 'live']) {
    await Promise.all([add(), db.plugins.reload(plugin), add()]);
    count += 2;
    await rowsOf(query, count);
  }
  await until(() => seen.length === count - 2);
  expect([new Set(seen).size, new Set(states)]).toEqual([count - 2, new Set(['success'])]);
});

describe('a limit', () => {
  const asked: ChannelRequest[] = [];
  const allow = (request: ChannelRequest): boolean => {
    asked.push(request);
    if (request.type === 'observe')
      return 'sql' in request.target ? request.target.sql === SELECT.sql : request.target.table === 'tasks';
    if (request.type === 'watch') return request.request.tableOrQuery === 'tasks';
    return request.action.startsWith('task:');
  };

  test('refuses what it does not allow, and says so', async () => {
    const { source } = joined({ allow });
    const heard: unknown[] = [];
    db.onAction('*', (_payload, action) => void heard.push(action));
    expect((await loaded(source.observe(SELECT))).getSnapshot().rows).toHaveLength(2);
    expect((await loaded(source.observe({ table: 'tasks', id: 1 }))).getSnapshot().rows).toHaveLength(1);
    expect(await source.dispatch('task:add')).toBe(1);
    for (const target of [{ sql: 'SELECT * FROM secrets' }, { table: 'secrets', id: 1 }]) {
      const refused = await loaded(source.observe(target));
      expect(codeOf(refused)).toBe('GC_PERMISSION');
      expect(refused.getSnapshot().error?.message).toContain('secrets');
    }
    const failed: string[] = [];
    source.watch({ tableOrQuery: 'secrets' }, { changed: note, failed: ({ code }) => failed.push(code) });
    await until(() => failed.length === 1);
    await expect(source.dispatch('user:drop')).rejects.toMatchObject({ code: 'GC_PERMISSION' });
    await expect(source.request('user:drop')).rejects.toMatchObject({ code: 'GC_PERMISSION' });
    expect([failed, heard, db.stats().subscriptions.length]).toEqual([['GC_PERMISSION'], ['task:add'], 2]);
  });

  test('is asked about exactly what is done', async () => {
    const { client } = joined({ allow });
    asked.length = 0;
    client.postMessage([
      { type: 'observe', id: 1, target: { table: 'tasks', id: 1, sql: 'SELECT * FROM secrets' } },
      { type: 'watch', id: 2, request: { tableOrQuery: 'tasks', more: 1 }, target: { table: 'secrets', id: 1 } },
    ]);
    await until(() => asked.length === 1);
    await settle();
    expect(asked).toEqual([{ type: 'watch', request: { tableOrQuery: 'tasks' } }]);
  });

  test('that throws, or answers later, allows nothing', async () => {
    const failing = joined({
      allow: () => {
        throw new Error('no idea');
      },
    });
    const late = joined({ allow: (() => Promise.resolve(true)) as never });
    expect((await loaded(failing.source.observe(SELECT))).getSnapshot().error?.message).toBe('no idea');
    expect(codeOf(await loaded(late.source.observe(SELECT)))).toBe('GC_PERMISSION');
    expect(nothingIsOpen()).toBe(true);
  });
});

describe('another channel', () => {
  /** Serves the database to a new channel; returns the client's end. */
  function served(): { readonly client: MessagePort; readonly host: MessagePort } {
    const { host, client } = ports();
    serveLiveSource(liveSource(db, { timers: clock, keep: 0 }), host);
    return { host, client };
  }

  test.each([
    ['after the one before was closed', true],
    ['in place of one that is open', false],
  ])('%s: queries go on, rows that are as they were stay the same objects', async (_what, closeFirst) => {
    const { source, host } = joined();
    const query = await loaded(source.observe(SELECT));
    const count = await loaded(source.observe(COUNT));
    const [before, sameCount] = [query.getSnapshot().rows, count.getSnapshot().rows];
    const states: string[] = [];
    afterTest(query.subscribe(() => states.push(query.getSnapshot().status)));
    if (closeFirst) {
      host.close();
      await until(() => codeOf(query) === 'GC_CLOSED');
    }
    await db.execute("UPDATE tasks SET title = 'zwei' WHERE id = 2");
    await db.flush();
    source.reconnect(served().client);
    await until(() => query.getSnapshot().rows[1]?.['title'] === 'zwei');
    expect([query.getSnapshot().rows[0] === before[0], count.getSnapshot().rows === sameCount]).toEqual([true, true]);
    expect(states.includes('error')).toBe(closeFirst);
    await add();
    await rowsOf(query, 3);
    expect(count.getSnapshot().rows).toEqual([{ n: 3 }]);
    await until(() => {
      void clock.advance(0);
      return db.stats().subscriptions.length === 2;
    });
    expect(unhandled).toEqual([]);
  });

  test('watches begin anew and say so; what waited for an answer is refused; what was asked meanwhile is asked', async () => {
    const { source, host } = joined();
    const heard: string[] = [];
    source.watch(
      { tableOrQuery: 'tasks' },
      {
        changed: (events) => heard.push(...events.map(({ newData }) => String(newData?.['title']))),
        failed: ({ code }) => heard.push(code),
        restored: () => heard.push('restored'),
      },
    );
    db.onAction('slow', () => new Promise(() => undefined));
    await until(() => db.stats().subscriptions.length === 1);
    const answer = source.request('slow');
    host.close();
    await expect(answer).rejects.toMatchObject({ code: 'GC_CLOSED' });
    const later = await loaded(source.observe(SELECT));
    expect(codeOf(later)).toBe('GC_CLOSED');
    await add('missed');
    await db.flush();
    source.reconnect(served().client);
    await until(() => later.getSnapshot().status === 'success');
    await until(() => db.stats().subscriptions.length === 2);
    await add('heard');
    await until(() => heard.includes('heard'));
    expect(heard).toEqual(['GC_CLOSED', 'restored', 'heard']);
  });

  test('the same channel, served anew', async () => {
    const { source, host, client, stop } = joined();
    const query = await loaded(source.observe(SELECT));
    stop();
    await until(() => codeOf(query) === 'GC_CLOSED');
    serveLiveSource(db, host);
    source.reconnect(client);
    await rowsOf(query, 2);
  });

  test('is not for a source that was ended, and has to be one', async () => {
    const { source } = joined();
    expect(await thrownBy(() => source.reconnect({} as Channel))).toMatchObject({ code: 'GC_BAD_ARGUMENT' });
    const query = await loaded(source.observe(SELECT));
    expect(query.getSnapshot().status).toBe('success');
    source.close();
    expect(await thrownBy(() => source.reconnect(served().client))).toMatchObject({ code: 'GC_CLOSED' });
  });

  test('rows are told apart by all that is in them', () => {
    const rows = [{ a: 1 }, { a: 1n }, { a: '1' }, { a: 1 }] as unknown as readonly Row[];
    expect(kept(rows, structuredClone(rows))).toBe(rows);
    const after = kept(rows, structuredClone(rows).toReversed());
    expect([after[0] === rows[0], after[1] === rows[2], after[3] === rows[3]]).toEqual([true, true, true]);
  });
});
