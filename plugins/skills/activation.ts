/**
 * Starts a version of a skill, in place of an older one if there is one, and stops it.
 *
 * Invariants: `on_install` and the row that says so are one transaction, and happen once ever; `on_upgrade`, the old
 * version's `on_deactivate`, the new one's `on_activate` and the change of who reacts are one transaction. If it fails, the
 * old version is started again.
 */
import semver from 'semver';
import { messageOf } from '../../sdk/plugin.ts';
import { inLua, notesOf } from './notes.ts';
import type { Running } from './running.ts';

/** @throws what the new version's script throws; nothing of it is left then. */
export async function activate(next: Running, old: Running | undefined): Promise<void> {
  const { db } = next.runtime.ctx;
  let touched: Running | undefined;
  try {
    if (needsInstall(next)) await inLua(db, () => install(next));
    await inLua(db, () => {
      // A script that does not even load must not disturb the one that runs.
      next.prepare();
      touched = old;
      takeOver(next, old);
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
    running.runtime.logs.add(running.id, 'error', `on_deactivate failed: ${messageOf(error)}`);
  }
  running.close();
}

const needsInstall = ({ id, runtime }: Running): boolean => (runtime.store.read(id)?.installedAt ?? null) === null;

function install(next: Running): void {
  const { runtime, id, manifest } = next;
  const instance = next.prepare();
  // Another host may have been quicker.
  if (!needsInstall(next)) return;
  instance.callIfThere('on_install');
  runtime.store.installed(id, manifest.version, runtime.ctx.clock.now());
}

function takeOver(next: Running, old: Running | undefined): void {
  const instance = next.prepare();
  const { store, ctx } = next.runtime;
  const { db } = ctx;
  const from = store.read(next.id)?.version ?? next.manifest.version;
  old?.deactivate();
  old?.stopReacting();
  if (from !== next.manifest.version) {
    if (semver.gt(next.manifest.version, from)) instance.callIfThere('on_upgrade', from);
    store.upgraded(next.id, next.manifest.version, ctx.clock.now());
  }
  next.activate();
  if (db.current === undefined) return;
  notesOf(db.current).add({
    committed: () => {
      old?.close();
      next.goLive();
    },
  });
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
