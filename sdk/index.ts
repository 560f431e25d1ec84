/** `glyphcase`: the package's main entry. The Node version is checked before anything native loads. */
import '../kernel/node-version.ts';

export { GlyphCase } from './glyphcase.ts';
export type { ExecuteResult } from './statements.ts';
export type { PluginsManager, SkillsManager } from './manager-types.ts';
export { installSkill, removeSkill, verifyLock } from './install/index.ts';
export type * from './install/index.ts';
export { ERRORS, GlyphError } from '../kernel/errors.ts';
export type { ErrorCode } from '../kernel/errors.ts';
export { VERSION } from './version.ts';
export type * from './types.ts';
