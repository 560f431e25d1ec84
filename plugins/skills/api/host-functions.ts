/** The functions of the host that Lua may call, as globals. */
import type { HostFunction } from '../../../sdk/lua-types.ts';
import { toLua } from '../values.ts';
import type { ApiPart } from './context.ts';

export const hostFunctionsPart: ApiPart = (api) => {
  const { functions } = api.runtime;
  const named = api.functions.map((name): [string, HostFunction] => [name, (...args) => toLua(functions.call(name, args))]);
  return Object.fromEntries(named);
};
