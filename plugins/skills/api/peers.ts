/** `glyphcase.call`: a function of another skill, which runs with that one's permissions, never the caller's. */
import { GlyphError } from '../../../sdk/plugin.ts';
import { textArgument } from './arguments.ts';
import { transactionOf } from './context.ts';
import type { ApiPart } from './context.ts';

export const peersPart: ApiPart = (api) => ({
  'glyphcase.call': (skill, fn, ...args) => {
    transactionOf(api);
    const id = textArgument(skill, 'glyphcase.call', 'the skill');
    const name = textArgument(fn, 'glyphcase.call', 'the function');
    if (api.dependencies?.includes(id) === false) {
      throw new GlyphError(
        'GC_PERMISSION',
        `The skill ${api.id} may not call the skill ${id}. Its manifest.json would need "dependencies": { "${id}": "*" }`,
        { skill: api.id },
      );
    }
    const { lua, peers } = api.runtime;
    return lua.results(...peers.call(id, name, args));
  },
});
