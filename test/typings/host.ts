/** The host API and the testing kit, as a program uses them. Compiled, never run. */
import { GlyphCase } from 'glyphcase';
import type { ChangeEvent, PluginOption, QueryWatcher, Row, SqlValue, Subscription, Watcher } from 'glyphcase';
import { definePlugin } from 'glyphcase/sdk';
import type { CapsuleService, Disposer } from 'glyphcase/sdk';
import { createTestHost, runPluginContract } from 'glyphcase/testing';
import { same } from './expect.ts';

interface Order {
  readonly id: number;
  readonly total: number;
}
interface Mailer {
  send(text: string): void;
}

const plugin = definePlugin({
  name: 'options',
  version: '1.0.0',
  config: { type: 'object', properties: { every: { type: 'string', default: '1m' } } },
  activate: () => undefined,
});
const typed = definePlugin<{ readonly rate: number }, Map<string, number>>({
  name: 'typed',
  version: '1.0.0',
  activate: () => undefined,
});
/** Whatever their options and state, plugins go into one list. */
export const all: readonly PluginOption[] = [
  plugin,
  typed,
  { definition: typed, config: { rate: 5 } },
  './plugin.ts',
  { path: './plugin.ts', config: {} },
  { dir: 'plugins' },
  { packages: 'node_modules' },
];

export async function reading(db: GlyphCase): Promise<void> {
  const rows = await db.query<Order>('SELECT * FROM orders');
  same<typeof rows, Order[]>(true);
  const plain = await db.query('SELECT * FROM orders');
  same<typeof plain, Row[]>(true);
  const one = await db.queryOne<Order>('SELECT * FROM orders');
  same<typeof one, Order | undefined>(true);
  const count = await db.queryScalar<number>('SELECT count(*) FROM orders');
  same<typeof count, number | undefined>(true);
  const value = await db.queryScalar('SELECT 1');
  same<typeof value, SqlValue | undefined>(true);
  const done = await db.transaction(async () => 'done');
  same<typeof done, string>(true);
  const answer = await db.request<number>('sum', [1, 2]);
  same<typeof answer, number>(true);
  const lua = await db.executeLuaScript<number>('return 1');
  same<typeof lua, number>(true);
  // @ts-expect-error SQL is a text.
  await db.query(5);
  // @ts-expect-error A transaction takes a function.
  await db.transaction('BEGIN');
}

export function watching(db: GlyphCase): void {
  const watcher = db.watch('orders', 'total > ?', [5]);
  same<typeof watcher, Watcher>(true);
  const query = db.watch('SELECT id, total FROM orders');
  same<typeof query, QueryWatcher>(true);
  same<ReturnType<typeof query.rows<Order>>, readonly Order[]>(true);
  const subscription: Subscription = db.subscribe<Order>(watcher, (events) => {
    same<typeof events, ChangeEvent<Order>[]>(true);
  });
  db.unsubscribe(subscription);
  // @ts-expect-error There is no such option.
  db.subscribe(watcher, () => undefined, { since: 5 });
}

export function plugins(db: GlyphCase): void {
  const capsule = db.plugins.use('capsule');
  same<typeof capsule, CapsuleService>(true);
  db.plugins.use<Mailer>('mailer', '^2.0.0').send('hello');
  const mailer = db.plugins.use('mailer');
  same<typeof mailer, unknown>(true);
  const stop: Disposer = db.plugins.onService('live', (live) => void live.stats().queries);
  stop();
  db.plugins.onService<Mailer>('mailer', (service) => {
    service.send('hello');
    return () => undefined;
  });
  // @ts-expect-error The capsule is no mailer.
  db.plugins.onService('capsule', (service: Mailer) => service.send('hello'));
  // @ts-expect-error There is no such member.
  db.plugins.use('capsule').observe('orders');
  db.plugins.load(typed, { rate: 7 }).state satisfies string;
  db.plugins.load('./plugin.ts') satisfies Promise<unknown>;
}

export const hosts = [
  new GlyphCase(':memory:', { plugins: all, pluginLimits: { activate: 2000, retries: 0 } }),
  // @ts-expect-error There is no such limit.
  new GlyphCase(':memory:', { pluginLimits: { start: 2000 } }),
  // @ts-expect-error Limits are numbers, in ms.
  new GlyphCase(':memory:', { pluginLimits: { activate: '2s' } }),
  // @ts-expect-error There is no such option.
  new GlyphCase(':memory:', { capsule: { batchIntervall: 5 } }),
];

export async function testing(): Promise<void> {
  await using host = await createTestHost({ plugins: ['capsule', plugin, typed] });
  await host.load(typed, { rate: 5 });
  const capsule = host.use('capsule');
  same<typeof capsule, CapsuleService>(true);
  host.use<Mailer>('mailer').send('hello');
  host.on('capsule:end', (end) => same<typeof end, number>(true));
  host.emit('capsule:end', 5);
  const report = await runPluginContract(typed, { rounds: 2, exercise: (own) => void own.emit('own:event', 1) });
  report.ok satisfies boolean;
  // @ts-expect-error The end of the log is a number.
  host.emit('capsule:end', 'five');
  // @ts-expect-error There is no such built-in plugin.
  await createTestHost({ plugins: ['capsules'] });
}
