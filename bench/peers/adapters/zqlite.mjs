/**
 * Zero's zqlite: its incremental operators over a SQLite file, as its server has them.
 *
 * No public API leads there, so its modules are imported from where they lie. Writes go through `push` of the table's source,
 * as its replication does it; what SQL writes beside it, it does not see.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { TABLES } from '../workload.mjs';

const root = join(import.meta.dirname, '../node_modules/@rocicorp/zero/out');
if (!existsSync(root)) throw new Error('@rocicorp/zero is not installed: run npm install in bench/peers');
const load = (path) => import(pathToFileURL(join(root, path)).href);

const { Database } = await load('zqlite/src/db.js');
const { QueryDelegateImpl } = await load('zqlite/src/query-delegate.js');
const { createBuilder } = await load('zql/src/query/create-builder.js');
const { createSchema } = await load('zero-schema/src/builder/schema-builder.js');
const { number, string, table } = await load('zero-schema/src/builder/table-builder.js');
const { relationships } = await load('zero-schema/src/builder/relationship-builder.js');
const { makeSourceChangeAdd, makeSourceChangeEdit } = await load('zql/src/ivm/source.js');

const usersTable = table('users').columns({ id: number(), name: string() }).primaryKey('id');
const tasksTable = table('tasks')
  .columns({ id: number(), user_id: number(), status: string(), title: string() })
  .primaryKey('id');
const schema = createSchema({
  tables: [usersTable, tasksTable],
  relationships: [
    relationships(usersTable, ({ many }) => ({
      tasks: many({ sourceField: ['id'], destField: ['user_id'], destSchema: tasksTable }),
    })),
  ],
});
const silent = { withContext: () => silent };

/** Its views are sorted by the primary key. */
function byId(rows, id) {
  let low = 0;
  let high = rows.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    if (rows[middle].id === id) return rows[middle];
    if (rows[middle].id < id) low = middle + 1;
    else high = middle - 1;
  }
  return undefined;
}

/** @type {import('./types.d.ts').Open} */
export async function open({ folder }) {
  // The last argument: from how many ms a statement counts as slow and is logged.
  const db = new Database(silent, join(folder, 'a.db'), undefined, 1e9);
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = NORMAL');
  // It wants a unique index on the primary key, beside the key itself.
  db.exec(`${TABLES} CREATE UNIQUE INDEX users_key ON users(id); CREATE UNIQUE INDEX tasks_key ON tasks(id);`);
  const delegate = new QueryDelegateImpl(silent, db, schema);
  const zql = createBuilder(schema);
  const find = db.prepare('SELECT id, user_id, status, title FROM tasks WHERE id = ?');

  const push = (change) => {
    // What push returns does the work as it is iterated.
    for (const _ of delegate.getSource('tasks').push(change));
  };
  const announce = () => delegate.batchViewUpdates(() => undefined);
  const edit = async (id, patch) => {
    const old = find.get(id);
    push(makeSourceChangeEdit({ ...old, ...patch }, old));
    announce();
  };
  const inTransaction = (fn) => {
    db.exec('BEGIN');
    fn();
    db.exec('COMMIT');
    announce();
  };
  const watch = (query, callback, shown = (row) => row) => {
    let isFirst = true;
    delegate.materialize(query).addListener((rows) => {
      if (!isFirst) callback({ row: (id) => shown(byId(rows, id)), size: rows.length });
      isFirst = false;
    });
  };

  return {
    async load(users, tasks) {
      const addUser = db.prepare('INSERT INTO users VALUES (?, ?)');
      const addTask = db.prepare('INSERT INTO tasks VALUES (?, ?, ?, ?)');
      inTransaction(() => {
        for (const user of users) addUser.run(user.id, user.name);
        for (const task of tasks) addTask.run(task.id, task.user_id, task.status, task.title);
      });
    },
    watchFilter: async (callback) => watch(zql.tasks.where('status', 'active'), callback),
    watchJoin: async (callback) =>
      watch(zql.users.related('tasks'), callback, (row) => row && { id: row.id, name: row.name, n: row.tasks.length }),
    watchUser: (user, callback) => watch(zql.tasks.where('user_id', user), callback),
    updateTitle: (id, title) => edit(id, { title }),
    updateStatus: (id, status) => edit(id, { status }),
    insertTask: async (task) => {
      push(makeSourceChangeAdd(task));
      announce();
    },
    bulkInsert: async (tasks) =>
      inTransaction(() => {
        for (const task of tasks) push(makeSourceChangeAdd(task));
      }),
  };
}
