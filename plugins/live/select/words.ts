/**
 * Which words of SQLite's grammar (parse.y) can be names, and where.
 *
 * Invariant: a word is taken for a name only where SQLite cannot take it for anything else.
 */
import { nameOf } from '../../../sdk/plugin.ts';
import type { Token } from '../../../sdk/plugin.ts';

const words = (list: string): ReadonlySet<string> => new Set(list.split(' '));

/** Never names unless quoted. */
const RESERVED = words(
  'ADD ALL ALTER AND AS AUTOINCREMENT BETWEEN CASE CHECK COLLATE COMMIT CONSTRAINT CREATE DEFAULT DEFERRABLE DELETE ' +
    'DISTINCT DROP ELSE ESCAPE EXCEPT EXISTS FOREIGN FROM GROUP HAVING IN INDEX INSERT INTERSECT INTO IS ISNULL JOIN ' +
    'LIMIT NOT NOTHING NOTNULL NULL ON OR ORDER PRIMARY REFERENCES RETURNING SELECT SET TABLE THEN TO TRANSACTION ' +
    'UNION UNIQUE UPDATE USING VALUES WHEN WHERE',
);

/** Names where nothing but a name can stand: behind AS or a point. */
const JOINING = words('CROSS FULL INDEXED INNER LEFT NATURAL OUTER RIGHT');

/** What SQLite reads as names where it can, but not wherever an expression or a source can begin. */
const TWO_MEANINGS = words('CAST CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP END RAISE RECURSIVE WINDOW WITH WITHIN');

/** All others that mean something somewhere, so that an alias without AS could be read in two ways. */
const OTHER_KEYWORDS = words(
  'ABORT ACTION AFTER ALWAYS ANALYZE ASC ATTACH BEFORE BEGIN BY CASCADE COLUMN CONFLICT CURRENT DATABASE DEFERRED DESC ' +
    'DETACH DO EACH EXCLUDE EXCLUSIVE EXPLAIN FAIL FILTER FIRST FOLLOWING FOR GENERATED GLOB GROUPS IF IGNORE IMMEDIATE ' +
    'INITIALLY INSTEAD KEY LAST LIKE MATCH MATERIALIZED NO NULLS OF OFFSET OTHERS OVER PARTITION PLAN PRAGMA PRECEDING ' +
    'QUERY RANGE REGEXP REINDEX RELEASE RENAME REPLACE RESTRICT ROLLBACK ROW ROWS SAVEPOINT TEMP TEMPORARY TIES TRIGGER ' +
    'UNBOUNDED VACUUM VIEW VIRTUAL WITHOUT',
);

/** The name behind AS or a point, in USING and in lists of columns. */
export function nameIn(token: Token | undefined): string | undefined {
  return RESERVED.has(upper(token)) ? undefined : nameOf(token);
}

/** The name with which an expression or a source begins; `'x'` is none. */
export function firstNameIn(token: Token | undefined): string | undefined {
  const word = upper(token);
  if (token?.type === 'string' || JOINING.has(word) || TWO_MEANINGS.has(word)) return undefined;
  return nameIn(token);
}

/** The alias without AS. */
export function bareAliasIn(token: Token | undefined): string | undefined {
  return isKeywordOfSqlite(upper(token)) ? undefined : nameOf(token);
}

/** Whether a word, in upper case, is one of SQLite's keywords. */
export function isKeywordOfSqlite(word: string): boolean {
  return [RESERVED, JOINING, TWO_MEANINGS, OTHER_KEYWORDS].some((some) => some.has(word));
}

/** A word in upper case; empty for all other tokens. */
export function upper(token: Token | undefined): string {
  return token?.type === 'word' ? token.text.toUpperCase() : '';
}
