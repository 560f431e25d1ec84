/** The types of the service `skills`, for plugins that use it or give functions to Lua. */
export type { CallLua, LuaExtension, LuaExtensionInstance, SkillHandle } from '../plugins/skills/extensions.ts';
export type { GrantedPermissions } from '../plugins/skills/permissions.ts';
export type { LogLevel, Permissions, SkillLogLine, SkillReport, SkillsService } from '../plugins/skills/types.ts';
