/** What live queries are made of: following the log, the longest rise, codes of values, and what counts as a statement. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { longestRise } from '../plugins/live/longest-rise.ts';
import { codeOf } from '../plugins/live/values.ts';
import type { FollowedRange } from '../plugins/capsule/types.ts';
import { isStatement } from '../sdk/queries.ts';
import { openHost } from './support.ts';

describe('capsule.follow', () => {
  test('hands on every range with its changes and its transaction, until it is stopped', async () => {
    const host = openHost({ schema: 'CREATE TABLE t(a)' });
    host.capsule.watch('t');
    const ranges: FollowedRange[] = [];
    const seen: unknown[] = [];
    const handle = host.capsule.follow({
      changed: (range) => {
        ranges.push(range);
        const { end, changes } = range.visible(100);
        seen.push([range.from, range.to, end, changes?.map(({ op, now }) => [op, now?.[0]])]);
        return [];
      },
      looked: () => undefined,
      settled: () => Promise.resolve(),
    });
    host.run('INSERT INTO t VALUES (1), (2)');
    await host.flush();
    const changes = [
      [1, 1],
      [1, 2],
    ];
    expect(seen).toEqual([[0, 2, 2, changes]]);
    expect(ranges[0]?.origin).toMatchObject({ source: 'host' });
    handle.stop();
    handle.stop();
    host.run('INSERT INTO t VALUES (3)');
    await host.flush();
    expect(ranges).toHaveLength(1);
  });

  test('shows what is committed beyond the range, unless that is more than is wanted', async () => {
    const host = openHost({ schema: 'CREATE TABLE t(a)' });
    host.capsule.watch('t');
    const seen: unknown[] = [];
    host.capsule.follow({
      changed: (range) => {
        if (seen.length === 0) host.db.sqlite.exec('INSERT INTO t VALUES (3), (4), (5)');
        for (const most of [2, 100]) {
          const { end, changes } = range.visible(most);
          seen.push([range.to, end, changes?.length]);
        }
        return [];
      },
      looked: () => undefined,
      settled: () => Promise.resolve(),
    });
    host.run('INSERT INTO t VALUES (1), (2)');
    await host.flush();
    expect(seen.slice(0, 2)).toEqual([
      [2, 5, undefined],
      [2, 5, 5],
    ]);
  });

  test('keeps one that fails from hurting others, and waits for what is not done', async () => {
    const host = openHost({ schema: 'CREATE TABLE t(a)' });
    const got = host.collect(host.capsule.watch('t'));
    const done: string[] = [];
    const follower = { looked: () => undefined, settled: () => Promise.resolve() };
    host.capsule.follow({
      ...follower,
      changed: () => {
        throw new Error('no');
      },
    });
    host.capsule.follow({ ...follower, changed: () => [Promise.resolve().then(() => void done.push('done'))] });
    host.run('INSERT INTO t VALUES (1)');
    await host.flush();
    expect(got.events).toHaveLength(1);
    expect(done).toEqual(['done']);
    expect(host.logger.lines.map((line) => line.message)).toContain('A follower of the log failed: no');
  });
});

test('the longest rise rises, and none is longer', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 30 }), { maxLength: 40 }), (numbers) => {
      const rise = longestRise(numbers);
      expect(rise.every((at, index) => index === 0 || at > (rise[index - 1] as number))).toBe(true);
      const values = rise.map((at) => numbers[at] as number);
      expect(values.every((value, index) => index === 0 || value > (values[index - 1] as number))).toBe(true);
      const longest: number[] = [];
      numbers.forEach((number, at) => {
        const before = longest.filter((_, earlier) => (numbers[earlier] as number) < number);
        longest[at] = 1 + Math.max(0, ...before);
      });
      expect(rise.length).toBe(Math.max(0, ...longest));
    }),
  );
});

test('values have one code exactly when they are the same', () => {
  const value = fc.oneof(
    fc.constantFrom(
      null,
      0,
      1,
      -1,
      1.5,
      2 ** 53,
      2n ** 53n,
      9007199254740993n,
      '',
      '0',
      '1',
      's1:a',
      'n1;',
      '\0',
      'a',
      'A',
    ),
    fc.constantFrom(Buffer.from(''), Buffer.from('a'), Buffer.from([0]), Buffer.from('1')),
  );
  fc.assert(
    fc.property(
      fc.array(value, { minLength: 1, maxLength: 3 }),
      fc.array(value, { minLength: 1, maxLength: 3 }),
      (a, b) => {
        const isSame =
          a.length === b.length &&
          a.every(
            (one, index) =>
              typeof one === typeof b[index] &&
              String(one) === String(b[index]) &&
              Buffer.isBuffer(one) === Buffer.isBuffer(b[index]) &&
              (one === null) === (b[index] === null),
          );
        const at = (values: readonly unknown[]): number[] => values.map((_, index) => index);
        // Rows of one result have as many columns.
        if (a.length === b.length) expect(codeOf(a, at(a)) === codeOf(b, at(b))).toBe(isSame);
      },
    ),
    { numRuns: 2000 },
  );
});

test.each([
  ['SELECT 1', true],
  [' -- why\nselect 1', true],
  ['VALUES (1)', true],
  ['PRAGMA user_version', true],
  ['delete from x', true],
  ['update', false],
  ['orders', false],
  ['"select"', false],
  ['', false],
  [5, false],
])('%j is a statement: %s', (text, expected) => {
  expect(isStatement(text)).toBe(expected);
});
