/**
 * `http.request` of one Lua state.
 *
 * Invariant: a request that is refused, for its form, its host or because too many wait, leaves no trace; one that is accepted stands
 * in the file when the transaction that asked commits, and not otherwise.
 */
import { randomUUID } from 'node:crypto';
import type { HostFunction, LuaFunction, LuaService, LuaValue } from '../../sdk/lua-types.ts';
import { GlyphError } from '../../sdk/plugin.ts';
import type { Clock } from '../../sdk/plugin.ts';
import type { SkillHandle } from '../../sdk/skills-types.ts';
import { shown } from './exchange.ts';
import { placeOf } from './hosts.ts';
import type { HostList } from './hosts.ts';
import { readRequest } from './request.ts';
import { sizeOf } from './store.ts';
import type { Callback, OutboxStore, Sender } from './store.ts';

/** What one skill may have in the outbox. */
const MAX_ROWS = 1000;
const MAX_BYTES = 32 * 1024 * 1024;
const MAX_NAME = 200;

export interface RequestOptions {
  readonly skill: SkillHandle;
  readonly sender: Sender;
  readonly hosts: HostList;
  readonly store: OutboxStore;
  readonly lua: LuaService;
  readonly clock: Clock;
  readonly callbacks: Map<string, LuaFunction>;
  /** There is something to send. */
  readonly asked: () => void;
}

/** Returns the request's id. */
export function requestFunction(options: RequestOptions): HostFunction {
  const { skill, sender, hosts, store, lua, clock, callbacks, asked } = options;
  return (given, target) => {
    const request = readRequest(given);
    const callback = callbackOf(target, lua);
    const place = placeOf(new URL(request.url));
    if (!hosts.covers(place))
      throw skill.refusal(`reach ${place.host} (port ${place.port})`, `"network": ["${shown(place)}"]`);
    const load = store.load(sender.skill);
    if (load.rows >= MAX_ROWS || load.bytes + sizeOf(request) > MAX_BYTES) {
      throw new GlyphError(
        'GC_BAD_ARGUMENT',
        `http.request: ${load.rows} requests of ${load.bytes} bytes wait already; at most ${MAX_ROWS} of ${MAX_BYTES} bytes may`,
        { hint: 'Ask for more when answers have come: in the callback of an earlier request.', skill: skill.id },
      );
    }
    const id = randomUUID();
    if (lua.isFunction(target)) callbacks.set(id, target);
    skill.whenSettled({ committed: asked, rolledBack: () => void callbacks.delete(id) });
    store.add({ ...sender, id, request, callback, now: clock.now() });
    return id;
  };
}

function callbackOf(target: LuaValue | undefined, lua: LuaService): Callback {
  if (target === undefined || target === null) return { kind: 'none' };
  if (lua.isFunction(target)) return { kind: 'closure' };
  if (typeof target === 'string' && target !== '' && target.length <= MAX_NAME) return { kind: 'global', name: target };
  throw new GlyphError(
    'GC_BAD_ARGUMENT',
    'http.request: the callback must be a function, or the name of a global function',
  );
}
