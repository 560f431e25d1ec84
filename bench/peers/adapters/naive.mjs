/** The baseline, as most programs write it by hand: after a write, every query on the table runs again and hands over all rows. */
import Database from 'better-sqlite3';
import { join } from 'node:path';
import { BY_USER, FILTER, JOIN, TABLES } from '../workload.mjs';

/** @type {import('./types.d.ts').Open} */
export async function open({ folder }) {
  const db = new Database(join(folder, 'a.db'));
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = NORMAL');
  db.exec(TABLES);
  const addUser = db.prepare('INSERT INTO users VALUES (?, ?)');
  const addTask = db.prepare('INSERT INTO tasks VALUES (?, ?, ?, ?)');
  const setTitle = db.prepare('UPDATE tasks SET title = ? WHERE id = ?');
  const setStatus = db.prepare('UPDATE tasks SET status = ? WHERE id = ?');
  const addTasks = db.transaction((tasks) => {
    for (const task of tasks) addTask.run(task.id, task.user_id, task.status, task.title);
  });

  const queries = [];
  let dirty = false;
  const touch = () => {
    if (dirty) return;
    dirty = true;
    queueMicrotask(() => {
      dirty = false;
      for (const run of queries) run();
    });
  };
  const watch = (sql, params, callback) => {
    const statement = db.prepare(sql);
    const run = () => {
      const rows = statement.all(...params);
      callback({ row: (id) => rows.find((row) => row.id === id), size: rows.length });
    };
    queries.push(run);
    run();
  };
  const write = async (fn) => {
    fn();
    touch();
  };

  return {
    async load(users, tasks) {
      for (const user of users) addUser.run(user.id, user.name);
      addTasks(tasks);
    },
    watchFilter: async (callback) => watch(FILTER, [], callback),
    watchJoin: async (callback) => watch(JOIN, [], callback),
    watchUser: (user, callback) => watch(BY_USER, [user], callback),
    updateTitle: (id, title) => write(() => setTitle.run(title, id)),
    updateStatus: (id, status) => write(() => setStatus.run(status, id)),
    insertTask: (task) => write(() => addTask.run(task.id, task.user_id, task.status, task.title)),
    bulkInsert: (tasks) => write(() => addTasks(tasks)),
  };
}
