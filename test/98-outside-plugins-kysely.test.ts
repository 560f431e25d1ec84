/** The outside plugin `kysely` in a host on a file: values, errors, schema changes, transactions, other programs' changes. */
import { sql } from 'kysely';
import type { Generated, Kysely } from 'kysely';
import { CamelCasePlugin } from 'kysely';
import { Migrator } from 'kysely/migration';
import { describe, expect, test } from 'vitest';
import kyselyPlugin from '../examples/plugins/kysely/index.ts';
import type { KyselyService } from '../examples/plugins/kysely/index.ts';
import { GlyphCase } from '../sdk/index.ts';
import { definePlugin } from '../sdk/plugin.ts';
import { afterTest, sqlite3, tempFile, until } from './support.ts';

interface Tables {
  items: {
    id: Generated<number | bigint>;
    name: string | null;
    data: Uint8Array | null;
    at: string | null;
    tags: string | null;
  };
}

const ITEMS = 'CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT UNIQUE, data BLOB, at TEXT, tags JSON)';

interface Opened {
  readonly host: GlyphCase;
  readonly file: string;
  readonly service: KyselyService<Tables>;
  readonly db: Kysely<Tables>;
}

/** A host with the plugin, and what another plugin is given by it. */
async function open(): Promise<Opened> {
  const file = tempFile();
  let service: KyselyService<Tables> | undefined;
  const user = definePlugin({
    name: 'user',
    version: '1.0.0',
    requires: { kysely: '^1.0.0' },
    activate: (ctx) => void (service = ctx.use<KyselyService<Tables>>('kysely')),
  });
  const host = new GlyphCase(file, { plugins: [kyselyPlugin, user], capsule: { batchInterval: 0 } });
  afterTest(() => host.close());
  await host.execute(ITEMS);
  return { host, file, service: service!, db: service!.db };
}

describe('values', () => {
  test('integers beyond 2^53, BLOBs, dates and JSON go in and come out as they are', async () => {
    const { db } = await open();
    const id = 2n ** 60n + 1n;
    const inserted = await db
      .insertInto('items')
      .values({ id, name: 'big', data: new Uint8Array([0, 255, 7]), tags: JSON.stringify(['a']) })
      .executeTakeFirstOrThrow();
    expect(inserted.insertId).toBe(id);
    const row = await db.selectFrom('items').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
    expect(row).toMatchObject({ id, name: 'big', tags: '["a"]' });
    expect([...(row.data ?? [])]).toEqual([0, 255, 7]);
    const at = new Date('2026-01-02T03:04:05.678Z');
    const updated = await db
      .updateTable('items')
      .set({ at: sql`${at}` })
      .returning(['id', 'at'])
      .execute();
    expect(updated).toEqual([{ id, at: at.toISOString() }]);
    expect((await sql<{ t: string }>`SELECT typeof(${3}) AS t`.execute(db)).rows).toEqual([{ t: 'integer' }]);
  });

  test('plugins of Kysely work, and what they give has the host’s transactions too', async () => {
    const { host, db } = await open();
    await host.execute('CREATE TABLE line_items (id INTEGER PRIMARY KEY, unit_price INTEGER)');
    const camel = db
      .withPlugin(new CamelCasePlugin())
      .$extendTables<{ lineItems: { id: Generated<number>; unitPrice: number } }>();
    await camel.transaction().execute(async (trx) => {
      await trx.insertInto('lineItems').values({ unitPrice: 5 }).execute();
      await host.insert('line_items', { unit_price: 6 });
    });
    expect(await camel.selectFrom('lineItems').select('unitPrice').execute()).toEqual([
      { unitPrice: 5 },
      { unitPrice: 6 },
    ]);
  });
});

describe('errors', () => {
  test('are those of the host', async () => {
    const { db, host } = await open();
    const code = (query: Promise<unknown>): Promise<unknown> =>
      query.then(
        () => 'no error',
        (error: unknown) => (error as { code: string }).code,
      );
    await db.insertInto('items').values({ name: 'one' }).execute();
    expect(await code(db.insertInto('items').values({ name: 'one' }).execute())).toBe('GC_CONSTRAINT');
    expect(await code(sql`SELECT * FROM itms`.execute(db))).toBe('GC_NO_SUCH_TABLE');
    expect(await code(sql`SELECT nme FROM items`.execute(db))).toBe('GC_NO_SUCH_COLUMN');
    expect(await code(sql`SELEC 1`.execute(db))).toBe('GC_SQL');
    expect(await code(sql`SELECT ${new Date(NaN)}`.execute(db))).toBe('GC_BAD_VALUE');
    expect(await code(sql`BEGIN`.execute(db))).toBe('GC_TRANSACTION');
    await host.close();
    expect(await code(db.selectFrom('items').selectAll().execute())).toMatch(/GC_SCOPE_CLOSED|GC_CLOSED/);
  });

  test('what the connection cannot do is refused with a way out', async () => {
    const { db } = await open();
    const stream = async (): Promise<void> => {
      for await (const _ of db.selectFrom('items').selectAll().stream()) break;
    };
    await expect(stream()).rejects.toMatchObject({ code: 'GC_NOT_SUPPORTED', hint: expect.stringContaining('pages') });
    expect(() => db.startTransaction()).toThrow(expect.objectContaining({ code: 'GC_NOT_SUPPORTED' }));
    await expect(db.destroy()).rejects.toMatchObject({ code: 'GC_NOT_SUPPORTED' });
    const settings = db
      .transaction()
      .setIsolationLevel('read committed')
      .execute(async () => 1);
    await expect(settings).rejects.toMatchObject({ code: 'GC_NOT_SUPPORTED' });
    // The instance answers after each refusal.
    expect(await db.selectFrom('items').selectAll().execute()).toEqual([]);
  });
});

describe('the schema', () => {
  test('changes through Kysely keep watched tables logged with their new columns', async () => {
    const { host, db } = await open();
    const seen: unknown[] = [];
    host.subscribe(host.watch('items'), (events) => void seen.push(...events.map((event) => event.newData)));
    await db.schema.alterTable('items').addColumn('note', 'text').execute();
    // A column that triggers name can be dropped only when they step aside.
    await db.schema.alterTable('items').dropColumn('at').execute();
    await sql`INSERT INTO items (name, note) VALUES ('n', 'kept')`.execute(db);
    await host.flush();
    expect(seen).toEqual([{ id: 1, name: 'n', data: null, tags: null, note: 'kept' }]);
    const tables = await db.introspection.getTables();
    expect(tables.find(({ name }) => name === 'items')?.columns.map(({ name }) => name)).toContain('note');
    await sql`PRAGMA user_version = 7`.execute(db);
    expect((await sql`PRAGMA user_version`.execute(db)).rows).toEqual([{ user_version: 7 }]);
  });

  test('a migration that fails leaves nothing', async () => {
    const { host, db } = await open();
    const migration = (table: string, fails: boolean) => ({
      async up(trx: Kysely<unknown>): Promise<void> {
        await trx.schema.createTable(table).addColumn('id', 'integer').execute();
        if (fails) throw new Error('half way');
      },
    });
    const migrate = (fails: boolean) =>
      new Migrator({
        db,
        provider: { getMigrations: async () => ({ '1': migration('first', false), '2': migration('second', fails) }) },
      }).migrateToLatest();
    expect((await migrate(true)).error).toMatchObject({ message: 'half way' });
    const tables = "SELECT name FROM sqlite_schema WHERE name IN ('first', 'second') ORDER BY name";
    expect(await host.query(tables)).toEqual([]);
    expect((await migrate(false)).error).toBeUndefined();
    expect(await host.query(tables)).toEqual([{ name: 'first' }, { name: 'second' }]);
  });
});

describe('transactions', () => {
  const names = async (db: Kysely<Tables>): Promise<unknown[]> =>
    (await db.selectFrom('items').select('name').orderBy('id').execute()).map(({ name }) => name);

  test('one inside another is a savepoint, of the host’s transactions too', async () => {
    const { host, db } = await open();
    await host.transaction(async () => {
      await db.insertInto('items').values({ name: 'outer' }).execute();
      const inner = db.transaction().execute(async (trx) => {
        await trx.insertInto('items').values({ name: 'inner' }).execute();
        throw new Error('undone');
      });
      await expect(inner).rejects.toThrow('undone');
    });
    expect(await names(db)).toEqual(['outer']);
  });

  test('two at once wait for each other, and readers see neither before it has committed', async () => {
    const { db } = await open();
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const first = db.transaction().execute(async (trx) => {
      await trx.insertInto('items').values({ name: 'first' }).execute();
      await held;
    });
    const second = db.transaction().execute((trx) => trx.insertInto('items').values({ name: 'second' }).execute());
    const single = db.insertInto('items').values({ name: 'third' }).execute();
    expect(await names(db)).toEqual([]);
    release();
    await Promise.all([first, second, single]);
    expect(await names(db)).toEqual(['first', 'second', 'third']);
  });

  test('subscribers see one batch of each, attributed to the host', async () => {
    const { host, db } = await open();
    const batches: string[][] = [];
    host.subscribe(
      host.watch('items'),
      (events) => void batches.push(events.map(({ source, newData }) => `${source} ${String(newData?.['name'])}`)),
    );
    await db.transaction().execute(async (trx) => {
      await trx.insertInto('items').values({ name: 'a' }).execute();
      await trx.insertInto('items').values({ name: 'b' }).execute();
    });
    await host.flush();
    expect(batches).toEqual([['host a', 'host b']]);
  });
});

describe('watched queries', () => {
  test('see what another program commits', async () => {
    const { file, service, db } = await open();
    const seen: (readonly unknown[])[] = [];
    const query = db
      .selectFrom('items')
      .select(({ fn }) => fn.countAll<number>().as('n'))
      .where('name', 'like', 'x%');
    service.watch(query, (rows) => void seen.push(rows));
    await until(() => seen.length === 1);
    sqlite3(file, "INSERT INTO items (name) VALUES ('x1'), ('x2'), ('y')");
    await until(() => seen.length === 2);
    expect(seen).toEqual([[{ n: 0 }], [{ n: 2 }]]);
  });

  test('give the rows that the query itself gives, JSON included', async () => {
    const { host, service, db } = await open();
    await db.insertInto('items').values({ name: 'x', tags: '["a", 1]' }).execute();
    const query = db.selectFrom('items').select(['id', 'tags']);
    using watched = service.watch(query, () => undefined);
    await host.flush();
    expect(watched.rows()).toEqual(await query.execute());
  });

  test('end with their signal, with the plugin, and refuse what cannot be watched', async () => {
    const { host, service, db } = await open();
    const stop = new AbortController();
    let calls = 0;
    service.watch(db.selectFrom('items').selectAll(), () => (calls += 1), { signal: stop.signal, initial: false });
    stop.abort();
    const watched = service.watch(db.selectFrom('items').selectAll(), () => (calls += 1), { initial: false });
    expect(host.plugins.get('kysely')?.owns.owned.filter((label) => label.startsWith('watch '))).toHaveLength(1);
    expect(() => service.watch(db.deleteFrom('items'), () => undefined)).toThrow(
      expect.objectContaining({ code: 'GC_WRITE_IN_QUERY' }),
    );
    await host.plugins.unload('kysely');
    await host.insert('items', { name: 'later' });
    await host.flush();
    expect(calls).toBe(0);
    expect(() => watched.rows()).toThrow(expect.objectContaining({ code: 'GC_NO_SUCH_WATCHER' }));
    await expect(db.selectFrom('items').selectAll().execute()).rejects.toMatchObject({ code: 'GC_SCOPE_CLOSED' });
  });
});
