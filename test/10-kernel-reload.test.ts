/** Reloading: who answers meanwhile, what a failed reload leaves, what dependents see. */
import { describe, expect, it } from 'vitest';
import type { Disposer, PluginDefinition } from '../kernel/plugins/types.ts';
import { hang, noted, plugin, provider, settle, testHost, thrownBy } from './10-kernel-support.ts';

describe('reload', () => {
  it('re-activates the dependents, which see the new service', async () => {
    const { host } = testHost();
    const notes: string[] = [];
    host.loadAll([noted(notes, 'a'), noted(notes, 'b', { a: '^1.0.0' })]);
    notes.length = 0;
    const report = await host.reload('a', noted(notes, 'a', {}, '1.1.0'));
    expect(report).toMatchObject({ version: '1.1.0', state: 'active' });
    expect(notes).toEqual(['+a 1.1.0', '-b 1.0.0', 'b uses 1.1.0', '+b 1.0.0', '-a 1.0.0']);
  });

  it('leaves dependents waiting, with the reason, when the new version is out of their range', async () => {
    const { host, state } = testHost();
    host.loadAll([noted([], 'a'), noted([], 'b', { a: '^1.0.0' })]);
    await host.reload('a', noted([], 'a', {}, '2.0.0'));
    expect([state('a'), state('b')]).toEqual(['active', 'waiting']);
    expect(host.why('b')[1]).toContain("'a' provides 2.0.0, which is outside the range");
  });

  it('has no event reach both versions, or neither', async () => {
    const { host, bus, clock, hooks } = testHost();
    const heard: string[] = [];
    const make = (version: string, gate: Promise<void> = Promise.resolve()): PluginDefinition =>
      plugin('p', {
        version,
        async activate(ctx) {
          ctx.on('x', (n: number) => heard.push(`${version} heard ${n}`));
          ctx.hooks.rawCommit.tap('p', () => void heard.push(`${version} tapped`));
          ctx.every('1s', () => void heard.push(`${version} ticked`));
          await gate;
        },
      });
    host.load(make('1.0.0'));
    await host.ready();
    const gate = Promise.withResolvers<void>();
    const reloading = host.reload('p', make('2.0.0', gate.promise));
    await settle();
    bus.emit('x', 1);
    hooks.rawCommit.call();
    await clock.advance(1_000);
    gate.resolve();
    await reloading;
    bus.emit('x', 2);
    hooks.rawCommit.call();
    await clock.advance(1_000);
    expect(heard).toEqual([
      '1.0.0 heard 1',
      '1.0.0 tapped',
      '1.0.0 ticked',
      '2.0.0 heard 2',
      '2.0.0 tapped',
      '2.0.0 ticked',
    ]);
  });

  it.each<[string, PluginDefinition | undefined, string, RegExp]>([
    ['a definition', { name: 'p', version: 'x' } as never, 'GC_BAD_PLUGIN', /version.*activate/],
    ['a name', plugin('other'), 'GC_BAD_PLUGIN', /cannot be reloaded as 'other'/],
    [
      'options',
      plugin('p', { config: { type: 'object', required: ['port'], properties: { port: {} } } }),
      'GC_BAD_PLUGIN',
      /'port' is missing/,
    ],
    ['a GlyphCase version', plugin('p', { glyphcase: '^9.0.0' }), 'GC_BAD_PLUGIN', /needs GlyphCase \^9/],
    [
      'a requirement',
      plugin('p', { requires: { none: '*' } }),
      'GC_NO_SERVICE',
      /what ran before goes on running.*'none'/,
    ],
    [
      'a service that is taken',
      plugin('p', { provides: { taken: '1.0.0' } }),
      'GC_BAD_PLUGIN',
      /'taken'.*plugin 'taken'/,
    ],
    [
      'a service it does not declare',
      plugin('p', { activate: (ctx) => ctx.provide('q', {}) }),
      'GC_BAD_PLUGIN',
      /without declaring/,
    ],
    [
      'activate, which throws',
      plugin('p', {
        version: '2.0.0',
        activate: () => {
          throw new Error('boom');
        },
      }),
      'GC_PLUGIN_FAILED',
      /not reloaded as 2.0.0, and 1.0.0 goes on running: .*boom/,
    ],
    [
      'activate, which rejects',
      plugin('p', { activate: () => Promise.reject(new Error('boom')) }),
      'GC_PLUGIN_FAILED',
      /boom/,
    ],
  ])('that fails on %s leaves the running version untouched', async (_what, definition, code, message) => {
    const { host, bus, states } = testHost();
    let stopped = 0;
    let heard = 0;
    host.load(provider('taken'));
    host.load(
      provider('p', 'old', {
        activate: (ctx) => {
          ctx.on('x', () => heard++);
          ctx.defer(() => {
            stopped++;
          });
          ctx.provide('p', 'old');
        },
      }),
    );
    host.load(
      plugin('user', {
        requires: { p: '*' },
        deactivate: () => {
          stopped++;
        },
      }),
    );
    const before = [...states];
    const error = await thrownBy(() => host.reload('p', definition));
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
    bus.emit('x', 1);
    expect([stopped, heard, host.use('p'), states]).toEqual([0, 1, 'old', before]);
    expect(host.get('p')).toMatchObject({ state: 'active', version: '1.0.0' });
    expect(Object.keys(host.inspect().registrations)).toEqual(['taken#1', 'p#1', 'user#1']);
  });

  it('that hangs in activate gives up after the time limit, and leaves nothing of the new version', async () => {
    const { host, bus, clock } = testHost();
    host.load(provider('p', 'old'));
    const failing = thrownBy(() =>
      host.reload('p', plugin('p', { version: '2.0.0', activate: (ctx) => (ctx.on('x', () => {}), hang()) })),
    );
    await clock.advance(10_000);
    expect(await failing).toMatchObject({
      code: 'GC_PLUGIN_TIMEOUT',
      message: expect.stringMatching(/1.0.0 goes on running.*activate did not finish within 10 s/),
    });
    expect([bus.count('x'), host.use('p')]).toEqual([0, 'old']);
    expect(host.inspect().abandoned).toMatchObject([{ instance: 'p#2', phase: 'activate' }]);
  });

  it('never makes a registration that was taken back before it went live', async () => {
    const { host, bus } = testHost();
    host.load(plugin('p'));
    await host.reload('p', plugin('p', { activate: (ctx) => ctx.on('x', () => {})() }));
    expect(bus.count('x')).toBe(0);
  });

  it('keeps the options given, and applies the defaults of the new schema', async () => {
    const { host } = testHost();
    const seen: unknown[] = [];
    const make = (extra: number): PluginDefinition =>
      plugin('p', {
        config: { type: 'object', properties: { name: { type: 'string' }, extra: { type: 'number', default: extra } } },
        activate: (ctx) => void seen.push(ctx.config),
      });
    host.load(make(1), { name: 'n' });
    await host.reload('p', make(2));
    await host.reload('p', undefined, { name: 'm' });
    expect(seen).toEqual([
      { name: 'n', extra: 1 },
      { name: 'n', extra: 2 },
      { name: 'm', extra: 2 },
    ]);
  });

  it('hands an optional service over to those who follow it', async () => {
    const { host } = testHost();
    const seen: string[] = [];
    host.load(provider('store', 'old'));
    host.load(
      plugin('user', {
        optional: { store: '*' },
        activate: (ctx) =>
          void ctx.onService<string>('store', (s): Disposer => (seen.push(`+${s}`), () => void seen.push(`-${s}`))),
      }),
    );
    await host.reload('store', provider('store', 'new'));
    expect([seen, host.get('user')?.state]).toEqual([['+old', '-old', '+new'], 'active']);
  });

  it('starts a failed or quarantined plugin with the new definition, and rejects if that fails too', async () => {
    const { host, state } = testHost({ limits: { retries: 0 } });
    host.load(
      plugin('p', {
        activate: () => {
          throw new Error('one');
        },
      }),
    );
    expect(state('p')).toBe('quarantined');
    expect(
      (
        await thrownBy(() =>
          host.reload(
            'p',
            plugin('p', {
              activate: () => {
                throw new Error('two');
              },
            }),
          ),
        )
      ).message,
    ).toContain('two');
    expect((await host.reload('p', plugin('p', { version: '3.0.0' }))).state).toBe('active');
    expect(host.load(plugin('q', { glyphcase: '^9.0.0' })).state).toBe('incompatible');
    expect((await host.reload('q', plugin('q'))).state).toBe('active');
  });

  it('by restart stops the old one first, and starts it again if the new one fails', async () => {
    const { host, state } = testHost();
    const notes: string[] = [];
    const old: PluginDefinition = { ...noted(notes, 'p'), reload: 'restart' };
    host.load(old);
    host.load(noted(notes, 'user', { p: '^1.0.0' }));
    notes.length = 0;
    await host.reload('p', noted(notes, 'p', {}, '1.1.0'));
    expect(notes).toEqual(['-user 1.0.0', '-p 1.0.0', '+p 1.1.0', 'user uses 1.1.0', '+user 1.0.0']);
    await host.reload('p', old);
    notes.length = 0;
    const broken = plugin('p', {
      version: '1.2.0',
      provides: { p: '1.2.0' },
      activate: () => {
        throw new Error('port in use');
      },
    });
    expect(await thrownBy(() => host.reload('p', broken))).toMatchObject({
      code: 'GC_PLUGIN_FAILED',
      message: expect.stringMatching(/1.0.0 goes on running: .*port in use/),
    });
    expect(notes).toEqual(['-user 1.0.0', '-p 1.0.0', '+p 1.0.0', 'user uses 1.0.0', '+user 1.0.0']);
    expect([state('p'), host.get('p')?.version, state('user')]).toEqual(['active', '1.0.0', 'active']);
  });

  it('runs one after the other with other changes, and leaks nothing over many rapid ones', async () => {
    const { host, bus, hooks, clock } = testHost();
    const make = (): PluginDefinition =>
      plugin('p', {
        async activate(ctx) {
          ctx.on('x', () => {});
          ctx.every('1s', () => {});
          ctx.hooks.begin.tap('p', () => {});
          await Promise.resolve();
        },
      });
    host.load(make());
    const listeners = bus.count('x');
    await Promise.all(Array.from({ length: 50 }, () => host.reload('p', make())));
    expect([bus.count('x'), hooks.begin.count(), clock.pending, host.inspect().units[0]?.generation]).toEqual([
      listeners,
      1,
      1,
      51,
    ]);
    await Promise.all([host.reload('p', make()), host.unload('p')]);
    expect([bus.count('x'), hooks.begin.count(), clock.pending, host.list()]).toEqual([0, 0, 0, []]);
  });
});
