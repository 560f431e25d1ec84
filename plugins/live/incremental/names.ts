/**
 * What the names in a query mean: tables where they stand, and columns that can be followed to one.
 *
 * Invariants: a name has the meaning that SQLite gives it, or the query is not incremental; a column is followed only
 * through what leaves its values as they are.
 */
import { fold } from '../access.ts';
import type { ColumnUse, Span } from '../select/types.ts';
import { ROWID } from './catalog.ts';
import type { Column, Table } from './catalog.ts';

/** Thrown when a query cannot be kept current by its changes; the message is a clause that says why. */
export class NotIncremental extends Error {}

export function refuse(clause: string): never {
  throw new NotIncremental(clause);
}

/** A table where it stands in a query: one that stands there twice is two. */
export interface Occurrence {
  readonly table: Table;
  /** Whoever changes a row of it changes only results in which the other row has the same value. */
  readonly links: Link[];
}

export interface Link {
  readonly column: Column;
  readonly parent: Occurrence;
  readonly parentColumn: Column;
}

export interface ColumnRef {
  readonly occurrence: Occurrence;
  readonly column: Column;
}

/** A column that comes from a table as it is, or one that is worked out. */
export type Named = ColumnRef | 'computed';

export interface ScopeSource {
  /** Folded; undefined for a SELECT in brackets without a name. */
  readonly alias: string | undefined;
  readonly join: 'inner' | 'left';
  /** In their order, by folded name. */
  readonly columns: ReadonlyMap<string, Named>;
  /** The table, when it is one. */
  readonly occurrence: Occurrence | undefined;
  /** Columns it shares with what stands before it, by USING. */
  readonly using: ReadonlySet<string>;
}

export interface Scope {
  readonly sources: readonly ScopeSource[];
  /** Folded names that result columns were given, and what stands for them. */
  readonly aliases: ReadonlyMap<string, Span>;
  readonly outer: Scope | undefined;
}

export interface Found {
  readonly named: Named;
  readonly source: ScopeSource;
  readonly scope: Scope;
}

export type Meaning =
  | { readonly kind: 'column'; readonly found: Found }
  /** The name of a result column of the same SELECT. */
  | { readonly kind: 'alias'; readonly expression: Span }
  | { readonly kind: 'literal' };

const ROWIDS = new Set(['rowid', '_rowid_', 'oid']);

/** What a name means, looked for from the innermost SELECT outwards. */
export function meaningOf(use: Pick<ColumnUse, 'source' | 'column' | 'orLiteral'>, innermost: Scope): Meaning {
  const column = fold(use.column);
  const source = use.source === undefined ? undefined : fold(use.source);
  for (let scope: Scope | undefined = innermost; scope !== undefined; scope = scope.outer) {
    const found = findColumn(column, source, scope);
    if (found !== undefined) return { kind: 'column', found };
    const expression = source === undefined ? scope.aliases.get(column) : undefined;
    if (expression !== undefined)
      return scope === innermost ? { kind: 'alias', expression } : refuse(`"${use.column}" names a result column`);
  }
  return use.orLiteral ? { kind: 'literal' } : refuse(`what "${use.column}" is could not be told`);
}

function findColumn(column: string, alias: string | undefined, scope: Scope): Found | undefined {
  const sources = scope.sources.filter((source) => alias === undefined || source.alias === alias);
  if (alias !== undefined && sources.length > 1) refuse(`"${alias}" stands for two tables`);
  const found = sources.flatMap((source) => {
    const named = source.columns.get(column);
    return named === undefined ? [] : [{ named, source, scope }];
  });
  const [first, ...more] = found;
  if (first === undefined) return rowidIn(column, sources, scope);
  if (more.some(({ source }) => !source.using.has(column))) refuse(`"${column}" is a column of two tables`);
  return first;
}

function rowidIn(column: string, sources: readonly ScopeSource[], scope: Scope): Found | undefined {
  const [source, ...more] = sources;
  if (!ROWIDS.has(column) || source === undefined) return undefined;
  const { occurrence } = source;
  const rowid = occurrence?.table.rowid;
  if (occurrence === undefined || rowid === undefined || more.length > 0)
    refuse(`it reads a ${column} that is not logged`);
  return { named: { occurrence, column: rowid }, source, scope };
}

export const isRef = (named: Named | undefined): named is ColumnRef => named !== undefined && named !== 'computed';

export const sameRef = (a: Named, b: Named): boolean =>
  isRef(a) && isRef(b) && a.occurrence === b.occurrence && a.column === b.column;

/** Whether `a = b` means the same as equality of the stored values, in both directions. */
export const isComparable = (a: Column, b: Column): boolean => a.kind === b.kind && a.binary && b.binary;

/** Whether a renumbering by VACUUM changes its values. */
export const isHiddenRowid = ({ name }: Column): boolean => name === ROWID;
