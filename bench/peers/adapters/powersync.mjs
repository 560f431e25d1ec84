/**
 * PowerSync's Node SDK, tables that are local only (no upload queue), SQLite in a worker thread.
 *
 * Option `mode`: watch (runs the query again), diff (runs it again and compares), track (one table by triggers). throttleMs is
 * 0 in all of them.
 */
import { column, Schema, Table } from '@powersync/common';
import { PowerSyncDatabase } from '@powersync/node';
import { BY_USER, FILTER } from '../workload.mjs';

const schema = new Schema({
  users: new Table({ name: column.text }, { localOnly: true }),
  tasks: new Table(
    { user_id: column.text, status: column.text, title: column.text },
    { localOnly: true, indexes: { tasks_user: ['user_id'], tasks_status: ['status'] } },
  ),
});
// Its index is on an expression over JSON, which the LEFT JOIN cannot use: 30 s a run, where this takes 10 ms.
const JOIN =
  'SELECT u.id AS id, u.name AS name, (SELECT COUNT(*) FROM tasks t WHERE t.user_id = u.id) AS n FROM users u';
const ADD = 'INSERT INTO tasks(id, user_id, status, title) VALUES (?, ?, ?, ?)';
const values = (task) => [String(task.id), String(task.user_id), task.status, task.title];
const all = (rows) => ({ row: (id) => rows.find((row) => row.id === String(id)), size: rows.length });

/** @type {import('./types.d.ts').Open} */
export async function open({ folder, mode }) {
  const db = new PowerSyncDatabase({
    schema,
    database: { dbFilename: 'a.db', dbLocation: folder, implementation: { type: 'better-sqlite3' } },
  });
  await db.init();
  const addTasks = (tasks) => db.writeTransaction((tx) => tx.executeBatch(ADD, tasks.map(values)));
  const how = { throttleMs: 0, reportFetching: false };

  const watch = (sql, parameters, callback) =>
    new Promise((resolve, reject) => {
      const query = db.query({ sql, parameters });
      const watched = mode === 'watch' ? query.watch(how) : query.differentialWatch(how);
      watched.registerListener({
        onStateChange: (state) => !state.isLoading && resolve(),
        onError: reject,
        ...(mode === 'watch'
          ? { onData: (rows) => callback(all(rows)) }
          : { onDiff: (difference) => callback(all(difference.all)) }),
      });
    });

  /** `given` is a condition on the JSON of a row, with ROW for NEW or OLD. */
  const track = async (given, matches, sql, params, callback) => {
    const rows = new Map((await db.getAll(sql, params)).map((row) => [row.id, row]));
    const view = {
      row: (id) => rows.get(String(id)),
      get size() {
        return rows.size;
      },
    };
    const was = given.replace('ROW', 'OLD.data');
    const is = given.replace('ROW', 'NEW.data');
    await db.triggers.trackTableDiff({
      source: 'tasks',
      when: { INSERT: is, UPDATE: `${is} OR ${was}`, DELETE: was },
      throttleMs: 0,
      onChange: async (context) => {
        const changes = await context.withDiff('SELECT id, operation, value FROM DIFF ORDER BY operation_id');
        for (const { id, operation, value } of changes) {
          const row = operation === 'DELETE' ? undefined : { id, ...JSON.parse(value) };
          if (row !== undefined && matches(row)) rows.set(id, row);
          else rows.delete(id);
        }
        callback(view);
      },
    });
  };
  const tracked = (name, value, sql, params, callback) =>
    track(`json_extract(ROW, '$.${name}') = '${value}'`, (row) => row[name] === value, sql, params, callback);

  return {
    ...(mode === 'track' ? { noJoin: 'one table only' } : { watchJoin: (callback) => watch(JOIN, [], callback) }),
    async load(users, tasks) {
      await db.writeTransaction((tx) =>
        tx.executeBatch(
          'INSERT INTO users(id, name) VALUES (?, ?)',
          users.map((user) => [String(user.id), user.name]),
        ),
      );
      for (let from = 0; from < tasks.length; from += 20_000) await addTasks(tasks.slice(from, from + 20_000));
    },
    watchFilter: (callback) =>
      mode === 'track' ? tracked('status', 'active', FILTER, [], callback) : watch(FILTER, [], callback),
    watchUser: (user, callback) =>
      mode === 'track'
        ? tracked('user_id', String(user), BY_USER, [String(user)], callback)
        : watch(BY_USER, [String(user)], callback),
    updateTitle: (id, title) => db.execute('UPDATE tasks SET title = ? WHERE id = ?', [title, String(id)]),
    updateStatus: (id, status) => db.execute('UPDATE tasks SET status = ? WHERE id = ?', [status, String(id)]),
    insertTask: (task) => db.execute(ADD, values(task)),
    bulkInsert: addTasks,
  };
}
