/**
 * Values between JavaScript and SQLite, both ways.
 *
 * Invariant: nothing is rounded. Integers go in as INTEGER (also into TEXT and untyped columns, where a double would
 * become '5.0') and come out as number, or as bigint beyond ±(2^53−1).
 */
import type BetterSqlite3 from 'better-sqlite3';
import type { Params, Row } from './types.ts';
import { GlyphError } from '../errors.ts';

/** What better-sqlite3 is given to bind. */
export type BoundValue = number | bigint | string | Uint8Array | null;

const MAX_INTEGER = 2n ** 63n - 1n;
const MIN_INTEGER = -(2n ** 63n);

/**
 * Converts one value for binding: booleans to 1/0, Date to ISO-8601 text, plain objects and arrays to JSON text,
 * undefined to NULL.
 *
 * @param place where the value stands, for the message: `column "tags" of table posts`, `parameter 2`.
 * @throws GC_BAD_VALUE for functions, symbols, invalid dates, class instances, and integers outside 64 bits.
 */
export function toSqlValue(value: unknown, place: string): BoundValue {
  switch (typeof value) {
    case 'number':
      // better-sqlite3 binds numbers as REAL; only a bigint becomes INTEGER.
      return Number.isSafeInteger(value) && !Object.is(value, -0) ? BigInt(value) : value;
    case 'string':
      return value;
    case 'bigint':
      if (value > MAX_INTEGER || value < MIN_INTEGER) throw badValue(place, `${value} does not fit in 64 bits`);
      return value;
    case 'boolean':
      return value ? 1n : 0n;
    case 'undefined':
      return null;
    case 'object':
      return objectToSqlValue(value, place);
    default:
      throw badValue(place, `a ${typeof value} cannot be stored`);
  }
}

function objectToSqlValue(value: object | null, place: string): BoundValue {
  if (value === null) return null;
  if (value instanceof Uint8Array) return value;
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (value instanceof Date) {
    if (Number.isNaN(value.getTime())) throw badValue(place, 'the Date is invalid');
    return value.toISOString();
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (!Array.isArray(value) && prototype !== Object.prototype && prototype !== null) {
    throw badValue(place, `an instance of ${value.constructor.name} cannot be stored`);
  }
  try {
    return JSON.stringify(value);
  } catch (cause) {
    throw new GlyphError('GC_BAD_VALUE', `Cannot store ${place}: it has no JSON form`, { cause });
  }
}

function badValue(place: string, why: string): GlyphError {
  return new GlyphError('GC_BAD_VALUE', `Cannot store ${place}: ${why}`);
}

/**
 * Converts parameters as a caller passed them.
 * @throws GC_BAD_VALUE, GC_BAD_ARGUMENT when `params` is neither an array nor a plain object.
 */
export function toSqlParams(params: Params | undefined, sql = ''): readonly unknown[] {
  if (params === undefined) return [];
  if (Array.isArray(params) && sql.includes('?1')) {
    // better-sqlite3 takes ?1, ?2 for names, which an array does not have.
    return [Object.fromEntries(params.map((value, index) => [index + 1, toSqlValue(value, `parameter ${index + 1}`)]))];
  }
  if (Array.isArray(params)) return params.map((value, index) => toSqlValue(value, `parameter ${index + 1}`));
  if (!isPlainParams(params)) {
    throw new GlyphError('GC_BAD_ARGUMENT', `Parameters must be an array or an object, not ${describe(params)}`);
  }
  const named: Record<string, BoundValue> = {};
  for (const [name, value] of Object.entries(params)) named[name] = toSqlValue(value, `parameter "${name}"`);
  return [named];
}

/** Types do not hold at run time: a caller in JavaScript may pass anything. */
function isPlainParams(params: unknown): boolean {
  return typeof params === 'object' && params !== null && !(params instanceof Uint8Array) && !(params instanceof Date);
}

/** A short name of a value's kind, for messages. */
export function describe(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object') {
    // An object without a prototype has no constructor.
    const { name } = (value.constructor as { name?: string } | undefined) ?? {};
    return name === undefined || name === '' ? 'an object' : `a ${name}`;
  }
  return `a ${typeof value}`;
}

const inexact = (value: unknown): boolean =>
  typeof value === 'number' && (value > Number.MAX_SAFE_INTEGER || value < Number.MIN_SAFE_INTEGER);

/** An integer that was read as bigint, as a number where that is exact. */
export const exact = (value: unknown): unknown =>
  typeof value === 'bigint' && value <= Number.MAX_SAFE_INTEGER && value >= Number.MIN_SAFE_INTEGER
    ? Number(value)
    : value;

/**
 * All rows of a statement as arrays, integers exact. `stmt` must be in raw mode.
 *
 * Reading with bigints costs three times as much, so rows are read as numbers first and read again only when a value is
 * too large to have been exact.
 */
export function allExactRaw(stmt: BetterSqlite3.Statement, params: readonly unknown[]): unknown[][] {
  if (stmt.readonly) {
    const rows = stmt.all(...params) as unknown[][];
    if (!rows.some((row) => row.some(inexact))) return rows;
  }
  stmt.safeIntegers(true);
  try {
    return (stmt.all(...params) as unknown[][]).map((row) => row.map(exact));
  } finally {
    stmt.safeIntegers(false);
  }
}

/** All rows of a statement as plain objects, integers exact. */
export function allExact(stmt: BetterSqlite3.Statement, params: readonly unknown[]): Row[] {
  if (stmt.readonly) {
    const rows = stmt.all(...params) as Row[];
    if (!rows.some(hasInexact)) return rows;
  }
  stmt.safeIntegers(true);
  try {
    const rows = stmt.all(...params) as Row[];
    for (const row of rows) for (const name in row) row[name] = exact(row[name]);
    return rows;
  } finally {
    stmt.safeIntegers(false);
  }
}

function hasInexact(row: Row): boolean {
  for (const name in row) if (inexact(row[name])) return true;
  return false;
}
