/**
 * Every Lua listing of GlyphCase's specification, sections 3.4, 5, 7.1 and 10, runs as it stands there.
 *
 * The listings lie verbatim in fixtures/spec-lua, by section. Each becomes a file of a skill that may do what it asks for (or a
 * script of the operator), among the tables, variables and functions that it takes for granted.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import cryptoPlugin from '../plugins/crypto/index.ts';
import schedulerPlugin from '../plugins/scheduler/index.ts';
import type { PluginDefinition } from '../kernel/plugins/types.ts';
import { skillHost, writeSkill } from './60-skills-support.ts';
import type { SkillHost } from './60-skills-support.ts';
import { wallClock } from './62-scheduler-support.ts';
import { settle } from './support.ts';

const folder = join(import.meta.dirname, 'fixtures/spec-lua');
const listings = readdirSync(folder).map((file) => file.replace(/\.lua$/, ''));
const listing = (name: string): string => {
  used.add(name);
  return readFileSync(join(folder, `${name}.lua`), 'utf8');
};
const used = new Set<string>();

const SCHEMA = `
  CREATE TABLE users(id INTEGER PRIMARY KEY, email TEXT, name TEXT, status TEXT, slug TEXT, password_hash TEXT, updated_at INTEGER);
  INSERT INTO users(id, email, name, status) VALUES (1, 'root@example.com', 'Root', 'active'), (2, 'old@example.com', 'Old', 'inactive'),
    (3, 'gone@example.com', 'Gone', 'deleted');
  CREATE TABLE user_profiles(id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL, bio TEXT);
  CREATE TABLE orders(id INTEGER PRIMARY KEY, user_id INTEGER, status TEXT, total REAL);
  CREATE TABLE order_items(id INTEGER PRIMARY KEY, order_id INTEGER, price REAL, quantity INTEGER);
  CREATE TABLE tasks(id INTEGER PRIMARY KEY, user_id INTEGER, status TEXT);
  CREATE TABLE settings(key TEXT PRIMARY KEY, value TEXT, created_at INTEGER);
  CREATE TABLE items(id INTEGER PRIMARY KEY, value INTEGER);`;

const TABLES = ['users', 'user_profiles', 'orders', 'order_items', 'tasks', 'settings', 'items'];
const INTERNAL = ['_capsule_watchers', '_capsule_events', 'sqlite_master'];

interface Setting {
  /** Before the listing. */
  readonly prelude?: string;
  readonly manifest?: Readonly<Record<string, unknown>>;
  /** Functions of the host that the listing calls; what they are given is remembered. */
  readonly functions?: readonly string[];
}

interface Running extends SkillHost {
  readonly calls: (readonly [string, ...unknown[]])[];
  readonly dispatched: (readonly [string, unknown])[];
  call(fn: string, ...args: readonly unknown[]): Promise<unknown>;
}

async function open(): Promise<Running> {
  const host = await skillHost({ schema: SCHEMA, clock: wallClock(Date.now()) });
  const definitions = [schedulerPlugin, cryptoPlugin] as unknown as readonly PluginDefinition[];
  const reports = host.kernel.plugins.loadAll(definitions.map((definition) => ({ definition, config: {} })));
  for (const { error } of reports) if (error !== undefined) throw error;
  const actions: (readonly [string, unknown])[] = [];
  host.actions.on('*', (payload: unknown, action: string) => void actions.push([action, payload]));
  return { ...host, calls: [], dispatched: actions, call: (fn, ...args) => host.skills.call('spec', fn, ...args) };
}

/** A skill whose script is the listing. */
async function asSkill(name: string, setting: Setting = {}): Promise<Running> {
  const host = await open();
  await load(host, `${setting.prelude ?? ''}\nrequire("listing")`, name, setting);
  return host;
}

/** A skill that runs the listing when `run` is called, again each time. */
async function asFunction(name: string, setting: Setting = {}): Promise<Running> {
  const host = await open();
  await load(host, `${setting.prelude ?? ''}\nfunction run() require("listing") end`, name, setting);
  return host;
}

async function load(host: Running, main: string, name: string, setting: Setting): Promise<void> {
  const { functions = [], manifest = {} } = setting;
  for (const fn of functions) host.skills.registerFunction(fn, (...args) => void host.calls.push([fn, ...args]));
  const database = { read: [...TABLES, ...INTERNAL], write: TABLES };
  const permissions = { database, actions: { dispatch: ['*'] }, functions, schedule: true, hooks: ['users'] };
  const files = { 'listing.lua': listing(name) };
  const report = await host.skills.load(writeSkill(host.dir, 'spec', main, { permissions, ...manifest }, files));
  expect(report).toMatchObject({ state: 'active', reasons: [] });
}

describe('3.4 Subscription model', () => {
  it('on_data_changed dispatches to the frontend', async () => {
    const host = await asSkill('3.4-on-data-changed', { manifest: { watches: ['users'] } });
    await host.db.exclusive(() => host.db.rows.insert('users', { id: 9, name: 'Nine' }));
    await host.rest();
    expect(host.logged()).toContain('User 9 was INSERT');
    expect(host.dispatched).toEqual([
      ['user:changed', { userId: 9, operation: 'INSERT', data: { id: 9, name: 'Nine' } }],
    ]);
  });
});

describe('5.1 Lua API', () => {
  it('query, queryOne, queryScalar', async () => {
    const host = await asFunction('5.1-query');
    await host.call('run');
    expect(host.logged()).toEqual(['User: Root', 'Found: Root', 'Total users: 3']);
  });

  it('insert and insertMultiple', async () => {
    const host = await asFunction('5.1-insert');
    await host.call('run');
    expect(host.logged()).toEqual(['Created user: 4']);
    expect(host.db.all('SELECT id, email, name, status FROM users WHERE id > 3')).toEqual([
      { id: 4, email: 'alice@example.com', name: 'Alice', status: 'active' },
      { id: 5, email: 'bob@example.com', name: 'Bob', status: null },
      { id: 6, email: 'charlie@example.com', name: 'Charlie', status: null },
    ]);
  });

  it('update and updateWhere', async () => {
    const host = await asFunction('5.1-update');
    await host.call('run');
    const now = Math.floor(host.clock.now() / 1000);
    expect(host.db.all('SELECT id, name, status, updated_at FROM users')).toEqual([
      { id: 1, name: 'Alice Updated', status: 'inactive', updated_at: now },
      { id: 2, name: 'Old', status: 'inactive', updated_at: now },
      { id: 3, name: 'Gone', status: 'deleted', updated_at: null },
    ]);
  });

  it('delete and deleteWhere', async () => {
    const host = await asFunction('5.1-delete');
    await host.call('run');
    expect(host.db.all('SELECT id FROM users')).toEqual([{ id: 2 }]);
  });

  it('transaction keeps all or nothing', async () => {
    const host = await asFunction('5.1-transaction');
    await host.call('run');
    expect(host.db.all('SELECT u.name, p.bio FROM users u JOIN user_profiles p ON p.user_id = u.id')).toEqual([
      { name: 'Test User', bio: 'Initial bio' },
    ]);
    const failing = await asFunction('5.1-transaction', { prelude: 'function try() return pcall(run) end' });
    failing.db.sqlite.exec('DROP TABLE user_profiles');
    expect(await failing.call('try')).toBe(false);
    expect(failing.db.value('SELECT count(*) FROM users')).toBe(3);
  });

  it('watch, a table and a filter', async () => {
    const host = await asSkill('5.1-watch', { functions: ['send_email'] });
    const write = async (sql: string) => {
      host.db.write(() => host.db.exec(sql));
      await host.rest();
    };
    await write("INSERT INTO users(email, name, status) VALUES ('new@example.com', 'New', 'premium')");
    await write("DELETE FROM users WHERE email = 'old@example.com'");
    expect(host.calls).toEqual([['send_email', 'new@example.com', 'Welcome!']]);
    expect(host.logged().sort()).toEqual([
      'Deleted user: old@example.com',
      'New user: new@example.com',
      'Premium users changed: 1 events',
    ]);
  });

  it('dispatch', async () => {
    const host = await asFunction('5.1-dispatch', { prelude: 'user_id = 7\nemail = "seven@example.com"' });
    await host.call('run');
    await settle();
    const timestamp = Math.floor(host.clock.now() / 1000);
    expect(host.dispatched).toEqual([['user:created', { userId: 7, email: 'seven@example.com', timestamp }]]);
  });
});

describe('5.2 Lifecycle hooks', () => {
  it('on_data_changed keeps totals and notifies', async () => {
    const host = await asSkill('5.2-on-data-changed', {
      functions: ['send_shipment_notification'],
      manifest: { watches: ['orders'] },
    });
    host.db.write(() =>
      host.db.exec(`INSERT INTO orders(id, user_id, status) VALUES (1, 2, 'open');
        INSERT INTO order_items(order_id, price, quantity) VALUES (1, 2.5, 2), (1, 1, 3)`),
    );
    await host.rest();
    expect(host.logged()).toContain('New order: 1');
    expect(host.db.value('SELECT total FROM orders')).toBe(8);
    expect(host.dispatched).toEqual([['order:created', { orderId: 1, userId: 2, total: 8 }]]);
    host.db.write(() => host.db.exec("UPDATE orders SET status = 'shipped'"));
    await host.rest();
    expect(host.calls).toEqual([['send_shipment_notification', { id: 1, user_id: 2, status: 'shipped', total: 8 }]]);
  });

  it('on_install runs once', async () => {
    const host = await asSkill('5.2-on-install');
    await host.skills.reload('spec');
    expect(host.logged()).toEqual(['Installing skill...', 'Skill installed successfully']);
    expect(host.db.all('SELECT key, value, created_at FROM settings')).toEqual([
      { key: 'skill_installed', value: 'true', created_at: Math.floor(host.clock.now() / 1000) },
    ]);
    expect(host.db.all('SELECT * FROM skill_data')).toEqual([]);
    expect(host.db.all('SELECT name, skill FROM _skill_tables')).toEqual([{ name: 'skill_data', skill: 'spec' }]);
  });

  const HANDLERS = `function handle_user_changes(events) print("handled " .. #events) end
    function sync_external_data() print("synced") end`;

  it('on_activate starts watchers and schedules tasks', async () => {
    const host = await asSkill('5.2-on-activate', { prelude: HANDLERS });
    expect(host.logged()).toEqual(['Activating skill...', 'Skill activated']);
    host.db.write(() => host.db.exec("UPDATE users SET name = 'x' WHERE id = 1"));
    await host.rest();
    expect(host.logged()).toContain('handled 1');
    await host.clock.advance(3_600_000);
    await host.rest();
    expect(host.logged()).toContain('synced');
  });

  it('on_deactivate stops them', async () => {
    const host = await open();
    const [activate, deactivate] = [listing('5.2-on-activate'), listing('5.2-on-deactivate')];
    const permissions = { database: { read: TABLES, write: TABLES }, schedule: true };
    const main = `${HANDLERS}\nrequire("activate")\nrequire("deactivate")`;
    await host.skills.load(
      writeSkill(host.dir, 'spec', main, { permissions }, { 'activate.lua': activate, 'deactivate.lua': deactivate }),
    );
    await host.skills.disable('spec');
    expect(host.logged().slice(-2)).toEqual(['Deactivating skill...', 'Skill deactivated']);
    host.db.write(() => host.db.exec("UPDATE users SET name = 'x' WHERE id = 1"));
    await host.clock.advance(3_600_000);
    await host.rest();
    expect(host.logged().filter((line) => /handled|synced/.test(line))).toEqual([]);
  });
});

describe('5.3 Advanced Lua features', () => {
  const insert = (host: Running, row: Record<string, unknown>) =>
    host.db.exclusive(() => host.db.rows.insert('users', row));

  it('before_insert hashes the password and makes a slug', async () => {
    const host = await asSkill('5.3-data-transformation');
    await insert(host, { id: 10, name: 'Ada King Lovelace', password: 'secret' });
    const row = host.db.get('SELECT slug, password_hash FROM users WHERE id = 10');
    expect(row).toMatchObject({
      slug: 'ada-king-lovelace',
      password_hash: expect.stringMatching(/^\$2[aby]\$\d\d\$.{53}$/),
    });
  });

  it('validate_insert refuses', async () => {
    const host = await asSkill('5.3-validation');
    await insert(host, { email: 'a@b', name: 'Ann' });
    await expect(insert(host, { email: 'nonsense', name: 'Ann' })).rejects.toThrow('Invalid email');
    await expect(insert(host, { email: 'a@b', name: 'A' })).rejects.toThrow('Name too short');
    expect(host.db.value('SELECT count(*) FROM users')).toBe(4);
  });

  it('get_user_stats joins and counts', async () => {
    const host = await asSkill('5.3-complex-queries');
    host.db.write(() =>
      host.db
        .exec(`INSERT INTO tasks(user_id, status) VALUES (1, 'completed'), (1, 'completed'), (1, 'open'), (2, 'completed');
        INSERT INTO orders(user_id, total) VALUES (1, 10)`),
    );
    expect(await host.call('get_user_stats', 1)).toEqual({
      id: 1,
      name: 'Root',
      task_count: 2,
      order_count: 1,
      lifetime_value: 20,
    });
  });
});

describe('7.1 Query performance', () => {
  it('a batch of inserts in one transaction', async () => {
    const host = await asFunction('7.1-batch-operations');
    await host.call('run');
    expect(host.db.get('SELECT count(*) AS n, sum(value) AS s FROM items')).toEqual({ n: 1000, s: 500_500 });
  });
});

describe('10 Troubleshooting', () => {
  /** By the operator, and by a skill that names the internal tables. */
  const both = async (name: string, prepare: (host: Running) => Promise<void>): Promise<readonly string[][]> => {
    const operator = await open();
    await prepare(operator);
    await operator.skills.execute(listing(name));
    const skill = await asFunction(name);
    await prepare(skill);
    await skill.call('run');
    return [operator.logged(), skill.logged()];
  };
  const watched = async (host: Running): Promise<void> => {
    host.capsule.watch('users');
    host.db.write(() => host.db.exec("UPDATE users SET name = 'x' WHERE id = 1"));
    await host.flush();
  };

  it('10.1 tells watchers and triggers', async () => {
    for (const lines of await both('10.1-watchers-not-triggering', watched)) {
      expect(lines).toEqual(['Active watchers: 1', expect.stringMatching(/^Triggers: [1-9]/)]);
    }
  });

  it('10.1 counts what is pending', async () => {
    for (const lines of await both('10.1-slow-event-processing', watched)) expect(lines).toEqual(['Pending events: 0']);
    const host = await open();
    host.capsule.subscribe(host.capsule.watch('users'), () => undefined, { name: 'slow' });
    host.db.write(() => host.db.exec("UPDATE users SET name = 'x' WHERE id = 1"));
    await host.skills.execute(listing('10.1-slow-event-processing'));
    expect(host.logged()).toEqual(['Pending events: 1']);
  });

  it('10.1 removes old events and gives the space back', async () => {
    const host = await open();
    await watched(host);
    host.db.write(() => host.db.exec("UPDATE _capsule_transactions SET completed_at = datetime('now', '-8 days')"));
    for (let index = 0; index < 50; index += 1) {
      host.db.write(() => host.db.exec(`UPDATE users SET slug = printf('%.*c', 4000, 'x') || ${index}`));
    }
    host.db.write(() => host.db.exec('UPDATE users SET slug = NULL'));
    await host.flush();
    const count = () =>
      host.db.value("SELECT count(*) FROM _capsule_events WHERE timestamp < datetime('now', '-7 days')");
    expect(count()).toBe(1);
    await host.skills.execute(listing('10.1-database-size-growing'));
    expect(count()).toBe(0);
    expect(host.db.value('SELECT count(*) FROM _capsule_events')).toBeGreaterThan(100);
    expect(host.db.sqlite.pragma('freelist_count', { simple: true })).toBe(0);
  });

  it('10.2 lists watchers and recent events', async () => {
    for (const lines of await both('10.2-inspect-database-state', watched)) {
      expect(lines).toEqual([
        expect.stringMatching(/^Watcher: \S+ -> users$/),
        expect.stringMatching(/^UPDATE on users at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/),
      ]);
    }
  });
});

it('no listing is left out', () => {
  expect(listings.filter((name) => !used.has(name))).toEqual([]);
  expect(listings).toHaveLength(20);
});
