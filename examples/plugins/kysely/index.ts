/**
 * The plugin `kysely`: typed queries on the host's own connection, and typed queries that stay current.
 *
 * Invariant: it opens no connection of its own; everything it reads and writes is read and written by the host.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { definePlugin, GlyphError } from 'glyphcase/sdk';
import type { LiveService } from 'glyphcase/sdk';
import type { Kysely } from 'kysely';
import { createHostKysely } from './host-kysely.ts';
import { createWatch } from './watch.ts';
import type { WatchQuery } from './watch.ts';

export type { RowsHandler, WatchedQuery, WatchOptions, WatchQuery } from './watch.ts';

/**
 * The service `kysely`. `DB` names your tables and their columns, as Kysely wants them.
 *
 * @example
 * ```ts
 * const { db, watch } = ctx.use<KyselyService<Tables>>('kysely');
 * await db.insertInto('orders').values({ total: 12 }).execute();
 * watch(db.selectFrom('orders').selectAll().where('total', '>', 10), (rows) => show(rows), { signal: ctx.signal });
 * ```
 */
export interface KyselyService<DB> {
  /** One instance, shared by all. Its transactions are the host's. */
  readonly db: Kysely<DB>;
  /**
   * Calls `handler` with the rows of a query now and after every change of them, whoever makes it.
   * @throws GC_NOT_WATCHABLE, GC_NO_SUCH_TABLE, GC_WRITE_IN_QUERY and what else the service `live` throws
   */
  readonly watch: WatchQuery;
}

export default definePlugin({
  name: 'kysely',
  version: '1.0.0',
  glyphcase: '^1.0.0',
  // `batching` decides when what `live` finds is delivered.
  requires: { live: '^1.0.0', batching: '^1.0.0' },
  provides: { kysely: '1.0.0' },
  activate(ctx) {
    const db = createHostKysely<unknown>({
      db: ctx.db,
      hooks: ctx.hooks,
      opening: new AsyncLocalStorage(),
      assertOpen: () => {
        if (!ctx.scope.closed) return;
        throw new GlyphError('GC_SCOPE_CLOSED', 'The plugin `kysely` that gave this instance has stopped', {
          hint: "Take the instance anew: ctx.onService('kysely', ({ db }) => …).",
        });
      },
    });
    ctx.provide<KyselyService<unknown>>('kysely', { db, watch: createWatch(ctx, ctx.use<LiveService>('live')) });
  },
});
