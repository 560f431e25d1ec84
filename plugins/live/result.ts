/**
 * The present result of one query, and how it becomes the next one.
 *
 * Invariants: `snapshot` is another object exactly when the result is another (for an ordered query: another sequence); the
 * key of a snapshot tells all its rows apart, because a key that once failed to is given up until the query is planned anew.
 */
import type { Change } from './difference.ts';
import { columnsOf, NOTHING, ResultRow, sameColumns, sameKey, Snapshot } from './snapshot.ts';
import type { Columns, ResultKey } from './snapshot.ts';
import { codeOf, sameValues } from './values.ts';
import type { Values } from './values.ts';

/** What is known of a query's rows before there are any. */
export interface ResultPlan {
  readonly columns: Columns;
  /** Believed to tell rows apart. */
  readonly key: ResultKey | undefined;
  readonly ordered: boolean;
}

/** What of a result is another. */
export interface Patch {
  readonly gone: readonly ResultRow[];
  readonly came: readonly ResultRow[];
  readonly rows: ConstructorParameters<typeof Snapshot>[1];
  /** What is to be told, when that is known without comparing all rows. */
  readonly changes?: (keys: readonly [ResultKey, ResultKey] | undefined) => readonly Change[];
}

export class Result {
  #plan: ResultPlan = { columns: columnsOf([], []), key: undefined, ordered: false };
  #snapshot = NOTHING;
  /** The codes of the snapshot's keys. */
  #keys: Set<unknown> | undefined;
  /** What the latest patch changed. */
  #patched: { readonly before: Snapshot; readonly after: Snapshot; readonly changes: readonly Change[] } | undefined;

  get snapshot(): Snapshot {
    return this.#snapshot;
  }

  get ordered(): boolean {
    return this.#plan.ordered;
  }

  get columns(): Columns {
    return this.#plan.columns;
  }

  /** What leads from an earlier snapshot to the present one, when that is known without comparing them. */
  changesSince(before: Snapshot): readonly Change[] | undefined {
    return this.#patched?.before === before && this.#patched.after === this.#snapshot
      ? this.#patched.changes
      : undefined;
  }

  /** The query was planned anew: its columns or its key may be others. */
  replan(plan: ResultPlan): void {
    const { columns } = this.#plan;
    const { key } = this.#snapshot;
    this.#plan = {
      columns: sameColumns(columns, plan.columns) ? columns : plan.columns,
      key: key !== undefined && plan.key !== undefined && sameKey(key, plan.key) ? key : plan.key,
      ordered: plan.ordered,
    };
    // All keys are read again with the rows that come next.
    this.#keys = undefined;
  }

  /** There is no result any more. */
  clear(): void {
    this.#snapshot = NOTHING;
    this.#patched = undefined;
    this.#keys = undefined;
  }

  /** All rows of the query, as they are now. True when something changed. */
  replace(fresh: readonly Values[]): boolean {
    const { columns, ordered } = this.#plan;
    const before = this.#snapshot;
    const known = before.columns === columns ? before.rows : [];
    if (known.length === 0) return this.#begin(fresh);
    const start = commonStart(known, fresh, columns);
    const end = commonEnd(known, fresh, columns, start);
    const gone = known.slice(start, known.length - end);
    const came = fresh.slice(start, fresh.length - end);
    if ((fresh[0]?.length ?? 0) > columns.names.length) {
      for (let at = 0; at < start; at += 1) known[at]?.reread(fresh[at] as Values);
      for (let at = 1; at <= end; at += 1) known.at(-at)?.reread(fresh.at(-at) as Values);
    }
    const key = this.#checkedKey(gone, came, fresh);
    if (came.length + gone.length === 0 && before.columns === columns && before.key === key) return false;
    const pool = new Pool(gone, columns.shown);
    const middle = came.map((values) => pool.take(values) ?? new ResultRow(columns, values));
    const isSame = before.columns === columns && before.key === key && pool.empty && gone.length === came.length;
    // Without ORDER BY another sequence of the same rows is no news.
    if (isSame && !ordered) return false;
    const rows = [...known.slice(0, start), ...middle, ...known.slice(known.length - end)];
    this.#snapshot = new Snapshot(columns, rows, key);
    return true;
  }

  /** There were no rows of these columns. */
  #begin(fresh: readonly Values[]): boolean {
    const { columns } = this.#plan;
    const before = this.#snapshot;
    this.#keys = undefined;
    const key = this.#checkedKey([], fresh, fresh);
    if (fresh.length === 0 && before.columns === columns && before.key === key) return false;
    const rows = fresh.map((values) => new ResultRow(columns, values));
    this.#snapshot = new Snapshot(columns, rows, key);
    return true;
  }

  /**
   * Some rows went, and others came; the rest is as it was. False when that cannot be: the key does not tell the rows apart
   * any more, and all of them are to be read again.
   */
  patch({ gone, came, rows, changes }: Patch): boolean {
    const { columns } = this.#plan;
    const before = this.#snapshot;
    const values = came.map((row) => row.values);
    const key = before.key === undefined ? undefined : this.#checkedKey(gone, values, values);
    if (key !== before.key) return false;
    this.#snapshot = new Snapshot(columns, rows, key);
    const known = changes?.(key === undefined ? undefined : [key, key]);
    this.#patched = known === undefined ? undefined : { before, after: this.#snapshot, changes: known };
    return true;
  }

  /** The key, unless two rows have the same one. */
  #checkedKey(gone: readonly ResultRow[], came: readonly Values[], all: readonly Values[]): ResultKey | undefined {
    const { key } = this.#plan;
    if (key === undefined) return undefined;
    const keys = this.#keys;
    const [only, now] = [gone[0], came[0]];
    // Most changes are of one row that stays who it is.
    if (keys !== undefined && gone.length === 1 && came.length === 1 && only !== undefined && now !== undefined)
      if (codeOf(only.values, key.at) === codeOf(now, key.at)) return key;
    for (const { values } of gone) keys?.delete(codeOf(values, key.at));
    const next = keys ?? new Set<unknown>();
    for (const values of keys === undefined ? all : came) {
      const code = codeOf(values, key.at);
      if (next.has(code)) {
        this.#plan = { ...this.#plan, key: undefined };
        this.#keys = undefined;
        return undefined;
      }
      next.add(code);
    }
    this.#keys = next;
    return key;
  }
}

/** Rows to be found again by their values. */
class Pool {
  readonly #at: readonly number[];
  readonly #rows = new Map<unknown, ResultRow[]>();
  #size: number;

  constructor(rows: readonly ResultRow[], at: readonly number[]) {
    this.#at = at;
    this.#size = rows.length;
    // Backwards, so that of equal rows the first is taken first.
    for (const row of rows.toReversed()) {
      const code = codeOf(row.values, at);
      const same = this.#rows.get(code);
      if (same === undefined) this.#rows.set(code, [row]);
      else same.push(row);
    }
  }

  get empty(): boolean {
    return this.#size === 0;
  }

  take(values: Values): ResultRow | undefined {
    const row = this.#rows.get(codeOf(values, this.#at))?.pop();
    if (row === undefined) return undefined;
    this.#size -= 1;
    row.reread(values);
    return row;
  }
}

function commonStart(known: readonly ResultRow[], fresh: readonly Values[], { shown }: Columns): number {
  const most = Math.min(known.length, fresh.length);
  let at = 0;
  while (at < most && sameValues((known[at] as ResultRow).values, fresh[at] as Values, shown)) at += 1;
  return at;
}

function commonEnd(known: readonly ResultRow[], fresh: readonly Values[], { shown }: Columns, start: number): number {
  const most = Math.min(known.length, fresh.length) - start;
  let count = 0;
  while (count < most && sameValues((known.at(-1 - count) as ResultRow).values, fresh.at(-1 - count) as Values, shown))
    count += 1;
  return count;
}
