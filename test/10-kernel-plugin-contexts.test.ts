/** The context of a plugin: what it owns, when it is dead, how far it keeps faults from the host. */
import { describe, expect, it } from 'vitest';
import { createBus } from '../kernel/bus.ts';
import type { PluginContext, PluginDefinition } from '../kernel/plugins/types.ts';
import { plugin, testHost, thrownBy } from './10-kernel-support.ts';

describe('a context', () => {
  async function captured(more: Partial<PluginDefinition> = {}) {
    const kit = testHost();
    let ctx: PluginContext | undefined;
    kit.host.load(plugin('p', { ...more, activate: (given) => void (ctx = given) }));
    return { ...kit, ctx: ctx as PluginContext };
  }

  it('refuses bad arguments', async () => {
    const { ctx } = await captured({ optional: { s: '*' } });
    const bad = [
      () => ctx.on('x', 1 as never),
      () => ctx.every('soon', () => {}),
      () => ctx.every(0, () => {}),
      () => ctx.every('1s', null as never),
      () => ctx.timeout(-1, () => {}),
      () => ctx.defer('x' as never),
      () => ctx.onService('s', 1 as never),
      () => ctx.hooks.boot.tap('x', 1 as never),
    ];
    for (const call of bad) expect((await thrownBy(call)).code).toBe('GC_BAD_ARGUMENT');
  });

  it('owns what it registers: after unload nothing is left, and a check proves it', async () => {
    const { host, ctx, bus, hooks, clock } = await captured();
    const undone: string[] = [];
    ctx.on('x', () => {});
    ctx.hooks.begin.tap('p', () => {});
    ctx.every('1m', () => {});
    ctx.timeout('1m', () => {});
    ctx.clock.interval(() => {}, 5);
    ctx.child('child').defer(() => void undone.push('child'));
    ctx.defer(() => void undone.push('own'), 'file');
    expect(host.inspect().registrations['p#1']).toMatchObject({ listeners: 1, taps: 1, owns: { owned: ['file'] } });
    expect(await host.unload('p')).toEqual([]);
    expect([bus.countOf('p#1'), hooks.begin.count(), clock.pending, undone]).toEqual([0, 0, 0, ['child', 'own']]);
    expect([host.list(), host.inspect().registrations]).toEqual([[], {}]);
  });

  it('reports a registration that would not go away', async () => {
    const inner = createBus({ onError() {} });
    const { host } = testHost({ bus: { ...inner, on: (...args) => (inner.on(...args), () => {}) } });
    host.load(plugin('p', { activate: (ctx) => void ctx.on('x', () => {}) }));
    expect(await host.unload('p')).toMatchObject([
      { code: 'GC_INTERNAL', message: 'p#1 was closed but still has 1 listeners and 0 taps' },
    ]);
  });

  it('is dead after unload: calls throw, naming the plugin', async () => {
    const { host, ctx } = await captured({ optional: { s: '*' }, provides: { p: '1.0.0' } });
    await host.unload('p');
    const calls = [
      () => ctx.on('x', () => {}),
      () => ctx.emit('x', 1),
      () => ctx.use('s'),
      () => ctx.onService('s', () => {}),
      () => ctx.provide('p', {}),
      () => ctx.every('1s', () => {}),
      () => ctx.timeout('1s', () => {}),
      () => ctx.clock.timeout(() => {}, 1),
      () => ctx.child('c'),
      () => ctx.hooks.begin.tap('p', () => {}),
    ];
    for (const call of calls) {
      expect(await thrownBy(call)).toMatchObject({
        code: 'GC_SCOPE_CLOSED',
        plugin: 'p',
        message: expect.stringContaining("'p'"),
      });
    }
    let ran = false;
    ctx.defer(() => void (ran = true));
    expect([ran, ctx.signal.aborted]).toEqual([true, true]);
  });

  it('logs with the plugin as a field, and passes clock and database through', async () => {
    const { ctx, logger, db, clock } = await captured();
    ctx.log.info('hello', { n: 1 });
    expect(logger.lines).toEqual([{ level: 'info', message: 'hello', fields: { plugin: 'p', n: 1 } }]);
    expect([ctx.db === db, ctx.clock.now() === clock.now(), ctx.name]).toEqual([true, true, 'p']);
  });

  it('runs timers on the clock, keeps their errors from the host, and forgets those that have fired', async () => {
    const { ctx, clock, logger } = await captured();
    const ticks: string[] = [];
    ctx.every('10s', () => {
      ticks.push('every');
      throw new Error('tick');
    });
    const stop = ctx.every('10s', () => void ticks.push('stopped'));
    ctx.timeout('15s', () => void ticks.push('timeout'));
    stop();
    await clock.advance(20_000);
    expect(ticks).toEqual(['every', 'timeout', 'every']);
    expect(logger.lines[0]).toMatchObject({
      level: 'error',
      message: "plugin 'p': interval failed: tick",
      fields: { plugin: 'p' },
    });
    expect(ctx.scope.inspect().children[0]?.owned).toEqual(['every 10 s']);
  });

  it('lets deactivate wait for what watches the signal', async () => {
    const kit = testHost();
    const order: string[] = [];
    let loop: Promise<void> | undefined;
    kit.host.load(
      plugin('p', {
        activate(ctx) {
          loop = new Promise<void>((resolve) => ctx.signal.addEventListener('abort', () => resolve())).then(
            () => void order.push('loop ended'),
          );
          ctx.defer(() => void order.push('deferred'));
          ctx.on('x', () => order.push('heard'));
        },
        async deactivate(ctx) {
          ctx.emit('x', 1);
          await loop;
          order.push('deactivated');
        },
      }),
    );
    expect(await kit.host.unload('p')).toEqual([]);
    expect(order).toEqual(['loop ended', 'deactivated', 'deferred']);
  });
});
