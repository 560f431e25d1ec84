/** Every name of `ctx`, as a plugin's author writes it. Compiled, never run. */
import { definePlugin } from 'glyphcase/sdk';
import type {
  Clock,
  Database,
  Disposer,
  KernelHooks,
  Logger,
  PluginReport,
  RowBatch,
  RowChange,
  RowTarget,
  Scope,
  Transaction,
} from 'glyphcase/sdk';
import { same } from './expect.ts';

export const events = definePlugin({
  name: 'events',
  version: '1.0.0',
  activate(ctx) {
    same<ReturnType<typeof ctx.on>, Disposer>(true);
    ctx.on('capsule:end', (end) => same<typeof end, number>(true));
    ctx.on('plugin:state', ({ id, afterMs }) => {
      same<typeof id, string>(true);
      same<typeof afterMs, number>(true);
    });
    ctx.on('skill:reacted', ({ events: all }) => all[0]?.seq);
    // Handlers may be asynchronous, take less, and say the type themselves if it is wide enough.
    ctx.on('lease:held', async () => undefined);
    ctx.on('capsule:end', (end: number | string) => String(end));

    // @ts-expect-error The end of the log is a number.
    ctx.on('capsule:end', (end: string) => end);
    // @ts-expect-error A term has an epoch and nothing else.
    ctx.on('lease:held', ({ term }) => String(term));
    // @ts-expect-error A listener is a function.
    ctx.on('capsule:end', 1);
    // @ts-expect-error A listener is missing.
    ctx.on('capsule:end');
    // @ts-expect-error The name is a text.
    ctx.on(1, () => undefined);

    same<ReturnType<typeof ctx.emit>, number>(true);
    ctx.emit('statement:slow', { sql: 'SELECT 1', ms: 200 });
    // @ts-expect-error `ms` is missing.
    ctx.emit('statement:slow', { sql: 'SELECT 1' });
    // @ts-expect-error A number is no statement.
    ctx.emit('statement:slow', 200);
    // @ts-expect-error The payload is missing.
    ctx.emit('statement:slow');
  },
});

export const undeclaredEvents = definePlugin({
  name: 'undeclared-events',
  version: '1.0.0',
  activate(ctx) {
    ctx.on('nobody:knows', (payload) => same<typeof payload, unknown>(true));
    ctx.on('nobody:knows', (payload: { readonly n: number }) => payload.n);
    ctx.emit('nobody:knows', { anything: true });
    const name: string = ctx.name;
    ctx.on(name, (payload) => same<typeof payload, unknown>(true));
    ctx.emit(name, undefined);
    // @ts-expect-error What is unknown has no members.
    ctx.on('nobody:knows', (payload) => String(payload.n));
  },
});

export const hooks = definePlugin({
  name: 'hooks',
  version: '1.0.0',
  activate(ctx) {
    same<typeof ctx.hooks, KernelHooks>(true);
    const off: Disposer = ctx.hooks.beforeInsert.tap('stamp', (data, target) => {
      same<typeof target, RowTarget>(true);
      return { ...data, stamped: 1 };
    });
    off();
    ctx.hooks.validateInsert.tap('check', ({ table }, data) =>
      data['a'] === undefined ? `${table} needs a` : undefined,
    );
    ctx.hooks.preCommit.tap('note', (transaction) => same<typeof transaction, Transaction>(true), { stage: 5 });
    ctx.hooks.boot.tap('begin', () => ctx.log.info('booted'));
    // @ts-expect-error There is no such hook.
    ctx.hooks.beforeEverything.tap('x', () => undefined);
    // @ts-expect-error A row is an object.
    ctx.hooks.beforeInsert.tap('x', () => 5);
    // @ts-expect-error A tap has a label.
    ctx.hooks.boot.tap(() => undefined);
  },
});

export const timers = definePlugin({
  name: 'timers',
  version: '1.0.0',
  activate(ctx) {
    same<ReturnType<typeof ctx.every>, Disposer>(true);
    ctx.every('1m', () => undefined);
    ctx.every(500, () => undefined);
    ctx.timeout('10s', () => undefined)();
    same<typeof ctx.clock, Clock>(true);
    const at: number = ctx.clock.now();
    ctx.clock.timeout(() => undefined, at).cancel();
    // @ts-expect-error The function comes second.
    ctx.every(() => undefined, '1m');
    // @ts-expect-error A Date is no duration.
    ctx.timeout(new Date(), () => undefined);
    // @ts-expect-error A function is missing.
    ctx.every('1m');
  },
});

interface Order {
  readonly id: number;
  readonly total: number;
}

export const watches = definePlugin({
  name: 'watches',
  version: '1.0.0',
  requires: { capsule: '^1.0.0', live: '^1.0.0' },
  activate(ctx) {
    const stop: Disposer = ctx.watch<Order>('orders', (changes, batch) => {
      same<typeof changes, RowChange<Order>[]>(true);
      same<typeof batch, RowBatch>(true);
      same<(typeof changes)[number]['newData'], Order | undefined>(true);
      same<(typeof changes)[number]['operation'], 'INSERT' | 'UPDATE' | 'DELETE'>(true);
    });
    stop();
    ctx.watch('SELECT * FROM orders WHERE total > ?', async (changes) => void changes[0]?.newData?.['id'], {
      params: [5],
      initial: true,
      debounce: 10,
    });
    ctx.watch('orders', () => undefined, { where: 'total > ?', params: [5], name: 'mine', from: 3 });
    // @ts-expect-error There is no such option.
    ctx.watch('orders', () => undefined, { since: 3 });
    // @ts-expect-error A change has no row; it has newData and oldData.
    ctx.watch('orders', (changes) => changes[0]?.row);
    // @ts-expect-error A handler is missing.
    ctx.watch('orders');
  },
});

export const routes = definePlugin({
  name: 'routes',
  version: '1.0.0',
  activate(ctx) {
    const off: Disposer = ctx.route('GET', '/orders/:id', (request, params) => {
      same<typeof request, Request>(true);
      same<typeof params, Readonly<Record<string, string>>>(true);
      return Response.json({ id: params['id'] });
    });
    off();
    ctx.route('POST', '/orders', async (request) => new Response(await request.text()));
    // @ts-expect-error A route answers with a Response.
    ctx.route('GET', '/orders', () => ({ status: 200 }));
  },
});

export const scopes = definePlugin({
  name: 'scopes',
  version: '1.0.0',
  async activate(ctx) {
    same<typeof ctx.scope, Scope>(true);
    same<ReturnType<typeof ctx.child>, Scope>(true);
    same<typeof ctx.signal, AbortSignal>(true);
    same<typeof ctx.log, Logger>(true);
    same<typeof ctx.db, Database>(true);
    const undo: Disposer = ctx.defer(() => undefined, 'a label');
    undo();
    ctx.defer(async () => undefined);
    const job = ctx.child('job');
    job.defer(() => undefined);
    await job.close();
    ctx.log.warn('careful', { why: 'because' });
    const rows = ctx.db.all('SELECT 1 AS one');
    ctx.db.write(() => ctx.db.run('DELETE FROM orders', []));
    ctx.log.info(`${rows.length} rows`);
    // @ts-expect-error A child has a label.
    ctx.child();
    // @ts-expect-error What is deferred is a function.
    ctx.defer(job);
    // @ts-expect-error The context is not to be written to.
    ctx.signal = new AbortController().signal;
  },
  deactivate(ctx) {
    ctx.log.info('gone');
  },
});

export const others = definePlugin({
  name: 'others',
  version: '1.0.0',
  activate(ctx) {
    const [first] = ctx.plugins.list();
    same<typeof first, PluginReport | undefined>(true);
    ctx.log.info(ctx.plugins.get('capsule')?.state ?? ctx.plugins.why('capsule').join(' '));
    // @ts-expect-error A plugin looks at others and does not load them.
    ctx.plugins.load(events);
    // @ts-expect-error There is no such member.
    ctx.fetch('x');
  },
});
