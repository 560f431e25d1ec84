/** GlyphCase, from the sources around this folder: a file, no batch interval, raw SQL writes, rows kept from the differences. */
import { join } from 'node:path';
import { GlyphCase } from '../../../sdk/index.ts';
import { BY_USER, FILTER, JOIN, TABLES } from '../workload.mjs';

/** @type {import('./types.d.ts').Open} */
export async function open({ folder }) {
  const db = new GlyphCase(join(folder, 'a.db'), { capsule: { batchInterval: 0 } });
  await db.ready;
  await db.execute(TABLES);
  const addUser = db.sqlite.prepare('INSERT INTO users VALUES (?, ?)');
  const addTask = db.sqlite.prepare('INSERT INTO tasks VALUES (?, ?, ?, ?)');
  const rename = db.sqlite.prepare('UPDATE tasks SET title = ? WHERE id = ?');
  const move = db.sqlite.prepare('UPDATE tasks SET status = ? WHERE id = ?');
  const addTasks = db.sqlite.transaction((tasks) => {
    for (const task of tasks) addTask.run(task.id, task.user_id, task.status, task.title);
  });

  const watch = (sql, params, callback) => {
    const rows = new Map();
    const view = {
      row: (id) => rows.get(id),
      get size() {
        return rows.size;
      },
    };
    db.subscribe(
      db.watch(sql, params),
      (events) => {
        for (const { operation, oldData, newData } of events) {
          if (operation !== 'INSERT' && oldData.id !== newData?.id) rows.delete(oldData.id);
          if (operation !== 'DELETE') rows.set(newData.id, newData);
        }
        callback(view);
      },
      { initial: true },
    );
  };

  return {
    async load(users, tasks) {
      for (const user of users) addUser.run(user.id, user.name);
      addTasks(tasks);
    },
    async watchFilter(callback) {
      watch(FILTER, [], callback);
      await db.flush();
    },
    async watchJoin(callback) {
      watch(JOIN, [], callback);
      await db.flush();
    },
    watchUser: (user, callback) => watch(BY_USER, [user], callback),
    settled: () => db.flush(),
    updateTitle: async (id, title) => rename.run(title, id),
    updateStatus: async (id, status) => move.run(status, id),
    insertTask: async (task) => addTask.run(task.id, task.user_id, task.status, task.title),
    bulkInsert: async (tasks) => addTasks(tasks),
  };
}
