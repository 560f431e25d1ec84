/** Plugins that throw, hang or fail for want of a service. */
import { describe, expect, it } from 'vitest';
import { hang, plugin, provider, settle, testHost } from './10-kernel-support.ts';

describe('a plugin that fails', () => {
  it('is reported, keeps nothing, and is tried again after 5, 10, 20, 40 and 80 s, then quarantined', async () => {
    const { host, clock, bus, state } = testHost();
    let attempts = 0;
    const load = host.load(
      plugin('p', {
        activate: (ctx) => {
          ctx.on('x', () => {});
          attempts++;
          throw new Error('no port');
        },
      }),
    );
    expect(load).toMatchObject({
      state: 'failed',
      error: {
        code: 'GC_PLUGIN_FAILED',
        plugin: 'p',
        phase: 'activate',
        message: "plugin 'p' failed in activate: no port",
      },
    });
    expect(bus.count('x')).toBe(0);
    const pauses: number[] = [];
    while (state('p') === 'failed') {
      const pause = (host.get('p')?.retryAt ?? 0) - clock.now();
      pauses.push(pause);
      if (pauses.length === 1) expect(host.why('p')[0]).toContain('no port; it is tried again in 5 s');
      await clock.advance(pause - 1);
      expect(attempts).toBe(pauses.length);
      await clock.advance(1);
    }
    expect([pauses, attempts, state('p'), clock.pending]).toEqual([
      [5_000, 10_000, 20_000, 40_000, 80_000],
      6,
      'quarantined',
      0,
    ]);
    expect(host.why('p')[0]).toContain('not tried again until it is reloaded');
  });

  it('forgets its failures when it recovers', async () => {
    const { host, clock } = testHost();
    let broken = true;
    const activate = (): void => {
      if (broken) throw new Error('x');
    };
    host.load(provider('store'));
    host.load(plugin('p', { requires: { store: '*' }, activate }));
    broken = false;
    await clock.advance(5_000);
    expect(host.get('p')).toMatchObject({ state: 'active' });
    expect(host.get('p')).not.toHaveProperty('error');
    expect(host.get('p')).not.toHaveProperty('retryAt');
    broken = true;
    await host.reload('store');
    expect(host.get('p')).toMatchObject({ state: 'failed', retryAt: clock.now() + 5_000 });
  });

  it('is not restarted by a change elsewhere', async () => {
    const { host, state } = testHost();
    let attempts = 0;
    host.load(provider('store'));
    host.load(
      plugin('p', {
        requires: { store: '*' },
        optional: { other: '*' },
        activate: () => {
          attempts++;
          throw new Error('x');
        },
      }),
    );
    host.load(provider('other'));
    await host.reload('store');
    expect([attempts, state('p')]).toEqual([1, 'failed']);
  });

  it('is restarted at once when it failed for want of a service that comes', async () => {
    const { host, state, clock } = testHost();
    const report = host.load(plugin('p', { optional: { store: '*' }, activate: (ctx) => void ctx.use('store') }));
    expect(report.state).toBe('failed');
    await settle();
    expect(host.why('p')[0]).toContain("when 'store' comes");
    host.load(provider('store'));
    expect([state('p'), clock.pending]).toEqual(['active', 0]);
  });

  it('stays in quarantine even when the service it lacked comes', async () => {
    const { host, state } = testHost({ limits: { retries: 0 } });
    host.load(plugin('p', { optional: { store: '*' }, activate: (ctx) => void ctx.use('store') }));
    await host.ready();
    host.load(provider('store'));
    expect(state('p')).toBe('quarantined');
  });

  it('does not stop others from running, nor its own unloading', async () => {
    const { host, state } = testHost();
    host.loadAll([
      plugin('bad', {
        activate: () => {
          throw new Error('x');
        },
      }),
      plugin('good'),
    ]);
    expect(state('good')).toBe('active');
    await host.unload('bad');
    expect(state('bad')).toBeUndefined();
  });

  it('in deactivate or in a disposer is unloaded all the same, and said so', async () => {
    const { host } = testHost();
    host.load(
      plugin('p', {
        activate: (ctx) =>
          void ctx.defer(() => {
            throw new Error('disposer');
          }, 'file'),
        deactivate: () => {
          throw new Error('deactivate');
        },
      }),
    );
    const errors = await host.unload('p');
    expect(errors.map(({ message }) => message)).toEqual([
      "plugin 'p' failed in deactivate: deactivate",
      "p: disposing 'file' failed: disposer",
    ]);
    host.load(plugin('p'));
    expect(host.get('p')?.state).toBe('active');
  });
});

describe('time limits', () => {
  it('end an activate that never settles: failed, scope closed, late completion ignored', async () => {
    const { host, clock, state, bus } = testHost();
    const gate = Promise.withResolvers<void>();
    const late: string[] = [];
    const undone: string[] = [];
    host.load(
      provider(
        'p',
        {},
        {
          async activate(ctx) {
            ctx.on('x', () => {});
            ctx.defer(() => void undone.push('early'));
            await gate.promise;
            ctx.defer(() => void undone.push('late'));
            try {
              ctx.on('x', () => {});
            } catch (error) {
              late.push((error as { code: string }).code);
            }
            ctx.provide('p', {});
          },
        },
      ),
    );
    await clock.advance(9_999);
    expect(state('p')).toBe('activating');
    await clock.advance(1);
    expect(host.get('p')).toMatchObject({
      state: 'failed',
      error: {
        code: 'GC_PLUGIN_TIMEOUT',
        plugin: 'p',
        phase: 'activate',
        message: "plugin 'p': activate did not finish within 10 s",
      },
    });
    expect([bus.count('x'), undone, host.inspect().abandoned]).toEqual([
      0,
      ['early'],
      [{ plugin: 'p', instance: 'p#1', phase: 'activate', since: clock.now() }],
    ]);
    gate.resolve();
    await settle();
    expect([state('p'), bus.count('x'), undone, late]).toEqual(['failed', 0, ['early', 'late'], ['GC_SCOPE_CLOSED']]);
    expect([host.inspect().services, host.inspect().abandoned]).toEqual([[], []]);
  });

  it('end a deactivate and a disposer that hang, naming both, and unload', async () => {
    const { host, clock } = testHost();
    host.load(plugin('p', { activate: (ctx) => void ctx.defer(hang, 'socket'), deactivate: hang }));
    const unloading = host.unload('p');
    await clock.advance(7_000);
    expect((await unloading).map(({ message }) => message)).toEqual([
      "plugin 'p': deactivate did not finish within 5 s",
      "p: disposing 'socket' did not finish within 2 s",
    ]);
  });

  it('give what a deactivate closes itself the rest of its own limit, so that the inner culprit is named', async () => {
    const { host, clock } = testHost({ limits: { deactivate: 1_000 } });
    let inner: readonly Error[] = [];
    host.load(
      plugin('p', {
        activate() {},
        async deactivate(ctx) {
          const pool = ctx.child('pool');
          pool.defer(hang, 'connection 7');
          inner = await pool.close();
        },
      }),
    );
    const unloading = host.unload('p');
    await clock.advance(1_000);
    expect(await unloading).toEqual([]);
    expect(inner.map(({ message }) => message)).toEqual([
      "p › pool: disposing 'connection 7' did not finish within 997 ms",
    ]);
  });

  it('do not make anybody wait for an activation that was given up', async () => {
    const { host, state } = testHost();
    host.load(plugin('p', { activate: hang }));
    await settle();
    await host.unload('p');
    await host.ready();
    expect(state('p')).toBeUndefined();
  });
});
