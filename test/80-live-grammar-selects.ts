/**
 * Random SELECTs for the property of live queries, put together piece by piece.
 *
 * Nothing is promised of them: what SQLite does not accept is left out by whoever runs them.
 */
import type { Choices } from './80-live-grammar-choices.ts';
import { aggregateOf, expressionOf, literalOf, parameterOf } from './80-live-grammar-values.ts';
import type { Parameter } from './80-live-grammar-values.ts';
import { TABLES, VIEWS } from './80-live-grammar-schema.ts';
import type { Column, Relation, Sort } from './80-live-grammar-schema.ts';

/** A source of FROM, by the name it has there. */
interface Placed {
  readonly alias: string;
  readonly columns: readonly Column[];
}

interface Built {
  readonly sql: string;
  readonly columns: readonly Column[];
}

export interface Shape {
  /** With `«N»` where parameter N stands. */
  readonly sql: string;
  readonly parameters: readonly Parameter[];
}

/** How large a FROM may be. */
export interface Bounds {
  readonly joins: number;
}

export class SelectBuilder {
  readonly #c: Choices;
  readonly #bounds: Bounds;
  readonly #ctes: { readonly relation: Relation; readonly sql: string }[] = [];
  readonly #parameters: Parameter[] = [];
  #aliases = 0;

  constructor(choices: Choices, bounds: Bounds) {
    this.#c = choices;
    this.#bounds = bounds;
  }

  build(): Shape {
    const c = this.#c;
    const body = c.weigh([
      [40, () => this.#whole()],
      [8, () => this.#unionAll(2 + c.next(2), 0).sql],
      [2, () => `${this.#core(0, []).sql} ${c.pick(['UNION', 'EXCEPT', 'INTERSECT'])} ${this.#core(0, []).sql}`],
    ]);
    const ctes = this.#ctes.map(({ relation, sql }) => {
      const names = c.chance(25) ? `(${relation.columns.map(({ name }) => name).join(', ')})` : '';
      return `${relation.name}${names} AS ${c.pick(['', '', 'MATERIALIZED ', 'NOT MATERIALIZED '])}(${sql})`;
    });
    return { sql: `${ctes.length === 0 ? '' : `WITH ${ctes.join(', ')} `}${body}`, parameters: this.#parameters };
  }

  /** One SELECT, often with ORDER BY and LIMIT. */
  #whole(): string {
    const c = this.#c;
    const grouped = c.chance(30);
    const placed: Placed[] = [];
    const { sql, columns, keys } = grouped ? this.#grouped(0, [], placed) : this.#core(0, [], placed);
    if (!c.chance(45)) return sql;
    const terms = c.many(1, 2, () => this.#orderTerm(columns, placed, keys));
    if (c.chance(80)) terms.push(...(keys ?? placed.flatMap(({ alias, columns: own }) => keyTerms(alias, own))));
    const limit = c.chance(55) ? ` LIMIT ${this.#count(6)}` : '';
    const offset = limit !== '' && c.chance(35) ? ` OFFSET ${this.#count(3)}` : '';
    return `${sql} ORDER BY ${[...new Set(terms)].join(', ')}${limit}${offset}`;
  }

  #orderTerm(columns: readonly Column[], placed: readonly Placed[], keys: readonly string[] | undefined): string {
    const c = this.#c;
    const term = c.weigh([
      [3, () => this.#any(placed)],
      [2, () => c.pick(columns.length === 0 ? ['1'] : columns.map(({ name }) => name))],
      [1, () => String(1 + c.next(Math.max(1, columns.length)))],
      [1, () => expressionOf(c, this.#column(placed))],
      [1, () => (keys === undefined ? this.#any(placed) : 'count(*)')],
    ]);
    return `${term}${c.pick(['', '', ' DESC', ' ASC'])}${c.pick(['', '', '', ' NULLS LAST', ' NULLS FIRST'])}`;
  }

  #count(below: number): string {
    return this.#c.chance(30) ? this.#parameter('count') : String(this.#c.next(below));
  }

  #unionAll(arms: number, depth: number): Built {
    const c = this.#c;
    const width = 1 + c.next(2);
    const all = Array.from({ length: arms }, () => this.#core(depth, [], [], width));
    return {
      sql: all.map(({ sql }) => sql).join(' UNION ALL '),
      columns: (all[0] as Built).columns.map(({ name }) => ({ name, sort: 'any' })),
    };
  }

  /** @param width the number of columns; any when not given */
  #core(
    depth: number,
    outer: readonly Placed[],
    placed: Placed[] = [],
    width?: number,
  ): Built & { readonly keys?: readonly string[] } {
    const c = this.#c;
    const from = this.#from(depth, outer, placed);
    const distinct = c.chance(8) ? 'DISTINCT ' : '';
    const star = width === undefined && depth === 0 && c.chance(20);
    if (star) {
      const [first] = placed as [Placed, ...Placed[]];
      const all = c.chance(50);
      const columns = all ? placed.flatMap((one) => one.columns) : first.columns;
      return { sql: `SELECT ${distinct}${all ? '*' : `${first.alias}.*`} ${from}`, columns };
    }
    const columns: Column[] = [];
    const count = width ?? 1 + c.next(4);
    const shown = Array.from({ length: count }, (_, index) => {
      const [sql, sort] = this.#output(depth, placed, outer);
      const name = `c${index + 1}`;
      const isPlain = /^\w+\.\w+$/.test(sql);
      const plainName = sql.slice(sql.indexOf('.') + 1);
      const isNamed = !isPlain || depth > 0 || columns.some((one) => one.name === plainName) || c.chance(20);
      columns.push({ name: isNamed ? name : plainName, sort });
      return isNamed ? `${sql} AS ${name}` : sql;
    });
    if (c.chance(25) && distinct === '' && width === undefined) {
      const [first] = placed as [Placed, ...Placed[]];
      const key = first.columns[0] as Column;
      columns.push({ name: 'c9', sort: key.sort });
      shown.push(`${first.alias}.${key.name} AS c9`);
    }
    return { sql: `SELECT ${distinct}${shown.join(', ')} ${from}`, columns };
  }

  #output(depth: number, placed: readonly Placed[], outer: readonly Placed[]): [string, Sort] {
    const c = this.#c;
    return c.weigh([
      [
        7,
        (): [string, Sort] => {
          const { sql, sort } = this.#column(placed);
          return [sql, sort];
        },
      ],
      [2, (): [string, Sort] => [expressionOf(c, this.#column(placed)), 'any']],
      [
        1,
        (): [string, Sort] =>
          depth > 1 ? ['1', 'num'] : [`(${this.#scalar(depth + 1, [...outer, ...placed])})`, 'any'],
      ],
    ]);
  }

  #grouped(
    depth: number,
    outer: readonly Placed[],
    placed: Placed[] = [],
  ): Built & { readonly keys: readonly string[] } {
    const c = this.#c;
    const from = this.#from(depth, outer, placed);
    const [first] = placed as [Placed, ...Placed[]];
    const own = first.columns[0] as Column;
    const key = { sql: `${first.alias}.${own.name}`, sort: own.sort };
    const chosen = c.weigh([
      [6, () => [key]],
      [3, () => [this.#groupColumn(placed)]],
      [2, () => [key, this.#groupColumn(placed)]],
      [2, () => [this.#groupColumn(placed), this.#groupColumn(placed)]],
      [1, () => [{ sql: expressionOf(c, this.#groupColumn(placed)), sort: 'any' as const }, key]],
    ]);
    const columns: Column[] = [];
    const shown: string[] = [];
    const show = (sql: string, sort: Sort): void => {
      columns.push({ name: `g${columns.length + 1}`, sort });
      shown.push(`${sql} AS g${columns.length}`);
    };
    for (const { sql, sort } of chosen) if (!c.chance(15)) show(sql, sort);
    if (c.chance(10)) {
      const { sql, sort } = this.#column(placed);
      show(c.chance(30) ? expressionOf(c, { sql, sort }) : sql, sort);
    }
    const aggregates = c.many(shown.length === 0 ? 1 : 0, 2, () => aggregateOf(c, this.#column(placed)));
    for (const aggregate of aggregates) show(aggregate, 'num');
    if (depth === 0 && c.chance(10)) show(`(${this.#scalar(depth + 1, placed)})`, 'any');
    const having = c.weigh([
      [6, () => ''],
      [2, () => ` HAVING ${aggregateOf(c, this.#column(placed))} ${c.pick(['>', '>=', '<', '='])} ${c.next(3)}`],
      [1, () => ` HAVING count(*) > 1`],
      [1, () => ` HAVING ${c.pick(['NOT ', ''])}EXISTS (${this.#correlated(depth + 1, placed)})`],
    ]);
    const terms = chosen.map(({ sql }, index) =>
      c.chance(10) && shown[index]?.startsWith(`${sql} AS`) === true ? String(index + 1) : sql,
    );
    const sql = `SELECT ${shown.join(', ')} ${from} GROUP BY ${terms.join(', ')}${having}`;
    return { sql, columns, keys: chosen.map((one) => one.sql) };
  }

  /** FROM and WHERE. */
  #from(depth: number, outer: readonly Placed[], placed: Placed[]): string {
    const c = this.#c;
    const conditions: string[] = [];
    let sql = `FROM ${this.#source(depth, placed)}`;
    const joins = Math.min(this.#bounds.joins, depth > 0 ? c.next(2) : c.pick([1, 0, 0, 1, 1, 2, 2, 3]));
    for (let join = 0; join < joins; join += 1) sql += this.#join(depth, placed, outer, conditions);
    conditions.push(...c.many(0, depth > 0 ? 1 : 2, () => this.#predicate(depth, placed, outer)));
    if (conditions.length === 0) return sql;
    return `${sql} WHERE ${conditions.map((one) => (c.chance(15) ? `(${one})` : one)).join(' AND ')}`;
  }

  #join(depth: number, placed: Placed[], outer: readonly Placed[], conditions: string[]): string {
    const c = this.#c;
    const before = placed.slice();
    const source = this.#source(depth, placed);
    const joined = placed.at(-1) as Placed;
    const pairs = before.flatMap((one) =>
      one.columns.flatMap((a) =>
        joined.columns.flatMap((b) =>
          a.sort === b.sort && a.sort !== 'any'
            ? [[`${one.alias}.${a.name}`, `${joined.alias}.${b.name}`] as const]
            : [],
        ),
      ),
    );
    const equal = pairs.length === 0 ? undefined : c.pick(pairs);
    const shared = joined.columns.filter(({ name }) =>
      before.some((one) => one.columns.some((other) => other.name === name)),
    );
    const one = (): string => {
      if (equal === undefined) return this.#predicate(depth, placed, outer);
      return c.chance(50) ? `${equal[0]} = ${equal[1]}` : `${equal[1]} = ${equal[0]}`;
    };
    const more = (): string =>
      c.chance(25) ? ` AND ${this.#predicate(depth, c.chance(50) ? [joined] : placed, outer)}` : '';
    return c.weigh([
      [6, () => ` JOIN ${source} ON ${one()}${more()}`],
      [7, () => ` LEFT JOIN ${source} ON ${one()}${more()}`],
      [
        2,
        () => {
          conditions.push(one());
          return `${c.pick([', ', ' CROSS JOIN ', ' JOIN '])}${source}`;
        },
      ],
      [
        1,
        () => {
          if (shared.length === 0) return ` JOIN ${source} ON ${one()}`;
          return `${c.pick([' JOIN ', ' LEFT JOIN '])}${source} USING (${c.pick(shared).name})`;
        },
      ],
    ]);
  }

  #source(depth: number, placed: Placed[]): string {
    const c = this.#c;
    const alias = `${'tuvwxyz'[this.#aliases % 7] as string}${this.#aliases}`;
    this.#aliases += 1;
    const named = ({ name, columns }: Relation): string => {
      placed.push({ alias, columns });
      const schema = c.chance(10) && TABLES.some((one) => one.name === name) ? 'main.' : '';
      return `${schema}${name} ${c.pick(['', 'AS '])}${alias}`;
    };
    const inner = (): Built =>
      c.weigh([
        [3, () => this.#core(depth + 1, [])],
        [4, () => this.#grouped(depth + 1, [])],
        [1, () => this.#unionAll(2, depth + 1)],
      ]);
    return c.weigh([
      [18, () => named(c.pick([...TABLES, ...TABLES.slice(0, 3), ...TABLES.slice(0, 2)]))],
      [depth < 2 ? 3 : 0, () => named(c.pick(VIEWS))],
      [
        depth < 2 ? 2 : 0,
        () => {
          const { sql, columns } = inner();
          placed.push({ alias, columns });
          return `(${sql}) ${alias}`;
        },
      ],
      [
        depth < 2 ? 2 : 0,
        () => {
          const known = this.#ctes.at(-1);
          if (known !== undefined && c.chance(60)) return named(known.relation);
          const { sql, columns } = inner();
          const relation = { name: `cte${this.#ctes.length + 1}`, columns };
          this.#ctes.push({ relation, sql });
          return named(relation);
        },
      ],
    ]);
  }

  #predicate(depth: number, placed: readonly Placed[], outer: readonly Placed[]): string {
    const c = this.#c;
    const around = [...outer, ...placed];
    const plain = (): string => {
      const { sql, sort } = this.#column(placed);
      const value = c.chance(30) ? this.#parameter(sort) : literalOf(c, sort);
      return `${sql} ${c.pick(['=', '=', '=', '<>', '>', '<=', 'IS', 'IS NOT'])} ${value}`;
    };
    const deep = depth < 2;
    return c.weigh([
      [6, plain],
      [2, () => `${this.#any(placed)} IS ${c.pick(['', 'NOT '])}NULL`],
      [
        1,
        () => {
          const { sql, sort } = this.#column(placed);
          return `${sql} ${c.pick(['', 'NOT '])}IN (${c.many(1, 3, () => literalOf(c, sort)).join(', ')})`;
        },
      ],
      [1, () => `${this.#any(placed)} BETWEEN 1 AND ${1 + c.next(4)}`],
      [deep ? 3 : 0, () => `${c.pick(['', 'NOT '])}EXISTS (${this.#correlated(depth + 1, around)})`],
      [deep ? 3 : 0, () => this.#membership(depth + 1, placed)],
      [deep ? 1 : 0, () => `${this.#any(placed)} ${c.pick(['=', '<', '>='])} (${this.#scalar(depth + 1, around)})`],
      [1, () => `(${plain()} OR ${plain()})`],
      [1, () => `NOT (${plain()})`],
      [2, () => this.#equalColumns(around, placed)],
      [1, () => `${this.#any(placed)} LIKE '${c.pick(['a%', '%', '1%'])}'`],
    ]);
  }

  #equalColumns(around: readonly Placed[], placed: readonly Placed[]): string {
    const { sql, sort } = this.#column(placed);
    const same = around.flatMap(({ alias, columns }) =>
      columns.flatMap((one) => (one.sort === sort ? [`${alias}.${one.name}`] : [])),
    );
    return `${sql} = ${this.#c.pick(same)}`;
  }

  #membership(depth: number, placed: readonly Placed[]): string {
    const c = this.#c;
    const { sql, sort } = this.#column(placed);
    const inner: Placed[] = [];
    const from = this.#from(depth, [], inner);
    const same = inner.flatMap(({ alias, columns }) =>
      columns.flatMap((one) => (one.sort === sort ? [`${alias}.${one.name}`] : [])),
    );
    const member = same.length === 0 ? this.#any(inner) : c.pick(same);
    const group = c.chance(15) ? ` GROUP BY ${member} HAVING count(*) > 0` : '';
    return `${sql} ${c.chance(30) ? 'NOT ' : ''}IN (SELECT ${c.chance(10) ? 'DISTINCT ' : ''}${member} ${from}${group})`;
  }

  /** SELECT … whose WHERE is held against a column outside. */
  #correlated(depth: number, outer: readonly Placed[]): string {
    const inner: Placed[] = [];
    return `SELECT 1 ${this.#correlatedFrom(depth, outer, inner)}`;
  }

  #correlatedFrom(depth: number, outer: readonly Placed[], inner: Placed[]): string {
    const c = this.#c;
    const from = this.#from(depth, outer, inner);
    const pairs = inner.flatMap((a) =>
      a.columns.flatMap((one) =>
        outer.flatMap((b) =>
          b.columns.flatMap((other) =>
            one.sort === other.sort && one.sort !== 'any' ? [`${a.alias}.${one.name} = ${b.alias}.${other.name}`] : [],
          ),
        ),
      ),
    );
    if (pairs.length === 0 || c.chance(8)) return from;
    return `${from} ${from.includes(' WHERE ') ? 'AND' : 'WHERE'} ${c.pick(pairs)}`;
  }

  #scalar(depth: number, outer: readonly Placed[]): string {
    const c = this.#c;
    const inner: Placed[] = [];
    const from = this.#correlatedFrom(depth, outer, inner);
    const what = c.chance(95) ? aggregateOf(c, this.#column(inner)) : this.#any(inner);
    return `SELECT ${what} ${from}`;
  }

  /** One to group by: one without a declared type is refused. */
  #groupColumn(placed: readonly Placed[]): { readonly sql: string; readonly sort: Sort } {
    const first = this.#column(placed);
    return first.sort === 'any' && this.#c.chance(80) ? this.#column(placed) : first;
  }

  #column(placed: readonly Placed[]): { readonly sql: string; readonly sort: Sort } {
    const { alias, columns } = this.#c.pick(placed);
    const { name, sort } = this.#c.pick(columns);
    const bare = this.#c.chance(6);
    return { sql: bare ? name : `${alias}.${name}`, sort };
  }

  #any(placed: readonly Placed[]): string {
    return this.#column(placed).sql;
  }

  #parameter(sort: Parameter['sort']): string {
    const known = this.#parameters.findIndex((one) => one.sort === sort);
    if (known >= 0 && this.#c.chance(25)) return `«${known}»`;
    this.#parameters.push(parameterOf(sort));
    return `«${this.#parameters.length - 1}»`;
  }
}

/** What often tells the rows of a source apart. */
const keyTerms = (alias: string, columns: readonly Column[]): string[] =>
  columns
    .slice(0, columns.some(({ name }) => name === 'n' || name === 'tag' || name === 'k') ? 3 : 1)
    .map(({ name }) => `${alias}.${name}`);
