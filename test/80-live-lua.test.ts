/** Live queries in Lua: a skill's permissions hold for them, whatever the schema becomes. */
import { describe, expect, test } from 'vitest';
import { skillHost, writeSkill } from './60-skills-support.ts';
import type { SkillHost } from './60-skills-support.ts';
import { tempDir } from './support.ts';

const SCHEMA = `
  CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT, tags JSON);
  CREATE TABLE tasks(id INTEGER PRIMARY KEY, user_id INTEGER, k INTEGER);
  CREATE TABLE secrets(id INTEGER PRIMARY KEY, word TEXT);
  CREATE VIEW shown AS SELECT id, name FROM users;
  INSERT INTO users VALUES (1, 'Ann', '{"a":1}');`;
const READS = { permissions: { database: { read: ['users', 'tasks'] } } };

/** A skill with a function `f` that does this, called once. */
async function running(body: string, manifest: object = READS): Promise<SkillHost> {
  const dir = tempDir();
  writeSkill(dir, 'demo', `function f()\n${body}\nend`, manifest as never);
  const host = await skillHost({ dir, schema: SCHEMA });
  await host.skills.call('demo', 'f');
  await host.rest();
  return host;
}

const failing = async (body: string, manifest: object = READS): Promise<string> =>
  running(body, manifest).then(
    () => 'nothing was thrown',
    (error: unknown) => String(error),
  );

const PRINT = `function(events) for _, e in ipairs(events) do
  print(e.operation, e.row_id, e.table_name, e.old_index or "-", e.index or "-", json.encode(e.new_data or e.old_data)) end end`;

describe('glyphcase.watch of a SELECT', () => {
  test('reports differences, with parameters in a table or one by one', async () => {
    const host = await running(`
      glyphcase.watch("SELECT id, name FROM users WHERE id < ? ORDER BY name", { 9 }, ${PRINT})
      glyphcase.watch("SELECT count(*) AS n FROM users WHERE id < :max", { max = 9 }, ${PRINT})
      glyphcase.watch("SELECT id FROM tasks WHERE k = ? AND user_id = ?", 1, 2, ${PRINT})
      glyphcase.watch("SELECT id FROM tasks WHERE k = 5", ${PRINT})`);
    expect(host.logged()).toEqual([]);
    host.run("INSERT INTO users(id, name) VALUES (2, 'Al'); INSERT INTO tasks VALUES (1, 2, 1), (2, 1, 1)");
    await host.rest();
    expect(host.logged().toSorted()).toEqual(
      [
        'INSERT\t1\t(query)\t-\t-\t{"id":1}',
        'INSERT\t2\t(query)\t-\t1\t{"id":2,"name":"Al"}',
        'UPDATE\t{}\t(query)\t-\t-\t{"n":2}'.replace(
          '{}',
          host
            .logged()
            .find((line) => line.startsWith('UPDATE'))
            ?.split('\t')[1] ?? '',
        ),
      ].toSorted(),
    );
  });

  test('hears of what its own transaction changes after it began, once that has committed', async () => {
    const host = await running(`
      local id = glyphcase.watch("SELECT id, name FROM users", function(events) print(#events, events[1].source) end)
      print(type(id))
      glyphcase.execute("CREATE TABLE mine(id INTEGER PRIMARY KEY)")
      glyphcase.watch("SELECT id FROM mine", function(events) print("mine", events[1].row_id) end)
      glyphcase.insert("mine", { id = 7 })`);
    expect(host.logged()).toEqual(['string', 'mine\t7']);
    host.run("UPDATE users SET name = 'x'");
    await host.rest();
    expect(host.logged()).toEqual(['string', 'mine\t7', '1\thost']);
  });

  test('gives JSON as text, BLOBs as strings, and ends with unwatch', async () => {
    const host = await running(`
      local id
      id = glyphcase.watch("SELECT id, tags FROM users", function(events) print(events[1].new_data.tags) print(glyphcase.unwatch(id)) end)`);
    host.run("UPDATE users SET tags = '[1, 2]'");
    await host.rest();
    host.run("UPDATE users SET tags = '[]'");
    await host.rest();
    expect(host.logged()).toEqual(['[1, 2]', 'true']);
    expect(host.db.value("SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'users'")).toBe(0);
  });

  test('ends with the transaction that asked for it, when that is undone', async () => {
    const host = await running(`pcall(glyphcase.transaction, function()
      glyphcase.watch("SELECT id FROM users", ${PRINT}) error("no") end)`);
    host.run('DELETE FROM users');
    await host.rest();
    expect(host.logged()).toEqual([]);
  });

  test('needs the permission to read every table, through views too', async () => {
    expect(await failing(`glyphcase.watch("SELECT word FROM secrets", print)`)).toContain(
      'may not read the table "secrets"',
    );
    expect(await failing(`glyphcase.watch("SELECT (SELECT word FROM secrets) FROM users", print)`)).toContain(
      'may not read the table "secrets"',
    );
    expect(await failing(`glyphcase.watch("SELECT * FROM sqlite_schema", print)`)).toContain('GlyphError');
    expect(await failing(`glyphcase.watch("SELECT id FROM _capsule_watchers", print)`)).toMatch(/_capsule_watchers/);
    expect(
      await failing(
        `glyphcase.watch("WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) SELECT i FROM n", print)`,
      ),
    ).toContain('recursive');
    expect(
      await failing(`glyphcase.watch("SELECT count(*) FROM users a, users b, tasks c, tasks d, tasks e", print)`),
    ).toContain('cannot be watched');
    expect(await failing(`glyphcase.watch("SELECT id FROM users WHERE id = ?", print)`)).toContain(
      'The parameters do not fit',
    );
  });

  test('loses a view that comes to show what the skill may not read', async () => {
    const host = await running(`glyphcase.watch("SELECT * FROM shown", ${PRINT})`);
    host.run('DROP VIEW shown; CREATE VIEW shown AS SELECT id, word AS name FROM secrets');
    host.run("INSERT INTO secrets VALUES (1, 'sesame')");
    await host.rest();
    expect(host.logged().join()).toContain('may not read the table "secrets"');
    expect(host.logged().join()).not.toContain('sesame');
  });

  test('is bounded in rows', async () => {
    const host = await running(`glyphcase.watch("SELECT id FROM tasks", function(events) print(#events) end)`);
    host.run(
      'WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 10001) INSERT INTO tasks(id) SELECT i FROM n',
    );
    await host.rest();
    expect(host.logged()).toEqual([expect.stringContaining('more than 10000 rows')]);
  });
});

test('the host’s own state may watch everything it may read', async () => {
  const host = await skillHost({ schema: SCHEMA });
  const heard: unknown[] = [];
  host.actions.on('word', (payload) => heard.push(payload));
  await host.skills.execute(
    `glyphcase.watch("SELECT word FROM secrets", function(events) glyphcase.dispatch("word", events[1].new_data.word) end)`,
  );
  await host.rest();
  host.run("INSERT INTO secrets VALUES (1, 'sesame')");
  await host.rest();
  expect(heard).toEqual(['sesame']);
});
