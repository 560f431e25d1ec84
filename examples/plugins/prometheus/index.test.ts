/** The plugin `prometheus`, as its author tests it: the contract, what it counts, and what a reload leaves. */
import { createTestHost, runPluginContract } from 'glyphcase/testing';
import type { TestHost } from 'glyphcase/testing';
import { expect, test } from 'vitest';
import plugin from './index.ts';
import type { MetricsService } from './index.ts';

const schema = 'CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, total INTEGER)';
interface Capsule {
  watch(table: string): unknown;
  subscribe(watcher: unknown, handler: () => void, options?: { name: string }): unknown;
}

const metrics = (host: TestHost): MetricsService => host.use<MetricsService>('metrics');
/** The lines of one metric. */
const lines = async (host: TestHost, name: string): Promise<string[]> =>
  (await metrics(host).render()).split('\n').filter((line) => line.startsWith(name));

function watchOrders(host: TestHost): void {
  const capsule = host.use<Capsule>('capsule');
  capsule.subscribe(capsule.watch('orders'), () => undefined, { name: 'report' });
}

test('keeps the contract of plugins, with a server and without', async () => {
  expect((await runPluginContract(plugin, { schema, rounds: 3 })).ok).toBe(true);
  const exercise = async (host: TestHost): Promise<void> => {
    const { url } = metrics(host);
    expect((await fetch(url ?? '', { headers: { connection: 'close' } })).status).toBe(200);
  };
  expect((await runPluginContract(plugin, { schema, config: { port: 0 }, exercise, rounds: 3 })).ok).toBe(true);
});

test('wrong options and names are refused', async () => {
  await using host = await createTestHost();
  expect(() => host.plugins.load(plugin, { port: 70_000 })).toThrow('port');
  expect(() => host.plugins.load(plugin, { path: 'metrics' })).toThrow('path');
  await host.load(plugin);
  expect(() => metrics(host).counter('no spaces', 'Help')).toThrow(
    expect.objectContaining({ code: 'GC_BAD_ARGUMENT' }),
  );
});

test('counts changes by table, operation and source, and those made during a reload once', async () => {
  await using host = await createTestHost({ schema, plugins: ['batching'] });
  watchOrders(host);
  host.run('INSERT INTO orders (total) VALUES (0)');
  await host.load(plugin);
  host.run('INSERT INTO orders (total) VALUES (1), (2)');
  host.run('UPDATE orders SET total = 3 WHERE id = 2');
  const expected = [
    'glyphcase_changes_total{table="orders",operation="INSERT",source="host"} 2',
    'glyphcase_changes_total{table="orders",operation="UPDATE",source="host"} 1',
  ];
  expect(await lines(host, 'glyphcase_changes_total')).toEqual(expected);

  const reloaded = host.plugins.reload('prometheus');
  host.run('DELETE FROM orders WHERE id = 1');
  await reloaded;
  expect(await lines(host, 'glyphcase_changes_total')).toEqual([
    ...expected,
    'glyphcase_changes_total{table="orders",operation="DELETE",source="host"} 1',
  ]);
});

test('tells how far delivery is, and what events tell of skills, plugins and statements', async () => {
  await using host = await createTestHost({ schema, plugins: [plugin] });
  await host.load({ name: 'other', version: '1.0.0', requires: { capsule: '^1.0.0' }, activate: () => undefined });
  watchOrders(host);
  host.run('INSERT INTO orders (total) VALUES (1), (2), (3)');
  host.emit('skill:reacted', { id: 'totals', events: [], ms: 3 });
  host.emit('statement:slow', { sql: 'SELECT 1', ms: 200 });
  const text = await metrics(host).render();
  for (const line of [
    'glyphcase_queue_depth 3',
    'glyphcase_subscription_lag{subscription="report"} 3',
    'glyphcase_reaction_seconds_bucket{le="0.0025",skill="totals"} 0',
    'glyphcase_reaction_seconds_bucket{le="0.005",skill="totals"} 1',
    'glyphcase_slow_statements_total 1',
    'glyphcase_plugins{state="active"} 3',
  ]) {
    expect(text.split('\n')).toContain(line);
  }
  expect(text).toMatch(/^glyphcase_database_bytes [1-9]\d+$/m);
});

test('other plugins’ metrics are there too, and go on counting after a reload', async () => {
  await using host = await createTestHost({ plugins: [plugin] });
  metrics(host).counter('mails_total', 'Mails sent.', ['kind']).inc({ kind: 'invoice' }, 2);
  await host.plugins.reload('prometheus');
  metrics(host).counter('mails_total', 'Mails sent.', ['kind']).inc({ kind: 'invoice' });
  expect(await lines(host, 'mails_total')).toEqual(['mails_total{kind="invoice"} 3']);
  metrics(host).counter('mails_total', 'Mails sent.').inc();
  expect(await lines(host, 'mails_total')).toEqual(['mails_total 1']);
  expect(host.logs.at(-1)?.message).toContain('mails_total begins anew');
});

test('a reload refuses no request, and a version that fails leaves the one before answering', async () => {
  await using host = await createTestHost();
  await host.load(plugin, { port: 0 });
  const url = metrics(host).url ?? '';
  const done = new AbortController();
  const statuses = new Set<number>();
  const asking = (async () => {
    while (!done.signal.aborted) statuses.add((await fetch(url)).status);
  })();
  for (let round = 0; round < 5; round++) await host.plugins.reload('prometheus');
  const broken = {
    ...plugin,
    activate: async (ctx: Parameters<typeof plugin.activate>[0]) => {
      await plugin.activate(ctx);
      throw new Error('one line later');
    },
  };
  await expect(host.plugins.reload('prometheus', broken as never)).rejects.toThrow('one line later');
  done.abort();
  await asking;
  expect([...statuses]).toEqual([200]);
  expect(metrics(host).url).toBe(url);
  expect((await fetch(url)).status).toBe(200);
  await host.unload('prometheus');
  await expect(fetch(url)).rejects.toThrow('fetch failed');
});

test('serves GET of its path and nothing else, and says so when it cannot', async () => {
  await using host = await createTestHost();
  await host.load(plugin, { port: 0 });
  const url = metrics(host).url ?? '';
  const status = async (address: string, init?: RequestInit): Promise<number> => (await fetch(address, init)).status;
  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/metrics$/);
  expect(await (await fetch(url)).text()).toContain('# TYPE glyphcase_changes_total counter');
  expect([await status(new URL('/', url).href), await status(url, { method: 'POST' })]).toEqual([404, 405]);

  await using other = await createTestHost();
  const port = Number(new URL(url).port);
  await expect(other.load(plugin, { port })).rejects.toThrow(`cannot be served at 127.0.0.1:${port}`);
});
