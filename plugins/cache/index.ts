/**
 * The plugin `cache`: values a skill keeps in memory, across reloads, its own and the plugin's, but not across the host's restarts.
 *
 * Invariants: a skill sees its own entries only; only copies go in and come out; what was put in by a transaction that is
 * rolled back is gone, for it may tell of rows that never were.
 */
import type { HostFunction, LuaService } from '../../sdk/lua-types.ts';
import { handedOn } from '../../sdk/lasting.ts';
import { definePlugin, GlyphError } from '../../sdk/plugin.ts';
import type { Clock } from '../../sdk/plugin.ts';
import type { SkillHandle, SkillsService } from '../../sdk/skills-types.ts';
import { keyArgument, sizeOf, toLua, ttlArgument } from './arguments.ts';
import { CacheMemory } from './memory.ts';

/** Of each skill. */
const LIMITS = { entries: 10_000, bytes: 8 * 1024 * 1024 } as const;
/** Of one value, about. */
const MAX_VALUE = 1024 * 1024;

interface Tools {
  readonly lua: LuaService;
  readonly clock: Clock;
  readonly memories: Map<string, CacheMemory>;
}

function functionsOf(skill: SkillHandle, { lua, clock, memories }: Tools): Readonly<Record<string, HostFunction>> {
  const memory = (): CacheMemory => {
    let found = memories.get(skill.id);
    if (found === undefined) memories.set(skill.id, (found = new CacheMemory(clock, LIMITS)));
    return found;
  };
  return {
    'cache.set': (name, value, ttl) => {
      const call = 'cache.set';
      const key = keyArgument(name, call);
      const lasts = ttlArgument(ttl, call);
      if (value === undefined || value === null) {
        memory().delete(key);
        return;
      }
      const bytes = sizeOf(value, lua, call) + key.length * 2;
      if (bytes > MAX_VALUE) {
        throw new GlyphError('GC_BAD_ARGUMENT', `cache.set: a value takes at most ${MAX_VALUE} bytes, not ${bytes}`, {
          hint: 'Keep large values in a table of the skill, and only their keys here.',
        });
      }
      memory().set(key, value, bytes, lasts);
      skill.whenSettled({ rolledBack: () => void memories.get(skill.id)?.delete(key) });
    },
    'cache.get': (name) => {
      const value = memory().get(keyArgument(name, 'cache.get'));
      return value === undefined ? null : toLua(value, lua);
    },
    'cache.delete': (name) => memory().delete(keyArgument(name, 'cache.delete')),
    'cache.clear': () => memory().clear(),
  };
}

const handed = handedOn<unknown, Omit<Tools, 'lua'>>({
  label: 'cache',
  begin: ({ clock }) => ({ clock, memories: new Map() }),
  end: ({ memories }) => memories.clear(),
});

export default definePlugin({
  name: 'cache',
  version: '1.0.0',
  requires: { skills: '^1.0.0', lua: '^1.0.0' },
  reload: 'restart',
  snapshot: handed.snapshot,
  activate(ctx) {
    const tools: Tools = { ...handed.take(ctx), lua: ctx.use('lua') };
    const create = (skill: SkillHandle) => ({ functions: functionsOf(skill, tools) });
    ctx.defer(ctx.use<SkillsService>('skills').extend({ name: 'cache', create, adopt: create }), 'cache in Lua');
    ctx.on('skill:uninstalling', ({ id }: { readonly id: string }) => void tools.memories.delete(id));
  },
});
