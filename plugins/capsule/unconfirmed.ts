/**
 * Rows that REPLACE removed although nothing was stored in their place: removing one deleted, by ON DELETE CASCADE, the very
 * row whose UPDATE removed it.
 *
 * In the log that looks like an UPDATE OR IGNORE that came to nothing before the row was deleted. So whether the row is still
 * there decides, or else the first that the log tells of it later.
 */
import { quoteName } from '../../sdk/plugin.ts';
import type { Database } from '../../sdk/plugin.ts';
import { identity, sameImage, sameKey } from './images.ts';
import type { LoggedChange } from './images.ts';
import { OP } from './triggers.ts';

/** A row that a trigger saw to be in the way. */
export type InTheWay = Pick<LoggedChange, 'seq' | 'layout'> & { readonly old: NonNullable<LoggedChange['old']> };

/**
 * Whether the row is gone, though no change says so.
 *
 * @param changes what the log tells of the same range
 * @param later reads what it tells of the time after that; called after a look at the table
 */
export function isGoneUntold(
  row: InTheWay,
  changes: readonly LoggedChange[],
  db: Database,
  later: () => readonly LoggedChange[],
): boolean {
  const since = changes.filter(({ seq, layout }) => seq > row.seq && layout.table === row.layout.table);
  if (!since.some(({ op }) => op === OP.delete)) return false;
  const known = wasThere(row, since);
  if (known !== undefined) return !known;
  const isThere = lookedUp(row, db);
  return !(wasThere(row, later()) ?? isThere);
}

/** What the first change of the row says of whether it was there before; undefined when there is none. */
function wasThere({ layout, old }: InTheWay, changes: readonly LoggedChange[]): boolean | undefined {
  for (const change of changes) {
    if (change.layout.table !== layout.table) continue;
    if (change.old !== undefined && sameImage(change.old, old)) return true;
    if (change.layout.id === layout.id && sameKey(layout, change.now, old)) return sameKey(layout, change.old, old);
  }
  return undefined;
}

function lookedUp({ layout, old }: InTheWay, db: Database): boolean {
  const columns = identity(layout);
  const nameOf = (index: number): string => {
    const column = layout.columns[index];
    return column === undefined ? (layout.rowidName as string) : quoteName(column.name);
  };
  const wanted = columns.map((index) => `${nameOf(index)} COLLATE BINARY IS ?`).join(' AND ');
  try {
    const found = db.prepareRead(`SELECT 1 FROM main.${quoteName(layout.table)} WHERE ${wanted} LIMIT 1`);
    return found.get(...columns.map((index) => old[index])) !== undefined;
  } catch {
    // A table that is another by now: nobody is told of its rows any more.
    return true;
  }
}
