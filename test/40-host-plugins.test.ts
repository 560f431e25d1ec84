/** What a host program does with plugins: takes their services, follows them, and limits their time. */
import { describe, expect, test } from 'vitest';
import { GlyphCase } from '../sdk/index.ts';
import type { GlyphCaseOptions } from '../sdk/index.ts';
import { definePlugin } from '../sdk/plugin.ts';
import type { PluginDefinition } from '../sdk/plugin.ts';
import { afterTest, fakeClock, memoryLogger } from './support.ts';

interface Greeting {
  greet(name: string): string;
}

type Poke = () => number;

function greeting(version: string, word: string): PluginDefinition {
  return definePlugin({
    name: 'greeting',
    version,
    provides: { greeting: version },
    activate: (ctx) => ctx.provide<Greeting>('greeting', { greet: (name) => `${word}, ${name}!` }),
  });
}

function open(options: GlyphCaseOptions = {}): GlyphCase {
  const db = new GlyphCase(':memory:', options);
  afterTest(() => db.close());
  return db;
}

/** What a call throws, at once. */
function thrown(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  return undefined;
}

describe('db.plugins.use', () => {
  test('refuses what is not there, and says why', async () => {
    const waiting = definePlugin({
      name: 'waiting',
      version: '1.0.0',
      requires: { nothing: '^1.0.0' },
      provides: { late: '1.0.0' },
      activate: () => undefined,
    });
    const db = open({ plugins: [greeting('1.2.0', 'Hello'), waiting] });
    expect(thrown(() => db.plugins.use('greetings'))).toMatchObject({
      code: 'GC_NO_SERVICE',
      message: "the service 'greetings' is not available: no loaded plugin provides it (did you mean 'greeting'?)",
    });
    expect(thrown(() => db.plugins.use('late'))).toMatchObject({
      code: 'GC_NO_SERVICE',
      message: expect.stringContaining("plugin 'waiting' would provide it and is waiting") as string,
    });
    expect(thrown(() => db.plugins.use('greeting', '^2.0.0'))).toMatchObject({
      code: 'GC_NO_SERVICE',
      message: expect.stringContaining("plugin 'greeting' provides 1.2.0, which is outside the range") as string,
    });
    await db.close();
    expect(thrown(() => db.plugins.use('greeting'))).toMatchObject({ code: 'GC_CLOSED' });
  });

  test('gives a plugin’s service, and after a reload the new one', async () => {
    const db = open({ plugins: [greeting('1.0.0', 'Hello')] });
    expect(db.plugins.use<Greeting>('greeting').greet('Ann')).toBe('Hello, Ann!');
    await db.plugins.reload('greeting', greeting('1.1.0', 'Good day'));
    expect(db.plugins.use<Greeting>('greeting', '^1.1.0').greet('Ann')).toBe('Good day, Ann!');
    await db.plugins.unload('greeting');
    expect(thrown(() => db.plugins.use('greeting'))).toMatchObject({ code: 'GC_NO_SERVICE' });
  });

  test('gives those of built-in plugins too', () => {
    const db = open();
    expect(db.plugins.use('actions').dispatch('nobody:listens')).toBe(0);
  });
});

describe('db.plugins.onService', () => {
  test('refuses what is no function, and a host that was closed', async () => {
    const db = open();
    expect(thrown(() => db.plugins.onService('greeting', 5 as never))).toMatchObject({
      code: 'GC_BAD_ARGUMENT',
      message: "onService('greeting', fn): 5 is not a function",
    });
    await db.close();
    expect(thrown(() => db.plugins.onService('greeting', () => undefined))).toMatchObject({ code: 'GC_CLOSED' });
  });

  test('tells when a service comes and goes, through reloads and until it is stopped', async () => {
    const db = open();
    const told: string[] = [];
    const stop = db.plugins.onService<Greeting>('greeting', (service) => {
      told.push(service.greet('Ann'));
      return () => told.push('gone');
    });
    expect(told).toEqual([]);
    db.plugins.load(greeting('1.0.0', 'Hello'));
    await db.plugins.reload('greeting', greeting('1.1.0', 'Good day'));
    expect(told).toEqual(['Hello, Ann!', 'gone', 'Good day, Ann!']);
    await db.plugins.unload('greeting');
    db.plugins.load(greeting('1.2.0', 'Good night'));
    stop();
    stop();
    expect(told.slice(3)).toEqual(['gone', 'Good night, Ann!', 'gone']);
    await db.plugins.unload('greeting');
    expect(told).toHaveLength(6);
  });

  test('tells of the end of the host, and what it is told to do keeps nobody from closing', async () => {
    const logger = memoryLogger();
    const db = open({ plugins: [greeting('1.0.0', 'Hello')], logger });
    const told: string[] = [];
    db.plugins.onService('greeting', () => () => {
      throw new Error('cannot let go');
    });
    db.plugins.onService('greeting', () => () => told.push('gone'));
    await db.close();
    expect(told).toEqual(['gone']);
    expect(logger.lines.filter(({ level }) => level === 'error').map(({ message }) => message)).toEqual([
      "onService 'greeting' of the host failed: cannot let go",
    ]);
  });
});

describe('the option pluginLimits', () => {
  test.each([
    [{ start: 5 }, "unknown key 'start'"],
    [{ activate: '2s' }, 'pluginLimits.activate: must be a number, not "2s"'],
    [{ activate: 0 }, 'pluginLimits.activate: must be >= 1'],
    [{ dispose: 2 ** 31 }, 'pluginLimits.dispose: must be <= 2147483647'],
    [{ retries: 1.5 }, 'pluginLimits.retries: must be an integer, not 1.5'],
    [{ errors: 0 }, 'pluginLimits.errors: must be >= 1'],
  ])('refuses %j', (pluginLimits, message) => {
    expect(thrown(() => new GlyphCase(':memory:', { pluginLimits } as object))).toMatchObject({
      code: 'GC_BAD_OPTION',
      message: expect.stringContaining(message) as string,
    });
  });

  test('bounds what plugins take, and how often they are tried', async () => {
    const clock = fakeClock();
    const logger = memoryLogger();
    const never = (): Promise<void> => new Promise(() => undefined);
    const db = open({
      clock,
      logger,
      pluginLimits: { activate: 300, deactivate: 40, dispose: 50, retries: 0 },
      plugins: [
        definePlugin({ name: 'slow', version: '1.0.0', activate: never }),
        definePlugin({
          name: 'sticky',
          version: '1.0.0',
          activate: (ctx) => void ctx.defer(never, 'the lid'),
          deactivate: never,
        }),
      ],
    });
    await clock.advance(299);
    expect(db.plugins.get('slow')?.state).toBe('activating');
    await clock.advance(1);
    expect(db.plugins.get('slow')).toMatchObject({
      state: 'quarantined',
      error: { code: 'GC_PLUGIN_TIMEOUT', message: "plugin 'slow': activate did not finish within 300 ms" },
    });

    const unloaded = db.plugins.unload('sticky');
    await clock.advance(89);
    let isOver = false;
    void unloaded.then(() => (isOver = true));
    await clock.advance(0);
    expect(isOver).toBe(false);
    await clock.advance(1);
    expect((await unloaded).map(({ message }) => message)).toEqual([
      expect.stringContaining('deactivate did not finish within 40 ms'),
      expect.stringContaining('the lid'),
    ]);
  });

  test('says how much failing is borne', async () => {
    const failing = (version: string): PluginDefinition =>
      definePlugin({
        name: 'failing',
        version,
        activate: (ctx) =>
          void ctx.on('poke', () => {
            throw new Error('no');
          }),
      });
    const poker = definePlugin({
      name: 'poker',
      version: '1.0.0',
      activate: (ctx) => ctx.provide<Poke>('poke', () => ctx.emit('poke', 1)),
      provides: { poke: '1.0.0' },
    });
    const clock = fakeClock();
    const db = open({
      clock,
      plugins: [failing('1.0.0'), poker],
      pluginLimits: { errors: 2, errorWindow: 1000, probation: 0 },
    });
    const poke = (): number => db.plugins.use<Poke>('poke')();
    // Without a probation a new version is not taken back.
    await db.plugins.reload('failing', failing('1.1.0'));
    poke();
    await clock.advance(1001);
    poke();
    await clock.advance(10);
    expect(db.plugins.get('failing')).toMatchObject({ state: 'active', version: '1.1.0' });
    poke();
    await clock.advance(10);
    expect(db.plugins.get('failing')?.state).toBe('quarantined');
  });
});

describe('ctx.plugins', () => {
  test('shows a plugin the others, those that were loaded before it too, and lets it change nothing', async () => {
    let seen: Readonly<Record<string, unknown>> = {};
    const looker = definePlugin({
      name: 'looker',
      version: '1.0.0',
      activate(ctx) {
        seen = {
          members: Object.keys(ctx.plugins).sort(),
          states: ctx.plugins.list().filter(({ id }) => id === 'greeting' || id === 'looker'),
          why: ctx.plugins.why('lacking'),
          nobody: ctx.plugins.get('nobody'),
          mistake: thrown(() => ctx.plugins.why('greetin')),
        };
      },
    });
    const lacking = definePlugin({
      name: 'lacking',
      version: '1.0.0',
      requires: { nothing: '^1.0.0' },
      activate: () => undefined,
    });
    const db = open({ plugins: [greeting('1.0.0', 'Hello'), lacking, looker] });
    await db.ready;
    expect(seen).toMatchObject({
      members: ['get', 'list', 'why'],
      states: [
        { id: 'greeting', state: 'active', provides: { greeting: '1.0.0' } },
        { id: 'looker', state: 'activating' },
      ],
      why: ["plugin 'lacking' 1.0.0 is waiting.", expect.stringContaining("'nothing'")],
      nobody: undefined,
      mistake: { code: 'GC_NO_SUCH_PLUGIN', message: "no plugin 'greetin' is loaded (did you mean 'greeting'?)" },
    });
  });
});
