/** What `skill check` proves of a skill's scripts without running them, and the Lua reader under it. */
import { describe, expect, test } from 'vitest';
import { tokenizeLua } from '../sdk/maintenance/lua-lexer.ts';
import { namesIn } from '../sdk/maintenance/lua-names.ts';
import { tablesIn } from '../sdk/maintenance/sql-tables.ts';
import { findings } from './71-skill-support.ts';
import { sqlite3, tempFile } from './support.ts';

describe('the Lua reader', () => {
  test.each([
    ['a = "x\\n\\65\\x41\\u{20AC}\\z\n   y"', ['a', '=', 'x\nAA€y']],
    ["'it''s'", ['it', 's']],
    ['[[\nlong\n]] [==[a]]b]==]', ['long\n', 'a]]b']],
    ['-- comment\nx --[[ long\ncomment ]] y --[==[ ]] ]==] z', ['x', 'y', 'z']],
    ['1 0xFF 1e-3 .5 3 .. 2', ['1', '0xFF', '1e-3', '.5', '3', '..', '2']],
    ['a.b:c(...)..d//e ~= f::g::', ['a', '.', 'b', ':', 'c', '(', '...', ')', '..', 'd', '//', 'e', '~=', 'f', '::', 'g', '::']],
    ['"never closed\nx', ['never closed', 'x']],
    ['[[never closed', ['never closed']],
    ['#!/usr/bin/lua\nx', ['x']],
    ['@ $ x', ['x']],
  ])('splits %j', (source, texts) => {
    expect(tokenizeLua(source).map(({ text }) => text)).toEqual(texts);
  }); // prettier-ignore

  test('counts lines, in strings and comments too', () => {
    expect(tokenizeLua('a\n[[\n\n]]\n--[[\n]] b "c\\\nd" e').map(({ text, line }) => `${text.trim()} ${line}`)).toEqual([
      'a 1', ' 2', 'b 6', 'c\nd 6', 'e 7',
    ].map((one) => one.replace(/^ (\d)/, ' $1'))); // prettier-ignore
  });

  test('tells globals from locals, fields and keys', () => {
    const { sets, reads, members } = namesIn(`
      local a, b <const> = 1, 2
      function handler(x, ...) return x.field + a + unknown end
      other = { key = value, [index] = 1, nested = { deep = 2 } }
      for i, v in pairs(list) do goto done end
      ::done:: obj:method() glyphcase.query "SELECT 1"
      x.y = 3`);
    expect(sets.map(({ name }) => name)).toEqual(['handler', 'other']);
    expect(reads.map(({ name }) => name)).toEqual(['unknown', 'value', 'index', 'pairs', 'list', 'obj', 'glyphcase']);
    expect(members.map(({ name }) => name)).toEqual(['glyphcase.query']);
  });

  test('finds calls with the texts they are given', () => {
    const { calls } = namesIn(
      'f("a", g(1, "b"), "c" .. d, function() h("x") return 1, 2 end, "e") http.request{ url = "u", json = {} }',
    );
    expect(calls).toEqual([
      { name: 'f', line: 1, texts: ['a', undefined, undefined, undefined, 'e'], fields: {} },
      { name: 'g', line: 1, texts: [undefined, 'b'], fields: {} },
      { name: 'h', line: 1, texts: ['x'], fields: {} },
      { name: 'http.request', line: 1, texts: [undefined], fields: { url: 'u' } },
    ]);
  });
});

test.each([
  ['SELECT * FROM a, b AS x, (SELECT 1 FROM c) d JOIN e ON e.id IS DISTINCT FROM f.x', 'abce', ''],
  ['INSERT INTO t(a) SELECT b FROM u ON CONFLICT DO UPDATE SET a = 1', 'u', 't'],
  ['UPDATE OR IGNORE t SET a = (SELECT max(x) FROM u)', 'u', 't'],
  ['DELETE FROM t WHERE x IN (SELECT y FROM u)', 'u', 't'],
  ['REPLACE INTO "t" VALUES (1)', '', 't'],
  ['WITH r(n) AS (SELECT 1 FROM a) SELECT * FROM r, json_each(?) -- FROM z', 'a', ''],
  ["SELECT 'FROM z' FROM main.a", 'a', ''],
  ['CREATE TRIGGER g AFTER UPDATE ON t BEGIN DELETE FROM u; END', '', ''],
])('reads the tables of %s', (sql, reads, writes) => {
  const found = tablesIn(sql);
  expect([[...found.reads].join(''), [...found.writes].join('')]).toEqual([reads, writes]);
});

const READS_ORDERS = { permissions: { database: { read: ['orders'], write: ['orders'] } } };
/** Errors and warnings. */
const check = (main: string, manifest: object = READS_ORDERS): readonly string[] =>
  findings({ main: main.trim(), manifest: { ...manifest } }).filter((line) => !line.startsWith('note'));
const WOULD_NEED = 'the manifest would need "permissions":';

describe('permissions', () => {
  test.each([
    ['glyphcase.insert("log", {})', 'write the table "log"', '{ "database": { "write": ["log"] } }'],
    ['glyphcase.deleteWhere("log", "1")', 'write the table "log"', '{ "database": { "write": ["log"] } }'],
    ['glyphcase.query("SELECT * FROM orders JOIN users")', 'read the table "users"', '{ "database": { "read": ["users"] } }'],
    ['glyphcase.queryOne[[SELECT * FROM users]]', 'read the table "users"', '{ "database": { "read": ["users"] } }'],
    ['glyphcase.execute("UPDATE users SET a = 1")', 'write the table "users"', '{ "database": { "write": ["users"] } }'],
    ['glyphcase.insert("_skills", {})', 'write the table "_skills"', '{ "database": { "write": ["_skills"] } }'],
    ['glyphcase.watch("users", function() end)', 'read the table "users"', '{ "database": { "read": ["users"] } }'],
    ['glyphcase.dispatch("a:b")', 'dispatch the action "a:b"', '{ "actions": { "dispatch": ["a:b"] } }'],
    ['glyphcase.on("a:b", print)', 'listen to the action "a:b"', '{ "actions": { "listen": ["a:b"] } }'],
    ['scheduler.after("1s", print)', 'use timers', '{ "schedule": true }'],
    ['http.request({ url = "https://api.example.com/x" })', 'reach api.example.com', '{ "network": ["api.example.com"] }'],
  ])('%s is refused before it runs', (main, what, wanted) => {
    expect(check(main)).toEqual([`error main.lua:1: it may not ${what}: ${WOULD_NEED} ${wanted}`]);
  }); // prettier-ignore

  test('are not missed where they are not needed, or cannot be known', () => {
    expect(
      check(`
        glyphcase.execute("CREATE TABLE own (a)")
        glyphcase.insert("own", {})
        glyphcase.query("SELECT * FROM Orders, own")
        local name = "users"
        glyphcase.insert(name, {})
        glyphcase.query("SELECT * FROM " .. name)`),
    ).toEqual([]);
    expect(check('glyphcase.insert("log", {})', { permissions: { database: { write: ['*'] } } })).toEqual([]);
    const migrated = { main: 'glyphcase.insert("own", {})', files: { 'migrations/001.sql': 'CREATE TABLE own (a);' } };
    expect(findings(migrated)).toEqual([]);
  });

  test('of a table that the skill may have created at run time are only doubted', () => {
    expect(
      check('local t = "x"\nglyphcase.execute("CREATE TABLE " .. t .. " (a)")\nglyphcase.insert("log", {})'),
    ).toEqual([
      `warning main.lua:3: it may not write the table "log", unless it has created it: ${WOULD_NEED} { "database": { "write": ["log"] } }`,
    ]);
  });

  test('that no script uses are noted', () => {
    const manifest = {
      permissions: {
        database: { read: ['orders'], write: ['orders', 'nobody'] },
        actions: { dispatch: ['a:*', 'b:*'] },
        functions: ['send_email'],
        network: ['api.example.com'],
        schedule: true,
        hooks: ['orders'],
      },
    };
    const lines = findings({ main: 'glyphcase.update("orders", 1, {})\nglyphcase.dispatch("a:b")', manifest });
    expect(lines.map((line) => line.replace(/^note manifest\.json:\d+: /, ''))).toEqual([
      'permissions.database.write: "nobody", and no script uses it',
      'permissions.actions.dispatch: "b:*", and no script uses it',
      'permissions.functions: "send_email", and no script uses it',
      'permissions.network: requests, and no script uses it',
      'permissions.schedule: timers, and no script uses it',
      'permissions.hooks: no script defines a before_ or validate_ function',
    ]);
  });

  test('are held against a database, which knows views and columns', () => {
    const db = tempFile();
    sqlite3(db, 'CREATE TABLE users (id, name)', 'CREATE TABLE orders (id)', 'CREATE VIEW all_orders AS SELECT * FROM orders'); // prettier-ignore
    const main =
      'glyphcase.query("SELECT nmae FROM orders")\nglyphcase.query("SELECT * FROM ordrs")\nglyphcase.insert("own", {})\nglyphcase.execute("CREATE TABLE own (a)")\nglyphcase.query("SELECT * FROM own")';
    const found = findings({ main, manifest: READS_ORDERS }, db).filter((line) => !line.startsWith('note'));
    expect(found).toEqual([
      expect.stringMatching(/^error main\.lua:1: .*nmae/),
      expect.stringMatching(/^error main\.lua:2: .*ordrs/),
    ]);
  });

  test('do not bind test.lua', () => {
    const files = { 'test.lua': 'setup(function() glyphcase.execute("CREATE TABLE users (a)") end)\ntest("x", print)' };
    expect(findings({ files })).toEqual([]);
  });
});

describe('statements', () => {
  test('that no skill may run, or not there, are refused', () => {
    expect(check('glyphcase.execute("PRAGMA user_version")')).toEqual(['error main.lua:1: no skill may run PRAGMA']);
    expect(check('glyphcase.query("DELETE FROM orders")')).toEqual([
      'error main.lua:1: this statement writes: use glyphcase.execute()',
    ]);
  });
});

describe('names', () => {
  test.each([
    ['function on_data_change() end', "error main.lua:1: nothing calls on_data_change() (did you mean 'on_data_changed'?)"],
    ['glyphcase.querry("SELECT 1")', "error main.lua:1: glyphcase has no querry (did you mean 'glyphcase.query'?)"],
    ['glyphcase.frobnicate()', 'warning main.lua:1: glyphcase has no frobnicate'],
    ['string.trim("x")', 'warning main.lua:1: string has no trim'],
    ['pritn("x")', "warning main.lua:1: there is no global pritn (did you mean 'print'?)"],
    ['local x = some_global', 'warning main.lua:1: no script sets the global some_global'],
    ['expect(1)', 'warning main.lua:1: no script sets the global expect'],
  ])('%s', (main, line) => {
    expect(check(main)).toEqual([line]);
  }); // prettier-ignore

  test('that a skill gives a meaning itself are its own', () => {
    const files = { 'lib.lua': 'helper = 1 function string.trim(s) return s end', 'test.lua': 'test("x", function() expect(helper) end)' };
    expect(findings({ main: 'print(helper, string.trim("x"), send_email)', manifest: { permissions: { functions: ['send_email'] } }, files })).toEqual([]);
    expect(check('local glyphcase = { querry = print } glyphcase.querry("x")')).toEqual([]);
    expect(check('_G["made"] = 1 print(made)')).toEqual([]);
    expect(findings({ main: 'any_function()', manifest: { permissions: { functions: ['*'] } } })).toEqual([]);
  }); // prettier-ignore
});

test('migrations are numbered', () => {
  const of = (...names: readonly string[]): readonly string[] =>
    findings({ files: Object.fromEntries(names.map((name) => [`migrations/${name}`, ''])) });
  expect(of('001.sql', '002_more.sql')).toEqual([]);
  expect(of('001.sql', '003.sql')).toEqual(['warning migrations/003.sql:1: there is no migration 2 before it']);
  expect(of('001.sql', '1_again.sql')).toEqual([expect.stringMatching(/^error migrations\/.*same number/)]);
  expect(of('first.sql')).toEqual([
    expect.stringMatching(/^error migrations\/first\.sql:1: the name must begin with a number/),
  ]);
  expect(of('001.lua')).toEqual(['warning migrations/001.lua:1: it never runs: migrations are .sql files']);
});
