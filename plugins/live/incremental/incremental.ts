/**
 * Keeps results current by working out again only the rows that a change reaches.
 *
 * Invariant: whatever is not known well enough to do so has the query run again.
 */
import type { Database, SqlValue } from '../../../sdk/plugin.ts';
import { assertFew } from '../maintainer.ts';
import type { Maintained, Maintainer, ReRun, ReRunOptions } from '../maintainer.ts';
import type { Result } from '../result.ts';
import type { Touched } from '../touched.ts';
import type { Values } from '../values.ts';
import type { Body, Fresh } from './bodies.ts';
import { freshFromLog } from './from-log.ts';
import type { Known } from './from-log.ts';
import { Ordered } from './ordered.ts';
import { keyOf, withNamed } from './parameters.ts';
import { Reach } from './reach.ts';
import type { Keys } from './reach.ts';
import type { Arm, Recipe } from './recipe.ts';
import { KEY, KEYS, MOST } from './rewrite.ts';
import { risingFrom } from './sorted.ts';
import { bindable, isScan, readAll } from './statements.ts';
import { Switchboard } from './switchboard.ts';
import { Unordered } from './unordered.ts';
import { marginOf, Window } from './window.ts';
import type { Extent } from './window.ts';

type Statement = ReturnType<Database['prepare']>;

/** Few parts are read one by one. */
const FEW = 4;
/** More parts than this, and twice as many as the result has rows, cost more than all of it. */
const MANY = 64;
/** A query whose rows have no certain order is run so often before that is looked at again. */
const RESTS = 16;
/** So many parts are not read in any case. */
const MOST_KEYS = 50_000;

export interface IncrementalOptions extends ReRunOptions {
  readonly db: Database;
  /** Counts what may have renumbered rowids. */
  readonly schemaVersion: () => number;
  /** For queries whose parameters do not fit. */
  readonly fallback: ReRun;
}

interface PreparedArm {
  readonly full: Statement;
  readonly one: Statement;
  readonly many: Statement;
  readonly scans: boolean;
  readonly reach: Reach;
}

interface State extends Omit<Known, 'body'> {
  /** Undefined while only the query itself can tell the order of its rows. */
  readonly body: Body | undefined;
  readonly schemaVersion: number;
  /** So often it is run again before the order is looked at once more. */
  rests: number;
}

export class Incremental implements Maintainer {
  readonly mode = 'incremental';
  readonly why: string;
  readonly #recipe: Recipe;
  readonly #options: IncrementalOptions;
  readonly #arms: readonly PreparedArm[];
  readonly #switchboard: Switchboard;
  readonly #states = new WeakMap<Maintained, State>();
  #found: { readonly touched: Touched; readonly parts: ReadonlyMap<Maintained, Touched> } | undefined;
  #reached: { readonly touched: Touched; readonly keys: readonly Keys[] | undefined } | undefined;

  constructor(recipe: Recipe, options: IncrementalOptions) {
    const { db } = options;
    this.#recipe = recipe;
    this.#options = options;
    this.#switchboard = new Switchboard(recipe.switches);
    this.#arms = recipe.arms.map(({ statements, root }) => ({
      full: db.prepareRead(statements.full).raw(true),
      one: db.prepareRead(statements.one).raw(true),
      many: db.prepareRead(statements.many).raw(true),
      scans: isScan(db, statements.one),
      reach: new Reach(db, root),
    }));
    this.why = describe(recipe.arms);
  }

  join(query: Maintained): void {
    this.#switchboard.join(query);
  }

  leave(query: Maintained): void {
    this.#switchboard.leave(query);
    this.#states.delete(query);
  }

  affected(touched: Touched): Iterable<Maintained> | undefined {
    const parts = this.#switchboard.find(touched);
    this.#found = parts === undefined ? undefined : { touched, parts };
    return parts?.keys();
  }

  update(query: Maintained, touched: Touched | undefined): boolean {
    const state = this.#states.get(query);
    const { isRenumbered } = this.#recipe;
    if (state?.body === undefined && state !== undefined && state.rests > 0) {
      state.rests -= 1;
      return this.#options.fallback.update(query);
    }
    if (touched === undefined || state?.body === undefined) return this.#run(query, touched?.end);
    if (isRenumbered && state.schemaVersion !== this.#options.schemaVersion()) return this.#run(query, touched.end);
    const part = this.#found?.touched === touched ? (this.#found.parts.get(query) ?? touched) : touched;
    const known = state as State & Known;
    const fresh = freshFromLog(this.#recipe, query.params, known, part) ?? this.#read(query, known.body, part);
    const isOther = fresh === undefined ? undefined : state.body.replace(fresh, query.held);
    if (isOther === undefined) return this.#run(query, touched.end);
    state.end = touched.end;
    assertFew(state.body.size, this.#options.maxRows ?? Infinity);
    return isOther;
  }

  /** The rows of the parts that were reached, read again; undefined when the query is to be run instead. */
  #read(query: Maintained, body: Body, touched: Touched): Fresh | undefined {
    const keys = this.#keys(touched);
    if (keys === undefined || this.#isMuch(keys, body)) return undefined;
    this.#options.ran();
    return this.#attempt(() => this.#fresh(query.params, keys));
  }

  #keys(touched: Touched): readonly Keys[] | undefined {
    if (this.#reached?.touched !== touched) {
      const found = this.#arms.map(({ reach }) => reach.keys(touched, MOST_KEYS));
      this.#reached = { touched, keys: found.includes(undefined) ? undefined : (found as Keys[]) };
    }
    return this.#reached.keys;
  }

  #isMuch(keys: readonly Keys[], body: Body): boolean {
    return keys.some((some, arm) => {
      if (some.size > MANY + 2 * body.size) return true;
      return this.#arms[arm]?.scans === true && some.size > FEW && !areIntegers(some);
    });
  }

  /** The rows of the parts that were reached. */
  #fresh(params: readonly unknown[], keys: readonly Keys[]): Map<unknown, Values[]> {
    const fresh = new Map<unknown, Values[]>();
    this.#arms.forEach((arm, index) => {
      const some = keys[index] as Keys;
      for (const key of some.keys()) fresh.set(partOf(index, key), []);
      for (const values of rowsOf(arm, params, some))
        fresh.get(partOf(index, keyOf(this.#keyIn(values))))?.push(values);
    });
    return fresh;
  }

  /** Runs the query, and divides its result anew. @param end what the reader shows of the log, when that is known */
  #run(query: Maintained, end: number | undefined): boolean {
    const { result, params } = query;
    const { limit, order } = this.#recipe;
    const extent = limit === undefined ? undefined : this.#extentOf(params);
    this.#states.delete(query);
    if (limit !== undefined && extent === undefined) return this.#options.fallback.update(query);
    this.#options.ran();
    const bound =
      extent === undefined ? params : withNamed(params, { [MOST]: BigInt(extent.to + marginOf(extent) + 1) });
    const rows = this.#attempt(() => this.#arms.flatMap(({ full }) => readAll(full, bound)));
    if (rows === undefined) return this.#options.fallback.update(query);
    const shown = extent === undefined ? rows : rows.slice(extent.from, extent.to);
    assertFew(shown.length, this.#options.maxRows ?? Infinity);
    const certain = order === undefined ? rows.length : risingFrom(rows, order);
    const schemaVersion = this.#options.schemaVersion();
    // A row is in the same place as the next one: that one may be shown instead.
    const isOpen = certain < rows.length && (extent === undefined || certain - 1 < extent.to);
    if (isOpen) {
      this.#states.set(query, { body: undefined, schemaVersion, rests: RESTS, end: undefined, tallied: 0 });
      return this.#options.fallback.update(query);
    }
    const isOther = result.replace(shown);
    const body = this.#bodyOf(result, rows, extent, certain);
    this.#states.set(query, { body, schemaVersion, rests: 0, end, tallied: 0 });
    return isOther;
  }

  /** A row beyond the LIMIT may be one that cannot be worked out, which the query itself never reads. */
  #attempt<T>(read: () => T): T | undefined {
    if (this.#recipe.limit === undefined) return read();
    try {
      return read();
    } catch {
      return undefined;
    }
  }

  #bodyOf(result: Result, rows: readonly Values[], extent: Extent | undefined, certain: number): Body {
    const { order } = this.#recipe;
    const partOfRow = (values: Values): unknown => partOf(this.#armOf(values), keyOf(this.#keyIn(values)));
    if (order === undefined) return new Unordered(result, partOfRow);
    if (extent === undefined) return new Ordered(result, order, partOfRow);
    // The last one of many is where others may begin, and so is the first that is in the same place as the next.
    const isAll = certain === rows.length && rows.length <= extent.to + marginOf(extent);
    const known = isAll ? rows : rows.slice(0, certain - 1);
    return new Window(result, order, partOfRow, extent, known, isAll ? undefined : rows[certain - 1]);
  }

  #keyIn(values: Values): SqlValue {
    return values[this.#recipe.width] as SqlValue;
  }

  #armOf(values: Values): number {
    return this.#arms.length === 1 ? 0 : (values[this.#recipe.width + 1] as number);
  }

  /** Undefined where LIMIT is not a number of rows. */
  #extentOf(params: readonly unknown[]): Extent | undefined {
    const count = (value: SqlValue | undefined): number =>
      typeof value === 'bigint' || typeof value === 'number' ? Number(value) : Number.NaN;
    const limit = count(this.#recipe.limit?.(params));
    const from = this.#recipe.offset === undefined ? 0 : Math.max(0, count(this.#recipe.offset(params)));
    const to = from + limit;
    return Number.isSafeInteger(to) && Number.isInteger(limit) && limit >= 0 ? { from, to } : undefined;
  }
}

/** Rows by their arm and the value that the arm is divided by. */
const partOf = (arm: number, key: unknown): unknown => (arm === 0 ? key : `a${arm} ${typeof key} ${String(key)}`);

const areIntegers = (keys: Keys): boolean => {
  for (const value of keys.values()) if (!Number.isSafeInteger(value)) return false;
  return true;
};

function rowsOf({ one, many }: PreparedArm, params: readonly unknown[], keys: Keys): readonly Values[] {
  if (keys.size > FEW && areIntegers(keys))
    return readAll(many, withNamed(params, { [KEYS]: JSON.stringify([...keys.values()]) }));
  const rowsOfOne = (value: SqlValue): readonly Values[] => readAll(one, withNamed(params, { [KEY]: bindable(value) }));
  const [only] = keys.values();
  return keys.size === 1 ? rowsOfOne(only as SqlValue) : [...keys.values()].flatMap(rowsOfOne);
}

function describe(arms: readonly Arm[]): string {
  const by = [...new Set(arms.map(({ root }) => root.sql))].join(' and ');
  const unreached = [...new Set(arms.flatMap(({ root }) => root.unreached.map(({ name }) => name)))];
  const rest =
    unreached.length === 0
      ? ''
      : ` What changes in ${unreached.join(', ')} may reach any row, so then the query is run again.`;
  return `Of what a commit changes, the values of ${by} are found that it reaches, and only their rows are worked out again.${rest}`;
}
