/**
 * Takes a skill's data out of the database, which only happens when somebody asks for exactly that.
 *
 * Invariant: `on_uninstall`, the end of its tables and of everything that is known of it are one transaction. An `on_uninstall`
 * that fails is logged and keeps nothing: who removes a broken skill must be able to.
 */
import { messageOf, quoteName } from '../../sdk/plugin.ts';
import { inLua } from './notes.ts';
import type { Running } from './running.ts';
import type { Runtime } from './runtime.ts';

/** Emitted as `skill:uninstalling`, inside the transaction: whoever keeps something for the skill removes it there. */
export interface Uninstalling {
  readonly id: string;
}

/**
 * @param version the version whose `on_uninstall` is called; undefined when none can be loaded.
 * @throws GC_LOCKED
 */
export async function uninstall(runtime: Runtime, id: string, version: Running | undefined): Promise<void> {
  const { ctx, store, capsule, logs } = runtime;
  const { db } = ctx;
  version?.goSilent();
  // What waits to be written about it must not come after its end.
  db.flushDeferred();
  await inLua(db, () => {
    if (version !== undefined) farewell(version);
    version?.stopReacting();
    for (const table of store.tablesOf(id)) drop(runtime, table);
    capsule.forget(`skill:${id}`);
    store.forget(id);
    ctx.emit('skill:uninstalling', { id } satisfies Uninstalling);
  });
  version?.close();
  logs.forget(id);
}

function farewell(version: Running): void {
  const { runtime, id } = version;
  version.deactivate();
  try {
    runtime.ctx.db.savepoint(() => version.prepare().callIfThere('on_uninstall'));
  } catch (error) {
    runtime.ctx.log.warn(
      `on_uninstall of the skill ${id} failed, and it is removed all the same: ${messageOf(error)}`,
      {
        error,
        skill: id,
      },
    );
  }
}

function drop({ ctx }: Runtime, table: string): void {
  const sql = `DROP TABLE IF EXISTS ${quoteName(table)}`;
  ctx.hooks.beforeSchemaChange.call(sql);
  ctx.db.exec(sql);
  ctx.hooks.afterSchemaChange.call(sql);
}
