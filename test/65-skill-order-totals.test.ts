/** The skill order-totals: totals follow the items whoever writes, and each order is announced once. */
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { manifestInReadme, openSkills, skillsFolder } from './65-support.ts';
import type { Json, SkillHost } from './65-support.ts';
import { python, sqlite3, until } from './support.ts';

const SCHEMA = `
  CREATE TABLE orders(id INTEGER PRIMARY KEY, user_id INTEGER, status TEXT DEFAULT 'new', total REAL);
  CREATE TABLE order_items(id INTEGER PRIMARY KEY, order_id INTEGER, price REAL, quantity INTEGER);
  CREATE INDEX order_items_order ON order_items(order_id);
`;
const TRUE_TOTALS = `SELECT o.id, o.total, (SELECT ifnull(sum(price * quantity), 0) FROM order_items WHERE order_id = o.id) AS sum FROM orders o`;

interface Open extends SkillHost {
  readonly actions: [string, unknown][];
  readonly totals: () => Promise<Record<string, number>>;
}

async function open(
  options: { file?: string; dir?: string; schema?: string; skills?: Record<string, Json> } = {},
): Promise<Open> {
  const host = await openSkills({ schema: SCHEMA, skills: { 'order-totals': {} }, ...options });
  const actions: [string, unknown][] = [];
  host.db.onAction('order:*', (payload, action) => actions.push([action, payload]));
  return {
    ...host,
    actions,
    async totals() {
      await host.db.flush();
      host.healthy();
      const rows = await host.rows<{ id: number; total: number }>('SELECT id, total FROM orders ORDER BY id');
      return Object.fromEntries(rows.map(({ id, total }) => [id, total]));
    },
  };
}

describe('order-totals', () => {
  it('waits, saying for what, until its tables are there', async () => {
    const host = await openSkills({ schema: 'CREATE TABLE orders(id INTEGER PRIMARY KEY, user_id, status, total)' });
    const report = await host.db.skills.load(join(skillsFolder({ 'order-totals': {} }), 'order-totals'));
    expect(report.state).toBe('waiting');
    expect(report.reasons.join()).toContain('order_items');
    sqlite3(host.file, 'CREATE TABLE order_items(id INTEGER PRIMARY KEY, order_id, price, quantity)');
    await host.db.flush();
    await until(() => host.db.skills.get('order-totals')?.state === 'active');
    await host.db.insert('orders', { id: 1 });
    await host.db.insert('order_items', { order_id: 1, price: 2, quantity: 2 });
    await host.db.flush();
    expect(await host.scalar('SELECT total FROM orders')).toBe(4);
  });

  it('follows inserts, updates and deletes of items, also when an item moves to another order', async () => {
    const { db, totals } = await open();
    await db.insert('orders', { id: 1, user_id: 7 });
    await db.insert('orders', { id: 2, user_id: 8 });
    expect(await totals()).toEqual({ 1: 0, 2: 0 });
    await db.insertMany('order_items', [
      { id: 1, order_id: 1, price: 2.5, quantity: 4 },
      { id: 2, order_id: 1, price: 1, quantity: 1 },
      { id: 3, order_id: 2, price: 100, quantity: 1 },
    ]);
    expect(await totals()).toEqual({ 1: 11, 2: 100 });
    await db.update('order_items', 2, { quantity: 3 });
    expect(await totals()).toEqual({ 1: 13, 2: 100 });
    await db.update('order_items', 1, { order_id: 2 });
    expect(await totals()).toEqual({ 1: 3, 2: 110 });
    await db.delete('order_items', 3);
    expect(await totals()).toEqual({ 1: 3, 2: 10 });
    await db.execute('DELETE FROM order_items');
    expect(await totals()).toEqual({ 1: 0, 2: 0 });
  });

  it('announces a new order once, with the items of its transaction, and once that it was shipped', async () => {
    const { db, totals, actions } = await open();
    await db.transaction(async () => {
      await db.insert('orders', { id: 5, user_id: 42 });
      await db.insert('order_items', { order_id: 5, price: 3, quantity: 2 });
    });
    expect(await totals()).toEqual({ 5: 6 });
    expect(actions).toEqual([['order:created', { orderId: 5, userId: 42, total: 6 }]]);
    actions.length = 0;
    await db.update('orders', 5, { status: 'shipped' });
    await totals();
    await db.insert('order_items', { order_id: 5, price: 1, quantity: 1 });
    await db.update('orders', 5, { user_id: 43 });
    expect(await totals()).toEqual({ 5: 7 });
    expect(actions).toEqual([['order:shipped', { orderId: 5 }]]);
    await db.update('orders', 5, { status: 'returned' });
    await db.update('orders', 5, { status: 'shipped' });
    await totals();
    expect(actions).toHaveLength(2);
  });

  it('puts right what somebody wrote into a total, and what was wrong before it came; then it is quiet', async () => {
    const { db, totals } = await open({
      schema: `${SCHEMA} INSERT INTO orders(id, total) VALUES (1, 99), (2, NULL); INSERT INTO order_items(order_id, price, quantity) VALUES (1, 5, 5);`,
    });
    expect(await totals()).toEqual({ 1: 25, 2: 0 });
    await db.update('orders', 1, { total: 1 });
    expect(await totals()).toEqual({ 1: 25, 2: 0 });
    const end = db.stats().end;
    await db.flush();
    expect(db.stats().end).toBe(end);
  });

  it('hears of what other programs write, while it runs and while it does not', async () => {
    const first = await open();
    sqlite3(
      first.file,
      'INSERT INTO orders(id, user_id) VALUES (1, 1)',
      'INSERT INTO order_items(order_id, price, quantity) VALUES (1, 2, 3)',
    );
    expect(await first.totals()).toEqual({ 1: 6 });
    await first.db.close();
    sqlite3(
      first.file,
      'INSERT INTO orders(id, user_id) VALUES (2, 9)',
      'UPDATE order_items SET order_id = 2',
      "UPDATE orders SET status = 'shipped' WHERE id = 1",
    );
    const second = await open({ file: first.file, dir: first.dir, schema: '' });
    expect(await second.totals()).toEqual({ 1: 0, 2: 6 });
    await second.db.close();
    const third = await open({ file: first.file, dir: first.dir, schema: '' });
    await third.totals();
    expect(third.actions).toEqual([]);
  });

  it('keeps up with thousands of items from another process, in several transactions', async () => {
    const host = await open();
    python(
      `
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=20)
for part in range(5):
    db.executemany("INSERT INTO orders(id, user_id) VALUES (?, ?)", [(part * 100 + i, i) for i in range(100)])
    db.executemany("INSERT INTO order_items(order_id, price, quantity) VALUES (?, ?, ?)", [(part * 100 + i % 100, i % 7, i % 3) for i in range(1000)])
    db.commit()
`,
      host.file,
    );
    await host.totals();
    const rows = await host.rows<{ total: number; sum: number }>(TRUE_TOTALS);
    expect(rows).toHaveLength(500);
    expect(rows.filter(({ total, sum }) => total !== sum)).toEqual([]);
    expect(host.actions).toHaveLength(500);
  });

  it('takes the tables and columns that its README names', async () => {
    const host = await open({
      skills: { 'order-totals': manifestInReadme('order-totals') },
      schema: `CREATE TABLE invoices(number TEXT PRIMARY KEY, customer, state, sum);
        CREATE TABLE invoice_lines(invoice TEXT, each INTEGER, count INTEGER, PRIMARY KEY (invoice, each)) WITHOUT ROWID;`,
    });
    sqlite3(
      host.file,
      "INSERT INTO invoices VALUES ('A-1', 'Ada', 'new', 0)",
      "INSERT INTO invoice_lines VALUES ('A-1', 3, 4)",
      "UPDATE invoices SET state = 'sent'",
    );
    await host.db.flush();
    host.healthy();
    expect(await host.rows('SELECT * FROM invoices')).toEqual([
      { number: 'A-1', customer: 'Ada', state: 'sent', sum: 12 },
    ]);
    expect(host.actions.map(([action]) => action)).toEqual(['order:created', 'order:shipped']);
  });

  it('copes with names that need quoting', async () => {
    const host = await open({
      skills: {
        'order-totals': {
          watches: ['order', 'it"ems'],
          permissions: {
            database: { read: ['order', 'it"ems'], write: ['order'] },
            actions: { dispatch: ['order:*'] },
          },
          config: {
            type: 'object',
            properties: {
              orders: { default: { table: 'ORDER', id: 'the id', user: 'user', status: 'status', total: 'sum of %' } },
              items: { default: { table: 'it"ems', order: 'group', price: 'p "x"', quantity: '%d' } },
              shipped: { default: 'shipped' },
            },
          },
        },
      },
      schema: `CREATE TABLE "order"("the id" INTEGER PRIMARY KEY, user, status, "sum of %");
        CREATE TABLE "it""ems"("group" INTEGER, "p ""x""", "%d"); INSERT INTO "order"("the id") VALUES (1);`,
    });
    sqlite3(host.file, 'INSERT INTO "it""ems" VALUES (1, 2, 3)');
    await host.db.flush();
    host.healthy();
    expect(await host.scalar('SELECT "sum of %" FROM "order"')).toBe(6);
  });

  it('is right after any sequence of writes', async () => {
    const host = await open();
    const id = fc.integer({ min: 1, max: 4 });
    const write = fc.oneof(
      fc.record({
        sql: fc.constant('INSERT OR REPLACE INTO orders(id, user_id) VALUES (?, ?)'),
        params: fc.tuple(id, id),
      }),
      fc.record({
        sql: fc.constant('INSERT OR REPLACE INTO order_items(id, order_id, price, quantity) VALUES (?, ?, ?, ?)'),
        params: fc.tuple(id, id, id, id),
      }),
      fc.record({
        sql: fc.constant('UPDATE order_items SET order_id = ?, quantity = ? WHERE id = ?'),
        params: fc.tuple(id, id, id),
      }),
      fc.record({ sql: fc.constant('UPDATE order_items SET price = NULL WHERE id = ?'), params: fc.tuple(id) }),
      fc.record({ sql: fc.constant('UPDATE orders SET total = ? WHERE id = ?'), params: fc.tuple(id, id) }),
      fc.record({ sql: fc.constant('DELETE FROM order_items WHERE id = ?'), params: fc.tuple(id) }),
      fc.record({ sql: fc.constant('DELETE FROM orders WHERE id = ?'), params: fc.tuple(id) }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(write, { minLength: 1, maxLength: 5 }), { maxLength: 6 }),
        async (transactions) => {
          for (const writes of transactions) {
            await host.db.transaction(async () => {
              for (const { sql, params } of writes) await host.db.execute(sql, params);
            });
          }
          await host.totals();
          const rows = await host.rows<{ total: number; sum: number }>(TRUE_TOTALS);
          expect(rows.filter(({ total, sum }) => total !== sum)).toEqual([]);
        },
      ),
      { numRuns: 30 },
    );
  });
});
