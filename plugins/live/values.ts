/**
 * Values of result rows: when two are the same, and how rows are found again by theirs.
 *
 * Invariant: two values have one code exactly when nobody in JavaScript could tell them apart. No collation counts, and
 * nothing is rounded or turned into JSON.
 */
import type { SqlValue } from '../../sdk/plugin.ts';

/** One row's values, in the order of the result's columns. */
export type Values = readonly SqlValue[];

export function sameValue(a: SqlValue | undefined, b: SqlValue | undefined): boolean {
  if (a === b) return true;
  return a instanceof Uint8Array && b instanceof Uint8Array && Buffer.compare(a, b) === 0;
}

/** `at` says which of the values count. */
export function sameValues(a: Values, b: Values, at: readonly number[]): boolean {
  for (const index of at) if (!sameValue(a[index], b[index])) return false;
  return true;
}

/** A key for a Map. */
export function codeOf(values: Values, at: readonly number[]): unknown {
  if (at.length === 1) {
    const value = values[at[0] as number] as SqlValue;
    // Most keys are one number, which is its own code; texts are kept apart from the codes of others.
    return typeof value === 'number' || typeof value === 'bigint' || value === null ? value : coded(value);
  }
  let code = '';
  for (const index of at) code += coded(values[index] as SqlValue);
  return code;
}

function coded(value: SqlValue): string {
  switch (typeof value) {
    case 'string':
      return `s${value.length}:${value}`;
    case 'number':
      return `n${value};`;
    case 'bigint':
      return `i${value};`;
    default:
      return value === null ? '0' : `b${value.byteLength}:${Buffer.from(value).toString('latin1')}`;
  }
}

/** Parameters as they are bound, told apart from all others. */
export function codeOfParams(bound: readonly unknown[]): string {
  return bound.map((value) => (isNamed(value) ? `{${codeOfNamed(value)}}` : coded(value as SqlValue))).join('');
}

function codeOfNamed(named: Readonly<Record<string, SqlValue>>): string {
  return Object.keys(named)
    .sort()
    .map((name) => coded(name) + coded(named[name] as SqlValue))
    .join('');
}

const isNamed = (value: unknown): value is Readonly<Record<string, SqlValue>> =>
  typeof value === 'object' && value !== null && !(value instanceof Uint8Array);

/** Parameters that their owner can no longer change. */
export function ownParams(bound: readonly unknown[]): readonly unknown[] {
  return bound.map((value) => {
    if (!isNamed(value)) return copied(value);
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, copied(one)]));
  });
}

const copied = (value: unknown): unknown => (value instanceof Uint8Array ? Buffer.from(value) : value);
