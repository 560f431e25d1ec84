/** The pieces the plugin host stands on: time limits, timers, order, services, states. */
import { describe, expect, it } from 'vitest';
import { createBus } from '../kernel/bus.ts';
import { dependentsOf, sortUnits } from '../kernel/plugins/graph.ts';
import { createLifecycle } from '../kernel/plugins/state.ts';
import type { StateChange } from '../kernel/plugins/state.ts';
import { safeClock } from '../kernel/plugins/timers.ts';
import { createServices } from '../kernel/plugins/services.ts';
import { withTimeLimit } from '../kernel/time-limit.ts';
import { fakeClock, settle, thrownBy } from './10-kernel-support.ts';

describe('withTimeLimit', () => {
  const limit = (clock: ReturnType<typeof fakeClock>, ms: number, what: string) => ({ clock, ms, what });

  it('hands synchronous results and errors straight through', () => {
    const clock = fakeClock();
    expect(withTimeLimit(() => 42, limit(clock, 10, 'x'))).toBe(42);
    expect(() =>
      withTimeLimit(
        () => {
          throw new Error('no');
        },
        limit(clock, 10, 'x'),
      ),
    ).toThrow('no');
    expect(clock.pending).toBe(0);
  });

  it('lets a promise settle in time, and leaves no timer', async () => {
    const clock = fakeClock();
    expect(await withTimeLimit(async () => 'ok', limit(clock, 10, 'x'))).toBe('ok');
    expect(
      (await thrownBy(() => withTimeLimit(() => Promise.reject(new Error('no')), limit(clock, 10, 'x')))).message,
    ).toBe('no');
    expect(clock.pending).toBe(0);
  });

  it('names the step that hung', async () => {
    const clock = fakeClock();
    const failed = thrownBy(() =>
      withTimeLimit(() => new Promise(() => {}), limit(clock, 10_000, "plugin 'a': activate")),
    );
    await clock.advance(10_000);
    expect(await failed).toMatchObject({
      code: 'GC_PLUGIN_TIMEOUT',
      message: "plugin 'a': activate did not finish within 10 s",
    });
  });

  it('ends an inner step first, with what is left of the outer limit', async () => {
    const clock = fakeClock();
    let inner: Error | undefined;
    const outer = thrownBy(() =>
      withTimeLimit(
        async () => {
          inner = await thrownBy(() => withTimeLimit(() => new Promise(() => {}), limit(clock, 60_000, 'inner')));
          throw inner;
        },
        limit(clock, 1_000, 'outer'),
      ),
    );
    await clock.advance(1_000);
    expect((await outer).message).toBe('inner did not finish within 997 ms');
  });

  it('names the innermost step under way when the outer limit ends all the same', async () => {
    const clock = fakeClock();
    const outer = thrownBy(() =>
      withTimeLimit(
        async () => {
          const inner = withTimeLimit(
            () => new Promise(() => {}),
            limit({ ...clock, timeout: () => ({ cancel() {} }) }, 5_000, 'inner'),
          );
          await inner;
        },
        limit(clock, 1_000, 'outer'),
      ),
    );
    await clock.advance(1_000);
    expect((await outer).message).toBe('outer did not finish within 1 s; it was waiting for inner');
  });

  it('is not limited by a step that has ended', async () => {
    const clock = fakeClock();
    let later: Promise<unknown> | undefined;
    const gate = Promise.withResolvers<void>();
    void withTimeLimit(
      () => {
        later = gate.promise.then(() => withTimeLimit(() => new Promise(() => {}), limit(clock, 5_000, 'later')));
      },
      limit(clock, 1_000, 'outer'),
    );
    gate.resolve();
    const failed = thrownBy(() => later);
    await clock.advance(5_000);
    expect((await failed).message).toBe('later did not finish within 5 s');
  });
});

describe('safeClock', () => {
  it('waits in pieces for what the machine cannot count, once or again and again', async () => {
    const clock = fakeClock();
    const longest: number[] = [];
    const watched = {
      ...clock,
      timeout: (fn: () => void, ms: number) => (longest.push(ms), clock.timeout(fn, ms)),
    };
    const safe = safeClock(watched, () => {});
    const day = 86_400_000;
    let once = 0;
    let often = 0;
    safe.timeout(() => once++, 60 * day);
    const timer = safe.interval(() => often++, 30 * day);
    await clock.advance(59 * day);
    expect([once, often]).toEqual([0, 1]);
    await clock.advance(2 * day);
    expect([once, often]).toEqual([1, 2]);
    timer.cancel();
    expect([clock.pending, Math.max(...longest) < 2 ** 31]).toEqual([0, true]);
  });

  it('reports what a timer throws or rejects with', async () => {
    const clock = fakeClock();
    const faults: string[] = [];
    const safe = safeClock(clock, (error, what) => faults.push(`${what}: ${String(error)}`));
    safe.timeout(() => {
      throw new Error('a');
    }, 1);
    const rejecting: () => unknown = () => Promise.reject(new Error('b'));
    safe.timeout(rejecting, 2);
    await clock.advance(5);
    expect(faults).toEqual(['timeout: Error: a', 'timeout: Error: b']);
  });
});

describe('sortUnits', () => {
  const node = (name: string, requires: string[] = [], optional: string[] = []) => {
    const versions = (names: string[]) => Object.fromEntries(names.map((service) => [service, '*']));
    return { name, requires: versions(requires), optional: versions(optional), provides: { [name]: '1.0.0' } };
  };
  const names = (nodes: readonly { name: string }[]): string => nodes.map(({ name }) => name).join(' ');

  it('puts providers first and keeps the order of registration otherwise', () => {
    expect(
      names(sortUnits([node('d', ['c']), node('x'), node('c', ['a', 'b']), node('b'), node('a', [], ['b'])]).order),
    ).toBe('x b a c d');
  });

  it('takes what nobody provides as given', () => {
    expect(names(sortUnits([node('a', ['elsewhere'])]).order)).toBe('a');
  });

  it('drops an optional wish that contradicts a requirement', () => {
    const { order, cycles } = sortUnits([node('a', [], ['b']), node('b', ['a'])]);
    expect([names(order), cycles]).toEqual(['a b', []]);
  });

  it('names cycles, and leaves out what is in or behind them', () => {
    const { order, cycles } = sortUnits([
      node('a', ['b']),
      node('b', ['c']),
      node('c', ['a']),
      node('behind', ['a']),
      node('self', ['self']),
      node('ok'),
    ]);
    expect([names(order), cycles]).toEqual([
      'ok',
      [
        ['a', 'b', 'c', 'a'],
        ['self', 'self'],
      ],
    ]);
  });

  it('stops the farthest dependents first', () => {
    const [a, b, c, d] = [node('a'), node('b', ['a']), node('c', ['b']), node('d', [], ['a'])];
    expect(names(dependentsOf(a, [a, b, c, d]))).toBe('c b');
  });
});

describe('services', () => {
  it('have one provider per name, and name both when there are two', async () => {
    const services = createServices();
    const off = services.publish({ name: 's', version: '1.0.0', provider: 'a', service: {} });
    const error = await thrownBy(() => services.publish({ name: 's', version: '1.0.0', provider: 'b', service: {} }));
    expect(error).toMatchObject({ code: 'GC_BAD_PLUGIN', message: expect.stringMatching(/'b'.*'s'.*'a'/) });
    off();
    services.publish({ name: 's', version: '2.0.0', provider: 'b', service: {} });
    off();
    expect(services.get('s')?.provider).toBe('b');
  });

  it('tell watchers who comes and who goes', () => {
    const services = createServices();
    const seen: string[] = [];
    const off = services.watch('s', {
      came: ({ version }) => seen.push(`+${version}`),
      gone: ({ version }) => seen.push(`-${version}`),
    });
    services.publish({ name: 's', version: '1.0.0', provider: 'a', service: {} })();
    services.publish({ name: 'other', version: '1.0.0', provider: 'a', service: {} });
    off();
    services.publish({ name: 's', version: '2.0.0', provider: 'a', service: {} });
    expect(seen).toEqual(['+1.0.0', '-1.0.0']);
  });
});

describe('a lifecycle', () => {
  it('emits one event per transition, with reason and duration', async () => {
    const clock = fakeClock();
    const bus = createBus({ onError() {} });
    const events: StateChange[] = [];
    bus.on('plugin:state', (change: StateChange) => events.push(change));
    const life = createLifecycle('p', { bus, clock });
    life.resolve();
    life.activate();
    await clock.advance(30);
    life.activated();
    life.drain('unloaded');
    expect(events.map(({ from, to, reason, afterMs }) => [from, to, reason, afterMs])).toEqual([
      ['discovered', 'resolved', '', 0],
      ['resolved', 'activating', '', 0],
      ['activating', 'active', '', 30],
      ['active', 'draining', 'unloaded', 0],
    ]);
    expect(life.history).toEqual(events);
    await settle();
  });

  it('refuses a transition that is not in the machine', async () => {
    const life = createLifecycle('p', { bus: createBus({ onError() {} }), clock: fakeClock() });
    expect(await thrownBy(() => life.activated())).toMatchObject({
      code: 'GC_INTERNAL',
      message: 'p cannot go from discovered to active',
    });
    expect(life.state).toBe('discovered');
  });

  it('renews the reasons of a unit that waits without another event', () => {
    const bus = createBus({ onError() {} });
    let events = 0;
    bus.on('plugin:state', () => events++);
    const life = createLifecycle('p', { bus, clock: fakeClock() });
    life.wait(['a']);
    life.wait(['b']);
    expect([events, life.reasons]).toEqual([1, ['b']]);
  });
});
