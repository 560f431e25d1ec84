/**
 * Counts that are kept by adding and subtracting: `COUNT(t.id)` where each row of the result is one row of a table, with what
 * a LEFT JOIN finds for it counted. So a large group costs no more than a small one.
 *
 * Invariant: it is found only where a change of the joined table changes nothing in the result but those counts, each by one
 * for every joined row that came or went and is not NULL in the column that is counted.
 */
import type { Token } from '../../../sdk/plugin.ts';
import { columnReference, functionsOf } from '../select/expressions.ts';
import type { Select, Span } from '../select/types.ts';
import type { Touched } from '../touched.ts';
import type { Values } from '../values.ts';
import { isUnique } from './catalog.ts';
import type { Column, Table } from './catalog.ts';
import { isReadable } from './compare.ts';
import { columnIn } from './equalities.ts';
import { isRef, meaningOf, sameRef } from './names.ts';
import type { Occurrence, Scope, ScopeSource } from './names.ts';
import { usesIn } from './outputs.ts';
import { keyOf } from './parameters.ts';
import { placeOf } from './reach.ts';
import type { CoreReading } from './reading.ts';
import type { Root } from './root.ts';

export interface Tally {
  /** The table whose rows are counted. */
  readonly joined: Table;
  /** Its column that is equal to what the result is divided by. */
  readonly by: Column;
  readonly counts: readonly Count[];
  /** The table that each row of the result is a row of. */
  readonly counting: Table;
}

interface Count {
  /** Place in a row of the result. */
  readonly at: number;
  readonly column: Column;
}

/** @param aggregates names of aggregate functions, in lower case */
export function tallyOf(
  select: Select,
  reading: CoreReading,
  { ref }: Root,
  occurrences: readonly Occurrence[],
  aggregates: ReadonlySet<string>,
): Tally | undefined {
  const { core, scope, groups, nested } = reading;
  if (select.arms.length > 1 || select.orderBy.length > 0 || select.limit !== undefined) return undefined;
  if (core.distinct || core.having !== undefined || groups.length === 0 || nested.length > 0) return undefined;
  const [first, second, ...more] = scope.sources;
  const [one, joined] = [first?.occurrence, second?.occurrence];
  if (one === undefined || joined === undefined || more.length > 0 || occurrences.length > 2) return undefined;
  if (ref.occurrence !== one || one.table.name === joined.table.name) return undefined;
  if (!isUnique(one.table, new Set([ref.column]))) return undefined;
  const by = joinedBy(reading, second as ScopeSource, ref);
  const counts = by === undefined ? undefined : countsOf(reading, one, joined, aggregates);
  if (by === undefined || counts === undefined || counts.length === 0) return undefined;
  return { joined: joined.table, by, counts, counting: one.table };
}

/** The column that a LEFT JOIN wants to be equal to the other one, when it wants nothing else. */
function joinedBy({ demands }: CoreReading, source: ScopeSource, ref: Root['ref']): Column | undefined {
  const [only, ...more] = demands.equalities.filter(({ left }) => left === source);
  if (only === undefined || more.length > 0 || !only.alone) return undefined;
  const [a, b] = [only.a.named, only.b.named];
  if (sameRef(a, ref) && b.occurrence === source.occurrence) return b.column;
  return sameRef(b, ref) && a.occurrence === source.occurrence ? a.column : undefined;
}

/** Undefined when anything but counts depends on the joined table. */
function countsOf(
  { tokens, core, scope, outputs }: CoreReading,
  one: Occurrence,
  joined: Occurrence,
  aggregates: ReadonlySet<string>,
): Count[] | undefined {
  const isOfOne = (span: Span): boolean =>
    usesIn(tokens, span, []).every((use) => {
      const meaning = meaningOf(use, scope);
      return meaning.kind === 'column' && isRef(meaning.found.named) && meaning.found.named.occurrence === one;
    });
  if (core.where !== undefined && !isOfOne(core.where)) return undefined;
  if (!core.groupBy.every(isOfOne)) return undefined;
  const counts: Count[] = [];
  for (const [at, { named, expression }] of outputs.entries()) {
    const counted = expression === undefined ? undefined : countedIn(tokens, expression, scope);
    if (counted !== undefined && isRef(counted) && counted.occurrence === joined) {
      counts.push({ at, column: counted.column });
      continue;
    }
    if (expression === undefined) {
      if (!isRef(named) || named.occurrence !== one) return undefined;
      continue;
    }
    const called = functionsOf(tokens, expression);
    if (called === undefined || called.some((name) => aggregates.has(name)) || !isOfOne(expression)) return undefined;
  }
  return counts;
}

/** The column of `COUNT(t.id)`, when an expression is nothing else. */
function countedIn(tokens: readonly Token[], { from, to }: Span, scope: Scope) {
  const [name, open] = [tokens[from], tokens[from + 1]];
  if (name?.type !== 'word' || name.text.toLowerCase() !== 'count' || open?.text !== '(') return undefined;
  const inside = { from: from + 2, to: to - 1 };
  if (tokens[to - 1]?.text !== ')' || columnReference(tokens, inside) === undefined) return undefined;
  return columnIn(tokens, inside, scope)?.named;
}

/**
 * What the counts of each value change by; undefined when that cannot be told.
 *
 * @param after only changes of the log behind this `seq` are new
 */
export function differencesOf(
  { joined, by, counts }: Tally,
  touched: Touched,
  after: number,
): ReadonlyMap<unknown, readonly number[]> | undefined {
  const differences = new Map<unknown, number[]>();
  for (const { logSeq, layout, old, now } of touched.of(joined.name)) {
    if (logSeq <= after) continue;
    const at = placeOf(layout, by);
    const columns = counts.map(({ column }) => placeOf(layout, column));
    if (at < 0 || columns.some((place) => place < 0)) return undefined;
    for (const [image, sign] of [
      [old, -1],
      [now, 1],
    ] as const) {
      const value = image?.[at];
      // NULL is equal to nothing.
      if (image === undefined || value === undefined || value === null) continue;
      if (!isReadable(value)) return undefined;
      const key = keyOf(value);
      const known = differences.get(key) ?? counts.map(() => 0);
      differences.set(key, known);
      columns.forEach((place, index) => {
        if (image[place] !== null) known[index] = (known[index] as number) + sign;
      });
    }
  }
  return differences;
}

/** A row with other counts; undefined when they cannot be. */
export function recounted({ counts }: Tally, values: Values, differences: readonly number[]): Values | undefined {
  const next = [...values];
  for (const [index, { at }] of counts.entries()) {
    const before = values[at];
    const count = typeof before === 'number' ? before + (differences[index] as number) : -1;
    if (count < 0) return undefined;
    next[at] = count;
  }
  return next;
}
