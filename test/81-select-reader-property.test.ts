/**
 * What the reader says of a SELECT is what SQLite makes of it. GLYPHCASE_READER_RUNS sets the number of cases,
 * GLYPHCASE_READER_SEED repeats a run.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readSelect } from '../plugins/live/select/reader.ts';
import { columnsOf, conjuncts } from '../plugins/live/select/expressions.ts';
import type { Core, Select, SelectText, Span } from '../plugins/live/select/types.ts';
import { tokenize } from '../sdk/plugin.ts';
import { selects } from './80-live-grammar.ts';
import {
  conditions,
  coresOf,
  isRead,
  mutated,
  oddExpressions,
  oddSelects,
  openTables,
  outcomeOf,
  rebuilt,
  VOCABULARY,
} from './81-select-reader-support.ts';

const RUNS = Number(process.env['GLYPHCASE_READER_RUNS'] ?? 500);
const SEED = process.env['GLYPHCASE_READER_SEED'];
const settings = { numRuns: RUNS, ...(SEED === undefined ? {} : { seed: Number(SEED) }) };
const timeout = 30_000 + RUNS * 20;
const db = openTables();
const statements = fc.oneof(selects, oddSelects);

/** Looks at every statement that the reader and SQLite both accept, and says how many those were. */
function forAccepted(sqls: fc.Arbitrary<string>, check: (read: SelectText, sql: string) => void): number {
  let accepted = 0;
  const property = fc.property(sqls, (sql) => {
    const read = readSelect(sql);
    if (!isRead(read) || outcomeOf(db, sql) === undefined) return;
    accepted++;
    check(read, sql);
  });
  fc.assert(property, settings);
  return accepted;
}

test('garbage is refused without an error', { timeout }, () => {
  const garbage = fc
    .array(fc.constantFrom(...VOCABULARY), { maxLength: 40 })
    .map((words) => ['SELECT', ...words].join(' '));
  const anything = fc.oneof(garbage, fc.string(), fc.string({ unit: 'binary' }), mutated(statements));
  const property = fc.property(anything, (sql) => {
    const read = readSelect(sql);
    if (!isRead(read)) expect(read.refused).toMatch(/^\S.*\S$/s);
    const span = { from: 0, to: tokenize(sql).length };
    conjuncts(tokenize(sql), span);
    columnsOf(tokenize(sql), span, []);
  });
  fc.assert(property, settings);
});

test('the parts lie within each other and in order', { timeout }, () => {
  const accepted = forAccepted(mutated(statements), (read) => {
    expect(read.select.span).toEqual({ from: 0, to: read.tokens.length });
    checkSelect(read.select);
  });
  expect(accepted).toBeGreaterThan(RUNS / 10);
});

test('a statement written anew from its parts gives the same rows', { timeout }, () => {
  const accepted = forAccepted(mutated(statements), (read, sql) => {
    expect(outcomeOf(db, rebuilt(read)), rebuilt(read)).toEqual(outcomeOf(db, sql));
  });
  expect(accepted).toBeGreaterThan(RUNS / 10);
});

test('with a condition added in every SELECT and a column in the outermost it gives the same rows', { timeout }, () => {
  const accepted = forAccepted(mutated(statements), (read, sql) => {
    const before = outcomeOf(db, sql);
    const conditioned = withInsertions(
      read,
      coresOf(read.select).flatMap((core) => addedCondition(core)),
    );
    // Not the names: those are the texts of columns, with the conditions in them.
    expect(outcomeOf(db, conditioned)?.rows, conditioned).toEqual(before?.rows);
    const widened = withInsertions(
      read,
      read.select.arms.map(({ columnsEnd }) => ({ at: columnsEnd, text: ', 1 AS added' })),
    );
    const { names = [], rows = [] } = before ?? {};
    const expected = Array.isArray(rows) ? (rows as unknown[][]).map((row) => [...row, 1]) : rows;
    const found = outcomeOf(db, widened);
    expect(found?.names, widened).toEqual([...names, 'added']);
    // With a column more to be distinct in, SQLite may join in another order, and LIMIT then takes other rows.
    const chosen = read.select.arms.some(({ distinct }) => distinct);
    if (chosen && Array.isArray(expected)) expect(found?.rows, widened).toHaveLength(expected.length);
    else expect(found?.rows, widened).toEqual(expected);
  });
  expect(accepted).toBeGreaterThan(RUNS / 10);
});

test('a condition and all its conjuncts select the same rows', { timeout }, () => {
  const rows = db.exec(`CREATE TABLE abc(a, b, c)`);
  const values = ['NULL', '0', '1', '2'];
  for (const a of values)
    for (const b of values) for (const c of values) rows.exec(`INSERT INTO abc VALUES (${a}, ${b}, ${c})`);
  let parts = 0;
  const property = fc.property(conditions, (condition) => {
    const tokens = tokenize(condition);
    const spans = conjuncts(tokens, { from: 0, to: tokens.length });
    parts += spans.length;
    const joined = spans.map(({ from, to }) => `(${condition.slice(tokens[from]?.start, tokens[to - 1]?.end)})`);
    const found = outcomeOf(db, `SELECT rowid FROM abc WHERE ${joined.join(' AND ')}`);
    expect(found, joined.join(' AND ')).toEqual(outcomeOf(db, `SELECT rowid FROM abc WHERE ${condition}`));
  });
  fc.assert(property, settings);
  expect(parts).toBeGreaterThan(RUNS);
});

test('the columns of an expression are all that SQLite needs', { timeout }, () => {
  const every = ['x', 't', 'u', 'g'].flatMap((source) =>
    ['id', 'name', 'v', 'key', 'order', 'user_id', 'k', 'row', 'select', 'tag', 'task'].map(
      (name) => `${source}.${name}`,
    ),
  );
  let checked = 0;
  const property = fc.property(mutated(oddExpressions), (expression) => {
    const read = readSelect(`SELECT ${expression}`);
    if (!isRead(read) || coresOf(read.select).length !== 1) return;
    const { columns } = read.select.arms[0] as Core;
    const uses = columns.map((column) =>
      column.kind === 'expression' ? columnsOf(read.tokens, column.expression, []) : undefined,
    );
    if (uses.includes(undefined)) return;
    // Unqualified ones are needed of the source that stands for all of them.
    const own = every.filter((name) => name.startsWith('x.') || uses.flat().some((use) => use?.source !== undefined));
    if (outcomeOf(db, withColumns(expression, own)) === undefined) return;
    const needed = uses
      .flat()
      .flatMap((use) => (use === undefined || use.orLiteral ? [] : `${use.source ?? 'x'}.${use.column}`));
    checked++;
    const sql = withColumns(expression, [...new Set(needed)]);
    expect(outcomeOf(db, sql), sql).toBeDefined();
  });
  fc.assert(property, settings);
  expect(checked).toBeGreaterThan(RUNS / 10);
});

/** A SELECT of an expression from sources that have these columns and no others. */
function withColumns(expression: string, columns: readonly string[]): string {
  const sources = ['x', 't', 'u', 'g'].map((source) => {
    const own = columns.flatMap((name) => (name.startsWith(`${source}.`) ? [name.slice(2)] : []));
    return `(SELECT 1 AS "of ${source}"${own.map((name) => `, 1 AS "${name}"`).join('')}) AS ${source}`;
  });
  return `SELECT ${expression} FROM ${sources.join(', ')} WINDOW w AS ()`;
}

interface Insertion {
  /** Behind the token before this position. */
  readonly at: number;
  readonly text: string;
}

function addedCondition({ where, fromEnd }: Core): Insertion[] {
  if (where === undefined) return [{ at: fromEnd, text: ' WHERE 1' }];
  return [
    { at: where.from, text: ' (' },
    { at: where.to, text: ') AND 1' },
  ];
}

function withInsertions({ sql, tokens }: SelectText, insertions: readonly Insertion[]): string {
  const placed = insertions.map(({ at, text }) => ({ offset: tokens[at - 1]?.end ?? 0, text }));
  // From the end, so that the offsets before stay right; at one place the last of the list comes last.
  return placed
    .toReversed()
    .toSorted((a, b) => b.offset - a.offset)
    .reduce((text, { offset, text: added }) => text.slice(0, offset) + added + text.slice(offset), sql);
}

function checkSelect(select: Select): void {
  const { span, ctes, arms, orderBy, limit, offset } = select;
  const tail =
    limit !== undefined && offset !== undefined && offset.from < limit.from ? [offset, limit] : [limit, offset];
  inOrder(span, [
    ...ctes.map((cte) => cte.select.span),
    ...arms.map((arm) => arm.span),
    ...orderBy.map((o) => o.expression),
    ...tail,
  ]);
  for (const { select: inner } of ctes) checkSelect(inner);
  for (const core of arms) checkCore(core, span);
}

function checkCore(core: Core, all: Span): void {
  const { columnsEnd, fromEnd, where, groupBy, having } = core;
  const sources = core.from.flatMap((source) => [source.span, source.on]);
  inOrder(
    { from: core.span.from, to: columnsEnd },
    core.columns.map(({ span }) => span),
  );
  inOrder({ from: columnsEnd, to: fromEnd }, sources);
  inOrder({ from: fromEnd, to: core.span.to }, [where, ...groupBy, having]);
  for (const column of core.columns) if (column.kind === 'expression') inOrder(column.span, [column.expression]);
  for (const { span, select } of core.from) if (select !== undefined) inOrder(span, [select.span]);
  inOrder(
    all,
    core.subqueries.map(({ span }) => span),
  );
  for (const { span, select } of core.subqueries) inOrder({ from: span.from + 1, to: span.to - 1 }, [select.span]);
  const inner = [...core.from, ...core.subqueries].flatMap(({ select }) => select ?? []);
  for (const select of inner) checkSelect(select);
}

/** None is empty, none begins before the one before it ended, none leaves the whole. */
function inOrder(whole: Span, parts: readonly (Span | undefined)[]): void {
  let at = whole.from;
  for (const part of parts) {
    if (part === undefined) continue;
    expect(part.from).toBeGreaterThanOrEqual(at);
    expect(part.to).toBeGreaterThan(part.from);
    at = part.to;
  }
  expect(at).toBeLessThanOrEqual(whole.to);
}
