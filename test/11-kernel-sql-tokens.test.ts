/** Reading SQL text: tokens as SQLite sees them, statements, pragmas, schema changes. */
import BetterSqlite3 from 'better-sqlite3';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  alteredTable,
  containsPragma,
  firstKeyword,
  isSchemaChange,
  nameOf,
  schemaChange,
  statements,
  tokenize,
} from '../kernel/sql/index.ts';

const db = new BetterSqlite3(':memory:');

/** Pieces that make tokenizers stumble. */
const PIECES = [
  ...[
    "'",
    '"',
    '`',
    '[',
    ']',
    "''",
    '--',
    '\n',
    '/*',
    '*/',
    '/',
    '*',
    '-',
    '->',
    '->>',
    '|',
    '||',
    '!',
    '!=',
    '<',
    '<>',
  ],
  ...[
    '=',
    '==',
    '>',
    '>=',
    '<<',
    '&',
    '~',
    '.',
    ',',
    '%',
    '+',
    '?',
    '?1',
    ':a',
    '@b',
    '$c',
    '#d',
    ':',
    '$',
    'x',
    "x'",
    "X'ab'",
  ],
  ...[
    "x'abc'",
    '0',
    '1',
    '12',
    '0x',
    '0xAf',
    '1_000',
    '1e',
    '1e5',
    '1E+',
    '.5',
    '5.',
    '1.e2',
    'é',
    '日本',
    '\uFEFF',
    '\u00A0',
  ],
  ...['😀', 'a', 'select', 'pragma', 'end', 'begin', ' ', '\t', '\r', '\f', '\v', '\\', '{', '^', '\u0001', '_', 'e'],
];
const junk = fc.array(fc.constantFrom(...PIECES), { maxLength: 12 }).map((pieces) => pieces.join(''));

describe('tokens', () => {
  test('are what SQLite makes of the text', () => {
    const types = (sql: string): string[] => tokenize(sql).map(({ type, text }) => `${type} ${text}`);
    expect(types(`a "b""c" 'd''e' [f] \`g\``)).toEqual([
      'word a',
      'quoted "b""c"',
      `string 'd''e'`,
      'quoted [f]',
      'quoted `g`',
    ]);
    expect(types(`x'AB' x'abc'`)).toEqual([`blob x'AB'`, `illegal x'abc'`]);
    expect(types('0x1_f 1_0 1.5e-3 .5 1.e2 5e')).toEqual([
      ...['number 0x1_f', 'number 1_0', 'number 1.5e-3', 'number .5', 'number 1.e2', 'illegal 5e'],
    ]);
    expect(types('? ?12 :a @b $c $d::e(f)')).toEqual(
      ['?', '?12', ':a', '@b', '$c', '$d::e(f)'].map((text) => `parameter ${text}`),
    );
    expect(types('a--b;\nc/*;*/d/**/e/*/;*/f')).toEqual(['word a', 'word c', 'word d', 'word e', 'word f']);
    expect(types('/* no end; pragma')).toEqual([]);
    expect(types('/*')).toEqual(['operator /', 'operator *']);
    expect(types('é$1 - 1->>2')).toEqual(['word é$1', 'operator -', 'number 1', 'operator ->>', 'number 2']);
    expect(types("'a''b")).toEqual(["illegal 'a''b"]);
    expect(types('a\0b')).toEqual(['word a', 'illegal \0b']);
  });

  test('and the gaps between them give back the text, and gaps are white space and comments', () => {
    fc.assert(
      fc.property(junk, (sql) => {
        let at = 0;
        let rebuilt = '';
        for (const token of tokenize(sql)) {
          const gap = sql.slice(at, token.start);
          expect(tokenize(gap.endsWith('/') ? `${gap} ` : gap)).toEqual([]);
          expect(token.text).toBe(sql.slice(token.start, token.end));
          rebuilt += gap + token.text;
          at = token.end;
        }
        expect(rebuilt + sql.slice(at)).toBe(sql);
      }),
      { numRuns: 3000 },
    );
  });

  test('that are illegal are those SQLite does not recognize', () => {
    // The arguments of a virtual table may be any tokens, so SQLite complains of nothing else.
    fc.assert(
      fc.property(junk, (text) => {
        // This build of SQLite leaves Tcl's $a::b out.
        fc.pre(!text.includes('::'));
        const sql = `CREATE VIRTUAL TABLE t USING no_such_module(a ${text})`;
        const illegal = tokenize(sql).find((token) => token.type === 'illegal');
        let message = '';
        try {
          db.prepare(`EXPLAIN ${sql}`);
        } catch (error) {
          message = (error as Error).message;
        }
        if (illegal !== undefined) expect(message).toBe(`unrecognized token: "${illegal.text}"`);
        else expect(message).not.toContain('unrecognized token');
      }),
      { numRuns: 5000 },
    );
  });

  test('spell names', () => {
    expect(tokenize(`a "b""c" [d"] \`e\`\`\` 'f' 5`).map(nameOf)).toEqual(['a', 'b"c', 'd"', 'e`', 'f', undefined]);
  });

  test('of a literal of many megabytes are found', () => {
    const sql = `SELECT '${"''".repeat(5_000_000)}'`;
    expect(tokenize(sql)).toHaveLength(2);
  });
});

describe('statements', () => {
  test('end at semicolons outside of strings, comments and triggers', () => {
    expect(statements('')).toEqual([]);
    expect(statements(' ;; -- nothing\n;')).toEqual([]);
    expect(statements("SELECT ';'; /* ; */ SELECT [;] -- ;\n;SELECT 3")).toEqual([
      "SELECT ';'",
      'SELECT [;]',
      'SELECT 3',
    ]);
    const trigger = `CREATE TRIGGER t AFTER INSERT ON a BEGIN
      UPDATE a SET x = CASE WHEN 1 THEN 2 END; SELECT 1 AS "end"; END`;
    expect(statements(`${trigger}; SELECT 1`)).toEqual([trigger, 'SELECT 1']);
    expect(statements(`EXPLAIN QUERY PLAN ${trigger.replace('CREATE', 'CREATE TEMP')}; SELECT 1`)).toHaveLength(2);
    expect(statements('BEGIN; SELECT 1; END; SELECT 2')).toEqual(['BEGIN', 'SELECT 1', 'END', 'SELECT 2']);
    expect(statements('CREATE TABLE "trigger"(a); SELECT 1')).toHaveLength(2);
  });

  test('begin with a keyword', () => {
    expect(firstKeyword('/* x */ select 1')).toBe('SELECT');
    expect(firstKeyword('"select"')).toBe('');
    expect(firstKeyword('')).toBe('');
  });

  test('that are PRAGMAs are found wherever they hide', () => {
    for (const sql of [
      'PRAGMA x',
      'pragma x=1',
      '-- c\n/* d */ PrAgMa x',
      'EXPLAIN PRAGMA x',
      'explain query plan pragma x',
      'EXPLAIN/**/QUERY--\nPLAN/**/PRAGMA x',
      'SELECT 1; PRAGMA x',
      ';;PRAGMA x',
      '\uFEFFPRAGMA x',
      'CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END; PRAGMA x',
      'QUERY PLAN PRAGMA x',
    ]) {
      expect(containsPragma(sql), sql).toBe(true);
    }
    for (const sql of [
      'SELECT pragma FROM x',
      "SELECT '; PRAGMA x'",
      '-- PRAGMA x',
      'SELECT * FROM pragma_table_info(1)',
      '',
    ]) {
      expect(containsPragma(sql), sql).toBe(false);
    }
  });
});

describe('schema changes', () => {
  test('are told from other statements', () => {
    for (const sql of [
      'CREATE TABLE a(b)',
      'select 1; drop view v',
      'ALTER TABLE a ADD b',
      'REINDEX',
      'create temp table a(b)',
    ]) {
      expect(isSchemaChange(sql), sql).toBe(true);
    }
    for (const sql of ['SELECT 1', 'EXPLAIN DROP TABLE a', "INSERT INTO a VALUES('create')", 'VACUUM', '']) {
      expect(isSchemaChange(sql), sql).toBe(false);
    }
  });

  test('of tables say which table and what', () => {
    const cases: Record<string, object | undefined> = {
      'ALTER TABLE orders ADD COLUMN note TEXT': {
        kind: 'alter',
        table: 'orders',
        temp: false,
        action: 'add column',
        column: 'note',
      },
      'alter table "my ""t" add note': {
        kind: 'alter',
        table: 'my "t',
        temp: false,
        action: 'add column',
        column: 'note',
      },
      'ALTER TABLE main.a DROP COLUMN b': {
        kind: 'alter',
        table: 'a',
        schema: 'main',
        temp: false,
        action: 'drop column',
        column: 'b',
      },
      'ALTER TABLE a DROP b': { kind: 'alter', table: 'a', temp: false, action: 'drop column', column: 'b' },
      'ALTER TABLE a RENAME TO b': { kind: 'alter', table: 'a', temp: false, action: 'rename', newName: 'b' },
      'ALTER TABLE a RENAME COLUMN b TO c': {
        kind: 'alter',
        table: 'a',
        temp: false,
        action: 'rename column',
        column: 'b',
        newName: 'c',
      },
      'ALTER TABLE a RENAME [b] TO c': {
        kind: 'alter',
        table: 'a',
        temp: false,
        action: 'rename column',
        column: 'b',
        newName: 'c',
      },
      'DROP TABLE IF EXISTS temp.x': { kind: 'drop', table: 'x', schema: 'temp', temp: true },
      'CREATE TEMPORARY TABLE IF NOT EXISTS x AS SELECT 1': { kind: 'create', table: 'x', temp: true },
      'CREATE VIRTUAL TABLE IF NOT EXISTS f USING fts5(a)': { kind: 'create', table: 'f', temp: false },
      'CREATE INDEX i ON a(b)': undefined,
      'DROP TABLE a; DROP TABLE b': undefined,
      'SELECT 1': undefined,
      'CREATE TABLE': undefined,
      'ALTER TABLE': undefined,
    };
    for (const [sql, expected] of Object.entries(cases)) expect(alteredTable(sql), sql).toEqual(expected);
  });

  test('of other objects say what they are on', () => {
    expect(schemaChange('CREATE UNIQUE INDEX IF NOT EXISTS i ON "a b"(c)')).toEqual({
      ...{ verb: 'create', object: 'unique index', name: 'i', temp: false, on: 'a b' },
    });
    expect(schemaChange('CREATE TRIGGER main.t BEFORE UPDATE OF x ON a BEGIN SELECT 1; END')).toEqual({
      ...{ verb: 'create', object: 'trigger', name: 't', schema: 'main', temp: false, on: 'a' },
    });
    expect(schemaChange('REINDEX')).toEqual({ verb: 'reindex', name: '', temp: false });
    expect(schemaChange('DROP TRIGGER t')).toEqual({ verb: 'drop', object: 'trigger', name: 't', temp: false });
  });
});
