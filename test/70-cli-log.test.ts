/** `glyphcase log`: what has happened, from the file alone, while a host runs or not. */
import { readdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { describe, expect, test } from 'vitest';
import { cliHere, jsonLines } from './70-cli-support.ts';
import { openHost, sqlite3, tempFile } from './support.ts';

const keys = (text: string): unknown[] => jsonLines(text).map((event) => event['rowId']);

function manyRows(): ReturnType<typeof openHost> {
  const host = openHost({ schema: 'CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE TABLE b (id INTEGER PRIMARY KEY)' });
  host.capsule.watch('a');
  host.capsule.watch('b');
  for (let id = 1; id <= 100; id += 1)
    host.run(`INSERT INTO a VALUES (${id})${id % 10 === 0 ? `; INSERT INTO b VALUES (${id})` : ''}`);
  return host;
}

describe('log refuses', () => {
  test('a file in which GlyphCase has not been, and creates nothing in it', async () => {
    const file = tempFile();
    sqlite3(file, 'CREATE TABLE t (id)');
    const { code, stderr } = await cliHere(['log', file]);
    expect(stderr).toContain('[GC_NO_CAPSULE]');
    expect(stderr).toContain('glyphcase start --db');
    expect(code).toBe(1);
    expect(sqlite3(file, 'SELECT group_concat(name) FROM sqlite_schema').trim()).toBe('t');
  });

  test('a table that was never logged', async () => {
    const { code, stderr } = await cliHere(['log', manyRows().file, '--table', 'c']);
    expect(stderr).toContain('The log knows no table "c"');
    expect(code).toBe(1);
  });
});

describe('log', () => {
  test('prints the newest fifty, or as many as are asked for', async () => {
    const { file } = manyRows();
    const usual = await cliHere(['log', file, '--json']);
    expect(usual).toMatchObject({ code: 0, stderr: '' });
    expect(jsonLines(usual.stdout)).toHaveLength(50);
    expect(keys((await cliHere(['log', file, '--json', '--limit', '3'])).stdout)).toEqual([99, 100, 100]);
    expect(keys((await cliHere(['log', file, '--json', '--limit', '3', '--table', 'B'])).stdout)).toEqual([
      80, 90, 100,
    ]);
    expect(jsonLines((await cliHere(['log', file, '--json', '--limit', '0'])).stdout)).toHaveLength(110);
  });

  test('prints what came after a seq, in the middle of a transaction too', async () => {
    const { file } = manyRows();
    expect(jsonLines((await cliHere(['log', file, '--json', '--since', '0'])).stdout)).toHaveLength(110);
    // Row 10 of a is seq 10, row 10 of b is seq 11, in one transaction.
    expect(keys((await cliHere(['log', file, '--json', '--since', '10', '--limit', '2'])).stdout)).toEqual([10, 11]);
    const none = await cliHere(['log', file, '--since', '110']);
    expect(none).toEqual({ code: 0, stdout: '', stderr: 'No such changes; the log ends at seq 110.\n' });
  });

  test('shows who did it, and rows that REPLACE removed unseen by triggers', async () => {
    const host = openHost({ schema: 'CREATE TABLE t (id INTEGER PRIMARY KEY, a UNIQUE)' });
    host.capsule.watch('t');
    host.run('INSERT INTO t VALUES (1, 5)');
    sqlite3(host.file, 'REPLACE INTO t VALUES (2, 5)');
    const { stdout } = await cliHere(['log', host.file]);
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => line.replace(/^\S+ \S+ +\d+ /, ''));
    expect(lines).toEqual(['INSERT t 1  id=1 a=5 · host', 'DELETE t 1  id=1 a=5', 'INSERT t 2  id=2 a=5']);
  });

  test('joins rows wider than the log, wherever a page begins', async () => {
    const columns = Array.from({ length: 40 }, (_, index) => `c${index}`);
    const host = openHost({ schema: `CREATE TABLE wide (id INTEGER PRIMARY KEY, ${columns.join(', ')})` });
    host.capsule.watch('wide');
    for (let id = 1; id <= 5; id += 1) host.run(`INSERT INTO wide (id, c0, c39) VALUES (${id}, 'first', 'last')`);
    for (const args of [
      ['--limit', '1'],
      ['--since', '12'],
      ['--since', '13'],
    ]) {
      const event = jsonLines((await cliHere(['log', host.file, '--json', ...args])).stdout).at(-1);
      expect(event).toMatchObject({ rowId: 5, newData: { c0: 'first', c39: 'last' } });
    }
  });

  test('reads an archive', async () => {
    const archive = tempFile('archive.db');
    const host = openHost({
      schema: 'CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT)',
      capsule: { archive, retentionDays: 0 },
    });
    host.capsule.watch('t');
    host.run("INSERT INTO t (a) VALUES ('old')");
    await host.flush();
    await host.clock.advance(3000);
    host.run("INSERT INTO t (a) VALUES ('newer')");
    await host.flush();
    host.capsule.prune();
    const { code, stdout } = await cliHere(['log', archive, '--json']);
    expect(code).toBe(0);
    expect(jsonLines(stdout)).toMatchObject([{ operation: 'INSERT', newData: { id: 1, a: 'old' }, source: 'host' }]);
    expect((await cliHere(['inspect', '--db', archive])).stdout).toContain('Log: 1 row');
  });

  test('leaves no files behind that were not there', async () => {
    const host = openHost({ schema: 'CREATE TABLE t (id INTEGER PRIMARY KEY)' });
    host.capsule.watch('t');
    host.run('INSERT INTO t VALUES (1)');
    await host.close();
    const before = readdirSync(dirname(host.file));
    expect((await cliHere(['log', host.file])).stdout).toContain('INSERT t 1');
    expect(readdirSync(dirname(host.file))).toEqual(before);
  });
});
