/**
 * Reads one SELECT … FROM … WHERE … GROUP BY … HAVING … WINDOW.
 *
 * Invariant: `columnsEnd` and `fromEnd` are places where a column and a WHERE can be written in, in SQLite's own grammar.
 */
import type { Cursor } from './cursor.ts';
import { refuse } from './cursor.ts';
import { readSources } from './from.ts';
import { scanExpression } from './scan.ts';
import type { Visitor } from './scan.ts';
import type { Core, ResultColumn, Select, Span, Subquery } from './types.ts';
import { scanWindows } from './window.ts';
import { bareAliasIn, firstNameIn, nameIn } from './words.ts';

/** What the expressions of one core hold. ORDER BY belongs to it too, and is read after it. */
export interface Scope {
  readonly expression: (place: Subquery['place']) => Span;
}

export interface CoreReading {
  readonly scope: Scope;
  /** When ORDER BY was read too. */
  readonly finish: () => Core;
}

/** @param readQuery reads a SELECT in brackets, from behind the opening bracket up to the closing one. */
export function readCore(cursor: Cursor, readQuery: (cursor: Cursor) => Select): CoreReading {
  const subqueries: Subquery[] = [];
  let windowed = false;
  const window = (): void => void (windowed = true);
  const expression = (place: Subquery['place']): Span => {
    const subquery: Visitor['subquery'] = () => {
      const from = cursor.at;
      const select = cursor.inBrackets(() => readQuery(cursor));
      subqueries.push({ select, span: { from, to: cursor.at }, place });
    };
    return scanExpression(cursor, { subquery, window });
  };

  const from = cursor.at;
  if (cursor.isWord('VALUES')) refuse('it has VALUES');
  cursor.expectWord('SELECT');
  const distinct = cursor.takeWord('DISTINCT');
  if (!distinct) cursor.takeWord('ALL');
  const columns = cursor.list(() => readColumn(cursor, () => expression('columns')));
  const columnsEnd = cursor.at;
  const sources = cursor.takeWord('FROM')
    ? readSources(cursor, { select: () => readQuery(cursor), condition: () => expression('on') })
    : [];
  const fromEnd = cursor.at;
  const where = cursor.takeWord('WHERE') ? { where: expression('where') } : {};
  const groupBy = readGroupBy(cursor, () => expression('groupBy'));
  const having = cursor.takeWord('HAVING') ? { having: expression('having') } : {};
  if (cursor.takeWord('WINDOW')) {
    window();
    scanWindows(cursor, () => readClosed(cursor, 'its WINDOW clause'));
  }
  const span = { from, to: cursor.at };
  const parts = { span, distinct, columns, columnsEnd, from: sources, fromEnd, ...where, groupBy, ...having };
  return { scope: { expression }, finish: () => ({ ...parts, windowed, subqueries }) };
}

/** An expression where a SELECT in brackets is not understood. */
export function readClosed(cursor: Cursor, where: string): Span {
  return scanExpression(cursor, { subquery: () => refuse(`it has a SELECT in ${where}`) });
}

function readColumn(cursor: Cursor, expression: () => Span): ResultColumn {
  const from = cursor.at;
  if (cursor.takeSign('*')) return { kind: 'all', span: { from, to: cursor.at } };
  if (cursor.isSign('.', 1) && cursor.isSign('*', 2)) {
    const source = cursor.expectName(firstNameIn);
    cursor.at += 2;
    return { kind: 'allOf', span: { from, to: cursor.at }, source };
  }
  const read = expression();
  const alias = cursor.takeWord('AS') ? cursor.expectName(nameIn) : cursor.takeName(bareAliasIn);
  const column = { kind: 'expression', span: { from, to: cursor.at }, expression: read } as const;
  return alias === undefined ? column : { ...column, alias };
}

function readGroupBy(cursor: Cursor, expression: () => Span): Span[] {
  if (!cursor.takeWord('GROUP')) return [];
  cursor.expectWord('BY');
  return cursor.list(expression);
}
