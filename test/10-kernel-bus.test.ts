import { describe, expect, it } from 'vitest';
import { createBus } from '../kernel/bus.ts';
import type { ListenerPlace } from '../kernel/bus.ts';
import { settle, thrownBy } from './10-kernel-support.ts';

function setup() {
  const errors: [string, ListenerPlace][] = [];
  const bus = createBus({ onError: (error, place) => errors.push([String(error), place]) });
  return { bus, errors };
}

describe('the bus', () => {
  it('refuses a channel without a name and a listener that is not a function', async () => {
    const { bus } = setup();
    expect(await thrownBy(() => bus.on('', () => {}))).toMatchObject({ code: 'GC_BAD_ARGUMENT' });
    expect(await thrownBy(() => bus.on('x', 'no' as never))).toMatchObject({
      code: 'GC_BAD_ARGUMENT',
      message: expect.stringContaining("'x'"),
    });
  });

  it('calls listeners in the order of registration and says how many it called', () => {
    const { bus } = setup();
    const seen: string[] = [];
    bus.on('x', (value: string) => seen.push(`a ${value}`));
    bus.on('x', (value: string) => seen.push(`b ${value}`));
    bus.on('y', () => seen.push('never'));
    expect([bus.emit('x', '1'), bus.emit('z', '1')]).toEqual([2, 0]);
    expect(seen).toEqual(['a 1', 'b 1']);
  });

  it('isolates a listener that throws, and names its channel and owner', () => {
    const { bus, errors } = setup();
    const seen: string[] = [];
    bus.on('x', () => seen.push('before'));
    bus.on(
      'x',
      () => {
        throw new Error('boom');
      },
      'metrics#1',
    );
    bus.on('x', () => seen.push('after'));
    expect(bus.emit('x', null)).toBe(3);
    expect(seen).toEqual(['before', 'after']);
    expect(errors).toEqual([['Error: boom', { channel: 'x', owner: 'metrics#1' }]]);
  });

  it('reports a listener whose promise rejects', async () => {
    const { bus, errors } = setup();
    bus.on(
      'x',
      async () => {
        throw new Error('later');
      },
      'o',
    );
    bus.emit('x', null);
    await settle();
    expect(errors).toEqual([['Error: later', { channel: 'x', owner: 'o' }]]);
  });

  it('does not call a listener that was removed during the dispatch, nor one that was added', () => {
    const { bus } = setup();
    const seen: string[] = [];
    bus.on('x', () => {
      seen.push('first');
      off();
      bus.on('x', () => seen.push('added'));
    });
    const off = bus.on('x', () => seen.push('removed'));
    bus.on('x', () => seen.push('last'));
    expect(bus.emit('x', null)).toBe(2);
    expect(seen).toEqual(['first', 'last']);
  });

  it('survives a listener that removes itself, and emits within emits', () => {
    const { bus } = setup();
    const seen: string[] = [];
    const off = bus.on('x', (depth: number) => {
      off();
      seen.push(`once ${depth}`);
      bus.emit('x', depth + 1);
    });
    bus.on('x', (depth: number) => seen.push(`always ${depth}`));
    bus.emit('x', 0);
    expect(seen).toEqual(['once 0', 'always 1', 'always 0']);
  });

  it('keeps the same function registered twice apart', () => {
    const { bus } = setup();
    let calls = 0;
    const listener = (): number => calls++;
    const off = bus.on('x', listener);
    bus.on('x', listener);
    off();
    off();
    bus.emit('x', null);
    expect([calls, bus.count('x')]).toEqual([1, 1]);
  });

  it('knows how many listeners each owner has', () => {
    const { bus } = setup();
    const offs = [bus.on('x', () => {}, 'a'), bus.on('y', () => {}, 'a'), bus.on('y', () => {}, 'b')];
    expect([bus.countOf('a'), bus.countOf('b'), bus.countOf('c')]).toEqual([2, 1, 0]);
    expect(bus.owners()).toEqual({ a: 2, b: 1 });
    offs.forEach((off) => off());
    expect([bus.owners(), bus.count('x'), bus.count('y')]).toEqual([{}, 0, 0]);
  });
});
