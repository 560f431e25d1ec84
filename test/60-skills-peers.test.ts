/** Skills among themselves: dependencies, glyphcase.call, glyphcase.on; and their removal. */
import { describe, expect, it } from 'vitest';
import { loadSkill, may, ORDERS, skillHost, writeSkill } from './60-skills-support.ts';
import type { SkillHost } from './60-skills-support.ts';

const needs = (dependencies: Readonly<Record<string, string>>): { readonly dependencies: typeof dependencies } => ({
  dependencies,
});
const states = (host: SkillHost): Record<string, string> =>
  Object.fromEntries(host.skills.list().map(({ id, state }) => [id, state]));

describe('dependencies', () => {
  it('start first, in whatever order the folders come', async () => {
    const host = await skillHost();
    const say = (id: string): string => `function on_activate() print("${id}") end`;
    await loadSkill(host, 'a', say('a'), needs({ b: '^1.0.0' }));
    expect(host.skills.get('a')).toMatchObject({
      state: 'waiting',
      reasons: ['waiting (skill b): it needs version ^1.0.0, and there is no such skill'],
    });
    await loadSkill(host, 'b', say('b'), needs({ c: '1.x' }));
    await loadSkill(host, 'c', say('c'));
    await host.rest();
    expect(states(host)).toEqual({ a: 'active', b: 'active', c: 'active' });
    expect(host.logged()).toEqual(['c', 'b', 'a']);
  });

  it('are held to the range of versions, also when they change', async () => {
    const host = await skillHost();
    await loadSkill(host, 'rates', '', { version: '2.3.0' });
    await loadSkill(host, 'shop', '', needs({ rates: '^1.0.0' }));
    expect(host.skills.get('shop')?.reasons).toEqual([
      'waiting (skill rates): it needs version ^1.0.0, and 2.3.0 runs',
    ]);
    await loadSkill(host, 'shop', '', needs({ rates: '^2.0.0' }));
    expect(host.skills.get('shop')?.state).toBe('active');
    await loadSkill(host, 'rates', '', { version: '3.0.0' });
    await host.rest();
    expect(states(host)).toEqual({ rates: 'active', shop: 'waiting' });
  });

  it('take those who need them with them when they stop, and bring them back', async () => {
    const host = await skillHost();
    await loadSkill(host, 'rates', '');
    await loadSkill(host, 'shop', 'function on_deactivate() print("shop stops") end', needs({ rates: '*' }));
    await host.skills.disable('rates');
    await host.rest();
    expect(states(host)).toEqual({ rates: 'disabled', shop: 'waiting' });
    expect(host.skills.get('shop')?.reasons).toEqual(['waiting (skill rates): it needs version *, which is disabled']);
    expect(host.logged()).toContain('shop stops');
    await host.skills.enable('rates');
    await host.rest();
    expect(states(host)).toEqual({ rates: 'active', shop: 'active' });
  });

  it('in a circle never start, and each names it', async () => {
    const host = await skillHost();
    await loadSkill(host, 'a', '', needs({ b: '*' }));
    await loadSkill(host, 'b', '', needs({ c: '*' }));
    await loadSkill(host, 'c', '', needs({ a: '*' }));
    await host.rest();
    await host.skills.reload('a');
    expect(host.skills.get('a')?.reasons).toEqual([
      'waiting (skill b): these depend on each other, so that none can start: a → b → c → a',
    ]);
    expect(host.skills.get('c')?.reasons[0]).toContain('c → a → b → c');
  });
});

describe('glyphcase.call', () => {
  const BANK = `
    function add(amount) glyphcase.insert("orders", { total = amount }) return glyphcase.skill, amount * 2 end
    function fail() glyphcase.insert("orders", { total = 99 }) error("broke") end
    function on_install() end`;

  async function shop(main: string): Promise<SkillHost> {
    const host = await skillHost({ schema: ORDERS });
    await loadSkill(host, 'bank', BANK, may('orders'));
    await loadSkill(host, 'shop', main, needs({ bank: '^1.0.0' }));
    return host;
  }

  it('refuses what is no name, and a skill that the manifest does not list', async () => {
    const host = await shop(`
      function bad() return glyphcase.call(nil, "x") end
      function other() return glyphcase.call("stranger", "x") end
      function hook() return glyphcase.call("bank", "on_install") end
      function none() return glyphcase.call("bank", "nothing") end`);
    await expect(host.skills.call('shop', 'bad')).rejects.toThrow(/glyphcase\.call: the skill must be a text, not nil/);
    await expect(host.skills.call('shop', 'other')).rejects.toMatchObject({ code: 'GC_PERMISSION' });
    await expect(host.skills.call('shop', 'other')).rejects.toThrow(/"dependencies": \{ "stranger": "\*" \}/);
    await expect(host.skills.call('shop', 'hook')).rejects.toThrow(
      /on_install\(\) of the skill bank is called by GlyphCase only/,
    );
    await expect(host.skills.call('shop', 'none')).rejects.toMatchObject({ code: 'GC_NO_SUCH_FUNCTION' });
  });

  it('runs with the permissions of the one that is called, and returns all results', async () => {
    const host = await shop(`
      function buy() local who, twice = glyphcase.call("bank", "add", 21) return who .. twice end
      function directly() glyphcase.insert("orders", { total = 1 }) end`);
    expect(await host.skills.call('shop', 'buy')).toBe('bank42');
    expect(host.db.all('SELECT total FROM orders')).toEqual([{ total: 21 }]);
    await expect(host.skills.call('shop', 'directly')).rejects.toMatchObject({ code: 'GC_PERMISSION' });
  });

  it('undoes what the other did when it fails, and only that', async () => {
    const host = await shop(`function try()
      glyphcase.call("bank", "add", 1)
      local ok, why = pcall(glyphcase.call, "bank", "fail")
      return tostring(ok) .. " " .. why
    end`);
    expect(await host.skills.call('shop', 'try')).toMatch(/^false .*broke/);
    expect(host.db.all('SELECT total FROM orders')).toEqual([{ total: 1 }]);
  });

  it('stops a callee that runs away, and leaves the caller as it was', async () => {
    const host = await skillHost({ lua: { limits: { time: '80ms' } } });
    await loadSkill(host, 'loop', 'function spin() while true do end end function ok() return "fine" end');
    await loadSkill(
      host,
      'caller',
      'calls = 0 function go() calls = calls + 1 return pcall(glyphcase.call, "loop", "spin") end function count() return calls end',
      needs({ loop: '*' }),
    );
    await host.skills.call('caller', 'go').catch(() => undefined);
    await host.rest();
    expect(await host.skills.call('loop', 'ok')).toBe('fine');
    expect(states(host)).toEqual({ caller: 'active', loop: 'active' });
  });

  it('is for the host, too, from its own state', async () => {
    const host = await shop('');
    expect(await host.skills.execute('return glyphcase.call("bank", "add", 5)')).toBe('bank');
  });
});

describe('glyphcase.on', () => {
  const LISTEN = { permissions: { actions: { listen: ['order:*'], dispatch: ['*'] } } };

  it('refuses what the manifest does not list, with the line it would need', async () => {
    const host = await skillHost();
    const report = await loadSkill(host, 'demo', 'function on_activate() glyphcase.on("user:*", print) end', LISTEN);
    expect(report.error).toMatchObject({ code: 'GC_PERMISSION' });
    expect(report.error?.message).toContain('"actions": { "listen": ["user:*"] }');
  });

  it('hears actions of the host and of skills, each in a transaction, and answers requests', async () => {
    const host = await skillHost({ schema: ORDERS });
    const main = `function on_activate()
        id = glyphcase.on("order:*", function(payload, action)
          glyphcase.insert("orders", { note = action, total = payload.total })
          if payload.bad then error("bad order") end
          return "noted " .. payload.total
        end)
      end
      function tell() glyphcase.dispatch("order:lua", { total = 2 }) end
      function stop() return glyphcase.unwatch(id) end`;
    await loadSkill(host, 'demo', main, { permissions: { ...LISTEN.permissions, database: { write: ['orders'] } } });
    expect(host.actions.dispatch('order:new', { total: 1 })).toBe(1);
    await host.skills.call('demo', 'tell');
    host.actions.dispatch('order:odd', { total: 3, bad: true });
    expect(await host.actions.request('order:asked', { total: 4 })).toBe('noted 4');
    await host.rest();
    expect(host.db.all('SELECT note, total FROM orders ORDER BY id')).toEqual([
      { note: 'order:new', total: 1 },
      { note: 'order:lua', total: 2 },
      { note: 'order:asked', total: 4 },
    ]);
    expect(host.logged().join('\n')).toMatch(/The listener to the action order:odd failed: .*bad order/);
    expect(await host.skills.call('demo', 'stop')).toBe(true);
    expect(host.actions.dispatch('order:late', { total: 5 })).toBe(0);
  });

  it('ends with the state: a reload listens once, a stopped skill not at all', async () => {
    const host = await skillHost();
    await loadSkill(host, 'demo', 'function on_activate() glyphcase.on("order:*", function() end) end', LISTEN);
    await host.skills.reload('demo');
    expect(host.actions.dispatch('order:x')).toBe(1);
    await host.skills.disable('demo');
    expect(host.actions.dispatch('order:x')).toBe(0);
  });
});

describe('uninstalling', () => {
  const MAIN = `
    function on_install() glyphcase.execute("CREATE TABLE mine(x)") end
    function on_data_changed() glyphcase.insert("mine", { x = 1 }) end
    function on_uninstall() glyphcase.insert("orders", { note = "farewell " .. glyphcase.queryScalar("SELECT count(*) FROM mine")}) end`;
  const MANIFEST = { watches: ['orders'], permissions: { database: { read: ['orders'], write: ['orders'] } } };
  const traces = (host: SkillHost): unknown[] =>
    host.db.all(`SELECT 'skill' AS t FROM _skills UNION ALL SELECT 'table' FROM _skill_tables UNION ALL
      SELECT 'migration' FROM _skill_migrations UNION ALL SELECT 'log' FROM _skill_logs UNION ALL
      SELECT 'cursor' FROM _capsule_subscriptions WHERE name = 'skill:demo' UNION ALL
      SELECT 'trigger' FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'orders'`);

  it('refuses a skill that nobody knows', async () => {
    const host = await skillHost();
    await expect(host.skills.uninstall('nobody')).rejects.toMatchObject({ code: 'GC_NO_SUCH_SKILL' });
  });

  it('calls on_uninstall and takes everything of the skill away', async () => {
    const host = await skillHost({ schema: ORDERS });
    await loadSkill(host, 'demo', MAIN, MANIFEST);
    host.run("INSERT INTO orders(note) VALUES ('first')");
    await host.rest();
    expect(host.db.value('SELECT count(*) FROM mine')).toBe(1);
    await host.skills.uninstall('demo');
    await host.rest();
    expect(host.skills.list()).toEqual([]);
    expect(host.db.value("SELECT note FROM orders WHERE note LIKE 'farewell%'")).toBe('farewell 1');
    expect(host.db.value("SELECT count(*) FROM sqlite_schema WHERE name = 'mine'")).toBe(0);
    expect(traces(host)).toEqual([]);
  });

  it('installs anew when the skill comes again', async () => {
    const host = await skillHost({ schema: ORDERS });
    await loadSkill(host, 'demo', MAIN, MANIFEST);
    await host.skills.uninstall('demo');
    expect(await loadSkill(host, 'demo', MAIN, MANIFEST)).toMatchObject({ state: 'active', reasons: [] });
    expect(host.db.value('SELECT count(*) FROM mine')).toBe(0);
  });

  it('works for a broken skill, and for one whose folder is gone', async () => {
    const host = await skillHost({ schema: ORDERS });
    await loadSkill(host, 'demo', `${MAIN} function on_uninstall() error("never") end`, MANIFEST);
    await host.skills.uninstall('demo');
    expect(traces(host)).toEqual([]);
    await loadSkill(host, 'demo', MAIN, MANIFEST);
    await host.skills.unload('demo');
    expect(host.db.value("SELECT count(*) FROM sqlite_schema WHERE name = 'mine'")).toBe(1);
    await host.skills.uninstall('demo');
    expect(traces(host)).toEqual([]);
    expect(host.db.value("SELECT count(*) FROM sqlite_schema WHERE name = 'mine'")).toBe(0);
  });

  it('keeps the data when asked to', async () => {
    const host = await skillHost({ schema: ORDERS });
    await loadSkill(host, 'demo', MAIN, MANIFEST);
    await host.skills.uninstall('demo', { keepData: true });
    expect(host.skills.list()).toEqual([]);
    expect(host.db.value("SELECT count(*) FROM sqlite_schema WHERE name = 'mine'")).toBe(1);
    expect(host.db.value("SELECT version FROM _skills WHERE id = 'demo'")).toBe('1.0.0');
    await host.skills.load(writeSkill(host.dir, 'demo', MAIN, MANIFEST));
    expect(host.skills.get('demo')).toMatchObject({ state: 'active', reasons: [] });
  });
});
