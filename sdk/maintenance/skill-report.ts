/** What the parts of `skill check` work on, and what they find. */
import type { SkillFolder } from '../../plugins/skills/folder.ts';
import type { Manifest } from '../../plugins/skills/types.ts';
import type { AccessCheck } from '../../kernel/access/access.ts';
import type { LuaNames } from './lua-names.ts';

export interface SkillProblem {
  /** An error keeps the skill, or a part of it, from working; a note is only worth knowing. */
  readonly level: 'error' | 'warning' | 'note';
  /** Path of the file, as the folder was given. */
  readonly file: string;
  readonly line: number;
  readonly message: string;
  /** Without mending it the skill cannot even be loaded. */
  readonly keepsFromStarting?: true;
}

/** @param file path within the skill's folder */
export type Report = (level: SkillProblem['level'], file: string, line: number, message: string) => void;

/** A script that compiles. */
export interface LuaFile {
  /** Path within the skill's folder. */
  readonly file: string;
  readonly names: LuaNames;
}

export interface Checked {
  readonly folder: SkillFolder;
  readonly manifest: Manifest;
  /** Without test.lua, which may do what the skill may not. */
  readonly scripts: readonly LuaFile[];
  /** Of a database that the skill is meant for, if one was named. */
  readonly access?: AccessCheck;
  readonly report: Report;
}

/** Place of a key in manifest.json: `watches[0]`. */
export const MANIFEST = 'manifest.json';
