/**
 * Chooses what a result is divided by: a column such that a change reaches only the rows of some of its values, and how
 * those values are found from what changed.
 *
 * Invariants: every row of the result has exactly one value of the column; the ways to it form a tree, so that of several
 * changed rows that make up one row of a result the one nearest to the root is reached through rows that did not change.
 */
import { isRef, refuse } from './names.ts';
import type { ColumnRef, Link, Named, Occurrence } from './names.ts';
import { isUnique } from './catalog.ts';
import type { Column, Table } from './catalog.ts';
import { spell } from './outputs.ts';
import type { CoreReading } from './reading.ts';

/** Finds values of one column of a table from those of another. */
export interface Lookup {
  readonly table: Table;
  readonly by: Column;
  readonly find: Column;
}

/** From a changed row of a table, where it stands once, to the values that it reaches. */
export interface Route {
  readonly table: Table;
  /** The column of the changed row to begin with. */
  readonly column: Column;
  /** One after the other; none when the column's value is the one. */
  readonly lookups: readonly Lookup[];
  /** It is what the result is divided by, so that NULL counts too. */
  readonly isRoot: boolean;
}

export interface Root {
  readonly ref: ColumnRef;
  /** How it is written in the SELECT. */
  readonly sql: string;
  readonly routes: readonly Route[];
  /** Tables of which some place has no route: what changes in them may reach any row. */
  readonly unreached: readonly Table[];
}

interface Step {
  readonly link: Link;
  /** Column of the parent that its own step begins with. */
  readonly cost: number;
}

export function chooseRoot(
  reading: CoreReading,
  occurrences: readonly Occurrence[],
  missing: ReadonlySet<Occurrence>,
): Root {
  const candidates = candidatesOf(reading).filter(
    ({ occurrence, column }) => column.binary && !missing.has(occurrence),
  );
  const roots = candidates.flatMap((ref) => {
    const sql = spell(ref, reading.scope);
    return sql === undefined ? [] : [rootOf(ref, sql, occurrences)];
  });
  const [best] = roots.toSorted((a, b) => compare(rank(a), rank(b)));
  return best ?? refuse(`nothing in it tells which of its rows a change can reach`);
}

/** Columns that every row of the result has one value of. */
function candidatesOf({ core, groups, outputs, scope, aggregated }: CoreReading): ColumnRef[] {
  if (scope.sources.length === 0) refuse('it reads no table');
  if (aggregated) refuse('it makes one row of all');
  if (core.distinct && groups.length > 0) refuse('it is DISTINCT and grouped');
  if (groups.length > 0) return refs(groups);
  if (core.distinct) return refs(outputs);
  return scope.sources.flatMap(({ occurrence, columns }) => {
    if (occurrence === undefined) return refs([...columns.values()].map((named) => ({ named })));
    const { key } = occurrence.table;
    return key === undefined ? [] : [{ occurrence, column: key }];
  });
}

const refs = (all: readonly { readonly named: Named }[]): ColumnRef[] =>
  all.flatMap(({ named }) => (isRef(named) ? [named] : []));

/** Less is better. */
const rank = ({ ref, routes, unreached }: Root): readonly number[] => [
  unreached.length,
  isUnique(ref.occurrence.table, new Set([ref.column])) ? 0 : 1,
  routes.reduce((sum, { lookups }) => sum + lookups.length, 0),
];

const compare = (a: readonly number[], b: readonly number[]): number =>
  a.map((value, index) => value - (b[index] as number)).find((difference) => difference !== 0) ?? 0;

function rootOf(ref: ColumnRef, sql: string, occurrences: readonly Occurrence[]): Root {
  const steps = stepsTo(ref, occurrences);
  const routes: Route[] = [];
  const unreached = new Set<Table>();
  for (const occurrence of occurrences) {
    const { table } = occurrence;
    if (occurrence === ref.occurrence) routes.push({ table, column: ref.column, lookups: [], isRoot: true });
    else if (steps.has(occurrence)) routes.push(routeOf(occurrence, ref, steps));
    else unreached.add(table);
  }
  return { ref, sql, routes: routes.filter(({ table }) => !unreached.has(table)), unreached: [...unreached] };
}

/** The tree of shortest ways, by the number of lookups. */
function stepsTo(ref: ColumnRef, occurrences: readonly Occurrence[]): ReadonlyMap<Occurrence, Step> {
  const steps = new Map<Occurrence, Step>();
  const entry = (occurrence: Occurrence): Column | undefined =>
    occurrence === ref.occurrence ? ref.column : steps.get(occurrence)?.link.column;
  const costOf = (occurrence: Occurrence): number =>
    occurrence === ref.occurrence ? 0 : (steps.get(occurrence)?.cost ?? 0);
  for (;;) {
    const open = occurrences.filter((occurrence) => occurrence !== ref.occurrence && !steps.has(occurrence));
    const reachable = open.flatMap((occurrence) =>
      occurrence.links.flatMap((link) => {
        const next = entry(link.parent);
        if (next === undefined) return [];
        return [{ occurrence, link, cost: costOf(link.parent) + (next === link.parentColumn ? 0 : 1) }];
      }),
    );
    const [nearest] = reachable.toSorted((a, b) => a.cost - b.cost);
    if (nearest === undefined) return steps;
    steps.set(nearest.occurrence, { link: nearest.link, cost: nearest.cost });
  }
}

function routeOf(from: Occurrence, ref: ColumnRef, steps: ReadonlyMap<Occurrence, Step>): Route {
  const lookups: Lookup[] = [];
  const first = (steps.get(from) as Step).link;
  let { parent, parentColumn } = first;
  for (;;) {
    const isEnd = parent === ref.occurrence;
    const next = steps.get(parent)?.link;
    const find = isEnd ? ref.column : (next?.column as Column);
    if (find !== parentColumn) lookups.push({ table: parent.table, by: parentColumn, find });
    if (isEnd || next === undefined) return { table: from.table, column: first.column, lookups, isRoot: false };
    ({ parent, parentColumn } = next);
  }
}
