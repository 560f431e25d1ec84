/** Tells targets apart by value, so that `[1]` in one render is `[1]` in the next. */
import { encode } from './codec.ts';
import type { Target } from './live-source.ts';

export function keyOf(target: Target): string {
  return 'sql' in target
    ? JSON.stringify(['query', target.sql, valueOf(target.params)])
    : JSON.stringify(['row', target.table, encode(target.id)]);
}

/** The same text for the same parameters, in whatever order they are named. */
export const codeOfParams = (params: unknown): string => JSON.stringify(valueOf(params));

function valueOf(params: unknown): unknown {
  if (typeof params !== 'object' || params === null || Array.isArray(params)) return encode(params) ?? [];
  return encode(Object.entries(params).sort(([a], [b]) => (a < b ? -1 : 1)));
}
