/** SignalDB: a collection in memory with its indexes; `observeChanges` finds the differences. */
import { Collection, createIndex } from '@signaldb/core';

/** @type {import('./types.d.ts').Open} */
export async function open() {
  const tasks = new Collection({ indices: [createIndex('user_id'), createIndex('status')] });
  const users = new Collection();
  const addTasks = (rows) => tasks.batch(() => tasks.insertMany(rows));
  const watch = (selector, callback) => {
    const rows = new Map();
    const view = {
      row: (id) => rows.get(id),
      get size() {
        return rows.size;
      },
    };
    const tell = (row) => {
      rows.set(row.id, row);
      callback(view);
    };
    tasks.find(selector, { reactive: false }).observeChanges({
      added: tell,
      changed: tell,
      removed: (row) => {
        rows.delete(row.id);
        callback(view);
      },
    });
  };

  return {
    noJoin: 'no joins, no aggregates',
    async load(userRows, taskRows) {
      users.insertMany(userRows);
      addTasks(taskRows);
    },
    watchFilter: async (callback) => watch({ status: 'active' }, callback),
    watchUser: (user, callback) => watch({ user_id: user }, callback),
    updateTitle: async (id, title) => tasks.updateOne({ id }, { $set: { title } }),
    updateStatus: async (id, status) => tasks.updateOne({ id }, { $set: { status } }),
    insertTask: async (task) => tasks.insert(task),
    bulkInsert: async (rows) => addTasks(rows),
  };
}
