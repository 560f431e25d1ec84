/**
 * The skills of a host as they see each other: for `dependencies`, and for `glyphcase.call`.
 *
 * Invariant: what is called runs with the permissions, the limits and the hooks of the skill it belongs to, in a savepoint of
 * the caller's transaction: if it fails, nothing of it stays.
 */
import type { LuaValue } from '../../sdk/lua-types.ts';
import { didYouMean, GlyphError } from '../../sdk/plugin.ts';
import type { Database } from '../../sdk/plugin.ts';
import type { Peer } from './dependencies.ts';
import { withNotes } from './notes.ts';
import type { Peers } from './runtime.ts';
import type { Skill } from './skill.ts';

/** Skills calling each other, one inside the other. */
const MAX_DEPTH = 16;
/** GlyphCase calls these, nobody else. */
const RESERVED =
  /^(on_(install|upgrade|activate|deactivate|uninstall|data_changed)|(before|validate)_(insert|update|delete))$/;

export interface PeersOptions {
  readonly db: Database;
  readonly skills: ReadonlyMap<string, Skill>;
  /** See {@link Peers.moved}. */
  readonly moved: (id: string) => void;
}

export function createPeers({ db, skills, moved }: PeersOptions): Peers {
  let depth = 0;
  return {
    moved,
    find: (id) => {
      const skill = skills.get(id);
      return skill === undefined ? undefined : peerOf(skill);
    },
    call(id, fn, args): readonly LuaValue[] {
      const skill = skills.get(id);
      if (skill === undefined) throw noSuchSkill(id, skills.keys());
      const { running } = skill;
      if (running === undefined) {
        throw new GlyphError(
          'GC_SKILL_FAILED',
          `The skill ${id} is not active, so ${fn}() cannot be called: ${skill.why().join(' ')}`,
          {
            skill: id,
          },
        );
      }
      if (RESERVED.test(fn)) {
        throw new GlyphError('GC_BAD_ARGUMENT', `${fn}() of the skill ${id} is called by GlyphCase only`, {
          skill: id,
        });
      }
      if (depth >= MAX_DEPTH) {
        throw new GlyphError('GC_CASCADE', `Skills call each other more than ${MAX_DEPTH} deep (at ${id}.${fn})`, {
          skill: id,
        });
      }
      depth += 1;
      try {
        return db.savepoint(() => withNotes(db, () => running.instance().call(fn, ...args)));
      } finally {
        depth -= 1;
      }
    },
  };
}

export function noSuchSkill(id: unknown, known: Iterable<string>): GlyphError {
  const close = typeof id === 'string' ? didYouMean(id, known) : undefined;
  return new GlyphError('GC_NO_SUCH_SKILL', `There is no skill ${JSON.stringify(id)}`, {
    ...(close === undefined ? {} : { hint: `Did you mean "${close}"?` }),
  });
}

const peerOf = ({ id, state, running, dependencies }: Skill): Peer => ({
  id,
  state,
  runningVersion: running?.manifest.version,
  dependencies,
});
