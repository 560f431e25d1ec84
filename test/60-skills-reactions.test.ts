/** `on_data_changed`: exactly once, through failures, kills, restarts and other programs. */
import { describe, expect, it } from 'vitest';
import { loadSkill, may, ORDERS, skillHost, writeSkill } from './60-skills-support.ts';
import type { SkillHost } from './60-skills-support.ts';
import { sqlite3, tempDir, tempFile } from './support.ts';

const SCHEMA = `${ORDERS}; CREATE TABLE seen(n INTEGER PRIMARY KEY, seq INTEGER, what TEXT)`;
const RECORD = 'glyphcase.insert("seen", { seq = e.seq, what = op .. " " .. t .. " " .. row.id })';
const MANIFEST = { watches: ['orders'], ...may('orders', 'seen') };

const seen = (host: SkillHost): unknown[] => host.db.all('SELECT what FROM seen ORDER BY n').map((row) => row['what']);
const reaction = (body: string): string => `function on_data_changed(t, op, row, e) ${body} end`;

describe('on_data_changed', () => {
  it('gets the new row, on DELETE the old one, and the event', async () => {
    const host = await skillHost({ schema: SCHEMA });
    const main =
      reaction(`${RECORD} print(json.encode({ e.operation, e.table_name, e.row_id, e.new_data and e.new_data.status or "-",
      e.old_data and e.old_data.status or "-", e.changed_columns or "-", e.source, e.timestamp > 1700000000, #e.transaction_id > 0, e.change or "-" }))`);
    await loadSkill(host, 'demo', main, MANIFEST);
    host.run("INSERT INTO orders(id, status) VALUES (1, 'a')");
    host.run("UPDATE orders SET status = 'b'");
    host.run('DELETE FROM orders');
    await host.rest();
    expect(seen(host)).toEqual(['INSERT orders 1', 'UPDATE orders 1', 'DELETE orders 1']);
    expect(host.logged().map((line) => JSON.parse(line) as unknown)).toEqual([
      ['INSERT', 'orders', 1, 'a', '-', '-', 'host', true, true, '-'],
      ['UPDATE', 'orders', 1, 'b', 'a', ['status'], 'host', true, true, '-'],
      ['DELETE', 'orders', 1, '-', 'b', '-', 'host', true, true, '-'],
    ]);
  });

  it('sees only what a filter lets through, and JSON columns as text', async () => {
    const host = await skillHost({ schema: SCHEMA });
    const main = reaction(`${RECORD} print(e.change, type(row.meta), row.meta)`);
    await loadSkill(host, 'demo', main, { ...MANIFEST, watches: [{ table: 'orders', filter: "status = 'vip'" }] });
    host.run(`INSERT INTO orders(id, status, meta) VALUES (1, 'x', null), (2, 'vip', '{"a":1}')`);
    await host.rest();
    expect(seen(host)).toEqual(['INSERT orders 2']);
    expect(host.logged()).toEqual(['enter\tstring\t{"a":1}']);
  });

  it('reacts to other programs', async () => {
    const host = await skillHost({ schema: SCHEMA });
    await loadSkill(host, 'demo', reaction(RECORD), MANIFEST);
    sqlite3(host.file, 'INSERT INTO orders(id) VALUES (5), (6)');
    await host.rest();
    expect(seen(host)).toEqual(['INSERT orders 5', 'INSERT orders 6']);
  });

  it('handles a transaction of 10,000 rows once each, in order', async () => {
    const host = await skillHost({ schema: SCHEMA });
    await loadSkill(
      host,
      'demo',
      reaction('if op == "INSERT" then glyphcase.update("orders", row.id, { total = row.id }) end'),
      MANIFEST,
    );
    host.run(
      'WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 10000) INSERT INTO orders(id) SELECT x FROM n',
    );
    await host.rest();
    expect(host.db.get('SELECT count(*) AS n, sum(total = id) AS right FROM orders')).toEqual({
      n: 10_000,
      right: 10_000,
    });
    expect(host.skills.get('demo')).toMatchObject({ reactions: 20_000, failures: 0 });
  });

  it('fails as a whole: nothing it wrote or dispatched stays; then it is tried again', async () => {
    const host = await skillHost({ schema: SCHEMA });
    const sent: unknown[] = [];
    host.actions.on('*', (payload) => sent.push(payload));
    let broken = true;
    host.skills.registerFunction('is_broken', () => broken);
    await loadSkill(
      host,
      'demo',
      reaction(`${RECORD} glyphcase.dispatch("a", row.id) if row.id == 2 and is_broken() then error("on purpose") end`),
      {
        ...MANIFEST,
        permissions: { ...MANIFEST.permissions, functions: ['is_broken'], actions: { dispatch: ['*'] } },
      },
    );
    host.run('INSERT INTO orders(id) VALUES (1), (2)');
    await host.rest();
    expect([seen(host), sent]).toEqual([[], []]);
    const report = host.skills.get('demo');
    expect(report).toMatchObject({ state: 'active', failures: 1 });
    expect(report?.error?.message).toMatch(/^skill demo, on_data_changed: main\.lua:1: on purpose/);
    expect(host.skills.why('demo').join()).toContain('is tried again');
    broken = false;
    await host.clock.advance(1000);
    await host.rest();
    expect([seen(host), sent]).toEqual([
      ['INSERT orders 1', 'INSERT orders 2'],
      [1, 2],
    ]);
    expect(host.skills.get('demo')).toMatchObject({ failures: 0, reasons: [] });
    expect(host.skills.get('demo')?.error).toBeUndefined();
  });

  it('is quarantined after five failures in a row, with its cursor, until it is enabled', async () => {
    const host = await skillHost({ schema: SCHEMA });
    let broken = true;
    host.skills.registerFunction('is_broken', () => broken);
    const manifest = { ...MANIFEST, permissions: { ...MANIFEST.permissions, functions: ['is_broken'] } };
    await loadSkill(
      host,
      'demo',
      `function on_deactivate() print("bye") end ${reaction(`${RECORD} if is_broken() then error("no") end`)}`,
      manifest,
    );
    host.run('INSERT INTO orders(id) VALUES (1)');
    await host.rest();
    for (const pause of [1000, 2000, 4000, 8000]) {
      expect(host.skills.get('demo')?.state).toBe('active');
      await host.clock.advance(pause - 1);
      const before = host.skills.get('demo')?.failures;
      await host.clock.advance(1);
      expect(host.skills.get('demo')?.failures).toBe(Number(before) + 1);
    }
    await host.rest();
    expect(host.skills.get('demo')).toMatchObject({ state: 'quarantined' });
    expect(host.skills.why('demo').join(' ')).toMatch(
      /failed 5 times in a row: .*main\.lua:1: no.*glyphcase skill enable demo/s,
    );
    expect(host.logged()).toContain('bye');
    host.run('INSERT INTO orders(id) VALUES (2)');
    broken = false;
    await host.clock.advance(60_000);
    await host.rest();
    expect(seen(host)).toEqual([]);
    expect(await host.skills.enable('demo')).toMatchObject({ state: 'active' });
    await host.rest();
    expect(seen(host)).toEqual(['INSERT orders 1', 'INSERT orders 2']);
  });

  it('leaves quarantine by a changed file, and not by a restart', async () => {
    const file = tempFile();
    const dir = tempDir();
    const first = await skillHost({ file, dir, schema: SCHEMA });
    await loadSkill(first, 'demo', reaction('error("no")'), MANIFEST);
    first.run('INSERT INTO orders(id) VALUES (1)');
    await first.rest();
    await first.clock.advance(20_000);
    await first.rest();
    expect(first.skills.get('demo')?.state).toBe('quarantined');
    await first.close();
    const second = await skillHost({ file, dir });
    expect(second.skills.get('demo')?.state).toBe('quarantined');
    expect(second.skills.why('demo').join()).toContain('main.lua:1: no');
    writeSkill(dir, 'demo', reaction(RECORD), MANIFEST);
    await second.skills.load(`${dir}/demo`);
    await second.rest();
    expect(seen(second)).toEqual(['INSERT orders 1']);
  });

  it('has more time for a large transaction, which is handed over whole', async () => {
    const host = await skillHost({ schema: SCHEMA, lua: { limits: { time: '400ms' } } });
    // 0.025 ms an event: more than the limit in all, and a quarter of what a large transaction gets.
    const main = `count = 0 function counted() return count end
      function on_data_changed()
        count = count + 1
        local till = os.clock() + 0.000025
        while os.clock() < till do end
      end`;
    await loadSkill(host, 'demo', main, MANIFEST);
    host.run(
      'WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 20000) INSERT INTO orders(id) SELECT i FROM n',
    );
    await host.rest();
    expect(host.skills.get('demo')?.error).toBeUndefined();
    expect(await host.skills.call('demo', 'counted')).toBe(20_000);
  });

  it('starts anew after a kill, with what on_activate sets up', async () => {
    const host = await skillHost({ schema: SCHEMA, lua: { limits: { time: '100ms' } } });
    let loop = true;
    host.skills.registerFunction('must_loop', () => loop);
    const main = `function on_activate() ready = true print("activate") end
      ${reaction(`assert(ready) ${RECORD} while must_loop() do end`)}`;
    await loadSkill(host, 'demo', main, {
      ...MANIFEST,
      permissions: { ...MANIFEST.permissions, functions: ['must_loop'] },
    });
    host.run('INSERT INTO orders(id) VALUES (1)');
    await host.rest();
    expect(host.skills.get('demo')?.error).toMatchObject({
      code: 'GC_LUA_TIME',
      skill: 'demo',
      phase: 'on_data_changed',
    });
    expect(seen(host)).toEqual([]);
    loop = false;
    await host.clock.advance(1000);
    await host.rest();
    expect(seen(host)).toEqual(['INSERT orders 1']);
    expect(host.logged().filter((line) => line === 'activate')).toHaveLength(2);
  });

  it('is failed, and tried again, when it cannot be started anew after a kill', async () => {
    const host = await skillHost({ schema: SCHEMA, lua: { limits: { time: '100ms' } } });
    let [mayStart, loop] = [true, true];
    host.skills.registerFunction('may_start', () => mayStart);
    host.skills.registerFunction('must_loop', () => loop);
    const main = `function on_activate() assert(may_start(), "not now") glyphcase.watch("orders", function(e)
      while must_loop() do end for i = 1, #e do glyphcase.insert("seen", { what = "watched " .. e[i].row_id }) end end) end`;
    const functions = ['may_start', 'must_loop'];
    await loadSkill(host, 'demo', main, { permissions: { ...MANIFEST.permissions, functions } });
    mayStart = false;
    host.run('INSERT INTO orders(id) VALUES (1)');
    await host.rest();
    expect(host.skills.get('demo')).toMatchObject({ state: 'failed' });
    expect(host.skills.why('demo').join()).toContain('not now');
    [mayStart, loop] = [true, false];
    await host.clock.advance(1000);
    await host.rest();
    expect(host.skills.get('demo')).toMatchObject({ state: 'active' });
    host.run('INSERT INTO orders(id) VALUES (2)');
    await host.rest();
    expect(seen(host)).toEqual(['watched 2']);
  });

  it('is stopped when reactions trigger each other without end', async () => {
    const host = await skillHost({ schema: SCHEMA });
    await loadSkill(host, 'ping', reaction('glyphcase.insert("orders", { status = "x" })'), MANIFEST);
    host.run('INSERT INTO orders(id) VALUES (1)');
    await host.rest();
    expect(host.skills.get('ping')).toMatchObject({ state: 'quarantined' });
    expect(host.skills.get('ping')?.error).toMatchObject({ code: 'GC_CASCADE' });
    expect(host.db.value('SELECT count(*) FROM orders')).toBeLessThan(200);
  });

  it('keeps events for a skill that is away, and gives them once when it is back', async () => {
    const file = tempFile();
    const dir = tempDir();
    writeSkill(dir, 'demo', reaction(RECORD), MANIFEST);
    const first = await skillHost({ file, dir, schema: SCHEMA });
    first.run('INSERT INTO orders(id) VALUES (1)');
    await first.rest();
    await first.close();
    sqlite3(file, 'INSERT INTO orders(id) VALUES (2)');
    const second = await skillHost({ file, dir });
    await second.rest();
    expect(seen(second)).toEqual(['INSERT orders 1', 'INSERT orders 2']);
  });

  it('does not run before it is installed, nor for what happened earlier', async () => {
    const host = await skillHost({ schema: SCHEMA });
    host.run('INSERT INTO orders(id) VALUES (1)');
    await host.flush();
    await loadSkill(host, 'demo', reaction(RECORD), MANIFEST);
    host.run('INSERT INTO orders(id) VALUES (2)');
    await host.rest();
    expect(seen(host)).toEqual(['INSERT orders 2']);
  });

  it('works in memory too', async () => {
    const host = await skillHost({ file: ':memory:', schema: SCHEMA });
    await loadSkill(host, 'demo', reaction(RECORD), MANIFEST);
    host.run('INSERT INTO orders(id) VALUES (1)');
    await host.rest();
    expect(seen(host)).toEqual(['INSERT orders 1']);
  });
});

describe('two hosts on one file', () => {
  it('react once between them, and the other goes on when the first leaves', async () => {
    const file = tempFile();
    const dir = tempDir();
    writeSkill(dir, 'demo', reaction(RECORD), MANIFEST);
    const first = await skillHost({ file, dir, schema: SCHEMA });
    const second = await skillHost({ file, dir });
    expect([first.lease.held, second.lease.held]).toEqual([true, false]);
    first.run('INSERT INTO orders(id) VALUES (1)');
    second.run('INSERT INTO orders(id) VALUES (2)');
    // The one without the lease looks first, and leaves it to the other.
    await second.rest();
    await first.rest();
    expect(seen(second)).toHaveLength(2);
    expect([first, second].map((host) => host.skills.get('demo')?.reactions)).toEqual([2, 0]);
    second.run('INSERT INTO orders(id) VALUES (3)');
    await first.close();
    await second.clock.advance(100);
    await second.rest();
    expect(second.lease.held).toBe(true);
    second.run('INSERT INTO orders(id) VALUES (4)');
    await second.rest();
    expect(seen(second).sort()).toEqual([1, 2, 3, 4].map((id) => `INSERT orders ${id}`));
  });
});
