/** The plugins in a folder of plugins, and those among installed packages. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { isPluginFolder, isPluginName, packageOf } from './source.ts';

/** What a package.json has among its keywords to be a plugin. */
export const KEYWORD = 'glyphcase-plugin';

/** Files and folders in a folder that are plugins by the look of them, by name. */
export function pluginsIn(dir: string): readonly string[] {
  return namesIn(dir)
    .filter((name) => isPluginName(name) || isPluginFolder(join(dir, name)))
    .map((name) => join(dir, name))
    .sort();
}

/** Folders of the plugin packages in a node_modules folder, scoped ones too, by name. */
export function pluginPackages(dir: string): readonly string[] {
  return namesIn(dir)
    .flatMap((name) => (name.startsWith('@') ? namesIn(join(dir, name)).map((inner) => join(name, inner)) : [name]))
    .map((name) => join(dir, name))
    .filter(isPluginPackage)
    .sort();
}

/** Names in a folder, without hidden ones; none when it is not there. */
function namesIn(dir: string): readonly string[] {
  try {
    return readdirSync(dir).filter((name) => !name.startsWith('.'));
  } catch {
    return [];
  }
}

function isPluginPackage(dir: string): boolean {
  try {
    const keywords = packageOf(dir, dir)?.keywords;
    return Array.isArray(keywords) && keywords.includes(KEYWORD);
  } catch {
    // A package.json that is no JSON has no keyword.
    return false;
  }
}
