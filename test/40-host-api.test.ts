/** The host API: every public member once, bad input first. Watching and delivery have files of their own (30 to 35). */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GlyphCase, GlyphError } from '../sdk/index.ts';
import type { ChangeEvent } from '../sdk/index.ts';

let folder: string;
let db: GlyphCase;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'glyphcase-host-'));
  db = new GlyphCase(join(folder, 'app.db'), { capsule: { batchInterval: 0 } });
});

afterEach(async () => {
  await db.close();
  rmSync(folder, { recursive: true, force: true });
});

const code = async (fn: () => unknown): Promise<string> => {
  try {
    await fn();
    return 'nothing was thrown';
  } catch (error) {
    return error instanceof GlyphError ? error.code : `not a GlyphError: ${String(error)}`;
  }
};

const caught = async (fn: () => unknown): Promise<GlyphError> => {
  try {
    await fn();
  } catch (error) {
    if (error instanceof GlyphError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
};

describe('new GlyphCase', () => {
  it('refuses wrong arguments, naming the option and the nearest right one', async () => {
    expect(await code(() => new GlyphCase(undefined as never))).toBe('GC_BAD_ARGUMENT');
    expect(await code(() => new GlyphCase(7 as never))).toBe('GC_BAD_ARGUMENT');
    expect(await code(() => new GlyphCase({} as never))).toBe('GC_BAD_OPTION');
    const error = await caught(() => new GlyphCase(':memory:', { capsule: { batchIntervall: 5 } } as never));
    expect(error.code).toBe('GC_BAD_OPTION');
    expect(error.message).toContain('batchIntervall');
    expect(error.message).toContain("'batchInterval'");
    expect(await code(() => new GlyphCase(':memory:', { capsule: { batchSize: 0 } }))).toBe('GC_BAD_OPTION');
    expect(await code(() => new GlyphCase(':memory:', { skills: { dir: 5 } } as never))).toBe('GC_BAD_OPTION');
    expect(await code(() => new GlyphCase(':memory:', { plugins: ['./no-such-plugin.ts'] }))).toBe('GC_BAD_PLUGIN');
  });

  it('refuses what is no database, and a folder that is not there', async () => {
    writeFileSync(join(folder, 'text.db'), 'This is no database, and longer than a hundred bytes. '.repeat(40));
    expect(await code(() => new GlyphCase(join(folder, 'text.db')))).toBe('GC_NOT_A_DATABASE');
    expect(await code(() => new GlyphCase(join(folder, 'none', 'a.db')))).toBe('GC_CANNOT_OPEN');
    expect(await code(() => new GlyphCase(folder))).toBe('GC_CANNOT_OPEN');
  });

  it('attaches to an existing database as it is', async () => {
    await db.close();
    const { default: Database } = await import('better-sqlite3');
    const raw = new Database(join(folder, 'old.db'));
    raw.exec("CREATE TABLE notes(id INTEGER PRIMARY KEY, text); INSERT INTO notes VALUES (1, 'kept')");
    raw.close();
    db = new GlyphCase(join(folder, 'old.db'), { capsule: { batchInterval: 0 } });
    expect(await db.query('SELECT * FROM notes')).toEqual([{ id: 1, text: 'kept' }]);
  });

  it('reports every plugin when it is ready', async () => {
    const report = await db.ready;
    expect(report.plugins.map((plugin) => plugin.id)).toEqual(
      expect.arrayContaining(['actions', 'capsule', 'batching', 'lua', 'skills']),
    );
    expect(report.plugins.every((plugin) => plugin.state === 'active')).toBe(true);
    expect(report.skills).toEqual([]);
    expect(report.ms).toBeGreaterThan(0);
  });

  it('keeps its hands off the file with capsule.enabled: false', async () => {
    await using plain = new GlyphCase(join(folder, 'plain.db'), { capsule: { enabled: false } });
    await plain.ready;
    expect(await plain.query('SELECT name FROM sqlite_schema')).toEqual([]);
    expect(await code(() => plain.watch('x'))).toBe('GC_NOT_SUPPORTED');
  });
});

describe('query, queryOne, queryScalar', () => {
  beforeEach(async () => {
    await db.execute('CREATE TABLE t(id INTEGER PRIMARY KEY, n INTEGER, tags JSON, b BLOB)');
  });

  it('refuse wrong arguments', async () => {
    expect(await code(() => db.query(''))).toBe('GC_BAD_ARGUMENT');
    expect(await code(() => db.query(5 as never))).toBe('GC_BAD_ARGUMENT');
    expect(await code(() => db.query('SELECT * FROM nowhere'))).toBe('GC_NO_SUCH_TABLE');
    expect(await code(() => db.query('SELECT absent FROM t'))).toBe('GC_NO_SUCH_COLUMN');
    expect(await code(() => db.query('SELEC 1'))).toBe('GC_SQL');
    expect(await code(() => db.query('SELECT ?', [() => 1]))).toBe('GC_BAD_VALUE');
    expect(await code(() => db.query('SELECT ?, ?', [1]))).toBe('GC_BAD_ARGUMENT');
    const refused = await caught(() => db.query('DELETE FROM t'));
    expect(refused.code).toBe('GC_WRITE_IN_QUERY');
    expect(refused.hint).toContain('execute()');
  });

  it('give plain objects, exact integers, and parsed JSON columns', async () => {
    await db.insert('t', { n: 2n ** 62n, tags: { a: [1, 'ü'] }, b: new Uint8Array([0, 255]) });
    await db.insert('t', { n: 5, tags: null });
    const rows = await db.query('SELECT * FROM t ORDER BY id');
    expect(rows[0]).toMatchObject({ id: 1, n: 2n ** 62n, tags: { a: [1, 'ü'] } });
    expect(new Uint8Array(rows[0]?.['b'] as Uint8Array)).toEqual(new Uint8Array([0, 255]));
    expect(rows[1]).toEqual({ id: 2, n: 5, tags: null, b: null });
    expect(await db.queryOne('SELECT n FROM t WHERE id = ?', [2])).toEqual({ n: 5 });
    expect(await db.queryOne('SELECT n FROM t WHERE id = 9')).toBeUndefined();
    expect(await db.queryScalar('SELECT count(*) FROM t WHERE n = :n', { n: 5 })).toBe(1);
    expect(await db.queryScalar('SELECT 1 WHERE 0')).toBeUndefined();
    expect(await db.queryScalar('SELECT ?1 + ?1 + ?2', [3, 1])).toBe(7);
  });

  it('bind booleans, dates, objects and undefined as documented', async () => {
    const when = new Date('2026-01-02T03:04:05.678Z');
    const row = await db.queryOne('SELECT ? AS t, ? AS d, ? AS o, ? AS u, typeof(?) AS i, typeof(?) AS r', [
      true,
      when,
      { a: 1 },
      undefined,
      5,
      5.5,
    ]);
    expect(row).toEqual({ t: 1, d: '2026-01-02T03:04:05.678Z', o: '{"a":1}', u: null, i: 'integer', r: 'real' });
  });
});

describe('execute', () => {
  it('refuses transaction control, parameters for a script, and nothing at all', async () => {
    expect(await code(() => db.execute('BEGIN'))).toBe('GC_TRANSACTION');
    expect(await code(() => db.execute('SELECT 1; SELECT ?', [1]))).toBe('GC_BAD_ARGUMENT');
    expect(await code(() => db.execute('-- nothing'))).toBe('GC_BAD_ARGUMENT');
  });

  it('runs scripts as one transaction', async () => {
    await db.execute('CREATE TABLE a(x UNIQUE); INSERT INTO a VALUES (1), (2); UPDATE a SET x = x + 10');
    expect(await db.query('SELECT x FROM a')).toEqual([{ x: 11 }, { x: 12 }]);
    expect(await code(() => db.execute('INSERT INTO a VALUES (20); INSERT INTO a VALUES (11)'))).toBe('GC_CONSTRAINT');
    expect(await db.queryScalar('SELECT count(*) FROM a')).toBe(2);
  });

  it('tells changes, the last id, and the rows of RETURNING', async () => {
    await db.execute('CREATE TABLE a(id INTEGER PRIMARY KEY, x)');
    expect(await db.execute('INSERT INTO a(x) VALUES (?), (?)', [1, 2])).toEqual({ changes: 2, lastInsertId: 2 });
    const returned = await db.execute('UPDATE a SET x = x * 2 RETURNING id, x');
    expect(returned.rows).toEqual([
      { id: 1, x: 2 },
      { id: 2, x: 4 },
    ]);
    expect(returned.changes).toBe(2);
  });

  it('runs VACUUM and PRAGMA, which no transaction may hold', async () => {
    await db.execute('CREATE TABLE a(x)');
    await db.execute('VACUUM');
    await db.execute('PRAGMA user_version = 7');
    expect(await db.queryScalar('PRAGMA user_version')).toBe(7);
    expect(await code(() => db.transaction(() => db.execute('VACUUM')))).toBe('GC_TRANSACTION');
  });
});

describe('insert, update, delete', () => {
  beforeEach(async () => {
    await db.execute(`
      CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT NOT NULL, score REAL, code TEXT);
      CREATE TABLE pairs(a TEXT, b INTEGER, v, PRIMARY KEY (a, b)) WITHOUT ROWID;
      CREATE TABLE words(word TEXT PRIMARY KEY DEFAULT 'none', n);
      CREATE TABLE "select * from"("order" INTEGER PRIMARY KEY, "имя 🎉" TEXT);
      CREATE TABLE bare(v);
    `);
  });

  it('refuse wrong tables, columns, values and rows, with the nearest name', async () => {
    const table = await caught(() => db.insert('usres', { name: 'a' }));
    expect(table.code).toBe('GC_NO_SUCH_TABLE');
    expect(table.hint).toContain('users');
    const column = await caught(() => db.insert('users', { nmae: 'a' }));
    expect(column.code).toBe('GC_NO_SUCH_COLUMN');
    expect(column.hint).toContain('name');
    expect(await code(() => db.insert('users', { name: Symbol('x') }))).toBe('GC_BAD_VALUE');
    expect((await caught(() => db.insert('users', { name: () => 1 }))).message).toContain(
      'column "name" of table users',
    );
    expect(await code(() => db.insert('users', [] as never))).toBe('GC_BAD_ARGUMENT');
    expect(await code(() => db.insert('users', null as never))).toBe('GC_BAD_ARGUMENT');
    expect(await code(() => db.insert('users', {}))).toBe('GC_CONSTRAINT');
    expect(await code(() => db.update('pairs', 'a', { v: 1 }))).toBe('GC_BAD_ARGUMENT');
    expect(await code(() => db.updateWhere('users', '', [], { name: 'x' }))).toBe('GC_BAD_ARGUMENT');
    expect(await code(() => db.insert('_capsule_log', { seq: 1 }))).toBe('GC_INTERNAL_TABLE');
  });

  it('cannot be made to run SQL through a table or column name', async () => {
    await db.insert('users', { name: 'a' });
    expect(await code(() => db.insert('users(name) SELECT sql FROM sqlite_master WHERE ? --', { x: 1 }))).toBe(
      'GC_NO_SUCH_TABLE',
    );
    expect(await code(() => db.insert('users', { 'name) VALUES (1); DROP TABLE users; --': 1 }))).toBe(
      'GC_NO_SUCH_COLUMN',
    );
    expect(await db.queryScalar('SELECT count(*) FROM users')).toBe(1);
  });

  it('resolve to keys of every kind', async () => {
    expect(await db.insert('users', { name: 'a' })).toBe(1);
    expect(await db.insert('users', { id: 2n ** 60n, name: 'b' })).toBe(2n ** 60n);
    expect(await db.insert('pairs', { a: 'x', b: 1, v: 2 })).toEqual(['x', 1]);
    expect(await db.insert('words', { word: 'w' })).toBe('w');
    expect(await db.insert('words', { n: 1 })).toBe('none');
    expect(await db.insert('select * from', { order: 7, 'имя 🎉': 'z' })).toBe(7);
    expect(await db.insert('bare', {})).toBe(1);
  });

  it('keep an integer an integer in a TEXT column', async () => {
    await db.insert('users', { name: 'a', code: 5 });
    expect(await db.queryScalar('SELECT code FROM users')).toBe('5');
  });

  it('update and delete by key, 0 for an unknown one', async () => {
    const id = await db.insert('users', { name: 'a' });
    expect(await db.update('users', id, { name: 'b', score: 1.5 })).toBe(1);
    expect(await db.update('users', 99, { name: 'b' })).toBe(0);
    await db.insert('pairs', { a: 'x', b: 1 });
    expect(await db.update('pairs', ['x', 1], { v: 9 })).toBe(1);
    expect(await db.queryOne('SELECT * FROM pairs')).toEqual({ a: 'x', b: 1, v: 9 });
    expect(await db.delete('pairs', ['x', 1])).toBe(1);
    expect(await db.delete('users', id)).toBe(1);
    expect(await db.delete('users', id)).toBe(0);
  });

  it('update and delete by condition, positional and named parameters, WHERE or not', async () => {
    await db.insertMany('users', [{ name: 'a' }, { name: 'b' }, { name: 'c', score: 3 }]);
    expect(await db.updateWhere('users', 'name = ?', ['a'], { score: 1 })).toBe(1);
    expect(await db.updateWhere('users', 'WHERE name = :n', { n: 'b' }, { score: 2 })).toBe(1);
    expect(await db.query('SELECT name, score FROM users ORDER BY id')).toEqual([
      { name: 'a', score: 1 },
      { name: 'b', score: 2 },
      { name: 'c', score: 3 },
    ]);
    expect(await db.deleteWhere('users', 'score < ?', [3])).toBe(2);
    expect(await db.queryScalar('SELECT count(*) FROM users')).toBe(1);
  });

  it('insertMany takes rows with different columns, all or none', async () => {
    expect(await db.insertMany('users', [{ name: 'a' }, { name: 'b', score: 2 }])).toEqual([1, 2]);
    expect(await code(() => db.insertMany('users', [{ name: 'c' }, { score: 1 }]))).toBe('GC_CONSTRAINT');
    expect(await db.queryScalar('SELECT count(*) FROM users')).toBe(2);
    expect(await db.insertMany('users', [])).toEqual([]);
  });
});

describe('transaction', () => {
  beforeEach(() => db.execute('CREATE TABLE t(id INTEGER PRIMARY KEY, v)'));

  it('refuses what is no function', async () => {
    expect(await code(() => db.transaction(5 as never))).toBe('GC_BAD_ARGUMENT');
  });

  it('commits once, and subscribers see one batch', async () => {
    const batches: ChangeEvent[][] = [];
    db.subscribe(db.watch('t'), (events) => batches.push(events));
    const result = await db.transaction(async () => {
      await db.insert('t', { v: 1 });
      await new Promise((resolve) => setTimeout(resolve, 5));
      expect(await db.queryScalar('SELECT count(*) FROM t')).toBe(1);
      await db.insert('t', { v: 2 });
      return 'done';
    });
    await db.flush();
    expect(result).toBe('done');
    expect(batches.map((events) => events.map((event) => event.newData?.['v']))).toEqual([[1, 2]]);
    expect(new Set(batches.flat().map((event) => event.transactionId)).size).toBe(1);
  });

  it('rolls back what failed, an async function too, and rethrows', async () => {
    const seen: ChangeEvent[] = [];
    db.subscribe(db.watch('t'), (events) => seen.push(...events));
    await expect(
      db.transaction(async () => {
        await db.insert('t', { v: 1 });
        throw new Error('no');
      }),
    ).rejects.toThrow('no');
    await db.flush();
    expect(await db.queryScalar('SELECT count(*) FROM t')).toBe(0);
    expect(seen).toEqual([]);
  });

  it('nests as savepoints', async () => {
    await db.transaction(async () => {
      await db.insert('t', { v: 'outer' });
      await db
        .transaction(async () => {
          await db.insert('t', { v: 'inner' });
          throw new Error('inner only');
        })
        .catch(() => undefined);
      await db.insert('t', { v: 'after' });
    });
    expect(await db.query('SELECT v FROM t')).toEqual([{ v: 'outer' }, { v: 'after' }]);
  });

  it('keeps others out until it has ended', async () => {
    let release = (): void => {};
    const gate = new Promise<void>((resolve) => (release = resolve));
    const inside = db.transaction(async () => {
      await db.insert('t', { v: 'inside' });
      await gate;
    });
    const outside = db.insert('t', { v: 'outside' });
    expect(await db.queryScalar('SELECT count(*) FROM t')).toBe(0);
    release();
    await Promise.all([inside, outside]);
    expect(await db.query('SELECT v FROM t ORDER BY id')).toEqual([{ v: 'inside' }, { v: 'outside' }]);
  });
});

describe('createTable and defineSchema', () => {
  it('refuse what no table can have', async () => {
    expect(await code(() => db.createTable('', []))).toBe('GC_BAD_ARGUMENT');
    expect(await code(() => db.createTable('t', []))).toBe('GC_BAD_ARGUMENT');
    expect(await code(() => db.createTable('t', [{ name: 'a', type: 'VARCHAR' as never }]))).toBe('GC_BAD_ARGUMENT');
    expect(await code(() => db.createTable('_capsule_x', [{ name: 'a', type: 'TEXT' }]))).toBe('GC_INTERNAL_TABLE');
  });

  it('create the spec’s example, with function defaults', async () => {
    await db.close();
    db = new GlyphCase({
      filename: join(folder, 'schema.db'),
      schema: {
        tables: [
          {
            name: 'users',
            columns: [
              { name: 'id', type: 'INTEGER', primary: true },
              { name: 'email', type: 'TEXT', unique: true },
              { name: 'name', type: 'TEXT', notNull: true },
              { name: 'status', type: 'TEXT', default: 'active' },
              { name: 'joined', type: 'TEXT', default: { sql: 'CURRENT_TIMESTAMP' } },
              { name: 'created_at', type: 'INTEGER', default: () => 1_700_000_000_000 },
              { name: 'tags', type: 'JSON', default: [] },
            ],
            capsule: { watch: true, retentionDays: 30 },
          },
        ],
        indexes: [{ name: 'by_status', table: 'users', columns: ['status'] }],
        triggers: [{ name: 'log_it', table: 'users', timing: 'AFTER', event: 'DELETE', body: 'SELECT 1;' }],
      },
    });
    await db.insert('users', { name: 'Alice', email: 'a@example.com' });
    const row = await db.queryOne('SELECT * FROM users');
    expect(row).toMatchObject({ id: 1, status: 'active', created_at: 1_700_000_000_000, tags: [] });
    expect(row?.['joined']).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
    expect(await db.queryScalar('SELECT table_or_query FROM _capsule_watchers')).toBe('users');
    await db.flush();
    expect(await db.queryScalar('SELECT count(*) FROM _capsule_events')).toBe(1);
  });

  it('add columns that an existing table lacks, and keep its rows', async () => {
    await db.createTable('t', [{ name: 'id', type: 'INTEGER', primary: true }], true);
    await db.insert('t', { id: 1 });
    await db.defineSchema({
      tables: [
        {
          name: 't',
          columns: [
            { name: 'id', type: 'INTEGER', primary: true },
            { name: 'note', type: 'TEXT', default: 'none' },
          ],
        },
      ],
    });
    expect(await db.query('SELECT * FROM t')).toEqual([{ id: 1, note: 'none' }]);
    const seen: ChangeEvent[] = [];
    db.subscribe(db.watch('t'), (events) => seen.push(...events));
    await db.update('t', 1, { note: 'seen' });
    await db.flush();
    expect(seen.map((event) => event.changedColumns)).toEqual([['note']]);
  });
});

describe('watch and subscribe', () => {
  beforeEach(() => db.execute('CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT, status TEXT)'));

  it('refuse wrong tables, filters and watchers at once', async () => {
    expect(await code(() => db.watch('nowhere'))).toBe('GC_NO_SUCH_TABLE');
    expect(await code(() => db.watch(''))).toBe('GC_BAD_ARGUMENT');
    expect(await code(() => db.watch('users', 'nothing = 1'))).toBe('GC_BAD_FILTER');
    expect(await code(() => db.watch('users', "status = 'a') OR (1"))).toBe('GC_BAD_FILTER');
    expect(await code(() => db.watch('users', 5 as never))).toBe('GC_BAD_ARGUMENT');
    expect(await code(() => db.watch('SELECT * FROM nowhere'))).toBe('GC_NO_SUCH_TABLE');
    expect(await code(() => db.subscribe('no-such-id', () => undefined))).toBe('GC_NO_SUCH_WATCHER');
    expect(await code(() => db.subscribe(db.watch('users'), 5 as never))).toBe('GC_BAD_ARGUMENT');
    const quoted = await caught(() => db.watch('users', 'WHERE status = "active"'));
    expect(quoted.code).toBe('GC_BAD_FILTER');
    expect(quoted.hint).toContain("'active'");
  });

  it('tell enter, stay and leave of a filter', async () => {
    const seen: string[] = [];
    const watcher = db.watch('users', "WHERE status = 'active'");
    db.subscribe(watcher, (events) => seen.push(...events.map((event) => `${event.operation} ${event.change}`)));
    const id = await db.insert('users', { name: 'a', status: 'active' });
    await db.update('users', id, { name: 'b' });
    await db.update('users', id, { status: 'gone' });
    await db.update('users', id, { name: 'c' });
    await db.update('users', id, { status: 'active' });
    await db.delete('users', id);
    await db.flush();
    expect(seen).toEqual(['INSERT enter', 'UPDATE stay', 'UPDATE leave', 'UPDATE enter', 'DELETE leave']);
  });

  it('end by unsubscribe, unwatch, dispose and signal, each twice without harm', async () => {
    const seen: string[] = [];
    const watcher = db.watch('users');
    const one = db.subscribe(watcher, () => seen.push('one'));
    const stop = new AbortController();
    db.subscribe(watcher, () => seen.push('two'), { signal: stop.signal });
    {
      using three = db.subscribe(watcher, () => seen.push('three'));
      expect(three.watcherId).toBe(watcher.id);
    }
    db.unsubscribe(one);
    db.unsubscribe(one);
    stop.abort();
    await db.insert('users', { name: 'a' });
    await db.flush();
    expect(seen).toEqual([]);
    db.unwatch(watcher);
    db.unwatch(watcher);
    expect(
      await db.queryScalar("SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'users'"),
    ).toBe(0);
  });

  it('keep a durable cursor over a restart', async () => {
    const file = join(folder, 'app.db');
    const seen: unknown[] = [];
    const record = (events: ChangeEvent[]): void => void seen.push(...events.map((event) => event.newData?.['name']));
    db.subscribe(db.watch('users'), record, { name: 'mailer' });
    await db.insert('users', { name: 'first' });
    await db.flush();
    await db.close();
    const { default: Database } = await import('better-sqlite3');
    const other = new Database(file);
    other.exec("INSERT INTO users(name) VALUES ('while away')");
    other.close();
    db = new GlyphCase(file, { capsule: { batchInterval: 0 } });
    await db.insert('users', { name: 'before subscribing' });
    db.subscribe(db.watch('users'), record, { name: 'mailer' });
    await db.flush();
    expect(seen).toEqual(['first', 'while away', 'before subscribing']);
  });

  it('deliver what was written through the raw handle', async () => {
    const seen: ChangeEvent[] = [];
    db.subscribe(db.watch('users'), (events) => seen.push(...events));
    const insert = db.sqlite.prepare('INSERT INTO users(name) VALUES (?)');
    insert.run('a');
    db.sqlite.transaction(() => {
      insert.run('b');
      insert.run('c');
    })();
    db.sqlite.exec("UPDATE users SET status = 'x' WHERE name = 'a'");
    await db.flush();
    expect(seen.map((event) => `${event.operation} ${String(event.newData?.['name'])} ${event.source}`)).toEqual([
      'INSERT a host',
      'INSERT b host',
      'INSERT c host',
      'UPDATE a host',
    ]);
    expect(seen[1]?.transactionId).toBe(seen[2]?.transactionId);
    expect(seen[0]?.transactionId).not.toBe(seen[1]?.transactionId);
  });
});

describe('actions', () => {
  it('refuse wrong names and handlers, and a request nobody answers', async () => {
    expect(await code(() => db.dispatch(''))).toBe('GC_BAD_ARGUMENT');
    expect(await code(() => db.onAction('a*b', () => undefined))).toBe('GC_BAD_ARGUMENT');
    expect(await code(() => db.onAction('a', 5 as never))).toBe('GC_BAD_ARGUMENT');
    expect(await code(() => db.request('nobody'))).toBe('GC_NO_SUCH_FUNCTION');
  });

  it('reach patterns, and go on when one listener throws', async () => {
    const seen: unknown[] = [];
    db.onAction('user:*', () => {
      throw new Error('broken listener');
    });
    const stop = db.onAction('user:*', (payload, action) => seen.push([action, payload]));
    expect(db.dispatch('user:created', { id: 1 })).toBe(2);
    stop();
    expect(db.dispatch('user:created', { id: 2 })).toBe(1);
    expect(db.dispatch('order:created')).toBe(0);
    expect(seen).toEqual([['user:created', { id: 1 }]]);
    db.onAction('sum', (payload) => (payload as number[]).reduce((a, b) => a + b, 0));
    expect(await db.request('sum', [1, 2, 3])).toBe(6);
  });
});

describe('close', () => {
  it('can be called twice; afterwards every call says that it is closed', async () => {
    await db.close();
    await db.close();
    expect(await code(() => db.query('SELECT 1'))).toBe('GC_CLOSED');
    expect(await code(() => db.insert('t', { a: 1 }))).toBe('GC_CLOSED');
    expect(await code(() => db.watch('t'))).toBe('GC_CLOSED');
    expect(await code(() => db.flush())).toBe('GC_CLOSED');
  });
});
