/**
 * What must be equal for a row to come about, and what follows from it: which rows a change reaches, and which values are
 * settled once others are.
 */
import type { Token } from '../../../sdk/plugin.ts';
import { columnReference, conjuncts, equality } from '../select/expressions.ts';
import type { Span } from '../select/types.ts';
import { isUnique } from './catalog.ts';
import type { Column } from './catalog.ts';
import { isComparable, isRef, meaningOf } from './names.ts';
import type { ColumnRef, Found, Occurrence, Scope, ScopeSource } from './names.ts';

/** A column that is a parameter's value or a literal. */
export interface Constant {
  readonly ref: ColumnRef;
  /** The token of the value; a sign stands before it. */
  readonly value: Span;
}

export interface Equality {
  readonly a: Found & { readonly named: ColumnRef };
  readonly b: Found & { readonly named: ColumnRef };
  /** The source whose LEFT JOIN wants it; undefined when every row wants it. */
  readonly left: ScopeSource | undefined;
  /** Nothing else is wanted there. */
  readonly alone: boolean;
}

export interface Condition {
  readonly span: Span;
  readonly left: ScopeSource | undefined;
}

export interface Demands {
  readonly equalities: readonly Equality[];
  readonly constants: readonly Constant[];
}

export function demandsOf(tokens: readonly Token[], conditions: readonly Condition[], scope: Scope): Demands {
  const equalities: Equality[] = [];
  const constants: Constant[] = [];
  for (const { span, left } of conditions) {
    const parts = conjuncts(tokens, span);
    for (const part of parts) {
      const sides = equality(tokens, part);
      if (sides === undefined) continue;
      const [a, b] = [columnIn(tokens, sides.left, scope), columnIn(tokens, sides.right, scope)];
      if (a !== undefined && b !== undefined) {
        if (isComparable(a.named.column, b.named.column)) equalities.push({ a, b, left, alone: parts.length === 1 });
      } else if (a?.named.column.binary === true && left === undefined && !isColumn(tokens, sides.right)) {
        constants.push({ ref: a.named, value: sides.right });
      } else if (b?.named.column.binary === true && left === undefined && !isColumn(tokens, sides.left)) {
        constants.push({ ref: b.named, value: sides.left });
      }
    }
  }
  return { equalities, constants };
}

const isColumn = (tokens: readonly Token[], span: Span): boolean => columnReference(tokens, span) !== undefined;

/** The column of a table that an expression is, when it is nothing else. */
export function columnIn(
  tokens: readonly Token[],
  span: Span,
  scope: Scope,
): (Found & { readonly named: ColumnRef }) | undefined {
  const use = columnReference(tokens, span);
  if (use === undefined) return undefined;
  const meaning = meaningOf({ ...use, orLiteral: false }, scope);
  if (meaning.kind !== 'column' || !isRef(meaning.found.named)) return undefined;
  return { ...meaning.found, named: meaning.found.named };
}

/**
 * Links the tables of a SELECT along what must be equal. A changed row then reaches only rows with the same value, because
 * without the equality it is part of no result, before or after; where the equality belongs to a LEFT JOIN, only what is
 * joined there needs it.
 */
export function link({ equalities }: Demands, scope: Scope): void {
  for (const { a, b, left } of equalities) {
    for (const [child, parent] of [
      [a, b],
      [b, a],
    ] as const) {
      if (child.scope !== scope || child.source === parent.source) continue;
      if (left !== undefined && child.source !== left) continue;
      addLink(child.named, parent.named);
    }
  }
}

export function addLink(child: ColumnRef, parent: ColumnRef): void {
  if (child.occurrence === parent.occurrence) return;
  child.occurrence.links.push({
    column: child.column,
    parent: parent.occurrence,
    parentColumn: parent.column,
  });
}

/** Columns that have one value each, once others have. */
export class Settled {
  readonly #columns = new Map<Occurrence, Set<Column>>();
  /** What something is equal to is not NULL. */
  readonly #equalled = new Set<Column>();
  readonly #whole = new Set<Occurrence>();

  /** @param given what is settled to begin with; it may be NULL */
  constructor({ equalities, constants }: Demands, scope: Scope, given: readonly ColumnRef[]) {
    for (const ref of given) this.#add(ref);
    for (const { ref } of constants) this.#equal(ref);
    for (let grown = true; grown;) {
      grown = false;
      for (const { a, b, left, alone } of equalities) {
        for (const [from, to] of [
          [a, b],
          [b, a],
        ] as const) {
          if (to.scope !== scope || (left !== undefined && (to.source !== left || !alone))) continue;
          if (from.scope === scope && !this.#isEqual(from.named)) continue;
          // The NULLs of a row that is missing are one value too, as long as nothing else decides that it is.
          if (left !== undefined && !isUnique(to.named.occurrence.table, new Set([to.named.column]))) continue;
          grown = this.#equal(to.named) || grown;
        }
      }
    }
  }

  /** The column has one value. What is only equal to one may be 1 here and 1.0 there, where no type is declared. */
  has(ref: ColumnRef): boolean {
    return this.hasAll(ref.occurrence) || (ref.column.kind !== 'any' && this.#isEqual(ref));
  }

  /** All its values are equal. */
  #isEqual({ occurrence, column }: ColumnRef): boolean {
    return this.#whole.has(occurrence) || (this.#columns.get(occurrence)?.has(column) ?? false);
  }

  /** All its columns are. */
  hasAll(occurrence: Occurrence): boolean {
    return this.#whole.has(occurrence);
  }

  #equal(ref: ColumnRef): boolean {
    this.#equalled.add(ref.column);
    return this.#add(ref);
  }

  #add(ref: ColumnRef): boolean {
    if (this.#isEqual(ref)) return false;
    const columns = this.#columns.get(ref.occurrence) ?? new Set<Column>();
    columns.add(ref.column);
    this.#columns.set(ref.occurrence, columns);
    if (isUnique(ref.occurrence.table, columns, this.#equalled)) this.#whole.add(ref.occurrence);
    return true;
  }
}
