/** A time limit for what cannot be metered: what it stops, and what it lets run again where the machine had no time for it. */
import { describe, expect, it } from 'vitest';
import { TimeIsOver, timeBoxed } from '../plugins/skills/time-boxed.ts';

const MS = 20;

/** For ever, as far as the one who waits can tell. */
const forever = (): never => {
  for (;;);
};

/** A machine on which the process gets so many ms of the processor in each run, and the run with the number `enough` is the last. */
function machine(shares: readonly number[], enough = Infinity) {
  let used = 1000;
  const limits: number[] = [];
  const run = <T>(ms: number, fn: () => T): T => {
    used += Math.min(ms, shares[limits.length] ?? 0);
    if (limits.push(ms) === enough) return fn();
    throw new TimeIsOver();
  };
  return { limits, used: () => used, run, spent: () => used - 1000 };
}

describe('within the limit', () => {
  it('gives what the function returns, and throws what it throws', () => {
    expect(timeBoxed(MS, () => 'done')).toBe('done');
    let runs = 0;
    const failing = (): never => {
      runs += 1;
      throw new RangeError('its own');
    };
    expect(() => timeBoxed(MS, failing)).toThrow(new RangeError('its own'));
    expect(runs).toBe(1);
  });

  it('one may be in another', () => {
    expect(timeBoxed(MS, () => [timeBoxed(MS, () => 1), 2])).toEqual([1, 2]);
    expect(() => timeBoxed(10 * MS, () => timeBoxed(MS, forever))).toThrow(TimeIsOver);
    expect(timeBoxed(MS, () => 3)).toBe(3);
  });
});

describe('beyond the limit', () => {
  it.each([
    ['a loop', forever],
    ['a regular expression', () => /^(a+)+$/.test(`${'a'.repeat(40)}!`)],
  ])('%s is stopped', (_what, fn) => {
    expect(() => timeBoxed(MS, fn)).toThrow(TimeIsOver);
  });

  it.each([MS / 2, MS])('what had the processor, for %i ms, is not run again', (share) => {
    const one = machine([share]);
    expect(() => timeBoxed(MS, forever, one)).toThrow(TimeIsOver);
    expect(one.limits).toEqual([MS]);
  });

  it('what waited for its turn is run again, for what it has left', () => {
    const busy = machine([0, 1.5, 4], 4);
    expect(timeBoxed(MS, () => 'done', busy)).toBe('done');
    expect(busy.limits).toEqual([20, 20, 18, 14]);
  });

  it.each([
    ['the machine is free after the first run', [0, MS, MS]],
    ['it had just too little to be stopped', [9, MS, MS]],
    ['it had little, often', [3, 3, 3, MS, MS]],
  ])('gets no more of the processor than the limit in all its runs: %s', (_when, shares) => {
    const hostile = machine(shares);
    expect(() => timeBoxed(MS, forever, hostile)).toThrow(TimeIsOver);
    expect(hostile.limits.length).toBeGreaterThan(1);
    expect(hostile.spent()).toBeLessThanOrEqual(MS);
  });

  it('is given up on a machine that never has time', () => {
    const none = machine([]);
    expect(() => timeBoxed(MS, forever, none)).toThrow(TimeIsOver);
    expect(none.limits).toEqual(Array.from({ length: 8 }, () => MS));
  });
});
