/** Loading plugins: definitions, options, activation in the order of services, services themselves. */
import { describe, expect, it } from 'vitest';
import { createPluginHost } from '../kernel/plugins/host.ts';
import type { PluginContext, PluginDefinition } from '../kernel/plugins/types.ts';
import { plugin, provider, testHost, thrownBy } from './10-kernel-support.ts';

describe('a plugin definition', () => {
  it.each([
    [undefined, /an object made by definePlugin/],
    [() => {}, /not a function/],
    [{ default: {} }, /`default` export/],
    [{}, /`name` is missing.*`version` is missing.*`activate\(ctx\)` is missing/],
    [plugin('Not A Name'), /`name` is "Not A Name"/],
    [plugin('p', { version: '1' }), /`version` is "1".*semver/],
    [plugin('p', { activate: 'x' as never }), /`activate` is string/],
    [plugin('p', { deactivate: 1 as never }), /`deactivate` is number/],
    [{ ...plugin('p'), require: {} }, /`require` should be `requires`/],
    [{ ...plugin('p'), dependencies: {} }, /`dependencies` should be `requires`/],
    [{ ...plugin('p'), depricated: {} }, /unknown key `depricated`/],
    [plugin('p', { glyphcase: 'new' }), /`glyphcase` is "new".*range/],
    [plugin('p', { requires: { capsule: 'x.y' } }), /`requires.capsule` is "x.y".*range/],
    [plugin('p', { requires: ['capsule'] as never }), /`requires` is \["capsule"\].*with its version/],
    [plugin('p', { provides: { p: '^1.0.0' } }), /`provides.p` is "\^1.0.0".*version/],
    [plugin('p', { requires: { a: '*' }, optional: { a: '*' } }), /'a' is in both/],
    [plugin('p', { reload: 'hot' as never }), /`reload` is "hot"/],
    [plugin('p', { config: { type: 'objekt' } }), /config.*wrong/],
  ])('%j is refused', async (definition, message) => {
    const { host } = testHost();
    const error = await thrownBy(() => host.load(definition as PluginDefinition));
    expect(error).toMatchObject({ code: 'GC_BAD_PLUGIN', message: expect.stringMatching(message) });
    expect(host.list()).toEqual([]);
  });

  it('has its options checked, with path and suggestion, and completed', async () => {
    const { host } = testHost();
    const config = {
      type: 'object',
      properties: {
        every: { type: 'string', default: '1m' },
        deep: { type: 'object', properties: { on: { type: 'boolean' } } },
      },
    };
    const seen: unknown[] = [];
    const definition = plugin('p', { config, activate: (ctx) => void seen.push(ctx.config) });
    expect(await thrownBy(() => host.load(definition, { evry: 1, deep: { on: 'x' } }))).toMatchObject({
      code: 'GC_BAD_PLUGIN',
      message:
        "config of plugin 'p': evry: unknown key 'evry' (did you mean 'every'?); deep.on: must be a boolean, not \"x\"",
    });
    host.load(definition);
    expect(seen).toEqual([{ every: '1m' }]);
  });

  it('is refused when its name or one of its services is taken, naming both', async () => {
    const { host } = testHost();
    host.load(provider('a'));
    expect(await thrownBy(() => host.load(plugin('a')))).toMatchObject({
      code: 'GC_BAD_PLUGIN',
      message: "plugin 'a' is loaded already",
    });
    const error = await thrownBy(() => host.load(plugin('b', { provides: { a: '2.0.0' } })));
    expect(error.message).toMatch(/'b'.*'a'.*plugin 'a'/);
  });

  it('needs a host with a version', async () => {
    const { bus, hooks, clock, logger, db } = testHost();
    const error = await thrownBy(() => createPluginHost({ bus, hooks, clock, logger, db, version: 'x' }));
    expect(error.code).toBe('GC_BAD_OPTION');
  });
});

describe('activation', () => {
  it('is done when load() returns, if activate is synchronous', () => {
    const { host, states } = testHost();
    expect(host.load(plugin('p'))).toMatchObject({ id: 'p', version: '1.0.0', state: 'active', reasons: [] });
    expect(states).toEqual(['p: discovered → resolved', 'p: resolved → activating', 'p: activating → active']);
  });

  it('goes on by itself if activate is asynchronous, and ready() waits for it', async () => {
    const { host, clock } = testHost();
    const definition = plugin('p', { activate: (ctx) => new Promise((resolve) => void ctx.timeout(30, resolve)) });
    expect(host.load(definition).state).toBe('activating');
    const ready = host.ready();
    await clock.advance(30);
    expect(await ready).toMatchObject([{ id: 'p', state: 'active', activatedInMs: 30 }]);
  });

  it('waits, with a reason, for a required service, and begins when it comes', () => {
    const { host, state } = testHost();
    const seen: unknown[] = [];
    const report = host.load(
      plugin('user', { requires: { store: '^1.0.0' }, activate: (ctx) => void seen.push(ctx.use('store')) }),
    );
    expect(report).toMatchObject({
      state: 'waiting',
      reasons: ["It waits for the service 'store' ^1.0.0: no loaded plugin provides it."],
    });
    const service = { get: () => 1 };
    host.load(provider('store', service));
    expect([state('user'), seen[0]]).toEqual(['active', service]);
  });

  it('does not take a service of another version', () => {
    const { host, state } = testHost();
    host.load(plugin('user', { requires: { store: '^2.0.0' } }));
    host.load(provider('store'));
    expect(state('user')).toBe('waiting');
    expect(host.why('user')[1]).toContain("plugin 'store' provides 1.0.0, which is outside the range");
  });

  it('does not run a plugin made for another GlyphCase', () => {
    const { host } = testHost({ version: '1.2.3' });
    expect(host.load(plugin('p', { glyphcase: '^2.0.0' }))).toMatchObject({
      state: 'incompatible',
      reasons: ['It needs GlyphCase ^2.0.0, and this is 1.2.3.'],
    });
    expect(host.load(plugin('q', { glyphcase: '^1.2.0' })).state).toBe('active');
  });

  it('is topological when several are loaded at once', () => {
    const { host } = testHost();
    const order: string[] = [];
    const make = (name: string, requires: Record<string, string> = {}, optional: Record<string, string> = {}) =>
      provider(
        name,
        {},
        {
          requires,
          optional,
          activate: (ctx) => {
            order.push(name);
            ctx.provide(name, {});
          },
        },
      );
    host.loadAll([make('d', { c: '*' }), { definition: make('c', { a: '*' }, { b: '*' }) }, make('b'), make('a')]);
    expect(order).toEqual(['b', 'a', 'c', 'd']);
  });

  it('loads nothing when one of several is wrong', async () => {
    const { host } = testHost();
    await thrownBy(() => host.loadAll([plugin('a'), plugin('b', { version: 'x' })]));
    expect(host.list()).toEqual([]);
  });

  it('names the circle when plugins wait for each other', () => {
    const { host } = testHost();
    host.loadAll([provider('a', {}, { requires: { b: '*' } }), provider('b', {}, { requires: { a: '*' } })]);
    expect(host.list().map(({ state }) => state)).toEqual(['waiting', 'waiting']);
    expect(host.why('a').join(' ')).toContain('They wait for each other: a → b → a.');
    expect(host.inspect().cycles).toEqual([['a', 'b', 'a']]);
  });

  it('publishes services only when their provider is active', async () => {
    const { host, state } = testHost();
    const gate = Promise.withResolvers<void>();
    host.load(provider('store', {}, { activate: (ctx) => (ctx.provide('store', {}), gate.promise) }));
    host.load(plugin('user', { requires: { store: '*' } }));
    expect([state('user'), (await thrownBy(() => host.use('store'))).message]).toEqual([
      'waiting',
      "the service 'store' is not available: plugin 'store' would provide it and is activating",
    ]);
    gate.resolve();
    await host.ready();
    expect(state('user')).toBe('active');
  });

  it('accepts a service that is provided after activation', () => {
    const { host, state, logger } = testHost();
    let late: PluginContext | undefined;
    host.load(provider('store', {}, { activate: (ctx) => void (late = ctx) }));
    host.load(plugin('user', { requires: { store: '*' } }));
    expect(host.why('user')[1]).toContain("is active but has not called ctx.provide('store')");
    expect(logger.lines.map(({ message }) => message)).toContain(
      "plugin 'store' declares the service 'store' but has not provided it",
    );
    late?.provide('store', {});
    expect(state('user')).toBe('active');
  });
});

describe('services', () => {
  it('are handed out as they are', () => {
    const { host } = testHost();
    const service = { call: () => 1 };
    host.load(provider('store', service));
    expect(host.use('store')).toBe(service);
    expect(host.use('store', '^1.0.0')).toBe(service);
  });

  it('must be declared by who provides and by who uses them, and exist', async () => {
    const { host } = testHost();
    const errorOf = (definition: PluginDefinition): string | undefined => host.load(definition).error?.message;
    expect(errorOf(plugin('a', { activate: (ctx) => ctx.provide('x', {}) }))).toMatch(
      /'a' provides 'x' without declaring it/,
    );
    expect(errorOf(plugin('b', { activate: (ctx) => void ctx.use('x') }))).toMatch(
      /'b' uses the service 'x' without declaring it/,
    );
    expect(errorOf(provider('c', undefined, { activate: (ctx) => ctx.provide('c', undefined) }))).toMatch(
      /provides 'c' as undefined/,
    );
    expect(errorOf(plugin('d', { optional: { x: '^1.0.0' }, activate: (ctx) => void ctx.use('x') }))).toMatch(
      /needs the service 'x' \^1.0.0: nobody provides it now/,
    );
    expect(await thrownBy(() => host.use('x'))).toMatchObject({ code: 'GC_NO_SERVICE' });
  });

  it('that are optional come and go', async () => {
    const { host, state } = testHost();
    const seen: string[] = [];
    host.load(
      plugin('user', {
        optional: { store: '^1.0.0' },
        activate: (ctx) =>
          void ctx.onService<string>('store', (name) => (seen.push(`+${name}`), () => seen.push(`-${name}`))),
      }),
    );
    host.load(provider('store', 'one'));
    await host.unload('store');
    host.load(provider('store', 'wrong version', { provides: { store: '2.0.0' } }));
    await host.unload('store');
    host.load(provider('store', 'two'));
    expect(state('user')).toBe('active');
    await host.unload('user');
    await host.unload('store');
    expect(seen).toEqual(['+one', '-one', '+two', '-two']);
  });
});
