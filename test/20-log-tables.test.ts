/** Tables of any shape: what is logged of them, what identifies a row, what is refused; an older sqlite3 reads and writes the file. */
import { describe, expect, test } from 'vitest';
import { openHost, sqlite3, thrownBy } from './support.ts';
import type { Host } from './support.ts';

interface Shape {
  readonly table: string;
  readonly sql: string;
  readonly insert: string;
  readonly update: string;
  readonly key: unknown;
  /** Key of the row that the sqlite3 shell inserts. */
  readonly outside?: string;
}

const shapes: Readonly<Record<string, Shape>> = {
  'INTEGER PRIMARY KEY': {
    table: 't',
    sql: 'CREATE TABLE t(id INTEGER PRIMARY KEY, v)',
    insert: "INSERT INTO t VALUES (7, 'a')",
    update: "UPDATE t SET v = 'b'",
    key: 7,
  },
  'INTEGER PRIMARY KEY DESC': {
    table: 't',
    sql: 'CREATE TABLE t(id INTEGER PRIMARY KEY DESC, v)',
    insert: "INSERT INTO t VALUES (7, 'a')",
    update: "UPDATE t SET v = 'b'",
    key: 7,
  },
  'TEXT key': {
    table: 't',
    sql: 'CREATE TABLE t(id TEXT PRIMARY KEY, v)',
    insert: "INSERT INTO t VALUES ('k', 'a')",
    update: "UPDATE t SET v = 'b'",
    key: 'k',
  },
  'composite key': {
    table: 't',
    sql: 'CREATE TABLE t(a, b TEXT, v, PRIMARY KEY (b, a))',
    insert: "INSERT INTO t VALUES (1, 'x', 'a')",
    update: "UPDATE t SET v = 'b'",
    key: ['x', 1],
  },
  'no key': {
    table: 't',
    sql: 'CREATE TABLE t(v, w)',
    insert: "INSERT INTO t(rowid, v) VALUES (41, 'a')",
    update: "UPDATE t SET v = 'b'",
    key: 41,
  },
  'WITHOUT ROWID': {
    table: 't',
    sql: 'CREATE TABLE t(k TEXT PRIMARY KEY, v) WITHOUT ROWID',
    insert: "INSERT INTO t VALUES ('k', 'a')",
    update: "UPDATE t SET v = 'b'",
    key: 'k',
  },
  'WITHOUT ROWID, composite': {
    table: 't',
    sql: 'CREATE TABLE t(a, v, b, PRIMARY KEY (a, b)) WITHOUT ROWID',
    insert: "INSERT INTO t VALUES (1, 'a', 2)",
    update: "UPDATE t SET v = 'b'",
    key: [1, 2],
  },
  STRICT: {
    table: 't',
    sql: 'CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT, w ANY) STRICT',
    insert: "INSERT INTO t VALUES (7, 'a', x'00')",
    update: "UPDATE t SET v = 'b'",
    key: 7,
  },
  'generated columns': {
    table: 't',
    sql: 'CREATE TABLE t(id INTEGER PRIMARY KEY, v, g AS (v || v), s AS (id + 1) STORED)',
    insert: "INSERT INTO t(id, v) VALUES (7, 'a')",
    update: "UPDATE t SET v = 'b'",
    key: 7,
  },
  'a column called order': {
    table: 't',
    sql: 'CREATE TABLE t("order" INTEGER PRIMARY KEY, v, "select" TEXT)',
    insert: "INSERT INTO t VALUES (7, 'a', 's')",
    update: "UPDATE t SET v = 'b'",
    key: 7,
  },
  'a table called select * from': {
    table: 'select * from',
    sql: 'CREATE TABLE "select * from"(id INTEGER PRIMARY KEY, v)',
    insert: `INSERT INTO "select * from" VALUES (7, 'a')`,
    update: `UPDATE "select * from" SET v = 'b'`,
    key: 7,
  },
  'names with quotes': {
    table: `it's "x" [y] \`z\``,
    sql: `CREATE TABLE "it's ""x"" [y] \`z\`"(id INTEGER PRIMARY KEY, "v", "it's ""q""" DEFAULT 5)`,
    insert: `INSERT INTO "it's ""x"" [y] \`z\`"(id, v) VALUES (7, 'a')`,
    update: `UPDATE "it's ""x"" [y] \`z\`" SET v = 'b'`,
    key: 7,
  },
  'Cyrillic and emoji': {
    table: 'Таблица 🎉',
    sql: 'CREATE TABLE "Таблица 🎉"("ключ" INTEGER PRIMARY KEY, v, "🐘" TEXT)',
    insert: `INSERT INTO "Таблица 🎉" VALUES (7, 'a', 'слон')`,
    update: `UPDATE "Таблица 🎉" SET v = 'b'`,
    key: 7,
  },
  'columns called rowid and oid': {
    table: 't',
    sql: 'CREATE TABLE t(rowid TEXT, oid TEXT, v)',
    insert: "INSERT INTO t(_rowid_, rowid, v) VALUES (41, 'r', 'a')",
    update: "UPDATE t SET v = 'b'",
    key: 41,
  },
  'all names of the rowid taken': {
    table: 't',
    sql: 'CREATE TABLE t(rowid TEXT, oid TEXT, _rowid_ TEXT, v)',
    insert: "INSERT INTO t VALUES ('r', 'o', '_', 'a')",
    update: "UPDATE t SET v = 'b'",
    key: ['r', 'o', '_', 'b'],
  },
  'a key among them': {
    table: 't',
    sql: 'CREATE TABLE t(rowid INTEGER PRIMARY KEY, oid TEXT, _rowid_ TEXT, v)',
    insert: "INSERT INTO t VALUES (7, 'o', '_', 'a')",
    update: "UPDATE t SET v = 'b'",
    key: 7,
  },
  'NULL in a TEXT key': {
    table: 't',
    sql: 'CREATE TABLE t(id TEXT PRIMARY KEY, v)',
    insert: "INSERT INTO t(rowid, v) VALUES (41, 'a')",
    update: "UPDATE t SET v = 'b'",
    key: 41,
  },
  'partial and expression unique indexes': {
    table: 't',
    sql: "CREATE TABLE t(id INTEGER PRIMARY KEY, v, w); CREATE UNIQUE INDEX p ON t(w) WHERE v = 'a'; CREATE UNIQUE INDEX e ON t(lower(v), w DESC)",
    insert: "INSERT INTO t VALUES (7, 'a', 1)",
    update: "UPDATE t SET v = 'b'",
    key: 7,
  },
  '200 columns': {
    table: 't',
    sql: `CREATE TABLE t(id INTEGER PRIMARY KEY, v, ${Array.from({ length: 198 }, (_, i) => `c${i} DEFAULT ${i}`).join(', ')})`,
    insert: "INSERT INTO t(id, v) VALUES (7, 'a')",
    update: "UPDATE t SET v = 'b'",
    key: 7,
  },
  '1,500 columns': {
    table: 't',
    sql: `CREATE TABLE t(id INTEGER PRIMARY KEY, v, ${Array.from({ length: 1498 }, (_, i) => `c${i} DEFAULT ${i}`).join(', ')})`,
    insert: "INSERT INTO t(id, v) VALUES (7, 'a')",
    update: "UPDATE t SET v = 'b'",
    key: 7,
  },
};

/** A row as the host sees it. */
const rowOf = (host: Host, table: string): unknown => host.db.get(`SELECT * FROM "${table.replaceAll('"', '""')}"`);

describe.each(Object.entries(shapes))('%s', (_, { table, sql, insert, update, key }) => {
  const name = `"${table.replaceAll('"', '""')}"`;

  test('inserts, updates and deletes arrive with whole rows and the key', async () => {
    const host = openHost({ schema: sql });
    const got = host.collect(host.capsule.watch(table));
    host.run(insert);
    const first = rowOf(host, table);
    host.run(update);
    const second = rowOf(host, table);
    host.run(`DELETE FROM ${name}`);
    await host.flush();
    expect(got.events.map((event) => event.operation)).toEqual(['INSERT', 'UPDATE', 'DELETE']);
    const [added, changed, removed] = got.events;
    expect(added?.newData).toEqual(first);
    expect(added?.oldData).toBeUndefined();
    expect(changed?.oldData).toEqual(first);
    expect(changed?.newData).toEqual(second);
    expect(changed?.changedColumns).toContain('v');
    expect(removed?.oldData).toEqual(second);
    expect(removed?.newData).toBeUndefined();
    expect([changed?.rowId, removed?.rowId]).toEqual([key, key]);
    expect(new Set(got.events.map((event) => event.tableName))).toEqual(new Set([table]));
  });

  test('an older sqlite3 reads the file and its writes are logged', async () => {
    const host = openHost({ schema: sql });
    const got = host.collect(host.capsule.watch(table));
    sqlite3(host.file, insert, update);
    await host.flush();
    expect(got.events.map((event) => [event.operation, event.source])).toEqual([
      ['INSERT', 'external'],
      ['UPDATE', 'external'],
    ]);
    expect(got.events[1]?.newData).toEqual(rowOf(host, table));
    const row = JSON.parse(
      sqlite3(host.file, "SELECT new_data FROM _capsule_events WHERE operation = 'UPDATE'"),
    ) as Record<string, unknown>;
    expect(row['v']).toBe('b');
    expect(Object.keys(row)).toHaveLength(Object.keys(rowOf(host, table) as object).length);
    expect(sqlite3(host.file, 'PRAGMA integrity_check').trim()).toBe('ok');
  });
});

describe('values', () => {
  const values = {
    'a BLOB': ["x'00ff10'", Buffer.from([0, 255, 16])],
    NULL: ['NULL', null],
    '2^63 − 1': ['9223372036854775807', 9223372036854775807n],
    '−2^63': ['-9223372036854775808', -9223372036854775808n],
    '2^53 + 1': ['9007199254740993', 9007199254740993n],
    Infinity: ['9e999', Infinity],
    '−Infinity': ['-9e999', -Infinity],
    'a NUL in a text': ["'a' || char(0) || 'b'", 'a\0b'],
    'an empty text': ["''", ''],
    emoji: ["'🐘'", '🐘'],
    'a text that looks like a number': ["'1.0'", '1.0'],
  } as const;

  test.each(Object.entries(values))(
    '%s comes through unchanged, by host and by sqlite3',
    async (_, [literal, value]) => {
      const host = openHost({ schema: 'CREATE TABLE t(id INTEGER PRIMARY KEY, v)' });
      const got = host.collect(host.capsule.watch('t'));
      host.run(`INSERT INTO t VALUES (1, ${literal})`);
      sqlite3(host.file, `INSERT INTO t VALUES (2, ${literal})`, 'UPDATE t SET v = 5', `UPDATE t SET v = ${literal}`);
      await host.flush();
      const seen = got.events
        .flatMap((event) => [event.oldData?.['v'], event.newData?.['v']])
        .filter((one) => one !== undefined && one !== 5);
      expect(seen).toHaveLength(6);
      for (const one of seen) expect(one).toEqual(value);
    },
  );

  test('large keys are exact', async () => {
    const host = openHost({ schema: 'CREATE TABLE t(id INTEGER PRIMARY KEY, v)' });
    const got = host.collect(host.capsule.watch('t'));
    host.run('INSERT INTO t VALUES (9223372036854775807, 1), (-9223372036854775808, 2), (9007199254740993, 3)');
    await host.flush();
    expect(got.events.map((event) => event.rowId)).toEqual([
      9223372036854775807n,
      -9223372036854775808n,
      9007199254740993n,
    ]);
  });

  test('a column declared JSON arrives parsed; text that is no JSON stays text', async () => {
    const host = openHost({ schema: 'CREATE TABLE t(id INTEGER PRIMARY KEY, v JSON)' });
    const got = host.collect(host.capsule.watch('t'));
    host.run(`INSERT INTO t VALUES (1, '{"a":[1,2]}'), (2, 'not json'), (3, NULL)`);
    await host.flush();
    expect(got.events.map((event) => event.newData?.['v'])).toEqual([{ a: [1, 2] }, 'not json', null]);
  });
});

describe('what cannot be watched is refused, with what to do instead', () => {
  const schema = `CREATE TABLE t(id INTEGER PRIMARY KEY, v); CREATE VIEW seen AS SELECT * FROM t;
    CREATE VIRTUAL TABLE words USING fts5(text)`;

  test.each([
    ['', 'GC_BAD_ARGUMENT', ''],
    [5 as never, 'GC_BAD_ARGUMENT', ''],
    ['nowhere', 'GC_NO_SUCH_TABLE', 'Tables here: t'],
    ['seen', 'GC_NOT_WATCHABLE', `watch('SELECT * FROM "seen"')`],
    ['words', 'GC_NOT_WATCHABLE', 'ordinary table'],
    ['words_data', 'GC_NOT_WATCHABLE', 'ordinary table'],
    ['_capsule_log', 'GC_NOT_WATCHABLE', ''],
    ['sqlite_schema', 'GC_NOT_WATCHABLE', ''],
  ])('%s: %s', async (table, code, hint) => {
    const host = openHost({ schema });
    const error = await thrownBy(() => host.capsule.watch(table));
    expect(error.code).toBe(code);
    expect(error.hint).toContain(hint);
    expect(
      sqlite3(
        host.file,
        "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND tbl_name NOT LIKE '\\_capsule%' ESCAPE '\\'",
      ).trim(),
    ).toBe('0');
  });

  test('canWatch says no for what is missing and throws for what is there', async () => {
    const host = openHost({ schema });
    expect(host.capsule.canWatch('t')).toBe(true);
    expect(host.capsule.canWatch('nowhere')).toBe(false);
    expect((await thrownBy(() => host.capsule.canWatch('seen'))).code).toBe('GC_NOT_WATCHABLE');
  });
});

test('table names are found whatever their case, in ASCII only, as SQLite does', async () => {
  const host = openHost({
    schema:
      'CREATE TABLE Tasks(id INTEGER PRIMARY KEY); CREATE TABLE "ä"(id INTEGER PRIMARY KEY); CREATE TABLE "Ä"(id INTEGER PRIMARY KEY)',
  });
  const tasks = host.collect(host.capsule.watch('TASKS'));
  const small = host.collect(host.capsule.watch('ä'));
  const large = host.collect(host.capsule.watch('Ä'));
  host.run('INSERT INTO tasks VALUES (1); INSERT INTO "ä" VALUES (2); INSERT INTO "Ä" VALUES (3)');
  await host.flush();
  expect(tasks.events.map((event) => [event.tableName, event.rowId])).toEqual([['Tasks', 1]]);
  expect([small.short, large.short]).toEqual([['INSERT 2'], ['INSERT 3']]);
});

test('a wide table costs a narrow one nothing: the log keeps its width', () => {
  const host = openHost({
    schema: `CREATE TABLE wide(id INTEGER PRIMARY KEY, ${Array.from({ length: 300 }, (_, i) => `c${i}`).join(', ')})`,
  });
  host.capsule.watch('wide');
  host.run('INSERT INTO wide(id) VALUES (1)');
  expect(host.db.value("SELECT count(*) FROM pragma_table_info('_capsule_log')")).toBe(35);
  expect(host.db.value('SELECT count(*) FROM _capsule_log')).toBe(19);
});
