/**
 * Reads what a SELECT means: its tables through views, CTEs and subqueries, its columns, and what links them.
 *
 * Invariant: every column that it names is understood, and every part of it has one result whatever plan SQLite chooses;
 * else it is refused.
 */
import type { Token } from '../../../sdk/plugin.ts';
import { fold } from '../access.ts';
import { conjuncts, functionsOf, membership } from '../select/expressions.ts';
import { readSelect } from '../select/reader.ts';
import type { Core, Cte, Select, SelectText, Source, Span } from '../select/types.ts';
import type { Catalog } from './catalog.ts';
import { addLink, columnIn, demandsOf, link } from './equalities.ts';
import type { Condition, Demands } from './equalities.ts';
import type { Functions } from './functions.ts';
import { isComparable, isRef, meaningOf, refuse, sameRef } from './names.ts';
import type { Found, Named, Occurrence, Scope, ScopeSource } from './names.ts';
import { groupedBy, outputsOf, usesIn, usingEqualities } from './outputs.ts';
import type { Output } from './outputs.ts';
import { assertSteady, hasWord } from './steady.ts';

/** CTEs by folded name, those of the SELECTs around it included. */
export type Environment = ReadonlyMap<string, SharedSelect>;

interface SharedSelect {
  readonly cte: Cte;
  readonly text: SelectText;
  /** What it can name itself. */
  readonly environment: Environment;
}

/** A subquery in an expression. */
export interface NestedReading {
  readonly arms: readonly CoreReading[];
  readonly place: Core['subqueries'][number]['place'];
  readonly use: 'exists' | 'in' | 'scalar';
}

export interface CoreReading {
  readonly tokens: readonly Token[];
  readonly core: Core;
  readonly scope: Scope;
  readonly demands: Demands;
  readonly outputs: readonly Output[];
  /** The terms of GROUP BY. */
  readonly groups: readonly { readonly named: Named; readonly span: Span }[];
  /** All rows become one. */
  readonly aggregated: false | 'perhaps' | 'surely';
  readonly nested: readonly NestedReading[];
  /** Columns of SELECTs around it. */
  readonly outerRefs: readonly Found[];
}

export interface Schema {
  readonly catalog: Catalog;
  readonly functions: Functions;
}

/** How deep views and CTEs may stand in each other. */
const DEEPEST = 30;

export class Reading {
  readonly #schema: Schema;
  readonly occurrences: Occurrence[] = [];
  /** Those that a LEFT JOIN may have no row of. */
  readonly missing = new Set<Occurrence>();
  #depth = 0;
  /** Conditions with LIKE, so far. */
  #likes = 0;

  constructor(schema: Schema) {
    this.#schema = schema;
  }

  /** @throws NotIncremental */
  arms(text: SelectText, select: Select, around: Environment, outer: Scope | undefined): CoreReading[] {
    if (this.#depth > DEEPEST) refuse('its views and subqueries stand too deep in each other');
    this.#depth += 1;
    const environment = withCtes(text, select, around);
    const orderBy = select.arms.length === 1 ? select.orderBy.map(({ expression }) => expression) : [];
    const readings = select.arms.map((core) => this.#core(text, core, environment, outer, orderBy));
    this.#depth -= 1;
    return readings;
  }

  #core(
    text: SelectText,
    core: Core,
    environment: Environment,
    outer: Scope | undefined,
    orderBy: readonly Span[],
  ): CoreReading {
    const { tokens } = text;
    if (core.windowed) refuse('it has window functions');
    const sources = core.from.map((source, at) => this.#joined(text, source, environment, outer, at));
    const scope: Scope = { sources, aliases: aliasesOf(core), outer };
    const conditions: Condition[] = core.from.flatMap(({ join, on }, index) =>
      on === undefined ? [] : [{ span: on, left: join === 'left' ? sources[index] : undefined }],
    );
    if (core.where !== undefined) conditions.push({ span: core.where, left: undefined });
    this.#likes += conditions.filter(({ span }) => hasWord(tokens, span, 'LIKE')).length;
    const read = demandsOf(tokens, conditions, scope);
    const demands = { ...read, equalities: [...read.equalities, ...usingEqualities(core, scope)] };
    link(demands, scope);
    const nested = core.subqueries.map(({ select, place, span }) => {
      if (select.limit !== undefined) refuse('it has a LIMIT within');
      return { arms: this.arms(text, select, environment, scope), place, use: useOf(tokens, span), span };
    });
    for (const { span, left } of conditions) this.#linkMembership(tokens, span, left, scope, nested);
    const outputs = outputsOf(tokens, core, scope);
    const groups = core.groupBy.map((span) => ({ span, named: groupedBy(tokens, span, scope, outputs) }));
    const expressions = [
      ...core.columns.flatMap((column) => (column.kind === 'expression' ? [column.expression] : [])),
      ...conditions.map(({ span }) => span),
      ...core.groupBy,
      ...(core.having === undefined ? [] : [core.having]),
      ...orderBy,
    ];
    this.#assertOwnAggregates(tokens, core, expressions, scope);
    const outerRefs = [
      ...this.#outerColumns(tokens, core, expressions, scope),
      ...nested.flatMap(({ arms }) => arms.flatMap((arm) => arm.outerRefs)),
    ].filter((found) => found.scope !== scope);
    const reading: CoreReading = {
      tokens,
      core,
      scope,
      demands,
      outputs,
      groups,
      aggregated: core.groupBy.length > 0 ? false : this.#aggregates(tokens, core, orderBy),
      nested,
      outerRefs,
    };
    assertSteady(reading, orderBy, this.#schema.functions.aggregates, this.#depth === 1);
    return reading;
  }

  #joined(
    text: SelectText,
    source: Source,
    environment: Environment,
    outer: Scope | undefined,
    at: number,
  ): ScopeSource {
    const before = { occurrences: this.occurrences.length, likes: this.#likes };
    const read = this.#source(text, source, environment, outer, at);
    if (read.join !== 'left') return read;
    for (const occurrence of this.occurrences.slice(before.occurrences)) this.missing.add(occurrence);
    // By an index, SQLite (3.54 and before) forgets the rows that have no partner: what it gives depends on its plan.
    const isLike = source.on !== undefined && hasWord(text.tokens, source.on, 'LIKE');
    if (isLike || this.#likes > before.likes) refuse('a LEFT JOIN of it depends on LIKE');
    return read;
  }

  #source(
    text: SelectText,
    source: Source,
    environment: Environment,
    outer: Scope | undefined,
    at: number,
  ): ScopeSource {
    const { join, name, select } = source;
    const alias = source.alias ?? name;
    const common = {
      alias: alias === undefined ? undefined : fold(alias),
      join: at === 0 ? ('inner' as const) : join,
      using: new Set((source.using ?? []).map(fold)),
    };
    if (select !== undefined)
      return { ...common, occurrence: undefined, columns: this.#derived(text, select, environment, outer, undefined) };
    if (name === undefined) return refuse('a table of it has no name');
    const shared = source.schema === undefined ? environment.get(fold(name)) : undefined;
    if (shared !== undefined) {
      const { cte } = shared;
      // Inside of itself it would be recursive.
      const inside = new Map(shared.environment);
      inside.delete(fold(name));
      const columns = this.#derived(shared.text, cte.select, inside, undefined, cte.columns);
      return { ...common, occurrence: undefined, columns };
    }
    const view = this.#schema.catalog.view(name);
    if (view !== undefined) {
      const read = readSelect(view.sql);
      if ('refused' in read) return refuse(`of the view "${name}", ${read.refused}`);
      const columns = this.#derived(read, read.select, new Map(), undefined, view.columns);
      return { ...common, occurrence: undefined, columns };
    }
    const occurrence: Occurrence = { table: this.#schema.catalog.table(name), links: [] };
    this.occurrences.push(occurrence);
    const columns = new Map([...occurrence.table.columns].map(([key, column]) => [key, { occurrence, column }]));
    return { ...common, occurrence, columns };
  }

  /** The columns of a SELECT in FROM. Those that are left as they are can be followed further. */
  #derived(
    text: SelectText,
    select: Select,
    environment: Environment,
    outer: Scope | undefined,
    names: readonly string[] | undefined,
  ): ReadonlyMap<string, Named> {
    if (select.limit !== undefined) refuse('it has a LIMIT within');
    const readings = this.arms(text, select, environment, outer);
    const [first] = readings;
    if (first === undefined) return refuse('a subquery of it was not understood');
    const isFollowed = readings.length === 1 && !first.aggregated;
    const columns = new Map<string, Named>();
    for (const [index, { name, named }] of first.outputs.entries()) {
      const given = names?.[index];
      const key = given === undefined ? name : fold(given);
      const isKept =
        isFollowed && (first.groups.length === 0 || first.groups.some((group) => sameRef(group.named, named)));
      if (!columns.has(key)) columns.set(key, isKept ? named : 'computed');
    }
    return columns;
  }

  /** `a IN (SELECT b …)` holds only where some b is equal to a. */
  #linkMembership(
    tokens: readonly Token[],
    span: Span,
    left: ScopeSource | undefined,
    scope: Scope,
    nested: readonly (NestedReading & { readonly span: Span })[],
  ): void {
    for (const part of conjuncts(tokens, span)) {
      const sides = membership(tokens, part);
      if (sides === undefined) continue;
      const operand = columnIn(tokens, sides.operand, scope);
      const subquery = nested.find((one) => one.span.from === sides.subquery.from);
      const [only, ...more] = subquery?.arms ?? [];
      const member = only?.outputs[0]?.named;
      if (operand === undefined || operand.scope !== scope || only === undefined || more.length > 0) continue;
      if (left !== undefined && operand.source !== left) continue;
      if (!isRef(member) || only.aggregated || !isComparable(member.column, operand.named.column)) continue;
      if (only.groups.length > 0 && !only.groups.some(({ named }) => sameRef(named, member))) continue;
      addLink(member, operand.named);
    }
  }

  #outerColumns(tokens: readonly Token[], core: Core, expressions: readonly Span[], scope: Scope): Found[] {
    const skipped = core.subqueries.map(({ span }) => span);
    return expressions.flatMap((span) =>
      usesIn(tokens, span, skipped).flatMap((use) => {
        const meaning = meaningOf(use, scope);
        return meaning.kind === 'column' ? [meaning.found] : [];
      }),
    );
  }

  #aggregates(tokens: readonly Token[], core: Core, orderBy: readonly Span[]): CoreReading['aggregated'] {
    const { aggregates } = this.#schema.functions;
    const columns = core.columns.flatMap((column) => (column.kind === 'expression' ? [column.expression] : []));
    const spans = [...columns, ...orderBy, ...(core.having === undefined ? [] : [core.having])];
    const names = spans.flatMap(
      (span) => functionsOf(tokens, span) ?? refuse('an expression of it was not understood'),
    );
    const found = names.filter((name) => aggregates.has(name));
    if (found.length === 0) return false;
    // With two arguments these are no aggregates.
    return found.some((name) => name !== 'min' && name !== 'max') ? 'surely' : 'perhaps';
  }

  /** `(SELECT sum(outer.x))` is a sum of the SELECT around it. */
  #assertOwnAggregates(tokens: readonly Token[], core: Core, expressions: readonly Span[], scope: Scope): void {
    if (scope.outer === undefined) return;
    const { aggregates } = this.#schema.functions;
    const skipped = core.subqueries.map(({ span }) => span);
    for (const use of expressions.flatMap((span) => usesIn(tokens, span, skipped))) {
      if (!use.insideOf.some((name) => aggregates.has(name))) continue;
      const meaning = meaningOf(use, scope);
      if (meaning.kind === 'column' && meaning.found.scope !== scope)
        refuse('an aggregate in a subquery names a column of the SELECT around it');
    }
  }
}

function withCtes(text: SelectText, select: Select, around: Environment): Environment {
  if (select.ctes.length === 0) return around;
  const environment = new Map(around);
  for (const cte of select.ctes) environment.set(fold(cte.name), { cte, text, environment });
  return environment;
}

function aliasesOf({ columns }: Core): ReadonlyMap<string, Span> {
  const aliases = new Map<string, Span>();
  for (const column of columns) {
    if (column.kind !== 'expression' || column.alias === undefined || aliases.has(fold(column.alias))) continue;
    aliases.set(fold(column.alias), column.expression);
  }
  return aliases;
}

function useOf(tokens: readonly Token[], span: Span): NestedReading['use'] {
  const before = tokens[span.from - 1]?.text.toUpperCase();
  return before === 'EXISTS' ? 'exists' : before === 'IN' ? 'in' : 'scalar';
}
