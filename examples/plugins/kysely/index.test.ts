/** The plugin `kysely`, as its author tests it: the contract, and what the README says of it. */
import { createTestHost, runPluginContract } from 'glyphcase/testing';
import type { TestHost } from 'glyphcase/testing';
import { sql } from 'kysely';
import type { Generated } from 'kysely';
import { expect, expectTypeOf, test } from 'vitest';
import plugin from './index.ts';
import type { KyselyService } from './index.ts';

interface Tables {
  orders: { id: Generated<number>; customer: string; total: number; paid: Generated<number> };
}

const schema = `CREATE TABLE IF NOT EXISTS orders (
  id INTEGER PRIMARY KEY, customer TEXT NOT NULL, total INTEGER CHECK (total >= 0), paid INTEGER DEFAULT 0)`;

const service = (host: TestHost): KyselyService<Tables> => host.use<KyselyService<Tables>>('kysely');

test('keeps the contract of plugins', async () => {
  const report = await runPluginContract(plugin, {
    schema,
    rounds: 5,
    exercise: async (host) => {
      const { db, watch } = service(host);
      watch(db.selectFrom('orders').selectAll(), () => undefined);
      await db.insertInto('orders').values({ customer: 'Ann', total: 1 }).execute();
    },
  });
  expect(report.ok).toBe(true);
});

test('queries are typed, and answer as those of Kysely do', async () => {
  await using host = await createTestHost({ schema, plugins: [plugin] });
  const { db } = service(host);
  const inserted = await db
    .insertInto('orders')
    .values([
      { customer: 'Ann', total: 12 },
      { customer: 'Ben', total: 30 },
    ])
    .executeTakeFirstOrThrow();
  expect(inserted).toMatchObject({ insertId: 2n, numInsertedOrUpdatedRows: 2n });

  const rows = await db.selectFrom('orders').select(['id', 'customer']).orderBy('id').execute();
  expectTypeOf(rows).toEqualTypeOf<{ id: number; customer: string }[]>();
  expect(rows).toEqual([
    { id: 1, customer: 'Ann' },
    { id: 2, customer: 'Ben' },
  ]);

  const updated = await db.updateTable('orders').set({ paid: 1 }).where('total', '>', 20).returning('id').execute();
  expect(updated).toEqual([{ id: 2 }]);
  const { numDeletedRows } = await db.deleteFrom('orders').where('id', '=', 1).executeTakeFirstOrThrow();
  expect(numDeletedRows).toBe(1n);
  expect((await sql<{ n: number }>`SELECT count(*) AS n FROM orders WHERE total > ${5}`.execute(db)).rows).toEqual([
    { n: 1 },
  ]);
});

test('a transaction is the host’s: it is undone as a whole, and everything inside belongs to it', async () => {
  await using host = await createTestHost({ schema, plugins: [plugin] });
  const { db } = service(host);
  const attempt = db.transaction().execute(async (trx) => {
    await trx.insertInto('orders').values({ customer: 'Ann', total: 1 }).execute();
    // The shared instance and the host itself are inside too; with a connection of their own they would wait for ever.
    await db.insertInto('orders').values({ customer: 'Ben', total: 2 }).execute();
    await host.db.exclusive(() => host.db.run("INSERT INTO orders (customer, total) VALUES ('Cid', 3)"));
    expect(await trx.selectFrom('orders').select('customer').execute()).toHaveLength(3);
    await trx.insertInto('orders').values({ customer: 'Dora', total: -1 }).execute();
  });
  await expect(attempt).rejects.toMatchObject({ code: 'GC_CONSTRAINT' });
  expect(await db.selectFrom('orders').selectAll().execute()).toEqual([]);
});

test('a watched query is told its rows now and after every change', async () => {
  await using host = await createTestHost({ schema, plugins: [plugin] });
  const { db, watch } = service(host);
  const seen: string[] = [];
  const query = db.selectFrom('orders').select(['customer', 'total']).where('total', '>', 10).orderBy('total');
  const watched = watch(query, (rows, changes) => {
    expectTypeOf(rows).toEqualTypeOf<readonly { customer: string; total: number }[]>();
    seen.push(`${rows.map((row) => row.customer).join()} (${changes.length})`);
  });
  await host.settled();
  await db.insertInto('orders').values({ customer: 'Ann', total: 12 }).execute();
  await host.settled();
  await db.insertInto('orders').values({ customer: 'Ben', total: 2 }).execute();
  await db.insertInto('orders').values({ customer: 'Cid', total: 11 }).execute();
  await host.settled();
  expect(seen).toEqual([' (0)', 'Ann (1)', 'Cid,Ann (1)']);
  expect(watched.rows()).toEqual([
    { customer: 'Cid', total: 11 },
    { customer: 'Ann', total: 12 },
  ]);
  watched.stop();
  host.run("INSERT INTO orders (customer, total) VALUES ('Eve', 99)");
  await host.settled();
  expect(seen).toHaveLength(3);
});
