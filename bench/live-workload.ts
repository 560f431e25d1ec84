/**
 * What the benchmark of live queries works on: 1,000 users and their tasks, a tenth of them active, in a real file; and the
 * naive live query that GlyphCase is compared with, which runs again whenever its table may have changed.
 *
 * Invariant: both get the same rows, the same indexes and the same pragmas.
 */
import Database from 'better-sqlite3';
import type { Database as Connection } from 'better-sqlite3';

export const USERS = 1000;
export const TASKS = 100_000;

export const FILTER = "SELECT id, user_id, status, title FROM tasks WHERE status = 'active'";
export const JOIN = `SELECT u.id AS id, u.name AS name, COUNT(t.id) AS n
  FROM users u LEFT JOIN tasks t ON t.user_id = u.id GROUP BY u.id, u.name`;
export const BY_USER = 'SELECT * FROM tasks WHERE user_id = ?';
export const RENAME = 'UPDATE tasks SET title = ? WHERE id = ?';
export const ADD = 'INSERT INTO tasks(id, user_id, status, title) VALUES (?, ?, ?, ?)';

export type Task = readonly [id: number, userId: number, status: string, title: string];

const STATUSES = ['active', 'todo', 'todo', 'todo', 'done', 'done', 'done', 'done', 'archived', 'archived'] as const;

export const task = (id: number, users = USERS): Task => [
  id,
  ((id - 1) % users) + 1,
  STATUSES[id % 10] ?? 'todo',
  `task number ${id}`,
];

/** The id of an active task; steps through the table in no order that helps a cache. */
export const activeTask = (step: number): number => ((step * 7919) % (TASKS / 10)) * 10 + 10;
/** The id of a task that is not. */
export const otherTask = (step: number): number => activeTask(step) - 9;
/** A task of this user's, of 100. */
export const taskOf = (user: number, step: number): number => user + (step % 100) * USERS;

/** Tables, indexes and rows, in one transaction. */
export function fill(db: Connection, tasks = TASKS, users = USERS): void {
  db.exec(`CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT);
    CREATE TABLE tasks(id INTEGER PRIMARY KEY, user_id INTEGER, status TEXT, title TEXT);
    CREATE INDEX tasks_user ON tasks(user_id);
    CREATE INDEX tasks_status ON tasks(status);`);
  const addUser = db.prepare('INSERT INTO users VALUES (?, ?)');
  const addTask = db.prepare(ADD);
  db.transaction(() => {
    for (let id = 1; id <= users; id += 1) addUser.run(id, `user ${id}`);
    for (let id = 1; id <= tasks; id += 1) addTask.run(...task(id, users));
  })();
  // What a run costs later must not depend on whether the log of this one is copied back in its midst.
  db.pragma('wal_checkpoint(TRUNCATE)');
}

type Rows = readonly Record<string, unknown>[];

/** Table-level invalidation, as most programs have it: after a write, every query runs again and hands over all its rows. */
export class Naive {
  readonly db: Connection;
  readonly #queries: (() => void)[] = [];
  #dirty = false;

  constructor(file: string) {
    this.db = new Database(file);
    this.db.pragma('journal_mode = WAL');
    this.db.pragma('synchronous = NORMAL');
    fill(this.db);
  }

  watch(sql: string, params: readonly unknown[], handler: (rows: Rows) => void): void {
    const statement = this.db.prepare(sql);
    this.#queries.push(() => handler(statement.all(...params) as Rows));
  }

  /** Something was written. */
  touch(): void {
    if (this.#dirty) return;
    this.#dirty = true;
    queueMicrotask(() => {
      this.#dirty = false;
      for (const run of this.#queries) run();
    });
  }
}
