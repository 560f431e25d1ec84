/** SQL functions that no time limit could stop within one call. */
import { describe, expect, it } from 'vitest';
import { hostileHost, timeOf } from './67-hostile-support.ts';
import { thrownBy } from './support.ts';

const LONG = { a: '("a"):rep(4e6)', b: '("a"):rep(2e6) .. "b"' };
const PATCH = '(function() local t = {} for i = 1, 1e5 do t["k" .. i] = i end return json.encode(t) end)()';

describe('a search for a long text', () => {
  it.each([
    ['instr', `glyphcase.query("SELECT instr(?, ?)", ${LONG.a}, ${LONG.b})`],
    ['a quoted name', `glyphcase.query([[SELECT "INSTR"(?, ?)]], ${LONG.a}, ${LONG.b})`],
    ['replace', `glyphcase.query("SELECT replace(?, ?, 'x')", ${LONG.a}, ${LONG.b})`],
    ['trim', `glyphcase.query("SELECT trim(?, ?)", ${LONG.a}, ("b"):rep(1e6) .. "a")`],
    [
      'one within the other',
      `glyphcase.query("SELECT instr(?1, trim(?1, instr(?1, ?2)) || ?2)", ${LONG.a}, ${LONG.b})`,
    ],
    ['unhex', `glyphcase.query("SELECT unhex(?, ?)", ("z"):rep(4e6), ("b"):rep(1e6) .. "z")`],
    ['json_patch', `glyphcase.query("SELECT json_patch('{}', ?)", ${PATCH})`],
    ['a condition', `glyphcase.deleteWhere("orders", "instr(note, ?)", ${LONG.b})`],
    ['a generated column', 'glyphcase.execute("CREATE TABLE mine(a, b, c AS (instr(a, b)))")'],
    ['a filter', 'glyphcase.watch("orders", "instr(note, note || status) > 0", function() end)'],
    ['a filter that makes much', 'glyphcase.watch("orders", "length(zeroblob(id * 1000)) > 0", function() end)'],
    ['a write', `glyphcase.execute("UPDATE orders SET note = replace(?, ?, '')", ${LONG.a}, ${LONG.b})`],
  ])('by %s is refused', async (_, code) => {
    const host = await hostileHost({ lua: { limits: { time: '20s', memory: '64MB' } }, limitMs: 20_000 });
    host.run("INSERT INTO orders(status) VALUES ('x')");
    await host.hostile(`function f() ${code} end`);
    let error: { code?: string } = {};
    const took = await timeOf(async () => {
      error = await thrownBy(() => host.skills.call('hostile', 'f'));
    });
    expect(error.code).toMatch(/GC_(BAD_ARGUMENT|PERMISSION|BAD_FILTER|SQL)/);
    expect(took).toBeLessThan(2000);
    await host.unharmed();
  });

  it('in the filter of a manifest is refused, with its line', async () => {
    const host = await hostileHost();
    await host.hostile('', { watches: [{ table: 'orders', filter: 'instr(note, status) > 0' }] });
    expect(host.skills.why('hostile').join(' ')).toMatch(
      /manifest\.json:\d+: watches\[0\]\.filter: it searches for a text/,
    );
    await host.unharmed();
  });

  it('of a short text means what it always did', async () => {
    const host = await hostileHost();
    await host.hostile('function q(sql, ...) return glyphcase.queryScalar(sql, ...) end', {});
    const q = (...args: unknown[]): Promise<unknown> => host.skills.call('hostile', 'q', ...args);
    expect(await q('SELECT instr(?, ?)', 'abc', 'c')).toBe(3);
    expect(await q("SELECT replace(?, 'a', 'b')", 'aaa')).toBe('bbb');
    expect(await q('SELECT replace(?, ?, ?)', 'a1a', 1, 2)).toBe('a2a');
    expect(await q('SELECT instr(?, ? + 0.0)', 'x1.0', 1)).toBe(2);
    expect(await q("SELECT trim('  a ') || trim('xax', ?)", 'x')).toBe('aa');
    expect(await q('SELECT instr(?, NULL)', 'a')).toBe(null);
    expect(await q('SELECT json_patch(?, ?)', '{"a":1}', '{"b":2}')).toBe('{"a":1,"b":2}');
    expect(await q('SELECT instr(?, upper(substr(?, 1, 1)))', 'xA', 'ab')).toBe(2);
    await host.hostile(`function on_activate() glyphcase.execute([[CREATE TABLE "replace"(a, b)]])
      glyphcase.execute("INSERT INTO replace(a, b) VALUES (1, 2)") end`);
    expect(host.db.all('SELECT * FROM "replace"')).toEqual([{ a: 1, b: 2 }]);
  });
});
