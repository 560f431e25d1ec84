/** `before_*` and `validate_*`: a skill's say in what hosts and other skills write. */
import { describe, expect, it } from 'vitest';
import { loadSkill, may, ORDERS, skillHost } from './60-skills-support.ts';
import type { SkillHost } from './60-skills-support.ts';
import { tempFile, thrownBy } from './support.ts';

const HOOKS = { permissions: { database: { read: ['orders'], write: ['orders', 'notes'] }, hooks: ['orders'] } };
const SCHEMA = `${ORDERS}; CREATE TABLE notes(id INTEGER PRIMARY KEY, text)`;

async function hooked(main: string, options: Record<string, unknown> = {}): Promise<SkillHost> {
  const host = await skillHost({ schema: SCHEMA, ...options });
  const report = await loadSkill(host, 'users', main, HOOKS);
  expect(report).toMatchObject({ state: 'active' });
  return host;
}

const insert = (host: SkillHost, data: Record<string, unknown>, table = 'orders') =>
  host.db.exclusive(() => host.db.rows.insert(table, data));
const update = (host: SkillHost, id: unknown, data: Record<string, unknown>) =>
  host.db.exclusive(() => host.db.rows.update('orders', id, data));
const remove = (host: SkillHost, id: unknown) => host.db.exclusive(() => host.db.rows.delete('orders', id));
const rows = (host: SkillHost) => host.db.all('SELECT * FROM orders');

describe('before_insert', () => {
  it('changes the row, and keeps values that Lua has no form for', async () => {
    const host = await hooked(`function before_insert(t, data)
      data.status = data.status:lower() data.note = nil data.total = (data.total or 0) + 1 return data end`);
    const date = new Date('2026-01-02T03:04:05Z');
    await insert(host, { status: 'NEW', note: 'secret', data: Buffer.from([0, 255]), meta: { a: [1] }, total: null });
    await insert(host, { status: 'X', meta: date, data: Buffer.from('text') });
    expect(rows(host)).toMatchObject([
      { status: 'new', note: null, data: Buffer.from([0, 255]), meta: '{"a":[1]}', total: 1 },
      { status: 'x', meta: date.toISOString(), data: Buffer.from('text') },
    ]);
    expect(host.db.value('SELECT typeof(data) FROM orders WHERE id = 2')).toBe('blob');
  });

  it('leaves the row as it is when it returns nothing, and fails when it returns nonsense', async () => {
    const quiet = await hooked('function before_insert(t, data) data.status = "lost" end');
    await insert(quiet, { status: 'a' });
    expect(rows(quiet)).toMatchObject([{ status: 'a' }]);
    const wrong = await hooked('function before_insert(t, data) return "a text" end');
    await expect(insert(wrong, { status: 'a' })).rejects.toMatchObject({
      code: 'GC_REFUSED',
      message: expect.stringContaining('a row is needed'),
    });
  });
});

describe('validate_insert and its kin', () => {
  it('refuse by error(), with skill, file and line; or by returning false and why', async () => {
    const host = await hooked(`
      function validate_insert(t, data) if not data.status then error("Status missing") end return true end
      function validate_update(t, id, data) if data.total and data.total < 0 then return false, "negative total for " .. id end end
      function before_delete(t, id) if id == 1 then return false end end`);
    const error = await thrownBy(() => insert(host, { total: 1 }));
    expect(error).toMatchObject({ code: 'GC_REFUSED', skill: 'users', phase: 'validate_insert' });
    expect(error.message).toMatch(
      /The insert into "orders" was refused: skill users, validate_insert: main\.lua:2: Status missing/,
    );
    await insert(host, { status: 'a' });
    expect((await thrownBy(() => update(host, 1, { total: -1 }))).message).toBe(
      'The update of "orders" was refused: skill users: negative total for 1',
    );
    expect(await update(host, 1, { total: 1 })).toBe(1);
    await expect(remove(host, 1)).rejects.toMatchObject({ code: 'GC_REFUSED', phase: 'before_delete' });
    expect(await remove(host, 2)).toBe(0);
  });

  it('run for every row of a condition', async () => {
    const host = await hooked('function before_update(t, id, data) data.note = "row " .. id return data end');
    host.run("INSERT INTO orders(status) VALUES ('a'), ('a'), ('b')");
    await host.db.exclusive(() => host.db.rows.updateWhere('orders', 'status = ?', ['a'], { total: 1 }));
    expect(rows(host)).toMatchObject([
      { note: 'row 1', total: 1 },
      { note: 'row 2', total: 1 },
      { note: null, total: null },
    ]);
  });

  it('do not run for other tables, raw SQL, or without permission', async () => {
    const host = await hooked('function validate_insert() error("never") end');
    await insert(host, { text: 'fine' }, 'notes');
    host.run("INSERT INTO orders(status) VALUES ('raw')");
    const other = await skillHost({ schema: SCHEMA });
    await loadSkill(other, 'users', 'function validate_insert() error("never") end', may('orders'));
    await insert(other, { status: 'x' });
    expect(rows(host)).toHaveLength(1);
    expect(rows(other)).toHaveLength(1);
  });

  it('run for what other skills write, and not for what the hook itself writes', async () => {
    const host = await hooked(`function before_insert(t, data)
        if data.note ~= "copy" then glyphcase.insert("orders", { status = data.status, note = "copy" }) end
        data.total = 7 return data end`);
    await loadSkill(
      host,
      'writer',
      'function f() return glyphcase.insert("orders", { status = "by skill" }) end',
      may('orders'),
    );
    await host.skills.call('writer', 'f');
    expect(rows(host)).toMatchObject([
      { status: 'by skill', note: 'copy', total: null },
      { status: 'by skill', note: null, total: 7 },
    ]);
  });

  it('take back what they wrote when they refuse', async () => {
    const host = await hooked(
      `function validate_insert(t, data) glyphcase.insert("notes", { text = "tried" }) return false, "no" end`,
    );
    await host.db.exclusive(() => {
      expect(() => host.db.rows.insert('orders', { status: 'x' })).toThrow('no');
    });
    expect(host.db.all('SELECT * FROM notes')).toEqual([]);
  });

  it('run in every host, whoever holds the lease', async () => {
    const file = tempFile();
    const first = await hooked('function validate_insert() error("no") end', { file });
    const second = await skillHost({ file });
    await loadSkill(second, 'users', 'function validate_insert() error("no") end', HOOKS);
    expect([first.lease.held, second.lease.held]).toEqual([true, false]);
    await expect(insert(second, { status: 'x' })).rejects.toMatchObject({ code: 'GC_REFUSED' });
  });
});

describe('a hook that misbehaves', () => {
  it('makes the operation fail, names itself, and works again afterwards', async () => {
    const host = await hooked(
      `function on_activate() started = true end
      function validate_insert(t, data) assert(started) while data.status == "loop" do end end`,
      { lua: { limits: { time: '80ms' } } },
    );
    const error = await thrownBy(() => insert(host, { status: 'loop' }));
    expect(error).toMatchObject({ code: 'GC_LUA_TIME', skill: 'users', phase: 'validate_insert' });
    expect(error.message).toMatch(/main\.lua:2/);
    await insert(host, { status: 'fine' });
    expect(rows(host)).toMatchObject([{ status: 'fine' }]);
  });

  it('is taken out of service when it blocks every write', async () => {
    const host = await hooked('function validate_insert() while true do end end', {
      lua: { limits: { time: '30ms' } },
    });
    for (let attempt = 0; attempt < 5; attempt += 1)
      await expect(insert(host, { status: 'x' })).rejects.toMatchObject({ code: 'GC_LUA_TIME' });
    await host.rest();
    expect(host.skills.get('users')?.state).toBe('quarantined');
    await insert(host, { status: 'x' });
  });

  it('does not commit half of a bulk insert', async () => {
    const host = await hooked('function validate_insert(t, data) return data.total ~= 3, "three" end');
    const list = [1, 2, 3, 4].map((total) => ({ total }));
    await expect(host.db.exclusive(() => host.db.rows.insertMany('orders', list))).rejects.toThrow('three');
    expect(rows(host)).toEqual([]);
  });
});
