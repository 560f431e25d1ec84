/** Odd SELECTs over the tables of `select-reader` tests, and the way back from what was read to SQL. */
import BetterSqlite3 from 'better-sqlite3';
import fc from 'fast-check';
import { quoteName, tokenize } from '../sdk/plugin.ts';
import type { Core, Refusal, Select, SelectText, Source, Span } from '../plugins/live/select/types.ts';

/**
 * Small tables whose columns have names that SQLite's grammar also knows as words. They have no index: a column more could
 * make it another one that covers, and the rows would come in another order.
 */
export function openTables() {
  const db = new BetterSqlite3(':memory:');
  db.exec(`CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT COLLATE NOCASE, v, key, "order");
    CREATE TABLE tasks(id INTEGER PRIMARY KEY, user_id, k INTEGER, v, row, "select");
    CREATE TABLE tags(tag TEXT, task);
    CREATE VIEW open AS SELECT t.id, t.k, u.name FROM tasks t LEFT JOIN users u ON u.id = t.user_id WHERE t.k < 3;
    INSERT INTO users VALUES (1, 'A', 3, 1, 2), (2, 'b', 1, 2, NULL), (3, 'C', 2, NULL, 'x'), (4, NULL, NULL, 0, 0);
    INSERT INTO tasks VALUES (1, 1, 0, 1, 1, 'a'), (2, 1, 1, 2, 2, 'b'), (3, 2, 1, 'a', 3, NULL), (4, 3, 2, NULL, 4, 0),
      (5, NULL, 2, 1, NULL, 1);
    INSERT INTO tags VALUES ('x', 1), ('x', 1), ('y', 2);`);
  return db;
}

export type Tables = ReturnType<typeof openTables>;

/** What a statement gives, its error or its names and rows; undefined when SQLite refuses it. */
export function outcomeOf(
  db: Tables,
  sql: string,
): { readonly names: readonly string[]; readonly rows: unknown } | undefined {
  let statement;
  try {
    statement = db.prepare(sql);
    if (!statement.reader) return undefined;
  } catch {
    return undefined;
  }
  // A column without an alias is called by its text, up to the next token: with the comments behind it.
  const names = statement.columns().map(({ name }) =>
    tokenize(name)
      .map(({ text }) => text)
      .join(' '),
  );
  try {
    return { names, rows: statement.raw().all() };
  } catch (error) {
    return { names, rows: String(error) };
  }
}

export const isRead = (read: SelectText | Refusal): read is SelectText => 'select' in read;

/** The SQL of a span as it was written. */
export function textOf({ sql, tokens }: SelectText, { from, to }: Span): string {
  return sql.slice(tokens[from]?.start, tokens[to - 1]?.end);
}

/** The statement written anew from nothing but what was read of it. */
export function rebuilt(read: SelectText, select = read.select): string {
  const text = (span: Span): string => textOf(read, span);
  const ctes = select.ctes.map(({ name, columns, select: inner }) => {
    const list = columns === undefined ? '' : `(${columns.map(quoteName).join(', ')})`;
    return `${quoteName(name)}${list} AS (${rebuilt(read, inner)})`;
  });
  const order = select.orderBy.map(
    ({ expression, descending, nulls }) =>
      `(${text(expression)})${descending ? ' DESC' : ''}${nulls === undefined ? '' : ` NULLS ${nulls}`}`,
  );
  return [
    ctes.length > 0 ? `WITH ${ctes.join(', ')}` : '',
    select.arms.map((core) => rebuiltCore(read, core)).join(' UNION ALL '),
    order.length > 0 ? `ORDER BY ${order.join(', ')}` : '',
    select.limit === undefined ? '' : `LIMIT (${text(select.limit)})`,
    select.offset === undefined ? '' : `OFFSET (${text(select.offset)})`,
  ].join(' ');
}

function rebuiltCore(read: SelectText, core: Core): string {
  const text = (span: Span): string => textOf(read, span);
  const columns = core.columns.map((column) => {
    if (column.kind === 'all') return '*';
    if (column.kind === 'allOf') return `${quoteName(column.source)}.*`;
    // Without brackets: an unnamed column is called by its text.
    return `${text(column.expression)}${column.alias === undefined ? '' : ` AS ${quoteName(column.alias)}`}`;
  });
  const end = [core.having, ...core.groupBy.toReversed(), core.where].find((span) => span !== undefined)?.to;
  const windows = core.windowed ? text({ from: end ?? core.fromEnd, to: core.span.to }) : '';
  return [
    `SELECT ${core.distinct ? 'DISTINCT ' : ''}${columns.join(', ')}`,
    core.from.length > 0
      ? `FROM ${core.from.map((source, place) => rebuiltSource(read, source, place)).join(' ')}`
      : '',
    core.where === undefined ? '' : `WHERE (${text(core.where)})`,
    core.groupBy.length > 0 ? `GROUP BY ${core.groupBy.map(text).join(', ')}` : '',
    core.having === undefined ? '' : `HAVING (${text(core.having)})`,
    (end ?? core.fromEnd) < core.span.to ? windows : '',
  ].join(' ');
}

function rebuiltSource(read: SelectText, source: Source, place: number): string {
  const { name, schema, select, alias, on, using } = source;
  // What decides in which order SQLite finds the rows stays as it was.
  const crossed = read.tokens[source.span.from - 2]?.text.toUpperCase() === 'CROSS';
  const join = source.join === 'left' ? 'LEFT JOIN ' : crossed ? 'CROSS JOIN ' : 'JOIN ';
  const written = read.tokens.slice(source.span.from, source.span.to).map(({ text }) => text.toUpperCase());
  const notIndexed = select === undefined && written.at(-1) === 'INDEXED' ? 'NOT INDEXED' : '';
  const what = select === undefined ? quoteName(name as string) : `(${rebuilt(read, select)})`;
  return [
    `${place === 0 ? '' : join}${schema === undefined ? '' : `${quoteName(schema)}.`}${what}`,
    alias === undefined ? '' : `AS ${quoteName(alias)}`,
    notIndexed,
    on === undefined ? '' : `ON (${textOf(read, on)})`,
    using === undefined ? '' : `USING (${using.map(quoteName).join(', ')})`,
  ].join(' ');
}

/** Every SELECT core, at any depth. */
export function coresOf(select: Select): Core[] {
  const own = select.arms.flatMap((core) => [
    core,
    ...core.from.flatMap(({ select: inner }) => (inner === undefined ? [] : coresOf(inner))),
    ...core.subqueries.flatMap(({ select: inner }) => coresOf(inner)),
  ]);
  return [...select.ctes.flatMap(({ select: inner }) => coresOf(inner)), ...own];
}

const words = (list: string): string[] => list.split(' ');
const optional = (weight: number, arbitrary: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.oneof({ weight, arbitrary: fc.constant('') }, arbitrary);
const joined = (...parts: readonly fc.Arbitrary<string>[]): fc.Arbitrary<string> =>
  fc.tuple(...parts).map((texts) => texts.join(''));
/** `$1` to `$3` stand for expressions. */
const filled = (pattern: string, one: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc
    .tuple(one, one, one)
    .map((texts) => pattern.replace(/\$(\d)/g, (_, at: string) => texts[Number(at) - 1] as string));
const anyOf = (patterns: readonly string[], one: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.oneof(...patterns.map((pattern) => filled(pattern, one)));
const list = (one: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.array(one, { minLength: 1, maxLength: 2 }).map((all) => all.join(', '));

/** All sources are called t and u, so that these are there at every depth. */
const columns = fc.constantFrom(
  ...words('name key "order" user_id k row "select" t.id u.id u.name t.k u.key [t].[v] `u`."v" t.select u.v'),
);
const literals = fc.constantFrom(
  ...['1', '0', '-2', '2.5', '.5', "'a'", "'it''s FROM'", "''", "x'00ff'", 'NULL', 'TRUE', 'false', '1e1', "'('"],
);
const VALUES = [
  ...words('+ - * / % || = == <> != < <= > >= & | << >> AND OR and IS LIKE GLOB').map((sign) => `$1 ${sign} $2`),
  ...['$1 IS NOT $2', '$1 IS DISTINCT FROM $2', '$1 IS NOT DISTINCT FROM $2', "$1 NOT LIKE $2 ESCAPE '!'", '(($1))'],
  ...['$1 BETWEEN $2 AND $3', '$1 NOT BETWEEN $2 AND $3', '$1 IN ($2, $3)', '$1 NOT IN ()', '($1, $2) = ($2, $3)'],
  ...['CASE WHEN $1 THEN $2 ELSE $3 END', 'CASE $1 WHEN $2 THEN $3 END', 'NOT $1', '- $1', '~$1', '$1 ISNULL'],
  ...['$1 NOTNULL', '$1 NOT NULL', '$1 IS NULL', '$1 COLLATE nocase', 'CAST($1 AS TEXT)', 'CAST($1 AS VARCHAR(10, 2))'],
  ...['coalesce($1, $2)', "replace($1, 'a', $2)", '"ifnull"($1, $2)', 'trim($1)', "'[1]' -> 0", 'like($1, $2)'],
];
const AGGREGATES = [
  ...['count(*)', 'count()', 'count(DISTINCT $1)', 'sum($1) FILTER (WHERE $2)', 'group_concat($1 ORDER BY $2 DESC)'],
  ...['max($1)', 'sum($1) + $2', '$1 AND count(*) > 1'],
];
const WINDOWED = [
  'row_number() OVER (PARTITION BY $1 ORDER BY $2 DESC NULLS LAST, $3)',
  'sum(k) OVER (ORDER BY $1 ROWS BETWEEN 1 PRECEDING AND CURRENT ROW EXCLUDE TIES)',
  'count(*) FILTER (WHERE $1) OVER (ORDER BY $2 RANGE UNBOUNDED PRECEDING)',
];

const { value, select } = fc.letrec<Record<'value' | 'select' | 'scalar' | 'derived' | 'from', string>>((tie) => {
  const one = tie('value');
  const alias = fc.constantFrom(
    ...['', '', ' AS n', ' n', ' "from"', " 'a b'", ' AS [order]', ' AS key', ' AS `select`', ' AS left'],
  );
  const expression = fc.oneof({ weight: 4, arbitrary: one }, anyOf(AGGREGATES, one), anyOf(WINDOWED, one));
  const column = fc.oneof(
    { weight: 3, arbitrary: joined(expression, alias) },
    fc.constantFrom('*', 't.*', '"u".*', 't.id', 'name'),
  );
  const source = (plain: readonly string[], derivedAs: readonly string[]): fc.Arbitrary<string> =>
    fc.oneof(
      { weight: 5, arbitrary: fc.constantFrom(...plain) },
      fc.tuple(tie('derived'), fc.constantFrom(...derivedAs)).map(([inner, as]) => `(${inner})${as}`),
    );
  const t = source(
    ['tasks t', 'main.tasks AS t', "'tasks' AS [t]", 'tasks t NOT INDEXED', 'c AS t'],
    [' t', ' AS "t"'],
  );
  const u = source(['users u', 'users AS [u]', '"users" \'u\'', 'main.users u'], [' u, users u']);
  const on = fc.constantFrom(' JOIN ', ' INNER JOIN ', ' LEFT JOIN ', ' left outer join ', ', ', ' CROSS JOIN ');
  const core = joined(
    fc.constantFrom('SELECT ', 'select distinct ', 'SELECT ALL '),
    fc.array(column, { minLength: 1, maxLength: 3 }).map((all) => all.join(', ')),
    fc.constant(' FROM '),
    tie('from'),
    optional(1, filled(' WHERE $1', one)),
    optional(3, joined(fc.constant(' GROUP BY '), list(one), optional(1, filled(' HAVING $1 OR count(*) > 1', one)))),
    optional(5, filled(' WINDOW w AS (PARTITION BY $1), x AS (w ORDER BY $2)', one)),
  );
  const scalar = joined(
    fc.constant('SELECT '),
    fc.oneof(one, anyOf(AGGREGATES, one)),
    optional(1, joined(fc.constant(' FROM '), tie('from'))),
    optional(1, filled(' WHERE $1', one)),
    optional(2, filled(' ORDER BY $1', one)),
    optional(2, fc.constant(' LIMIT 1')),
  );
  const term = joined(
    fc.oneof(one, fc.constantFrom('1', 'name COLLATE nocase')),
    fc.constantFrom('', ' DESC', ' asc NULLS LAST'),
  );
  const tail = joined(
    optional(1, joined(fc.constant(' ORDER BY '), list(term))),
    fc.constantFrom('', '', ' LIMIT 3', ' LIMIT 1, 2', ' LIMIT 2 OFFSET 1', ' LIMIT -1'),
  );
  const cte = fc
    .tuple(
      fc.constantFrom('c', 'c(id, user_id, k, v, row, "select")', '"c"'),
      tie('derived'),
      optional(3, fc.constant('NOT MATERIALIZED ')),
    )
    .map(([name, body, how]) => `WITH ${name} AS ${how}(${body}) `);
  return {
    value: fc.oneof(
      { maxDepth: 3 },
      { weight: 4, arbitrary: fc.oneof(columns, literals) },
      { weight: 4, arbitrary: anyOf(VALUES, one) },
      fc
        .tuple(fc.constantFrom('(#)', 'EXISTS (#)', 'k IN (#)', '1 NOT IN (#)', 'coalesce((#), 0)'), scalar)
        .map(([pattern, inner]) => pattern.replace('#', () => inner)),
    ),
    scalar,
    from: fc.oneof(
      { maxDepth: 2 },
      { weight: 3, arbitrary: fc.constantFrom('tasks t, users u', 'users u LEFT JOIN tasks t ON t.user_id = u.id') },
      joined(u, on, t),
      joined(t, fc.constantFrom(' JOIN ', ' LEFT JOIN '), u, filled(' ON $1', one)),
      joined(t, fc.constant(' LEFT JOIN '), u, fc.constantFrom(' USING (id)', ' USING ("id", v)')),
      joined(t, fc.constant(' JOIN '), u, filled(' ON $1', one), fc.constant(' JOIN tags AS g ON g.task = t.id')),
    ),
    derived: joined(
      filled('SELECT t.id, t.user_id user_id, $1 AS k, $2 "v", 4 AS row, $3 AS "select" FROM ', one),
      tie('from'),
      tail,
    ),
    select: fc.oneof(
      { weight: 4, arbitrary: joined(optional(1, cte), core, tail) },
      joined(
        filled('SELECT $1 n FROM tasks t, users u UNION ALL ', one),
        filled('SELECT $1', one),
        fc.constant(' FROM tasks AS t, users u'),
      ),
    ),
  };
});

export const oddExpressions = value;
export const oddSelects = select;

/** Conditions over a, b and c with much AND in them. */
export const conditions: fc.Arbitrary<string> = fc.letrec<{ e: string }>((tie) => {
  const one = tie('e');
  const pair = fc.tuple(one, one);
  return {
    e: fc.oneof(
      { maxDepth: 4 },
      { weight: 3, arbitrary: fc.constantFrom('a', 'b', 'c', '1', '0', 'NULL', 'a = 1', 'b <> c', 'c IS NULL') },
      { weight: 4, arbitrary: pair.map(([x, y]) => `${x} AND ${y}`) },
      { weight: 2, arbitrary: pair.map(([x, y]) => `(${x} AND ${y})`) },
      pair.map(([x, y]) => `${x} OR ${y}`),
      pair.map(([x, y]) => `(${x} OR ${y})`),
      pair.map(([x, y]) => `${x} = ${y}`),
      pair.map(([x, y]) => `a BETWEEN ${x} AND ${y}`),
      pair.map(([x, y]) => `${x} NOT BETWEEN 1 AND ${y}`),
      one.map((x) => `NOT ${x}`),
      one.map((x) => `CASE WHEN ${x} THEN a AND b ELSE c END`),
      one.map((x) => `a IN (SELECT 1 WHERE ${x} AND b)`),
      one.map((x) => `b IN (1, ${x})`),
    ),
  };
}).e;

/** A text whose tokens were left out, repeated and exchanged, with white space and comments of other kinds. */
export function mutated(sqls: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const gaps = fc.constantFrom(' ', ' ', '\n', '/* FROM */', ' -- WHERE (\n', '\t/**/');
  const change = fc.record({
    kind: fc.constantFrom('none', 'drop', 'repeat', 'swap', 'put'),
    at: fc.nat(200),
    to: fc.nat(200),
    word: fc.constantFrom(...VOCABULARY),
  });
  return fc.tuple(sqls, fc.array(change, { maxLength: 3 }), gaps).map(([sql, changes, gap]) => {
    const texts = tokenize(sql).map(({ text }) => text);
    for (const { kind, at, to, word } of changes) {
      const place = at % texts.length;
      const other = to % texts.length;
      const [here = '', there = ''] = [texts[place], texts[other]];
      if (kind === 'drop' && texts.length > 1) texts.splice(place, 1);
      if (kind === 'repeat') texts.splice(other, 0, here);
      if (kind === 'put') texts.splice(place, 0, word);
      if (kind === 'swap') [texts[place], texts[other]] = [there, here];
    }
    return texts.join(gap);
  });
}

export const VOCABULARY = [
  ...words('SELECT FROM WHERE GROUP BY HAVING ORDER LIMIT OFFSET UNION ALL EXCEPT WITH RECURSIVE AS NOT MATERIALIZED'),
  ...words('DISTINCT JOIN LEFT RIGHT FULL OUTER CROSS INNER NATURAL ON USING INDEXED WINDOW OVER FILTER PARTITION'),
  ...words('CASE WHEN THEN ELSE END CAST EXISTS IN IS NULL ISNULL BETWEEN AND OR LIKE MATCH ESCAPE COLLATE VALUES'),
  ...words(
    'ASC DESC NULLS FIRST LAST CURRENT_TIME TRUE raise count users tasks open id name v k u t u.id "x" [y] \'z\'',
  ),
  ...words("( ) ( ) , . * + - ~ = == -> || 1 2.5 ? :a ?1 ; x'00' main rows range key over filter window nocase"),
];
