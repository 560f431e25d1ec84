/** Chooses how the results of a query are kept current: incrementally where that is proven right, else by running it again. */
import type { Access, Database } from '../../sdk/plugin.ts';
import type { Facts } from './incremental/facts.ts';
import { Incremental } from './incremental/incremental.ts';
import { findRecipe } from './incremental/recipe.ts';
import { ReRun } from './maintainer.ts';
import type { Maintainer } from './maintainer.ts';

export interface ChoiceParts {
  readonly sql: string;
  /** The query itself, on the reader, in raw mode. */
  readonly statement: ReturnType<Database['prepare']>;
  /** The number of columns of its result. */
  readonly width: number;
  readonly db: Database;
  readonly facts: Facts;
  readonly schemaVersion: () => number;
  readonly ran: () => void;
  readonly maxRows?: number;
}

export interface Choice {
  readonly maintainer: Maintainer;
  /** What is read to keep it current, beside the query itself. */
  readonly reads: readonly Access[];
}

export function chooseMaintainer(parts: ChoiceParts): Choice {
  const { sql, statement, width, db, facts, schemaVersion, ran, maxRows } = parts;
  const options = { ran, ...(maxRows === undefined ? {} : { maxRows }) };
  const reRun = (because: string): Choice => ({
    maintainer: new ReRun(statement, { ...options, because }),
    reads: [],
  });
  const { schema } = facts;
  const access = db.readAccess.check(sql);
  const moody = [...access.functions].find((name) => !schema.functions.steady.has(name));
  if (moody !== undefined) return reRun(`${moody}() may give another value for the same rows`);
  if (access.virtualTables.size > 0) return reRun('it reads a virtual table');
  if (access.recursive) return reRun('it is recursive');
  const recipe = findRecipe(sql, width, schema);
  if ('why' in recipe) return reRun(recipe.why);
  if (recipe.order !== undefined && db.prepareRead('PRAGMA main.encoding').pluck().get() !== 'UTF-8')
    return reRun('it is sorted, and the database holds its texts as UTF-16');
  return {
    maintainer: new Incremental(recipe, { ...options, db, schemaVersion, fallback: new ReRun(statement, options) }),
    reads: recipe.arms.map(({ statements }) => db.readAccess.check(statements.full)),
  };
}
