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
  const simple = exchangeOne(fresh, parts, columns, isPlaced);
  if (simple !== undefined) return simple;
  const gone: ResultRow[] = [];
  const came: ResultRow[] = [];
  const moved: (readonly [ResultRow, Values])[] = [];
  const next: (readonly [unknown, readonly ResultRow[]])[] = [];
  for (const [part, now] of fresh) {
    const old = parts.of(part);
    if (old.length === 0) {
      const rows = now.map((values) => new ResultRow(columns, values));
      for (const row of rows) came.push(row);
      if (rows.length > 0) next.push([part, rows]);
      continue;
    }
    const before = gone.length + came.length;
    const left = new Left(old, columns);
    const rows = now.map((values) => {
      const same = left.take(values);
      if (same !== undefined && isPlaced(same, values)) return same;
      const row = same ?? new ResultRow(columns, values);
      if (same !== undefined) {
        gone.push(same);
        moved.push([same, values]);
      }
      came.push(row);
      return row;
    });
    for (const row of left.rest) gone.push(row);
    if (gone.length + came.length > before) next.push([part, rows]);
  }
  // Within one part, what looks the same has been found.
  return gone.length === 0 || came.length === 0 || next.length === 1
    ? { gone, came, moved, parts: next }
    : acrossParts({ gone, came, moved, parts: next }, columns);
}

const NOTHING: Exchange = { gone: [], came: [], moved: [], parts: [] };

/** Most exchanges: one part was reached, which had one row and has one. */
function exchangeOne(
  fresh: Fresh,
  parts: Parts,
  columns: Columns,
  isPlaced: (row: ResultRow, values: Values) => boolean,
): Exchange | undefined {
  const [only] = fresh;
  if (only === undefined || fresh.size !== 1) return undefined;
  const [part, now] = only;
  const old = parts.of(part);
  const [row] = old;
  const [values] = now;
  if (old.length !== 1 || now.length !== 1 || row === undefined || values === undefined) return undefined;
  if (sameValues(row.values, values, columns.shown)) return isPlaced(row, values) ? NOTHING : undefined;
  const next = new ResultRow(columns, values);
  return { gone: [row], came: [next], moved: [], parts: [[part, [next]]] };
}

function acrossParts({ gone, came, moved, parts }: Exchange, columns: Columns): Exchange {
  const stays = new Set(moved.map(([row]) => row));
  const left = new Left(
    gone.filter((row) => !stays.has(row)),
    columns,
  );
  const same = new Map<ResultRow, ResultRow>();
  for (const row of came) {
    const known = stays.has(row) ? undefined : left.take(row.values);
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

/** Rows of which none has been found again yet. */
class Left {
  readonly #rows: readonly ResultRow[];
  readonly #shown: readonly number[];
  readonly #taken = new Set<ResultRow>();
  #byCode: Map<unknown, ResultRow[]> | undefined;

  constructor(rows: readonly ResultRow[], { shown }: Columns) {
    this.#rows = rows;
    this.#shown = shown;
  }

  /** The row that looks like this; each is found once. */
  take(values: Values): ResultRow | undefined {
    const row = this.#rows.length === 1 ? this.#only(values) : this.#coded().get(codeOf(values, this.#shown))?.pop();
    if (row !== undefined) this.#taken.add(row);
    return row;
  }

  /** Those that were not found, in their order. */
  get rest(): readonly ResultRow[] {
    return this.#taken.size === 0 ? this.#rows : this.#rows.filter((row) => !this.#taken.has(row));
  }

  #only(values: Values): ResultRow | undefined {
    const [row] = this.#rows;
    const isIt = row !== undefined && this.#taken.size === 0 && sameValues(row.values, values, this.#shown);
    return isIt ? row : undefined;
  }

  #coded(): Map<unknown, ResultRow[]> {
    if (this.#byCode !== undefined) return this.#byCode;
    const byCode = new Map<unknown, ResultRow[]>();
    // Backwards, so that of equal rows the first is found first.
    for (const row of this.#rows.toReversed()) {
      const code = codeOf(row.values, this.#shown);
      const same = byCode.get(code);
      if (same === undefined) byCode.set(code, [row]);
      else same.push(row);
    }
    return (this.#byCode = byCode);
  }
}
