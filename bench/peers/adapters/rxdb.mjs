/** RxDB on its free memory storage, EventReduce on. */
import { createRxDatabase } from 'rxdb/plugins/core';
import { getRxStorageMemory } from 'rxdb/plugins/storage-memory';

const id = { type: 'string', maxLength: 20 };
const users = {
  version: 0,
  primaryKey: 'id',
  type: 'object',
  properties: { id, name: { type: 'string' } },
};
const tasks = {
  version: 0,
  primaryKey: 'id',
  type: 'object',
  properties: {
    id,
    user_id: { type: 'integer', minimum: 0, maximum: 100_000, multipleOf: 1 },
    status: { type: 'string', maxLength: 20 },
    title: { type: 'string' },
  },
  required: ['user_id', 'status'],
  indexes: ['user_id', 'status'],
};
const document = (row) => ({ ...row, id: String(row.id) });

/** @type {import('./types.d.ts').Open} */
export async function open() {
  const db = await createRxDatabase({
    name: 'bench',
    storage: getRxStorageMemory(),
    multiInstance: false,
    eventReduce: true,
  });
  await db.addCollections({ users: { schema: users }, tasks: { schema: tasks } });
  const addTasks = async (rows) => {
    const { error } = await db.tasks.bulkInsert(rows.map(document));
    if (error.length > 0) throw new Error(`RxDB refused ${error.length} rows`);
  };
  const watch = (selector, callback) =>
    new Promise((resolve) => {
      db.tasks.find({ selector }).$.subscribe((found) => {
        resolve();
        callback({ row: (key) => found.find((one) => one.id === String(key)), size: found.length });
      });
    });
  const patch = async (key, values) => {
    const found = await db.tasks.findOne(String(key)).exec();
    await found.incrementalPatch(values);
  };

  return {
    noJoin: 'no joins, no aggregates',
    async load(userRows, taskRows) {
      await db.users.bulkInsert(userRows.map(document));
      for (let from = 0; from < taskRows.length; from += 10_000) await addTasks(taskRows.slice(from, from + 10_000));
    },
    watchFilter: (callback) => watch({ status: 'active' }, callback),
    watchUser: (user, callback) => watch({ user_id: user }, callback),
    updateTitle: (key, title) => patch(key, { title }),
    updateStatus: (key, status) => patch(key, { status }),
    insertTask: (task) => db.tasks.insert(document(task)),
    bulkInsert: addTasks,
  };
}
