/**
 * How the results of the queries of one shape are kept current.
 *
 * A maintainer is chosen when a shape is planned. Invariant: after `update`, a query's result is what running it in the open
 * read transaction gives.
 */
import { allExactRaw, GlyphError } from '../../sdk/plugin.ts';
import type { Database } from '../../sdk/plugin.ts';
import type { Result } from './result.ts';
import type { Touched } from './touched.ts';
import type { Values } from './values.ts';

/** A query as a maintainer sees it. */
export interface Maintained {
  readonly params: readonly unknown[];
  readonly result: Result;
}

export interface Maintainer {
  readonly mode: 're-run' | 'incremental';
  /** Why in this way, as a sentence. */
  readonly why: string;
  /** Which of the queries may have another result now. All of them concern the same tables. */
  affected<Query extends Maintained>(queries: Iterable<Query>, touched: Touched): Iterable<Query>;
  /**
   * Brings a result to what the reader shows. `touched` is what was delivered since it was last brought up to date; the
   * reader may show later commits too, of which it will hear again. Undefined when that is not known. True when it is
   * another result now.
   */
  update(query: Maintained, touched: Touched | undefined): boolean;
}

export interface ReRunOptions {
  /** Told of every run. */
  readonly ran: () => void;
  /** A result with more rows is an error. The statement need not return more than one beyond. */
  readonly maxRows?: number;
}

/** Runs the query again and compares: right for every query. */
export class ReRun implements Maintainer {
  readonly mode = 're-run';
  readonly why =
    'A commit that touches what it reads has it run again, and the result is compared row by row with the one before.';
  readonly #statement: ReturnType<Database['prepare']>;
  readonly #options: ReRunOptions;

  /** @param statement on the reader, in raw mode. */
  constructor(statement: ReturnType<Database['prepare']>, options: ReRunOptions) {
    this.#statement = statement;
    this.#options = options;
  }

  affected<Query extends Maintained>(queries: Iterable<Query>): Iterable<Query> {
    return queries;
  }

  update({ params, result }: Maintained): boolean {
    const { ran, maxRows = Infinity } = this.#options;
    ran();
    const rows = allExactRaw(this.#statement, params) as unknown as readonly Values[];
    if (rows.length > maxRows) {
      throw new GlyphError('GC_BAD_ARGUMENT', `The result of a watched query has more than ${maxRows} rows`, {
        hint: 'Add a LIMIT, or let SQL do the counting (count, sum, group by).',
      });
    }
    return result.replace(rows);
  }
}
