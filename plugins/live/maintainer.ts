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
  /** The rows of the present snapshot have to be there after the next update too. */
  readonly held: boolean;
}

export interface Maintainer {
  readonly mode: 're-run' | 'incremental';
  /** Why in this way, as a sentence. */
  readonly why: string;
  /** Somebody subscribes to the query from now on, or nobody any more. */
  join?(query: Maintained): void;
  leave?(query: Maintained): void;
  /** Which of the queries that have joined may have another result now; undefined for all. */
  affected?(touched: Touched): Iterable<Maintained> | undefined;
  /**
   * Brings a result to what the reader shows. `touched` is what was delivered since it was last brought up to date; the
   * reader may show later commits too, of which it will hear again. Undefined when that is not known. True when it is
   * another result now.
   */
  update(query: Maintained, touched: Touched | undefined): boolean;
}

export interface ReRunOptions {
  /** Told of every run, of all of a query or of a part of it. */
  readonly ran: () => void;
  /** A result with more rows is an error. The statement need not return more than one beyond. */
  readonly maxRows?: number;
  /** Why there is no quicker way, as a clause. */
  readonly because?: string;
}

/** Runs the query again and compares: right for every query. */
export class ReRun implements Maintainer {
  readonly mode = 're-run';
  readonly why: string;
  readonly #statement: ReturnType<Database['prepare']>;
  readonly #options: ReRunOptions;

  /** @param statement on the reader, in raw mode. */
  constructor(statement: ReturnType<Database['prepare']>, options: ReRunOptions) {
    const because =
      options.because === undefined ? '' : ` Only what changed cannot be worked out, because ${options.because}.`;
    this.why = `A commit that touches what it reads has it run again, and the result is compared row by row with the one before.${because}`;
    this.#statement = statement;
    this.#options = options;
  }

  update({ params, result }: Pick<Maintained, 'params' | 'result'>): boolean {
    const { ran, maxRows = Infinity } = this.#options;
    ran();
    const rows = allExactRaw(this.#statement, params) as unknown as readonly Values[];
    assertFew(rows.length, maxRows);
    return result.replace(rows);
  }
}

/** @throws GC_BAD_ARGUMENT when a result has more rows than it may */
export function assertFew(rows: number, maxRows: number): void {
  if (rows <= maxRows) return;
  throw new GlyphError('GC_BAD_ARGUMENT', `The result of a watched query has more than ${maxRows} rows`, {
    hint: 'Add a LIMIT, or let SQL do the counting (count, sum, group by).',
  });
}
