/** `glyphcase watch`: the changes of a table as they happen, made by others. */
import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { cli, jsonLines, startCli } from './70-cli-support.ts';
import { sqlite3, tempFile } from './support.ts';

const SCHEMA = 'CREATE TABLE orders (id INTEGER PRIMARY KEY, status TEXT, total REAL, big INTEGER, picture BLOB)';

function database(...statements: readonly string[]): string {
  const file = tempFile();
  sqlite3(file, SCHEMA, ...statements);
  return file;
}

const objects = (file: string): string => sqlite3(file, 'SELECT group_concat(name) FROM sqlite_schema').trim();

describe('watch refuses', () => {
  test('a table that is not there, and leaves nothing in the file', async () => {
    const file = database();
    const { code, stderr } = await cli(['watch', file, 'oders']);
    expect(stderr).toContain('There is no table "oders" (did you mean "orders"?) [GC_NO_SUCH_TABLE]');
    expect(stderr).toContain('Tables here: orders.');
    expect(code).toBe(1);
    expect(objects(file)).toBe('orders');
  });

  test('a filter that is none', async () => {
    const { code, stderr } = await cli(['watch', database(), 'orders', '--where', 'stats = 1']);
    expect(stderr).toContain('[GC_BAD_FILTER]');
    expect(stderr).toContain('Columns of orders: id, status');
    expect(code).toBe(1);
  });

  test('to create a database', async () => {
    const file = tempFile('new.db');
    expect((await cli(['watch', file, 'orders'])).code).toBe(1);
    expect(existsSync(file)).toBe(false);
  });
});

describe('watch', () => {
  test("prints other programs' changes, one line each, and takes its triggers with it", async () => {
    const file = database("INSERT INTO orders (status, total) VALUES ('new', 0)");
    const watching = startCli(['watch', file, 'ORDERS']);
    await watching.shows('Watching orders');
    sqlite3(
      file,
      "INSERT INTO orders (status, picture, big) VALUES ('it''s', x'00ff', 9223372036854775807)",
      "UPDATE orders SET status = 'paid', total = 9.5 WHERE id = 1",
      'DELETE FROM orders WHERE id = 2',
    );
    await watching.shows('DELETE', 1000);
    expect(await watching.stop()).toBe(0);
    const lines = watching.stdout
      .trim()
      .split('\n')
      .map((line) => line.replace(/^\d\d:\d\d:\d\d +\d+ /, ''));
    expect(lines).toEqual([
      "INSERT orders 2  id=2 status='it's' total=NULL big=9223372036854775807 picture=x'00ff'",
      "UPDATE orders 1  status: 'new' → 'paid', total: 0 → 9.5",
      "DELETE orders 2  id=2 status='it's' total=NULL big=9223372036854775807 picture=x'00ff'",
    ]);
    expect(objects(file)).not.toMatch(/_capsule_\d+_/);
  });

  test('shows of filtered rows whether they came or went', async () => {
    const file = database("INSERT INTO orders (status) VALUES ('new')");
    const watching = startCli(['watch', file, 'orders', '--where', "WHERE status = 'paid'"]);
    await watching.shows('Watching');
    sqlite3(
      file,
      "UPDATE orders SET status = 'paid'",
      'UPDATE orders SET total = 1',
      "UPDATE orders SET status = 'sent'",
      'UPDATE orders SET total = 2',
    );
    await watching.shows('(leaves)');
    await watching.stop();
    expect(watching.stdout.match(/UPDATE orders 1(?: \(\w+\))?/g)).toEqual([
      'UPDATE orders 1 (enters)',
      'UPDATE orders 1',
      'UPDATE orders 1 (leaves)',
    ]);
  });

  test('begins after --since with what is in the log', async () => {
    const file = database();
    const first = startCli(['watch', file, 'orders']);
    await first.shows('Watching');
    sqlite3(file, "INSERT INTO orders (status) VALUES ('a'), ('b'), ('c')");
    await first.shows("'c'");
    await first.stop();
    const second = startCli(['watch', file, 'orders', '--since', '1', '--json']);
    await second.shows('"rowId":3');
    await second.stop();
    expect(jsonLines(second.stdout).map((event) => event['rowId'])).toEqual([2, 3]);
  });

  test('prints events as JSON that loses nothing', async () => {
    const file = database();
    const watching = startCli(['watch', file, 'orders', '--json']);
    await expect.poll(() => objects(file), { timeout: 30_000 }).toMatch(/_capsule_\d+_insert/);
    sqlite3(file, "INSERT INTO orders VALUES (1, 'é', -1e999, -9223372036854775808, x'DEADBEEF')");
    await watching.shows('INSERT');
    await watching.stop();
    expect(watching.stderr).toBe('');
    const [event] = jsonLines(watching.stdout);
    expect(event).toMatchObject({
      seq: 1,
      operation: 'INSERT',
      tableName: 'orders',
      rowId: 1,
      newData: {
        status: 'é',
        total: { $real: '-Infinity' },
        big: { $bigint: '-9223372036854775808' },
        picture: { $blob: 'DEADBEEF' },
      },
      source: 'external',
    });
    expect(Object.keys(event ?? {})).toEqual(expect.arrayContaining(['watcherId', 'timestamp', 'transactionId']));
  });

  test('keeps nobody from running skills', async () => {
    const file = database();
    const watching = startCli(['watch', file, 'orders']);
    await watching.shows('Watching');
    expect(sqlite3(file, "SELECT count(*) FROM sqlite_schema WHERE name = '_capsule_lease'").trim()).toBe('0');
    await watching.stop();
  });
});
