/** Every way into a table that SQL knows, tried by a skill that may read `orders` and write `items`, and nothing else. */
import { describe, expect, it } from 'vitest';
import { loadSkill, skillHost } from './60-skills-support.ts';
import type { SkillHost } from './60-skills-support.ts';
import { thrownBy } from './support.ts';

const SCHEMA = `
  CREATE TABLE orders(id INTEGER PRIMARY KEY, status TEXT, total REAL);
  INSERT INTO orders VALUES (1, 'open', 5), (2, 'done', 7);
  CREATE TABLE items(id INTEGER PRIMARY KEY, order_id, n INTEGER, word TEXT);
  CREATE TABLE secret(id INTEGER PRIMARY KEY, word TEXT);
  INSERT INTO secret VALUES (1, 'swordfish');
  CREATE TABLE ids(id INTEGER PRIMARY KEY);
  CREATE INDEX secret_length ON secret(length(word));
  CREATE TABLE "odd ""name"(id INTEGER PRIMARY KEY);
  CREATE VIEW peek AS SELECT word FROM secret;
  CREATE VIEW deep AS SELECT word FROM peek UNION ALL SELECT status FROM orders;
  CREATE VIEW fine AS SELECT id, status FROM orders;
  CREATE VIEW counting AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n;
  CREATE VIEW writable AS SELECT id FROM orders;
  CREATE TRIGGER writable_insert INSTEAD OF INSERT ON writable BEGIN INSERT INTO secret(word) VALUES ('by the owner'); END;
  CREATE VIRTUAL TABLE words USING fts5(word, content='secret', content_rowid='id');
  CREATE VIRTUAL TABLE vocabulary USING fts5vocab(words, row);
  CREATE TABLE parents(id INTEGER PRIMARY KEY);
  CREATE TABLE children(id INTEGER PRIMARY KEY, parent REFERENCES parents(id) ON DELETE CASCADE ON UPDATE SET NULL);
  INSERT INTO parents VALUES (1), (2); INSERT INTO children VALUES (1, 1);`;

const MAIN = `function sql(text, ...) return glyphcase.execute(text, ...) end
  function query(text, ...) return glyphcase.query(text, ...) end
  function lua(text) return load(text)() end`;

async function runner(database: Record<string, unknown>, more: Record<string, unknown> = {}): Promise<SkillHost> {
  const host = await skillHost({ schema: SCHEMA });
  const report = await loadSkill(host, 'demo', MAIN, { permissions: { database, ...more } });
  expect(report.state).toBe('active');
  return host;
}

const call = (host: SkillHost, fn: string, ...args: readonly unknown[]) => host.skills.call('demo', fn, ...args);
const refusal = async (host: SkillHost, fn: string, text: string): Promise<string> => {
  const error = await thrownBy(() => call(host, fn, text));
  expect(error, text).toMatchObject({ code: 'GC_PERMISSION', skill: 'demo' });
  return error.message;
};

/** One skill for many statements that must all be refused: none of them changes anything. */
function refusing(database: Record<string, unknown>, fn: 'sql' | 'query', statements: readonly string[]): void {
  it('is refused in all of them', async () => {
    const host = await runner(database);
    const content = () => host.db.all('SELECT * FROM secret UNION ALL SELECT id, word FROM items ORDER BY 1, 2');
    const before = content();
    const outcomes: string[] = [];
    for (const statement of statements) {
      const error = await call(host, fn, statement).catch((thrown: unknown) => thrown as { code: string });
      const code = (error as { code?: string }).code;
      if (code !== 'GC_PERMISSION') outcomes.push(`${statement}: ${code ?? 'nothing was thrown'}`);
    }
    expect(outcomes).toEqual([]);
    expect(content()).toEqual(before);
    expect(await call(host, 'query', 'SELECT count(*) AS n FROM orders').catch(() => [{ n: 2 }])).toEqual([{ n: 2 }]);
  });
}

describe('reading another table', () => {
  refusing({ read: ['orders', 'items', 'peek', 'deep', 'words', 'vocabulary'], write: ['items'] }, 'query', [
    'SELECT word FROM secret',
    'SELECT word FROM main.secret',
    'SELECT word FROM [secret]',
    'SELECT word FROM `SECRET`',
    "SELECT word FROM 'secret'",
    'SELECT (SELECT word FROM secret)',
    'SELECT id FROM orders WHERE id IN ids',
    'SELECT 1 IN (SELECT id FROM secret)',
    'SELECT id FROM orders WHERE EXISTS (SELECT 1 FROM secret)',
    'SELECT id FROM orders ORDER BY (SELECT word FROM secret)',
    'SELECT count(*) FROM orders GROUP BY (SELECT word FROM secret)',
    'SELECT count(*) FROM orders GROUP BY status HAVING count(*) > (SELECT count(*) FROM secret)',
    'SELECT id FROM orders LIMIT (SELECT count(*) FROM secret)',
    'SELECT id FROM orders LIMIT 1 OFFSET (SELECT count(*) FROM secret)',
    'SELECT sum(total) OVER (ORDER BY (SELECT word FROM secret)) FROM orders',
    'SELECT sum(total) FILTER (WHERE (SELECT word FROM secret) > 1) FROM orders',
    'SELECT CASE WHEN (SELECT count(*) FROM secret) THEN 1 END',
    'SELECT orders.id FROM orders JOIN secret USING (id)',
    'SELECT orders.id FROM orders LEFT JOIN secret ON secret.word > orders.status',
    'SELECT orders.id FROM orders NATURAL JOIN secret',
    'SELECT id FROM orders UNION SELECT word FROM secret',
    'SELECT id FROM orders EXCEPT SELECT id FROM secret',
    'VALUES ((SELECT word FROM secret))',
    'WITH s AS (SELECT * FROM secret) SELECT * FROM s',
    'WITH s AS MATERIALIZED (SELECT * FROM secret) SELECT * FROM s, orders',
    'SELECT * FROM (SELECT * FROM (SELECT * FROM secret))',
    'SELECT value FROM json_each((SELECT json_array(word) FROM secret))',
    'SELECT id FROM secret INDEXED BY secret_length WHERE length(word) = 9',
    'SELECT * FROM peek',
    'SELECT * FROM deep',
    "SELECT * FROM words WHERE words MATCH 'swordfish'",
    'SELECT * FROM vocabulary',
    'SELECT * FROM words_data',
    'EXPLAIN SELECT * FROM secret',
    'EXPLAIN QUERY PLAN SELECT * FROM secret',
  ]);

  it('still reads its own by every one of those clauses', async () => {
    const host = await runner({ read: ['orders', 'fine'] });
    expect(await call(host, 'query', 'SELECT id FROM fine ORDER BY (SELECT max(id) FROM orders), id')).toHaveLength(2);
    expect(await call(host, 'query', "SELECT value FROM json_each('[1,2]')")).toHaveLength(2);
  });
});

describe('reading another table while writing', () => {
  refusing({ read: ['items'], write: ['items'] }, 'sql', [
    'INSERT INTO items(word) SELECT word FROM secret',
    'INSERT INTO items(word) VALUES ((SELECT word FROM secret))',
    'INSERT INTO items(id, word) VALUES (1, 2) ON CONFLICT(id) DO UPDATE SET word = (SELECT word FROM secret)',
    'INSERT INTO items(id) VALUES (1) ON CONFLICT(id) DO UPDATE SET n = 1 WHERE (SELECT word FROM secret) > 1',
    'INSERT INTO items(id) VALUES (7) RETURNING (SELECT word FROM secret)',
    'REPLACE INTO items(word) SELECT word FROM secret',
    'UPDATE items SET word = (SELECT word FROM secret)',
    'UPDATE items SET word = secret.word FROM secret',
    'UPDATE items SET n = 1 WHERE (SELECT word FROM secret) > 1',
    'UPDATE items SET (n, word) = (SELECT id, word FROM secret)',
    'UPDATE items SET n = 1 RETURNING (SELECT word FROM secret)',
    'DELETE FROM items WHERE word IN (SELECT word FROM secret)',
    'DELETE FROM items RETURNING (SELECT word FROM secret)',
    'WITH s AS (SELECT word FROM secret) DELETE FROM items WHERE word IN s',
    'CREATE TABLE copy AS SELECT * FROM secret',
    'CREATE TABLE copy AS SELECT * FROM peek',
    'INSERT INTO secret(word) VALUES (1)',
    'UPDATE secret SET word = 1',
    'DELETE FROM secret',
    'INSERT INTO writable(id) VALUES (1)',
    'WITH replace AS (SELECT 1 AS x) INSERT INTO main.writable(id) SELECT x FROM replace',
    'INSERT OR IGNORE INTO "WRITABLE"(id) VALUES (1)',
    "INSERT INTO words(words) VALUES ('rebuild')",
    'DELETE FROM parents',
    'UPDATE parents SET id = id + 10',
  ]);
});

describe('what reaches beyond the tables', () => {
  refusing({ read: ['*'], write: ['*'], schema: ['x'] }, 'sql', [
    "SELECT * FROM pragma_table_info('secret')",
    'SELECT * FROM pragma_database_list',
    'SELECT * FROM pragma_function_list',
    'SELECT * FROM dbstat',
    'SELECT * FROM sqlite_schema',
    'SELECT * FROM sqlite_temp_schema',
    'PRAGMA writable_schema = 1',
    'PRAGMA table_info(secret)',
    'EXPLAIN PRAGMA journal_mode = DELETE',
    '/* x */ PRAGMA user_version = 3',
    "ATTACH '/tmp/other.db' AS other",
    'DETACH main',
    'VACUUM',
    "VACUUM INTO '/tmp/copy.db'",
    'ANALYZE',
    'REINDEX',
    'BEGIN IMMEDIATE',
    'COMMIT',
    'END',
    'ROLLBACK',
    'SAVEPOINT a',
    'RELEASE a',
    'INSERT OR ROLLBACK INTO items(id) VALUES (1)',
    'CREATE TEMP TABLE t(a)',
    'CREATE TEMP VIEW t AS SELECT 1',
    'CREATE TEMP TRIGGER t AFTER INSERT ON items BEGIN SELECT 1; END',
    'CREATE TRIGGER t AFTER INSERT ON items BEGIN SELECT 1; END',
    'CREATE VIRTUAL TABLE x USING dbstat',
    "CREATE VIRTUAL TABLE x USING fts5vocab('words', 'row')",
    "CREATE VIRTUAL TABLE x USING fts5(word, content='_capsule_log')",
    "SELECT load_extension('/tmp/x.so')",
    "SELECT fts3_tokenizer('simple')",
    'WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n LIMIT 1',
    'WITH n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n LIMIT 1',
    'SELECT * FROM counting LIMIT 1',
    'INSERT INTO items(n) SELECT x FROM counting LIMIT 1',
  ]);

  it.each([
    "SELECT readfile('/etc/passwd')",
    "SELECT writefile('/tmp/x', 'y')",
    "SELECT edit('x')",
    "SELECT * FROM zipfile('x.zip')",
    "SELECT * FROM fsdir('/')",
    'SELECT * FROM sqlite_stmt',
    'SELECT * FROM sqlite_dbpage',
    'DELETE FROM sqlite_schema',
    'CREATE TABLE x(a CHECK (a IN (SELECT id FROM secret)))',
    'CREATE INDEX i ON items((SELECT word FROM secret))',
    'CREATE TABLE x(a, b AS ((SELECT word FROM secret)))',
    'ALTER TABLE items ADD COLUMN z DEFAULT (SELECT word FROM secret)',
  ])('SQLite itself knows nothing of: %s', async (sql) => {
    const host = await runner({ read: ['*'], write: ['*'], schema: ['items', 'x'] });
    const error = await thrownBy(() => call(host, 'sql', sql));
    expect(['GC_SQL', 'GC_NO_SUCH_TABLE', 'GC_PERMISSION']).toContain((error as { code?: string }).code);
  });

  it('does not end in a name that only looks like a table’s', async () => {
    const host = await runner({ read: ['orders'] });
    expect(await refusal(host, 'query', 'SELECT * FROM "odd ""name"')).toContain(
      String.raw`"database": { "read": ["odd \"name"] }`,
    );
  });
});

describe('the schema’s own doings', () => {
  it('are not the skill’s: cascades and triggers reach where it may not', async () => {
    const host = await runner({ write: ['parents', 'writable'] });
    await call(host, 'sql', 'DELETE FROM parents WHERE id = 1');
    expect(host.db.value('SELECT count(*) FROM children')).toBe(0);
    await call(host, 'sql', 'INSERT INTO writable(id) VALUES (9)');
    expect(host.db.value("SELECT count(*) FROM secret WHERE word = 'by the owner'")).toBe(1);
    const error = await thrownBy(() => call(host, 'sql', 'DELETE FROM children'));
    expect(error.message).toContain('"write": ["children"]');
  });

  it('cannot be used as an excuse: a trigger of its own on its own table', async () => {
    const host = await runner({ write: ['items'] });
    await call(host, 'sql', 'CREATE TABLE mine(x)');
    expect(
      await refusal(host, 'sql', 'CREATE TRIGGER t AFTER INSERT ON mine BEGIN UPDATE secret SET word = NEW.x; END'),
    ).toContain('"schema": ["*"]');
  });

  it('a skill that may change the whole schema still makes no trigger on internal tables', async () => {
    const host = await runner({ schema: ['*'] });
    await call(host, 'sql', 'CREATE TABLE mine(x)');
    await call(host, 'sql', 'CREATE TRIGGER fine AFTER INSERT ON mine BEGIN SELECT 1; END');
    await refusal(
      host,
      'sql',
      'CREATE TRIGGER t AFTER INSERT ON mine BEGIN INSERT INTO _capsule_log(op) VALUES (1); END',
    );
    await refusal(host, 'sql', 'CREATE TRIGGER t AFTER INSERT ON mine BEGIN DELETE FROM "_skills"; END');
  });
});

describe('an undeclared use', () => {
  it.each([
    ['glyphcase.watch("secret", function() end)', '"database": { "read": ["secret"] }'],
    ['glyphcase.insert("secret", {})', '"database": { "write": ["secret"] }'],
    ['glyphcase.update("secret", 1, { word = "x" })', '"database": { "write": ["secret"] }'],
    ['glyphcase.dispatch("secret:seen")', '"actions": { "dispatch": ["secret:seen"] }'],
    ['glyphcase.execute("CREATE INDEX i ON orders(total)")', '"database": { "schema": ["orders"] }'],
    ['glyphcase.execute("CREATE VIEW v AS SELECT 1")', '"database": { "schema": ["v"] }'],
  ])('%s fails with the line to add', async (text, line) => {
    const host = await runner({ read: ['orders'] });
    expect(await refusal(host, 'lua', text)).toContain(`Its manifest.json would need "permissions": { ${line} }`);
  });

  it('a condition is held to the same', async () => {
    const host = await runner({ write: ['items'], read: ['items', '_capsule_events'] });
    await refusal(host, 'lua', 'glyphcase.deleteWhere("items", "word IN (SELECT word FROM secret)")');
    await refusal(host, 'lua', 'glyphcase.updateWhere("items", "(SELECT word FROM secret) > 1", {}, { n = 1 })');
    expect(
      await refusal(host, 'lua', 'glyphcase.deleteWhere("items", "id IN (SELECT row_id FROM _capsule_events)")'),
    ).toContain('the condition reads an internal table');
  });
});
