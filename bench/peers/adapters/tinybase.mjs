/** TinyBase: a store in memory, and its Queries module, whose listeners hear of changed rows only. */
import { createQueries, createStore } from 'tinybase';

/** @type {import('./types.d.ts').Open} */
export async function open() {
  const store = createStore();
  const queries = createQueries(store);
  let made = 0;
  const name = () => `query ${(made += 1)}`;
  const put = (tasks) =>
    store.transaction(() => {
      for (const { id, user_id, status, title } of tasks) store.setRow('tasks', String(id), { user_id, status, title });
    });
  const filtered = (where, callback) => {
    const id = name();
    queries.setQueryDefinition(id, 'tasks', (build) => {
      for (const column of ['user_id', 'status', 'title']) build.select(column);
      build.where(...where);
    });
    const view = {
      row: (rowId) => (queries.hasResultRow(id, String(rowId)) ? queries.getResultRow(id, String(rowId)) : undefined),
      get size() {
        return queries.getResultRowCount(id);
      },
    };
    queries.addResultTableListener(id, () => callback(view));
  };

  return {
    async load(users, tasks) {
      store.transaction(() => {
        for (const user of users) store.setRow('users', String(user.id), { name: user.name });
      });
      put(tasks);
    },
    watchFilter: async (callback) => filtered(['status', 'active'], callback),
    async watchJoin(callback) {
      const id = name();
      queries.setQueryDefinition(id, 'tasks', ({ select, join, group }) => {
        select('user_id');
        select('users', 'name');
        select((_cell, rowId) => rowId).as('task');
        join('users', 'user_id');
        group('task', 'count').as('n');
      });
      // The ids of its result's rows mean nothing, so its user has to remember which row is which user's.
      const rows = new Map();
      queries.addResultRowListener(id, null, (_queries, _id, rowId) => {
        const row = queries.getResultRow(id, rowId);
        rows.set(row.user_id, row);
        callback({ row: (user) => rows.get(user), size: rows.size });
      });
    },
    watchUser: (user, callback) => filtered(['user_id', user], callback),
    updateTitle: async (id, title) => store.setCell('tasks', String(id), 'title', title),
    updateStatus: async (id, status) => store.setCell('tasks', String(id), 'status', status),
    insertTask: async (task) => put([task]),
    bulkInsert: async (tasks) => put(tasks),
  };
}
