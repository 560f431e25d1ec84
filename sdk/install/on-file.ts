/** Installing and removing with a database that is named, but not open here. */
import { reading } from '../maintenance/connection.ts';
import { install } from './install.ts';
import type { Activator } from './install.ts';
import { activateOn, approveOn, uninstallOn } from './own-host.ts';
import type { OwnHostOptions } from './own-host.ts';
import { knowsSkill, remove, tablesOf, untilLetGo } from './remove.ts';
import type { DataRemover } from './remove.ts';
import type { OnStep } from './swap.ts';
import type { InstallOptions, InstallResult, RemoveOptions, RemovePlan } from './types.ts';

/** @param host options of the host that the skill is started in for a moment. */
export async function installOnFile(
  options: InstallOptions,
  host: OwnHostOptions = {},
  onStep?: OnStep,
): Promise<InstallResult> {
  const { filename, confirm, force = false } = options;
  if (filename === undefined) return await install(options, undefined, onStep);
  const activator: Activator = {
    activate: async (plan, dependencies) => {
      const report = await activateOn(filename, plan.id, plan.dir, { host, force, dependencies });
      onStep?.('activated');
      // Whoever was asked has seen the permissions: "glyphcase start" need not ask again.
      if (confirm !== undefined) approveOn(filename, plan);
      return report;
    },
  };
  return await install(options, activator, onStep);
}

export async function removeOnFile(options: RemoveOptions, host: OwnHostOptions = {}): Promise<RemovePlan> {
  const { filename } = options;
  if (filename === undefined) return await remove(options);
  const data: DataRemover = {
    folderFirst: true,
    knows: (id) => reading(filename, (connection) => knowsSkill(connection, id)),
    tables: (id) => reading(filename, (connection) => tablesOf(connection, id)),
    uninstall: async (id, folder) => {
      await untilLetGo(filename, id);
      await uninstallOn(filename, id, folder, host);
    },
  };
  return await remove(options, data);
}
