/** The access check held against SQLite: random statements, run, and what they really changed or depended on. */
import BetterSqlite3 from 'better-sqlite3';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createAccess } from '../kernel/access/access.ts';
import { quoteName } from '../kernel/sql/identifiers.ts';
import { open, SCHEMA } from './12-kernel-access-support.ts';

describe('held against SQLite', () => {
  const TABLES = ['users', 'tasks', 'logged', 'plain', 'secret', 'counted', 'own', '_capsule_log', 'strict_one'];
  const COLUMNS: Readonly<Record<string, readonly string[]>> = {
    users: ['id', 'name', 'age', 'email'],
    tasks: ['id', 'user_id', 'title', 'done'],
    logged: ['a', 'b', 'c'],
    plain: ['x', 'y'],
    secret: ['s'],
    counted: ['id', 'x'],
    own: ['id', 'x', 'y'],
  };
  const table = fc.constantFrom(...Object.keys(COLUMNS));
  const column = (name: string): fc.Arbitrary<string> => fc.constantFrom(...(COLUMNS[name] ?? []));
  const constant = fc.constantFrom('0', '1', '2', '3', "'a'", 'NULL');
  const columnOf = table.chain((name) => fc.tuple(fc.constant(name), column(name)));
  const condition = (name: string): fc.Arbitrary<string> =>
    fc.oneof(
      fc.constant('1'),
      fc.tuple(column(name), fc.constantFrom('=', '>', 'IS NOT', '<='), constant).map((parts) => parts.join(' ')),
      fc.tuple(column(name), columnOf).map(([left, [other, right]]) => `${left} IN (SELECT ${right} FROM ${other})`),
      columnOf.map(([other, right]) => `0 AND EXISTS (SELECT ${right} FROM ${other})`),
      columnOf.map(([other, right]) => `(SELECT count(${right}) FROM ${other}) > 1`),
      fc.tuple(column(name), column(name), constant).map(([a, b, c]) => `(${a} = ${c} OR ${b} = ${c})`),
    );
  const select = fc.oneof(
    table.chain((name) =>
      fc.tuple(column(name), condition(name)).map(([c, where]) => `SELECT ${c} FROM ${name} WHERE ${where}`),
    ),
    fc
      .tuple(columnOf, columnOf, fc.constantFrom('JOIN', 'LEFT JOIN', 'FULL JOIN'))
      .map(([[a, x], [b, y], join]) => `SELECT p.${x}, q.${y} FROM ${a} p ${join} ${b} q ON p.${x} = q.${y}`),
    fc.tuple(columnOf, columnOf).map(([[a, x], [b, y]]) => `SELECT ${x} FROM ${a} UNION SELECT ${y} FROM ${b}`),
    columnOf.map(([a, x]) => `SELECT ${x}, count(*) FROM ${a} GROUP BY 1 HAVING count(*) > 0`),
    columnOf.map(([a, x]) => `SELECT DISTINCT ${x} FROM ${a} ORDER BY ${x}`),
    columnOf.map(([a, x]) => `SELECT min(${x}) FROM ${a}`),
    fc
      .tuple(columnOf, columnOf)
      .map(([[a, x], [b, y]]) => `SELECT p.${x} FROM ${a} p LEFT JOIN ${b} q ON q.rowid = p.${x} WHERE q.${y} IS NULL`)
      .filter((sql) => !sql.includes('logged q')),
    fc.constantFrom('SELECT * FROM busy', 'SELECT * FROM busier', 'SELECT * FROM door', 'SELECT z FROM plain'),
    columnOf.map(([a, x]) => `SELECT sum(1) OVER (ORDER BY ${x}) FROM ${a}`),
    fc.constantFrom('SELECT title FROM tasks WHERE done = 0', "SELECT id FROM tasks WHERE done = 0 AND title > 'a'"),
  );
  const or = fc.constantFrom('', 'OR REPLACE', 'OR IGNORE', 'OR FAIL', 'OR ABORT');
  const write = fc.oneof(
    table.chain((name) =>
      fc
        .tuple(or, fc.array(constant, { minLength: COLUMNS[name]?.length ?? 0, maxLength: COLUMNS[name]?.length ?? 0 }))
        .map(([how, values]) => `INSERT ${how} INTO ${name}(${COLUMNS[name]?.join()}) VALUES (${values.join()})`),
    ),
    fc
      .tuple(columnOf, columnOf, or)
      .map(([[a, x], [b, y], how]) => `INSERT ${how} INTO ${a}(${x}) SELECT ${y} FROM ${b}`),
    table.chain((name) =>
      fc
        .tuple(or, column(name), constant, condition(name))
        .map(([how, c, v, where]) => `UPDATE ${how} ${name} SET ${c} = ${v} WHERE ${where}`),
    ),
    table.chain((name) => condition(name).map((where) => `DELETE FROM ${name} WHERE ${where}`)),
    table.map((name) => `DELETE FROM ${name}`),
    fc.constantFrom('DELETE FROM door', 'DELETE FROM door WHERE x = 1'),
    fc
      .tuple(constant, constant)
      .map(([a, b]) => `INSERT INTO own(x, y) VALUES (${a}, ${b}) ON CONFLICT(y) DO UPDATE SET x = id`),
    table.chain((name) =>
      columnOf.map(([other, c]) => `UPDATE ${name} SET ${COLUMNS[name]?.at(-1)} = o.${c} FROM ${other} o`),
    ),
  );

  function filled(): BetterSqlite3.Database {
    const made = open();
    made.exec(SCHEMA);
    made.exec(`
      INSERT INTO users VALUES (1, 'a', 1, 'x'), (2, 'b', 2, 'y'), (3, 'a', 3, NULL);
      INSERT INTO tasks VALUES (1, 1, 'a', 0), (2, 1, 'b', 1), (3, 3, 'b', 0);
      INSERT INTO plain(x, y) VALUES (1, 1), (2, 3), (NULL, 'a'); INSERT INTO secret VALUES (1), (2), ('a');
      INSERT INTO counted VALUES (1, 1), (3, 'a'); INSERT INTO own VALUES (1, 1, 1), (2, 'a', 2), (3, 3, NULL);
      INSERT INTO logged VALUES ('0', 1, 2), (2, 3, 'a'); INSERT INTO strict_one VALUES (1);`);
    return made;
  }
  const contents = (from: BetterSqlite3.Database): Map<string, string> =>
    new Map(
      [...TABLES, 'sqlite_sequence'].map((name) => [
        name,
        JSON.stringify(
          from
            .prepare(`SELECT * FROM ${quoteName(name)}`)
            .raw()
            .all(),
        ),
      ]),
    );
  const resultOf = (from: BetterSqlite3.Database, sql: string): string =>
    JSON.stringify(
      from
        .prepare(sql)
        .raw()
        .all()
        .map((row) => JSON.stringify(row))
        .sort(),
    );

  test('what a write changes is in its writes, with the operation', () => {
    const live = filled();
    const check = createAccess(live);
    let changed = 0;
    fc.assert(
      fc.property(write, (sql) => {
        const found = check.check(sql);
        expect(found.opaque, sql).toEqual([]);
        const before = contents(live);
        live.exec('BEGIN');
        try {
          live.exec(sql);
        } catch (error) {
          if (!(error instanceof BetterSqlite3.SqliteError)) throw error;
        }
        const after = contents(live);
        live.exec('ROLLBACK');
        for (const [name, rows] of after) {
          // AUTOINCREMENT's own counting is left out on purpose.
          if (rows === before.get(name) || (name === 'sqlite_sequence' && found.writes.has('counted'))) continue;
          changed += 1;
          const { direct, nested } = found.writes.get(name) ?? { direct: new Set(), nested: new Set() };
          const grew = JSON.parse(rows).length - JSON.parse(before.get(name) ?? '').length;
          expect(direct.size + nested.size, `${name} in ${sql}`).toBeGreaterThan(0);
          if (grew > 0)
            expect(direct.has('insert') || nested.has('insert'), `insert into ${name} in ${sql}`).toBe(true);
          if (grew < 0)
            expect(direct.has('delete') || nested.has('delete'), `delete from ${name} in ${sql}`).toBe(true);
        }
      }),
      { numRuns: 1500 },
    );
    expect(changed).toBeGreaterThan(500);
  });

  test('what a SELECT does not read has no influence on its result, tables and columns', () => {
    const live = filled();
    live.pragma('foreign_keys = OFF');
    for (const { name } of live.prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'").all() as {
      name: string;
    }[]) {
      live.exec(`DROP TRIGGER ${name}`);
    }
    const check = createAccess(live);
    let spared = 0;
    fc.assert(
      fc.property(select, (sql) => {
        const found = check.check(sql);
        expect(found.opaque, sql).toEqual([]);
        expect(found.readonly, sql).toBe(true);
        expect([...(found.columns ?? new Map()).keys()].sort(), sql).toEqual([...found.reads].sort());
        const before = resultOf(live, sql);
        live.exec('BEGIN');
        for (const [name, columns] of Object.entries(COLUMNS)) {
          const used = found.columns?.get(name);
          if (!found.reads.has(name)) live.exec(`DELETE FROM ${name}`);
          else if (used instanceof Set) {
            for (const unused of columns.filter((c) => !used.has(c))) {
              spared += 1;
              live.exec(`UPDATE ${name} SET ${unused} = coalesce(${unused}, '') || '-' || random()`);
            }
          }
        }
        const after = resultOf(live, sql);
        live.exec('ROLLBACK');
        expect(after, sql).toBe(before);
      }),
      { numRuns: 1500 },
    );
    expect(spared).toBeGreaterThan(500);
  });
});
