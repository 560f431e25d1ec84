/** Unloading and closing: who stops when. And the picture of it all. */
import { describe, expect, it } from 'vitest';
import type { PluginContext } from '../kernel/plugins/types.ts';
import { hang, noted, plugin, provider, settle, testHost, thrownBy } from './10-kernel-support.ts';

describe('unload', () => {
  it('refuses a plugin that is not there, and suggests one that is', async () => {
    const { host } = testHost();
    host.load(plugin('metrics'));
    expect(await thrownBy(() => host.unload('metrcs'))).toMatchObject({
      code: 'GC_NO_SUCH_PLUGIN',
      message: "no plugin 'metrcs' is loaded (did you mean 'metrics'?)",
    });
    expect(await thrownBy(() => host.reload('x'))).toMatchObject({ code: 'GC_NO_SUCH_PLUGIN' });
    expect(await thrownBy(() => host.why('x'))).toMatchObject({ code: 'GC_NO_SUCH_PLUGIN' });
    expect(await thrownBy(() => host.unload(7 as never))).toMatchObject({ code: 'GC_BAD_ARGUMENT' });
    expect(host.get('x')).toBeUndefined();
  });

  it('stops dependents first; they wait, and start again when the service returns', async () => {
    const { host, state } = testHost();
    const notes: string[] = [];
    host.loadAll([
      noted(notes, 'a'),
      noted(notes, 'b', { a: '^1.0.0' }),
      noted(notes, 'c', { b: '*' }),
      noted(notes, 'd'),
    ]);
    notes.length = 0;
    await host.unload('a');
    expect(notes).toEqual(['-c 1.0.0', '-b 1.0.0', '-a 1.0.0']);
    expect(['a', 'b', 'c', 'd'].map(state)).toEqual([undefined, 'waiting', 'waiting', 'active']);
    expect(host.why('c').join(' ')).toMatch(
      /'c' 1.0.0 is waiting.*'b'.*plugin 'b' 1.0.0 is waiting.*'a' \^1.0.0: no loaded plugin provides it/,
    );
    notes.length = 0;
    host.load(noted(notes, 'a', {}, '1.5.0'));
    expect(notes).toEqual(['+a 1.5.0', 'b uses 1.5.0', '+b 1.0.0', 'c uses 1.0.0', '+c 1.0.0']);
  });

  it('keeps the provider answering until its dependents have stopped', async () => {
    const { host } = testHost();
    const answers: unknown[] = [];
    host.load(provider('store', { get: () => 'answer' }));
    host.load(
      plugin('user', {
        requires: { store: '*' },
        deactivate: async (ctx) => void answers.push((await settle(), ctx.use<{ get(): string }>('store').get())),
      }),
    );
    await host.unload('store');
    expect(answers).toEqual(['answer']);
  });

  it('lets nobody new in while the provider is leaving', async () => {
    const { host, state, clock } = testHost();
    host.load(provider('store'));
    host.load(plugin('slow', { requires: { store: '*' }, deactivate: hang }));
    const unloading = host.unload('store');
    await settle();
    expect(host.load(plugin('late', { requires: { store: '*' } })).reasons[0]).toContain(
      "'store' provides it and is being stopped",
    );
    await clock.advance(5_000);
    await unloading;
    expect([state('late'), state('slow')]).toEqual(['waiting', 'waiting']);
  });

  it('may be asked for twice, and stops an activation half way', async () => {
    const { host, states } = testHost();
    host.load(plugin('p', { activate: hang }));
    await Promise.all([host.unload('p'), host.unload('p')]);
    expect(states.slice(2)).toEqual(['p: activating → deactivating', 'p: deactivating → resolved']);
    expect(host.load(plugin('p')).state).toBe('active');
  });

  it('is not fooled by the late end of an activation that was stopped', async () => {
    const { host, state } = testHost();
    const gates: (() => void)[] = [];
    host.load(provider('store'));
    const activate = (): Promise<void> => new Promise((resolve) => void gates.push(resolve));
    host.load(plugin('user', { requires: { store: '*' }, activate }));
    await host.unload('store');
    host.load(provider('store'));
    gates[0]?.();
    await settle();
    expect([gates.length, state('user')]).toEqual([2, 'activating']);
    gates[1]?.();
    await host.ready();
    expect(state('user')).toBe('active');
  });

  it('does not start the plugin again when somebody loads another at that very moment', async () => {
    const { host, hooks, state } = testHost();
    let starts = 0;
    hooks.pluginDeactivated.tap('t', () => void host.load(plugin('other')));
    host.load(
      plugin('p', {
        activate: () => {
          starts++;
        },
      }),
    );
    await host.unload('p');
    expect([starts, state('p'), state('other')]).toEqual([1, undefined, 'active']);
  });

  it('goes through draining and deactivating, and tells the hooks', async () => {
    const { host, states, hooks } = testHost();
    const told: string[] = [];
    hooks.pluginActivated.tap('t', (name) => void told.push(`+${name}`));
    hooks.pluginDeactivated.tap('t', (name) => void told.push(`-${name}`));
    host.load(plugin('p'));
    await host.unload('p');
    expect(states.slice(3)).toEqual([
      'p: active → draining',
      'p: draining → deactivating',
      'p: deactivating → resolved',
    ]);
    expect(told).toEqual(['+p', '-p']);
  });
});

describe('close', () => {
  it('stops users before providers, ends retries, and refuses what comes after', async () => {
    const { host, clock } = testHost();
    const notes: string[] = [];
    host.loadAll([noted(notes, 'b', { a: '*' }), noted(notes, 'a'), noted(notes, 'c', { b: '*' })]);
    host.load(
      plugin('bad', {
        activate: () => {
          throw new Error('x');
        },
      }),
    );
    host.load(plugin('half', { activate: hang }));
    notes.length = 0;
    const first = host.close();
    expect(host.close()).toBe(first);
    expect(await first).toEqual([]);
    expect(notes).toEqual(['-c 1.0.0', '-b 1.0.0', '-a 1.0.0']);
    expect(await thrownBy(() => host.load(plugin('p')))).toMatchObject({ code: 'GC_CLOSED' });
    await clock.advance(60_000);
    expect(host.list().map(({ id, state }) => `${id} ${state}`)).not.toContain('bad active');
    expect(clock.pending).toBe(0);
  });

  it('starts nothing again while it stops the rest', async () => {
    const { host } = testHost();
    const failing = Promise.withResolvers<void>();
    const stopping = Promise.withResolvers<void>();
    let starts = 0;
    host.load(plugin('failing', { activate: () => failing.promise }));
    host.load(plugin('slow', { deactivate: () => stopping.promise }));
    host.load(
      plugin('p', {
        activate: () => {
          starts++;
        },
      }),
    );
    const closing = host.close();
    await settle();
    failing.reject(new Error('x'));
    await settle();
    stopping.resolve();
    await closing;
    expect(starts).toBe(1);
  });

  it('ends, and says what failed, when a plugin hangs', async () => {
    const { host, clock } = testHost();
    host.loadAll([plugin('a', { deactivate: hang }), plugin('b')]);
    const closing = host.close();
    await clock.advance(5_000);
    expect(await closing).toMatchObject([{ code: 'GC_PLUGIN_TIMEOUT', plugin: 'a', phase: 'deactivate' }]);
  });
});

describe('inspect', () => {
  it('is plain JSON: units, services, edges, timings, registrations by owner', () => {
    const { host } = testHost();
    host.load(
      provider(
        'store',
        {},
        {
          activate: (ctx: PluginContext) => {
            ctx.on('x', () => {});
            ctx.provide('store', {});
          },
        },
      ),
    );
    host.load(plugin('user', { requires: { store: '^1.0.0' }, optional: { clock: '^3.0.0' } }));
    host.load(plugin('lost', { requires: { stroe: '*' } }));
    const picture = host.inspect();
    expect(JSON.parse(JSON.stringify(picture))).toEqual(picture);
    expect(
      picture.units.map(({ id, state, generation, activatedInMs }) => [id, state, generation, activatedInMs]),
    ).toEqual([
      ['store', 'active', 1, 0],
      ['user', 'active', 1, 0],
      ['lost', 'waiting', 0, undefined],
    ]);
    expect(picture.services).toEqual([{ name: 'store', version: '1.0.0', provider: 'store' }]);
    expect(picture.edges).toEqual([
      {
        from: 'user',
        service: 'store',
        range: '^1.0.0',
        optional: false,
        to: 'store',
        version: '1.0.0',
        satisfied: true,
      },
      { from: 'user', service: 'clock', range: '^3.0.0', optional: true, satisfied: false },
      { from: 'lost', service: 'stroe', range: '*', optional: false, satisfied: false },
    ]);
    expect(picture.registrations['store#1']).toMatchObject({ listeners: 1, taps: 0, services: ['store'] });
    expect(picture.registrations['store#1']?.owns.children[0]?.owned).toEqual(['on x', 'service store']);
    expect(host.why('user')[1]).toBe(
      "It does without the optional service 'clock' ^3.0.0: no loaded plugin provides it.",
    );
    expect(host.why('lost')[1]).toContain("did you mean 'store'?");
  });
});
