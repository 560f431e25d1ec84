/** State handed from one instance to the next: who is asked when, who is given what, and that nothing comes in between. */
import { describe, expect, it } from 'vitest';
import type { PluginContext, PluginDefinition } from '../kernel/plugins/types.ts';
import { definePlugin } from '../sdk/plugin.ts';
import { hang, plugin, settle, testHost, thrownBy } from './10-kernel-support.ts';

interface Counter {
  count: number;
}

/** Counts events of the channel `x`, and hands the count on. */
function counter(notes: string[], name: string, more: Partial<PluginDefinition> = {}): PluginDefinition {
  const counters = new WeakMap<PluginContext, Counter>();
  return plugin(name, {
    provides: { [name]: '1.0.0' },
    activate(ctx) {
      const mine: Counter = { count: (ctx.state as Counter | undefined)?.count ?? 0 };
      counters.set(ctx, mine);
      notes.push(`+${name} ${mine.count}`);
      ctx.on('x', () => mine.count++);
      ctx.defer(() => {
        notes.push(`-${name}`);
        queueMicrotask(() => notes.push('gap'));
      });
      ctx.provide(name, mine);
    },
    snapshot(ctx) {
      notes.push(`snapshot ${name}`);
      return counters.get(ctx);
    },
    ...more,
  });
}

describe('snapshot', () => {
  it('must be a function', () => {
    const { host } = testHost();
    expect(() => host.load(plugin('p', { snapshot: 1 as never }))).toThrow(/`snapshot` is number, not a function/);
  });

  it.each(['swap', 'restart'] as const)('is what the next instance finds in ctx.state, by %s', async (reload) => {
    const { host, bus } = testHost();
    const notes: string[] = [];
    host.load(counter(notes, 'p', { reload }));
    bus.emit('x', 1);
    bus.emit('x', 2);
    await host.reload('p');
    bus.emit('x', 3);
    await host.reload('p');
    expect(host.use<Counter>('p').count).toBe(3);
    const order = reload === 'swap' ? ['+p 2', '-p'] : ['-p', '+p 2'];
    expect(notes.filter((note) => note !== 'gap').slice(0, 4)).toEqual(['+p 0', 'snapshot p', ...order]);
  });

  it('is typed by what it returns, and gone from the context once the plugin is active', async () => {
    const { host } = testHost();
    const seen: unknown[] = [];
    let context: PluginContext<unknown, { n: number }> | undefined;
    const definition = definePlugin({
      name: 'p',
      version: '1.0.0',
      snapshot: () => ({ n: 7 }),
      activate(ctx) {
        const n: number | undefined = ctx.state?.n;
        seen.push(n);
        context = ctx;
      },
    });
    host.load(definition);
    await host.reload('p');
    expect([seen, context?.state]).toEqual([[undefined, 7], undefined]);
  });

  it.each(['swap', 'restart'] as const)(
    'leaves no gap between stop and start, of the plugin and its dependents, by %s',
    async (reload) => {
      const { host, bus } = testHost();
      const notes: string[] = [];
      host.load(counter(notes, 'a', { reload }));
      host.load(counter(notes, 'b', { requires: { a: '*' } }));
      host.load(counter(notes, 'c', { requires: { b: '*' } }));
      bus.emit('x', 1);
      notes.length = 0;
      await host.reload('a');
      const expected = {
        swap: ['snapshot a', '+a 1', 'snapshot c', '-c', 'snapshot b', '-b', '+b 1', '+c 1', '-a'],
        restart: ['snapshot c', '-c', 'snapshot b', '-b', 'snapshot a', '-a', '+a 1', '+b 1', '+c 1'],
      };
      expect(notes.slice(0, 9)).toEqual(expected[reload]);
      expect(notes.slice(9)).toEqual(['gap', 'gap', 'gap']);
    },
  );

  it.each(['swap', 'restart'] as const)('is given back to all when the new version fails, by %s', async (reload) => {
    const { host, bus } = testHost();
    host.load(counter([], 'a', { reload }));
    host.load(counter([], 'b', { requires: { a: '*' } }));
    bus.emit('x', 1);
    const broken = counter([], 'a', {
      reload,
      activate: () => {
        throw new Error('boom');
      },
    });
    expect(await thrownBy(() => host.reload('a', broken))).toMatchObject({ code: 'GC_PLUGIN_FAILED' });
    bus.emit('x', 2);
    expect([host.use<Counter>('a').count, host.use<Counter>('b').count]).toEqual([2, 2]);
  });

  it('waits with a dependent that cannot start yet, and is not made anew by later failures', async () => {
    const { host, bus, clock, state } = testHost();
    const notes: string[] = [];
    let fail = true;
    const user = counter(notes, 'b', { requires: { a: '^1.0.0' } });
    host.load(counter([], 'a'));
    host.load({
      ...user,
      activate(ctx) {
        if (ctx.state !== undefined && fail) throw new Error('not yet');
        return user.activate(ctx);
      },
    });
    bus.emit('x', 1);
    await host.reload('a', counter([], 'a', { version: '2.0.0', provides: { a: '2.0.0' } }));
    expect(state('b')).toBe('waiting');
    await host.reload('a', counter([], 'a'));
    expect(state('b')).toBe('failed');
    fail = false;
    await clock.advance(5_000);
    expect([state('b'), notes.at(-1)]).toEqual(['active', '+b 1']);
  });

  it('is not taken of what is unloaded, nor of those that lose their provider for good', async () => {
    const { host } = testHost();
    const notes: string[] = [];
    host.load(counter(notes, 'a'));
    host.load(counter(notes, 'b', { requires: { a: '*' } }));
    await host.unload('a');
    host.load(counter(notes, 'a'));
    expect(notes.filter((note) => note !== 'gap')).toEqual(['+a 0', '+b 0', '-b', '-a', '+a 0', '+b 0']);
  });

  it('that throws, or is asynchronous, is warned of, and the reload goes on without state', async () => {
    const { host, logger } = testHost();
    const states: unknown[] = [];
    const make = (snapshot: () => unknown): PluginDefinition =>
      plugin('p', { snapshot, activate: (ctx) => void states.push(ctx.state) });
    host.load(
      make(() => {
        throw new Error('boom');
      }),
    );
    await host.reload('p');
    await host.reload(
      'p',
      make(() => Promise.reject(new Error('late'))),
    );
    await host.reload('p');
    await settle();
    expect(states).toEqual([undefined, undefined, undefined, undefined]);
    const warnings = logger.lines.filter(({ level }) => level === 'warn');
    expect(warnings.map(({ message }) => message)).toEqual([
      "plugin 'p' failed in snapshot: boom; its successor starts without state",
      "plugin 'p' failed in snapshot: boom; its successor starts without state",
      "plugin 'p' failed in snapshot: it returned a promise; a snapshot is taken at once or not at all; its successor starts without state",
    ]);
    expect(warnings[0]?.fields).toMatchObject({ plugin: 'p', phase: 'snapshot' });
  });

  it('waits for what is asynchronous, and for no more than that', async () => {
    const { host, bus, clock } = testHost();
    const notes: string[] = [];
    host.load(counter(notes, 'a', { deactivate: () => hang() }));
    bus.emit('x', 1);
    const reloading = host.reload('a', counter(notes, 'a'));
    await settle();
    expect([notes.includes('+a 1'), host.use<Counter>('a').count]).toEqual([true, 1]);
    await clock.advance(5_000);
    await reloading;
    expect(notes.at(-2)).toBe('-a');
  });
});
