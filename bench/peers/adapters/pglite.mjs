/** PGlite's live extension. Option `mode`: query (all rows), incremental (all rows), changes (differences, kept in a map). */
import { PGlite } from '@electric-sql/pglite';
import { live } from '@electric-sql/pglite/live';
import { FILTER, JOIN, TABLES } from '../workload.mjs';

const all = (rows) => ({ row: (id) => rows.find((row) => row.id === id), size: rows.length });

/** Applies what live.changes tells to what its user knew. */
function apply(rows, changes) {
  for (const change of changes) {
    if (change.__op__ === 'DELETE') rows.delete(change.id);
    else if (change.__op__ === 'INSERT') rows.set(change.id, change);
    else if (change.__op__ === 'UPDATE') {
      const row = { ...rows.get(change.id) };
      for (const column of change.__changed_columns__) row[column] = change[column];
      rows.set(change.id, row);
    }
  }
}

/** @type {import('./types.d.ts').Open} */
export async function open({ mode }) {
  const db = await PGlite.create({ dataDir: 'memory://', extensions: { live } });
  await db.exec(TABLES);
  const fill = (table, columns, rows) =>
    db.query(`INSERT INTO ${table} SELECT * FROM json_to_recordset($1::json) AS given(${columns})`, [
      JSON.stringify(rows),
    ]);
  const addTasks = (rows) => fill('tasks', 'id int, user_id int, status text, title text', rows);
  const watch = {
    query: (sql, params, callback) => db.live.query(sql, params, ({ rows }) => callback(all(rows))),
    incremental: (sql, params, callback) =>
      db.live.incrementalQuery(sql, params, 'id', ({ rows }) => callback(all(rows))),
    changes: (sql, params, callback) => {
      const rows = new Map();
      const view = {
        row: (id) => rows.get(id),
        get size() {
          return rows.size;
        },
      };
      return db.live.changes(sql, params, 'id', (changes) => {
        apply(rows, changes);
        callback(view);
      });
    },
  }[mode];

  return {
    async load(users, tasks) {
      await fill('users', 'id int, name text', users);
      await addTasks(tasks);
      await db.exec('ANALYZE');
    },
    watchFilter: (callback) => watch(FILTER, [], callback),
    // COUNT gives a bigint, which would come as a string.
    watchJoin: (callback) => watch(JOIN.replace('COUNT(t.id)', 'COUNT(t.id)::int'), [], callback),
    // Its parameters are written into the text, so it would be another text all the same.
    watchUser: (user, callback) => watch(`SELECT * FROM tasks WHERE user_id = ${user}`, [], callback),
    updateTitle: (id, title) => db.query('UPDATE tasks SET title = $1 WHERE id = $2', [title, id]),
    updateStatus: (id, status) => db.query('UPDATE tasks SET status = $1 WHERE id = $2', [status, id]),
    insertTask: ({ id, user_id, status, title }) =>
      db.query('INSERT INTO tasks VALUES ($1, $2, $3, $4)', [id, user_id, status, title]),
    bulkInsert: addTasks,
  };
}
