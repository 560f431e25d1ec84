/** What a range of the log touched: tables, and columns of rows that were updated. Worked out as far as it is asked for. */
import type { LoggedChange } from '../../sdk/capsule-types.ts';
import { fold } from './access.ts';
import type { Dependency } from './access.ts';
import { sameValue } from './values.ts';

const UPDATE = 2;

export class Touched {
  readonly #changes = new Map<string, LoggedChange[]>();
  readonly #updates = new Map<string, Updates>();

  /** The number of changes. */
  readonly size: number;
  /** The newest `seq` that the reader showed when they were read: those up to it are all here, or were handled before. */
  readonly end: number;

  constructor(changes: readonly LoggedChange[], end: number) {
    this.size = changes.length;
    this.end = end;
    let layout: LoggedChange['layout'] | undefined;
    let ofTable: LoggedChange[] = [];
    for (const change of changes) {
      if (change.layout !== layout) {
        layout = change.layout;
        const name = fold(layout.table);
        ofTable = this.#changes.get(name) ?? [];
        this.#changes.set(name, ofTable);
      }
      ofTable.push(change);
    }
  }

  /** Folded names. */
  get tables(): Iterable<string> {
    return this.#changes.keys();
  }

  of(table: string): readonly LoggedChange[] {
    return this.#changes.get(fold(table)) ?? [];
  }

  /** Whether a result that depends on this may be another now. */
  concerns({ table, columns }: Dependency): boolean {
    const changes = this.of(table);
    if (changes.length === 0) return false;
    if (columns === 'all') return changes.some((change) => change.op !== UPDATE || isChange(change));
    const { changed, known, others } = this.#updatesOf(fold(table), changes);
    if (others) return true;
    for (const column of columns) if (changed.has(column) || !known.has(column)) return true;
    return false;
  }

  #updatesOf(table: string, changes: readonly LoggedChange[]): Updates {
    const done = this.#updates.get(table);
    if (done !== undefined) return done;
    const found = updatesOf(changes);
    this.#updates.set(table, found);
    return found;
  }
}

interface Updates {
  /** Folded names of columns that got another value in some row. */
  readonly changed: ReadonlySet<string>;
  /** Folded names of columns that are logged in every change; of others nothing is known. */
  readonly known: ReadonlySet<string>;
  /** A row came, went, or has another rowid. */
  readonly others: boolean;
}

function updatesOf(changes: readonly LoggedChange[]): Updates {
  const changed = new Set<string>();
  let known: ReadonlySet<string> | undefined;
  let layout: LoggedChange['layout'] | undefined;
  let others = false;
  for (const change of changes) {
    if (change.layout !== layout) {
      layout = change.layout;
      const names = namesOf(layout);
      known = known === undefined ? names : known.intersection(names);
    }
    const { columns } = change.layout;
    const { old = [], now = [] } = change;
    others ||= change.op !== UPDATE || !sameValue(old[columns.length], now[columns.length]);
    if (others) break;
    columns.forEach(({ name }, index) => {
      if (!staysSame(change, index)) changed.add(fold(name));
    });
  }
  return { changed, known: known ?? new Set(), others };
}

const names = new WeakMap<LoggedChange['layout'], ReadonlySet<string>>();

/** Folded names of a layout's columns. */
function namesOf(layout: LoggedChange['layout']): ReadonlySet<string> {
  let known = names.get(layout);
  if (known === undefined) names.set(layout, (known = new Set(layout.columns.map(({ name }) => fold(name)))));
  return known;
}

/** An UPDATE that leaves a row as it was is logged, and is no change. */
function isChange(change: LoggedChange): boolean {
  return (change.now ?? []).some((_, index) => !staysSame(change, index));
}

/**
 * In a column without a declared type 1 can have become 1.0, and a text that is no UTF-8 another one: they look the same here,
 * and not in SQL.
 */
function staysSame({ layout, old = [], now = [] }: LoggedChange, index: number): boolean {
  const value = now[index];
  if (typeof value === 'string' && value.includes('\uFFFD')) return false;
  return sameValue(old[index], value) && !(layout.columns[index]?.affinity === '' && Number.isInteger(value));
}
