/** Filters of watches run in the host, for every change of the table and with no time limit: they are held to what is quick. */
import { unboundedCall } from './amplifiers.ts';
import { callsSlowly } from './slow-functions.ts';

/** Why a skill's filter is refused; undefined when it is not. */
export function slowFilter(filter: string | undefined): string | undefined {
  if (filter === undefined) return undefined;
  const call = unboundedCall(filter);
  if (call !== undefined) return `it calls ${call} with a size that only shows when it runs`;
  return callsSlowly(filter) ? 'it searches for a text whose length only shows when it runs' : undefined;
}
