/** Several results of one host function, told apart from an array, which is a table in Lua. */
import type { LuaResults } from './types.ts';

class Results implements LuaResults {
  readonly kind = 'lua-results';
  readonly values: readonly unknown[];

  constructor(values: readonly unknown[]) {
    this.values = values;
  }
}

export function results(...values: readonly unknown[]): LuaResults {
  return new Results(values);
}

export function isResults(value: unknown): value is LuaResults {
  return value instanceof Results;
}
