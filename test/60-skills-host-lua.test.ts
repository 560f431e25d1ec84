/** Lua for the host itself: executeLuaScript, callLuaFunction, registerLuaFunction. */
import { describe, expect, it } from 'vitest';
import { loadSkill, ORDERS, skillHost } from './60-skills-support.ts';
import { thrownBy } from './support.ts';

describe('bad arguments', () => {
  it('are refused', async () => {
    const { skills } = await skillHost();
    await expect(skills.execute(5 as never)).rejects.toMatchObject({ code: 'GC_BAD_ARGUMENT' });
    await expect(skills.execute('x = 1', { name: '' })).rejects.toMatchObject({ code: 'GC_BAD_ARGUMENT' });
    await expect(skills.callFunction('')).rejects.toMatchObject({ code: 'GC_BAD_ARGUMENT' });
    await expect(skills.callFunction('nope')).rejects.toMatchObject({ code: 'GC_NO_SUCH_FUNCTION' });
    for (const name of ['', 'a b', 'end', 'glyphcase', 'print', '__x', 5]) {
      expect(() => skills.registerFunction(name as never, () => 1)).toThrow(
        expect.objectContaining({ code: 'GC_BAD_ARGUMENT' }),
      );
    }
    expect(() => skills.registerFunction('f', 5 as never)).toThrow(/must be a function/);
  });
});

describe('the host’s state', () => {
  it('runs scripts that keep their globals, and needs no permissions', async () => {
    const { skills, db } = await skillHost({ schema: ORDERS });
    await skills.execute('function add(a, b) return a + b end');
    expect(await skills.callFunction('add', 2, 3)).toBe(5);
    expect(await skills.execute('return add(1, 1)')).toBe(2);
    await skills.execute(
      'glyphcase.insert("orders", { status = "x" }) glyphcase.execute("ALTER TABLE orders ADD COLUMN extra")',
    );
    expect(await skills.execute('return glyphcase.queryOne("SELECT status, extra FROM orders")')).toEqual({
      status: 'x',
    });
    expect(db.value('SELECT count(*) FROM orders')).toBe(1);
    expect(await skills.execute('glyphcase.transaction(function() end)')).toBeNull();
  });

  it('runs in one transaction, which an error undoes', async () => {
    const { skills, db } = await skillHost({ schema: ORDERS });
    const error = await thrownBy(() =>
      skills.execute('glyphcase.insert("orders", {})\nerror("no")', { name: 'seed.lua' }),
    );
    expect(error).toMatchObject({ code: 'GC_LUA', message: 'seed.lua:2: no' });
    expect(db.value('SELECT count(*) FROM orders')).toBe(0);
    await db.transaction(async () => {
      await skills.execute('glyphcase.insert("orders", { id = 1 })');
      await expect(skills.execute('glyphcase.insert("orders", { id = 2 }) error("no")')).rejects.toThrow('no');
    });
    expect(db.all('SELECT id FROM orders')).toEqual([{ id: 1 }]);
  });

  it.each([
    'PRAGMA user_version = 5',
    "ATTACH ':memory:' AS x",
    'COMMIT',
    'DELETE FROM _capsule_log',
    'UPDATE _skills SET enabled = 0',
    'DROP TABLE _skills',
    'CREATE TEMP TABLE t(a)',
  ])('keeps %s closed', async (sql) => {
    const { skills } = await skillHost();
    await expect(skills.execute(`glyphcase.execute([[${sql}]])`)).rejects.toMatchObject({ code: 'GC_PERMISSION' });
  });

  it('begins anew after a kill', async () => {
    const { skills } = await skillHost({ lua: { limits: { time: '60ms' } } });
    await skills.execute('x = 1');
    await expect(skills.execute('while true do end')).rejects.toMatchObject({ code: 'GC_LUA_TIME' });
    expect(await skills.execute('return x == nil')).toBe(true);
  });

  it('has the registered functions, early and late, with copied values', async () => {
    const { skills } = await skillHost();
    skills.registerFunction('early', (value) => ({ got: value, at: new Date(0) }));
    expect(await skills.execute('kept = early({ a = { 1, 2 } }) return kept')).toEqual({
      got: { a: [1, 2] },
      at: '1970-01-01T00:00:00.000Z',
    });
    skills.registerFunction('late', (...args) => args.length);
    expect(await skills.execute('return late(1, 2, 3)')).toBe(3);
    expect(await skills.execute('return kept ~= nil')).toBe(true);
    skills.registerFunction('async', () => Promise.resolve(1));
    await expect(skills.execute('async()')).rejects.toMatchObject({ code: 'GC_LUA_VALUE' });
    skills.registerFunction('throwing', () => {
      throw new TypeError('host trouble');
    });
    await expect(skills.execute('throwing()')).rejects.toThrow(/script\.lua:1: host trouble/);
  });

  it('does not share functions with skills that do not list them', async () => {
    const host = await skillHost();
    host.skills.registerFunction('secret', () => 1);
    await loadSkill(host, 'demo', 'function f() return secret == nil end');
    expect(await host.skills.call('demo', 'f')).toBe(true);
  });
});
