/** What follows OVER, and the definitions of a WINDOW clause. Invariant: their expressions are scanned like all others. */
import type { Cursor } from './cursor.ts';
import { readOrderBy } from './order.ts';
import { bareAliasIn, firstNameIn, nameIn } from './words.ts';

/** Whether OVER stands here as a keyword: it is a name unless brackets or a name follow. */
export function startsWindow(cursor: Cursor): boolean {
  return cursor.isWord('OVER') && (cursor.isSign('(', 1) || nameIn(cursor.token(1)) !== undefined);
}

/** Goes past `OVER name` or `OVER (…)`. */
export function scanWindow(cursor: Cursor, expression: () => void): void {
  cursor.expectWord('OVER');
  if (cursor.takeName(firstNameIn) === undefined) scanDefinition(cursor, expression);
}

/** Goes past `WINDOW name AS (…), …`; the cursor stands behind WINDOW. */
export function scanWindows(cursor: Cursor, expression: () => void): void {
  cursor.list(() => {
    cursor.expectName(firstNameIn);
    cursor.expectWord('AS');
    scanDefinition(cursor, expression);
  });
}

function scanDefinition(cursor: Cursor, expression: () => void): void {
  cursor.inBrackets(() => {
    // The window that this one is based on.
    cursor.takeName(bareAliasIn);
    if (cursor.takeWord('PARTITION')) {
      cursor.expectWord('BY');
      cursor.list(expression);
    }
    readOrderBy(cursor, expression);
    if (cursor.takeWord('RANGE', 'ROWS', 'GROUPS')) scanFrame(cursor, expression);
  });
}

function scanFrame(cursor: Cursor, expression: () => void): void {
  if (cursor.takeWord('BETWEEN')) {
    scanBound(cursor, expression);
    cursor.expectWord('AND');
  }
  scanBound(cursor, expression);
  if (!cursor.takeWord('EXCLUDE')) return;
  if (cursor.takeWord('NO')) cursor.expectWord('OTHERS');
  else if (cursor.takeWord('CURRENT')) cursor.expectWord('ROW');
  else cursor.expectWord('GROUP', 'TIES');
}

function scanBound(cursor: Cursor, expression: () => void): void {
  if (cursor.takeWord('CURRENT')) {
    cursor.expectWord('ROW');
    return;
  }
  if (!cursor.takeWord('UNBOUNDED')) expression();
  cursor.expectWord('PRECEDING', 'FOLLOWING');
}
