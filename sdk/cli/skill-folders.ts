/** The skills that a command's folders stand for. */
import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { GlyphError } from '../../kernel/errors.ts';
import { DEFAULT_SKILLS, isFolder } from './paths.ts';

/** Folders of skills, as they were given: each itself, or the skills in it. @throws GC_BAD_ARGUMENT, GC_BAD_MANIFEST */
export async function skillsIn(folders: readonly string[]): Promise<readonly string[]> {
  const { skillFolders } = await import('../../plugins/skills/folder.ts');
  return folders.flatMap((folder) => expand(folder, skillFolders));
}

/** What is meant when no folder is named: the skill one stands in, or those in ./skills. */
export const defaultFolders = (): readonly string[] => (existsSync('manifest.json') ? ['.'] : [DEFAULT_SKILLS]);

/** A folder that is no skill but holds some stands for them. */
function expand(folder: string, skillFolders: (dir: string) => readonly string[]): readonly string[] {
  if (!isFolder(folder)) {
    const hint = existsSync(folder) ? 'Name the folder it lies in.' : 'Name the folder of a skill: skills/order-totals';
    throw new GlyphError('GC_BAD_ARGUMENT', `There is no folder ${folder}`, { hint });
  }
  if (existsSync(join(folder, 'manifest.json'))) return [folder === '.' ? '.' : folder.replace(/\/+$/, '')];
  const inside = skillFolders(folder);
  if (inside.length > 0) return inside.map((dir) => join(folder, basename(dir)));
  throw new GlyphError('GC_BAD_MANIFEST', `${folder} holds no manifest.json, and no folder that does`, {
    hint: 'A skill is a folder with manifest.json and main.lua: glyphcase skill new ID',
  });
}
