/** `cache` in Lua: a skill's memory across reloads, bounded. */
import { describe, expect, test } from 'vitest';
import { CacheMemory } from '../plugins/cache/memory.ts';
import { loadSkill, writeSkill } from './60-skills-support.ts';
import { fullHost } from './63-support.ts';
import { fakeClock, thrownBy } from './support.ts';

describe('bad arguments', () => {
  test.each([
    ['cache.set(nil, 1)', 'cache.set: the key must be a string or a number, not nil'],
    ['cache.set({}, 1)', 'not a table or function'],
    ['cache.set(("k"):rep(1025), 1)', 'the key is longer than 1024 bytes'],
    ['cache.set("k", print)', 'a function cannot be kept in the cache'],
    ['cache.set("k", 1, 0)', 'cache.set: ttl must be more than 0'],
    ['cache.set("k", 1, -1)', 'ttl must be more than 0'],
    ['cache.set("k", 1, "soon")', 'cache.set: ttl is "soon", which is not a duration'],
    ['cache.set("k", ("x"):rep(1024 * 1024))', 'a value takes at most 1048576 bytes'],
    ['cache.get()', 'cache.get: the key must be a string or a number, not nil'],
    ['cache.delete(true)', 'cache.delete: the key must be a string or a number, not a boolean'],
  ])('%s', async (call, message) => {
    const host = await fullHost();
    const error = await thrownBy(() => host.skills.execute(call));
    expect(error.code).toBe('GC_BAD_ARGUMENT');
    expect(error.message).toContain(message);
  });
});

test('keeps copies of any JSON-like value, by text, bytes or number', async () => {
  const host = await fullHost();
  const result = await host.skills.execute(`
    local value = { list = { 1, json.null, "x" }, deep = { on = false }, big = 2^53 | 0, empty = json.array() }
    cache.set("v", value)
    value.list[1] = 99
    local copy = cache.get("v")
    copy.deep.on = true
    cache.set(1, "number"); cache.set("1", "text"); cache.set("\\xff\\0", "\\0\\xfe")
    return json.encode({ cache.get("v"), cache.get(1), cache.get("1"), cache.get("\\xff\\0") == "\\0\\xfe",
      cache.get("none") == nil, json.encode(cache.get("v").empty) })`);
  expect(JSON.parse(result as string)).toEqual([
    { list: [1, null, 'x'], deep: { on: false }, big: 2 ** 53, empty: [] },
    'number',
    'text',
    true,
    true,
    '[]',
  ]);
});

test('delete says whether it was there; nil deletes; clear empties', async () => {
  const host = await fullHost();
  const result = await host.skills.execute(`
    cache.set("a", 1); cache.set("b", 2); cache.set("c", false); cache.set("b", nil)
    local seen = { cache.delete("a"), cache.delete("a"), cache.get("b") == nil, cache.get("c") == false }
    cache.clear()
    seen[5] = cache.get("c") == nil
    return seen`);
  expect(result).toEqual([true, false, true, true, true]);
});

test('a value ends with its time to live: seconds, or a duration as text', async () => {
  const host = await fullHost({ clock: fakeClock() });
  await host.skills.execute('cache.set("s", 1, 2); cache.set("t", 2, "500ms"); cache.set("u", 3)');
  const kept = (): Promise<unknown> =>
    host.skills.execute('return { cache.get("s") or 0, cache.get("t") or 0, cache.get("u") or 0 }');
  await host.clock.advance(499);
  expect(await kept()).toEqual([1, 2, 3]);
  await host.clock.advance(1);
  expect(await kept()).toEqual([1, 0, 3]);
  await host.clock.advance(1500);
  expect(await kept()).toEqual([0, 0, 3]);
  expect(await host.skills.execute('cache.set("x", 1, 1)')).toBe(null);
  await host.clock.advance(1000);
  expect(await host.skills.execute('return cache.delete("x")')).toBe(false);
});

test('is a skill’s own, survives its reload, and goes with its data', async () => {
  const host = await fullHost();
  const main = 'function put(k, v) cache.set(k, v) end function get(k) return cache.get(k) end';
  for (const id of ['one', 'two']) await loadSkill(host, id, main);
  await host.skills.call('one', 'put', 'k', 'mine');
  expect(await host.skills.call('two', 'get', 'k')).toBe(null);
  writeSkill(host.dir, 'one', `${main} -- edited`);
  await host.skills.reload('one');
  expect(await host.skills.call('one', 'get', 'k')).toBe('mine');
  await host.skills.uninstall('one');
  await host.skills.load(writeSkill(host.dir, 'one', main));
  expect(await host.skills.call('one', 'get', 'k')).toBe(null);
});

test('forgets what a transaction that was rolled back had put in', async () => {
  const host = await fullHost();
  await host.skills.execute('cache.set("kept", 1)');
  await thrownBy(() => host.skills.execute('cache.set("total", 7) error("no")'));
  const result = await host.skills.execute(`
    pcall(glyphcase.transaction, function() cache.set("part", 1) error("no") end)
    return { cache.get("total") == nil, cache.get("part") == nil, cache.get("kept") }`);
  expect(result).toEqual([true, true, 1]);
});

describe('bounds', () => {
  const memory = (limits: { entries: number; bytes: number }): CacheMemory => new CacheMemory(fakeClock(), limits);

  test('what was used longest ago goes first, by number', () => {
    const cache = memory({ entries: 3, bytes: 1000 });
    for (const key of ['a', 'b', 'c']) cache.set(key, key, 1, Infinity);
    cache.get('a');
    cache.set('d', 'd', 1, Infinity);
    expect(['a', 'b', 'c', 'd'].map((key) => cache.get(key))).toEqual(['a', undefined, 'c', 'd']);
  });

  test('and by bytes, which are given back by every way out', () => {
    const clock = fakeClock();
    const cache = new CacheMemory(clock, { entries: 100, bytes: 10 });
    cache.set('a', 1, 4, Infinity);
    cache.set('b', 2, 4, 5);
    cache.set('a', 3, 6, Infinity); // replaced: 4 + 6
    expect([cache.get('a'), cache.get('b')]).toEqual([3, 2]);
    cache.set('c', 4, 4, Infinity); // a was used longest ago
    expect([cache.get('a'), cache.get('b'), cache.get('c')]).toEqual([undefined, 2, 4]);
    cache.delete('c');
    cache.set('d', 5, 6, Infinity);
    expect([cache.get('b'), cache.get('d')]).toEqual([2, 5]);
  });

  test('a skill that puts in without end holds 10,000 entries', async () => {
    const host = await fullHost();
    const result = await host.skills.execute(`
      for i = 1, 10050 do cache.set(i, i) end
      local n = 0
      for i = 1, 10050 do if cache.get(i) then n = n + 1 end end
      return n`);
    expect(result).toBe(10_000);
  });
});
