/** Installing and removing in a running host: `db.skills.install` and `db.skills.remove`. */
import type { SkillsService } from '../../plugins/skills/types.ts';
import type { Connection } from '../maintenance/connection.ts';
import { activated } from './activated.ts';
import { install } from './install.ts';
import type { Activator } from './install.ts';
import { knowsSkill, remove, tablesOf } from './remove.ts';
import type { DataRemover } from './remove.ts';
import type { InstallOptions, InstallResult, RemoveOptions, RemovePlan } from './types.ts';

export async function installInHost(
  service: SkillsService,
  options: Omit<InstallOptions, 'filename'>,
): Promise<InstallResult> {
  const activator: Activator = {
    activate: async ({ dir }) => activated(await service.load(dir, { force: options.force === true })),
    takenBack: async ({ id, dir }, hadOld) => {
      if (hadOld) await service.load(dir);
      else if (service.get(id) !== undefined) await service.unload(id);
    },
  };
  return await install(options, activator);
}

export async function removeInHost(
  service: SkillsService,
  connection: () => Connection,
  options: Omit<RemoveOptions, 'filename'>,
): Promise<RemovePlan> {
  const data: DataRemover = {
    // It runs here, so its on_uninstall can be called at once, and nobody needs to be waited for.
    folderFirst: false,
    knows: (id) => knowsSkill(connection(), id) || service.get(id) !== undefined,
    tables: (id) => tablesOf(connection(), id),
    uninstall: (id) => service.uninstall(id),
    letGo: async (id) => {
      if (service.get(id) !== undefined) await service.unload(id);
    },
  };
  return await remove(options, data);
}
