/**
 * Joins that keep an eye on the clock. A running SQLite statement cannot be interrupted from outside, but a function that it
 * calls may throw: where a skill's statement has loops within loops, each table it names is read through a common
 * table expression that calls one for every row visited.
 *
 * Invariant: the statement means the same. Where it would not, or would slip past the meter, it is refused.
 */
import { isKeyword, nameOf, quoteName, sameName, tokenize } from '../../sdk/plugin.ts';
import type { Access, Database, Token } from '../../sdk/plugin.ts';
import { isInternal } from './permissions.ts';
import { withExpressions } from './with-expressions.ts';

/** Called with any column of a row; returns 1, or throws when the time is over. */
export const TICK = '_glyphcase_tick';
/** The clock is looked at once in so many rows. */
const EVERY = 256;
/** Table-valued functions cannot be metered: so many loops over them a statement may have. */
const MAX_UNMETERED = 2;
const TABLE_VALUED = ['json_each', 'json_tree', 'jsonb_each', 'jsonb_tree'];
const ROWID = /^(rowid|oid|_rowid_)$/i;

type Explainer = Database['sqlite'] & { explain(sql: string): { readonly detail: string }[] };

interface Relation {
  readonly name: string;
  readonly type: string;
  /** 1 for a table WITHOUT ROWID. */
  readonly wr: number;
}

/** The loops of a statement's plan. A row found by its rowid is none. */
export interface Loops {
  readonly tables: number;
  /** Over virtual tables and table-valued functions. */
  readonly virtual: number;
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

  loops(sql: string): Loops {
    // Puts EXPLAIN in front, and needs no parameters.
    const plan = (this.#db.sqlite as Explainer).explain(`QUERY PLAN ${sql}`);
    const loops = plan.filter(({ detail }) => /^(SCAN|SEARCH) /.test(detail) && !detail.includes('(rowid=?)'));
    const virtual = loops.filter(({ detail }) => detail.includes('VIRTUAL TABLE')).length;
    return { tables: loops.length - virtual, virtual };
  }

  /**
   * A statement with its tables metered; itself when it has no loops within loops; undefined when that cannot be done.
   * @param text what the skill wrote, of which `sql` is made.
   */
  metered(text: string, sql: string, access: Access): string | undefined {
    if (access.kind !== 'select' && access.kind !== 'write') return sql;
    if (access.directReads.size === 0 && access.virtualTables.size === 0) return sql;
    const { tables, virtual } = this.loops(sql);
    if (tables + virtual < 2) return sql;
    const tokens = tokenize(text);
    const relations = this.#relationsIn(tokens);
    if (virtual > MAX_UNMETERED && relations.virtual > MAX_UNMETERED) return undefined;
    if (relations.ordinary.length === 0) return sql;
    if (tokens.some((token, at) => tokens[at + 1]?.text === '.' && isSchemaName(token))) return undefined;
    // Only where the statement asks for them: they would show in a `*`, and count in a NATURAL JOIN.
    const rowids = tokens.map((token) => (nameOf(token) ?? '').toLowerCase()).filter((name) => ROWID.test(name));
    const showsAll = tokens.some((token, at) => isStar(token, tokens[at - 1]) || isKeyword(token, 'NATURAL'));
    for (const extra of rowids.length === 0 || showsAll ? [[]] : [[], [...new Set(rowids)]]) {
      const expressions = relations.ordinary.map((relation) => this.#through(relation, extra));
      const metered = withExpressions(sql, tokenize(sql), expressions);
      if (this.#prepares(metered)) return metered;
    }
    return undefined;
  }

  /** Ordinary tables and views that a statement may name, and how often it names something virtual. */
  #relationsIn(tokens: readonly Token[]): { readonly ordinary: readonly Relation[]; readonly virtual: number } {
    const all = this.#db
      .prepare("SELECT name, type, wr FROM pragma_table_list WHERE schema = 'main'")
      .all() as Relation[];
    const virtual = [...TABLE_VALUED, ...all.filter(({ type }) => type === 'virtual').map(({ name }) => name)];
    const names = (name: string) => (token: Token) => sameName(nameOf(token) ?? '', name);
    return {
      ordinary: all.filter(
        ({ name, type }) => (type === 'table' || type === 'view') && !isInternal(name) && tokens.some(names(name)),
      ),
      virtual: tokens.filter((token) => virtual.some((name) => names(name)(token))).length,
    };
  }

  #through({ name, type, wr }: Relation, rowids: readonly string[]): string {
    const table = `main.${quoteName(name)}`;
    const column = this.#db.prepare(`SELECT * FROM ${table}`).columns()[0]?.name ?? 'rowid';
    const own = type === 'table' && wr === 0 ? rowids.map((rowid) => `, ${rowid} AS ${rowid}`).join('') : '';
    return `${quoteName(name)} AS (SELECT *${own} FROM ${table} WHERE likely(${TICK}(${quoteName(column)})))`;
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
