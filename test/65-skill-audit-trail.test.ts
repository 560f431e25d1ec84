/** The skill audit-trail: one row for every change, exactly once, with the values that SQLite holds. */
import { describe, expect, it } from 'vitest';
import { detach, manifestInReadme, openSkills, skillsFolder } from './65-support.ts';
import type { Json, SkillHost } from './65-support.ts';
import { sqlite3, start, until } from './support.ts';

const SCHEMA = `
  CREATE TABLE customers(id INTEGER PRIMARY KEY, name TEXT, note TEXT);
  CREATE TABLE orders(id INTEGER PRIMARY KEY, user_id INTEGER, status TEXT, total REAL);
`;

interface Entry {
  readonly seq: number;
  readonly at: string;
  readonly source: string;
  readonly transaction_id: string;
  readonly operation: string;
  readonly changed_columns?: string[];
  readonly old_values?: Json;
  readonly new_values?: Json;
}

interface Open extends SkillHost {
  history(table: string, rowId: unknown, limit?: number): Promise<Entry[]>;
}

async function open(options: { file?: string; dir?: string; schema?: string; manifest?: Json } = {}): Promise<Open> {
  const { manifest, ...rest } = options;
  const host = await openSkills({ schema: SCHEMA, skills: { 'audit-trail': manifest ?? {} }, ...rest });
  return {
    ...host,
    async history(table, rowId, ...limit) {
      await host.db.flush();
      host.healthy();
      return host.db.skills.call<Entry[]>('audit-trail', 'history', table, rowId, ...limit);
    },
  };
}

const pointedAt = (...tables: string[]): Json => ({
  watches: tables,
  permissions: { database: { read: [...tables, 'audit_trail'], write: ['audit_trail'] } },
});

const COUNTS = `SELECT count(*) AS rows, count(DISTINCT seq) AS seqs FROM audit_trail`;

describe('history', () => {
  it('refuses what is no table and no key', async () => {
    const host = await open();
    await expect(host.history(undefined as never, 1)).rejects.toThrow(/history\(table_name, row_id, limit\)/);
    await expect(host.history('customers', null)).rejects.toMatchObject({ code: 'GC_LUA' });
    expect(await host.history('customers', 99)).toEqual([]);
    expect(await host.history('no such table', 1)).toEqual([]);
  });

  it('tells what happened to a row, newest first', async () => {
    const host = await open();
    await host.db.insert('customers', { id: 1, name: 'Alice', note: null });
    await host.db.insert('customers', { id: 2, name: 'Bob' });
    await host.db.update('customers', 1, { note: 'tea', name: 'Alice' });
    sqlite3(host.file, 'DELETE FROM customers WHERE id = 1');
    const entries = await host.history('customers', 1);
    expect(
      entries.map(({ operation, source, changed_columns, old_values, new_values }) => ({
        operation,
        source,
        changed_columns,
        old_values,
        new_values,
      })),
    ).toEqual([
      { operation: 'DELETE', source: 'external', old_values: { id: 1, name: 'Alice', note: 'tea' } },
      {
        operation: 'UPDATE',
        source: 'host',
        changed_columns: ['note'],
        old_values: { id: 1, name: 'Alice', note: null },
        new_values: { id: 1, name: 'Alice', note: 'tea' },
      },
      { operation: 'INSERT', source: 'host', new_values: { id: 1, name: 'Alice' } },
    ]);
    for (const { at, transaction_id } of entries) {
      expect(at).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
      expect(Math.abs(Date.parse(`${at.replace(' ', 'T')}Z`) - Date.now())).toBeLessThan(60_000);
      expect(transaction_id).toMatch(/^tx-/);
    }
    expect(await host.history('customers', 1, 1)).toHaveLength(1);
    expect(await host.history('customers', 2)).toHaveLength(1);
  });
});

describe('audit_trail', () => {
  it('holds the changes of one transaction under one id, in order', async () => {
    const host = await open();
    await host.db.transaction(async () => {
      await host.db.insert('customers', { id: 1, name: 'a' });
      await host.db.insert('orders', { id: 1, total: 2 });
      await host.db.update('customers', 1, { name: 'b' });
    });
    await host.db.flush();
    const rows = await host.rows(
      'SELECT table_name, row_id, operation, transaction_id, seq FROM audit_trail ORDER BY id',
    );
    expect(rows.map((row) => `${String(row['operation'])} ${String(row['table_name'])}`)).toEqual([
      'INSERT customers',
      'INSERT orders',
      'UPDATE customers',
    ]);
    expect(new Set(rows.map((row) => row['transaction_id'])).size).toBe(1);
    expect(rows.map((row) => row['seq'])).toEqual(rows.map((row) => row['seq']).toSorted());
  });

  it('says nothing of what was rolled back, changed nothing, or lies in tables that it does not watch', async () => {
    const host = await open({ schema: `${SCHEMA} CREATE TABLE other(id INTEGER PRIMARY KEY);` });
    await host.db.insert('customers', { id: 1, name: 'a' });
    await expect(
      host.db.transaction(async () => {
        await host.db.update('customers', 1, { name: 'b' });
        throw new Error('no');
      }),
    ).rejects.toThrow('no');
    await host.db.update('customers', 1, { name: 'a' });
    await host.db.insert('other', { id: 1 });
    await host.db.flush();
    expect(await host.rows('SELECT operation, table_name FROM audit_trail')).toEqual([
      { operation: 'INSERT', table_name: 'customers' },
    ]);
  });

  it('represents every value: big integers, reals, infinity, text with anything in it, bytes', async () => {
    const host = await open({
      schema: 'CREATE TABLE things(id INTEGER PRIMARY KEY, a, b, c, "ü ""x""")',
      manifest: pointedAt('things'),
    });
    sqlite3(
      host.file,
      `INSERT INTO things VALUES (1, 9223372036854775807, -9007199254740993, 0.1, 1e300)`,
      `INSERT INTO things VALUES (2, 9e999, -9e999, 2.5, NULL)`,
      `INSERT INTO things VALUES (3, 'quote " backslash \\ tab' || char(9) || 'line' || char(10) || 'bell' || char(7) || 'del' || char(127), '東京 🚀', '', '{"a":[1]}')`,
      `INSERT INTO things VALUES (4, x'00ff10', 'a' || char(0) || 'b', 1, x'c328')`,
    );
    await host.db.flush();
    host.healthy();
    // SQLite reads what was written and compares it with what it holds.
    const wrong = await host.rows(`
      SELECT t.id, j.key, j.value FROM things t JOIN audit_trail a ON a.row_id = t.id, json_each(a.new_values) j
      WHERE j.value IS NOT CASE j.key WHEN 'id' THEN t.id WHEN 'a' THEN t.a WHEN 'b' THEN t.b WHEN 'c' THEN t.c ELSE t."ü ""x""" END
        AND j.type <> 'object'`);
    expect(wrong).toEqual([]);
    expect(await host.scalar('SELECT count(*) FROM audit_trail, json_each(new_values)')).toBe(19);
    const [entry] = await host.history('things', 4);
    expect(entry?.new_values).toMatchObject({ a: { $blob: '00FF10' }, 'ü "x"': { $blob: 'C328' }, b: 'a\0b' });
    expect((await host.history('things', 1))[0]?.new_values).toEqual({
      id: 1,
      a: 9223372036854775807n,
      b: -9007199254740993n,
      c: 0.1,
      'ü "x"': 1e300,
    });
    expect((await host.history('things', 2))[0]?.new_values).toEqual({ id: 2, a: Infinity, b: -Infinity, c: 2.5 });
  });

  it('covers text keys, keys of several columns, and rows that REPLACE removes', async () => {
    const host = await open({
      schema: `CREATE TABLE codes(code TEXT PRIMARY KEY, n) WITHOUT ROWID; CREATE TABLE "pair s"(a INTEGER, b TEXT, n INTEGER UNIQUE, PRIMARY KEY (a, b))`,
      manifest: pointedAt('codes', 'pair s'),
    });
    sqlite3(
      host.file,
      "INSERT INTO codes VALUES ('7', 1)",
      `INSERT INTO "pair s" VALUES (1, 'x', 5), (2, 'y', 6)`,
      `REPLACE INTO "pair s" VALUES (3, 'z', 5)`,
    );
    expect(await host.history('codes', '7')).toHaveLength(1);
    expect(await host.history('codes', 7)).toEqual([]);
    expect((await host.history('pair s', [1, 'x'])).map(({ operation }) => operation)).toEqual(['DELETE', 'INSERT']);
    expect((await host.history('pair s', [3, 'z']))[0]?.new_values).toEqual({ a: 3, b: 'z', n: 5 });
  });

  it('takes the tables that its README names', async () => {
    const host = await open({
      schema: `CREATE TABLE users(id INTEGER PRIMARY KEY); CREATE TABLE invoices(id INTEGER PRIMARY KEY);
        CREATE TABLE settings(name TEXT PRIMARY KEY, value)`,
      manifest: manifestInReadme('audit-trail'),
    });
    sqlite3(
      host.file,
      'INSERT INTO users VALUES (1)',
      'INSERT INTO invoices VALUES (1)',
      "INSERT INTO settings VALUES ('last_seen', 1), ('colour', 2)",
    );
    await host.db.flush();
    host.healthy();
    const rows = await host.rows('SELECT table_name, row_id FROM audit_trail ORDER BY id');
    expect(rows.map((row) => `${String(row['table_name'])} ${String(row['row_id'])}`)).toEqual([
      'users 1',
      'invoices 1',
      'settings colour',
    ]);
  });

  it('tells bytes from text, also when the bytes would make a text', async () => {
    const host = await open({
      schema: 'CREATE TABLE things(id INTEGER PRIMARY KEY, a, b)',
      manifest: pointedAt('things'),
    });
    sqlite3(
      host.file,
      "INSERT INTO things VALUES (1, x'414243', 'ABC')",
      "UPDATE things SET a = 'ABC', b = x'414243'",
      'DELETE FROM things',
    );
    const [deleted, updated, inserted] = await host.history('things', 1);
    const [first, then] = [
      { id: 1, a: { $blob: '414243' }, b: 'ABC' },
      { id: 1, a: 'ABC', b: { $blob: '414243' } },
    ];
    expect([inserted?.new_values, updated?.old_values, updated?.new_values, deleted?.old_values]).toEqual([
      first,
      first,
      then,
      then,
    ]);
    expect(updated?.changed_columns).toEqual(['a', 'b']);
  });

  it('never records itself, even when a manifest tells it to', async () => {
    const host = await open();
    await host.db.close();
    const again = await open({ file: host.file, schema: '', manifest: pointedAt('customers', 'audit_trail') });
    await again.db.insert('customers', { name: 'a' });
    await again.db.flush();
    await again.db.flush();
    again.healthy();
    expect(await again.rows(COUNTS)).toEqual([{ rows: 1, seqs: 1 }]);
  });

  it('records once what was written while it was away, in the middle of a flood, and after kill -9', async () => {
    const dir = skillsFolder({ 'audit-trail': {} });
    const first = await open({ dir });
    const { file } = first;
    const flood = start('python3', [
      '-c',
      `
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=20)
for i in range(1, 1501):
    db.execute("INSERT INTO customers(id, name) VALUES (?, ?)", (i, "name %d" % i))
    if i % 3 == 0: db.execute("UPDATE customers SET note = ? WHERE id = ?", ("note", i))
    if i % 5 == 0: db.execute("DELETE FROM customers WHERE id = ?", (i - 1,))
    if i % 7 == 0: db.commit()
db.commit()
`,
      file,
    ]);
    await until(() => first.db.stats().end > 100);
    await first.db.close();
    // A host of its own process, killed while it writes the trail.
    const script = `
      import { GlyphCase } from ${JSON.stringify(new URL('../sdk/index.ts', import.meta.url).href)};
      const db = new GlyphCase(${JSON.stringify(file)}, { capsule: { batchInterval: 0 }, skills: { dir: ${JSON.stringify(dir)}, watch: false } });
      await db.ready;
      console.log('ready');
      setInterval(() => {}, 1000);`;
    const other = start(process.execPath, ['--input-type=module', '-e', script]);
    await until(() => other.output.includes('ready'));
    await new Promise((resolve) => setTimeout(resolve, 30));
    other.kill('SIGKILL');
    await other.ended;
    expect(await flood.ended, flood.output).toBe(0);
    const last = await open({ file, dir, schema: '' });
    await last.db.flush();
    last.healthy();
    expect(await last.rows(COUNTS)).toEqual([{ rows: 1500 + 500 + 300, seqs: 2300 }]);
    expect(
      await last.rows('SELECT count(*) AS n FROM audit_trail GROUP BY table_name, row_id, operation HAVING n > 1'),
    ).toEqual([]);
    // The newest image of every row that is left is the row.
    expect(
      await last.rows(`SELECT c.id FROM customers c LEFT JOIN (SELECT row_id, new_values, max(seq) FROM audit_trail GROUP BY row_id) a ON a.row_id = c.id
        WHERE a.new_values ->> 'name' IS NOT c.name OR a.new_values ->> 'note' IS NOT c.note`),
    ).toEqual([]);
  });

  it('goes on in its own table after GlyphCase was taken out of the file and put back', async () => {
    const first = await open();
    await first.db.insert('customers', { id: 1, name: 'a' });
    await first.db.flush();
    await first.db.close();
    detach(first.file);
    sqlite3(first.file, "UPDATE audit_trail SET at = datetime(at, '-1 hour')");
    const second = await open({ file: first.file, dir: first.dir, schema: '' });
    await second.db.update('customers', 1, { name: 'b' });
    expect((await second.history('customers', 1)).map(({ operation }) => operation)).toEqual(['UPDATE', 'INSERT']);
  });
});
