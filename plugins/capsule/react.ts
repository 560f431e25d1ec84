/** Starts a reaction: its watchers, its row in the file, its place in the log. */
import { randomUUID } from 'node:crypto';
import { GlyphError } from '../../sdk/plugin.ts';
import type { Database } from '../../sdk/plugin.ts';
import type { Reactions } from './reactions.ts';
import type { Registry } from './registry.ts';
import { parseReset } from './subscriptions.ts';
import type { Reaction, ReactionHandle } from './types.ts';
import type { Watchers } from './watchers.ts';

export interface ReactParts {
  readonly db: Database;
  readonly registry: Registry;
  readonly reactions: Reactions;
  readonly watchers: Watchers;
  /** Looks for other programs' commits; returns the end of the log. */
  readonly look: () => number;
}

/** @throws GC_BAD_ARGUMENT, and what `watch` throws */
export function startReaction(reaction: Reaction, parts: ReactParts): ReactionHandle {
  const { db, registry, reactions } = parts;
  const watchers = reaction.watches.map((one) => parts.watchers.watch(one.table, one.filter, undefined, true));
  const [first] = watchers;
  if (first === undefined) throw new GlyphError('GC_BAD_ARGUMENT', `The reaction ${reaction.name} watches nothing`);
  const end = parts.look();
  // Found and entered in one transaction: two hosts that start at once must not each make a cursor of that name.
  const { id, cursor, stored } = db.write(() => {
    const found = registry.findSubscription(reaction.name);
    const row = { id: found?.id ?? randomUUID(), cursor: found?.cursor ?? end, stored: found };
    for (const watcher of watchers) {
      parts.watchers.store(watcher.id);
      registry.makeDurable(watcher.id);
    }
    registry.addSubscription({
      id: row.id,
      watcherId: first.id,
      watcherIds: watchers.map((watcher) => watcher.id),
      listenerId: reaction.name,
      listenerType: reaction.listenerType,
      name: reaction.name,
      cursor: row.cursor,
    });
    return row;
  });
  const reset = parseReset(stored?.reset ?? null);
  if (reset !== undefined) {
    reaction.reset?.(reset);
    db.deferWrite(() => registry.clearReset(id, reset));
  }
  const handle = reactions.add({
    id,
    reaction,
    watcherIds: new Set(watchers.map((watcher) => watcher.id)),
    at: cursor,
    state: 'idle',
    attempts: 0,
    delivered: 0,
    timer: undefined,
  });
  return {
    get cursor() {
      return handle.cursor;
    },
    resume: () => handle.resume(),
    settled: (seq) => handle.settled(seq),
    stop: () => {
      handle.stop();
      for (const watcher of watchers) parts.watchers.unwatch(watcher);
    },
  };
}
