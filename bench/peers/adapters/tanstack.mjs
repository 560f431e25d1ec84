/** TanStack DB: collections in memory, live query collections kept by its own dataflow engine (db-ivm). */
import {
  BTreeIndex,
  count,
  createCollection,
  createLiveQueryCollection,
  eq,
  localOnlyCollectionOptions,
} from '@tanstack/db';

const indexes = { autoIndex: 'eager', defaultIndexType: BTreeIndex };

/** @type {import('./types.d.ts').Open} */
export async function open() {
  let tasks;
  let users;
  const collection = (id, rows) =>
    createCollection({
      ...localOnlyCollectionOptions({ id, getKey: (row) => row.id, initialData: rows }),
      ...indexes,
    });
  const watch = async (query, callback) => {
    const live = createLiveQueryCollection({ startSync: true, getKey: (row) => row.id, query });
    const view = {
      row: (id) => live.get(id),
      get size() {
        return live.size;
      },
    };
    live.subscribeChanges(() => callback(view));
    await live.preload();
  };

  return {
    async load(userRows, taskRows) {
      users = collection('users', userRows);
      tasks = collection('tasks', taskRows);
      await users.preload();
      await tasks.preload();
    },
    watchFilter: (callback) => watch((q) => q.from({ t: tasks }).where(({ t }) => eq(t.status, 'active')), callback),
    watchJoin: (callback) =>
      watch(
        (q) =>
          q
            .from({ u: users })
            .leftJoin({ t: tasks }, ({ u, t }) => eq(u.id, t.user_id))
            .groupBy(({ u }) => [u.id, u.name])
            .select(({ u, t }) => ({ id: u.id, name: u.name, n: count(t.id) })),
        callback,
      ),
    watchUser: (user, callback) => watch((q) => q.from({ t: tasks }).where(({ t }) => eq(t.user_id, user)), callback),
    updateTitle: async (id, title) => tasks.update(id, (draft) => void (draft.title = title)),
    updateStatus: async (id, status) => tasks.update(id, (draft) => void (draft.status = status)),
    insertTask: async (task) => tasks.insert(task),
    bulkInsert: async (rows) => tasks.insert(rows),
  };
}
