/** ORDER BY, wherever it stands. Invariant: NULLS is told only where it was written. */
import type { Cursor } from './cursor.ts';

export interface Direction {
  readonly descending: boolean;
  readonly nulls?: 'first' | 'last';
}

/** The terms of an ORDER BY, none when there is none. */
export function readOrderBy<T>(cursor: Cursor, expression: () => T): (Direction & { readonly expression: T })[] {
  if (!cursor.takeWord('ORDER')) return [];
  cursor.expectWord('BY');
  return cursor.list(() => ({ expression: expression(), ...readDirection(cursor) }));
}

function readDirection(cursor: Cursor): Direction {
  const descending = cursor.takeWord('DESC');
  if (!descending) cursor.takeWord('ASC');
  if (!cursor.takeWord('NULLS')) return { descending };
  if (cursor.takeWord('FIRST')) return { descending, nulls: 'first' };
  cursor.expectWord('LAST');
  return { descending, nulls: 'last' };
}
