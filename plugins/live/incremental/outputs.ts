/** The result columns of a SELECT, the terms it is grouped by, and the other columns that it names. */
import { quoteName } from '../../../sdk/plugin.ts';
import type { Token } from '../../../sdk/plugin.ts';
import { fold } from '../access.ts';
import { columnReference, columnsOf } from '../select/expressions.ts';
import type { ColumnUse, Core, Span } from '../select/types.ts';
import { columnIn } from './equalities.ts';
import type { Equality } from './equalities.ts';
import { isComparable, isRef, meaningOf, refuse, sameRef } from './names.ts';
import type { ColumnRef, Named, Scope } from './names.ts';

/** A result column. */
export interface Output {
  /** Folded. */
  readonly name: string;
  readonly named: Named;
  /** Undefined for a column of `*`. */
  readonly expression: Span | undefined;
}

export function outputsOf(tokens: readonly Token[], core: Core, scope: Scope): Output[] {
  return core.columns.flatMap((column): Output[] => {
    if (column.kind === 'expression') {
      const { alias, expression } = column;
      const name = alias ?? columnReference(tokens, expression)?.column ?? textOf(tokens, expression);
      return [{ name: fold(name), named: columnIn(tokens, expression, scope)?.named ?? 'computed', expression }];
    }
    const source = column.kind === 'allOf' ? fold(column.source) : undefined;
    return scope.sources.flatMap(({ alias, columns, using }) => {
      if (source !== undefined && alias !== source) return [];
      const shown = [...columns].filter(([name]) => source !== undefined || !using.has(name));
      return shown.map(([name, named]) => ({ name, named, expression: undefined }));
    });
  });
}

/** The result column that a number stands for in GROUP BY and ORDER BY, counted from 0; `2.0` is a value. */
export const placeOf = ({ text }: Token): number | undefined => (/^\d+$/.test(text) ? Number(text) - 1 : undefined);

/** A term of GROUP BY: a column, the place of a result column, or its name. */
export function groupedBy(tokens: readonly Token[], span: Span, scope: Scope, outputs: readonly Output[]): Named {
  const [only] = tokens.slice(span.from, span.to);
  if (span.to - span.from === 1 && only?.type === 'number') {
    const place = placeOf(only);
    if (place === undefined) return 'computed';
    return outputs[place]?.named ?? refuse('a term of its GROUP BY was not understood');
  }
  const use = columnReference(tokens, span);
  if (use === undefined) return 'computed';
  const meaning = meaningOf({ ...use, orLiteral: false }, scope);
  if (meaning.kind === 'alias') return columnIn(tokens, meaning.expression, scope)?.named ?? 'computed';
  return meaning.kind === 'column' ? meaning.found.named : 'computed';
}

export function usingEqualities({ from }: Core, scope: Scope): Equality[] {
  const { sources } = scope;
  return sources.flatMap((source, index) =>
    [...source.using].flatMap((name) => {
      const first = sources.slice(0, index).find(({ columns }) => columns.has(name));
      const [a, b] = [first?.columns.get(name), source.columns.get(name)];
      if (first === undefined || !isRef(a) || !isRef(b) || !isComparable(a.column, b.column)) return [];
      return [
        {
          a: { named: a, source: first, scope },
          b: { named: b, source, scope },
          left: source.join === 'left' ? source : undefined,
          alone: source.using.size === 1 && from[index]?.on === undefined,
        },
      ];
    }),
  );
}

/** The columns an expression names, outside of its subqueries. */
export function usesIn(tokens: readonly Token[], span: Span, subqueries: readonly Span[]): ColumnUse[] {
  const inside = subqueries.filter(({ from, to }) => from >= span.from && to <= span.to);
  return columnsOf(tokens, span, inside) ?? refuse('an expression of it was not understood');
}

export const textOf = (tokens: readonly Token[], { from, to }: Span): string =>
  tokens
    .slice(from, to)
    .map(({ text }) => text)
    .join(' ');

/** The same for expressions that differ in nothing but the case of their words. */
export const foldedTextOf = (tokens: readonly Token[], { from, to }: Span): string =>
  tokens
    .slice(from, to)
    .map(({ type, text }) => (type === 'word' ? text.toLowerCase() : text))
    .join(' ');

/** How a column is written where the sources of a SELECT can be named; undefined when it cannot be told from others. */
export function spell(ref: ColumnRef, { sources }: Scope): string | undefined {
  for (const { alias, occurrence, columns } of sources) {
    if (alias === undefined) continue;
    if (occurrence === ref.occurrence) return `${quoteName(alias)}.${ref.column.sql}`;
    for (const [name, named] of columns) if (sameRef(named, ref)) return `${quoteName(alias)}.${quoteName(name)}`;
  }
  return undefined;
}
