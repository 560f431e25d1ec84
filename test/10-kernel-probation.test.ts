/** Plugins that fail while they run: versions taken back, plugins quarantined, and nobody else harmed. */
import { describe, expect, it } from 'vitest';
import { GlyphError } from '../kernel/errors.ts';
import type { PluginContext, PluginDefinition } from '../kernel/plugins/types.ts';
import { plugin, provider, settle, testHost, thrownBy } from './10-kernel-support.ts';

const boom = (): never => {
  throw new Error('boom');
};

/** Says its version to whoever asks, and fails at the event `x` if told so. */
function speaker(version: string, bad: boolean, more: Partial<PluginDefinition> = {}): PluginDefinition {
  return plugin('p', {
    version,
    provides: { p: version },
    activate(ctx) {
      ctx.on('x', () => (bad ? boom() : undefined));
      ctx.provide('p', version);
    },
    ...more,
  });
}

describe('probation', () => {
  it.each(['swap', 'restart'] as const)(
    'brings the version before back when the new one fails three times at once, by %s',
    async (reload) => {
      const { host, bus, logger, states } = testHost();
      const heard: number[] = [];
      host.load(speaker('1.0.0', false, { reload }));
      bus.on('x', (n: number) => void heard.push(n));
      await host.reload('p', speaker('1.1.0', true, { reload }));
      expect(host.why('p')[1]).toBe('It is on probation for another 10 s: version 1.0.0 comes back if it fails.');
      bus.emit('x', 1);
      bus.emit('x', 2);
      await settle();
      expect(host.use('p')).toBe('1.1.0');
      bus.emit('x', 3);
      await host.ready();
      expect([host.use('p'), heard]).toEqual(['1.0.0', [1, 2, 3]]);
      const reason =
        'version 1.1.0 was taken back for 1.0.0: it failed 3 times within 10 s of its start, last in a listener on x: boom';
      expect(host.get('p')).toMatchObject({
        state: 'active',
        version: '1.0.0',
        rolledBack: { version: '1.1.0', reason: expect.stringContaining('it failed 3 times within 10 s') },
      });
      expect(host.why('p')[1]).toContain('Version 1.1.0 was taken back 0 ms ago: it failed 3 times');
      expect(logger.lines.some(({ message }) => message === `plugin 'p': ${reason}`)).toBe(true);
      expect(host.inspect().units[0]?.history.some((change) => change.reason === reason)).toBe(true);
      expect(states.filter((state) => state.includes('quarantined'))).toEqual([]);
    },
  );

  it('counts timers, taps and callbacks, also when they fail later by a promise', async () => {
    const { host, clock, hooks } = testHost();
    host.load(plugin('p'));
    const failing: PluginDefinition = plugin('p', {
      version: '2.0.0',
      activate(ctx) {
        ctx.every('1s', () => Promise.reject(new Error('tick')) as never);
        ctx.hooks.rawCommit.tap('p', boom);
        ctx.timeout('1s', boom);
      },
    });
    await host.reload('p', failing);
    hooks.rawCommit.call();
    await clock.advance(1_000);
    await host.ready();
    expect(host.get('p')?.version).toBe('1.0.0');
  });

  it('is over after its time: the version stays, and is quarantined if it goes on failing', async () => {
    const { host, bus, clock, state } = testHost();
    host.load(speaker('1.0.0', false));
    await host.reload('p', speaker('1.1.0', true));
    await clock.advance(10_000);
    expect(host.get('p')).not.toHaveProperty('probationUntil');
    for (let n = 0; n < 4; n++) bus.emit('x', n);
    await host.ready();
    expect([state('p'), host.get('p')?.version]).toEqual(['active', '1.1.0']);
    bus.emit('x', 5);
    await host.ready();
    expect([state('p'), host.get('p')?.version]).toEqual(['quarantined', '1.1.0']);
  });

  it('goes back to the last version that has proved itself, however many came since', async () => {
    const { host, bus } = testHost();
    host.load(speaker('1.0.0', false));
    await host.reload('p', speaker('1.1.0', true));
    await host.reload('p', speaker('1.2.0', true));
    for (let n = 0; n < 3; n++) bus.emit('x', n);
    await host.ready();
    expect(host.use('p')).toBe('1.0.0');
  });

  it('hands the state over again, with what happened meanwhile, and the options from before', async () => {
    const { host, bus } = testHost();
    const counts = new WeakMap<PluginContext, { count: number }>();
    const make = (version: string, bad: boolean): PluginDefinition =>
      speaker(version, bad, {
        config: { type: 'object', properties: { step: { type: 'number' } } },
        activate(ctx) {
          const mine = { count: (ctx.state as { count: number } | undefined)?.count ?? 0 };
          counts.set(ctx, mine);
          ctx.on('x', () => {
            mine.count += (ctx.config as { step: number }).step;
            if (bad) boom();
          });
          ctx.provide('p', mine);
        },
        snapshot: (ctx) => counts.get(ctx),
      });
    host.load(make('1.0.0', false), { step: 1 });
    bus.emit('x', 0);
    await host.reload('p', make('1.1.0', true), { step: 10 });
    for (let n = 0; n < 3; n++) bus.emit('x', n);
    await host.ready();
    bus.emit('x', 0);
    expect(host.use('p')).toEqual({ count: 1 + 30 + 1 });
  });

  it('starts the version before without state when it cannot take it, and gives up when it does not start at all', async () => {
    const { host, bus, state } = testHost();
    let broken = false;
    const old = speaker('1.0.0', false, {
      activate(ctx) {
        if (ctx.state !== undefined || broken) throw new Error('not mine');
        ctx.provide('p', '1.0.0');
      },
    });
    const bad = speaker('1.1.0', true, { snapshot: () => 'of another shape' });
    host.load(old);
    await host.reload('p', bad);
    for (let n = 0; n < 3; n++) bus.emit('x', n);
    await host.ready();
    expect(host.use('p')).toBe('1.0.0');
    await host.reload('p', bad);
    broken = true;
    for (let n = 0; n < 3; n++) bus.emit('x', n);
    await host.ready();
    expect([state('p'), host.get('p')?.version]).toEqual(['quarantined', '1.1.0']);
    expect(host.why('p')[0]).toContain('the version before does not start');
  });

  it('ends a version that cannot start again, when its provider is reloaded', async () => {
    const { host, state } = testHost();
    host.load(provider('store'));
    let fail = false;
    host.load(speaker('1.0.0', false, { requires: { store: '*' } }));
    const fickle = speaker('1.1.0', false, {
      requires: { store: '*' },
      activate: (ctx) => (fail ? boom() : ctx.provide('p', '1.1.0')),
    });
    await host.reload('p', fickle);
    fail = true;
    await host.reload('store');
    await host.ready();
    expect([state('p'), host.use('p')]).toEqual(['active', '1.0.0']);
  });

  it('ends a version that a plugin which requires it names as the reason of its failing', async () => {
    const { host, state } = testHost();
    const store = (version: string, get: () => unknown): PluginDefinition =>
      provider('store', { get }, { version, provides: { store: version } });
    host.load(store('1.0.0', () => 1));
    host.load(
      plugin('user', {
        requires: { store: '*' },
        activate: (ctx) => void ctx.use<{ get(): unknown }>('store').get(),
      }),
    );
    const failing = (): never => {
      throw new GlyphError('GC_PLUGIN_FAILED', 'cannot get', { plugin: 'store' });
    };
    await host.reload('store', store('1.1.0', failing));
    await host.ready();
    expect([host.get('store')?.version, state('user')]).toEqual(['1.0.0', 'active']);
  });

  it('is not for a reload that changes nothing, nor on a host that wants none', async () => {
    const { host, bus } = testHost();
    host.load(speaker('1.0.0', true));
    await host.reload('p');
    expect(host.get('p')).not.toHaveProperty('probationUntil');
    for (let n = 0; n < 3; n++) bus.emit('x', n);
    await host.ready();
    expect(host.get('p')).not.toHaveProperty('rolledBack');
    const without = testHost({ limits: { probation: 0 } });
    without.host.load(speaker('1.0.0', false));
    await without.host.reload('p', speaker('1.1.0', true));
    for (let n = 0; n < 3; n++) without.bus.emit('x', n);
    await without.host.ready();
    expect(without.host.use('p')).toBe('1.1.0');
  });
});

describe('a plugin that keeps failing', () => {
  it('is quarantined after five failures within a minute, is disposed, and harms nobody', async () => {
    const { host, bus, clock, state, logger } = testHost();
    const heard: number[] = [];
    let disposed = 0;
    host.load(
      speaker('1.0.0', true, {
        activate(ctx) {
          ctx.on('x', boom);
          ctx.defer(() => {
            disposed++;
          });
          ctx.provide('p', 1);
        },
      }),
    );
    host.load(plugin('user', { requires: { p: '*' } }));
    bus.on('x', (n: number) => void heard.push(n));
    for (let n = 0; n < 7; n++) {
      bus.emit('x', n);
      if (n === 3) await clock.advance(59_000);
    }
    await host.ready();
    bus.emit('x', 7);
    expect([state('p'), disposed, heard.length, bus.count('x')]).toEqual(['quarantined', 1, 8, 1]);
    expect(host.why('p')).toEqual([
      "plugin 'p' 1.0.0 is quarantined: it failed 5 times within 1 m, last in a listener on x: boom; it is not tried again until it is reloaded.",
    ]);
    expect(host.get('p')?.error).toMatchObject({ code: 'GC_PLUGIN_FAILED', plugin: 'p', phase: 'run' });
    expect([state('user'), host.why('user')[1]]).toEqual(['waiting', expect.stringContaining("plugin 'p' would")]);
    expect(logger.lines.filter(({ message }) => message.startsWith("plugin 'p' was stopped"))).toHaveLength(1);
  });

  it('comes back by reload, with a new definition or the same', async () => {
    const { host, bus, state } = testHost();
    host.load(speaker('1.0.0', true));
    host.load(plugin('user', { requires: { p: '*' } }));
    for (const definition of [undefined, speaker('1.1.0', false)]) {
      for (let n = 0; n < 5; n++) bus.emit('x', n);
      await host.ready();
      expect([state('p'), state('user')]).toEqual(['quarantined', 'waiting']);
      await host.reload('p', definition);
      expect([state('p'), state('user')]).toEqual(['active', 'active']);
    }
  });

  it('is let be when it fails seldom, or by what is nobody’s fault', async () => {
    const { host, bus, clock, state } = testHost();
    const locked = (): never => {
      throw new GlyphError('GC_LOCKED', 'locked');
    };
    host.load(speaker('1.0.0', true));
    host.load(plugin('writer', { activate: (ctx) => void ctx.on('y', locked) }));
    for (let n = 0; n < 9; n++) bus.emit('y', n);
    for (let n = 0; n < 20; n++) {
      bus.emit('x', n);
      await clock.advance(15_001);
    }
    expect([state('p'), state('writer')]).toEqual(['active', 'active']);
    expect(host.why('p')[1]).toMatch(/^It has failed 4 times lately, last 15.* ago in a listener on x: boom\.$/);
  });

  it('does not count what deciding taps refuse', async () => {
    const { host, hooks, state } = testHost();
    host.load(plugin('p', { activate: (ctx) => void ctx.hooks.beforeDelete.tap('p', boom) }));
    for (let n = 0; n < 9; n++) expect(await thrownBy(() => hooks.beforeDelete.call({ table: 't' }))).toMatchObject({});
    await host.ready();
    expect(state('p')).toBe('active');
  });

  it('may be unloaded or closed before its sentence is carried out', async () => {
    const { host, bus } = testHost();
    host.load(speaker('1.0.0', true));
    const unloading = host.unload('p');
    for (let n = 0; n < 5; n++) bus.emit('x', n);
    await unloading;
    host.load(speaker('1.0.0', true));
    for (let n = 0; n < 5; n++) bus.emit('x', n);
    await host.close();
    expect([host.list(), await host.close()]).toEqual([[expect.objectContaining({ id: 'p' })], []]);
  });
});
