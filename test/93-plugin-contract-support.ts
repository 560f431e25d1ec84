/** Plugins that break the contract, each in its own way, and what puts the built-in ones to use. */
import { createServer as createWebServer } from 'node:http';
import { createServer } from 'node:net';
import { definePlugin } from '../sdk/plugin.ts';
import type { PluginContext, PluginDefinition } from '../sdk/plugin.ts';
import type { BuiltinName, PluginCheckName, TestHost } from '../sdk/testing/index.ts';
import type { CapsuleService } from '../sdk/capsule-types.ts';
import type { LiveService } from '../sdk/live-types.ts';
import type { LuaService } from '../sdk/lua-types.ts';
import type { SkillsService } from '../sdk/skills-types.ts';

export const SCHEMA = 'CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, total INTEGER)';

const lua =
  (script: string) =>
  async (host: TestHost): Promise<void> => {
    await host.use<SkillsService>('skills').execute(script);
  };

const watchOrders = (host: TestHost): void => {
  const capsule = host.use<CapsuleService>('capsule');
  const handled: number[] = [];
  // What a host watches is still watched after a reload.
  if (capsule.stats().watchers === 0)
    capsule.subscribe(capsule.watch('orders'), (events) => void handled.push(events.length));
  host.run('INSERT INTO orders (total) VALUES (1)');
};

/** What the built-in plugins do during the checks. */
export const EXERCISES: Readonly<Record<BuiltinName, (host: TestHost) => void | Promise<void>>> = {
  actions: (host) => {
    const actions = host.use<{ on(name: string, fn: () => void): unknown; dispatch(name: string): number }>('actions');
    actions.on('order:created', () => undefined);
    actions.dispatch('order:created');
  },
  batching: (host) => host.run('INSERT INTO orders (total) VALUES (2)'),
  cache: lua('cache.set("k", { 1, 2 }, 60) return cache.get("k")'),
  capsule: watchOrders,
  crypto: lua('return crypto.uuid()'),
  http: lua('return http ~= nil'),
  lease: (host) => host.use<{ want(): void }>('lease').want(),
  live: (host) => {
    const live = host.use<LiveService>('live');
    if (live.stats().watchers === 0) live.subscribe(live.watch('SELECT count(*) AS n FROM orders'), () => undefined);
    host.run('INSERT INTO orders (total) VALUES (3)');
  },
  lua: (host) => {
    host.use<LuaService>('lua').createState({ name: 'exercise', functions: {} }).run('return 1', 'exercise.lua');
  },
  scheduler: lua('scheduler.every("1m", function() end)'),
  skills: lua('glyphcase.insert("orders", { total = 4 })'),
};

/** Faults that are known: a check that fails once the plugin is put to use → why. A test fails when one of them is mended. */
export const KNOWN: Readonly<Partial<Record<BuiltinName, readonly PluginCheckName[]>>> = {};

/** A definition with a name, a version and an activate that does nothing, unless said otherwise. */
export const plugin = (more: Partial<PluginDefinition>): PluginDefinition => ({
  name: 'tested',
  version: '1.0.0',
  activate: () => undefined,
  ...more,
});

const kept: unknown[] = [];
const running: (() => void)[] = [];
let listeners: (() => void)[] = [];

/** Ends what the plugins below leave behind. */
export function tidyUp(): void {
  for (const listener of listeners) process.off('SIGWINCH', listener);
  for (const end of running) end();
  Reflect.deleteProperty(globalThis, 'leakedByAPlugin');
  [kept.length, running.length, listeners] = [0, 0, []];
}

interface Capsule {
  watch(table: string): unknown;
}

/** What a plugin does wrong → the plugin, the checks that fail, and what is said of it. */
export const WRONG: readonly {
  readonly what: string;
  readonly definition: PluginDefinition;
  readonly fails: readonly PluginCheckName[];
  readonly says: string | RegExp;
  readonly services?: Readonly<Record<string, unknown>>;
}[] = [
  {
    what: 'has a wrong definition',
    definition: plugin({ version: 'one' }),
    fails: ['definition'],
    says: '`version` is "one", which is not a semver version',
  },
  {
    what: 'throws in activate',
    definition: plugin({
      activate() {
        throw new Error('no licence found');
      },
    }),
    fails: ['activates'],
    says: "plugin 'tested' failed in activate: no licence found",
  },
  {
    what: 'hangs in activate',
    definition: plugin({ activate: () => new Promise<void>(() => undefined) }),
    fails: ['activates'],
    says: "plugin 'tested': activate did not finish within 10 s",
  },
  {
    what: 'hangs in deactivate',
    definition: plugin({ deactivate: () => new Promise<void>(() => undefined) }),
    fails: ['deactivates'],
    says: "plugin 'tested': deactivate did not finish within 5 s",
  },
  {
    what: 'throws in a disposer',
    definition: plugin({
      activate: (ctx) =>
        void ctx.defer(() => {
          throw new Error('socket is gone');
        }, 'close the socket'),
    }),
    fails: ['deactivates'],
    says: "disposing 'close the socket' failed: socket is gone",
  },
  {
    what: 'provides a service it does not declare',
    definition: plugin({ activate: (ctx) => ctx.provide('metrics', {}) }),
    fails: ['activates'],
    says: "provides 'metrics' without declaring it",
  },
  {
    what: 'declares a service it does not provide',
    definition: plugin({ provides: { metrics: '1.0.0' } }),
    fails: ['activates'],
    says: "it declares the service 'metrics' and has not provided it",
  },
  {
    what: 'throws in deactivate',
    definition: plugin({
      deactivate() {
        throw new Error('cannot say goodbye');
      },
    }),
    fails: ['deactivates'],
    says: /failed in deactivate: cannot say goodbye \(at test\/93-plugin-contract-support\.ts:\d+\)/,
  },
  {
    what: 'throws in snapshot',
    definition: plugin({
      snapshot() {
        throw new Error('nothing to hand on');
      },
    }),
    fails: ['reloads'],
    says: /^its state is lost in a reload: .+nothing to hand on \(at test\/93-plugin-contract-support\.ts:\d+\)/m,
  },
  {
    what: 'starts only once in a process',
    definition: (() => {
      let port = 'free';
      return plugin({
        activate() {
          if (port === 'taken') throw new Error('the port is taken');
          port = 'taken';
        },
      });
    })(),
    fails: ['cleans-up'],
    says: "it became active once and not again: plugin 'tested' failed in activate: the port is taken (at test/93",
  },
  {
    what: 'misspells a service that comes with GlyphCase',
    definition: plugin({ requires: { capsul: '^1.0.0' } }),
    fails: ['activates'],
    says: /no loaded plugin provides it\. Did you mean 'capsule'\?$/m,
  },
  {
    what: 'misspells an optional one, and cannot do without it',
    definition: plugin({ optional: { liv: '^1.0.0' }, activate: (ctx) => void ctx.use('liv') }),
    fails: ['without-optional'],
    says: "Nobody provides 'liv' here: did you mean 'live'?",
  },
  {
    what: "leaks a web server, whose own timers are Node's",
    definition: plugin({
      activate() {
        const server = createWebServer().listen(0).unref();
        running.push(() => server.close());
      },
    }),
    fails: ['no-handles'],
    says: /^a server that listens begun at test\/93-plugin-contract-support\.ts:\d+ \(\d+ times\) is still running$/m,
  },
  {
    what: 'requires a service that nobody provides',
    definition: plugin({ requires: { metrics: '^1.0.0' } }),
    fails: ['activates'],
    says: "It waits for the service 'metrics' ^1.0.0: no loaded plugin provides it",
  },
  {
    what: 'logs an error',
    definition: plugin({ activate: (ctx) => ctx.log.error('cannot find the printer') }),
    fails: ['activates'],
    says: 'it logged: cannot find the printer',
  },
  {
    what: 'leaks a timer',
    definition: plugin({ activate: () => void running.push(endless()) }),
    fails: ['no-handles'],
    says: /a timer begun at .*93-plugin-contract-support\.ts:\d+ \(\d+ times\) is still running/,
  },
  {
    what: 'leaks a server',
    definition: plugin({
      activate() {
        const server = createServer().listen(0).unref();
        running.push(() => server.close());
      },
    }),
    fails: ['no-handles'],
    says: /a server that listens begun at .*93-plugin-contract-support\.ts:\d+ \(\d+ times\) is still running/,
  },
  {
    what: 'clears its timer in deactivate, which a failed activation never reaches',
    definition: (() => {
      let end: (() => void) | undefined;
      return plugin({
        reload: 'restart',
        activate: () => void running.push((end = endless())),
        deactivate: () => end?.(),
      });
    })(),
    fails: ['no-handles'],
    says: /a timer begun at .* \(2 times\) is still running, but only when activate throws or hangs/,
  },
  {
    what: 'leaks a listener of the process',
    definition: plugin({
      activate() {
        const listener = (): void => undefined;
        listeners.push(listener);
        process.on('SIGWINCH', listener);
      },
    }),
    fails: ['process-untouched'],
    says: /a listener on process 'SIGWINCH' added at .*93-plugin-contract-support\.ts:\d+ \(\d+ times\) is still there/,
  },
  {
    what: 'defines a global name',
    definition: plugin({ activate: () => void Object.assign(globalThis, { leakedByAPlugin: 1 }) }),
    fails: ['process-untouched'],
    says: "the global name 'leakedByAPlugin' was defined",
  },
  {
    what: 'writes to the console',
    definition: plugin({ activate: () => console.info('hello there') }),
    fails: ['silent'],
    says: /it wrote "hello there" with console\.info at .*93-plugin-contract-support\.ts:\d+/,
  },
  {
    what: 'keeps a watcher',
    definition: plugin({
      requires: { capsule: '^1.0.0' },
      activate: (ctx) => void ctx.use<Capsule>('capsule').watch('orders'),
    }),
    fails: ['cleans-up'],
    says: '1 watcher of tables is left after it had stopped',
  },
  {
    what: 'is held in memory',
    definition: plugin({ activate: (ctx) => void kept.push(() => ctx.name) }),
    fails: ['is-freed'],
    says: '4 of 4 instances are still in memory after they were stopped',
  },
  {
    what: 'takes any config',
    definition: plugin({
      config: { properties: { every: { type: ['string', 'number', 'object', 'array', 'boolean', 'null'] } } },
    }),
    fails: ['bad-config'],
    says: "the text 'unlikely text' is taken for its config: give the schema type: 'object'; any value is taken for config.every",
  },
  {
    what: 'needs an option that has no default',
    definition: plugin({ config: { type: 'object', required: ['port'], properties: { port: { type: 'integer' } } } }),
    fails: ['activates'],
    says: /config of plugin 'tested': the key 'port' is missing$/m,
  },
  {
    what: 'cannot do without an optional service',
    definition: plugin({ optional: { metrics: '^1.0.0' }, activate: (ctx) => void ctx.use('metrics') }),
    services: { metrics: {} },
    fails: ['without-optional'],
    says: /it does not run without 'metrics': .+ \(at test\/93-plugin-contract-support\.ts:\d+\)$/m,
  },
  {
    what: 'cannot do without an optional service, and does not say that this is why',
    definition: plugin({
      optional: { metrics: '^1.0.0' },
      activate(ctx) {
        (tried(ctx) as { count(): void }).count();
      },
    }),
    services: { metrics: { count: () => undefined } },
    fails: ['without-optional'],
    says: /it does not run without 'metrics': .+reading 'count'/,
  },
  {
    what: 'cannot do without an optional service that nobody has here',
    definition: plugin({ optional: { mailer: '^1.0.0' }, activate: (ctx) => void ctx.use('mailer') }),
    fails: ['without-optional'],
    says: "it does not run without 'mailer'",
  },
  {
    what: 'fails for another reason than the lack of an optional service',
    definition: plugin({
      optional: { metrics: '^1.0.0' },
      activate() {
        throw new Error('no licence found');
      },
    }),
    services: { metrics: {} },
    fails: ['activates'],
    says: /it does not become active: .+no licence found \(at test\/93-plugin-contract-support\.ts:\d+\)/,
  },
  {
    what: 'never takes an optional service that comes later',
    definition: plugin({ optional: { metrics: '^1.0.0' }, activate: (ctx) => void tried(ctx) }),
    services: { metrics: {} },
    fails: ['late-optional'],
    says: "it asks for 'metrics' in activate only, so one that comes later is never taken",
  },
  {
    what: 'breaks when an optional service comes',
    definition: plugin({
      optional: { metrics: '^2.0.0' },
      activate: (ctx) =>
        void ctx.onService('metrics', () => {
          throw new Error('no such gauge');
        }),
    }),
    services: { metrics: {} },
    fails: ['late-optional'],
    says: "onService 'metrics' failed: no such gauge",
  },
];

/** A plugin that does everything right, and uses all that a context has. */
export const good = definePlugin({
  name: 'good',
  version: '1.0.0',
  glyphcase: '^1.0.0',
  requires: { capsule: '^1.0.0', batching: '^1.0.0', live: '^1.0.0', store: '^1.2.0' },
  optional: { metrics: '^1.0.0' },
  provides: { counter: '1.0.0' },
  config: { type: 'object', properties: { every: { type: 'string', default: '1m' }, anything: {} } },
  commands: { count: { summary: 'print the count', run: (ctx) => ctx.print(ctx.name) } },
  snapshot: () => ({ count: 1 }),
  async activate(ctx) {
    let { count } = ctx.state ?? { count: 0 };
    const watcher = ctx.use<CapsuleService>('capsule').watch('orders');
    ctx.defer(() => ctx.use<CapsuleService>('capsule').unwatch(watcher), 'watch orders');
    ctx.watch('orders', (events) => void (count += events.length));
    ctx.watch('SELECT count(*) AS n FROM orders', () => undefined);
    ctx.db.write(() => ctx.db.run('INSERT INTO orders (total) VALUES (?)', [ctx.db.all('SELECT 1').length]));
    await new Promise<void>((resolve) => void ctx.timeout('1s', resolve));
    ctx.every(ctx.config.every, () => ctx.emit('good:tick', ctx.clock.now()));
    ctx.on('good:tick', (at) => ctx.log.debug(`ticked at ${String(at)}`));
    ctx.route('GET', '/count', () => Response.json({ count }));
    ctx.onService('metrics', () => () => undefined);
    ctx.hooks.committed.tap('count', () => undefined);
    const child = ctx.child('worker');
    child.defer(endless(), 'timer');
    ctx.signal.addEventListener('abort', () => void (count = 0));
    ctx.provide('counter', { plugins: () => ctx.plugins.list().length });
  },
});

function endless(): () => void {
  const timer = setInterval(() => undefined, 60_000);
  timer.unref();
  return () => clearInterval(timer);
}

function tried(ctx: PluginContext): unknown {
  try {
    return ctx.use('metrics');
  } catch {
    return undefined;
  }
}
