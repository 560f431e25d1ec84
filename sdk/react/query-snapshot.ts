/**
 * The rows that a server rendered, for the page to begin with.
 *
 * Invariant: while a page takes over what the server rendered, each query has the rows of the server, whatever happened since;
 * as soon as a query has rows of its own, the server's are no longer taken.
 */
import type { Row } from '../../kernel/database/types.ts';
import { decode, encode } from './codec.ts';
import { success } from './live-source.ts';
import type { QueryState } from './live-source.ts';

/**
 * Collects on the server what is rendered, and gives it to the page. One for each request: what is in it is in the page.
 * @example
 * ```ts
 * const snapshot = new QuerySnapshot();
 * const html = renderToString(createElement(GlyphCaseProvider, { db, snapshot }, createElement(App)));
 * const script = `<script>window.rows = ${snapshot.toScript()}</script>`;
 * // In the page: <GlyphCaseProvider source={source} snapshot={QuerySnapshot.from(window.rows)}>
 * ```
 */
export class QuerySnapshot {
  readonly #states = new Map<string, QueryState>();
  readonly #isOfServer: boolean;
  readonly #settled = new Set<string>();

  constructor(rows?: ReadonlyMap<string, readonly Row[]>) {
    this.#isOfServer = rows === undefined;
    for (const [key, some] of rows ?? []) this.#states.set(key, success(some));
  }

  /** In the page, of what {@link toScript} wrote. */
  static from(written: unknown): QuerySnapshot {
    const entries = Object.entries((decode(written) ?? {}) as Record<string, readonly Row[]>);
    return new QuerySnapshot(new Map(entries));
  }

  /** As an expression of JavaScript that may stand in a `<script>`. */
  toScript(): string {
    const rows = Object.fromEntries([...this.#states].map(([key, state]) => [key, state.rows]));
    return JSON.stringify(encode(rows))
      .replaceAll('<', '\\u003c')
      .replaceAll('\u2028', '\\u2028')
      .replaceAll('\u2029', '\\u2029');
  }

  /** What the server shows, and what the page shows while it takes over. */
  asServed<T>(key: string, present: () => QueryState<T>): QueryState<T> {
    const served = this.#states.get(key);
    if (served !== undefined) return served as QueryState<T>;
    const state = present();
    if (this.#isOfServer && state.status === 'success') this.#states.set(key, state as QueryState);
    return state;
  }

  /** What the page shows: the server's rows until there are others. */
  until<T>(key: string, present: QueryState<T>): QueryState<T> {
    if (present.status !== 'pending') this.#settled.add(key);
    const served = this.#settled.has(key) ? undefined : this.#states.get(key);
    return (served as QueryState<T> | undefined) ?? present;
  }
}
