/** `glyphcase watch DB "SELECT …"`: a result kept current on a terminal, differences as NDJSON anywhere else. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { cliHere, jsonLines, root, startCli } from './70-cli-support.ts';
import { inTerminal } from './80-live-terminal.ts';
import type { InTerminal } from './80-live-terminal.ts';
import { sqlite3, tempFile } from './support.ts';

const SCHEMA = 'CREATE TABLE orders (id INTEGER PRIMARY KEY, status TEXT, total REAL)';
const BY_STATUS = 'SELECT status, count(*) AS n FROM orders GROUP BY status ORDER BY status';

function database(...statements: readonly string[]): string {
  const file = tempFile();
  sqlite3(file, SCHEMA, ...statements);
  return file;
}

const watchInTerminal = (file: string, sql: string, options?: Parameters<typeof inTerminal>[1]): InTerminal =>
  inTerminal([join(root, 'bin', 'glyphcase.js'), 'watch', file, sql], options);

/** Ctrl-C; what the screen then shows. */
async function ended(terminal: InTerminal): Promise<readonly string[]> {
  terminal.type('\u0003');
  expect(await terminal.ended).toBe(0);
  const display = terminal.display();
  expect(display.isCursorVisible).toBe(true);
  expect(display.unknown).toEqual([]);
  // The cursor stands below the table, and the terminal's ^C is gone.
  expect(display.cursor.column).toBe(0);
  expect(display.lines[display.cursor.row]).toBe('');
  return display.lines.slice(0, display.cursor.row);
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
    const { code, stderr, stdout } = await cliHere(['watch', database(), ...args]);
    expect(stderr).toContain(message);
    expect(stdout).toBe('');
    expect(code).toBe(1);
  });

  test('a wrong query, before anything is written to the file', async () => {
    const file = database();
    await cliHere(['watch', file, 'SELECT * FROM nowhere']);
    expect(sqlite3(file, 'SELECT group_concat(name) FROM sqlite_schema').trim()).toBe('orders');
  });
});

describe('in a pipe', () => {
  test('the rows there are as INSERTs, then differences, one line of JSON each', async () => {
    const file = database("INSERT INTO orders (status) VALUES ('new'), ('new')");
    const watching = startCli(['watch', file, BY_STATUS]);
    await watching.shows('"n":2');
    sqlite3(file, "UPDATE orders SET status = 'paid' WHERE id = 1");
    await watching.shows('"paid"');
    expect(await watching.stop()).toBe(0);
    expect(
      jsonLines(watching.stdout).map(({ operation, rowId, newData, index }) => ({ operation, rowId, newData, index })),
    ).toEqual([
      { operation: 'INSERT', rowId: 'new', newData: { status: 'new', n: 2 }, index: 0 },
      { operation: 'UPDATE', rowId: 'new', newData: { status: 'new', n: 1 }, index: 0 },
      { operation: 'INSERT', rowId: 'paid', newData: { status: 'paid', n: 1 }, index: 1 },
    ]);
  });

  test('a table that vanishes is said once on stderr, and as a reset among the lines; its rows come back', async () => {
    const file = database("INSERT INTO orders (status) VALUES ('new')");
    const watching = startCli(['watch', file, BY_STATUS]);
    await watching.shows('"n":1');
    sqlite3(file, 'DROP TABLE orders');
    await watching.shows('"reset"');
    sqlite3(file, SCHEMA, "INSERT INTO orders (status) VALUES ('paid')");
    await watching.shows('"paid"');
    await watching.stop();
    expect(watching.stderr.match(/no such table: orders/g)).toHaveLength(1);
    const lines = jsonLines(watching.stdout);
    expect(lines[1]).toEqual({ reset: { reason: 'query', message: `no such table: orders in: ${BY_STATUS}` } });
    expect(lines.slice(2)).toMatchObject([{ operation: 'INSERT', newData: { status: 'paid', n: 1 } }]);
  });

  test('what a terminal would obey is escaped in JSON, and the same when it is read', async () => {
    const text = '\u009B31mred\u007F\u202Eback\u2028';
    const file = database(`INSERT INTO orders (status) VALUES ('${text}')`);
    const watching = startCli(['watch', file, 'SELECT id, status FROM orders']);
    await watching.shows('"newData"');
    await watching.stop();
    expect(watching.stdout).toMatch(/^[\u0020-\u007E\n]*$/);
    expect(jsonLines(watching.stdout)[0]).toMatchObject({ newData: { status: text } });
  });

  test('a terminal that cannot draw over anything gets lines too', async () => {
    const terminal = watchInTerminal(database('INSERT INTO orders DEFAULT VALUES'), BY_STATUS, {
      env: { TERM: 'dumb' },
    });
    await terminal.shows('"operation":"INSERT"');
  });
});

describe('on a terminal', () => {
  test('the table is drawn over itself, only where it is another, and stays when Ctrl-C ends it', async () => {
    const file = database("INSERT INTO orders (status) VALUES ('gone'), ('new'), ('new')");
    const terminal = watchInTerminal(file, `${BY_STATUS.slice(0, 6)}\n${BY_STATUS.slice(6)}`);
    await terminal.shows(/2 rows · (re-run|incremental) · no change since/);
    const drawn = terminal.output.length;
    // At once: who sees one of the two first draws twice.
    const change = ["UPDATE orders SET status = 'paid' WHERE id = 2", "INSERT INTO orders (status) VALUES ('zero')"];
    sqlite3(file, 'BEGIN', ...change, 'COMMIT');
    await terminal.shows('4 rows');
    // Four lines up, and over the head and the row that are as they were.
    expect(terminal.output.slice(drawn)).not.toContain('SELECT');
    expect(terminal.output.slice(drawn)).not.toContain('gone');
    const [note, query, state, ...table] = await ended(terminal);
    expect(note).toMatch(/^Watching a query in .*app\.db\. Ctrl-C ends it\.$/);
    expect(query).toBe(BY_STATUS);
    expect(state).toMatch(/^4 rows · (re-run|incremental) · changed \d\d:\d\d:\d\d \(2 new, 1 changed\)$/);
    expect(table).toEqual(['  status  n', '  gone    1', '~ new     1', '+ paid    1', '+ zero    1']);
    expect(terminal.output).toContain('\u001B[32m+\u001B[39m');
  });

  test('NO_COLOR takes the colours, not the marks', async () => {
    const file = database("INSERT INTO orders (status) VALUES ('new')");
    const terminal = watchInTerminal(file, BY_STATUS, { env: { NO_COLOR: '1' } });
    await terminal.shows('1 row ·');
    sqlite3(file, "INSERT INTO orders (status) VALUES ('new')");
    await terminal.shows('~ new     2');
    // eslint-disable-next-line no-control-regex
    expect(terminal.output).not.toMatch(/\u001B\[[0-9;]*m/);
  });

  test('it takes no more than the screen, and another size at once', async () => {
    const file = database("INSERT INTO orders SELECT value, 'status ' || value, value FROM generate_series(1, 50)");
    const terminal = watchInTerminal(file, 'SELECT * FROM orders ORDER BY id', { rows: 10, columns: 40 });
    await terminal.shows('… 45 more rows');
    expect(terminal.display().lines).toHaveLength(10);
    const drawn = terminal.output.length;
    terminal.resize(6, 20);
    await terminal.shows('… 49 more rows');
    terminal.resize(30, 40);
    await terminal.shows('… 25 more rows');
    expect(terminal.output.length).toBeGreaterThan(drawn);
    expect((await ended(terminal)).at(-2)).toBe('  25  status 25     25');
  });

  test('a query that cannot be run any more says what vanished, and shows its rows when it can', async () => {
    const file = database("INSERT INTO orders (status) VALUES ('new')");
    const terminal = watchInTerminal(file, 'SELECT id, total FROM orders', { columns: 60 });
    await terminal.shows('1 row ·');
    sqlite3(file, 'DROP TABLE orders');
    await terminal.shows(/cannot be run since \d\d:\d\d:\d\d: no such table: orders/);
    sqlite3(file, 'CREATE TABLE orders (id INTEGER PRIMARY KEY, status TEXT)');
    await terminal.shows(/cannot be run since \d\d:\d\d:\d\d: no such column: total/);
    sqlite3(file, 'DROP TABLE orders', SCHEMA);
    await terminal.shows('0 rows ·');
    expect(terminal.display().lines.join('\n')).not.toContain('cannot');
    sqlite3(file, 'INSERT INTO orders (id, total) VALUES (7, 2.5)');
    await terminal.shows('+  7    2.5');
    expect(terminal.output).not.toContain('warning');
  });

  test('data cannot do anything to it', async () => {
    const evil =
      "char(27) || '[2J' || char(27) || ']0;title' || char(7) || char(155) || '31m' || char(13) || 'x' || char(10)";
    const file = database(`INSERT INTO orders (id, status) VALUES (1, ${evil} || 'end' || char(8238))`);
    const terminal = watchInTerminal(file, `SELECT id, status AS "a\u001B[31mb" FROM orders`);
    await terminal.shows('1 row ·');
    const lines = await ended(terminal);
    expect(lines.slice(-2)).toEqual(['  id  ab', '   1  \\x0dx\\nend\\u202e']);
  });
});
