/** Turns differences of results into the events that handlers get. */
import type { ChangeEvent, FollowedRange } from '../../sdk/capsule-types.ts';
import type { Change } from './difference.ts';
import type { ResultKey, ResultRow, Snapshot } from './snapshot.ts';
import { sameValue } from './values.ts';

/** What a result became another by. */
export interface Cause extends Pick<FollowedRange, 'origin'> {
  /** The `seq` up to which the result holds. */
  readonly seq: number;
}

/** An event without its watcher. */
export type UnroutedEvent = Omit<ChangeEvent, 'watcherId'>;

export const QUERY_NAME = '(query)';

/** @param key that of the snapshot the rows come from, or go to; a row without one is its own. */
export function toEvents(
  changes: readonly Change[],
  { before, after, ordered, cause }: { before: Snapshot; after: Snapshot; ordered: boolean; cause: Cause },
): UnroutedEvent[] {
  const { seq, origin } = cause;
  return changes.map(({ old, now, index, oldIndex }) => ({
    seq,
    operation: old === undefined ? 'INSERT' : now === undefined ? 'DELETE' : 'UPDATE',
    tableName: QUERY_NAME,
    rowId: now === undefined ? rowIdOf(old as ResultRow, before.key) : rowIdOf(now, after.key),
    ...(old === undefined ? {} : { oldData: old.data }),
    ...(now === undefined ? {} : { newData: now.data }),
    ...(old === undefined || now === undefined ? {} : { changedColumns: changedColumns(old, now) }),
    ...(!ordered || oldIndex === undefined ? {} : { oldIndex }),
    ...(!ordered || index === undefined ? {} : { index }),
    ...origin,
  }));
}

function rowIdOf({ values, columns }: ResultRow, key: ResultKey | undefined): ChangeEvent['rowId'] {
  const at = key?.at ?? columns.shown;
  const [only] = at;
  if (key !== undefined && at.length === 1 && only !== undefined && values[only] !== null)
    return values[only] as ChangeEvent['rowId'];
  return at.map((index) => values[index]);
}

/** A row that only moved has none. */
function changedColumns(old: ResultRow, now: ResultRow): string[] {
  const { names, shown } = now.columns;
  if (old.columns === now.columns)
    return shown.filter((at) => !sameValue(old.values[at], now.values[at])).map((at) => names[at] as string);
  const before = new Map(old.columns.shown.map((at) => [old.columns.names[at] as string, old.values[at]]));
  const changed = shown.filter((at) => {
    const name = names[at] as string;
    const isSame = before.has(name) && sameValue(before.get(name), now.values[at]);
    before.delete(name);
    return !isSame;
  });
  return [...changed.map((at) => names[at] as string), ...before.keys()];
}
