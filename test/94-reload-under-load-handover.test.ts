/** What one instance of a built-in plugin hands to the next: one thing at a time, with a clock that stands still. */
import { join } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import type { Clock } from '../kernel/clock.ts';
import { GlyphCase } from '../sdk/index.ts';
import type { ChangeEvent, GlyphCaseOptions } from '../sdk/index.ts';
import { handedOn } from '../sdk/lasting.ts';
import type { Lasting } from '../sdk/lasting.ts';
import { definePlugin } from '../sdk/plugin.ts';
import type { PluginDefinition } from '../sdk/plugin.ts';
import { BUILTINS } from '../sdk/testing/providers.ts';
import { fakeClock } from './10-kernel-support.ts';
import type { FakeClock } from './10-kernel-support.ts';
import { ExtensionRegistry } from '../plugins/skills/extension-registry.ts';
import type { SkillHandle } from '../plugins/skills/extensions.ts';
import type { SkillsService } from '../plugins/skills/types.ts';
import { skillHost, writeSkill } from './60-skills-support.ts';
import { wallClock } from './62-scheduler-support.ts';
import { serve } from './63-support.ts';
import { afterTest, memoryLogger, settle, sqlite3, tempDir, tempFile, thrownBy, until } from './support.ts';

const NAMES = Object.keys(BUILTINS);
const ITEMS = 'CREATE TABLE items (id INTEGER PRIMARY KEY, n INTEGER); CREATE TABLE notes (what TEXT)';

interface Opened {
  readonly db: GlyphCase;
  readonly clock: FakeClock;
  readonly file: string;
  readonly logger: ReturnType<typeof memoryLogger>;
  /** What the skill has written into `notes`. */
  readonly notes: () => Promise<readonly unknown[]>;
}

interface Options extends Omit<GlyphCaseOptions, 'clock'> {
  readonly clock?: FakeClock;
  readonly file?: string;
  /** Lua of a skill `demo`. */
  readonly main?: string;
  readonly manifest?: Readonly<Record<string, unknown>>;
}

const MAY = { database: { read: ['items'], write: ['notes'] }, schedule: true, actions: { listen: ['*'] } };

async function open({ main, manifest, file = tempFile(), ...options }: Options = {}): Promise<Opened> {
  const [dir, clock, logger] = [tempDir(), options.clock ?? fakeClock(Date.now()), memoryLogger()];
  if (main !== undefined) writeSkill(dir, 'demo', main, { permissions: MAY, ...manifest });
  const capsule = { batchInterval: 0, ...options.capsule };
  const db = new GlyphCase(file, { logger, ...options, capsule, clock, skills: { dir, watch: false } });
  afterTest(() => db.close());
  db.sqlite.exec(ITEMS);
  await db.ready;
  await db.flush();
  if (main !== undefined) expect(db.skills.get('demo')).toMatchObject({ state: 'active' });
  const notes = async (): Promise<readonly unknown[]> => {
    await db.flush();
    await settle();
    return (await db.query('SELECT what FROM notes ORDER BY rowid')).map(({ what }) => what);
  };
  return { db, clock, file, logger, notes };
}

/** Reloads every built-in plugin, one after the other. */
async function reloadAll(db: GlyphCase): Promise<void> {
  for (const name of NAMES) await db.plugins.reload(name);
}

const insert = (db: GlyphCase, n: number): void => {
  db.sqlite.prepare('INSERT INTO items(n) VALUES (?)').run(n);
};
const ns = (events: readonly ChangeEvent[]): unknown[] =>
  events.map(({ newData, oldData }) => (newData ?? oldData)?.['n']);

describe('what a host holds', () => {
  it('goes on working: watchers, subscriptions, signals', async () => {
    const { db } = await open();
    const [told, aborted, ended, disposed]: unknown[][] = [[], [], [], []];
    const watcher = db.watch('items', 'n > ?', [0]);
    const into = (list: unknown[] | undefined) => (events: ChangeEvent[]) => void list?.push(...ns(events));
    const kept = db.subscribe(watcher, into(told));
    const abort = new AbortController();
    db.subscribe(watcher, into(aborted), { signal: abort.signal });
    const ending = db.subscribe(watcher, into(ended));
    const other = db.watch('items');
    db.subscribe(other, into(disposed));
    await reloadAll(db);
    insert(db, 1);
    await db.flush();
    abort.abort();
    db.unsubscribe(ending);
    other[Symbol.dispose]();
    insert(db, 2);
    await db.flush();
    expect({ told, aborted, ended, disposed }).toEqual({ told: [1, 2], aborted: [1], ended: [1], disposed: [1] });
    expect(kept.cursor).toBe(2);
    expect([...watcher.subscriptions]).toEqual([kept.id]);
    kept[Symbol.dispose]();
    db.unwatch(watcher);
    expect(db.stats()).toMatchObject({ watchers: 0, subscriptions: [] });
  });

  it('goes on working: query watchers', async () => {
    const { db } = await open();
    insert(db, 1);
    const watcher = db.watch('SELECT id, n FROM items ORDER BY n');
    const idle = db.watch('SELECT count(*) AS many FROM items');
    const told: string[] = [];
    const handler = (events: ChangeEvent[]): void =>
      void told.push(
        ...events.map(({ operation, index, newData }) => `${operation} ${index} ${String(newData?.['n'])}`),
      );
    const subscription = db.subscribe(watcher, handler, { initial: true });
    await db.flush();
    const rows = watcher.rows();
    await reloadAll(db);
    await settle();
    expect(watcher.rows()).toBe(rows);
    insert(db, 0);
    await db.flush();
    expect(told).toEqual(['INSERT 0 1', 'INSERT 0 0']);
    expect([watcher.rows().length, idle.rows()]).toEqual([2, [{ many: 2 }]]);
    expect(watcher.explain().tables).toEqual(['items']);
    db.unsubscribe(subscription);
    insert(db, 5);
    await db.flush();
    expect([told.length, watcher.rows().length]).toEqual([2, 3]);
  });

  it('goes on working: handlers of actions, functions for Lua, the host’s own Lua state', async () => {
    const { db } = await open();
    const told: unknown[] = [];
    const off = db.onAction('a:*', (payload) => told.push(payload));
    db.registerLuaFunction('twice', (n: number) => n * 2);
    await db.executeLuaScript('kept = twice(4)');
    await reloadAll(db);
    db.dispatch('a:b', 1);
    expect(await db.executeLuaScript('return kept + twice(1)')).toBe(10);
    off();
    expect([db.dispatch('a:b', 2), told]).toEqual([0, [1]]);
  });
});

describe('what is under way', () => {
  it.each(NAMES)('is delivered once when %s is replaced between commit and delivery', async (name) => {
    const { db, clock } = await open({ capsule: { batchInterval: 100 } });
    const [live, durable, rows]: unknown[][] = [[], [], []];
    db.subscribe(db.watch('items'), (events) => void live?.push(...ns(events)));
    db.subscribe(db.watch('items'), (events) => void durable?.push(...ns(events)), { name: 'durable' });
    db.subscribe(db.watch('SELECT n FROM items'), (events) => void rows?.push(...ns(events)));
    insert(db, 1);
    await clock.advance(60);
    await db.plugins.reload(name);
    await clock.advance(39);
    expect(live).toEqual([]);
    await clock.advance(1);
    expect(live).toEqual([1]);
    insert(db, 2);
    await clock.advance(100);
    expect([live, durable, rows]).toEqual([
      [1, 2],
      [1, 2],
      [1, 2],
    ]);
  });

  it('a handler that has not finished is not called again for the same, and goes on with the next', async () => {
    const { db } = await open();
    const told: unknown[] = [];
    const gate = Promise.withResolvers<void>();
    const subscription = db.subscribe(db.watch('items'), (events) => {
      told.push(...ns(events));
      return gate.promise;
    });
    insert(db, 1);
    await settle();
    await reloadAll(db);
    insert(db, 2);
    await settle();
    expect([told, subscription.cursor]).toEqual([[1], 0]);
    gate.resolve();
    await db.flush();
    expect([told, subscription.cursor]).toEqual([[1, 2], 2]);
  });

  it('what waits for a pause in the events comes when it would have', async () => {
    const { db, clock } = await open();
    const [table, query]: unknown[][] = [[], []];
    db.subscribe(db.watch('items'), (events) => void table?.push(...ns(events)), { debounce: 1000 });
    db.subscribe(db.watch('SELECT n FROM items'), (events) => void query?.push(...ns(events)), { debounce: 1000 });
    insert(db, 1);
    await settle();
    await clock.advance(600);
    await reloadAll(db);
    await clock.advance(399);
    expect([table, query]).toEqual([[], []]);
    await clock.advance(1);
    expect([table, query]).toEqual([[1], [1]]);
  });

  it('what failed is tried again when it would have been', async () => {
    const { db, clock } = await open();
    let attempts = 0;
    const handler = (): void => {
      attempts += 1;
      if (attempts === 1) throw new Error('not yet');
    };
    db.subscribe(db.watch('items'), handler, { name: 'tried again' });
    insert(db, 1);
    await settle();
    await clock.advance(700);
    await reloadAll(db);
    await clock.advance(299);
    expect(attempts).toBe(1);
    await clock.advance(1);
    expect(attempts).toBe(2);
  });

  it('a transaction of the host stays one, and a flush() comes to its end', async () => {
    const { db } = await open();
    const batches: ChangeEvent[][] = [];
    db.subscribe(db.watch('items'), (events) => void batches.push(events));
    const gate = Promise.withResolvers<void>();
    const writing = db.transaction(async () => {
      await db.insert('items', { n: 1 });
      await gate.promise;
      await db.insert('items', { n: 2 });
    });
    await settle();
    await reloadAll(db);
    gate.resolve();
    await writing;
    const flushing = db.flush();
    await db.plugins.reload('capsule');
    await flushing;
    expect(batches.map(ns)).toEqual([[1, 2]]);
    const ids = new Set(batches[0]?.map(({ transactionId, source }) => `${transactionId} ${source}`));
    expect([...ids]).toEqual(['tx-1 host']);
  });

  it('a request is not sent again, and its answer is handled', async () => {
    const answer = Promise.withResolvers<void>();
    const server = await serve(async (_seen, response) => {
      await answer.promise;
      response.end('here');
    });
    const main = `function ask() http.request({ url = "${server.origin}" }, function(answer)
      glyphcase.insert("notes", { what = answer.body }) end) end`;
    const { db, notes } = await open({ main, manifest: { permissions: { ...MAY, network: [server.host] } } });
    await db.skills.call('demo', 'ask');
    await until(() => server.open === 1);
    await reloadAll(db);
    answer.resolve();
    await until(() => server.open === 0);
    await until(() => (db.sqlite.prepare('SELECT count(*) FROM notes').pluck().get() as number) === 1);
    expect([server.seen.length, await notes()]).toEqual([1, ['here']]);
  });
});

describe('what skills have', () => {
  it('their states go on: variables, watches, listeners, hooks', async () => {
    const main = `
      local starts = 0
      function on_activate()
        starts = starts + 1
        glyphcase.insert("notes", { what = "start " .. starts })
        glyphcase.watch("items", function(events) glyphcase.insert("notes", { what = "saw " .. events[1].new_data.n }) end)
        glyphcase.on("hello", function(to) glyphcase.insert("notes", { what = "hello " .. to }) end)
      end
      function on_deactivate() glyphcase.insert("notes", { what = "stop" }) end
      function before_insert(_, data) data.n = data.n * 10 return data end`;
    const { db, notes } = await open({ main, manifest: { permissions: { ...MAY, hooks: ['items'] } } });
    await reloadAll(db);
    await db.insert('items', { n: 7 });
    db.dispatch('hello', 'you');
    expect((await notes()).toSorted()).toEqual(['hello you', 'saw 70', 'start 1']);
    expect(await db.plugins.unload('http')).toEqual([]);
  });

  it('jobs, with a name and without, run when they would have', async () => {
    const main = `function on_activate()
      scheduler.every("10m", function() glyphcase.insert("notes", { what = "plain" }) end)
      scheduler.every("10m", function() glyphcase.insert("notes", { what = "named" }) end, { name = "named" })
    end`;
    const clock = wallClock();
    const { db, notes } = await open({ main, clock });
    for (let hour = 0; hour < 6; hour += 1) {
      await clock.advance(300_000);
      await reloadAll(db);
      await clock.advance(300_000);
    }
    expect((await notes()).toSorted()).toEqual([...Array(6).fill('named'), ...Array(6).fill('plain')]);
  });

  it('a job that is running is not run again', async () => {
    const main = `function on_activate()
      scheduler.every("1m", function() glyphcase.insert("notes", { what = "ran" }) end)
    end`;
    const clock = wallClock();
    const { db, notes } = await open({ main, clock });
    const gate = Promise.withResolvers<void>();
    const writing = db.transaction(() => gate.promise);
    await clock.advance(60_000);
    await reloadAll(db);
    gate.resolve();
    await writing;
    expect(await notes()).toEqual(['ran']);
  });

  it('the cache keeps what is in it, as long as it was to be kept', async () => {
    const main = `function put() cache.set("k", "v", 60) cache.set("forever", 1) end
      function get() return (cache.get("k") or "gone") .. cache.get("forever") end`;
    const { db, clock } = await open({ main });
    await db.skills.call('demo', 'put');
    await reloadAll(db);
    await clock.advance(59_000);
    expect(await db.skills.call('demo', 'get')).toBe('v1');
    await clock.advance(1000);
    expect(await db.skills.call('demo', 'get')).toBe('gone1');
  });

  it('the lease stays with the host: another one does not get it', async () => {
    const first = await open({ main: 'function f() end' });
    const second = await open({ main: 'function f() end', file: tempFile() });
    const epoch = (): Promise<unknown> => first.db.queryScalar('SELECT epoch FROM _capsule_lease');
    const before = await epoch();
    const waiting = new GlyphCase(first.file, { clock: second.clock, skills: { dir: tempDir(), watch: false } });
    afterTest(() => waiting.close());
    await waiting.skills.load(writeSkill(tempDir(), 'other', 'function f() end'));
    for (let round = 0; round < 3; round += 1) {
      await reloadAll(first.db);
      await second.clock.advance(500);
    }
    expect(await epoch()).toBe(before);
    await first.db.close();
    await second.clock.advance(500);
    expect(await waiting.queryScalar('SELECT epoch FROM _capsule_lease')).toBe((before as number) + 1);
  });
});

describe('what is not handed on', () => {
  it('skills, when the options are others: they are stopped, and started again', async () => {
    const main = `function on_activate() glyphcase.insert("notes", { what = "start" }) end
      function on_deactivate() glyphcase.insert("notes", { what = "stop" }) end`;
    const host = await skillHost({ schema: ITEMS });
    writeSkill(host.dir, 'demo', main, { permissions: MAY });
    await host.skills.load(join(host.dir, 'demo'));
    const { plugins } = host.kernel;
    const notes = (): unknown[] => host.db.all('SELECT what FROM notes').map(({ what }) => what);
    await plugins.reload('skills');
    expect(notes()).toEqual(['start']);
    await plugins.reload('skills', undefined, { dirs: [host.dir], configs: { demo: {} } });
    await plugins.use<SkillsService>('skills').ready();
    expect(notes()).toEqual(['start', 'stop', 'start']);
  });

  it('anything, when the plugin is unloaded: the file is left as it was', async () => {
    const { db, file } = await open();
    db.subscribe(db.watch('items'), () => undefined);
    db.subscribe(db.watch('SELECT n FROM items'), () => undefined);
    await reloadAll(db);
    await db.close();
    const left = 'SELECT (SELECT count(*) FROM _capsule_hosts), (SELECT count(*) FROM _capsule_watchers)';
    expect(
      sqlite3(file, left, "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'items'"),
    ).toBe('0|0\n0\n');
  });

  it('what nobody takes over: it ends in the next turn', async () => {
    const { db, file } = await open();
    const told: unknown[] = [];
    db.subscribe(db.watch('items'), (events) => void told.push(...ns(events)));
    await db.plugins.reload('capsule', other('capsule'));
    await settle();
    insert(db, 1);
    await settle();
    expect(told).toEqual([]);
    expect(sqlite3(file, 'SELECT count(*) FROM _capsule_hosts')).toBe('0\n');
  });
});

/** A plugin in the place of a built-in one, that knows nothing of its state. */
const other = (name: string): PluginDefinition => ({
  name,
  version: '2.0.0',
  provides: { [name]: '2.0.0' },
  reload: 'restart',
  activate: (ctx) => ctx.provide(name, {}),
});

describe('a reload that fails', () => {
  it.each(NAMES)('%s goes on as it was', async (name) => {
    const { db, notes, logger } = await open({
      main: `function on_data_changed(_, _, row) glyphcase.insert("notes", { what = "reacted " .. row.n }) end`,
      manifest: { watches: ['items'] },
    });
    const told: unknown[] = [];
    db.subscribe(db.watch('items'), (events) => void told.push(...ns(events)));
    insert(db, 1);
    const broken: PluginDefinition = {
      ...other(name),
      activate() {
        throw new Error('it does not start');
      },
    };
    const error = await thrownBy(() => db.plugins.reload(name, broken));
    expect(error).toMatchObject({ code: 'GC_PLUGIN_FAILED' });
    insert(db, 2);
    await db.flush();
    await settle();
    expect(told).toEqual([1, 2]);
    expect(await notes()).toEqual(['reacted 1', 'reacted 2']);
    expect(db.plugins.list().map(({ state }) => state)).toEqual(NAMES.map(() => 'active'));
    const failures = logger.lines.filter(({ level }) => level === 'error').map(({ message }) => message);
    expect(failures.filter((message) => !message.includes('it does not start'))).toEqual([]);
  });
});

describe('what other plugins give to Lua', () => {
  const counter = (version: string, adopt: boolean): PluginDefinition =>
    definePlugin({
      name: 'counter',
      version,
      requires: { skills: '^1.0.0' },
      activate(ctx) {
        const create = () => ({ functions: { 'counter.version': () => version } });
        const extension = { name: 'counter', create, ...(adopt ? { adopt: create } : {}) };
        ctx.defer(ctx.use<{ extend(extension: object): () => void }>('skills').extend(extension), 'counter in Lua');
      },
    });
  const main = `local starts = 0
    function on_activate() glyphcase.insert("notes", { what = "start" }) end
    function version() return counter.version() end
    function has() return counter ~= nil end`;

  it.each([
    [true, ['start', 'start']],
    [false, ['start', 'start', 'start']],
  ])(
    'is of the new version after a reload; skills are started again unless it adopts them (%s)',
    async (adopt, starts) => {
      const { db, notes } = await open({ main });
      db.plugins.load(counter('1.0.0', adopt));
      await settle();
      expect(await db.skills.call('demo', 'version')).toBe('1.0.0');
      await db.plugins.reload('counter', counter('1.1.0', adopt));
      await settle();
      await db.flush();
      expect(await db.skills.call('demo', 'version')).toBe('1.1.0');
      expect(await notes()).toEqual(starts);
    },
  );

  it('cannot be called any more once the plugin was unloaded', async () => {
    const { db } = await open({ main });
    db.plugins.load(counter('1.0.0', true));
    await settle();
    await db.plugins.unload('counter');
    await settle();
    await db.flush();
    expect(await db.skills.call('demo', 'has')).toBe(false);
    expect(await db.executeLuaScript('return counter ~= nil')).toBe(false);
  });

  it('cannot be called in the moment before skills are started again, either', () => {
    let told = 0;
    const registry = new ExtensionRegistry(memoryLogger(), () => (told += 1));
    const off = registry.add({ name: 'counter', create: () => ({ functions: { 'counter.version': () => 1 } }) });
    const { functions } = registry.open({ id: 'demo' } as SkillHandle);
    expect([functions['counter.version']?.(), registry.areStale, told]).toEqual([1, false, 0]);
    off();
    expect([registry.areStale, told]).toEqual([true, 1]);
    expect(() => functions['counter.version']?.()).toThrow(
      'counter.version is gone: the host has unloaded the plugin "counter"',
    );
  });
});

test('the clock that is handed on has its timers fire once, when they would have', async () => {
  const clock = fakeClock();
  const fired: string[] = [];
  let lasting: Lasting | undefined;
  let begun = 0;
  const handed = handedOn<unknown, Clock>({
    label: 'timers',
    begin(made) {
      lasting = made;
      made.clock.timeout(() => fired.push(`once ${clock.now() - begun}`), 250);
      made.clock.interval(() => fired.push(`again ${clock.now() - begun}`), 100);
      made.clock.timeout(() => fired.push('never'), 250).cancel();
      return made.clock;
    },
    end: () => void fired.push('end'),
  });
  const plugin: PluginDefinition = definePlugin({
    name: 'timers',
    version: '1.0.0',
    reload: 'restart',
    activate: (ctx) => void handed.take(ctx),
    snapshot: handed.snapshot,
  });
  const { db } = await open({ clock });
  begun = clock.now();
  db.plugins.load(plugin);
  for (const ms of [30, 90, 60, 90]) {
    await clock.advance(ms);
    await db.plugins.reload('timers');
  }
  expect(fired).toEqual(['again 100', 'again 200', 'once 250']);
  expect(lasting?.closed).toBe(false);
  await db.plugins.unload('timers');
  await clock.advance(1000);
  expect(fired.filter((one) => one === 'end')).toEqual(['end']);
  expect(lasting?.closed).toBe(true);
});
