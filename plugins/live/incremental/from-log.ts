/**
 * What the log alone tells of the rows that a change reached, without a look at the database: rows that it shows whole, and
 * counts that went up or down.
 *
 * Invariant: where the log may not tell it all, the answer is undefined, and the rows are read.
 */
import type { Touched } from '../touched.ts';
import type { Values } from '../values.ts';
import type { Body, Fresh } from './bodies.ts';
import { plainRows } from './plain.ts';
import type { Plain } from './plain.ts';
import { differencesOf, recounted } from './tally.ts';
import type { Tally } from './tally.ts';
import { Unordered } from './unordered.ts';

/** Every so many updates the rows are read all the same: if ever a change is missing in the log, its count is not wrong for long. */
const READ_ANYWAY = 16;

/** What is known of a query's rows. */
export interface Known {
  readonly body: Body;
  /** The newest `seq` of the log that they show; undefined when it is not known. */
  end: number | undefined;
  /** How often counts were kept by their differences. */
  tallied: number;
}

export interface LogRules {
  readonly plain: Plain | undefined;
  readonly tally: Tally | undefined;
}

export function freshFromLog(
  { plain, tally }: LogRules,
  params: readonly unknown[],
  known: Known,
  touched: Touched,
): Fresh | undefined {
  if (plain !== undefined) return plainRows(plain, params, touched);
  return tally === undefined ? undefined : tallied(tally, known, touched);
}

function tallied(tally: Tally, known: Known, touched: Touched): Fresh | undefined {
  const { body, end } = known;
  if (end === undefined || !(body instanceof Unordered)) return undefined;
  // Rows that count others came, went or changed.
  if (touched.of(tally.counting.name).length > 0) return undefined;
  known.tallied += 1;
  if (known.tallied % READ_ANYWAY === 0) return undefined;
  const changed = differencesOf(tally, touched, end);
  if (changed === undefined) return undefined;
  const fresh = new Map<unknown, Values[]>();
  for (const [part, differences] of changed) {
    const [row, ...more] = body.of(part);
    // Where the query shows no row, it counts none.
    if (row === undefined) continue;
    const values = more.length > 0 ? undefined : recounted(tally, row.values, differences);
    if (values === undefined) return undefined;
    fresh.set(part, [values]);
  }
  return fresh;
}
