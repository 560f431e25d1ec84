/** The specification's patterns (sections 3.4, 9.1 and 9.2), with SQL's single quotes and `newData`. */
import { beforeEach, describe, expect, test } from 'vitest';
import { GlyphCase } from '../sdk/index.ts';
import type { ChangeEvent, QueryWatcher } from '../sdk/index.ts';
import { afterTest } from './support.ts';

let db: GlyphCase;

beforeEach(async () => {
  db = new GlyphCase(':memory:', { capsule: { batchInterval: 0 } });
  afterTest(() => db.close());
  await db.execute(`
    CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT, status TEXT);
    CREATE TABLE tasks(id INTEGER PRIMARY KEY, user_id INTEGER, title TEXT);`);
});

const TASK_COUNTS = `
  SELECT u.id, u.name, COUNT(t.id) as task_count
  FROM users u
  LEFT JOIN tasks t ON u.id = t.user_id
  GROUP BY u.id
`;

describe('section 3.4', () => {
  test('pattern 1: a table', async () => {
    const heard: string[] = [];
    const watcher = db.watch('users');
    const subscription = db.subscribe(watcher, (events) => heard.push(...events.map((event) => event.operation)));
    await db.insert('users', { name: 'Alice' });
    await db.flush();
    db.unsubscribe(subscription);
    await db.insert('users', { name: 'Bob' });
    await db.flush();
    expect(heard).toEqual(['INSERT']);
  });

  test('pattern 2: a filter', async () => {
    const heard: string[] = [];
    const watcher = db.watch('users', "WHERE status = 'active'");
    db.subscribe(watcher, (events) => heard.push(...events.map(({ change = '' }) => change)));
    const id = await db.insert('users', { name: 'Alice', status: 'active' });
    await db.insert('users', { name: 'Bob', status: 'gone' });
    await db.update('users', id, { status: 'gone' });
    await db.flush();
    expect(heard).toEqual(['enter', 'leave']);
  });

  test('pattern 2 as it is printed there: double quotes name a column, and the error says what to write', () => {
    expect(() => db.watch('users', 'WHERE status = "active"')).toThrow(
      'should this be a string literal in single-quotes',
    );
    expect(() => db.watch('SELECT * FROM users WHERE status = "active"')).toThrow('string literal in single-quotes');
    expect(() => db.watch('users', "WHERE status = 'active'")).not.toThrow();
  });

  test('pattern 3: a query', async () => {
    const heard: ChangeEvent[] = [];
    const watcher = db.watch(
      'SELECT u.id, u.name, COUNT(t.id) as task_count FROM users u LEFT JOIN tasks t ON u.id = t.user_id GROUP BY u.id',
    );
    db.subscribe(watcher, (events) => heard.push(...events));
    const id = await db.insert('users', { name: 'Alice' });
    await db.flush();
    await db.insertMany('tasks', [{ user_id: id }, { user_id: id }]);
    await db.flush();
    expect(heard.map((event) => [event.operation, event.rowId, event.newData?.['task_count']])).toEqual([
      ['INSERT', 1, 0],
      ['UPDATE', 1, 2],
    ]);
  });

  // As a skill's on_data_changed it runs in 64-spec-lua.test.ts.
  test('pattern 4: Lua, on a query', async () => {
    const actions: unknown[] = [];
    db.onAction('user:changed', (payload) => actions.push(payload));
    await db.executeLuaScript(`
      glyphcase.watch("SELECT id, name FROM users", function(events)
        for _, event in ipairs(events) do
          glyphcase.dispatch("user:changed", { userId = event.row_id, operation = event.operation, data = event.new_data })
        end
      end)`);
    await db.insert('users', { name: 'Alice' });
    await db.flush();
    await db.delete('users', 1);
    await db.flush();
    await db.flush();
    // What a row was stands in old_data.
    expect(actions).toEqual([
      { userId: 1, operation: 'INSERT', data: { id: 1, name: 'Alice' } },
      { userId: 1, operation: 'DELETE' },
    ]);
  });
});

describe('section 9.1: derived data, deletions included', () => {
  test.each([
    ['a query', TASK_COUNTS],
    ['a view', 'SELECT * FROM task_counts'],
  ])('%s', async (_, sql) => {
    await db.execute(`CREATE VIEW task_counts AS ${TASK_COUNTS}`);
    const lines: string[] = [];
    db.subscribe(db.watch(sql), (events) => {
      lines.push('User task counts changed');
      events.forEach((e) => {
        if (e.operation === 'DELETE') lines.push(`${String(e.oldData?.['name'])} is gone`);
        else lines.push(`${String(e.newData?.['name'])}: ${String(e.newData?.['task_count'])} tasks`);
      });
    });
    const id = await db.insert('users', { name: 'Alice' });
    await db.flush();
    const task = await db.insert('tasks', { user_id: id });
    await db.flush();
    await db.delete('tasks', task);
    await db.flush();
    await db.delete('users', id);
    await db.flush();
    expect(lines.filter((line) => line !== 'User task counts changed')).toEqual([
      'Alice: 0 tasks',
      'Alice: 1 tasks',
      'Alice: 0 tasks',
      'Alice is gone',
    ]);
    expect(lines.filter((line) => line === 'User task counts changed')).toHaveLength(4);
  });
});

test('section 9.2: a transaction is one batch', async () => {
  const batches: number[] = [];
  db.subscribe(db.watch('SELECT u.id, t.title FROM users u JOIN tasks t ON t.user_id = u.id'), (events) =>
    batches.push(events.length),
  );
  await db.transaction(async () => {
    const id = await db.insert('users', { name: 'Alice' });
    await db.insertMany('tasks', [
      { user_id: id, title: 'a' },
      { user_id: id, title: 'b' },
    ]);
  });
  await db.flush();
  expect(batches).toEqual([2]);
});

test('section 9.2: a transaction that is rolled back is nothing', async () => {
  const batches: number[] = [];
  db.subscribe(db.watch(TASK_COUNTS), (events) => batches.push(events.length));
  const failed = db.transaction(async () => {
    const id = await db.insert('users', { name: 'Alice' });
    await db.insert('tasks', { user_id: id });
    throw new Error('an error occurs');
  });
  await expect(failed).rejects.toThrow('an error occurs');
  await db.flush();
  expect(batches).toEqual([]);
  await db.insert('users', { name: 'Bob' });
  await db.flush();
  expect(batches).toEqual([1]);
});

describe('the host API', () => {
  test('takes parameters as second or third argument, and says when the second is a filter', async () => {
    await db.insertMany('users', [{ name: 'Alice' }, { name: 'Bob' }]);
    const rows = (watcher: QueryWatcher): unknown => watcher.rows().map((row) => row['name']);
    expect(rows(db.watch('SELECT name FROM users WHERE id = ?', [1]))).toEqual(['Alice']);
    expect(rows(db.watch('SELECT name FROM users WHERE id = :id', undefined, { id: 2 }))).toEqual(['Bob']);
    expect(rows(db.watch('WITH x AS (SELECT * FROM users) SELECT name FROM x WHERE id = $id', { id: 2 }))).toEqual([
      'Bob',
    ]);
    expect(() => db.watch('SELECT * FROM users', 'id = 1')).toThrow('write the condition into its WHERE');
    expect(() => db.watch('SELECT * FROM users', 5 as never)).toThrow('an array or an object');
    expect(() => db.watch('PRAGMA user_version')).toThrow('it is a PRAGMA');
    expect(() => db.watch('DELETE FROM users')).toThrow('a statement that writes');
    expect('rows' in db.watch('users')).toBe(false);
  });

  test('ends what it began, by object and id, and counts it in stats()', async () => {
    const watcher = db.watch('SELECT * FROM users');
    const subscription = db.subscribe(watcher.id, () => undefined);
    expect(db.stats().subscriptions.map(({ id }) => id)).toEqual([subscription.id]);
    db.unsubscribe(subscription.id);
    db.unwatch(watcher);
    db.unwatch(watcher.id);
    expect(() => db.subscribe(watcher, () => undefined)).toThrow('There is no watcher');
    await db.flush();
    expect(db.stats()).toMatchObject({ watchers: 0, subscriptions: [], watchedTables: [] });
  });
});
