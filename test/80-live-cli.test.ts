/** `glyphcase watch DB "SELECT …"`: a result kept current on a terminal, differences as NDJSON anywhere else. */
import { describe, expect, test } from 'vitest';
import { ResultTable } from '../sdk/cli/result-table.ts';
import { cli, jsonLines, root, startCli } from './70-cli-support.ts';
import { sqlite3, start, tempFile, until } from './support.ts';
import { join } from 'node:path';

const SCHEMA = 'CREATE TABLE orders (id INTEGER PRIMARY KEY, status TEXT, total REAL)';
const BY_STATUS = 'SELECT status, count(*) AS n FROM orders GROUP BY status ORDER BY status';

function database(...statements: readonly string[]): string {
  const file = tempFile();
  sqlite3(file, SCHEMA, ...statements);
  return file;
}

describe('refuses', () => {
  test.each([
    [['SELECT * FROM oders'], 'GC_NO_SUCH_TABLE'],
    [['SELECT nope FROM orders'], 'GC_NO_SUCH_COLUMN'],
    [['SELECT * FROM orders', '--where', 'id = 1'], '--where is for tables'],
    [['SELECT * FROM orders', '--since', '0'], '--since is for tables'],
    [['SELECT * FROM orders WHERE id = ?'], 'The parameters do not fit'],
    [['WITH x AS (SELECT 1) DELETE FROM orders'], 'GC_WRITE_IN_QUERY'],
  ])('%j', async (args, message) => {
    const { code, stderr, stdout } = await cli(['watch', database(), ...args]);
    expect(stderr).toContain(message);
    expect(stdout).toBe('');
    expect(code).toBe(1);
  });

  test('a wrong query, before anything is written to the file', async () => {
    const file = database();
    await cli(['watch', file, 'SELECT * FROM nowhere']);
    expect(sqlite3(file, 'SELECT group_concat(name) FROM sqlite_schema').trim()).toBe('orders');
  });
});

test('prints the rows there are as INSERTs, then differences, one line of JSON each', async () => {
  const file = database("INSERT INTO orders (status) VALUES ('new'), ('new')");
  const watching = startCli(['watch', file, BY_STATUS]);
  await watching.shows('"n":2');
  sqlite3(file, "UPDATE orders SET status = 'paid' WHERE id = 1");
  await watching.shows('"paid"');
  sqlite3(file, 'DROP TABLE orders');
  await watching.shows('no such table');
  expect(await watching.stop()).toBe(0);
  expect(
    jsonLines(watching.stdout).map(({ operation, rowId, newData, index }) => ({ operation, rowId, newData, index })),
  ).toEqual([
    { operation: 'INSERT', rowId: 'new', newData: { status: 'new', n: 2 }, index: 0 },
    { operation: 'UPDATE', rowId: 'new', newData: { status: 'new', n: 1 }, index: 0 },
    { operation: 'INSERT', rowId: 'paid', newData: { status: 'paid', n: 1 }, index: 1 },
  ]);
});

test('on a terminal the table updates in place', async () => {
  const file = database("INSERT INTO orders (status) VALUES ('new'), ('new')");
  const command = [process.execPath, join(root, 'bin', 'glyphcase.js'), 'watch', file, BY_STATUS]
    .map((part) => `'${part}'`)
    .join(' ');
  const terminal = start('script', ['-qfec', command, '/dev/null']);
  await until(() => terminal.output.includes('1 row'));
  sqlite3(file, "UPDATE orders SET status = 'paid' WHERE id = 1");
  await until(() => terminal.output.includes('2 rows'));
  terminal.kill('SIGTERM');
  const plain = terminal.output.replaceAll('\u001B', '^');
  // Three lines up, and drawn over.
  expect(plain).toContain('^[3A\r');
  expect(plain).toMatch(/new +2/);
  expect(plain).toMatch(/paid +1/);
});

test('a table is never taller than the screen, and shows what data cannot do to it', () => {
  let output = '';
  const stream = { rows: 10, columns: 80, isTTY: true, write: (text: string) => (output += text) };
  const table = new ResultTable(stream as unknown as NodeJS.WriteStream);
  table.show(Array.from({ length: 100 }, (_, id) => ({ id, name: '\u001B[31mred\n' })));
  expect(output.split('\n')).toHaveLength(10);
  expect(output).toContain('100 rows, 93 not shown');
  expect(output).not.toContain('\u001B[31m');
  output = '';
  table.show([]);
  expect(output.startsWith('\u001B[9A\r')).toBe(true);
  expect(output).toContain('0 rows');
});
