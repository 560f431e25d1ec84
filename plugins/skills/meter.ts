/**
 * Joins that keep an eye on the clock. A running SQLite statement cannot be interrupted from outside, but a function that it
 * calls may throw: where a skill's statement has loops within loops, each table it names is read through a common
 * table expression that calls one for every row visited.
 *
 * Invariant: the statement means the same. Where it would not, or would slip past the meter, it is refused.
 */
import { isKeyword, nameOf, quoteName, sameName, tokenize } from '../../sdk/plugin.ts';
import type { Access, Database, Token } from '../../sdk/plugin.ts';
import { bareDepth } from './bare-loops.ts';
import type { BareDepth, Instruction } from './bare-loops.ts';
import { isInternal } from './permissions.ts';
import { withExpressions } from './with-expressions.ts';

/** Called with any column of a row; returns 1, or throws when the time is over. */
export const TICK = '_glyphcase_tick';
/** The clock is looked at once in so many rows. */
const EVERY = 256;
/** Loops within each other that the filtered internal views have of their own. */
const INTERNAL_DEPTH = 3;
const ROWID = /^(rowid|oid|_rowid_)$/i;

type Explainer = Database['sqlite'] & { explain(sql: string): (Instruction & { readonly detail: string })[] };

interface Relation {
  readonly name: string;
  readonly type: string;
  /** 1 for a table WITHOUT ROWID. */
  readonly wr: number;
}

export class Meter {
  readonly #db: Database;
  #visited = 0;
  #checkTime: (() => void) | undefined;

  constructor(db: Database) {
    this.#db = db;
    db.sqlite.function(TICK, { varargs: true, directOnly: true }, () => {
      this.#visited += 1;
      if (this.#visited % EVERY === 0) this.#checkTime?.();
      return 1;
    });
  }

  /** Runs `fn`; `checkTime`, which may throw, is called every now and then while its statements visit rows. */
  during<T>(checkTime: () => void, fn: () => T): T {
    const outer = this.#checkTime;
    this.#checkTime = checkTime;
    try {
      return fn();
    } finally {
      this.#checkTime = outer;
    }
  }

  /** How many loops over rows the plan has, within each other or not. A row found by its rowid is none. */
  loops(sql: string): number {
    // Puts EXPLAIN in front, and needs no parameters.
    const plan = (this.#db.sqlite as Explainer).explain(`QUERY PLAN ${sql}`);
    return plan.filter(({ detail }) => /^(SCAN|SEARCH) /.test(detail) && !detail.includes('(rowid=?)')).length;
  }

  /**
   * A statement with its tables metered; itself when it has no loops within loops; undefined when that cannot be done.
   * @param text what the skill wrote, of which `sql` is made.
   */
  metered(text: string, sql: string, access: Access): string | undefined {
    if (access.kind !== 'select' && access.kind !== 'write') return sql;
    // With the filters of internal views the plan always has many loops, and takes long to make.
    if (text === sql && this.loops(sql) < 2) return sql;
    const tokens = tokenize(text);
    const relations = this.#relationsIn(tokens);
    const metered = this.#throughMeter(tokens, sql, relations);
    if (metered === undefined) return undefined;
    const { all, ordinary } = this.#bareDepth(metered);
    // What the operator's own views do is the operator's.
    const views = relations
      .filter(({ type }) => type === 'view')
      .map((view) => this.#bareDepth(this.#select(view, [])));
    const internals = text === sql ? 0 : INTERNAL_DEPTH;
    const allowed = Math.max(internals, ...views.map((view) => view.all));
    // The table that is written cannot be metered: it is a loop of its own.
    const own = access.kind === 'write' ? 2 : 1;
    return ordinary > Math.max(own, allowed) || all > Math.max(2, allowed) ? undefined : metered;
  }

  /** The statement with every table it names metered; undefined when it would not mean the same, or slip past the meter. */
  #throughMeter(tokens: readonly Token[], sql: string, relations: readonly Relation[]): string | undefined {
    if (relations.length === 0) return sql;
    if (tokens.some((token, at) => tokens[at + 1]?.text === '.' && isSchemaName(token))) return undefined;
    // Only where the statement asks for them: they would show in a `*`, and count in a NATURAL JOIN.
    const rowids = tokens.map((token) => (nameOf(token) ?? '').toLowerCase()).filter((name) => ROWID.test(name));
    const showsAll = tokens.some((token, at) => isStar(token, tokens[at - 1]) || isKeyword(token, 'NATURAL'));
    for (const extra of rowids.length === 0 || showsAll ? [[]] : [[], [...new Set(rowids)]]) {
      const expressions = relations.map(
        (relation) => `${quoteName(relation.name)} AS (${this.#select(relation, extra)})`,
      );
      const metered = withExpressions(sql, tokenize(sql), expressions);
      if (this.#prepares(metered)) return metered;
    }
    return undefined;
  }

  /** Ordinary tables and views that a statement may name. */
  #relationsIn(tokens: readonly Token[]): readonly Relation[] {
    const sql = "SELECT name, type, wr FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'view')";
    const all = this.#db.prepare(sql).all() as Relation[];
    return all.filter(({ name }) => !isInternal(name) && tokens.some((token) => sameName(nameOf(token) ?? '', name)));
  }

  #bareDepth(sql: string): BareDepth {
    return bareDepth((this.#db.sqlite as Explainer).explain(sql), TICK);
  }

  #select({ name, type, wr }: Relation, rowids: readonly string[]): string {
    const table = `main.${quoteName(name)}`;
    const column = this.#db.prepare(`SELECT * FROM ${table}`).columns()[0]?.name ?? 'rowid';
    const own = type === 'table' && wr === 0 ? rowids.map((rowid) => `, ${rowid} AS ${rowid}`).join('') : '';
    return `SELECT *${own} FROM ${table} WHERE likely(${TICK}(${quoteName(column)}))`;
  }

  #prepares(sql: string): boolean {
    try {
      this.#db.prepare(sql);
      return true;
    } catch {
      return false;
    }
  }
}

const isSchemaName = (token: Token): boolean => sameName(nameOf(token) ?? '', 'main');

/** The star of `SELECT *` and `t.*`, not of a product or `count(*)`. */
const isStar = (token: Token, before: Token | undefined): boolean =>
  token.text === '*' && before !== undefined && /^(select|distinct|all|returning|,|\.)$/i.test(before.text);

const meters = new WeakMap<Database, Meter>();

/** The meter of a database's writer. */
export function meterOf(db: Database): Meter {
  let meter = meters.get(db);
  if (meter === undefined) {
    meter = new Meter(db);
    meters.set(db, meter);
  }
  return meter;
}
