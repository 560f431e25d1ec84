/**
 * What the reader of SELECTs knows of a statement: where its parts stand, as positions of tokens.
 *
 * Invariant: a part is described only when all of it was understood; what is not is refused whole, by name.
 */
import type { Token } from '../../../sdk/plugin.ts';

/** Tokens `from` (included) to `to` (not included) of a text. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

export interface SelectText {
  readonly sql: string;
  /** Without the semicolon at the end. */
  readonly tokens: readonly Token[];
  readonly select: Select;
}

export interface Select {
  /** From WITH or SELECT to the end. */
  readonly span: Span;
  readonly ctes: readonly Cte[];
  /** Joined by UNION ALL when they are several. */
  readonly arms: readonly Core[];
  readonly orderBy: readonly OrderTerm[];
  readonly limit?: Span;
  readonly offset?: Span;
}

/** It may use those before it, never itself or those after it. */
export interface Cte {
  readonly name: string;
  /** `busy(user, n)`: the names given there. */
  readonly columns?: readonly string[];
  readonly select: Select;
}

/** One SELECT … FROM … WHERE … GROUP BY … HAVING … WINDOW. */
export interface Core {
  /** From SELECT to the end of HAVING or WINDOW. */
  readonly span: Span;
  readonly distinct: boolean;
  readonly columns: readonly ResultColumn[];
  /** Where one more result column could be written: the position after the last. */
  readonly columnsEnd: number;
  /** Empty when there is no FROM. */
  readonly from: readonly Source[];
  /** Where a WHERE could be written when there is none: the position after FROM. */
  readonly fromEnd: number;
  /** The condition, without the keyword. */
  readonly where?: Span;
  readonly groupBy: readonly Span[];
  readonly having?: Span;
  /** Some result column or ORDER BY has OVER, or there is a WINDOW clause. */
  readonly windowed: boolean;
  /** SELECTs in brackets within its expressions, outermost only, in the order in which they stand. Not those of FROM. */
  readonly subqueries: readonly Subquery[];
}

export type ResultColumn =
  /** `*` */
  | { readonly kind: 'all'; readonly span: Span }
  /** `t.*` */
  | { readonly kind: 'allOf'; readonly span: Span; readonly source: string }
  | { readonly kind: 'expression'; readonly span: Span; readonly expression: Span; readonly alias?: string };

/** What stands in FROM. */
export interface Source {
  /** Its name or SELECT in brackets, with its alias and INDEXED BY. */
  readonly span: Span;
  /** How it is joined to what stands before it; `inner` for the first, for commas and CROSS JOIN. */
  readonly join: 'inner' | 'left';
  /** The name of a table, view or CTE. Undefined for a SELECT in brackets. */
  readonly name?: string;
  /** `main.tasks`. */
  readonly schema?: string;
  readonly select?: Select;
  /** The name by which its columns are qualified; undefined for a SELECT in brackets that has none. */
  readonly alias?: string;
  readonly on?: Span;
  readonly using?: readonly string[];
}

export interface OrderTerm {
  readonly expression: Span;
  readonly descending: boolean;
  /** As written; undefined for SQLite's default (first when ascending). */
  readonly nulls?: 'first' | 'last';
}

export interface Subquery {
  readonly select: Select;
  /** The SELECT and the brackets around it. */
  readonly span: Span;
  readonly place: 'columns' | 'on' | 'where' | 'groupBy' | 'having' | 'orderBy';
}

/** A column as an expression names it. */
export interface ColumnUse {
  /** `t` of `t.id`. */
  readonly source?: string;
  readonly column: string;
  /** TRUE and FALSE: columns where there are such columns, else 1 and 0. */
  readonly orLiteral: boolean;
  readonly span: Span;
  /** The functions in whose brackets (or FILTER) it stands, in lower case, outermost first: `['count']` in `count(t.id)`. */
  readonly insideOf: readonly string[];
}

/** Why a statement was not understood, as a clause: `it has a RIGHT JOIN`. */
export interface Refusal {
  readonly refused: string;
}
