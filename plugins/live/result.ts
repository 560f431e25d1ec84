/**
 * The present result of one query, and how it becomes the next one.
 *
 * Invariants: `snapshot` is another object exactly when the result is another (for an ordered query: another sequence); the
 * key of a snapshot tells all its rows apart, because a key that once failed to is given up until the query is planned anew.
 */
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

export class Result {
  #plan: ResultPlan = { columns: columnsOf([], []), key: undefined, ordered: false };
  #snapshot = NOTHING;
  /** The codes of the snapshot's keys. */
  #keys: Set<unknown> | undefined;

  get snapshot(): Snapshot {
    return this.#snapshot;
  }

  get ordered(): boolean {
    return this.#plan.ordered;
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
    this.#keys = undefined;
  }

  /** All rows of the query, as they are now. True when something changed. */
  replace(fresh: readonly Values[]): boolean {
    const { columns, ordered } = this.#plan;
    const before = this.#snapshot;
    const known = before.columns === columns ? before.rows : [];
    const start = commonStart(known, fresh, columns);
    const end = commonEnd(known, fresh, columns, start);
    const gone = known.slice(start, known.length - end);
    const came = fresh.slice(start, fresh.length - end);
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

  /** The key, unless two rows have the same one. */
  #checkedKey(gone: readonly ResultRow[], came: readonly Values[], all: readonly Values[]): ResultKey | undefined {
    const { key } = this.#plan;
    if (key === undefined) return undefined;
    const keys = this.#keys;
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
    if (row !== undefined) this.#size -= 1;
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
