/** Lua for the host itself: executeLuaScript, callLuaFunction, registerLuaFunction. */
import BetterSqlite3 from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import { loadSkill, ORDERS, skillHost } from './60-skills-support.ts';
import { afterTest, thrownBy } from './support.ts';

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
    'BEGIN',
    'SAVEPOINT x',
    'DETACH main',
    'EXPLAIN PRAGMA journal_mode = DELETE',
    "SELECT load_extension('x')",
    "VACUUM INTO '/tmp/copy.db'",
    'DELETE FROM _capsule_subscriptions',
    'ALTER TABLE _capsule_log ADD COLUMN x',
    'CREATE TABLE _capsule_mine(x)',
  ])('keeps %s closed', async (sql) => {
    const { skills } = await skillHost();
    await expect(skills.execute(`glyphcase.execute([[${sql}]])`)).rejects.toMatchObject({ code: 'GC_PERMISSION' });
  });

  it.each(['glyphcase.insert("_skills", { id = "x" })', 'glyphcase.deleteWhere("_capsule_log", "1")'])(
    'keeps %s closed',
    async (text) => {
      const { skills } = await skillHost();
      await expect(skills.execute(text)).rejects.toMatchObject({ code: 'GC_INTERNAL_TABLE' });
    },
  );

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

describe('maintenance', () => {
  const script = (sql: string): string => `return glyphcase.execute([[${sql}]]).changes`;

  it('reads internal tables as they are', async () => {
    const { skills } = await skillHost({ schema: ORDERS });
    expect(await skills.execute('return glyphcase.queryScalar("SELECT count(*) FROM _capsule_log")')).toBe(0);
    expect(await skills.execute('return #glyphcase.query("SELECT * FROM sqlite_master") > 5')).toBe(true);
  });

  it('prunes the log by deleting events, and never what somebody still needs', async () => {
    const host = await skillHost({ schema: ORDERS });
    host.capsule.watch('orders');
    for (let id = 1; id <= 5; id += 1) host.run(`INSERT INTO orders(id) VALUES (${id})`);
    await host.flush();
    await host.skills.execute(script('DELETE FROM _capsule_events WHERE id <= 3'));
    expect(host.db.all('SELECT id FROM _capsule_events')).toEqual([{ id: 4 }, { id: 5 }]);
    await host.skills.execute(script('DELETE FROM _capsule_events'));
    expect(host.db.all('SELECT id FROM _capsule_events')).toEqual([{ id: 5 }]);
  });

  it('may ANALYZE', async () => {
    const { skills, db } = await skillHost({ schema: `${ORDERS}; CREATE INDEX i ON orders(total)` });
    await skills.execute('glyphcase.insert("orders", {}) glyphcase.execute("ANALYZE")');
    expect(db.value("SELECT count(*) FROM sqlite_stat1 WHERE tbl = 'orders'")).toBe(1);
  });

  it('runs VACUUM when the script has committed, before the promise resolves', async () => {
    const { skills, db } = await skillHost({ schema: ORDERS });
    await skills.execute(
      'for i = 1, 200 do glyphcase.insert("orders", { note = string.rep("x", 2000) }) end glyphcase.execute("DELETE FROM orders")',
    );
    const free = () => db.sqlite.pragma('freelist_count', { simple: true });
    expect(free()).toBeGreaterThan(10);
    expect(await skills.execute('glyphcase.insert("orders", {}) return glyphcase.execute("VACUUM").changes')).toBe(0);
    expect(free()).toBe(0);
    expect(db.value('SELECT count(*) FROM orders')).toBe(1);
    await skills.execute(
      'function tidy() glyphcase.execute("VACUUM main") end glyphcase.execute("DELETE FROM orders")',
    );
    await skills.callFunction('tidy');
    expect(free()).toBe(0);
  });

  it('forgets a VACUUM of a script or a part that failed', async () => {
    const { skills, db } = await skillHost({ schema: ORDERS });
    await skills.execute('for i = 1, 50 do glyphcase.insert("orders", { note = string.rep("x", 2000) }) end');
    await skills.execute('glyphcase.execute("DELETE FROM orders")');
    const free = () => db.sqlite.pragma('freelist_count', { simple: true }) as number;
    const before = free();
    expect(before).toBeGreaterThan(0);
    await expect(skills.execute('glyphcase.execute("VACUUM") error("no")')).rejects.toThrow('no');
    await skills.execute('pcall(glyphcase.transaction, function() glyphcase.execute("VACUUM") error("no") end)');
    expect(free()).toBe(before);
  });

  it('passes on why VACUUM failed; what the script wrote is committed', async () => {
    const host = await skillHost({ schema: ORDERS, busyTimeout: 50 });
    const other = new BetterSqlite3(host.file);
    afterTest(() => other.close());
    // Another program's lock comes between the commit and the VACUUM.
    host.kernel.hooks.committed.tap('test', () => {
      if (!other.inTransaction) other.exec('BEGIN IMMEDIATE');
    });
    const error = await thrownBy(() =>
      host.skills.execute('glyphcase.insert("orders", {}) glyphcase.execute("VACUUM")'),
    );
    expect(error).toMatchObject({ code: 'GC_LOCKED', message: expect.stringContaining('VACUUM') });
    expect(host.db.value('SELECT count(*) FROM orders')).toBe(1);
  });

  it('says why VACUUM cannot run inside a transaction', async () => {
    const { skills, db } = await skillHost({ schema: ORDERS });
    await db.transaction(async () => {
      const error = await thrownBy(() => skills.execute('glyphcase.execute("VACUUM")'));
      expect(error).toMatchObject({
        code: 'GC_TRANSACTION',
        hint: expect.stringContaining('outside of transaction()'),
      });
    });
  });
});
