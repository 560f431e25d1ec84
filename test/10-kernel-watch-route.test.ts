/** `ctx.watch` and `ctx.route`: what plugins are told of and answer, and that reloads lose nothing of it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { RowBatch, RowChange } from '../kernel/plugins/types.ts';
import type { Batch, ChangeEvent, PluginContext, PluginDefinition } from '../sdk/plugin.ts';
import { GlyphCase } from '../sdk/index.ts';
import { createTestHost } from '../sdk/testing/index.ts';
import type { TestHost } from '../sdk/testing/index.ts';
import { plugin, testHost, thrownBy } from './10-kernel-support.ts';

const schema = 'CREATE TABLE orders (id INTEGER PRIMARY KEY, total INTEGER)';
type Order = { id: number; total: number };

async function withHost(): Promise<TestHost> {
  const host = await createTestHost({ schema, plugins: ['capsule', 'batching', 'live'] });
  onTestFinished(async () => {
    await host.close();
  });
  return host;
}

/** Watches orders and notes their ids. */
function watching(heard: unknown[], more: Partial<PluginDefinition> = {}): PluginDefinition {
  return plugin('p', {
    requires: { capsule: '^1.0.0' },
    activate: (ctx) =>
      void ctx.watch<Order>('orders', (events) => void heard.push(...events.map(({ newData }) => newData?.id))),
    ...more,
  });
}

describe('ctx.watch', () => {
  it.each<[string, (ctx: PluginContext) => unknown, RegExp]>([
    ['no table', (ctx) => ctx.watch('', () => {}), /is no table and no query/],
    ['no handler', (ctx) => ctx.watch('orders', 7 as never), /the handler is not a function/],
    ['a wrong option', (ctx) => ctx.watch('orders', () => {}, { were: 'x' } as never), /no option 'were'/],
    ['an unknown table', (ctx) => ctx.watch('ordrs', () => {}), /ordrs/],
    ['a wrong filter', (ctx) => ctx.watch('orders', () => {}, { where: 'totl > 1' }), /totl/],
    ['a query with a filter', (ctx) => ctx.watch('SELECT 1', () => {}, { where: 'x' }), /takes no `where`/],
    ['a service not declared', (ctx) => ctx.watch('SELECT id FROM orders', () => {}), /'live' without declaring it/],
  ])('refuses %s', async (_what, watch, message) => {
    const host = await withHost();
    const error = await thrownBy(() =>
      host.load(plugin('p', { requires: { capsule: '*' }, activate: (ctx) => void watch(ctx) })),
    );
    expect(error.message).toMatch(message);
    const reloading = await withHost();
    await reloading.load(plugin('p', { requires: { capsule: '*' } }));
    const next = plugin('p', { requires: { capsule: '*' }, activate: (ctx) => void watch(ctx) });
    expect((await thrownBy(() => reloading.plugins.reload('p', next))).message).toMatch(message);
  });

  it('has the types of the service’s own events', () => {
    const same = (event: ChangeEvent<Order>, batch: Batch): [RowChange<Order>, RowBatch] => [event, batch];
    const back = (event: RowChange<Order>): ChangeEvent<Order> => event;
    expect([typeof same, typeof back]).toEqual(['function', 'function']);
  });

  it('tells of a table’s changes, filtered, until it is stopped or the plugin is', async () => {
    const host = await withHost();
    const heard: unknown[] = [];
    let off: (() => void) | undefined;
    await host.load(
      watching(heard, {
        activate: (ctx) => {
          off = ctx.watch<Order>('orders', (events) => void heard.push(events.map(({ newData }) => newData?.id)), {
            where: 'total > ?',
            params: [10],
          });
          ctx.watch('orders', (events) => void heard.push(events.length));
        },
      }),
    );
    host.run('INSERT INTO orders VALUES (1, 5), (2, 50)');
    await host.settled();
    expect(heard).toEqual(expect.arrayContaining([[2], 2]));
    off?.();
    host.run('INSERT INTO orders VALUES (3, 50)');
    await host.settled();
    expect([heard.length, heard[2]]).toEqual([3, 1]);
    await host.unload('p');
    host.run('INSERT INTO orders VALUES (4, 50)');
    await host.settled();
    expect(heard).toHaveLength(3);
    expect(host.use<{ stats(): object }>('capsule').stats()).toMatchObject({ watchers: 0, subscriptions: [] });
  });

  it('tells of the changes of a query’s result', async () => {
    const host = await withHost();
    const heard: unknown[] = [];
    host.run('INSERT INTO orders VALUES (1, 5)');
    await host.load(
      plugin('p', {
        requires: { live: '*' },
        activate: (ctx) =>
          void ctx.watch<Order>(
            'SELECT id FROM orders WHERE total > ?',
            (events) => void heard.push(...events.map(({ newData }) => newData?.id)),
            { params: [1], initial: true },
          ),
      }),
    );
    await host.settled();
    host.run('INSERT INTO orders VALUES (2, 6), (3, 0)');
    await host.settled();
    expect(heard).toEqual([1, 2]);
  });

  it.each(['swap', 'restart'] as const)('loses and doubles nothing through reloads, by %s', async (reload) => {
    const host = await withHost();
    const heard: unknown[] = [];
    await host.load(watching(heard, { reload }));
    const written: number[] = [];
    for (let round = 0; round < 20; round++) {
      for (const when of ['before', 'during', 'after']) {
        const id = written.push(written.length + 1);
        host.run(`INSERT INTO orders VALUES (${id}, 1)`);
        // Some of it has been delivered when the reload comes, some not.
        if (when === 'before' && round % 2 === 0) await host.settled();
        if (when === 'during') await host.plugins.reload('p', watching(heard, { reload, version: `1.0.${round + 1}` }));
      }
    }
    await host.settled();
    expect(heard).toEqual(written);
  });

  it.each(['swap', 'restart'] as const)(
    'loses and doubles nothing of a query’s result through reloads, by %s',
    async (reload) => {
      const host = await withHost();
      const heard: unknown[] = [];
      const make = (): PluginDefinition =>
        plugin('p', {
          reload,
          requires: { live: '*' },
          activate: (ctx) =>
            void ctx.watch<Order>(
              'SELECT id FROM orders',
              (events) => void heard.push(...events.map(({ newData }) => newData?.id)),
            ),
        });
      await host.load(make());
      const written: number[] = [];
      for (let round = 0; round < 20; round++) {
        for (const when of ['before', 'during', 'after']) {
          const id = written.push(written.length + 1);
          host.run(`INSERT INTO orders VALUES (${id}, 1)`);
          if (when === 'before' && round % 2 === 0) await host.settled();
          if (when === 'during') await host.plugins.reload('p', make());
        }
      }
      await host.settled();
      expect(heard).toEqual(written);
    },
  );

  it('loses and doubles nothing when the capsule is reloaded', async () => {
    const host = await withHost();
    const heard: unknown[] = [];
    await host.load(watching(heard));
    for (let id = 1; id <= 10; id++) {
      host.run(`INSERT INTO orders VALUES (${id}, 1)`);
      if (id % 2 === 0) await host.plugins.reload('capsule');
    }
    await host.settled();
    expect(heard).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  it('hands what comes to the new instance only when the old one’s handler is done', async () => {
    const host = await withHost();
    const gate = Promise.withResolvers<void>();
    const heard: unknown[] = [];
    const slow = (version: string): PluginDefinition =>
      watching(heard, {
        version,
        activate: (ctx) =>
          void ctx.watch<Order>('orders', async (events) => {
            heard.push(`${version} begins`);
            if (version === '1.0.0') await gate.promise;
            heard.push(`${version} heard ${events.map(({ newData }) => newData?.id).join()}`);
          }),
      });
    await host.load(slow('1.0.0'));
    host.run('INSERT INTO orders VALUES (1, 1)');
    const advancing = host.advance('1s');
    await vi.waitUntil(() => heard.length > 0);
    await host.plugins.reload('p', slow('2.0.0'));
    host.run('INSERT INTO orders VALUES (2, 1)');
    gate.resolve();
    await advancing;
    await host.settled();
    expect(heard).toEqual(['1.0.0 begins', '1.0.0 heard 1', '2.0.0 begins', '2.0.0 heard 2']);
  });

  it('holds nobody up when the plugin fails to start, waits, or takes long to stop', async () => {
    const host = await withHost();
    const heard: unknown[] = [];
    let fail = true;
    const fickle = watching(heard, {
      name: 'fickle',
      activate: (ctx) => {
        ctx.watch<Order>('orders', (events) => void heard.push(...events.map(({ newData }) => newData?.id)));
        if (fail) throw new Error('not yet');
      },
    });
    await thrownBy(() => host.load(fickle));
    host.run('INSERT INTO orders VALUES (9, 1)');
    await host.settled();
    host.run('DELETE FROM orders');
    const provider = (version: string): PluginDefinition =>
      plugin('a', { version, provides: { a: version }, activate: (ctx) => ctx.provide('a', {}) });
    await host.load(provider('1.0.0'));
    await host.load(watching(heard, { name: 'waits', requires: { capsule: '*', a: '^1.0.0' } }));
    await host.plugins.reload('a', provider('2.0.0'));
    await host.load(watching(heard, { name: 'slow', deactivate: () => new Promise(() => {}) }));
    const unloading = host.unload('slow');
    host.run('INSERT INTO orders VALUES (1, 1)');
    await host.settled();
    expect([heard, host.plugins.get('waits')?.state]).toEqual([[], 'waiting']);
    fail = false;
    await host.advance('5s');
    await unloading;
    await host.plugins.reload('a', provider('1.1.0'));
    await host.settled();
    host.run('INSERT INTO orders VALUES (2, 1)');
    await host.settled();
    expect(heard.filter((id) => id === 2)).toEqual([2, 2]);
  });

  it.each(['orders', 'SELECT id FROM orders'])(
    'keeps what comes while it takes long to be replaced: %s',
    async (what) => {
      const host = await withHost();
      const heard: unknown[] = [];
      const gate = Promise.withResolvers<void>();
      const make = (version: string): PluginDefinition =>
        plugin('p', {
          version,
          reload: 'restart',
          requires: { capsule: '*', live: '*' },
          activate(ctx) {
            ctx.watch<Order>(what, (events) => void heard.push(...events.map(({ newData }) => newData?.id)));
            ctx.defer(() => (version === '1.0.0' ? gate.promise : undefined), 'socket');
          },
        });
      await host.load(make('1.0.0'));
      const reloading = host.plugins.reload('p', make('2.0.0'));
      await vi.waitUntil(() => host.plugins.get('p')?.state === 'deactivating');
      host.run('INSERT INTO orders VALUES (1, 1)');
      const settling = host.settled();
      await new Promise((resolve) => setTimeout(resolve, 20));
      host.run('INSERT INTO orders VALUES (2, 1)');
      gate.resolve();
      await Promise.all([reloading, settling]);
      await host.settled();
      expect(heard).toEqual([1, 2]);
    },
  );

  it('goes on with what came meanwhile when a version by restart fails to start', async () => {
    const host = await withHost();
    const heard: unknown[] = [];
    await host.load(watching(heard, { reload: 'restart' }));
    host.run('INSERT INTO orders VALUES (1, 1)');
    const failing = watching(heard, {
      reload: 'restart',
      activate: (ctx) => {
        ctx.watch('orders', () => {});
        throw new Error('boom');
      },
    });
    await thrownBy(() => host.plugins.reload('p', failing));
    host.run('INSERT INTO orders VALUES (2, 1)');
    await host.settled();
    expect(heard).toEqual([1, 2]);
  });

  it('and ctx.route are dead once the plugin is unloaded', async () => {
    const host = await withHost();
    let kept: PluginContext | undefined;
    await host.load(plugin('p', { requires: { capsule: '*' }, activate: (ctx) => void (kept = ctx) }));
    await host.unload('p');
    const code = 'GC_SCOPE_CLOSED';
    expect(await thrownBy(() => kept?.watch('orders', () => {}))).toMatchObject({ code });
    expect(await thrownBy(() => kept?.route('GET', '/', () => new Response()))).toMatchObject({ code });
    expect(host.use<{ stats(): object }>('capsule').stats()).toMatchObject({ watchers: 0 });
  });

  it('with a name goes on where it stopped when the host is started again', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'glyph-watch-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const heard: unknown[] = [];
    const durable = watching(heard, {
      activate: (ctx) =>
        void ctx.watch<Order>('orders', (events) => void heard.push(...events.map(({ newData }) => newData?.id)), {
          name: 'p:orders',
        }),
    });
    const tables = [
      {
        name: 'orders',
        columns: [
          { name: 'id', type: 'INTEGER', primary: true },
          { name: 'total', type: 'INTEGER' },
        ],
      },
    ] as const;
    for (let id = 1; id <= 5; id += 2) {
      await using db = new GlyphCase(join(folder, 'a.db'), { schema: { tables } });
      db.plugins.load(durable);
      await db.insert('orders', { id });
      await db.flush();
      await db.plugins.unload('p');
      // Nobody listens now, but the place in the log is kept.
      await db.insert('orders', { id: id + 1 });
      await db.flush();
    }
    expect(heard).toEqual([1, 2, 3, 4, 5]);
  });

  it('follows an optional service', async () => {
    const host = await createTestHost({ schema });
    onTestFinished(async () => {
      await host.close();
    });
    const heard: unknown[] = [];
    const optional = { ...watching(heard), requires: {}, optional: { capsule: '^1.0.0' } };
    await host.load(optional);
    await host.load((await import('../plugins/capsule/index.ts')).default);
    await host.load((await import('../plugins/batching/index.ts')).default);
    host.run('INSERT INTO orders VALUES (1, 1)');
    await host.settled();
    expect(heard).toEqual([1]);
    await host.unload('batching');
    await host.unload('capsule');
    expect(host.plugins.get('p')?.state).toBe('active');
  });

  it('counts what its handler throws as a failure of the plugin', async () => {
    const host = await withHost();
    const failing = watching([], {
      activate: (ctx) =>
        void ctx.watch('orders', () => {
          throw new Error('boom');
        }),
    });
    await host.load(failing);
    for (let id = 1; id <= 5; id++) {
      host.run(`INSERT INTO orders VALUES (${id}, 1)`);
      await host.settled();
    }
    await host.plugins.ready();
    expect(host.plugins.why('p')[0]).toContain('it failed 5 times within 1 m, last in watch orders: boom');
  });
});

describe('ctx.route', () => {
  const get = (path: string, method = 'GET'): Request => new Request(`http://host${path}`, { method });

  it.each<[string, unknown, unknown, unknown, RegExp]>([
    ['no method', undefined, '/', () => new Response(), /undefined is no method/],
    ['a method in small letters', 'get', '/', () => new Response(), /"get" is no method/],
    ['a path without a slash', 'GET', 'metrics', () => new Response(), /"metrics" is no path/],
    ['a star in the middle', 'GET', '/a/*/b', () => new Response(), /is no path/],
    ['a query', 'GET', '/a?b', () => new Response(), /is no path/],
    ['no handler', 'GET', '/', undefined, /the handler is not a function/],
  ])('refuses %s', (_what, method, path, handler, message) => {
    const { host } = testHost();
    host.load(plugin('p', { activate: (ctx) => void ctx.route(method as string, path as string, handler as never) }));
    expect(host.get('p')?.error?.message).toMatch(message);
  });

  it('answers by the most particular path that fits', async () => {
    const { host } = testHost();
    host.load(
      plugin('p', {
        activate(ctx) {
          for (const path of ['/*', '/files/*', '/orders/:id', '/orders/new', '/orders/:id/lines/:line', '/']) {
            ctx.route('GET', path, (_request, params) => Response.json([path, params]));
          }
        },
      }),
    );
    const answers = await Promise.all(
      ['/', '/orders/new', '/orders/7', '/orders/a%20b/lines/2', '/files/a/b%20c', '/files', '/other/one'].map(
        async (path) => (await host.handle(get(path))).json() as Promise<unknown>,
      ),
    );
    expect(answers).toEqual([
      ['/', {}],
      ['/orders/new', {}],
      ['/orders/:id', { id: '7' }],
      ['/orders/:id/lines/:line', { id: 'a b', line: '2' }],
      ['/files/*', { '*': 'a/b c' }],
      ['/*', { '*': 'files' }],
      ['/*', { '*': 'other/one' }],
    ]);
  });

  it('says 404, 405 with Allow, and answers HEAD by GET', async () => {
    const { host } = testHost();
    host.load(
      plugin('p', {
        activate(ctx) {
          ctx.route('GET', '/a', () => new Response('body', { headers: { 'x-a': '1' } }));
          ctx.route('POST', '/a', async (request) => new Response(await request.text(), { status: 201 }));
        },
      }),
    );
    const [none, refused, head] = [
      await host.handle(get('/b')),
      await host.handle(get('/a', 'DELETE')),
      get('/a', 'HEAD'),
    ];
    expect([none.status, refused.status, refused.headers.get('allow')]).toEqual([404, 405, 'GET, HEAD, POST']);
    const answer = await host.handle(head);
    expect([answer.status, answer.headers.get('x-a'), await answer.text()]).toEqual([200, '1', '']);
    const posted = await host.handle(new Request('http://host/a', { method: 'POST', body: 'hi' }));
    expect([posted.status, await posted.text()]).toEqual([201, 'hi']);
  });

  it.each<[string, () => unknown]>([
    [
      'throws',
      () => {
        throw new Error('secret');
      },
    ],
    ['rejects', () => Promise.reject(new Error('secret'))],
    ['returns no Response', () => 'secret'],
  ])('answers 500, says nothing more, and logs it, when the handler %s', async (_how, handler) => {
    const { host, logger, state } = testHost();
    host.load(plugin('p', { activate: (ctx) => void ctx.route('GET', '/a', handler as never) }));
    for (let n = 0; n < 9; n++) {
      const answer = await host.handle(get('/a'));
      expect([answer.status, await answer.text()]).toEqual([500, 'Internal Server Error\n']);
    }
    expect(logger.lines[0]).toMatchObject({
      level: 'error',
      message: expect.stringMatching(
        /^plugin 'p': the route GET \/a failed: .*(secret|it returned string, which is no Response)/,
      ),
      fields: { plugin: 'p' },
    });
    expect(state('p')).toBe('active');
  });

  it('refuses a route that another plugin has, naming both, before a reload has changed anything', async () => {
    const { host } = testHost();
    const routing = (name: string, path: string): PluginDefinition =>
      plugin(name, { activate: (ctx) => void ctx.route('GET', path, () => new Response(name)) });
    host.load(routing('a', '/x/:id'));
    host.load(routing('b', '/y'));
    host.load(routing('c', '/x/:other'));
    const conflict = /plugin '[bc]' routes GET \/x\/:\w+, which plugin 'a' routes already/;
    expect(host.get('c')?.error).toMatchObject({ message: expect.stringMatching(conflict) });
    expect(await thrownBy(() => host.reload('b', routing('b', '/x/:n')))).toMatchObject({
      message: expect.stringMatching(conflict),
    });
    expect(await (await host.handle(get('/y'))).text()).toBe('b');
    await host.unload('a');
    expect((await host.handle(get('/x/1'))).status).toBe(404);
  });

  it('is answered throughout a reload, by one version at a time', async () => {
    const { host } = testHost();
    const make = (version: string, gate: Promise<void>): PluginDefinition =>
      plugin('p', {
        version,
        async activate(ctx) {
          ctx.route('GET', '/v', () => new Response(version));
          await gate;
        },
      });
    host.load(make('1.0.0', Promise.resolve()));
    await host.ready();
    const gate = Promise.withResolvers<void>();
    const reloading = host.reload('p', make('2.0.0', gate.promise));
    await Promise.resolve();
    expect(await (await host.handle(get('/v'))).text()).toBe('1.0.0');
    gate.resolve();
    await reloading;
    expect(await (await host.handle(get('/v'))).text()).toBe('2.0.0');
  });

  it('is mounted by db.handle, until the host is closed', async () => {
    const db = new GlyphCase(':memory:', {
      plugins: [plugin('p', { activate: (ctx) => void ctx.route('GET', '/a', () => new Response('here')) })],
    });
    expect(await (await db.handle(get('/a'))).text()).toBe('here');
    await db.close();
    expect(await thrownBy(() => db.handle(get('/a')))).toMatchObject({ code: 'GC_CLOSED' });
  });
});
