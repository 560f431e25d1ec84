/** Writes of any kind: what each is in the log, whoever makes it and however it reaches SQLite. */
import BetterSqlite3 from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { openHost, python, shortly, sqlite3, tempFile } from './support.ts';
import type { Host } from './support.ts';

const TASKS = `CREATE TABLE tasks(id INTEGER PRIMARY KEY, email TEXT UNIQUE, v DEFAULT 0);
  INSERT INTO tasks VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3)`;

/** Runs `work` on a host that watches `tables`; what each subscriber got, all tables in one list, in order. */
async function changes(
  schema: string,
  work: string | ((host: Host) => unknown),
  tables: readonly string[] = ['tasks'],
): Promise<string[]> {
  const host = openHost({ schema });
  const all = tables.map((table) => host.collect(host.capsule.watch(table)));
  if (typeof work === 'string') host.run(work);
  else await work(host);
  await host.flush();
  const events = all.flatMap((got) => got.events).sort((a, b) => a.seq - b.seq);
  return events.map((event) => (tables.length > 1 ? `${event.tableName}: ${shortly(event)}` : shortly(event)));
}

describe('statements', () => {
  test.each<[string, string, string[]]>([
    ['INSERT', "INSERT INTO tasks VALUES (4, 'd', 4)", ['INSERT 4']],
    ['INSERT of many', "INSERT INTO tasks VALUES (4, 'd', 4), (5, 'e', 5)", ['INSERT 4', 'INSERT 5']],
    [
      'INSERT … SELECT',
      "INSERT INTO tasks(email) SELECT email || '!' FROM tasks WHERE id < 3",
      ['INSERT 4', 'INSERT 5'],
    ],
    ['INSERT DEFAULT VALUES', 'INSERT INTO tasks DEFAULT VALUES', ['INSERT 4']],
    [
      'UPSERT that updates',
      "INSERT INTO tasks VALUES (9, 'a', 9) ON CONFLICT(email) DO UPDATE SET v = excluded.v",
      ['UPDATE 1'],
    ],
    ['UPSERT that does nothing', "INSERT INTO tasks VALUES (9, 'a', 9) ON CONFLICT DO NOTHING", []],
    [
      'UPSERT with a condition that fails',
      "INSERT INTO tasks VALUES (9, 'a', 9) ON CONFLICT(email) DO UPDATE SET v = 5 WHERE 0",
      [],
    ],
    ['REPLACE of the same key', "REPLACE INTO tasks VALUES (1, 'z', 9)", ['DELETE 1', 'INSERT 1']],
    ['REPLACE that removes another row', "REPLACE INTO tasks VALUES (9, 'a', 9)", ['DELETE 1', 'INSERT 9']],
    ['REPLACE that removes two', "REPLACE INTO tasks VALUES (1, 'b', 9)", ['DELETE 1', 'DELETE 2', 'INSERT 1']],
    ['REPLACE with a rowid of its own', "REPLACE INTO tasks(email) VALUES ('b')", ['DELETE 2', 'INSERT 4']],
    ['INSERT OR IGNORE', "INSERT OR IGNORE INTO tasks VALUES (1, 'q', 0), (4, 'd', 0)", ['INSERT 4']],
    [
      'INSERT OR IGNORE, then the same row in earnest',
      "INSERT OR IGNORE INTO tasks VALUES (1, 'q', 0); DELETE FROM tasks WHERE id = 1; INSERT INTO tasks VALUES (1, 'q', 0)",
      ['DELETE 1', 'INSERT 1'],
    ],
    ['UPDATE', 'UPDATE tasks SET v = 9 WHERE id > 1', ['UPDATE 2', 'UPDATE 3']],
    ['UPDATE that changes nothing', 'UPDATE tasks SET v = v, email = email', []],
    ['UPDATE of the key', 'UPDATE tasks SET id = 10 WHERE id = 1', ['UPDATE 10']],
    [
      'UPDATE of the rowid by another name',
      'UPDATE tasks SET rowid = 10 WHERE id = 1; UPDATE tasks SET _rowid_ = 11 WHERE id = 10',
      ['UPDATE 10', 'UPDATE 11'],
    ],
    ['UPDATE OR REPLACE', "UPDATE OR REPLACE tasks SET email = 'b' WHERE id = 1", ['DELETE 2', 'UPDATE 1']],
    ['UPDATE OR REPLACE by rowid', 'UPDATE OR REPLACE tasks SET oid = 2 WHERE id = 1', ['DELETE 2', 'UPDATE 2']],
    ['UPDATE OR IGNORE', "UPDATE OR IGNORE tasks SET email = 'b' WHERE id IN (1, 2)", []],
    ['UPDATE FROM', 'UPDATE tasks SET v = x.w FROM (SELECT 3 AS k, 33 AS w) x WHERE x.k = tasks.id', ['UPDATE 3']],
    ['DELETE', 'DELETE FROM tasks WHERE id = 2', ['DELETE 2']],
    ['DELETE of all', 'DELETE FROM tasks', ['DELETE 1', 'DELETE 2', 'DELETE 3']],
  ])('%s', async (_, sql, expected) => {
    expect(await changes(TASKS, sql)).toEqual(expected);
  });

  test('INSERT OR FAIL keeps the rows before the one that fails', async () => {
    const got = await changes(TASKS, (host) => {
      expect(() =>
        host.db.sqlite.exec("INSERT OR FAIL INTO tasks VALUES (4, 'd', 0), (1, 'x', 0), (5, 'e', 0)"),
      ).toThrow(/UNIQUE/);
    });
    expect(got).toEqual(['INSERT 4']);
  });

  test('a statement that fails, and OR ROLLBACK, leave no change behind', async () => {
    const got = await changes(TASKS, (host) => {
      expect(() => host.db.sqlite.exec("INSERT INTO tasks VALUES (4, 'd', 0), (1, 'x', 0)")).toThrow(/UNIQUE/);
      host.db.sqlite.exec("BEGIN; INSERT INTO tasks VALUES (5, 'e', 0)");
      expect(() => host.db.sqlite.exec("INSERT OR ROLLBACK INTO tasks VALUES (1, 'x', 0)")).toThrow(/UNIQUE/);
      expect(host.db.sqlite.inTransaction).toBe(false);
    });
    expect(got).toEqual([]);
  });

  test('OR ROLLBACK inside a transaction of the host is reported, and nothing of it is delivered', async () => {
    const got = await changes(TASKS, async (host) => {
      const work = host.db.transaction(() => {
        host.db.exec("INSERT INTO tasks VALUES (5, 'e', 0)");
        try {
          host.db.exec("INSERT OR ROLLBACK INTO tasks VALUES (1, 'x', 0)");
        } catch {
          // Whoever swallows it is told when the transaction ends.
        }
      });
      await expect(work).rejects.toMatchObject({ code: 'GC_TRANSACTION' });
    });
    expect(got).toEqual([]);
  });

  test('savepoints: what is rolled back to is not delivered', async () => {
    const sql =
      "INSERT INTO tasks VALUES (4, 'd', 0); SAVEPOINT a; INSERT INTO tasks VALUES (5, 'e', 0); DELETE FROM tasks WHERE id = 1; ROLLBACK TO a; RELEASE a; UPDATE tasks SET v = 7 WHERE id = 4";
    expect(await changes(TASKS, sql)).toEqual(['INSERT 4', 'UPDATE 4']);
  });

  test('what REPLACE stores in place of NULL in a NOT NULL column does not hide the row it removed', async () => {
    const schema =
      "CREATE TABLE tasks(id INTEGER PRIMARY KEY, email TEXT NOT NULL DEFAULT 'd' UNIQUE); INSERT INTO tasks VALUES (1, 'd'), (2, 'x')";
    expect(await changes(schema, 'REPLACE INTO tasks VALUES (2, NULL)')).toEqual(['DELETE 1', 'DELETE 2', 'INSERT 2']);
  });

  test('a unique index over a part, an expression or a generated column: REPLACE shows what it removed, OR IGNORE nothing', async () => {
    const schema = `CREATE TABLE tasks(id INTEGER PRIMARY KEY, a TEXT, b, g AS (b % 10));
      CREATE UNIQUE INDEX part ON tasks(b) WHERE a > 2; CREATE UNIQUE INDEX expression ON tasks(lower(a));
      CREATE UNIQUE INDEX computed ON tasks(g); INSERT INTO tasks VALUES (1, 'A', 1), (2, '3', 2)`;
    expect(await changes(schema, "REPLACE INTO tasks VALUES (5, 'a', 5)")).toEqual(['DELETE 1', 'INSERT 5']);
    expect(await changes(schema, "REPLACE INTO tasks VALUES (5, '1', 12)")).toEqual(['DELETE 2', 'INSERT 5']);
    expect(await changes(schema, 'UPDATE OR REPLACE tasks SET b = 21 WHERE id = 2')).toEqual(['DELETE 1', 'UPDATE 2']);
    // '1' > 2 is false in a TEXT column, so the row is in no conflict over `part`.
    expect(
      await changes(schema, "INSERT OR IGNORE INTO tasks VALUES (5, 'A', 5); INSERT INTO tasks VALUES (6, '1', 6)"),
    ).toEqual(['INSERT 6']);
  });
});

describe('an UPDATE that changes nothing is judged byte for byte', () => {
  const schema = `CREATE TABLE tasks(id INTEGER PRIMARY KEY, name TEXT COLLATE NOCASE, any_, n NUMERIC);
    INSERT INTO tasks VALUES (1, 'abc', 1, 1)`;
  test.each<[string, string, string[]]>([
    ["'abc' → 'ABC' in a NOCASE column", "name = 'ABC'", ['UPDATE 1']],
    ["'abc' → 'abc'", "name = 'abc'", []],
    ['1 → 1.0 in an untyped column', 'any_ = 1.0', ['UPDATE 1']],
    ["1 → '1' in an untyped column", "any_ = '1'", ['UPDATE 1']],
    ['1 → 1.0 in a NUMERIC column, which stores 1', 'n = 1.0', []],
    ['NULL', 'any_ = NULL', ['UPDATE 1']],
  ])('%s', async (_, set, expected) => {
    expect(await changes(schema, `UPDATE tasks SET ${set}`)).toEqual(expected);
  });
});

describe('writes that SQLite makes by itself', () => {
  const family = `CREATE TABLE tasks(id INTEGER PRIMARY KEY, v);
    CREATE TABLE child(id INTEGER PRIMARY KEY, task REFERENCES tasks(id) ON DELETE CASCADE ON UPDATE CASCADE);
    CREATE TABLE note(id INTEGER PRIMARY KEY, task REFERENCES tasks(id) ON DELETE SET NULL);
    INSERT INTO tasks VALUES (1, 'a'); INSERT INTO child VALUES (10, 1), (11, 1); INSERT INTO note VALUES (20, 1)`;

  test('ON DELETE CASCADE and SET NULL', async () => {
    const got = await changes(family, 'DELETE FROM tasks', ['tasks', 'child', 'note']);
    expect(got.toSorted()).toEqual(['child: DELETE 10', 'child: DELETE 11', 'note: UPDATE 20', 'tasks: DELETE 1']);
  });

  test('ON UPDATE CASCADE', async () => {
    const got = await changes(family, 'DELETE FROM note; UPDATE tasks SET id = 5', ['tasks', 'child']);
    expect(got.toSorted()).toEqual(['child: UPDATE 10', 'child: UPDATE 11', 'tasks: UPDATE 5']);
  });

  test('REPLACE cascades too, and its own delete shows', async () => {
    const got = await changes(family, "DELETE FROM note; REPLACE INTO tasks VALUES (1, 'z')", ['tasks', 'child']);
    expect(got.toSorted()).toEqual(['child: DELETE 10', 'child: DELETE 11', 'tasks: DELETE 1', 'tasks: INSERT 1']);
  });

  const circle = `CREATE TABLE teams(id INTEGER PRIMARY KEY, boss REFERENCES tasks(id) ON DELETE CASCADE);
    CREATE TABLE tasks(id INTEGER PRIMARY KEY, name UNIQUE, team REFERENCES teams(id) ON DELETE CASCADE);
    INSERT INTO teams VALUES (1, NULL), (2, NULL);
    INSERT INTO tasks VALUES (1, 'a', 1), (2, 'b', 1), (3, 'c', 2); UPDATE teams SET boss = 1 WHERE id = 1`;

  test('what REPLACE removes takes the row with it that was to replace it', async () => {
    const got = await changes(circle, "UPDATE OR REPLACE tasks SET name = 'a' WHERE id = 2", ['tasks', 'teams']);
    expect(got.toSorted()).toEqual(['tasks: DELETE 1', 'tasks: DELETE 2', 'teams: DELETE 1']);
  });

  test.each([
    ['stays', [], ['tasks: DELETE 2']],
    ['is deleted', ['DELETE FROM tasks WHERE id = 1'], ['tasks: DELETE 1', 'tasks: DELETE 2', 'teams: DELETE 1']],
    ['becomes another', ["UPDATE tasks SET id = 9, name = 'z' WHERE id = 3"], ['tasks: DELETE 2', 'tasks: UPDATE 9']],
  ])('a row that was not replaced, because the other one went first, %s', async (_what, more, expected) => {
    const statements = [
      "UPDATE OR IGNORE tasks SET name = 'a' WHERE id = 2",
      'DELETE FROM tasks WHERE id = 2',
      ...more,
    ];
    const got = await changes(circle, statements.join('; '), ['tasks', 'teams']);
    expect(got.toSorted()).toEqual(expected);
  });

  test('the same, when what was removed has come again before anybody looked', async () => {
    const host = openHost({ schema: `${circle};` });
    const got = host.collect(host.capsule.watch('tasks'));
    sqlite3(
      host.file,
      'PRAGMA foreign_keys = ON',
      "UPDATE OR REPLACE tasks SET name = 'a' WHERE id = 2",
      "INSERT INTO tasks VALUES (1, 'a', 2)",
    );
    await host.flush();
    expect(got.events.map(shortly)).toEqual(['DELETE 1', 'DELETE 2', 'INSERT 1']);
  });

  const STAMP =
    'CREATE TRIGGER stamp AFTER UPDATE ON tasks BEGIN UPDATE tasks SET at = ifnull(at, 0) + 1 WHERE id = NEW.id; END';

  test.each(['before', 'after', 'by another program'])(
    'AFTER UPDATE … SET updated_at, created %s ours',
    async (when) => {
      const host = openHost({
        schema: 'CREATE TABLE tasks(id INTEGER PRIMARY KEY, v, at); INSERT INTO tasks(id, v) VALUES (1, 1)',
      });
      if (when === 'before') host.run(STAMP);
      const got = host.collect(host.capsule.watch('tasks'));
      if (when === 'after') host.run(STAMP);
      if (when === 'by another program') sqlite3(host.file, STAMP);
      host.run('UPDATE tasks SET v = 2');
      await host.flush();
      // The cause comes first, and images follow one another, also where SQLite fired the newer trigger first.
      expect(got.events.map((event) => [event.oldData, event.newData])).toEqual([
        [
          { id: 1, v: 1, at: null },
          { id: 1, v: 2, at: null },
        ],
        [
          { id: 1, v: 2, at: null },
          { id: 1, v: 2, at: 1 },
        ],
      ]);
      expect(got.events[0]?.seq).toBeLessThan(got.events[1]?.seq ?? 0);
      host.run('UPDATE tasks SET v = 3');
      await host.flush();
      expect(got.events.slice(2).map((event) => event.newData?.['at'])).toEqual([1, 2]);
    },
  );

  test('another program’s trigger, fired before any host saw it: the cause still comes first', async () => {
    const host = openHost({
      schema: 'CREATE TABLE tasks(id INTEGER PRIMARY KEY, v, at); INSERT INTO tasks(id, v) VALUES (1, 1)',
    });
    const got = host.collect(host.capsule.watch('tasks'));
    sqlite3(
      host.file,
      STAMP,
      'UPDATE tasks SET v = 2',
      'BEGIN',
      'UPDATE tasks SET v = 3',
      'UPDATE tasks SET v = 4',
      'COMMIT',
    );
    const logged = host.db.all('SELECT n2 FROM _capsule_log ORDER BY seq').map((row) => row['n2']);
    expect(logged.slice(0, 2)).toEqual([1, null]);
    await host.flush();
    expect(got.events.map(({ newData }) => [newData?.['v'], newData?.['at']])).toEqual([
      [2, null],
      [2, 1],
      [3, 1],
      [3, 2],
      [4, 2],
      [4, 3],
    ]);
    expect(got.events.map((event) => event.seq)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test('a newer trigger’s row replaces the one that fired it: in the only order that can have been', async () => {
    const host = openHost({ schema: 'CREATE TABLE tasks(id TEXT PRIMARY KEY, v, w)' });
    const got = host.collect(host.capsule.watch('tasks'));
    // Under INSERT OR REPLACE the trigger’s OR IGNORE replaces too: SQLite lets the outer statement decide.
    sqlite3(
      host.file,
      'CREATE TRIGGER again AFTER INSERT ON tasks BEGIN INSERT OR IGNORE INTO tasks(id) VALUES (NEW.id); END',
      'BEGIN',
      "INSERT OR REPLACE INTO tasks VALUES ('a', 1, 1)",
      "INSERT INTO tasks VALUES ('b', 2, 2)",
      'COMMIT',
    );
    await host.flush();
    expect(host.db.select('SELECT * FROM tasks')).toEqual([
      { id: 'a', v: null, w: null },
      { id: 'b', v: 2, w: 2 },
    ]);
    expect(got.events.map(({ operation, oldData, newData }) => [operation, newData ?? oldData])).toEqual([
      ['INSERT', { id: 'a', v: 1, w: 1 }],
      ['DELETE', { id: 'a', v: 1, w: 1 }],
      ['INSERT', { id: 'a', v: null, w: null }],
      ['INSERT', { id: 'b', v: 2, w: 2 }],
    ]);
    expect(got.events.map((event) => event.seq)).toEqual([1, 2, 3, 5]);
  });

  test('triggers of others: rows they write elsewhere, RAISE(IGNORE) before the write, RAISE(ABORT)', async () => {
    const schema = `CREATE TABLE tasks(id INTEGER PRIMARY KEY, v); CREATE TABLE audit(id INTEGER PRIMARY KEY, what);
      CREATE TRIGGER au AFTER INSERT ON tasks BEGIN INSERT INTO audit(what) VALUES ('new ' || NEW.id); END;
      CREATE TRIGGER ig BEFORE INSERT ON tasks WHEN NEW.v = 'ignore' BEGIN SELECT RAISE(IGNORE); END;
      CREATE TRIGGER ab BEFORE INSERT ON tasks WHEN NEW.v = 'abort' BEGIN SELECT RAISE(ABORT, 'no'); END;`;
    const got = await changes(
      schema,
      (host) => {
        host.run("INSERT INTO tasks VALUES (1, 'a'), (2, 'ignore')");
        expect(() => host.run("INSERT INTO tasks VALUES (3, 'c'), (4, 'abort')")).toThrow('no');
      },
      ['tasks', 'audit'],
    );
    expect(got).toEqual(['tasks: INSERT 1', 'audit: INSERT 1']);
  });
});

describe('ways to SQLite', () => {
  const table = 'CREATE TABLE tasks(id INTEGER PRIMARY KEY, v)';
  const ways: Readonly<Record<string, (host: Host) => unknown>> = {
    'sqlite.exec': ({ db }) => db.sqlite.exec("INSERT INTO tasks VALUES (1, 'a')"),
    'prepare().run': ({ db }) => db.sqlite.prepare('INSERT INTO tasks VALUES (?, ?)').run(1, 'a'),
    'prepare().get RETURNING': ({ db }) =>
      db.sqlite.prepare('INSERT INTO tasks VALUES (?, ?) RETURNING id').get(1, 'a'),
    'prepare().all RETURNING': ({ db }) => db.sqlite.prepare('INSERT INTO tasks VALUES (?, ?) RETURNING *').all(1, 'a'),
    'prepare().iterate RETURNING': ({ db }) => [
      ...db.sqlite.prepare('INSERT INTO tasks VALUES (?, ?) RETURNING *').iterate(1, 'a'),
    ],
    'transaction()': ({ db }) => db.sqlite.transaction(() => db.sqlite.exec("INSERT INTO tasks VALUES (1, 'a')"))(),
    'transaction().immediate': ({ db }) =>
      db.sqlite.transaction(() => db.sqlite.exec("INSERT INTO tasks VALUES (1, 'a')")).immediate(),
    'prepared BEGIN and COMMIT': ({ db }) => {
      db.sqlite.prepare('BEGIN').run();
      db.sqlite.exec("INSERT INTO tasks VALUES (1, 'a')");
      db.sqlite.prepare('COMMIT').run();
    },
    'the prototype, around our wrappers': ({ db }) =>
      BetterSqlite3.prototype.exec.call(db.sqlite, "INSERT INTO tasks VALUES (1, 'a')"),
    'an ATTACHed database as the source': ({ db }) => {
      const other = tempFile();
      sqlite3(other, 'CREATE TABLE source(id, v)', "INSERT INTO source VALUES (1, 'a')");
      db.sqlite.exec(`ATTACH '${other}' AS other; INSERT INTO tasks SELECT * FROM other.source; DETACH other`);
    },
    'rows.insert': ({ db }) => db.exclusive(() => db.rows.insert('tasks', { id: 1, v: 'a' })),
    'the sqlite3 shell': ({ file }) => sqlite3(file, "INSERT INTO tasks VALUES (1, 'a')"),
    python: ({ file }) =>
      python(
        'import sqlite3, sys\nc = sqlite3.connect(sys.argv[1])\nc.execute("INSERT INTO tasks VALUES (1, \'a\')")\nc.commit()',
        file,
      ),
  };

  test.each(Object.entries(ways))('%s', async (_, way) => {
    expect(await changes(table, way)).toEqual(['INSERT 1']);
  });

  test('handlers are called without a flush, at the next microtask after an in-process commit', async () => {
    const host = openHost({ schema: table });
    const got = host.collect(host.capsule.watch('tasks'));
    host.db.sqlite.exec("INSERT INTO tasks VALUES (1, 'a')");
    await Promise.resolve();
    expect(got.short).toEqual(['INSERT 1']);
    await host.db.exclusive(() => host.db.exec("INSERT INTO tasks VALUES (2, 'b')"));
    await Promise.resolve();
    expect(got.short).toEqual(['INSERT 1', 'INSERT 2']);
  });

  test('last_insert_rowid() and changes() are what they would be without us', () => {
    const host = openHost({ schema: table });
    host.capsule.watch('tasks');
    const result = host.db.sqlite.prepare('INSERT INTO tasks(v) VALUES (1), (2), (3)').run();
    expect(result).toEqual({ changes: 3, lastInsertRowid: 3 });
    expect(host.db.sqlite.prepare('UPDATE tasks SET v = 9').run().changes).toBe(3);
  });
});
