/** Types of the `lua` service, for plugins that `use('lua')`. Types only: importing this loads no Lua. */
export type {
  HostFunction,
  LuaErrorCause,
  LuaFunction,
  LuaNull,
  LuaResults,
  LuaService,
  LuaState,
  LuaStateOptions,
  LuaValue,
} from '../plugins/lua/types.ts';
