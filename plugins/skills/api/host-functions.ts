/** The functions of the host that Lua may call, as globals. */
import type { HostFunction } from '../../../sdk/lua-types.ts';
import { GlyphError } from '../../../sdk/plugin.ts';
import { toLua } from '../values.ts';
import { textArgument } from './arguments.ts';
import type { ApiPart } from './context.ts';

export const hostFunctionsPart: ApiPart = (api) => {
  const { functions } = api.runtime;
  const named = api.functions.map((name): [string, HostFunction] => [
    name,
    (...args) => toLua(functions.call(name, args)),
  ]);
  return {
    ...Object.fromEntries(named),
    '__glyphcase.call': (name, ...args) => {
      const wanted = textArgument(name, 'call', 'the name');
      if (!api.mayCall(wanted))
        throw new GlyphError('GC_PERMISSION', `${api.id} may not call the function ${wanted}`, { skill: api.id });
      return toLua(functions.call(wanted, args));
    },
  };
};
