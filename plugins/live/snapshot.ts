/**
 * A result as it was at one moment, and its rows.
 *
 * Invariants: a snapshot never changes; from one to the next a row that is the same is the same object, so that whoever
 * compares identities sees exactly what changed.
 */
import { GlyphError } from '../../sdk/plugin.ts';
import type { Row, SqlValue } from '../../sdk/plugin.ts';
import type { Values } from './values.ts';

/** The columns of a result. One object for as long as they stay the same. */
export interface Columns {
  readonly names: readonly string[];
  /** Columns that come parsed from JSON. */
  readonly json: readonly boolean[];
  /** Of columns with one name the last is shown, in the place of the first, as `query()` does; the others do not count. */
  readonly shown: readonly number[];
}

export function columnsOf(names: readonly string[], json: readonly boolean[]): Columns {
  const last = new Map(names.map((name, index) => [name, index]));
  return { names, json, shown: [...last.values()] };
}

export const sameColumns = (a: Columns, b: Columns): boolean =>
  a.names.length === b.names.length && a.names.every((name, i) => name === b.names[i] && a.json[i] === b.json[i]);

/** What tells the rows of a result apart. */
export interface ResultKey {
  /** Positions in a row; all of them are shown. */
  readonly at: readonly number[];
  /** What they are, to be compared with the key of an earlier snapshot: `tasks.id`. */
  readonly names: readonly string[];
}

export const sameKey = (a: ResultKey, b: ResultKey): boolean =>
  a.names.length === b.names.length &&
  a.names.every((name, index) => name === b.names[index] && a.at[index] === b.at[index]);

export class ResultRow {
  readonly columns: Columns;
  #values: Values;
  #data: Row | undefined;

  /** @param values those of the columns, and behind them what is read of a row beside them */
  constructor(columns: Columns, values: Values) {
    this.columns = columns;
    this.#values = values;
  }

  get values(): Values {
    return this.#values;
  }

  /** The same row, read again: only what stands behind its columns may be other. */
  reread(values: Values): void {
    this.#values = values;
  }

  /** As handlers see it. */
  get data(): Row {
    this.#data ??= toRow(this.columns, this.values);
    return this.#data;
  }
}

export class Snapshot {
  readonly columns: Columns;
  /** Undefined when rows can only be compared as a whole. */
  readonly key: ResultKey | undefined;
  #rows: readonly ResultRow[] | (() => readonly ResultRow[]);
  #data: readonly Row[] | undefined;

  /** @param rows a function lists them when they are asked for; see {@link expire} */
  constructor(columns: Columns, rows: readonly ResultRow[] | (() => readonly ResultRow[]), key: ResultKey | undefined) {
    this.columns = columns;
    this.#rows = rows;
    this.key = key;
  }

  get rows(): readonly ResultRow[] {
    return this.list();
  }

  /** Its rows, which it has for good from then on. */
  list(): readonly ResultRow[] {
    if (typeof this.#rows === 'function') this.#rows = this.#rows();
    return this.#rows;
  }

  /** Rows that were not listed yet no longer can be: the next snapshot has them. */
  expire(): void {
    if (typeof this.#rows !== 'function') return;
    this.#rows = () => {
      throw new GlyphError('GC_INTERNAL', 'An earlier result of a live query was asked for, and is gone');
    };
  }

  get data(): readonly Row[] {
    this.#data ??= Object.freeze(this.rows.map((row) => row.data));
    return this.#data;
  }
}

/** The same rows as those of another query of the same text: with its columns, if they are the same, they can be compared. */
export function inColumns(snapshot: Snapshot, columns: Columns): Snapshot {
  if (snapshot.columns === columns || !sameColumns(snapshot.columns, columns)) return snapshot;
  const rows = snapshot.rows.map(({ values }) => new ResultRow(columns, values));
  return new Snapshot(columns, rows, snapshot.key);
}

/** Nothing is known yet, or the query cannot be run. */
export const NOTHING = new Snapshot(columnsOf([], []), [], undefined);

function toRow({ names, json, shown }: Columns, values: Values): Row {
  const row: Row = {};
  for (const index of shown) {
    const name = names[index] as string;
    const value = json[index] === true ? parsed(values[index] as SqlValue) : values[index];
    // A plain assignment would make such a column's value the row's prototype.
    if (name === '__proto__') Object.defineProperty(row, name, { value, ...PLAIN });
    else row[name] = value;
  }
  return row;
}

const PLAIN = { enumerable: true, configurable: true, writable: true } as const;

/** Text that is no JSON stays text. */
function parsed(value: SqlValue): unknown {
  if (typeof value !== 'string') return value;
  try {
    return JSON.parse(value) as unknown;
  } catch {
    return value;
  }
}
