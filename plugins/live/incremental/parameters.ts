/** Values that a query is given: literals in its text, and its parameters. */
import type { SqlValue, Token } from '../../../sdk/plugin.ts';
import type { Span } from '../select/types.ts';

/** Finds a value among the parameters of one query. Undefined when it cannot be told. */
export type ValueOf = (params: readonly unknown[]) => SqlValue | undefined;

/** A whole number or a parameter in a text; undefined when it is something else. */
export function valueAt(tokens: readonly Token[], { from, to }: Span): ValueOf | undefined {
  const token = tokens[from];
  if (token === undefined || to - from !== 1) return undefined;
  const { type, text } = token;
  if (type === 'number') {
    const value = Number(text);
    return Number.isSafeInteger(value) ? () => value : undefined;
  }
  if (type !== 'parameter') return undefined;
  if (text !== '?') return (params) => named(params)?.[text.slice(1)] as SqlValue | undefined;
  const position = tokens.slice(0, from).filter((one) => one.type === 'parameter' && one.text === '?').length;
  return (params) => params[position] as SqlValue | undefined;
}

/** A text in quotes; undefined when it is something else. */
export function textAt(tokens: readonly Token[], { from, to }: Span): ValueOf | undefined {
  const token = tokens[from];
  if (token?.type !== 'string' || to - from !== 1) return undefined;
  const text = token.text.slice(1, -1).replaceAll("''", "'");
  return () => text;
}

/** The parameters that are bound by name, numbers included. */
export function named(params: readonly unknown[]): Readonly<Record<string, unknown>> | undefined {
  const last = params.at(-1);
  return typeof last === 'object' && last !== null && !(last instanceof Uint8Array)
    ? (last as Readonly<Record<string, unknown>>)
    : undefined;
}

/** The parameters, and more that are bound by name. */
export function withNamed(params: readonly unknown[], more: Readonly<Record<string, unknown>>): readonly unknown[] {
  const known = named(params);
  return known === undefined ? [...params, more] : [...params.slice(0, -1), { ...known, ...more }];
}

/** A value as the key of a Map: one for all that SQLite takes for equal. */
export function keyOf(value: SqlValue): unknown {
  switch (typeof value) {
    case 'bigint':
      return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
    case 'number':
      return Number.isInteger(value) && !Number.isSafeInteger(value) ? BigInt(value) : value;
    case 'string':
      return `s${value.toWellFormed()}`;
    default:
      return value === null ? null : `b${Buffer.from(value).toString('latin1')}`;
  }
}
