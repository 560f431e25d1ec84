/**
 * Values, keys and wide rows in `_capsule_events`: as JSON, exact, in older programs too.
 */
import { describe, expect, test } from 'vitest';
import { openHost, python, sqlite3 } from './support.ts';
import { shell, both, quote, logged, newest } from './35-events-view-support.ts';
import type { Event } from './35-events-view-support.ts';

describe('values', () => {
  test.each([
    ['NULL', 'NULL', 'null'],
    ['an integer', '42', '42'],
    ['the largest integer', '9223372036854775807', '9223372036854775807'],
    ['the smallest integer', '-9223372036854775808', '-9223372036854775808'],
    ['a real', '0.5', '0.5'],
    ['infinity', '9e999', '9e999'],
    ['minus infinity', '-9e999', '-9e999'],
    ['text', `'a"b\\ä🎉'`, '"a\\"b\\\\ä🎉"'],
    ['text with a NUL', 'char(97, 0, 98)', '"a\\u0000b"'],
    ['empty text', "''", '""'],
    ['a BLOB', "x'00FFab'", '{"$blob":"00FFAB"}'],
    ['an empty BLOB', "x''", '{"$blob":""}'],
    ['JSON text', `'{"a":[1]}'`, '"{\\"a\\":[1]}"'],
    ['a long text', "replace(printf('%.2000c', 'x'), 'x', 'yz')", JSON.stringify('yz'.repeat(2000))],
  ])('%s', async (_, sql, json) => {
    const host = await logged('CREATE TABLE t(id INTEGER PRIMARY KEY, v)', 't', `INSERT INTO t VALUES (1, ${sql})`);
    const image = newest(host, 'new_data');
    expect(image.old).toBe(`{"id":1,"v":${json}}`);
    expect(image.now).toBe(`{"id":1,"v":${json}}`);
    expect(shell(host, 'SELECT json_valid(new_data) AS valid FROM _capsule_events')).toEqual([{ valid: 1 }]);
    expect(() => JSON.parse(image.old) as unknown).not.toThrow();
  });

  test('a column declared JSON shows its text, valid or not', async () => {
    const host = await logged(
      'CREATE TABLE t(id INTEGER PRIMARY KEY, doc JSON)',
      't',
      `INSERT INTO t VALUES (1, '{"a":1}'), (2, '{broken')`,
    );
    expect(both(host, "SELECT json_extract(new_data, '$.doc') AS doc FROM _capsule_events ORDER BY id")).toEqual([
      { doc: '{"a":1}' },
      { doc: '{broken' },
    ]);
  });

  test('names that need quotes, and names beyond ASCII', async () => {
    const table = 'Größe "x"';
    const host = await logged(
      `CREATE TABLE ${quote(table)}("имя" TEXT PRIMARY KEY NOT NULL, "a ""b""", "c'd", "select")`,
      table,
      `INSERT INTO ${quote(table)} VALUES ('й', 1, 2, 3)`,
    );
    expect(both(host, 'SELECT table_name, row_id, new_data FROM _capsule_events')).toEqual([
      { table_name: table, row_id: 'й', new_data: `{"имя":"й","a \\"b\\"":1,"c'd":2,"select":3}` },
    ]);
  });
});

describe('row_id', () => {
  test.each([
    ['an INTEGER key', 'CREATE TABLE t(a, id INTEGER PRIMARY KEY)', 'INSERT INTO t VALUES (1, 7)', 7],
    ['a TEXT key', 'CREATE TABLE t(a, id TEXT PRIMARY KEY)', "INSERT INTO t VALUES (1, 'x')", 'x'],
    [
      'a key that is NULL: the rowid',
      'CREATE TABLE t(a, id TEXT PRIMARY KEY)',
      'INSERT INTO t(rowid, a) VALUES (9, 1)',
      9,
    ],
    [
      'a composite key',
      'CREATE TABLE t(a, b, c, PRIMARY KEY (c, a)) WITHOUT ROWID',
      "INSERT INTO t VALUES (1, 2, 'z')",
      '["z",1]',
    ],
    [
      'a composite key with a NULL: the rowid',
      'CREATE TABLE t(a, b, PRIMARY KEY (a, b))',
      'INSERT INTO t(rowid, a) VALUES (5, 1)',
      5,
    ],
    [
      'a composite key with a BLOB',
      'CREATE TABLE t(a, b, PRIMARY KEY (a, b)) WITHOUT ROWID',
      "INSERT INTO t VALUES (x'0a', 1)",
      '[{"$blob":"0A"},1]',
    ],
    ['no key: the rowid', 'CREATE TABLE t(a)', 'INSERT INTO t(rowid, a) VALUES (12, 1)', 12],
    [
      'no key and no name left for the rowid: the row',
      'CREATE TABLE t(rowid, oid, _rowid_)',
      "INSERT INTO t VALUES (1, 'b', NULL)",
      '[1,"b",null]',
    ],
  ])('%s', async (_, schema, insert, expected) => {
    const host = await logged(schema, 't', insert);
    expect(both(host, 'SELECT row_id FROM _capsule_events')).toEqual([{ row_id: expected }]);
    host.run('DELETE FROM t');
    expect(both(host, 'SELECT row_id FROM _capsule_events ORDER BY id DESC LIMIT 1')).toEqual([{ row_id: expected }]);
  });

  test('a key far to the right of a wide table', async () => {
    const names = Array.from({ length: 40 }, (_, index) => `c${index}`);
    const host = await logged(
      `CREATE TABLE t(${names.join(', ')}, PRIMARY KEY (c35, c2)) WITHOUT ROWID`,
      't',
      `INSERT INTO t(c2, c35) VALUES ('two', 'thirty-five')`,
    );
    expect(both(host, 'SELECT row_id FROM _capsule_events')).toEqual([{ row_id: '["thirty-five","two"]' }]);
  });
});

describe('wide tables', () => {
  test.each([17, 40, 200])('%i columns and no key: other programs write it as before', async (width) => {
    const names = Array.from({ length: width }, (_, index) => `c${index}`);
    const host = openHost({
      schema: `CREATE TABLE t(${names.join(', ')}); CREATE UNIQUE INDEX by_last ON t(c${width - 1})`,
    });
    const got = host.collect(host.capsule.watch('t'));
    sqlite3(
      host.file,
      `INSERT INTO t(c0, c${width - 1}) VALUES (1, 'x')`,
      `REPLACE INTO t(c0, c${width - 1}) VALUES (2, 'x')`,
      'UPDATE t SET c1 = 3',
      'UPDATE t SET rowid = 9',
      'DELETE FROM t',
    );
    await host.flush();
    expect(got.short).toEqual(['INSERT 1', 'DELETE 1', 'INSERT 2', 'UPDATE 2', 'UPDATE 9', 'DELETE 9']);
  });

  test.each([3, 16, 17, 70, 200, 998])('%i columns: the file stays readable for older programs', async (width) => {
    const host = openHost();
    const names = Array.from({ length: width }, (_, index) => `c${index}`);
    host.run(`CREATE TABLE t(c0 INTEGER PRIMARY KEY, ${names.slice(1).join(', ')})`);
    host.capsule.watch('t');
    const values = names.map((_, index) => (index === 5 ? "x'05'" : String(index)));
    sqlite3(
      host.file,
      `INSERT INTO t VALUES (${values.join(', ')})`,
      'UPDATE t SET c1 = NULL',
      `UPDATE t SET c${width - 1} = 'end'`,
    );
    await host.flush();
    const image = (changes: Event): Event => ({
      ...Object.fromEntries(names.map((name, index) => [name, index === 5 ? { $blob: '05' } : index])),
      ...changes,
    });
    const last = `c${width - 1}`;
    const rows = both(host, 'SELECT old_data, new_data FROM _capsule_events ORDER BY id');
    const parsed = rows.map((row) =>
      [row['old_data'], row['new_data']].map((text) => JSON.parse(String(text)) as unknown),
    );
    const [one, two] = [image({ c1: null }), image({ c1: null, [last]: 'end' })];
    expect(parsed).toEqual([
      [null, image({})],
      [image({}), one],
      [one, two],
    ]);
    const script = `
import sqlite3, sys, json
c = sqlite3.connect(sys.argv[1])
c.execute("UPDATE t SET c1 = 'py'"); c.commit()
print(c.execute("SELECT count(*) FROM _capsule_events").fetchone()[0], len(json.loads(c.execute("SELECT new_data FROM _capsule_events ORDER BY id DESC LIMIT 1").fetchone()[0])))`;
    expect(python(script, host.file).trim()).toBe(`4 ${width}`);
    expect(sqlite3(host.file, 'PRAGMA integrity_check').trim()).toBe('ok');
  });
});
