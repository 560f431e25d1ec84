/** Nothing a skill does can take the host down, or another skill. */
import { describe, expect, it } from 'vitest';
import { loadSkill, may, ORDERS, skillHost } from './60-skills-support.ts';
import { thrownBy, workClock } from './support.ts';

const ATTACKS: readonly (readonly [string, string])[] = [
  ['an endless loop', 'while true do end'],
  ['an endless loop behind pcall', 'while true do pcall(function() while true do end end) end'],
  ['endless queries', 'while true do glyphcase.queryScalar("SELECT 1") end'],
  ['endless writes', 'while true do glyphcase.insert("orders", { status = "x" }) end'],
  [
    'endless transactions',
    'while true do pcall(glyphcase.transaction, function() glyphcase.insert("orders", {}) error("x") end) end',
  ],
  ['a memory bomb', 'local t = {} while true do t[#t + 1] = ("x"):rep(100000) end'],
  ['a string bomb', 'local s = "x" while true do s = s .. s end'],
  ['deep recursion', 'local function f() return 1 + f() end f()'],
  ['transactions inside transactions', 'local function f() glyphcase.transaction(f) end f()'],
  ['a huge log', 'while true do log.info(("x"):rep(100000)) print("x") end'],
  ['a pattern bomb', 'string.find(("a"):rep(30000), (".-"):rep(30) .. "b")'],
  ['an error that is a huge table', 'local t = {} for i = 1, 100000 do t[i] = i end error(t)'],
  ['an error whose tostring loops', 'error(setmetatable({}, { __tostring = function() while true do end end }))'],
  ['tables of its own as globals', 'glyphcase = nil log = nil on_data_changed = nil error("gone")'],
  ['thousands of tables', 'for i = 1, 100000 do glyphcase.execute("CREATE TABLE t" .. i .. "(a)") end'],
  ['thousands of watches', 'for i = 1, 100000 do glyphcase.watch("orders", function() end) end'],
  ['thousands of actions', 'while true do glyphcase.dispatch("a", ("x"):rep(1000)) end'],
];

const MANIFEST = {
  watches: ['orders'],
  permissions: { database: { read: ['orders'], write: ['orders'] }, actions: { dispatch: ['*'] }, hooks: ['orders'] },
};
const options = { schema: ORDERS, lua: { limits: { time: '150ms', memory: '16MB' } } };

describe.each(ATTACKS)('%s', (_what, code) => {
  it('when it is called, in a reaction, and when it starts', async () => {
    const host = await skillHost(options);
    const sent: unknown[] = [];
    host.actions.on('*', (payload) => sent.push(payload));
    await loadSkill(host, 'good', 'function on_data_changed(t, op, row) print("good " .. row.id) end', {
      watches: ['orders'],
    });
    await loadSkill(host, 'bad', `function f() ${code} end function on_data_changed() f() end`, MANIFEST);
    const error = await thrownBy(() => host.skills.call('bad', 'f'));
    expect(error.code).toMatch(/^GC_/);
    expect(host.db.value('SELECT count(*) FROM orders')).toBe(0);
    host.run('INSERT INTO orders(id) VALUES (1)');
    await host.rest();
    expect(host.skills.get('bad')).toMatchObject({ failures: 1 });
    expect(host.db.all('SELECT id FROM orders')).toEqual([{ id: 1 }]);
    expect(host.skills.logs('good').map((line) => line.message)).toContain('good 1');
    await host.skills.unload('bad');
    const report = await loadSkill(host, 'starter', `function on_activate() ${code} end`, MANIFEST);
    expect(report).toMatchObject({ state: 'failed' });
    expect(host.db.get("SELECT count(*) AS n FROM sqlite_schema WHERE name LIKE 't%' AND type = 'table'")).toEqual({
      n: 0,
    });
    expect(sent).toEqual([]);
    expect(host.db.sqlite.inTransaction).toBe(false);
    expect(host.db.value('PRAGMA integrity_check')).toBe('ok');
    expect(await host.close()).toEqual([]);
  });
});

describe('stopping', () => {
  it('is not held up by an on_deactivate that never ends', async () => {
    const host = await skillHost(options);
    await loadSkill(host, 'demo', 'function on_deactivate() while true do end end');
    const work = workClock();
    await host.close();
    expect(work()).toBeLessThan(2000);
    expect(host.logged().join()).toContain('on_deactivate failed');
  });

  it('dispatches and writes what on_deactivate asks for', async () => {
    const host = await skillHost(options);
    const sent: unknown[] = [];
    host.actions.on('*', (_payload, action) => sent.push(action));
    await loadSkill(
      host,
      'demo',
      `function on_deactivate() glyphcase.insert("orders", { status = "bye" }) glyphcase.dispatch("bye") end`,
      MANIFEST,
    );
    await host.skills.unload('demo');
    expect(sent).toEqual(['bye']);
    expect(host.db.all('SELECT status FROM orders')).toEqual([{ status: 'bye' }]);
  });
});

describe('a skill that is closed', () => {
  it('is never called again', async () => {
    const host = await skillHost(options);
    await loadSkill(
      host,
      'demo',
      `function on_activate() glyphcase.watch("orders", function() print("watch") end) end
      function on_data_changed() print("reaction") end function validate_insert() print("hook") end`,
      MANIFEST,
    );
    host.run('INSERT INTO orders(id) VALUES (1)');
    const unloading = host.skills.unload('demo');
    await host.rest();
    await unloading;
    await host.db.exclusive(() => host.db.rows.insert('orders', { status: 'x' }));
    await host.rest();
    expect(host.logger.lines.filter((line) => line.level === 'error')).toEqual([]);
    expect(host.logged()).not.toContain('hook');
  });
});

describe('may() in tests', () => {
  it('grants what it says', () =>
    expect(may('a')).toEqual({ permissions: { database: { read: ['a'], write: ['a'] } } }));
});
