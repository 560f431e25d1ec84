/**
 * The data and the writes that every peer gets: 1,000 users, 100,000 tasks, 100 of each user, a tenth of them active.
 *
 * Invariant: everything here follows from the numbers alone, so two peers never see different rows.
 */

/** @typedef {{ id: number, name: string }} User */
/** @typedef {{ id: number, user_id: number, status: string, title: string }} Task */

export const USERS = 1000;
export const TASKS = 100_000;
/** Rows of one bulk insert. */
export const BULK = 10_000;

const STATUSES = ['active', 'todo', 'todo', 'todo', 'done', 'done', 'done', 'done', 'archived', 'archived'];

/** @returns {User[]} */
export const users = () => Array.from({ length: USERS }, (_, index) => ({ id: index + 1, name: `user ${index + 1}` }));

/** @returns {Task} */
export const task = (/** @type {number} */ id) => ({
  id,
  user_id: ((id - 1) % USERS) + 1,
  status: STATUSES[id % 10],
  title: `task number ${id}`,
});

/** @returns {Task[]} */
export const tasks = (from = 1, count = TASKS) => Array.from({ length: count }, (_, index) => task(from + index));

/** An active task's id; steps through the table in no order that helps a cache. */
export const activeId = (/** @type {number} */ step) => ((step * 7919) % (TASKS / 10)) * 10 + 10;
/** The id of a task that is not active. */
export const todoId = (/** @type {number} */ step) => activeId(step) - 9;
/** The id of one of a user's 100 tasks. */
export const idOfUser = (/** @type {number} */ user, step = 0) => user + (step % 100) * USERS;

/** 1 to `count`, always in the same order, and in none that puts the watcher that matters first. */
export function shuffled(/** @type {number} */ count) {
  const numbers = Array.from({ length: count }, (_, index) => index + 1);
  let seed = 12_345;
  for (let index = count - 1; index > 0; index -= 1) {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    const other = seed % (index + 1);
    [numbers[index], numbers[other]] = [numbers[other], numbers[index]];
  }
  return numbers;
}

export const TABLES = `CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT);
  CREATE TABLE tasks(id INTEGER PRIMARY KEY, user_id INTEGER, status TEXT, title TEXT);
  CREATE INDEX tasks_user ON tasks(user_id);
  CREATE INDEX tasks_status ON tasks(status);`;

export const FILTER = "SELECT id, user_id, status, title FROM tasks WHERE status = 'active'";
export const JOIN =
  'SELECT u.id AS id, u.name AS name, COUNT(t.id) AS n FROM users u LEFT JOIN tasks t ON t.user_id = u.id GROUP BY u.id, u.name';
export const BY_USER = 'SELECT * FROM tasks WHERE user_id = ?';
