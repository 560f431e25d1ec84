/** Durations and validation against a schema. */
import { describe, expect, it } from 'vitest';
import { describeProblems, didYouMean, validate } from '../kernel/schema/validate.ts';
import { formatDuration, parseDuration } from '../kernel/durations.ts';
import { thrownBy } from './10-kernel-support.ts';

describe('parseDuration', () => {
  it.each([[-1], [NaN], [Infinity], ['soon'], ['10'], ['5 minutes'], ['-5s'], [''], [null], [{}]])(
    'refuses %j',
    async (value) => {
      const error = await thrownBy(() => parseDuration(value as never, 'interval'));
      expect(error).toMatchObject({ code: 'GC_BAD_ARGUMENT', message: expect.stringContaining('interval') });
      expect(error.hint).toContain("'10s'");
    },
  );

  it('reads every unit, and milliseconds as they are', () => {
    const texts = ['500ms', '10s', '5m', '1h', '7d', '1.5h', ' 2 s '];
    expect(texts.map((text) => parseDuration(text))).toEqual([
      500, 10_000, 300_000, 3_600_000, 604_800_000, 5_400_000, 2_000,
    ]);
    expect([parseDuration(0), parseDuration(250)]).toEqual([0, 250]);
  });

  it('is what formatDuration writes', () => {
    expect([0, 250, 2_000, 5_400_000, 604_800_000].map(formatDuration)).toEqual([
      '0 ms',
      '250 ms',
      '2 s',
      '1.5 h',
      '7 d',
    ]);
  });
});

describe('validate', () => {
  const schema = {
    $id: 'https://example.com/s',
    type: 'object',
    required: ['id'],
    properties: {
      id: { type: 'string' },
      every: { type: 'string', default: '1m' },
      mode: { enum: ['fast', 'slow'] },
      deep: { type: 'object', default: {}, properties: { size: { type: 'integer', minimum: 1, default: 3 } } },
      watches: {
        type: 'array',
        items: {
          anyOf: [
            { type: 'string' },
            {
              type: 'object',
              required: ['table'],
              properties: { table: { type: 'string' }, filter: { type: 'string' } },
            },
          ],
        },
      },
      free: { type: 'object' },
      handler: {},
    },
  };
  const problems = (value: unknown): string => {
    const result = validate(schema, value, { what: 'it' });
    return result.problems === undefined ? 'none' : describeProblems(result.problems);
  };

  it('refuses a schema that is not one, naming whose it is', async () => {
    const error = await thrownBy(() => validate({ type: 'object', propertys: {} }, {}, { what: 'config of p' }));
    expect(error).toMatchObject({ code: 'GC_BAD_ARGUMENT', message: expect.stringMatching(/config of p.*propertys/) });
  });

  it('fills in defaults on a copy, and leaves functions and class instances as they are', () => {
    const date = new Date();
    const handler = (): void => {};
    const given = { id: 'x', free: { date }, handler };
    const { value } = validate<Record<string, unknown>>(schema, given, { what: 'it' });
    expect(value).toEqual({ id: 'x', every: '1m', deep: { size: 3 }, free: { date }, handler });
    expect((value?.['free'] as { date: Date }).date).toBe(date);
    expect(given).toEqual({ id: 'x', free: { date }, handler });
  });

  it.each([
    [{}, "the key 'id' is missing"],
    [undefined, "the key 'id' is missing"],
    [null, 'must be an object, not null'],
    [[], 'must be an object, not []'],
    [{ id: 1 }, 'id: must be a string, not 1'],
    [{ id: 'a', evry: '2m' }, "evry: unknown key 'evry' (did you mean 'every'?)"],
    [{ id: 'a', zzzzzz: 1 }, "zzzzzz: unknown key 'zzzzzz'"],
    [{ id: 'a', mode: 'fsat' }, `mode: must be one of "fast", "slow", not "fsat" (did you mean 'fast'?)`],
    [{ id: 'a', deep: { size: 0 } }, 'deep.size: must be >= 1, but is 0'],
    [{ id: 'a', deep: { siez: 1 } }, "deep.siez: unknown key 'siez' (did you mean 'size'?)"],
    [
      { id: 'a', watches: ['t', { table: 't', fliter: 'x' }] },
      "watches[1].fliter: unknown key 'fliter' (did you mean 'filter'?)",
    ],
    [{ id: 'a', watches: [3] }, 'watches[0]: must be a string or an object, not 3'],
    [{ id: 'a', free: { anything: [{ goes: 1 }] } }, 'none'],
  ])('%j: %s', (value, expected) => {
    expect(problems(value)).toBe(expected);
  });

  it('takes another schema with the same $id, as a reloaded plugin has, even after a broken one', async () => {
    await thrownBy(() => validate({ $id: schema.$id, type: 'objekt' }, {}, { what: 'it' }));
    const other = { $id: schema.$id, type: 'object', properties: { port: { type: 'number' } } };
    expect(validate(other, { port: 1 }, { what: 'it' }).value).toEqual({ port: 1 });
  });

  it('reports all problems at once', () => {
    expect(validate(schema, { id: 1, mode: 2 }, { what: 'it' }).problems).toHaveLength(2);
  });

  it('copes with values that refer to themselves, and with a key called __proto__', () => {
    const loop: Record<string, unknown> = { id: 'a' };
    loop['free'] = { loop };
    expect(problems(loop)).toBe('none');
    expect(problems(JSON.parse('{"id":"a","__proto__":{"every":1}}'))).toContain('__proto__');
  });

  it('suggests only what is near', () => {
    expect(didYouMean('reqires', ['requires', 'provides'])).toBe('requires');
    expect(didYouMean('x', ['requires'])).toBeUndefined();
  });
});
