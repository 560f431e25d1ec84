/**
 * Whether every part of a SELECT has one result, whatever plan SQLite chooses.
 *
 * What a part of the rows is worked out from again must come out as it would in a run over all of them. SQL leaves open which
 * of several rows a column is taken from when it is neither grouped by nor settled by what is, and which of values that
 * count as equal stands for them.
 */
import { isKeyword } from '../../../sdk/plugin.ts';
import type { Token } from '../../../sdk/plugin.ts';
import { foldedTextOf, usesIn } from './outputs.ts';
import { Settled } from './equalities.ts';
import { isRef, meaningOf, refuse } from './names.ts';
import type { Named } from './names.ts';
import type { CoreReading, NestedReading } from './reading.ts';
import type { Span } from '../select/types.ts';

/** @throws NotIncremental */
export function assertSteady(
  reading: CoreReading,
  orderBy: readonly Span[],
  aggregates: ReadonlySet<string>,
  isOutermost: boolean,
): void {
  for (const nested of reading.nested) if (nested.use === 'scalar') assertOneRow(nested);
  if (reading.core.distinct) assertDistinct(reading, isOutermost);
  if (reading.aggregated || reading.groups.length > 0) assertGrouped(reading, orderBy, aggregates, isOutermost);
}

function assertOneRow({ arms }: NestedReading): void {
  const [only, ...more] = arms;
  if (only === undefined || more.length > 0) refuse('a subquery of it may have several rows');
  if (only.aggregated === 'surely') return;
  const settled = new Settled(only.demands, only.scope, []);
  const isOne = only.scope.sources.every(({ occurrence }) => occurrence !== undefined && settled.hasAll(occurrence));
  if (!isOne) refuse('a subquery of it may have several rows, of which it takes the first');
}

/** @param isOutermost nobody can tell 1 from 1.0 in what it gives */
function assertDistinct({ tokens, core, scope, outputs }: CoreReading, isOutermost: boolean): void {
  const skipped = core.subqueries.map(({ span }) => span);
  for (const { named, expression } of outputs) {
    const all = expression === undefined ? [named] : meanings(expression);
    const isCollated = expression !== undefined && hasWord(tokens, expression, 'COLLATE');
    if (isCollated || !all.every(isOutermost ? isBinary : isExact))
      refuse('it is DISTINCT over values of which SQL counts different ones as one');
  }

  function meanings(expression: Span): Named[] {
    return usesIn(tokens, expression, skipped).flatMap((use) => {
      const meaning = meaningOf(use, scope);
      return meaning.kind === 'column' ? [meaning.found.named] : [];
    });
  }
}

const isBinary = (named: Named): boolean => isRef(named) && named.column.binary;

function assertGrouped(
  reading: CoreReading,
  orderBy: readonly Span[],
  aggregates: ReadonlySet<string>,
  isOutermost: boolean,
): void {
  const { tokens, core, scope, outputs, groups, demands, nested } = reading;
  const skipped = core.subqueries.map(({ span }) => span);
  const given = groups.flatMap(({ named }) => (isRef(named) && isExact(named) ? [named] : []));
  const settled = new Settled(demands, scope, given);
  const isSettled = (named: Named): boolean => isRef(named) && settled.has(named);
  for (const { span, named } of groups) {
    const all = isRef(named) ? [named] : columns(span).map((use) => use.named);
    if (hasWord(tokens, span, 'COLLATE') || !all.every((one) => isSettled(one) || isExact(one)))
      refuse('it is grouped by values of which SQL counts different ones as one');
  }
  const terms = new Set(groups.map(({ span }) => foldedTextOf(tokens, span)));
  const expressions = outputs.flatMap(({ expression }) => expression ?? []);
  for (const span of [...expressions, ...(core.having === undefined ? [] : [core.having]), ...orderBy])
    if (!isTerm(span)) assertExpression(span);
  for (const { named, expression } of outputs)
    if (expression === undefined && !isSettled(named)) refuse('it takes columns that it is not grouped by');
  for (const { place, arms } of nested) {
    if (place === 'where' || place === 'on' || place === 'groupBy') continue;
    const outer = arms.flatMap((arm) => arm.outerRefs).filter((found) => found.scope === scope);
    if (!outer.every((found) => isSettled(found.named)))
      refuse('a subquery of it names a column that it is not grouped by');
  }

  /** Two parameters without a name are two values. */
  function isTerm(span: Span): boolean {
    return terms.has(foldedTextOf(tokens, span)) && !tokens.slice(span.from, span.to).some(({ text }) => text === '?');
  }

  function columns(
    span: Span,
  ): { readonly named: Named; readonly insideOf: readonly string[]; readonly name: string }[] {
    return usesIn(tokens, span, skipped).flatMap((use) => {
      const meaning = meaningOf(use, scope);
      if (meaning.kind !== 'column' || meaning.found.scope !== scope) return [];
      return [{ named: meaning.found.named, insideOf: use.insideOf, name: use.column }];
    });
  }

  function assertExpression(span: Span): void {
    const all = columns(span);
    const isCollated = hasWord(tokens, span, 'COLLATE');
    const isDistinct = hasWord(tokens, span, 'DISTINCT');
    const isAlone = isOutermost && all.length === 1 && isCall(tokens, span);
    for (const { named, insideOf, name } of all) {
      const isInside = insideOf.some((one) => aggregates.has(one));
      if (!isInside && !isSettled(named)) refuse(`it takes "${name}" of any row of its groups`);
      const isPicked =
        insideOf.some((one) => one === 'min' || one === 'max') || (isDistinct && !insideOf.includes('count'));
      const isSure = isSettled(named) || (!isCollated && (isAlone ? isBinary(named) : isExact(named)));
      if (isPicked && !isSure)
        refuse(`it takes the least or greatest "${name}", of which SQL counts different values as one`);
    }
  }
}

export const hasWord = (tokens: readonly Token[], { from, to }: Span, word: string): boolean =>
  tokens.slice(from, to).some((token) => isKeyword(token, word));

/** `min(v)`, `max(t.v)`: of values that are equal, nobody can tell which one it gives. */
const isCall = (tokens: readonly Token[], { from, to }: Span): boolean =>
  to - from <= 6 && tokens[from + 1]?.text === '(' && tokens[to - 1]?.text === ')';

/** Values of it that count as equal are the same. */
const isExact = (named: Named): boolean => isRef(named) && named.column.binary && named.column.kind !== 'any';
