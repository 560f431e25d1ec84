/**
 * Starts a version of a skill, in place of an older one if there is one, and stops it.
 *
 * Invariants: migrations, `on_install` or `on_upgrade`, the old version's `on_deactivate`, the new one's `on_activate`, the change
 * of who reacts, and the row that says so are one transaction: all of it happens, or none. If it fails, the old version is
 * started again. `on_install` so happens once ever.
 */
import semver from 'semver';
import { GlyphError, messageOf } from '../../sdk/plugin.ts';
import type { Instance } from './instance.ts';
import { pendingMigrations } from './migrations.ts';
import { inLua, notesOf } from './notes.ts';
import type { Running } from './running.ts';

export interface ActivateOptions {
  /** Also when an older version takes the place of a newer one. */
  readonly force: boolean;
}

/** @throws what the new version's script throws, GC_DOWNGRADE, GC_BAD_MIGRATION; nothing of it is left then. */
export async function activate(next: Running, old: Running | undefined, options: ActivateOptions): Promise<void> {
  let touched: Running | undefined;
  try {
    await inLua(next.runtime.ctx.db, () => {
      if (old !== undefined) next.succeed(old);
      // A script that does not even load must not disturb the one that runs.
      const instance = next.prepare();
      const version = installedVersion(next);
      if (!options.force) refuseDowngrade(next, version);
      touched = old;
      old?.deactivate();
      old?.stopReacting();
      installOrUpgrade(next, instance, version);
      next.activate();
      whenCommitted(next, () => {
        old?.yieldTo(next);
        next.goLive();
      });
    });
  } catch (error) {
    next.close();
    if (touched !== undefined) await revive(touched);
    throw error;
  }
}

/** Stops a version: `on_deactivate`, then everything it holds. Never fails. */
export async function stop(running: Running): Promise<void> {
  const { db } = running.runtime.ctx;
  running.goSilent();
  try {
    if (db.sqlite.open) await inLua(db, () => running.deactivate());
  } catch (error) {
    running.runtime.logs.add(running.id, 'error', `on_deactivate failed: ${messageOf(error)}`, error);
  }
  running.close();
}

/** The version in the file; undefined when it was never installed there. */
function installedVersion({ id, manifest, runtime }: Running): string | undefined {
  const row = runtime.store.read(id);
  return row === undefined || row.installedAt === null ? undefined : (row.version ?? manifest.version);
}

function refuseDowngrade({ id, manifest }: Running, installed: string | undefined): void {
  if (installed === undefined || !semver.lt(manifest.version, installed)) return;
  throw new GlyphError(
    'GC_DOWNGRADE',
    `Version ${manifest.version} of the skill ${id} is older than ${installed}, which has run on this database`,
    { skill: id, phase: 'version' },
  );
}

function installOrUpgrade(next: Running, instance: Instance, installed: string | undefined): void {
  const { id, folder, manifest, runtime } = next;
  const { store, ctx } = runtime;
  const now = ctx.clock.now();
  for (const migration of pendingMigrations(folder, store.migrationsOf(id))) {
    instance.execute(migration.path, migration.sql);
    store.migrated(id, migration, now);
  }
  if (installed === undefined) {
    instance.callIfThere('on_install');
    store.installed(id, manifest.version, now);
  } else if (installed !== manifest.version) {
    if (semver.gt(manifest.version, installed)) instance.callIfThere('on_upgrade', installed);
    store.upgraded(id, manifest.version, now);
  }
}

function whenCommitted({ runtime }: Running, committed: () => void): void {
  const { current } = runtime.ctx.db;
  if (current !== undefined) notesOf(current).add({ committed });
}

async function revive(old: Running): Promise<void> {
  try {
    await inLua(old.runtime.ctx.db, () => old.revive());
    old.goLive();
    old.resume();
  } catch (error) {
    old.runtime.logs.add(old.id, 'error', `The running version could not be started again: ${messageOf(error)}`);
  }
}
