/**
 * One SQL text that is watched: its plan, the tables it needs triggers on, and its queries, one per different parameters.
 *
 * Invariants: while a shape has queries, its tables have triggers; a plan holds for one content of the schema, and a shape
 * that could not be planned says why.
 */
import type { CapsuleService, Explanation, Watcher } from '../../sdk/capsule-types.ts';
import { GlyphError, messageOf, statements } from '../../sdk/plugin.ts';
import type { Access, Database } from '../../sdk/plugin.ts';
import { assertWatchable, caveatsOf, dependenciesOf, fold, notWatchable, shorten } from './access.ts';
import type { Dependency } from './access.ts';
import type { Facts } from './incremental/facts.ts';
import { findKey, isOrdered } from './keys.ts';
import { chooseMaintainer } from './choice.ts';
import type { Maintainer } from './maintainer.ts';
import { Query } from './query.ts';
import type { ResultPlan } from './result.ts';
import { columnsOf } from './snapshot.ts';
import type { Touched } from './touched.ts';
import type { QueryOptions } from './types.ts';
import { codeOfParams } from './values.ts';

/** A text, and how it is watched. */
export interface Wanted extends Omit<QueryOptions, 'json'> {
  readonly sql: string;
  readonly json: 'parsed' | 'text';
}

/** What is wanted, told apart from what cannot share a shape with it. */
export const codeOfWanted = ({ sql, json, maxRows = 0, owner }: Wanted): string =>
  `${json} ${maxRows} ${owner?.id ?? ''} ${sql}`;

export interface ShapeParts {
  readonly db: Database;
  readonly capsule: CapsuleService;
  readonly facts: Facts;
  /** Called for every run of a query. */
  readonly ran: () => void;
  /** The version of the schema that the reader shows. */
  readonly schemaVersion: () => number;
}

/** What planning it came to. */
export interface Plan {
  /** Counts the plans of a shape. */
  readonly number: number;
  readonly maintainer: Maintainer;
  readonly result: ResultPlan;
}

export class Shape {
  readonly sql: string;
  readonly code: string;
  readonly queries = new Map<string, Query>();
  /** Those that somebody subscribes to. */
  readonly awake = new Set<Query>();
  readonly #wanted: Wanted;
  readonly #parts: ShapeParts;
  #watchers = new Map<string, Watcher>();
  #dependencies: readonly Dependency[] = [];
  #caveats: readonly string[] = [];
  #probe: ReturnType<Database['prepare']> | undefined;
  #plan: Plan | undefined;
  #plans = 0;

  /** @throws what keeps the statement from being watched */
  constructor(wanted: Wanted, parts: ShapeParts) {
    const { sql } = (this.#wanted = wanted);
    this.sql = sql;
    this.code = codeOfWanted(wanted);
    this.#parts = parts;
    const { db } = parts;
    if (db.current === undefined) {
      this.plan();
      return;
    }
    // Tables that the caller's own transaction has made are not there yet for the reader, which plans later.
    this.#depend(db.access.check(sql));
    db.prepare(sql);
  }

  get dependencies(): readonly Dependency[] {
    return this.#dependencies;
  }

  /** Undefined until it is planned, and when it can no longer be. */
  get planned(): Plan | undefined {
    return this.#plan;
  }

  /** Plans it for the schema as committed. Outside of the reader's transactions, as triggers may have to be made. */
  plan(): Plan {
    const { db } = this.#parts;
    const { maxRows, owner } = this.#wanted;
    this.forget();
    owner?.check();
    const access = this.#checkOnReader();
    this.#depend(access);
    const statement = db.prepareRead(maxRows === undefined ? this.sql : this.#limited(maxRows + 1));
    const origins = statement.columns();
    const json = origins.map(({ type }) => this.#wanted.json === 'parsed' && /^json/i.test(type ?? ''));
    const columns = columnsOf(
      origins.map(({ name }) => name),
      json,
    );
    const { maintainer, reads } = chooseMaintainer({
      sql: this.sql,
      statement: statement.raw(true),
      width: origins.length,
      ...this.#parts,
      ...(maxRows === undefined ? {} : { maxRows }),
    });
    // What is read beside the result wakes it too.
    if (reads.length > 0) this.#depend(access, ...reads);
    this.#plans += 1;
    this.#plan = {
      number: this.#plans,
      maintainer,
      result: { columns, key: findKey(this.sql, origins, columns.shown, db), ordered: isOrdered(this.sql) },
    };
    return this.#plan;
  }

  /** Somebody subscribes to one of its queries. */
  wake(query: Query): void {
    this.awake.add(query);
    this.#plan?.maintainer.join?.(query);
  }

  /** Nobody does any more. */
  sleep(query: Query): void {
    this.awake.delete(query);
    this.#plan?.maintainer.leave?.(query);
  }

  /** The schema moved: what was planned may not hold. */
  forget(): void {
    this.#plan = undefined;
    this.#probe = undefined;
  }

  /** The query with these parameters; made when there is none. @throws GC_SQL, GC_BAD_ARGUMENT when they do not fit */
  query(params: readonly unknown[]): Query {
    const code = codeOfParams(params);
    const known = this.queries.get(code);
    if (known !== undefined) return known;
    this.#check(params);
    const query = new Query(this, params, code);
    this.queries.set(code, query);
    return query;
  }

  /** Its queries that may have another result now. */
  concernedBy(touched: Touched): Iterable<Query> {
    if (!this.#dependencies.some((dependency) => touched.concerns(dependency))) return [];
    // A maintainer knows the queries that were told to it, which are these.
    return (this.#plan?.maintainer.affected?.(touched) as Iterable<Query> | undefined) ?? this.awake;
  }

  explain(query: Query): Explanation {
    const { maintainer, result } = this.#plan ?? {};
    const key = query.result.snapshot.key ?? (query.at < 0 ? result?.key : undefined);
    const problem = query.problem === undefined ? [] : [`At present it cannot be run: ${messageOf(query.problem)}`];
    return {
      mode: maintainer?.mode ?? 're-run',
      why: [
        maintainer?.why ?? 'It is planned when the open transaction has committed.',
        ...this.#caveats,
        ...problem,
      ].join(' '),
      tables: this.#dependencies.map(({ table }) => table),
      columns: Object.fromEntries(
        this.#dependencies.map(({ table, columns, names }) => [table, columns === 'all' ? 'all' : names]),
      ),
      key: key?.names,
      ordered: result?.ordered ?? isOrdered(this.sql),
    };
  }

  /** Lets go of its tables. */
  close(): void {
    this.#attach([]);
  }

  #checkOnReader(): Access {
    try {
      return this.#parts.db.readAccess.check(this.sql);
    } catch (error) {
      if (!(error instanceof GlyphError) || !error.message.startsWith('no such function')) throw error;
      const hint =
        'Correct its name. Functions registered on db.sqlite are not known to the connection that live queries read on.';
      throw new GlyphError(error.code, error.message, { hint, cause: error });
    }
  }

  #depend(access: Access, ...more: readonly Access[]): void {
    assertWatchable(access, this.sql);
    const dependencies = dependenciesOf([access, ...more]);
    this.#attach(dependencies);
    this.#dependencies = dependencies;
    this.#caveats = caveatsOf(access);
  }

  #attach(dependencies: readonly Dependency[]): void {
    const before = this.#watchers;
    const after = new Map<string, Watcher>();
    try {
      for (const { table } of dependencies) {
        const name = fold(table);
        after.set(name, before.get(name) ?? this.#watch(table));
      }
    } catch (error) {
      for (const [name, watcher] of after) if (!before.has(name)) watcher[Symbol.dispose]();
      throw error;
    }
    this.#watchers = after;
    for (const [name, watcher] of before) if (!after.has(name)) watcher[Symbol.dispose]();
  }

  #watch(table: string): Watcher {
    try {
      // Quoted, for a table whose name is a word of SQL.
      return this.#parts.capsule.watch(`"${table.replaceAll('"', '""')}"`);
    } catch (error) {
      if (!(error instanceof GlyphError) || error.code !== 'GC_NOT_WATCHABLE') throw error;
      throw notWatchable(this.sql, error.message.replace(/\.$/, ''), error.hint);
    }
  }

  /** A query that returns nothing and still wants all its parameters. */
  #check(params: readonly unknown[]): void {
    const { db } = this.#parts;
    const prepare = (sql: string) => (this.#plan === undefined ? db.prepare(sql) : db.prepareRead(sql));
    this.#probe ??= prepare(this.#limited(0));
    try {
      this.#probe.all(...params);
    } catch (error) {
      throw new GlyphError(
        'GC_BAD_ARGUMENT',
        `The parameters do not fit the query: ${messageOf(error)}: ${shorten(this.sql)}`,
        {
          cause: error,
        },
      );
    }
  }

  #limited(rows: number): string {
    return `SELECT * FROM (${(statements(this.sql)[0] ?? '').replace(/;\s*$/, '')}\n) LIMIT ${rows}`;
  }
}
