/** `createTestHost`: a host for the tests of a plugin. */
import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { GlyphError } from '../sdk/index.ts';
import { definePlugin } from '../sdk/plugin.ts';
import { createTestHost } from '../sdk/testing/index.ts';
import type { ActionHandler } from '../sdk/index.ts';
import type { CapsuleService } from '../sdk/capsule-types.ts';
import { tempFile } from './support.ts';

const ORDERS = 'CREATE TABLE orders (id INTEGER PRIMARY KEY, total INTEGER)';

const ticker = definePlugin<{ every: string }>({
  name: 'ticker',
  version: '1.0.0',
  config: { type: 'object', properties: { every: { type: 'string', default: '1m' } } },
  activate(ctx) {
    ctx.every(ctx.config.every, () => {
      ctx.log.info('tick');
      ctx.emit('ticker:tick', { at: ctx.clock.now() });
    });
  },
});

const counter = definePlugin({
  name: 'counter',
  version: '1.0.0',
  requires: { capsule: '^1.0.0', batching: '^1.0.0' },
  provides: { counter: '1.0.0' },
  activate(ctx) {
    const capsule = ctx.use<CapsuleService>('capsule');
    const watcher = capsule.watch('orders');
    ctx.defer(() => capsule.unwatch(watcher), 'watch orders');
    const seen = { count: 0 };
    capsule.subscribe(watcher, (events) => void (seen.count += events.length));
    ctx.provide('counter', seen);
  },
});

describe('bad arguments', () => {
  test.each([
    [null, 'takes an object of options, not null'],
    [{ databse: 'x' }, "there is no option 'databse'"],
    [{ plugins: ['capsul'] }, "there is no built-in plugin 'capsul'"],
    [{ plugins: [{ name: 'half' }] }, '`version` is missing'],
  ])('%j', async (options, message) => {
    await expect(createTestHost(options as object)).rejects.toThrow(message);
  });

  test('load() of what is no plugin', async () => {
    await using host = await createTestHost();
    await expect(host.load(null as never)).rejects.toThrow('a plugin definition is an object');
    await expect(host.load(ticker, { evry: '1s' })).rejects.toThrow("'evry'");
    await expect(host.unload('nobody')).rejects.toMatchObject({ code: 'GC_NO_SUCH_PLUGIN' });
    await expect(host.advance('soon')).rejects.toMatchObject({ code: 'GC_BAD_ARGUMENT' });
  });
});

test('an empty host has no plugins, and a clock that stands still', async () => {
  await using host = await createTestHost();
  expect(host.plugins.list()).toEqual([]);
  expect(host.db.filename).toBe(':memory:');
  expect(new Date(host.clock.now()).toISOString()).toBe('2026-01-01T00:00:00.000Z');
});

test('the clock moves by hand, and what falls due is remembered', async () => {
  await using host = await createTestHost({ startAt: new Date('2030-05-01T00:00:00Z') });
  await host.load(ticker, { every: '10s' });
  await host.advance('9s');
  expect(host.events.filter(({ channel }) => channel === 'ticker:tick')).toEqual([]);
  await host.advance('1s');
  const at = Date.UTC(2030, 4, 1, 0, 0, 10);
  expect(host.events.at(-1)).toEqual({ channel: 'ticker:tick', payload: { at }, at });
  expect(host.logs).toEqual([{ level: 'info', message: 'tick', fields: { plugin: 'ticker' }, at }]);
  host.forget();
  expect([host.events, host.logs]).toEqual([[], []]);
});

test('another clock can be given, and is then not moved', async () => {
  await using host = await createTestHost({ clock: 'system' });
  expect(Math.abs(host.clock.now() - Date.now())).toBeLessThan(5_000);
  await expect(host.advance('1s')).rejects.toMatchObject({ code: 'GC_NOT_SUPPORTED' });
});

test('what a plugin requires is loaded with it, and nothing else', async () => {
  await using host = await createTestHost({ schema: ORDERS, configs: { batching: { batchInterval: 0 } } });
  await host.load(counter);
  expect(
    host.plugins
      .list()
      .map(({ id }) => id)
      .sort(),
  ).toEqual(['batching', 'capsule', 'counter']);
  host.run('INSERT INTO orders (total) VALUES (1), (2)');
  await host.settled();
  expect(host.use<{ count: number }>('counter').count).toBe(2);
  expect(await host.unload('counter')).toEqual([]);
  expect(() => host.use('counter')).toThrow(GlyphError);
});

test('built-in plugins are loaded by name, with what they require', async () => {
  await using host = await createTestHost({ plugins: ['live', ticker], configs: { ticker: { every: '1s' } } });
  expect(host.plugins.list().map(({ id }) => id)).toEqual(['capsule', 'live', 'ticker']);
  await host.advance('1s');
  expect(host.logs).toHaveLength(1);
});

test('services have stand-ins, in a version that fits, built-in ones too', async () => {
  const sent: string[] = [];
  const mailer = { send: (text: string) => void sent.push(text) };
  let answer: ActionHandler | undefined;
  const actions = { on: (_: string, handler: ActionHandler) => void (answer = handler) };
  const plugin = definePlugin({
    name: 'notifier',
    version: '1.0.0',
    requires: { mailer: '>=2.3.0 <3', actions: '^1.0.0' },
    optional: { clockTower: '^1.0.0' },
    activate(ctx) {
      ctx.use<typeof actions>('actions').on('notify', (text) => ctx.use<typeof mailer>('mailer').send(String(text)));
      ctx.onService('clockTower', () => ctx.use<typeof mailer>('mailer').send('ding'));
    },
  });
  await using host = await createTestHost({ services: { mailer, actions, clockTower: {} } });
  await host.load(plugin);
  await answer?.('hello', 'notify');
  expect(sent).toEqual(['ding', 'hello']);
});

test('a plugin that waits, fails or hangs is an error of load()', async () => {
  await using host = await createTestHost();
  const waits = definePlugin({
    name: 'waits',
    version: '1.0.0',
    requires: { mailer: '^1.0.0' },
    activate: () => undefined,
  });
  await expect(host.load(waits)).rejects.toMatchObject({
    code: 'GC_NO_SERVICE',
    message: expect.stringContaining("It waits for the service 'mailer' ^1.0.0") as string,
  });
  const fails = definePlugin({ name: 'fails', version: '1.0.0', activate: () => Promise.reject(new Error('no disk')) });
  await expect(host.load(fails)).rejects.toMatchObject({ code: 'GC_PLUGIN_FAILED' });
  const hangs = definePlugin({ name: 'hangs', version: '1.0.0', activate: () => new Promise(() => undefined) });
  const loading = host.load(hangs);
  const rejected = expect(loading).rejects.toMatchObject({ code: 'GC_PLUGIN_TIMEOUT' });
  await host.advance('10s');
  await rejected;
});

test('events can be emitted and listened to, hooks called', async () => {
  await using host = await createTestHost();
  const heard: unknown[] = [];
  const off = host.on('lease:held', (payload) => heard.push(payload));
  expect(host.emit('lease:held', { epoch: 1 })).toBe(1);
  off();
  expect(host.emit('lease:held', { epoch: 2 })).toBe(0);
  expect(heard).toEqual([{ epoch: 1 }]);
  await host.load(
    definePlugin({
      name: 'late',
      version: '1.0.0',
      activate: (ctx) => void ctx.hooks.boot.tap('begin', () => ctx.log.info('booted')),
    }),
  );
  host.hooks.boot.call();
  expect(host.logs.map(({ message }) => message)).toEqual(['booted']);
});

test('a database in a file outlives the host; close() is done once', async () => {
  const db = tempFile();
  const host = await createTestHost({ db, schema: ORDERS });
  host.run('INSERT INTO orders (total) VALUES (7)');
  expect(await host.close()).toEqual([]);
  expect(await host.close()).toEqual([]);
  expect(existsSync(db)).toBe(true);
  await using again = await createTestHost({ db });
  expect(again.db.value('SELECT total FROM orders')).toBe(7);
});

test('a host whose plugins fail is closed again', async () => {
  let closed = false;
  const first = definePlugin({
    name: 'first',
    version: '1.0.0',
    activate: (ctx) => void ctx.defer(() => void (closed = true)),
  });
  const fails = definePlugin({ name: 'fails', version: '1.0.0', activate: () => Promise.reject(new Error('no disk')) });
  await expect(createTestHost({ plugins: [first, fails] })).rejects.toThrow('no disk');
  expect(closed).toBe(true);
});
