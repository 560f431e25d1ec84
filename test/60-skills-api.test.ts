/** The Lua API: `glyphcase.*`, `log`, and what crosses the border. */
import { describe, expect, it } from 'vitest';
import { loadSkill, may, ORDERS, skillHost } from './60-skills-support.ts';
import type { SkillHost } from './60-skills-support.ts';
import { thrownBy } from './support.ts';

/** Runs the body of a function in a skill that may use `orders`. */
async function lua(body: string, more: Record<string, unknown> = {}): Promise<{ host: SkillHost; result: unknown }> {
  const host = await skillHost({ schema: ORDERS });
  const report = await loadSkill(host, 'demo', `function f(...) ${body} end`, { ...may('orders'), ...more });
  if (report.error !== undefined) throw report.error;
  return { host, result: await host.skills.call('demo', 'f') };
}

const failing = (body: string): Promise<Error & { code?: string }> => thrownBy(() => lua(body));

describe('queries', () => {
  const SEED = `glyphcase.insertMultiple("orders", { { status = "a", total = 1.5 }, { status = "b" }, { status = "c", note = json.null } })`;

  it('return plain tables, with params as a table or as the remaining arguments', async () => {
    const { result } = await lua(`${SEED}
      local all = glyphcase.query("SELECT id, status FROM orders ORDER BY id DESC;")
      local names = {}
      for key in pairs(all[1]) do names[#names + 1] = key end
      return { all, #names,
        glyphcase.query("SELECT id FROM orders WHERE status IN (?, ?)", {"a", "b"}),
        glyphcase.query("SELECT id FROM orders WHERE status = ?", "c"),
        glyphcase.query("SELECT id FROM orders WHERE status = :s", { s = "b" }),
        glyphcase.queryScalar("SELECT status FROM orders WHERE id = ?2 AND 1 = ?1", 1, 3) }`);
    expect(result).toEqual([
      [
        { id: 3, status: 'c' },
        { id: 2, status: 'b' },
        { id: 1, status: 'a' },
      ],
      2,
      [{ id: 1 }, { id: 2 }],
      [{ id: 3 }],
      [{ id: 2 }],
      'c',
    ]);
  });

  it('know NULL as nil, also where there is no row', async () => {
    const { result } = await lua(`${SEED}
      local row = glyphcase.queryOne("SELECT id, note FROM orders WHERE id = 3")
      return { row.note == nil, glyphcase.queryOne("SELECT 1 WHERE 0") == nil, glyphcase.queryScalar("SELECT NULL") == nil,
        #glyphcase.query("SELECT 1 WHERE 0", nil), glyphcase.queryScalar("SELECT count(*) FROM orders WHERE note IS ?", nil) }`);
    expect(result).toEqual([true, true, true, 0, 3]);
  });

  it('keep integers, large ones too, blobs, and columns of the same name', async () => {
    const { result } = await lua(`
      local id = glyphcase.insert("orders", { id = 9007199254740993, data = blob("\\0\\255x") })
      local row = glyphcase.queryOne("SELECT id, data FROM orders")
      return { tostring(id), math.type(row.id), #row.data, row.data == "\\0\\255x", glyphcase.query("SELECT 1 AS a, 2 AS a")[1].a }`);
    expect(result).toEqual(['9007199254740993', 'integer', 3, true, 2]);
  });

  it('give JSON columns as text, or as tables when the manifest says so', async () => {
    const body = `glyphcase.insert("orders", { meta = { tags = { "x" } } })
      return { glyphcase.queryScalar("SELECT meta FROM orders"), glyphcase.query("SELECT meta FROM orders")[1].meta }`;
    expect((await lua(body)).result).toEqual(['{"tags":["x"]}', '{"tags":["x"]}']);
    expect((await lua(body, { json: 'table' })).result).toEqual([{ tags: ['x'] }, { tags: ['x'] }]);
  });

  it('refuse to write, and to return more than 10,000 rows', async () => {
    expect(await failing(`glyphcase.query("DELETE FROM orders")`)).toMatchObject({ code: 'GC_WRITE_IN_QUERY' });
    expect(await failing(`glyphcase.query("UPDATE orders SET total = 1 RETURNING id")`)).toMatchObject({
      code: 'GC_WRITE_IN_QUERY',
    });
    const many = (n: number) =>
      `return #glyphcase.query("SELECT a.value FROM json_each(?) a, json_each(?) b", "[" .. ("1,"):rep(${n} - 1) .. "1]", "[1,2]")`;
    expect((await lua(many(5000))).result).toBe(10_000);
    expect((await failing(many(5001))).message).toMatch(
      /main\.lua:1: glyphcase\.query: the result has more than 10000 rows/,
    );
  });

  it('keep the order that the query asks for', async () => {
    const { result } = await lua(`for i = 1, 50 do glyphcase.insert("orders", { total = (i * 37) % 50 }) end
      local last, sorted = -1, true
      for _, row in ipairs(glyphcase.query("SELECT total FROM orders ORDER BY total LIMIT 40")) do
        if row.total < last then sorted = false end
        last = row.total
      end
      return sorted`);
    expect(result).toBe(true);
  });

  it('see a column that was added in between', async () => {
    const { result } = await lua(
      `glyphcase.execute("CREATE TABLE mine(a)") glyphcase.insert("mine", { a = 1 })
       local one = glyphcase.query("SELECT * FROM mine")[1]
       glyphcase.execute("ALTER TABLE mine ADD COLUMN b DEFAULT 2")
       return { one, glyphcase.query("SELECT * FROM mine")[1] }`,
    );
    expect(result).toEqual([{ a: 1 }, { a: 1, b: 2 }]);
  });
});

describe('writes', () => {
  it('go by table and key, or by condition', async () => {
    const { host, result } = await lua(`
      local id = glyphcase.insert("orders", { status = "new", total = 10 })
      glyphcase.insertMultiple("orders", { { status = "old" }, { status = "old", total = 1 } })
      return { id, glyphcase.update("orders", id, { note = "x" }), glyphcase.update("orders", 99, { note = "x" }),
        glyphcase.updateWhere("orders", "status = ?", { "old" }, { total = 5 }),
        glyphcase.updateWhere("orders", "WHERE status = :s", { s = "new" }, { total = 6 }),
        glyphcase.delete("orders", 2), glyphcase.deleteWhere("orders", "status = ?", "old"), glyphcase.deleteWhere("orders", "status = ?", { "old" }),
        glyphcase.execute("UPDATE orders SET note = ? WHERE id = ?", "y", id).changes }`);
    expect(result).toEqual([1, 1, 0, 2, 1, 1, 1, 0, 1]);
    expect(host.db.all('SELECT id, status, total, note FROM orders')).toEqual([
      { id: 1, status: 'new', total: 6, note: 'y' },
    ]);
  });

  it('are written as source lua', async () => {
    const { host } = await lua(`glyphcase.insert("orders", { status = "x" })`, { watches: ['orders'] });
    const collected = host.collect(host.capsule.watch('orders'));
    await host.skills.call('demo', 'f');
    await host.rest();
    expect(collected.events.map((event) => event.source)).toEqual(['lua']);
  });

  it.each([
    ['glyphcase.insert()', 'glyphcase.insert: the table must be a text, not nil'],
    ['glyphcase.insert("orders", 5)', 'the row must be a table of column values, not a number'],
    ['glyphcase.insert("orders", { "a" })', 'the row must be a table of column values, not a list'],
    ['glyphcase.insert("ordrs", {})', 'There is no table "ordrs"'],
    ['glyphcase.insert("orders", { statsu = 1 })', 'has no column "statsu"'],
    ['glyphcase.insertMultiple("orders", "x")', 'a list of rows is needed, not a string'],
    ['glyphcase.update("orders", nil, { total = 1 })', 'the key of the row is nil'],
    ['glyphcase.updateWhere("orders", "", {}, {})', 'the condition must be a text'],
    ['glyphcase.query({})', 'glyphcase.query: the SQL must be a text'],
    ['glyphcase.query("SELEC 1")', 'SELEC'],
    ['glyphcase.execute("SELECT 1; SELECT 2", 1)', 'a script of several statements takes no parameters'],
    ['glyphcase.transaction(5)', 'glyphcase.transaction: a function is needed, not a number'],
    ['glyphcase.watch("orders", "x")', 'glyphcase.watch: a function is needed'],
    ['glyphcase.watch("SELECT nope FROM orders", function() end)', 'no such column: nope'],
    ['glyphcase.dispatch()', 'the action must be a text'],
  ])('complain of %s with file and line', async (body, message) => {
    const error = await failing(body);
    expect(error.message).toMatch(/skill demo, f: main\.lua:1: /);
    expect(error.message).toContain(message);
  });
});

describe('glyphcase.transaction', () => {
  it('undoes what its function did when it fails, and raises the very same error', async () => {
    const { host, result } = await lua(`
      glyphcase.insert("orders", { status = "kept" })
      local problem = { code = 7 }
      local ok, caught = pcall(glyphcase.transaction, function()
        glyphcase.insert("orders", { status = "gone" })
        glyphcase.transaction(function() glyphcase.insert("orders", { status = "gone too" }) end)
        error(problem)
      end)
      local a, b = glyphcase.transaction(function() glyphcase.insert("orders", { status = "inner" }) return 1, nil end)
      return { ok, caught == problem, a, b == nil }`);
    expect(result).toEqual([false, true, 1, true]);
    expect(host.db.all('SELECT status FROM orders')).toEqual([{ status: 'kept' }, { status: 'inner' }]);
  });

  it('undoes the inner part only, when the outer one goes on', async () => {
    const { host } = await lua(`glyphcase.transaction(function()
        glyphcase.insert("orders", { status = "outer" })
        pcall(glyphcase.transaction, function() glyphcase.insert("orders", { status = "inner" }) error("x") end)
      end)`);
    expect(host.db.all('SELECT status FROM orders')).toEqual([{ status: 'outer' }]);
  });

  it('gives up ownership of a table whose making was undone', async () => {
    const error = await failing(`
      pcall(glyphcase.transaction, function() glyphcase.execute("CREATE TABLE mine(a)") error("x") end)
      glyphcase.insert("mine", { a = 1 })`);
    expect(error).toMatchObject({ code: 'GC_NO_SUCH_TABLE' });
  });
});

describe('glyphcase.dispatch', () => {
  const manifest = { permissions: { database: { write: ['orders'] }, actions: { dispatch: ['order:*'] } } };

  it('is sent after the commit, in order, and not at all when the transaction fails', async () => {
    const host = await skillHost({ schema: ORDERS });
    const seen: unknown[] = [];
    host.actions.on('order:*', (payload, action) => seen.push([action, payload, host.db.sqlite.inTransaction]));
    await loadSkill(
      host,
      'demo',
      `function f(fail)
        glyphcase.dispatch("order:a", { id = 1 })
        pcall(glyphcase.transaction, function() glyphcase.dispatch("order:undone") error("x") end)
        glyphcase.dispatch("order:b")
        if fail then error("all of it") end
      end`,
      manifest,
    );
    await expect(host.skills.call('demo', 'f', true)).rejects.toThrow('all of it');
    await host.rest();
    expect(seen).toEqual([]);
    await host.skills.call('demo', 'f', false);
    expect(seen).toEqual([
      ['order:a', { id: 1 }, false],
      ['order:b', undefined, false],
    ]);
  });
});

describe('glyphcase.dispatch inside a transaction of the host', () => {
  it('waits for that commit, and is dropped with the part that fails', async () => {
    const host = await skillHost({ schema: ORDERS });
    const seen: unknown[] = [];
    host.actions.on('*', (_payload, action) => seen.push(action));
    const main = `function validate_insert(t, data) glyphcase.dispatch("hook") if data.status == "bad" then error("no") end end`;
    await loadSkill(host, 'demo', main, { permissions: { actions: { dispatch: ['*'] }, hooks: ['orders'] } });
    await host.db.transaction(async () => {
      await host.skills.execute('glyphcase.dispatch("kept")');
      await expect(host.skills.execute('glyphcase.dispatch("dropped") error("no")')).rejects.toThrow('no');
      expect(() => host.db.rows.insert('orders', { status: 'bad' })).toThrow('no');
      host.db.rows.insert('orders', { status: 'good' });
      await host.rest().catch(() => undefined);
      expect(seen).toEqual([]);
    });
    await host.rest();
    expect(seen).toEqual(['kept', 'hook']);
  });
});

describe('glyphcase.watch', () => {
  it('is live: one call per batch, from the commit that made it, until unwatch', async () => {
    const host = await skillHost({ schema: ORDERS });
    await loadSkill(
      host,
      'demo',
      `
      function on_activate()
        glyphcase.insert("orders", { status = "before" })
        id = glyphcase.watch("orders", function(events) print("all", #events, events[1].operation, events[1].new_data.status) end)
        glyphcase.watch("orders", "status = ?", { "vip" }, function(events) print("vip", events[1].change, events[1].row_id) end)
      end
      function stop() return glyphcase.unwatch(id), glyphcase.unwatch(id) end
      function stop_all() glyphcase.unwatch_all() end`,
      may('orders'),
    );
    host.run("INSERT INTO orders(status) VALUES ('a'), ('vip')");
    await host.rest();
    expect(host.logged().sort()).toEqual(['all\t2\tINSERT\ta', 'vip\tenter\t3']);
    expect(await host.skills.call('demo', 'stop')).toBe(true);
    host.run("UPDATE orders SET status = 'b' WHERE id = 3");
    await host.rest();
    expect(host.logged()).toHaveLength(3);
    await host.skills.call('demo', 'stop_all');
    expect(host.capsule.stats()).toMatchObject({ watchers: 0, subscriptions: [] });
  });

  it('needs permission to read, and a right filter, at once', async () => {
    expect(await failing(`glyphcase.watch("_capsule_log", function() end)`)).toMatchObject({ code: 'GC_PERMISSION' });
    expect(await failing(`glyphcase.watch("orders", "statsu = 1", function() end)`)).toMatchObject({
      code: expect.stringMatching(/GC_(BAD_FILTER|NO_SUCH_COLUMN)/),
    });
  });

  it('logs what its function throws, and goes on', async () => {
    const host = await skillHost({ schema: ORDERS });
    await loadSkill(
      host,
      'demo',
      `function on_activate() glyphcase.watch("orders", function(events)
        glyphcase.insert("orders", { id = 100 }) if events[1].row_id == 1 then error("first") end end) end`,
      may('orders'),
    );
    host.run('INSERT INTO orders(id) VALUES (1)');
    await host.rest();
    expect(host.logged().join()).toMatch(/The watch on orders failed: .*main\.lua:2: first/);
    expect(host.db.value('SELECT count(*) FROM orders')).toBe(1);
    host.run('INSERT INTO orders(id) VALUES (2)');
    await host.flush();
    expect(host.db.value('SELECT count(*) FROM orders')).toBe(3);
  });
});

describe('the rest', () => {
  it('has config with defaults, its own id, and require of its own files as they were', async () => {
    const host = await skillHost({ skills: { configs: { demo: { rate: 3 } } } });
    const config = {
      type: 'object',
      properties: { currency: { type: 'string', default: 'EUR' }, rate: { type: 'number' } },
    };
    const report = await loadSkill(
      host,
      'demo',
      'function f() return { glyphcase.config, glyphcase.skill, os.execute == nil, io == nil } end',
      { config },
    );
    expect(report.state).toBe('active');
    expect(await host.skills.call('demo', 'f')).toEqual([{ currency: 'EUR', rate: 3 }, 'demo', true, true]);
  });
});
