/** What a channel does when its host closes the database, when a client asks for too much, and when it does not read what it is sent. */
import { beforeEach, describe, expect, test } from 'vitest';
import { connectLiveSource, liveSource, serveLiveSource } from '../sdk/channel.ts';
import type { ConnectedSource, LiveQuery, ServeOptions, WatchBatch, WatchListener } from '../sdk/channel.ts';
import { GlyphCase } from '../sdk/index.ts';
import { afterTest, fakeClock, settle, tempFile, thrownBy, until } from './support.ts';

/** One end of a channel of texts, whose texts wait for as long as the other end is not read. */
class TextEnd extends EventTarget {
  readyState = 1;
  onmessage: ((event: { readonly data: string }) => unknown) | null = null;
  other: TextEnd | undefined;
  readonly sent: string[] = [];
  readonly #unread: string[] = [];
  #isRead = true;

  send(text: string): void {
    this.sent.push(text);
    queueMicrotask(() => this.other?.arrive(text));
  }

  set reads(reads: boolean) {
    this.#isRead = reads;
    if (reads) for (const text of this.#unread.splice(0)) this.arrive(text);
  }

  private arrive(text: string): void {
    if (this.#isRead) this.onmessage?.({ data: text });
    else this.#unread.push(text);
  }

  static pair(): readonly [TextEnd, TextEnd] {
    const [a, b] = [new TextEnd(), new TextEnd()];
    [a.other, b.other] = [b, a];
    return [a, b];
  }
}

const SELECT = { sql: 'SELECT id, title FROM tasks ORDER BY id' };
const COUNT = { sql: 'SELECT count(*) AS n FROM tasks' };
const clock = fakeClock();
let db: GlyphCase;

beforeEach(async () => {
  db = await opened();
});

async function opened(): Promise<GlyphCase> {
  const database = new GlyphCase(tempFile(), { capsule: { batchInterval: 0 } });
  afterTest(() => database.close());
  await database.execute(
    "CREATE TABLE tasks(id INTEGER PRIMARY KEY, title TEXT); INSERT INTO tasks VALUES (1, 'one'), (2, 'two')",
  );
  await database.flush();
  return database;
}

interface Joined {
  readonly source: ConnectedSource;
  readonly host: TextEnd;
  readonly client: TextEnd;
}

function joined(options: ServeOptions = {}): Joined {
  const [host, client] = TextEnd.pair();
  const stop = serveLiveSource(liveSource(db, { timers: clock, keep: 0 }), host, options);
  const source = connectLiveSource(client, { timers: clock, keep: 0 });
  afterTest(() => {
    source.close();
    stop();
  });
  return { source, host, client };
}

/** Shows a query; resolves when something is known of it. */
async function shown<T>(query: LiveQuery<T>): Promise<() => void> {
  const hide = query.subscribe(() => undefined);
  await until(() => query.getSnapshot().status !== 'pending');
  return hide;
}

const codeOf = (query: LiveQuery): string | undefined => query.getSnapshot().error?.code;
const rename = async (title: string): Promise<void> => {
  await db.execute('UPDATE tasks SET title = ? WHERE id = 1', [title]);
  await db.flush();
  await settle();
};

describe('a host that closes its database', () => {
  test('tells whoever shows, watches or waits for something of it', async () => {
    const { source } = joined();
    const query = source.observe(SELECT);
    await shown(query);
    const failed: string[] = [];
    source.watch({ tableOrQuery: 'tasks' }, { changed: () => undefined, failed: ({ code }) => failed.push(code) });
    db.onAction('slow', () => new Promise(() => undefined));
    const answer = thrownBy(() => source.request('slow'));
    await until(() => db.stats().subscriptions.length === 2);
    await db.close();
    await until(() => codeOf(query) === 'GC_CLOSED');
    expect(query.getSnapshot().error?.message).toBe('The host has closed the database');
    expect(await answer).toMatchObject({ code: 'GC_CLOSED', message: 'The host has closed the database' });
    expect(failed).toEqual(['GC_CLOSED']);
    // What is asked from now on is refused too, and says no more of the host than that.
    const later = source.observe(COUNT);
    await shown(later);
    expect(codeOf(later)).toBe('GC_CLOSED');
    expect(await thrownBy(() => source.dispatch('x'))).toMatchObject({ code: 'GC_CLOSED' });
  });

  test('and serves another one over the same channel: what is shown goes on', async () => {
    const { source, host, client } = joined();
    const query = source.observe(SELECT);
    await shown(query);
    const before = query.getSnapshot().rows;
    await db.close();
    await until(() => codeOf(query) === 'GC_CLOSED');
    db = await opened();
    afterTest(serveLiveSource(db, host));
    source.reconnect(client);
    await until(() => query.getSnapshot().status === 'success');
    await rename('eins');
    await until(() => query.getSnapshot().rows[0]?.['title'] === 'eins');
    expect(query.getSnapshot().rows[1]).toBe(before[1]);
  });

  test('tells components of its own process', async () => {
    const source = liveSource(db, { timers: clock, keep: 0 });
    const query = source.observe(SELECT);
    const states: string[] = [];
    afterTest(query.subscribe(() => states.push(query.getSnapshot().status)));
    expect(query.getSnapshot().rows).toHaveLength(2);
    db.onAction('slow', () => new Promise(() => undefined));
    const answer = thrownBy(() => source.request('slow'));
    await db.close();
    expect(states).toEqual(['error']);
    expect(await answer).toMatchObject({ code: 'GC_CLOSED' });
  });

  test('is not one that reloads its plugins', async () => {
    const { source } = joined();
    const query = source.observe(SELECT);
    await shown(query);
    const states: string[] = [];
    afterTest(query.subscribe(() => states.push(query.getSnapshot().status)));
    db.onAction('slow', () => Promise.resolve('done'));
    await db.plugins.reload('actions');
    await db.plugins.reload('live');
    await rename('eins');
    await until(() => query.getSnapshot().rows[0]?.['title'] === 'eins');
    expect(await source.request('slow')).toBe('done');
    expect(new Set(states)).toEqual(new Set(['success']));
  });
});

describe('a client that asks for too much', () => {
  test.each([0, -1, 1.5, Number.NaN, '1'])('limits are whole numbers: %j', (limit) => {
    const [host] = TextEnd.pair();
    for (const options of [{ maxQueries: limit }, { maxActions: limit }])
      expect(() => serveLiveSource(db, host, options as never)).toThrow(
        expect.objectContaining({ code: 'GC_BAD_OPTION' }) as Error,
      );
    expect(() => serveLiveSource(db, host, { maxQueries: Infinity })()).not.toThrow();
  });

  test('has so many queries and watches open, and is told of any more', async () => {
    const { source } = joined({ maxQueries: 2 });
    const first = source.observe(SELECT);
    const hide = await shown(first);
    const failed: string[] = [];
    const watch = (): (() => void) =>
      source.watch({ tableOrQuery: 'tasks' }, { changed: () => undefined, failed: ({ code }) => failed.push(code) });
    const unwatch = watch();
    const third = source.observe(COUNT);
    await shown(third);
    expect(third.getSnapshot().error).toMatchObject({
      code: 'GC_TOO_MANY',
      message: /limit of 2 open queries and watches/,
    });
    watch();
    await until(() => failed.length > 0);
    expect(failed).toEqual(['GC_TOO_MANY']);
    // The others go on, and who ends one may ask again.
    await rename('eins');
    await until(() => first.getSnapshot().rows[0]?.['title'] === 'eins');
    unwatch();
    third.retry();
    await until(() => third.getSnapshot().status === 'success');
    hide();
  });

  test('has so many actions under way, and is refused any more', async () => {
    const { source } = joined({ maxActions: 2 });
    const gates = [Promise.withResolvers<string>(), Promise.withResolvers<string>()];
    let heard = 0;
    db.onAction('slow', () => gates[heard++]!.promise);
    const answers = [source.request('slow'), source.request('slow')];
    expect(await thrownBy(() => source.request('slow'))).toMatchObject({ code: 'GC_TOO_MANY', message: /2 actions/ });
    expect(await thrownBy(() => source.dispatch('slow'))).toMatchObject({ code: 'GC_TOO_MANY' });
    expect(heard).toBe(2);
    const query = source.observe(SELECT);
    await shown(query);
    expect(query.getSnapshot().rows).toHaveLength(2);
    gates[0]!.resolve('a');
    expect(await answers[0]).toBe('a');
    expect(await source.dispatch('other')).toBe(0);
    gates[1]!.reject(new Error('no'));
    expect(await thrownBy(() => answers[1]!)).toMatchObject({ code: 'GC_HANDLER_FAILED' });
    expect(await source.dispatch('other')).toBe(0);
  });

  test('of another connection is nobody else’s affair', async () => {
    const clients = [joined({ maxQueries: 1 }), joined({ maxQueries: 1 })];
    for (const { source } of clients) {
      const query = source.observe(SELECT);
      await shown(query);
      expect(query.getSnapshot().status).toBe('success');
    }
  });
});

describe('a client that does not read', () => {
  test('is sent a few messages, and what holds by then when it reads again', async () => {
    const { source, host, client } = joined();
    const [list, count] = [source.observe(SELECT), source.observe(COUNT)];
    await shown(list);
    await shown(count);
    client.reads = false;
    const before = host.sent.length;
    for (let n = 0; n < 100; n += 1) await rename(String(n));
    await db.insert('tasks', { title: 'three' });
    await db.flush();
    const sent = host.sent.length - before;
    expect(sent).toBeGreaterThan(5);
    expect(sent).toBeLessThan(30);
    // Both of them in one message: no state is shown that never was.
    const seen: unknown[] = [];
    afterTest(list.subscribe(() => seen.push([list.getSnapshot().rows.length, count.getSnapshot().rows[0]?.['n']])));
    client.reads = true;
    await until(() => list.getSnapshot().rows[2]?.['title'] === 'three');
    await settle();
    expect(list.getSnapshot().rows[0]).toEqual({ id: 1, title: '99' });
    expect(count.getSnapshot().rows).toEqual([{ n: 3 }]);
    expect(host.sent.length - before).toBe(sent + 1);
    expect(seen.length).toBeLessThan(30);
    await rename('and on');
    await until(() => list.getSnapshot().rows[0]?.['title'] === 'and on');
  });

  test('is told everything when it reads, and says now and then that it does', async () => {
    const { source, client } = joined();
    const query = source.observe(SELECT);
    await shown(query);
    for (let n = 0; n < 100; n += 1) {
      await rename(String(n));
      await until(() => query.getSnapshot().rows[0]?.['title'] === String(n));
    }
    expect(client.sent.length).toBeGreaterThan(10);
    expect(client.sent.length).toBeLessThan(20);
  });

  test('and says that it does is sent no more than any other', async () => {
    const { source, host, client } = joined();
    await shown(source.observe(SELECT));
    for (let n = 0; n < 100; n += 1) client.send('[{"type":"read","id":0}]');
    await settle();
    client.reads = false;
    const before = host.sent.length;
    for (let n = 0; n < 60; n += 1) await rename(String(n));
    expect(host.sent.length - before).toBeLessThan(30);
  });

  test('hears the events that waited, in order, if they are not too many', async () => {
    const { source, client } = joined();
    const heard: unknown[] = [];
    const changed: WatchListener['changed'] = (events, { reset }) => {
      heard.push(...events.map(({ newData }) => newData?.['title']), ...(reset === undefined ? [] : [reset.reason]));
    };
    source.watch({ tableOrQuery: 'tasks' }, { changed, failed: () => heard.push('failed') });
    await until(() => db.stats().subscriptions.length === 1);
    const insert =
      'WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 400) INSERT INTO tasks(title)';
    // Time and again: what has been heard makes room for what waits next.
    for (let round = 0; round < 3; round += 1) {
      client.reads = false;
      for (let n = 0; n < 30; n += 1) await rename(String(n));
      for (const title of ['a', 'b']) await db.execute(`${insert} SELECT '${title}' FROM n`);
      await db.flush();
      client.reads = true;
      await until(() => heard.length === (round + 1) * 830);
    }
    const titles = [
      ...Array.from({ length: 30 }, (_, n) => String(n)),
      ...Array.from({ length: 800 }, (_, n) => (n < 400 ? 'a' : 'b')),
    ];
    expect(heard).toEqual([...titles, ...titles, ...titles]);
    // But no more than that.
    client.reads = false;
    for (let n = 0; n < 30; n += 1) await rename(String(n));
    for (let n = 0; n < 3; n += 1) await db.execute(`${insert} SELECT 'more' FROM n`);
    await db.flush();
    client.reads = true;
    await until(() => heard.at(-1) === 'gap');
  });

  test('is told when it missed events, and hears of what comes then', async () => {
    const { source, client, host } = joined();
    const heard: { readonly count: number; readonly batch: WatchBatch }[] = [];
    source.watch(
      { tableOrQuery: 'tasks' },
      { changed: ({ length }, batch) => heard.push({ count: length, batch }), failed: () => undefined },
    );
    await until(() => db.stats().subscriptions.length === 1);
    client.reads = false;
    for (let n = 0; n < 30; n += 1) await rename(String(n));
    const before = host.sent.length;
    for (let n = 0; n < 3; n += 1) {
      await db.execute(
        "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 5000) INSERT INTO tasks(title) SELECT 'many' FROM n",
      );
      await db.flush();
    }
    expect(host.sent.length).toBe(before);
    const end = db.stats().end;
    client.reads = true;
    await until(() => heard.some(({ batch }) => batch.reset !== undefined));
    await rename('later');
    await until(() => heard.at(-1)?.count === 1 && heard.at(-1)?.batch.reset === undefined);
    const at = heard.findIndex(({ batch }) => batch.reset !== undefined);
    expect(heard[at]).toMatchObject({ count: 0, batch: { reset: { reason: 'gap', message: /did not read/ } } });
    expect(heard.length).toBe(at + 2);
    // No change is in neither: the gap begins where the last batch before it ends, and ends where the next one begins.
    expect(heard[at]?.batch.from).toBe(heard[at - 1]?.batch.to);
    expect(heard[at]?.batch.to).toBe(heard[at + 1]?.batch.from);
    expect(heard[at]!.batch.to).toBe(end);
  });

  test('and shows something no more is sent nothing of it', async () => {
    const { source, client, host } = joined();
    const query = source.observe(SELECT);
    const hide = await shown(query);
    const unwatch = source.watch({ tableOrQuery: 'tasks' }, { changed: () => undefined, failed: () => undefined });
    await until(() => db.stats().subscriptions.length === 2);
    client.reads = false;
    for (let n = 0; n < 40; n += 1) await rename(String(n));
    hide();
    unwatch();
    await clock.advance(0);
    await settle();
    const sent = host.sent.length;
    client.reads = true;
    await settle();
    expect(host.sent.length).toBe(sent);
  });
});
