/** From folder to running skill and back: installing, waiting, enabling, stopping. */
import BetterSqlite3 from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import { loadSkill, may, ORDERS, skillHost, writeSkill } from './60-skills-support.ts';
import { sqlite3, tempDir, tempFile, thrownBy } from './support.ts';

const NOTED = `
  function on_install() print("install") end
  function on_activate() print("activate") end
  function on_deactivate() print("deactivate") end
  function on_upgrade(from) print("upgrade from " .. from) end`;

describe('bad arguments', () => {
  it('are refused by name', async () => {
    const host = await skillHost();
    await expect(host.skills.load('')).rejects.toMatchObject({ code: 'GC_BAD_ARGUMENT' });
    await expect(host.skills.load('/nowhere/at/all')).rejects.toThrow(/There is no folder/);
    expect(() => host.skills.why('nope')).toThrow(expect.objectContaining({ code: 'GC_NO_SUCH_SKILL' }));
    await expect(host.skills.unload('nope')).rejects.toMatchObject({ code: 'GC_NO_SUCH_SKILL' });
    await expect(host.skills.call('nope', 'f')).rejects.toMatchObject({ code: 'GC_NO_SUCH_SKILL' });
    expect(host.skills.get('nope')).toBeUndefined();
    await loadSkill(host, 'totals', '');
    expect((await thrownBy(() => host.skills.reload('total'))).hint).toBe('Did you mean "totals"?');
    await expect(host.skills.call('totals', '')).rejects.toMatchObject({ code: 'GC_BAD_ARGUMENT' });
    await expect(host.skills.call('totals', 'f')).rejects.toMatchObject({ code: 'GC_NO_SUCH_FUNCTION' });
  });
});

describe('a skill', () => {
  it('installs once ever, activates at each start, deactivates at each stop', async () => {
    const file = tempFile();
    const dir = tempDir();
    writeSkill(dir, 'demo', NOTED);
    const first = await skillHost({ file, dir });
    expect(first.skills.list()).toMatchObject([{ id: 'demo', state: 'active', reasons: [] }]);
    await first.close();
    expect(first.logged()).toEqual(['install', 'activate', 'deactivate']);
    const second = await skillHost({ file, dir });
    await second.close();
    expect(second.logged()).toEqual(['activate', 'deactivate']);
  });

  it('rolls back an installation that fails, and tries it again', async () => {
    const host = await skillHost({ schema: ORDERS });
    const report = await loadSkill(
      host,
      'demo',
      `function on_install() glyphcase.insert("orders", { status = "seed" }); if not allowed() then error("not yet") end end`,
      { permissions: { database: { write: ['orders'] }, functions: ['allowed'] } },
    );
    expect(report).toMatchObject({
      state: 'waiting',
      reasons: [expect.stringContaining('waiting (function allowed)')],
    });
    let allowed = false;
    host.skills.registerFunction('allowed', () => allowed);
    await host.rest();
    expect(host.skills.get('demo')).toMatchObject({ state: 'failed', failures: 1 });
    expect(host.skills.get('demo')?.error?.message).toMatch(/skill demo, on_install: main\.lua:1: not yet/);
    expect(host.db.all('SELECT * FROM orders')).toEqual([]);
    expect(host.db.value("SELECT installed_at FROM _skills WHERE id = 'demo'")).toBeNull();
    allowed = true;
    await host.clock.advance(1000);
    await host.rest();
    expect(host.skills.get('demo')).toMatchObject({ state: 'active', failures: 0 });
    expect(host.db.all('SELECT status FROM orders')).toEqual([{ status: 'seed' }]);
  });

  it('is installed once its activation has succeeded too, and once only', async () => {
    const host = await skillHost({ schema: ORDERS });
    let allowed = false;
    host.skills.registerFunction('allowed', () => allowed);
    const main = `function on_install() glyphcase.insert("orders", { status = "seed" }) end
      function on_activate() if not allowed() then error("broken") end end`;
    await loadSkill(host, 'demo', main, {
      permissions: { functions: ['allowed'], database: { write: ['orders'] } },
    });
    expect(host.skills.get('demo')?.state).toBe('failed');
    expect(host.db.value('SELECT count(*) FROM orders')).toBe(0);
    allowed = true;
    await host.skills.enable('demo');
    await host.skills.reload('demo');
    expect(host.skills.get('demo')?.state).toBe('active');
    expect(host.db.value('SELECT count(*) FROM orders')).toBe(1);
  });

  it('upgrades in one transaction with its activation', async () => {
    const host = await skillHost({ schema: ORDERS });
    await loadSkill(host, 'demo', NOTED, { version: '1.0.0' });
    const broken = `function on_upgrade() glyphcase.insert("orders", { status = "migrated" }) end function on_activate() error("no") end`;
    writeSkill(host.dir, 'demo', broken, { version: '2.0.0', ...may('orders') });
    const report = await host.skills.reload('demo');
    expect(report).toMatchObject({
      state: 'active',
      version: '1.0.0',
      reasons: [expect.stringContaining('version 1.0.0 goes on')],
    });
    expect(host.db.all('SELECT * FROM orders')).toEqual([]);
    writeSkill(host.dir, 'demo', NOTED, { version: '2.1.0' });
    expect(await host.skills.reload('demo')).toMatchObject({ state: 'active', version: '2.1.0', reasons: [] });
    expect(host.logged()).toContain('upgrade from 1.0.0');
    writeSkill(host.dir, 'demo', NOTED, { version: '2.0.5' });
    await host.skills.reload('demo');
    expect(host.logged().filter((line) => line.startsWith('upgrade'))).toHaveLength(1);
  });

  it('waits for a table until any program creates it, and again when it is dropped', async () => {
    const host = await skillHost();
    const main = 'function on_data_changed(t, op, row) print(op .. row.id) end';
    const report = await loadSkill(host, 'demo', main, { watches: ['orders'], ...may('orders') });
    expect(report.state).toBe('waiting');
    expect(report.reasons[0]).toMatch(/^waiting \(table orders\)/);
    expect(host.skills.why('demo').join(' ')).toContain('is waiting');
    sqlite3(host.file, ORDERS);
    await host.clock.advance(200);
    await host.rest();
    expect(host.skills.get('demo')?.state).toBe('active');
    sqlite3(host.file, 'INSERT INTO orders(id) VALUES (7)');
    await host.rest();
    expect(host.logged()).toEqual(['INSERT7']);
    sqlite3(host.file, 'DROP TABLE orders');
    await host.clock.advance(200);
    await host.rest();
    expect(host.skills.get('demo')?.state).toBe('waiting');
    host.run(ORDERS);
    await host.rest();
    expect(host.skills.get('demo')?.state).toBe('active');
  });

  it('says at once when a table cannot be watched, or a filter is wrong', async () => {
    const host = await skillHost({ schema: `${ORDERS}; CREATE VIEW v AS SELECT * FROM orders` });
    expect(await loadSkill(host, 'a', 'function on_data_changed() end', { watches: ['v'] })).toMatchObject({
      state: 'failed',
    });
    const wrong = { watches: [{ table: 'orders', filter: 'statsu = 1' }] };
    const report = await loadSkill(host, 'b', 'function on_data_changed() end', wrong);
    expect(report.state).toBe('failed');
    expect(report.error?.message).toContain('statsu');
  });

  it('is incompatible when it needs another GlyphCase, and starts nothing', async () => {
    const host = await skillHost();
    const report = await loadSkill(host, 'demo', NOTED, { engines: { glyphcase: '^99.0.0' } });
    expect(report).toMatchObject({
      state: 'incompatible',
      reasons: [expect.stringContaining('it needs GlyphCase ^99.0.0')],
    });
    expect(host.logged()).not.toContain('install');
  });

  it('stays disabled over a restart, until it is enabled', async () => {
    const file = tempFile();
    const dir = tempDir();
    writeSkill(dir, 'demo', NOTED);
    const first = await skillHost({ file, dir });
    expect(await first.skills.disable('demo')).toMatchObject({ state: 'disabled' });
    expect(first.logged()).toEqual(['install', 'activate', 'deactivate']);
    await expect(first.skills.call('demo', 'on_activate')).rejects.toMatchObject({ code: 'GC_SKILL_FAILED' });
    await first.close();
    const second = await skillHost({ file, dir });
    expect(second.skills.get('demo')?.state).toBe('disabled');
    expect(await second.skills.enable('demo')).toMatchObject({ state: 'active' });
    expect(second.logged()).toEqual(['activate']);
  });

  it('unloads, keeps its data, and goes on where it stopped', async () => {
    const host = await skillHost({ schema: ORDERS });
    const main = `function on_install() glyphcase.execute("CREATE TABLE seen(id INTEGER PRIMARY KEY)") end
      function on_data_changed(t, op, row) glyphcase.insert("seen", { id = row.id }) end`;
    await loadSkill(host, 'demo', main, { watches: ['orders'], ...may('orders') });
    host.run('INSERT INTO orders(id) VALUES (1)');
    await host.rest();
    await host.skills.unload('demo');
    expect(host.skills.list()).toEqual([]);
    host.run('INSERT INTO orders(id) VALUES (2)');
    await host.rest();
    expect(host.db.all('SELECT id FROM seen')).toEqual([{ id: 1 }]);
    await loadSkill(host, 'demo', main, { watches: ['orders'], ...may('orders') });
    await host.rest();
    expect(host.db.all('SELECT id FROM seen')).toEqual([{ id: 1 }, { id: 2 }]);
  });

  it('is one per id', async () => {
    const host = await skillHost();
    await loadSkill(host, 'demo', '');
    const other = writeSkill(tempDir(), 'demo', '');
    const error = await thrownBy(() => host.skills.load(other));
    expect(error.message).toContain(other);
    expect(error.message).toContain(host.dir);
  });

  it('leaves nothing behind when it is unloaded', async () => {
    const host = await skillHost({ schema: ORDERS });
    const owned = () => JSON.stringify(host.kernel.plugins.list().map((plugin) => plugin.owns));
    await loadSkill(host, 'demo', '');
    await host.skills.unload('demo');
    const before = owned();
    const watchers = host.capsule.stats().watchers;
    for (let round = 0; round < 5; round += 1) {
      const main = `function on_activate() glyphcase.watch("orders", function() end) end function on_data_changed() end
        function validate_insert() return true end`;
      await loadSkill(host, 'demo', main, {
        watches: ['orders'],
        permissions: { database: { read: ['orders'] }, hooks: ['orders'] },
      });
      expect(host.kernel.hooks.validateInsert.used).toBe(true);
      await host.skills.unload('demo');
    }
    expect(owned()).toBe(before);
    expect(host.kernel.hooks.validateInsert.used).toBe(false);
    expect(host.capsule.stats()).toMatchObject({ watchers, subscriptions: [] });
  });
});

describe('several hosts on one file', () => {
  it('install once between them', async () => {
    const file = tempFile();
    const dir = tempDir();
    writeSkill(dir, 'demo', NOTED);
    const hosts = await Promise.all([skillHost({ file, dir }), skillHost({ file, dir })]);
    const lines = hosts.flatMap((host) => host.logged());
    expect(lines.filter((line) => line === 'install')).toHaveLength(1);
    expect(lines.filter((line) => line === 'activate')).toHaveLength(2);
  });
});

describe('log lines', () => {
  it('are kept in the file for other processes, and bounded', async () => {
    const host = await skillHost();
    await loadSkill(host, 'demo', 'function chat(n) for i = 1, n do print(i) end log.warn("done", { n = n }, nil) end');
    await host.skills.call('demo', 'chat', 900);
    await host.clock.advance(300);
    await host.rest();
    expect(host.db.value('SELECT count(*) FROM _skill_logs')).toBe(500);
    expect(sqlite3(host.file, 'SELECT level, message FROM _skill_logs ORDER BY id DESC LIMIT 1')).toBe(
      'warn|done\t{"n":900}\tnil\n',
    );
    await host.skills.call('demo', 'chat', 5000);
    expect(host.skills.logs('demo').length).toBeLessThanOrEqual(1000);
    expect(host.logged().at(-1)).toContain('left out');
  });
});

describe('what another process writes about skills', () => {
  it('is followed: disabled, enabled again', async () => {
    const host = await skillHost();
    await loadSkill(host, 'demo', '');
    await host.rest();
    const other = new BetterSqlite3(host.file);
    const set = async (enabled: number): Promise<unknown> => {
      other.prepare("UPDATE _skills SET enabled = ? WHERE id = 'demo'").run(enabled);
      await host.clock.advance(200);
      await host.rest();
      return host.skills.get('demo')?.state;
    };
    expect(await set(0)).toBe('disabled');
    expect(await set(1)).toBe('active');
    other.close();
  });
});
