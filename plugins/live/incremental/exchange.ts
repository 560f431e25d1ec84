/** Compares the rows that parts of a result had with those they have. */
import { ResultRow } from '../snapshot.ts';
import type { Columns } from '../snapshot.ts';
import { codeOf, sameValues } from '../values.ts';
import type { Values } from '../values.ts';
import type { Exchange, Fresh, Parts } from './bodies.ts';

/**
 * What looks the same is the same row, also where it belongs to another part now.
 *
 * @param isPlaced whether a row that looks the same also stands where it stood
 */
export function exchange(
  fresh: Fresh,
  parts: Parts,
  columns: Columns,
  isPlaced: (row: ResultRow, values: Values) => boolean = () => true,
): Exchange {
  const gone: ResultRow[] = [];
  const came: ResultRow[] = [];
  const moved: (readonly [ResultRow, Values])[] = [];
  const next: (readonly [unknown, readonly ResultRow[]])[] = [];
  for (const [part, now] of fresh) {
    const old = parts.of(part);
    if (old.length === 0 && now.length === 0) continue;
    const before = gone.length + came.length;
    const take = takerOf(old, columns);
    const rows = now.map((values) => {
      const same = take(values);
      if (same !== undefined && isPlaced(same, values)) return same;
      const row = same ?? new ResultRow(columns, values);
      if (same !== undefined) {
        gone.push(same);
        moved.push([same, values]);
      }
      came.push(row);
      return row;
    });
    for (const row of take.rest()) gone.push(row);
    if (gone.length + came.length > before) next.push([part, rows]);
  }
  return gone.length === 0 || came.length === 0
    ? { gone, came, moved, parts: next }
    : acrossParts({ gone, came, moved, parts: next }, columns);
}

function acrossParts({ gone, came, moved, parts }: Exchange, columns: Columns): Exchange {
  const stays = new Set(moved.map(([row]) => row));
  const take = takerOf(
    gone.filter((row) => !stays.has(row)),
    columns,
  );
  const same = new Map<ResultRow, ResultRow>();
  for (const row of came) {
    const known = stays.has(row) ? undefined : take(row.values);
    if (known !== undefined) same.set(row, known);
  }
  if (same.size === 0) return { gone, came, moved, parts };
  const known = (row: ResultRow): ResultRow => same.get(row) ?? row;
  return {
    gone,
    came: came.map(known),
    moved: [...moved, ...[...same].map(([row, old]) => [old, row.values] as const)],
    parts: parts.map(([part, rows]) => [part, rows.map(known)] as const),
  };
}

interface Taker {
  /** The row that looks the same. */
  (values: Values): ResultRow | undefined;
  /** Those that were not taken, in their order. */
  rest(): readonly ResultRow[];
}

function takerOf(old: readonly ResultRow[], { shown }: Columns): Taker {
  const [only] = old;
  if (old.length === 1 && only !== undefined) {
    let left: ResultRow | undefined = only;
    const take = (values: Values): ResultRow | undefined => {
      if (left === undefined || !sameValues(left.values, values, shown)) return undefined;
      left = undefined;
      return only;
    };
    return Object.assign(take, { rest: () => (left === undefined ? [] : [left]) });
  }
  const byCode = new Map<unknown, ResultRow[]>();
  for (const row of old.toReversed()) {
    const code = codeOf(row.values, shown);
    const same = byCode.get(code);
    if (same === undefined) byCode.set(code, [row]);
    else same.push(row);
  }
  const taken = new Set<ResultRow>();
  const take = (values: Values): ResultRow | undefined => {
    const row = byCode.get(codeOf(values, shown))?.pop();
    if (row !== undefined) taken.add(row);
    return row;
  };
  return Object.assign(take, { rest: () => old.filter((row) => !taken.has(row)) });
}
