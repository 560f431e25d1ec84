/**
 * Reads a folder as the package it would be.
 *
 * Invariant: links are refused, not followed, except where they are left out anyway; the limits are those of archives.
 */
import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { badEntry, isLeftOut } from './entry-names.ts';
import { PackageFiles } from './package-files.ts';
import type { SkillFiles } from './package-files.ts';

/** The skill in a folder, or in the only folder within. @throws GC_BAD_PACKAGE, and what the file system refuses */
export const readPackageFolder = (dir: string): SkillFiles => read(dir).skill();

/** The files of a folder that is a skill's, or was. @throws GC_BAD_PACKAGE, and what the file system refuses */
export const readSkillFiles = (dir: string): SkillFiles => read(dir).all();

function read(dir: string): PackageFiles {
  const files = new PackageFiles();
  add(dir, '', files);
  return files;
}

function add(root: string, under: string, files: PackageFiles): void {
  for (const name of readdirSync(join(root, under)).sort()) {
    const path = under === '' ? name : `${under}/${name}`;
    // What is left out is not looked into: a .git or node_modules may hold anything.
    if (isLeftOut(name)) continue;
    const stat = lstatSync(join(root, path));
    if (stat.isDirectory()) {
      files.addFolder(path);
      add(root, path, files);
    } else if (stat.isFile()) {
      const place = files.expectFile(path, stat.size);
      if (place !== undefined) files.setContent(place, readFileSync(join(root, path)));
    } else {
      const what = stat.isSymbolicLink() ? 'a symbolic link' : 'no file';
      throw badEntry(path, `which is ${what}; a skill has files and folders only`);
    }
  }
}
