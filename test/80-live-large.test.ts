/** Results of a size at which a call with an argument a row would exceed the stack. */
import { expect, test } from 'vitest';
import { openLiveHost } from './80-live-support.ts';
import { countUpdates } from './80-live-tally.ts';

const ROWS = 200_000;
const many = (table: string): string =>
  `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${ROWS})
   INSERT INTO ${table}(id, kind) SELECT i + 1, 1 FROM n`;
const schema = 'CREATE TABLE items(id INTEGER PRIMARY KEY, kind INTEGER); CREATE INDEX by_kind ON items(kind)';

test('one part of a result may have any number of rows', async () => {
  const host = openLiveHost({
    schema: `${schema}; CREATE TABLE kinds(kind INTEGER); INSERT INTO kinds VALUES (1), (1)`,
  });
  const heard = host.heard('SELECT i.id FROM kinds k JOIN items i ON i.kind = k.kind', [], { initial: true });
  expect(heard.watcher.explain().mode).toBe('incremental');
  await host.flush();
  host.run(many('items'));
  await host.flush();
  expect(heard.watcher.rows()).toHaveLength(2 * ROWS);
  host.run('DELETE FROM items WHERE id = 2');
  await host.flush();
  expect(heard.watcher.rows()).toHaveLength(2 * ROWS - 2);
  await host.close();
});

test('as many rows may come at the end of a result in order', async () => {
  const host = openLiveHost({ schema: `${schema}; CREATE TABLE kinds(id INTEGER PRIMARY KEY, kind INTEGER)` });
  host.run(many('items'));
  const sql = 'SELECT k.id AS k, i.id FROM kinds k JOIN items i ON i.kind = k.kind ORDER BY k.id, i.id';
  const heard = host.heard(sql, [], { initial: true });
  expect(heard.watcher.explain().mode).toBe('incremental');
  await host.flush();
  using updates = countUpdates();
  host.run('INSERT INTO kinds(kind) VALUES (1)');
  await host.flush();
  expect(heard.watcher.rows()).toHaveLength(ROWS);
  expect(heard.events.at(-1)).toMatchObject({ newData: { k: 1, id: ROWS + 1 }, index: ROWS - 1 });
  expect(updates, 'a part worked out').toMatchObject({ all: 1, parts: 1 });
  await host.close();
});
