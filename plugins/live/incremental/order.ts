/** Reads ORDER BY: where the values stand that the rows of a result are sorted by, or what has to be read beside it. */
import { isKeyword } from '../../../sdk/plugin.ts';
import type { Token } from '../../../sdk/plugin.ts';
import { columnReference } from '../select/expressions.ts';
import type { SelectText, Span } from '../select/types.ts';
import { fold } from '../access.ts';
import type { OrderTerm } from './compare.ts';
import { columnIn } from './equalities.ts';
import { isRef, meaningOf, refuse, sameRef } from './names.ts';
import { placeOf, textOf, usesIn } from './outputs.ts';
import type { CoreReading } from './reading.ts';

export interface Order {
  readonly terms: readonly OrderTerm[];
  /** Expressions to be read behind the columns and the key. */
  readonly columns: readonly string[];
}

/** @param width the number of columns of the result */
export function orderOf(text: SelectText, reading: CoreReading, width: number): Order {
  const columns: string[] = [];
  const { tokens, select } = text;
  if (select.orderBy.length > 0 && reading.outputs.length !== width) refuse('its columns were not understood');
  const terms = select.orderBy.map(({ expression, descending, nulls }): OrderTerm => {
    const known = outputAt(tokens, expression, reading);
    const sorted = known === undefined ? expression : reading.outputs[known]?.expression;
    if (sorted === undefined) assertOutput(reading, known as number);
    else assertBinary(tokens, sorted, reading);
    if (known === undefined) {
      if (reading.core.distinct) refuse('it is DISTINCT and sorted by what is not in the result');
      const [first, last] = [tokens[expression.from], tokens[expression.to - 1]];
      const own = tokens.slice(expression.from, expression.to);
      if (usesIn(tokens, expression, []).length === 0) refuse('it is sorted by what names no column');
      if (own.some(({ text: one }) => one === '?')) refuse('a parameter without a name stands in its ORDER BY');
      columns.push(text.sql.slice(first?.start, last?.end));
    }
    const at = known ?? width + columns.length;
    return { at, descending, nullsFirst: nulls === undefined ? !descending : nulls === 'first' };
  });
  return { terms, columns };
}

/** Which result column a term stands for: by its place, its name, or because it is the same column. */
function outputAt(tokens: readonly Token[], span: Span, { outputs, core, scope }: CoreReading): number | undefined {
  const [only] = tokens.slice(span.from, span.to);
  if (span.to - span.from === 1 && only?.type === 'number') {
    const at = placeOf(only) ?? refuse('it is sorted by a number that is no place');
    return outputs[at] === undefined ? refuse('a term of its ORDER BY was not understood') : at;
  }
  // In brackets or with a sign, a number stands for a column too.
  const own = tokens.slice(span.from, span.to);
  if (own.every(({ type, text }) => type === 'number' || '()+-'.includes(text)))
    refuse('it is sorted by what names no column');
  const use = columnReference(tokens, span);
  if (use === undefined) return sameText(tokens, span, outputs);
  if (use.source === undefined) {
    const alias = core.columns.find(
      (column) => column.kind === 'expression' && column.alias !== undefined && fold(column.alias) === fold(use.column),
    );
    if (alias?.kind === 'expression') return outputs.findIndex(({ expression }) => expression === alias.expression);
  }
  const found = columnIn(tokens, span, scope)?.named;
  if (found === undefined) return undefined;
  const at = outputs.findIndex(({ named }) => sameRef(named, found));
  return at < 0 ? undefined : at;
}

function sameText(tokens: readonly Token[], span: Span, outputs: CoreReading['outputs']): number | undefined {
  const text = textOf(tokens, span);
  const at = outputs.findIndex(({ expression }) => expression !== undefined && textOf(tokens, expression) === text);
  return at < 0 ? undefined : at;
}

function assertOutput({ outputs }: CoreReading, at: number): void {
  const named = outputs[at]?.named;
  if (!isRef(named) || !named.column.binary) refuse('it is sorted by what may have a collation');
}

/** Whether values are sorted by their bytes. */
function assertBinary(tokens: readonly Token[], span: Span, { core, scope }: CoreReading): void {
  const skipped = core.subqueries.map((subquery) => subquery.span);
  if (skipped.some(({ from, to }) => from >= span.from && to <= span.to)) refuse('it is sorted by a subquery');
  if (tokens.slice(span.from, span.to).some((token) => isKeyword(token, 'COLLATE')))
    refuse('it is sorted by a collation');
  for (const use of usesIn(tokens, span, skipped)) {
    const meaning = meaningOf(use, scope);
    if (meaning.kind === 'alias') refuse(`it is sorted by what is worked out from its column "${use.column}"`);
    if (meaning.kind !== 'column') continue;
    const { named } = meaning.found;
    if (!isRef(named) || !named.column.binary) refuse(`it is sorted by "${use.column}", which may have a collation`);
  }
}
