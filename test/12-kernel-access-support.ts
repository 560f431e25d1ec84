/** The schema that the tests of the access check share, and how they write down what was found. */
import BetterSqlite3 from 'better-sqlite3';
import type { TableWrite } from '../kernel/access/access.ts';
import { GlyphError } from '../kernel/errors.ts';

export const SCHEMA = `
  CREATE TABLE _capsule_log(seq INTEGER PRIMARY KEY, op, a);
  CREATE TABLE users(id INTEGER PRIMARY KEY, name, age, email UNIQUE);
  CREATE INDEX users_age ON users(age);
  CREATE TABLE tasks(id INTEGER PRIMARY KEY, user_id REFERENCES users(id) ON DELETE CASCADE, title, done);
  CREATE INDEX open_tasks ON tasks(title) WHERE done = 0;
  CREATE TABLE logged(a TEXT PRIMARY KEY, b, c) WITHOUT ROWID;
  CREATE INDEX logged_b ON logged(b);
  CREATE TABLE plain(x, y, z AS (x + 1));
  CREATE TABLE secret(s);
  CREATE TABLE counted(id INTEGER PRIMARY KEY AUTOINCREMENT, x);
  CREATE TABLE own(id INTEGER PRIMARY KEY, x, y UNIQUE);
  CREATE TABLE strict_one(u UNIQUE ON CONFLICT ROLLBACK);
  CREATE TABLE "odd ""name;"("a b", "ü");
  CREATE TABLE keyed(a, b, k PRIMARY KEY) WITHOUT ROWID;
  CREATE TABLE gap(a, v AS (a + 1), b);
  CREATE VIEW busy AS SELECT u.name, count(*) AS n FROM users u JOIN tasks t ON t.user_id = u.id GROUP BY 1;
  CREATE VIEW busier AS SELECT name FROM busy WHERE n > 1;
  CREATE VIEW door AS SELECT x FROM plain;
  CREATE VIEW endless AS WITH c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT n FROM c LIMIT 3;
  CREATE TRIGGER door_delete INSTEAD OF DELETE ON door BEGIN DELETE FROM secret; END;
  CREATE TRIGGER tasks_insert AFTER INSERT ON tasks BEGIN INSERT OR REPLACE INTO logged VALUES (new.title, 1, (SELECT max(x) FROM plain)); END;
  CREATE TRIGGER own_log AFTER INSERT ON own BEGIN INSERT INTO _capsule_log(op, a) VALUES (1, new.x); END;
  CREATE TRIGGER counted_log AFTER DELETE ON counted BEGIN INSERT INTO _capsule_log(op, a) VALUES (3, old.x); END;
  CREATE TRIGGER plain_stop BEFORE UPDATE OF y ON plain WHEN new.y = 0 BEGIN SELECT RAISE(IGNORE); END;
  CREATE VIRTUAL TABLE ft USING fts5(x);
  CREATE VIRTUAL TABLE ft_other USING fts5(y);
  CREATE VIRTUAL TABLE spy USING fts5(s, c='secret');
  CREATE VIRTUAL TABLE spy4 USING fts4(s, content=secret);
  CREATE VIRTUAL TABLE spy_view USING fts5(name, content = [busier]);
  CREATE VIRTUAL TABLE words USING fts5vocab(spy, 'row');
  CREATE VIRTUAL TABLE boxes USING rtree(id, a, b);
  CREATE TEMP TABLE scratch(a);
`;

/** A connection set up as the kernel sets up its own. */
export function open(file = ':memory:'): BetterSqlite3.Database {
  const db = new BetterSqlite3(file);
  db.pragma('journal_mode = WAL');
  db.pragma('foreign_keys = ON');
  db.pragma('recursive_triggers = OFF');
  db.function('hello', { deterministic: true }, () => 1);
  return db;
}

/** The error that a call throws; anything but a GlyphError fails the test. */
export function thrown(fn: () => unknown): GlyphError {
  try {
    fn();
  } catch (error) {
    if (error instanceof GlyphError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

/** Names in order, as one text. */
export const sorted = (names: Iterable<string>): string => [...names].sort().join(' ');

/** `table:direct operations/nested operations`, in order of names; i, u and d for the operations. */
export function writesOf(writes: ReadonlyMap<string, TableWrite>): string {
  const letters = (operations: Iterable<string>): string =>
    [...operations]
      .map((name) => name.charAt(0))
      .sort()
      .join('');
  return sorted([...writes].map(([table, { direct, nested }]) => `${table}:${letters(direct)}/${letters(nested)}`));
}
